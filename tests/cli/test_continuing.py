"""``gmat-sweep resume``, ``extend`` and ``archive``, and what Ctrl-C says of going on."""

from __future__ import annotations

import os
import shlex
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli_sweeps import (
    GRID,
    MONTE_CARLO,
    SCRIPT,
    let_sweeps_end,
    manifest,
    refused,
)
from gmat_sweep.backends.process_pool import ProcessPoolExecutorPool
from gmat_sweep.cli import main
from gmat_sweep.disk.owner import origin
from gmat_sweep.import_places import HOOKS_VARIABLE, hook_folders
from gmat_sweep.manifest import Manifest
from gmat_sweep.mission.script import canonical_script_sha256
from gmat_sweep.plans import PLANNED_KEY
from gmat_sweep.sweep import Sweep
from sweep_on_disk import SweepOnDisk, report

NEEDS_A_SWEEP = {
    "resume": (),
    "extend": ("--n", "2"),
    "archive": ("--out", "never.zip"),
}

type Words = Callable[..., list[str]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the manifest is."""
    return tmp_path / "sweep" / "manifest.jsonl"


@pytest.fixture(params=NEEDS_A_SWEEP)
def command(request: pytest.FixtureRequest, path: Path) -> Words:
    """Return a function that makes the words of a command that needs a sweep."""

    def words(*more: object, manifest: object = path, script: object = SCRIPT) -> list[str]:
        needed = NEEDS_A_SWEEP[request.param]
        return [str(each) for each in (request.param, manifest, "--script", script, *needed, *more)]

    return words


def monte_carlo(*statuses: Any, **fields: Any) -> Manifest:
    return manifest(*statuses, parameter_spec=MONTE_CARLO, run_count=2, **fields)


def planned(whole: Manifest, count: int) -> Manifest:
    """Return the manifest with the last run as one of an extension to `count` runs."""
    *others, last = whole.entries
    return replace(whole, entries=[*others, replace(last, extra={PLANNED_KEY: count})])


class TestEveryCommandThatNeedsASweep:
    def test_a_missing_manifest_is_3(
        self, command: Words, capsys: pytest.CaptureFixture[str], path: Path
    ) -> None:
        assert refused(capsys, 3, *command()) == f"manifest not found: {path}"

    def test_a_missing_script_is_2(
        self, command: Words, capsys: pytest.CaptureFixture[str], path: Path
    ) -> None:
        manifest("ok", "ok").save(path)

        said = refused(capsys, 2, *command(script="nowhere.script"))

        assert said == "script not found: nowhere.script"

    def test_a_damaged_manifest_is_3_with_path_and_line_and_stays_as_it_is(
        self, command: Words, capsys: pytest.CaptureFixture[str], path: Path
    ) -> None:
        manifest("ok", "failed").save(path)
        damaged = path.read_bytes().replace(b'"ok"', b'"OK"')
        path.write_bytes(damaged)

        assert refused(capsys, 3, *command()).endswith(f" ({path}:2)")
        assert path.read_bytes() == damaged

    def test_a_changed_script_is_2_and_says_how_to_go_on(
        self, command: Words, capsys: pytest.CaptureFixture[str], path: Path
    ) -> None:
        monte_carlo("ok", "ok", script_sha256="f" * 64).save(path)

        said = refused(capsys, 2, *command())

        assert said.startswith("script hash mismatch: ")
        assert "--allow-script-drift" in said
        assert "f" * 64 in said
        assert canonical_script_sha256(SCRIPT) in said


class TestResume:
    def test_a_changed_script_can_be_accepted(
        self, monkeypatch: pytest.MonkeyPatch, path: Path
    ) -> None:
        manifest("failed", script_sha256="f" * 64).save(path)
        done = let_sweeps_end(monkeypatch, "ok", "ok")

        with pytest.warns(RuntimeWarning, match="script hash mismatch"):
            code = main(["resume", str(path), "--script", str(SCRIPT), "--allow-script-drift"])

        assert code == 0
        assert len(done) == 1

    def test_a_sweep_of_an_unknown_kind_is_2(
        self, capsys: pytest.CaptureFixture[str], path: Path
    ) -> None:
        manifest(parameter_spec={"_kind": "annealed"}).save(path)

        said = refused(capsys, 2, "resume", path, "--script", SCRIPT)

        assert "unknown parameter_spec _kind 'annealed'" in said

    def test_a_missing_folder_is_2(
        self, capsys: pytest.CaptureFixture[str], path: Path, tmp_path: Path
    ) -> None:
        manifest("ok").save(path)
        elsewhere = tmp_path / "elsewhere"

        said = refused(capsys, 2, "resume", path, "--script", SCRIPT, "--out", elsewhere)

        assert f"output directory does not exist: {elsewhere}" in said

    def test_it_prints_the_summary_of_the_whole_sweep(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: Path
    ) -> None:
        manifest("ok", "failed").save(path)
        done = let_sweeps_end(monkeypatch, "ok", "ok")

        assert main(["resume", str(path), "--script", str(SCRIPT)]) == 0
        assert capsys.readouterr() == (f"2 runs (2 ok) in 1.00 s — output: {path.parent}\n", "")
        assert [run.overrides for run in done[0].runs] == [{"Sat.SMA": 7000}, {"Sat.SMA": 7100}]

    def test_the_share_that_may_fail_is_one_of_all_the_runs_that_there_are_in_the_end(
        self, monkeypatch: pytest.MonkeyPatch, path: Path
    ) -> None:
        monte_carlo("ok", "ok").save(path)
        words = ["resume", str(path), "--script", str(SCRIPT), "--max-failed"]
        let_sweeps_end(monkeypatch, "ok", "ok", "ok", "failed", "failed")

        assert main([*words, "40%"]) == 0
        assert main([*words, "39%"]) == 5

    @pytest.mark.parametrize(
        ("writer", "flags", "expected"),
        [
            ("own", (), ["recorded"]),
            ("own", ("--postprocess", "hooks_here:f"), ["here"]),
            ("another", (), []),
            ("another", ("--trust-hook",), ["recorded"]),
            ("another", ("--postprocess", "hooks_here:f"), ["here"]),
        ],
    )
    def test_a_hook_is_looked_for_where_it_is_recorded_or_here_if_it_is_named_here(
        self,
        monkeypatch: pytest.MonkeyPatch,
        path: Path,
        tmp_path: Path,
        writer: str,
        flags: tuple[str, ...],
        expected: list[str],
    ) -> None:
        ended = manifest("failed", "ok", postprocess="hooks_here:f")
        ended.extra["hook_folder"] = "/recorded"
        ended.extra["created_by"] = origin() if writer == "own" else {"user": "eve", "host": "far"}
        ended.save(path)
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        monkeypatch.delenv(HOOKS_VARIABLE, raising=False)
        seen: list[str] = []

        def end(sweep: Sweep) -> Sweep:
            assert sys.path == before
            seen.extend(Path(folder).name for folder in hook_folders())
            return sweep

        monkeypatch.setattr(Sweep, "resume", end)
        before = list(sys.path)

        assert main(["resume", str(path), "--script", str(SCRIPT), *flags]) == 0
        assert seen == expected
        assert HOOKS_VARIABLE not in os.environ


class TestExtend:
    def test_the_runs_to_add_and_the_flags_reach_the_sweep(
        self, monkeypatch: pytest.MonkeyPatch, path: Path, tmp_path: Path
    ) -> None:
        monte_carlo("ok", "ok").save(path)
        (tmp_path / "runs").mkdir()
        seen: list[Any] = []

        def extend(sweep: Sweep, *, n: int, allow_failed: bool) -> Sweep:
            seen.extend([
                n, allow_failed, sweep.output_dir, sweep.options.timeout, sweep.options.retries,
                sweep.options.progress,
                sweep.options.fsync_each, sweep.options.fsync_batch, type(sweep.backend),
                sweep.backend.max_workers,
            ])  # fmt: skip
            return sweep

        monkeypatch.setattr(Sweep, "extend", extend)
        words = [
            "extend", str(path), "--script", str(SCRIPT), "--n", "5", "--timeout", "9",
            "--retries", "0", "--quiet", "--no-fsync-each", "--fsync-batch", "7",
            "--backend", "process", "--workers", "3", "--out", str(tmp_path / "runs"),
            "--allow-failed",
        ]  # fmt: skip

        assert main(words) == 0
        assert seen == [
            5, True, tmp_path / "runs", 9.0, 0, False, False, 7, ProcessPoolExecutorPool, 3,
        ]  # fmt: skip

    def test_it_prints_the_summary_of_the_whole_sweep(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: Path
    ) -> None:
        monte_carlo("ok", "ok").save(path)
        let_sweeps_end(monkeypatch, "ok", "ok", "ok")

        assert main(["extend", str(path), "--script", str(SCRIPT), "--n", "1"]) == 0
        assert capsys.readouterr() == (f"3 runs (3 ok) in 1.50 s — output: {path.parent}\n", "")

    @pytest.mark.parametrize(
        ("added", "flags", "code"),
        [
            (("ok", "failed"), (), 0),
            (("failed", "failed"), (), 5),
            (("ok", "failed"), ("--max-failed", "49%"), 5),
            (("ok", "failed"), ("--max-failed", "50%"), 0),
            (("ok", "failed"), ("--max-failed", "0"), 5),
        ],
    )
    def test_the_exit_code_is_about_the_runs_that_were_added(
        self,
        monkeypatch: pytest.MonkeyPatch,
        path: Path,
        added: tuple[Any, ...],
        flags: tuple[str, ...],
        code: int,
    ) -> None:
        monte_carlo("ok", "ok").save(path)
        let_sweeps_end(monkeypatch, "ok", "ok", *added)

        words = ["extend", str(path), "--script", str(SCRIPT), "--n", "2", *flags]

        assert main(words) == code

    @pytest.mark.parametrize(
        ("header", "statuses", "n", "said"),
        [
            ({}, ("ok", "ok"), "1", "only applies to Monte Carlo"),
            ({"parameter_spec": MONTE_CARLO}, ("ok", "failed"), "1", "incomplete base sweep"),
            ({"parameter_spec": MONTE_CARLO, "run_count": 2}, ("ok",), "1", "incomplete base"),
            ({"parameter_spec": MONTE_CARLO}, ("ok", "ok"), "0", "n >= 1"),
            ({"parameter_spec": MONTE_CARLO}, ("ok", "ok"), "-3", "n >= 1"),
        ],
    )
    def test_what_cannot_be_extended_is_2_and_the_manifest_stays_as_it_is(
        self,
        capsys: pytest.CaptureFixture[str],
        path: Path,
        header: dict[str, Any],
        statuses: tuple[Any, ...],
        n: str,
        said: str,
    ) -> None:
        manifest(*statuses, **header).save(path)
        before = path.read_bytes()

        assert said in refused(capsys, 2, "extend", path, "--script", SCRIPT, "--n", n)
        assert path.read_bytes() == before


class TestArchive:
    @pytest.fixture
    def sweep(self, path: Path) -> Path:
        """Write a sweep of two good runs and one that failed; return its manifest."""
        runs = SweepOnDisk(path.parent)
        for run_id in (0, 1):
            folder = runs.ok(run_id, {"report__RF": report()})
            (folder / "worker.log").write_text("done\n")
            runs.entries[-1] = replace(
                runs.entries[-1], log_path=Path(f"run-{run_id}") / "worker.log"
            )
        runs.failed(2)
        replace(runs.manifest, script_sha256=canonical_script_sha256(SCRIPT)).save(path)
        return path

    def test_the_second_line_is_the_zip_as_it_was_typed(
        self,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        sweep: Path,
    ) -> None:
        monkeypatch.chdir(sweep.parent)

        words = ["archive", "manifest.jsonl", "--script", str(SCRIPT), "--out", "new/it.zip"]

        assert main(words) == 0
        assert capsys.readouterr() == (
            "3 runs (2 ok, 1 failed) in 3.00 s — output: .\narchive: new/it.zip\n", "",
        )  # fmt: skip
        members = zipfile.ZipFile(sweep.parent / "new" / "it.zip").namelist()
        assert members == [
            "MANIFEST.hash", "README.md", "manifest.jsonl", "runs/run-0/report__RF.parquet",
            "runs/run-1/report__RF.parquet", "script/leo_short.script",
        ]  # fmt: skip

    def test_logs_go_with_it_when_asked_for(self, sweep: Path, tmp_path: Path) -> None:
        words = ["archive", str(sweep), "--script", str(SCRIPT), "--include-logs", "--out"]

        assert main([*words, str(tmp_path / "it.zip")]) == 0
        members = zipfile.ZipFile(tmp_path / "it.zip").namelist()
        assert {"runs/run-0/worker.log", "runs/run-1/worker.log"} < set(members)

    def test_a_changed_script_can_be_accepted(
        self, capsys: pytest.CaptureFixture[str], sweep: Path, tmp_path: Path
    ) -> None:
        script, out = tmp_path / "changed.script", tmp_path / "it.zip"
        script.write_text("Create Spacecraft Sat;\n")
        words = ("archive", sweep, "--script", script, "--out", out)

        assert "script hash mismatch" in refused(capsys, 2, *words)
        assert not out.exists()
        assert main([*map(str, words), "--allow-script-drift"]) == 0
        assert out.exists()

    def test_a_missing_file_is_2_and_leaves_nothing(
        self, capsys: pytest.CaptureFixture[str], sweep: Path, tmp_path: Path
    ) -> None:
        (sweep.parent / "run-1" / "report__RF.parquet").unlink()
        out = tmp_path / "it.zip"

        said = refused(capsys, 2, "archive", sweep, "--script", SCRIPT, "--out", out)

        assert "'report__RF' of run 1" in said
        assert not out.exists()

    def test_a_file_that_is_something_else_is_2_and_kept(
        self, capsys: pytest.CaptureFixture[str], sweep: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "it.zip").write_text("precious")

        said = refused(
            capsys, 2, "archive", sweep, "--script", SCRIPT, "--out", tmp_path / "it.zip"
        )

        assert "exists already" in said
        assert (tmp_path / "it.zip").read_text() == "precious"

    def test_a_zip_that_cannot_be_written_is_1_in_one_line(
        self, capsys: pytest.CaptureFixture[str], sweep: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        out = tmp_path / "file" / "it.zip"

        said = refused(capsys, 1, "archive", sweep, "--script", SCRIPT, "--out", out)

        assert said.startswith(f"{out}: cannot write the archive")


class TestCtrlC:
    """What is said when a sweep is interrupted after some of its runs."""

    def interrupted(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        words: list[str],
        left: Manifest | None,
        path: Path,
    ) -> str:
        """Return what is said when `words` are interrupted and `left` is on disk."""

        def interrupt(_: Sweep, **__: object) -> Sweep:
            if left is not None:
                left.save(path)
            raise KeyboardInterrupt

        for name in ("run", "resume", "extend"):
            monkeypatch.setattr(Sweep, name, interrupt)
        with pytest.raises(KeyboardInterrupt):
            main(words)
        printed, err = capsys.readouterr()
        assert printed == ""
        return err

    def test_a_new_sweep_is_resumed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: Path
    ) -> None:
        words = ["run", str(SCRIPT), *GRID, "--out", str(path.parent)]

        err = self.interrupted(monkeypatch, capsys, words, manifest("ok", run_count=2), path)

        assert err == (
            "\ngmat-sweep: 1 of 2 runs are recorded; go on with "
            f"`gmat-sweep resume {path} --script {SCRIPT}`\n"
        )

    def test_before_the_first_run_there_is_nothing_to_resume(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: Path
    ) -> None:
        words = ["run", str(SCRIPT), *GRID, "--out", str(path.parent)]

        assert self.interrupted(monkeypatch, capsys, words, None, path) == ""

    def test_after_the_last_run_there_is_nothing_to_resume(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: Path
    ) -> None:
        words = ["run", str(SCRIPT), *GRID, "--out", str(path.parent)]

        err = self.interrupted(monkeypatch, capsys, words, manifest("ok", "ok"), path)

        assert err == "\ngmat-sweep: all 2 runs are recorded\n"

    def test_an_extension_of_which_runs_are_recorded_is_resumed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: Path
    ) -> None:
        monte_carlo("ok", "ok").save(path)
        words = ["extend", str(path), "--script", str(SCRIPT), "--n", "8"]
        left = planned(monte_carlo("ok", "ok", "ok"), 10)

        err = self.interrupted(monkeypatch, capsys, words, left, path)

        assert err == (
            "\ngmat-sweep: 3 of 10 runs are recorded; go on with "
            f"`gmat-sweep resume {path} --script {SCRIPT}`\n"
        )

    def test_an_extension_of_which_nothing_is_recorded_is_started_again(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: Path
    ) -> None:
        monte_carlo("ok", "ok").save(path)
        words = ["extend", str(path), "--script", str(SCRIPT), "--n", "8", "--allow-failed"]

        err = self.interrupted(monkeypatch, capsys, words, None, path)

        assert err == (
            "\ngmat-sweep: no run of the extension is recorded; start it again with "
            f"`gmat-sweep extend {path} --n 8 --allow-failed --script {SCRIPT}`\n"
        )

    @pytest.mark.parametrize("command", ["resume", "extend"])
    @pytest.mark.filterwarnings("ignore:script hash mismatch:RuntimeWarning")
    def test_the_command_to_go_on_with_can_be_copied_from_the_screen(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
        command: str,
    ) -> None:
        path, runs = tmp_path / "my sweep" / "manifest.jsonl", tmp_path / "my runs"
        runs.mkdir()
        left = planned(monte_carlo("ok", "ok", "ok", script_sha256="f" * 64), 4)
        monte_carlo("ok", "ok", script_sha256="f" * 64).save(path)
        more = ["--script", str(SCRIPT), "--out", str(runs), "--allow-script-drift"]
        words = [command, str(path), *more, *NEEDS_A_SWEEP[command]]

        err = self.interrupted(monkeypatch, capsys, words, left, path)

        quoted = err.split("`")[1]
        assert shlex.split(quoted) == ["gmat-sweep", "resume", str(path), *more]
