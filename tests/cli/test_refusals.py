"""What ``gmat-sweep`` says of a sweep that cannot start, and of tables of samples."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cli_sweeps import (
    GRID,
    PERTURB,
    SCRIPT,
    let_sweeps_end,
    manifest,
    refused,
)
from gmat_sweep.cli import main
from gmat_sweep.flow import server
from gmat_sweep.sweep import Sweep

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


class TestSweepsThatCannotStart:
    @pytest.fixture(autouse=True)
    def nothing_is_started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def start() -> None:
            raise AssertionError("the sweep was started")

        monkeypatch.setattr(server, "start_local_server", start)

    @pytest.mark.parametrize("place", ["nowhere.script", "."])
    @pytest.mark.parametrize("command", ["run", "monte-carlo", "latin-hypercube", "explicit"])
    def test_a_missing_script_is_2_and_leaves_no_folder(
        self,
        capsys: pytest.CaptureFixture[str],
        out: Path,
        samples: Path,
        command: str,
        place: str,
    ) -> None:
        what = {"run": GRID, "explicit": ("--samples", samples)}.get(command, PERTURB)

        said = refused(capsys, 2, command, place, *what, "--out", out)

        assert said == f"script not found: {place}"
        assert not out.exists()

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("run", SCRIPT, "--grid", "Sat.SMA"), "must contain '='"),
            (("run", SCRIPT, "--grid", "a=1", "--grid", "a=2"), "given more than once"),
            (("run", SCRIPT, "--grid", "_kind=1"), "'_kind' is reserved"),
            (("monte-carlo", SCRIPT, "--n", "2", "--perturb", "a=zaphod:1:2"), "'zaphod'"),
            (("monte-carlo", SCRIPT, "--n", "2", "--perturb", "a=normal:1:0"), "sigma must be > 0"),
            (("monte-carlo", SCRIPT, "--n", "0", *PERTURB[2:]), "monte_carlo requires n >= 1"),
            (("monte-carlo", SCRIPT, *PERTURB, "--seed", "-1"), "seed must not be negative"),
            (("latin-hypercube", SCRIPT, "--n", "-5", *PERTURB[2:]), "requires n >= 1"),
            (("latin-hypercube", SCRIPT, "--n", "2", "--perturb", "a=uniform:2:1"), "hi > lo"),
        ],
        ids=lambda value: " ".join(map(str, value[2:])) if isinstance(value, tuple) else "",
    )
    def test_a_design_that_cannot_be_made_is_2(
        self,
        capsys: pytest.CaptureFixture[str],
        out: Path,
        words: tuple[object, ...],
        said: str,
    ) -> None:
        assert said in refused(capsys, 2, *words, "--out", out)
        assert not out.exists()

    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            (("--backend-arg", "n=1"), 2, "not supported with --backend local"),
            (("--backend", "process", "--backend-arg", "n=1"), 2, "with --backend process"),
            (("--backend", "process", "--workers", "0"), 4, "backend error: "),
            (("--postprocess", "nowhere"), 2, "malformed"),
            (("--postprocess", "nowhere:f"), 2, "'nowhere:f' is not importable"),
            (("--postprocess", "json:nope"), 2, "has no attribute 'nope'"),
            (("--postprocess", "json:__name__"), 2, "cannot be called"),
            (("--backend-arg", "n"), 2, "must be 'KEY=VALUE'"),
            (("--max-failed", "few"), 2, "--max-failed 'few' must be a count"),
            (("--fsync-batch", "0"), 2, "fsync_batch must be at least 1, got 0"),
            (("--timeout", "0"), 2, "timeout must be a positive number"),
            (("--timeout", "nan"), 2, "timeout must be a positive number"),
            (("--retries", "-1"), 2, "retries must be 0 or more"),
            (("--memory-limit", "2 parsecs"), 2, "'2 parsecs' is no amount of memory"),
            (("--workers", "0"), 4, "backend error: "),
            (("--workers", "-2"), 4, "backend error: "),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_a_flag_out_of_range_is_refused_before_anything_is_written(
        self,
        capsys: pytest.CaptureFixture[str],
        out: Path,
        words: tuple[str, ...],
        code: int,
        said: str,
    ) -> None:
        assert said in refused(capsys, code, "run", SCRIPT, *GRID, "--out", out, *words)
        assert not out.exists()

    def test_a_folder_that_holds_a_sweep_is_2_and_keeps_it(
        self, capsys: pytest.CaptureFixture[str], out: Path
    ) -> None:
        manifest("ok").save(out / "manifest.jsonl")
        before = (out / "manifest.jsonl").read_bytes()

        said = refused(capsys, 2, "run", SCRIPT, *GRID, "--out", out)

        assert "already holds a sweep" in said
        assert "gmat-sweep resume" in said
        assert (out / "manifest.jsonl").read_bytes() == before

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("x = (", "SyntaxError: '(' was never closed"),
            ("raise RuntimeError('boom')", "RuntimeError: boom"),
            ("raise SystemExit(3)", "SystemExit: 3"),
            ("import nothing_there", "No module named 'nothing_there'"),
        ],
    )
    def test_a_hook_whose_module_breaks_on_import_is_2_and_says_how(
        self,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        out: Path,
        content: str,
        said: str,
    ) -> None:
        (tmp_path / "hooks_that_break.py").write_text(content)
        monkeypatch.chdir(tmp_path)

        words = ("run", SCRIPT, *GRID, "--out", out, "--postprocess", "hooks_that_break:f")

        assert said in refused(capsys, 2, *words)
        assert not out.exists()

    def test_a_script_that_cannot_be_read_is_2(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, out: Path
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied", str(SCRIPT))

        monkeypatch.setattr(Path, "open", refuse)

        said = refused(capsys, 2, "run", SCRIPT, *GRID, "--out", out)

        assert said == f"script cannot be read: {SCRIPT}: Permission denied"

    def test_a_folder_that_cannot_be_made_is_2(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()

        said = refused(capsys, 2, "run", SCRIPT, *GRID, "--out", tmp_path / "file" / "sweep")

        assert "cannot be written to" in said


class TestSamples:
    @pytest.mark.parametrize("name", ["nowhere.csv", "nowhere.CSV", "nowhere.parquet"])
    def test_a_missing_table_is_2(
        self, capsys: pytest.CaptureFixture[str], out: Path, name: str
    ) -> None:
        said = refused(capsys, 2, "explicit", SCRIPT, "--samples", name, "--out", out)

        assert said == f"--samples {name} was not found. Check the path."

    @pytest.mark.parametrize("name", ["table.xlsx", "table", "table.csv.gz"])
    def test_a_table_of_another_kind_is_2_whether_it_exists_or_not(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, out: Path, name: str
    ) -> None:
        for path in (tmp_path / name, Path(name)):
            said = refused(capsys, 2, "explicit", SCRIPT, "--samples", path, "--out", out)

            assert said == f"--samples {path} is not supported. Give a .csv or a .parquet file."
            (tmp_path / name).touch()

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("empty.csv", b""),
            ("ragged.csv", b"a,b\n1,2\n1,2,3\n"),
            ("latin.csv", b"a\n\xe9\n"),
            ("no.parquet", b"PAR1 no"),
        ],
    )
    def test_a_table_that_cannot_be_read_is_2(
        self,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
        out: Path,
        name: str,
        content: bytes,
    ) -> None:
        (tmp_path / name).write_bytes(content)

        said = refused(capsys, 2, "explicit", SCRIPT, "--samples", tmp_path / name, "--out", out)

        assert said.startswith(f"--samples {tmp_path / name} cannot be read: ")
        assert said.endswith("Give a table with one run per row.")

    def test_a_table_that_is_no_design_is_2(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, out: Path
    ) -> None:
        (tmp_path / "s.csv").write_text("Sat.SMA,Sat.INC\n7000,\n7100,\n")

        said = refused(capsys, 2, "explicit", SCRIPT, "--samples", tmp_path / "s.csv", "--out", out)

        assert "all-NaN columns: ['Sat.INC']" in said

    @pytest.mark.parametrize("name", ["s.csv", "s.CSV", "s.parquet", "s.Parquet"])
    def test_each_row_is_a_run(self, ending: Arrange, tmp_path: Path, out: Path, name: str) -> None:
        frame = pd.DataFrame({"Sat.SMA": [7000.5, 7100.0], "Sat.Id": ["a", "b"]})
        path = tmp_path / name
        frame.to_csv(path, index=False) if "csv" in name.lower() else frame.to_parquet(path)
        done = ending("ok", "ok")

        assert main(["explicit", str(SCRIPT), "--samples", str(path), "--out", str(out)]) == 0
        assert [run.overrides for run in done[0].runs] == [
            {"Sat.SMA": 7000.5, "Sat.Id": "a"}, {"Sat.SMA": 7100.0, "Sat.Id": "b"}
        ]  # fmt: skip
        assert done[0].parameter_spec["_kind"] == "explicit"
