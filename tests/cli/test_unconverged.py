"""A solver that does not converge, from the shell on the real engine: seen, or a failed run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from gmat_sweep import LocalJoblibPool, Manifest, Sweep, lazy_multiindex, sweep
from gmat_sweep.cli import main
from gmat_sweep.doctor import check_sweep
from gmat_sweep.folder.run_seal import read_seal
from gmat_sweep.plans import grid_plan
from gmat_sweep.sweep.options import SweepOptions
from prefect_records import rows_of
from repository import DATA

GMAT_SWEEP = str(Path(sys.executable).parent / "gmat-sweep")
SCRIPT = DATA / "targeting.script"
# With two iterations the targeter of the mission cannot reach its goal.
GRID = {"DC.MaximumIterations": [25, 2]}
LINE = "1 of 2 runs has a solver that did not converge: DC (run 1)"
CAUSE = "solver DC did not converge (2 of at most 2 iterations)"


def gmat_sweep(prefect_url: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GMAT_SWEEP, *map(str, words)],
        env={**os.environ, "PREFECT_API_URL": prefect_url},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def flown(pool: LocalJoblibPool, folder: Path, **options: str) -> Sweep:
    plan = grid_plan(GRID, SCRIPT, folder)
    told = SweepOptions(**options)  # type: ignore[arg-type]
    return Sweep.of_plan(plan, SCRIPT, folder, backend=pool, options=told).run()


def statuses(folder: Path) -> list[str]:
    return [entry.status for entry in Manifest.load(folder / "manifest.jsonl").latest().values()]


def test_it_is_said_at_the_end_of_a_sweep_once(prefect_url: str, tmp_path: Path) -> None:
    grid = ("--grid", "DC.MaximumIterations=25,2", "--workers", 1)

    quiet = gmat_sweep(prefect_url, "run", SCRIPT, *grid, "--out", tmp_path / "a", "--quiet")
    loud = gmat_sweep(prefect_url, "run", SCRIPT, *grid, "--out", tmp_path / "b")

    assert (quiet.returncode, loud.returncode) == (0, 0)
    assert quiet.stderr == f"gmat-sweep: {LINE}\n"
    assert loud.stderr.count(LINE) == 1
    assert "failed=0, unconverged=1" in loud.stderr
    # The link is there before the first run, and opens the page of the flow run at once.
    before, _, _ = loud.stderr.partition("/2 runs")
    root = re.escape(prefect_url.removesuffix("/api"))
    assert re.search(rf"flow run '.+': {root}/gmat-sweep#[\w-]+/runs/flow-run/[0-9a-f-]+\n", before)


def test_as_failed_such_runs_count_as_failed_and_say_why(prefect_url: str, tmp_path: Path) -> None:
    out, frame = tmp_path / "out", tmp_path / "f.csv"
    words = ("run", SCRIPT, "--grid", "DC.MaximumIterations=25,2", "--out", out, "--quiet")

    ended = gmat_sweep(
        prefect_url, *words, "--unconverged", "failed", "--max-failed", 0, "--frame", frame
    )

    assert ended.returncode == 5
    assert f"failed: 1 x {CAUSE} (run 1)" in ended.stderr
    assert "2 runs (1 ok, 1 failed)" in ended.stdout
    by_run = pd.read_csv(frame).groupby("run_id")["__status"].unique()
    assert [list(each) for each in by_run] == [["ok"], ["failed"]]


class TestAsFailed:
    @pytest.fixture
    def folder(
        self, pool: LocalJoblibPool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> Path:
        flown(pool, tmp_path / "out", unconverged="failed")
        assert LINE not in capsys.readouterr().err
        return tmp_path / "out"

    def test_manifest_seal_and_frame_agree_and_its_files_stay_in_the_folder(
        self, folder: Path
    ) -> None:
        entry = Manifest.load(folder / "manifest.jsonl").latest()[1]
        seal = read_seal(folder / "run-1").entry
        frame = lazy_multiindex(Manifest.load(folder / "manifest.jsonl"), folder)

        for each in (entry, seal):
            assert (each.status, each.stderr, each.converged) == ("failed", CAUSE, {"DC": False})
            assert each.output_paths == each.solver_paths == {}
        assert list(frame.loc[1]["__status"]) == ["failed"]
        assert (folder / "run-1" / "report__RF.parquet").is_file()

    def test_the_doctor_rebuilds_the_same_manifest_from_the_seals(self, folder: Path) -> None:
        before = Manifest.load(folder / "manifest.jsonl").latest()
        lines = (folder / "manifest.jsonl").read_bytes().splitlines(keepends=True)
        (folder / "manifest.jsonl").write_bytes(lines[0])

        assert check_sweep(folder, repair=True).is_healthy
        after = Manifest.load(folder / "manifest.jsonl").latest()
        assert {i: (e.status, e.stderr, e.converged) for i, e in after.items()} == {
            i: (e.status, e.stderr, e.converged) for i, e in before.items()
        }

    def test_a_resume_flies_it_again_and_judges_it_as_the_sweep_was_begun(
        self, folder: Path, pool: LocalJoblibPool
    ) -> None:
        resumed = Sweep.from_manifest(folder / "manifest.jsonl", SCRIPT, backend=pool).resume()

        assert resumed.options.unconverged == "failed"
        assert resumed.last_pass is not None
        assert (resumed.last_pass.done, resumed.last_pass.failed) == (1, 1)
        assert statuses(folder) == ["ok", "failed"]


def test_a_resume_as_failed_judges_only_the_runs_that_it_flies(
    pool: LocalJoblibPool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    flown(pool, folder)
    assert LINE in capsys.readouterr().err
    path = folder / "manifest.jsonl"
    (folder / "run-0" / "report__RF.parquet").unlink()

    Sweep.from_manifest(path, SCRIPT, backend=pool, unconverged="failed").resume()
    assert statuses(folder) == ["ok", "ok"]

    (folder / "run-1" / "report__RF.parquet").unlink()
    capsys.readouterr()
    Sweep.from_manifest(path, SCRIPT, backend=pool, unconverged="failed").resume()
    assert statuses(folder) == ["ok", "failed"]
    assert "gmat-sweep resume: 100% 2/2 runs [" in capsys.readouterr().err


def test_the_function_takes_it_too(pool: LocalJoblibPool) -> None:
    frame = sweep(SCRIPT, grid=GRID, backend=pool, unconverged="failed", progress=False)

    assert list(frame.loc[1]["__status"]) == ["failed"]


def test_show_and_the_flow_run_say_it_of_a_sweep_that_was_flown(
    pool: LocalJoblibPool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = flown(pool, tmp_path / "out").last_pass
    capsys.readouterr()

    assert main(["show", str(tmp_path / "out" / "manifest.jsonl"), "--detail"]) == 0
    told = capsys.readouterr()
    assert "solver DC did not converge" in told.out
    assert f"gmat-sweep: {LINE}\n" in told.err
    assert report is not None
    home, flow_run = Path(os.environ["PREFECT_HOME"]), str(report.flow_run_id)
    ended = "SELECT s.message FROM flow_run f JOIN flow_run_state s ON f.state_id = s.id"
    assert rows_of(home, f"{ended} WHERE f.id = ?", flow_run) == [(f"2 of 2 runs ok; {LINE}",)]
    shown = "SELECT data FROM artifact WHERE flow_run_id = ? AND key LIKE '%-summary'"
    ((summary,),) = rows_of(home, shown, flow_run)
    assert "2 of 2 runs ok (1 with a solver that did not converge)" in summary
    assert "## Solvers that did not converge" in summary
    runs = "SELECT s.message FROM task_run t JOIN task_run_state s ON t.state_id = s.id"
    messages = sorted(
        each[0] for each in rows_of(home, f"{runs} WHERE t.flow_run_id = ?", flow_run)
    )
    assert [message.endswith("; DC did not converge") for message in messages].count(True) == 1
