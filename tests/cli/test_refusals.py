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

DASK = ("--backend", "dask", "--backend-arg")
KEY = ("--backend-arg", "cluster_kwargs.queue=x")

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
            (("monte-carlo", SCRIPT, *PERTURB, "--n", "100000000000"), "100,000,000,000 runs"),
            (("latin-hypercube", SCRIPT, *PERTURB, "--n", "1" + "0" * 30), "about 1e30 runs"),
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
            (("--backend", "process", "--workers", "0"), 2, "--workers 0 is no number of workers"),
            (("--backend", "dask", "--workers", "0"), 2, "--workers 0 is no number of workers"),
            (("--backend", "dask", "--workers", "-7"), 2, "--workers -7 is no number of workers"),
            (("--backend", "ray", "--workers", "-2"), 2, "--workers -2 is no number of workers"),
            (("--workers", "9" * 20), 2, "--workers about 1e20 is no number of workers"),
            ((*DASK, "n_workers=4", "--workers", "2"), 2, "n_workers are given, and mean the same"),
            ((*DASK, "n_workers=0"), 4, "DaskPool's n_workers is 0. Pass a positive count"),
            ((*DASK, "n_workers=many"), 4, "DaskPool's n_workers is 'many'"),
            ((*DASK, "cluster_kwargs=5"), 4, "DaskPool's cluster_kwargs is 5. Pass a mapping"),
            (
                (*DASK, "cluster_kwargs=5", *KEY),
                2,
                "cluster_kwargs=5 is no mapping, and clus",
            ),
            ((*DASK, *KEY[1:], *DASK[2:], "cluster_kwargs=x"), 2, "cluster_kwargs=x is no mapping"),
            (
                (*DASK, 'cluster_kwargs={"queue": "a"}', *KEY),
                2,
                "'cluster_kwargs.queue' is given more than once",
            ),
            ((*DASK, "cluster_kwargs.=x"), 2, "'cluster_kwargs.' names no key"),
            ((*DASK, ".queue=x"), 2, "'.queue' names no key"),
            ((*DASK, "nope=1"), 4, "unexpected keyword argument 'nope'"),
            (("--out", "~nosuchuser/"), 2, "the home of a user who is not known here"),
            (("--out", "a" * 100_000), 2, "100,000 bytes, and 4,095 are the most"),
            (("--frame", "a" * 300 + ".csv"), 2, "of 304 bytes, and 255 are the most"),
            (("--grid", "Sat.INC=0:1:10000000000"), 2, "10,000,000,000 runs"),
            (
                ("--grid", "Sat.INC=0:1:9999", "--grid", "Sat.ECC=0:1:9999"),
                2,
                "the grid makes 199,960,002 runs, and a sweep may have 10,000,000 at most",
            ),
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
            (("--workers", "0"), 2, "--workers 0 is no number of workers"),
            (("--workers", "-2"), 2, "--workers -2 is no number of workers"),
        ],
        ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
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
        manifest("ok", run_count=2).save(out / "manifest.jsonl")
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

    def test_a_table_without_rows_is_2(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, out: Path
    ) -> None:
        (tmp_path / "s.csv").write_text("Sat.SMA,Sat.INC\n")

        said = refused(capsys, 2, "explicit", SCRIPT, "--samples", tmp_path / "s.csv", "--out", out)

        assert said.endswith("s.csv has no rows, so there is nothing to run. Add some.")
        assert not out.exists()

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
