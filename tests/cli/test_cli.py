"""The command ``gmat-sweep``: its words, its exit codes, and what it says before a sweep runs."""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

from cli_sweeps import (
    GRID,
    PERTURB,
    SCRIPT,
    let_sweeps_end,
    manifest,
    refused,
    usage_error,
)
from gmat_sweep import cli
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.backends.process_pool import ProcessPoolExecutorPool
from gmat_sweep.cli import main
from gmat_sweep.cli.endings import ManifestProblemError
from gmat_sweep.cli.parser import make_parser
from gmat_sweep.errors import (
    BackendError,
    DurabilityError,
    EngineError,
    GmatSweepError,
    ManifestCorruptError,
    SweepConfigError,
    SweepFolderInUseError,
)
from gmat_sweep.sweep import Sweep

HEAVY = ("pandas", "pyarrow", "numpy", "scipy", "prefect", "tqdm", "dask")

type Arrange = Callable[..., list[Sweep]]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "sweep"


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    path = tmp_path / "samples.csv"
    path.write_text("Sat.SMA\n7000\n7100\n")
    return path


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> Arrange:
    """Let sweeps end with runs of the given statuses, without GMAT and Prefect."""
    return functools.partial(let_sweeps_end, monkeypatch)


def python(
    code: str, *words: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | (env or {}),
    )


def helped(*words: str) -> None:
    """Ask for help, after which argparse ends the program."""
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 0


class TestWords:
    def test_the_version_is_that_of_the_distribution(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--version"]) == 0
        assert capsys.readouterr() == (f"gmat-sweep {version('gmat-sweep')}\n", "")

    def test_no_command_is_exit_2_with_the_help_on_standard_error(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([]) == 2
        printed, err = capsys.readouterr()
        assert printed == ""
        assert err == make_parser().format_help()

    def test_the_words_come_from_the_shell_when_none_are_given(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["gmat-sweep", "--version"])

        assert main() == 0
        assert capsys.readouterr().out.startswith("gmat-sweep ")

    def test_help_lists_every_command_and_every_exit_code_with_its_meaning(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        codes = {getattr(cli, name) for name in cli.__all__ if name.startswith("EXIT_")}

        helped("--help")
        shown = capsys.readouterr().out
        for command in commands():
            assert re.search(rf"^    {command}\b", shown, re.MULTILINE)
        assert codes == set(map(int, re.findall(r"^  (\d)  \w+", shown, re.MULTILINE)))

    def test_the_help_of_a_command_says_where_the_exit_codes_are(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for command in commands():
            helped(command, "--help")
            assert "Exit codes are listed in `gmat-sweep --help`." in capsys.readouterr().out

    def test_every_command_of_the_parser_can_be_carried_out(self) -> None:
        assert set(commands()) == set(cli._COMMANDS)

    def test_every_command_has_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        for command in commands():
            helped(command, "--help")
            assert capsys.readouterr().out.startswith(f"usage: gmat-sweep {command}")

    def test_an_unknown_command_is_a_usage_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "invalid choice: 'fly'" in usage_error(capsys, "fly")

    @pytest.mark.parametrize(
        "words",
        [
            ("run",),
            ("run", SCRIPT, *GRID),
            ("run", SCRIPT, "--out", "x"),
            ("run", *GRID, "--out", "x"),
            ("monte-carlo", SCRIPT, "--n", "2", "--out", "x"),
            ("monte-carlo", SCRIPT, *PERTURB),
            ("latin-hypercube", SCRIPT, *PERTURB),
            ("explicit", SCRIPT, "--out", "x"),
            ("explicit", SCRIPT, "--samples", "x.csv"),
            ("resume", "--script", SCRIPT),
            ("extend", "--n", "2", "--script", SCRIPT),
            ("archive", "manifest.jsonl", "--script", SCRIPT),
            ("archive", "--script", SCRIPT, "--out", "x.zip"),
            ("show",),
        ],
        ids=lambda words: " ".join(map(str, words)),
    )
    def test_what_a_command_needs_must_be_given(
        self, capsys: pytest.CaptureFixture[str], words: tuple[object, ...]
    ) -> None:
        assert "required" in usage_error(capsys, *words)

    @pytest.mark.parametrize(
        ("flag", "value"),
        [
            ("--workers", "two"),
            ("--workers", "1.5"),
            ("--backend", "cloud"),
            ("--backend", "mpi"),
            ("--fsync-batch", "x"),
            ("--timeout", "soon"),
            ("--retries", "1.5"),
            ("--retries", "1e23"),
            ("--workers", "1_0"),
            ("--workers", "\u0663"),
            ("--workers", "9" * 5000),
            ("--workers", "x" * 100_000),
            ("--backend", "x" * 100_000),
        ],
        ids=lambda value: value[:9],
    )
    def test_a_value_of_the_wrong_kind_is_a_usage_error_that_names_the_flag(
        self, capsys: pytest.CaptureFixture[str], flag: str, value: str
    ) -> None:
        err = usage_error(capsys, "run", SCRIPT, *GRID, "--out", "x", flag, value)

        assert f"argument {flag}: invalid" in err
        assert len(err) < 500

    @pytest.mark.parametrize("command", ["run", "monte-carlo", "latin-hypercube", "explicit"])
    def test_sweeps_run_on_all_cores_and_fsync_each_line_unless_told_otherwise(
        self, command: str
    ) -> None:
        what = {"run": GRID, "explicit": ("--samples", "x.csv")}.get(command, PERTURB)

        chosen = make_parser().parse_args([command, "s", *what, "--out", "o"])

        assert [
            chosen.workers, chosen.backend, chosen.backend_arg, chosen.fsync_each,
            chosen.fsync_batch, chosen.timeout, chosen.retries, chosen.max_failed, chosen.quiet,
            chosen.postprocess, chosen.frame, chosen.name,
        ] == [-1, "local", [], True, 50, None, 1, None, False, None, None, None]  # fmt: skip


def commands() -> list[str]:
    """Return the commands that the parser knows."""
    [choice] = [
        action
        for action in make_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    return list(choice.choices)


class TestExitCodes:
    def test_they_have_names(self) -> None:
        codes = [
            cli.EXIT_OK, cli.EXIT_GENERIC, cli.EXIT_CONFIG,
            cli.EXIT_MANIFEST, cli.EXIT_BACKEND, cli.EXIT_RUNS_FAILED, cli.EXIT_DAMAGED,
        ]  # fmt: skip
        assert codes == [0, 1, 2, 3, 4, 5, 6]

    @pytest.mark.parametrize(
        ("error", "code", "said"),
        [
            (SweepConfigError("No."), 2, "No."),
            (EngineError("No engine."), 2, "No engine."),
            (ManifestCorruptError("Bad", Path("a/m"), 3), 3, "Bad (a/m:3)"),
            (ManifestCorruptError("Bad", Path("a/m")), 3, "Bad (a/m)"),
            (BackendError("Gone."), 4, "backend error: Gone."),
            (SweepFolderInUseError("Busy.", Path("a"), "me"), 1, "Busy."),
            (GmatSweepError("Odd."), 1, "Odd."),
            (ManifestProblemError("Gone."), 3, "Gone."),
            (PermissionError(13, "Permission denied", "a/b"), 1, "a/b: Permission denied"),
            (DurabilityError(28, "No space left", "a/b"), 1, "a/b: No space left"),
            (OSError("odd"), 1, "odd"),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
    )
    def test_each_kind_of_error_has_its_own_and_is_told_in_one_line(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        error: Exception,
        code: int,
        said: str,
    ) -> None:
        def fail(_: argparse.Namespace) -> int:
            raise error

        monkeypatch.setitem(cli._COMMANDS, "engine", fail)

        assert refused(capsys, code, "engine") == said

    @pytest.mark.parametrize(
        "error", [ValueError("odd"), TypeError("odd"), KeyError("odd"), AssertionError("odd")]
    )
    def test_what_is_no_users_doing_keeps_its_traceback(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def fail(_: argparse.Namespace) -> int:
            raise error

        monkeypatch.setitem(cli._COMMANDS, "engine", fail)

        with pytest.raises(type(error), match="odd"):
            main(["engine"])

    def test_a_wrong_setting_of_prefects_is_4_and_is_named(self, out: Path) -> None:
        ended = python(
            "from gmat_sweep.cli import entry_point; entry_point()",
            *("run", str(SCRIPT), *GRID, "--out", str(out), "--quiet"),
            env={"PREFECT_LOGGING_LEVEL": "banana"},
        )

        assert ended.returncode == 4
        said = ended.stderr.splitlines()[-1]
        assert said.startswith(
            "gmat-sweep: backend error: Prefect's settings are wrong: LoggingSettings, level: "
        )
        assert "'BANANA'" in said
        assert "Traceback" not in ended.stderr
        assert not (out / "manifest.jsonl").exists()

    def test_a_sweep_whose_runs_are_ok_is_0_and_prints_its_summary(
        self, ending: Arrange, capsys: pytest.CaptureFixture[str], out: Path
    ) -> None:
        ending("ok", "ok")

        assert main(["run", str(SCRIPT), *GRID, "--out", str(out)]) == 0
        assert capsys.readouterr() == (f"2 runs (2 ok) in 1.00 s — output: {out}\n", "")

    def test_some_failed_runs_are_0_and_reported_by_cause(
        self, ending: Arrange, capsys: pytest.CaptureFixture[str], out: Path
    ) -> None:
        ending("ok", "failed", "failed")

        assert main(["run", str(SCRIPT), *GRID, "--out", str(out)]) == 0
        printed, err = capsys.readouterr()
        assert printed == f"3 runs (1 ok, 2 failed) in 1.50 s — output: {out}\n"
        assert err.splitlines() == [
            "gmat-sweep: failed: 2 x ValueError: no such orbit (run 1, 2)",
            f"gmat-sweep: see `gmat-sweep show {out}/manifest.jsonl --detail`",
        ]

    def test_every_run_failed_is_5(
        self, ending: Arrange, capsys: pytest.CaptureFixture[str], out: Path
    ) -> None:
        ending("failed", "failed")

        assert main(["run", str(SCRIPT), *GRID, "--out", str(out)]) == 5
        assert capsys.readouterr().err.endswith("gmat-sweep: every run failed\n")

    @pytest.mark.parametrize(
        ("allowed", "code"), [("0", 5), ("1", 5), ("2", 0), ("49%", 5), ("50%", 0), ("100%", 0)]
    )
    def test_more_failed_runs_than_allowed_are_5(
        self,
        ending: Arrange,
        capsys: pytest.CaptureFixture[str],
        out: Path,
        allowed: str,
        code: int,
    ) -> None:
        ending("ok", "failed", "failed", "ok")
        grid = ("--grid", "Sat.SMA=1,2,3,4")

        words = ["run", str(SCRIPT), *grid, "--out", str(out), "--max-failed", allowed]

        assert main(words) == code
        said = f"2 runs failed, more than --max-failed {allowed}"
        assert (said in capsys.readouterr().err) == (code == 5)

    def test_the_console_script_ends_with_the_code_of_main(self) -> None:
        code = "import sys; from gmat_sweep.cli import entry_point; entry_point()"
        ended = python(code, "show", "/nowhere/manifest.jsonl")

        assert ended.returncode == 3
        assert ended.stderr == "gmat-sweep: manifest not found: /nowhere/manifest.jsonl\n"

    def test_the_console_script_is_installed(self) -> None:
        [script] = entry_points(group="console_scripts", name="gmat-sweep")

        assert script.load() is cli.entry_point

    def test_ctrl_c_ends_it_by_sigint_without_a_traceback(self) -> None:
        ended = python(
            "import os, signal\n"
            "from gmat_sweep import cli\n"
            "cli._COMMANDS['engine'] = lambda _: os.kill(os.getpid(), signal.SIGINT)\n"
            "cli.entry_point()\n",
            "engine",
        )

        assert ended.returncode == -signal.SIGINT
        assert ended.stderr == "gmat-sweep: interrupted\n"

    def test_warnings_and_notes_are_lines_of_the_program(self) -> None:
        ended = python(
            "import logging, warnings\n"
            "from gmat_sweep import cli\n"
            "def command(_):\n"
            "    warnings.warn('the script has changed', RuntimeWarning)\n"
            "    logging.getLogger('gmat_sweep').warning('left out: %s', 'View1')\n"
            "    return 0\n"
            "cli._COMMANDS['engine'] = command\n"
            "cli.entry_point()\n",
            "engine",
        )

        assert ended.stderr.splitlines() == [
            "gmat-sweep: warning: the script has changed",
            "gmat-sweep: left out: View1",
        ]


class TestSweeps:
    def test_a_grid_is_planned_below_the_output_folder(
        self, ending: Arrange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        done = ending("ok", "ok")

        assert main(["run", str(SCRIPT), *GRID, "--out", "o"]) == 0
        assert [(run.run_id, run.overrides, run.output_dir) for run in done[0].runs] == [
            (0, {"Sat.SMA": 7000}, tmp_path / "o" / "run-0"),
            (1, {"Sat.SMA": 7100}, tmp_path / "o" / "run-1"),
        ]
        assert done[0].manifest_path == tmp_path / "o" / "manifest.jsonl"
        assert done[0].script_path == SCRIPT

    @pytest.mark.parametrize("command", ["monte-carlo", "latin-hypercube"])
    def test_a_seed_is_recorded_whether_given_or_drawn(
        self, ending: Arrange, out: Path, command: str
    ) -> None:
        done = ending("ok", "ok")
        words = [command, str(SCRIPT), *PERTURB, "--out", str(out)]

        assert main([*words, "--seed", "42"]) == 0
        assert main(words) == 0

        given, drawn = done
        assert given.sweep_seed == given.parameter_spec["seed"] == 42
        assert drawn.sweep_seed == drawn.parameter_spec["seed"]
        assert isinstance(drawn.sweep_seed, int)
        assert given.parameter_spec["_kind"] == command.replace("-", "_")

    def test_the_flags_reach_the_sweep(self, ending: Arrange, out: Path) -> None:
        done = ending("ok", "ok")
        words = ["run", str(SCRIPT), *GRID, "--out", str(out)]

        assert main([*words, "--workers", "3", "--timeout", "9.5", "--retries", "0", "--quiet",
                     "--memory-limit", "2GiB", "--no-fsync-each", "--fsync-batch", "7"]
                    ) == 0  # fmt: skip
        assert main(words) == 0

        told, untold = done
        assert told.backend.max_workers == 3
        assert [told.options.timeout, told.options.retries, told.options.progress] == [
            9.5,
            0,
            False,
        ]
        assert [told.options.fsync_each, told.options.fsync_batch] == [False, 7]
        assert [told.options.memory_limit, untold.options.memory_limit] == [2 * 1024**3, None]
        assert untold.backend.max_workers == LocalJoblibPool().max_workers
        assert [untold.options.timeout, untold.options.retries, untold.options.progress] == [
            None,
            1,
            True,
        ]
        assert [untold.options.fsync_each, untold.options.fsync_batch] == [True, 50]

    def test_the_back_end_is_chosen_by_name(self, ending: Arrange, out: Path) -> None:
        done = ending("ok", "ok")
        words = ["run", str(SCRIPT), *GRID, "--out", str(out), "--workers", "3", "--backend"]

        assert main([*words, "local"]) == 0
        assert main([*words, "process"]) == 0

        assert [type(sweep.backend) for sweep in done] == [LocalJoblibPool, ProcessPoolExecutorPool]
        assert [sweep.backend.max_workers for sweep in done] == [3, 3]

    @pytest.mark.parametrize("command", ["run", "monte-carlo", "latin-hypercube", "explicit"])
    def test_a_hook_in_the_current_folder_is_found_and_reaches_the_sweep(
        self,
        ending: Arrange,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        samples: Path,
        out: Path,
        command: str,
    ) -> None:
        module = f"hooks_of_{command.replace('-', '_')}"
        (tmp_path / f"{module}.py").write_text("def f(spec, outcome):\n    return {}\n")
        monkeypatch.chdir(tmp_path)
        done, before = ending("ok", "ok"), list(sys.path)
        what = {"run": GRID, "explicit": ("--samples", str(samples))}.get(command, PERTURB)

        words = [command, str(SCRIPT), *what, "--out", str(out), "--postprocess", f"{module}:f"]

        assert main(words) == 0
        assert done[0].options.postprocess == f"{module}:f"
        assert sys.path == before

    def test_a_file_of_the_current_folder_does_not_stand_in_for_a_library(
        self, ending: Arrange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path
    ) -> None:
        (tmp_path / "colorsys.py").write_text("raise RuntimeError('the wrong one')")
        monkeypatch.chdir(tmp_path)
        monkeypatch.delitem(sys.modules, "colorsys", raising=False)
        ending("ok", "ok")
        words = ["run", str(SCRIPT), *GRID, "--out", str(out)]

        assert main([*words, "--postprocess", "colorsys:rgb_to_hsv"]) == 0


class TestColdStart:
    @pytest.mark.parametrize(
        "words",
        [
            ["--help"],
            ["--version"],
            ["run", "--help"],
            ["extend", "--help"],
            [],
            ["show", "MANIFEST", "--detail"],
        ],
        ids=" ".join,
    )
    def test_no_heavy_library_is_loaded(self, words: list[str], tmp_path: Path) -> None:
        path = tmp_path / "manifest.jsonl"
        manifest("ok", "failed").save(path)
        words = [str(path) if word == "MANIFEST" else word for word in words]

        ended = python(
            "import json, sys\n"
            "from gmat_sweep.cli import main\n"
            "try:\n"
            "    code = main(sys.argv[1:])\n"
            "except SystemExit as stop:\n"
            "    code = stop.code\n"
            f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
            "print()\n"
            "print(json.dumps([code, loaded]))\n",
            *words,
        )

        assert json.loads(ended.stdout.splitlines()[-1]) == [0 if words else 2, []]
