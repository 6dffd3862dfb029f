"""What a script calls its outputs cannot lead out of the run's folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from gmat_sweep import LocalJoblibPool, sweep
from gmat_sweep.backends.process.worker_process import WorkerProcess
from gmat_sweep.spec import RunOutcome
from repository import DATA
from resumed_sweeps import content, run_of, same

LOW_ORBIT = (DATA / "low_orbit.script").read_text(encoding="utf-8")
TARGETING = (DATA / "targeting.script").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerProcess]:
    process = WorkerProcess()
    yield process
    process.close()


def flown(worker: WorkerProcess, text: str, tmp_path: Path, run_id: int = 0) -> RunOutcome:
    script = tmp_path / "own.script"
    script.write_text(text, encoding="utf-8")
    folder = tmp_path / "sweep"
    run = run_of(run_id, folder, script_path=script, overrides={})
    return worker.run(run, timeout_s=60)


@pytest.mark.promise("folders from somebody else", "outputs with absolute names or `..`")
@pytest.mark.parametrize("name", ["{tmp}/outside.txt", "../outside.txt", "../../outside.txt"])
def test_reports_and_ephemerides_are_written_in_the_runs_folder_and_read_from_there(
    name: str, worker: WorkerProcess, tmp_path: Path
) -> None:
    (tmp_path / "plain").mkdir()
    plain = flown(worker, LOW_ORBIT, tmp_path / "plain")
    name = name.format(tmp=tmp_path)

    outcome = flown(
        worker, LOW_ORBIT.replace("'RF.txt'", f"'{name}'").replace("'eph.oem'", f"'{name}.oem'"),
        tmp_path,
    )  # fmt: skip

    assert outcome.status == "ok", outcome.stderr
    assert outcome.output_paths.keys() == plain.output_paths.keys()
    for key, path in outcome.output_paths.items():
        assert same(pd.read_parquet(path), pd.read_parquet(plain.output_paths[key]))
    outside = [path for path in tmp_path.rglob("outside*") if path.parent.name != "run-0"]
    assert outside == []
    log = (tmp_path / "sweep" / "run-0" / "worker.log").read_text()
    assert f"RF.Filename: {name} is outside of the run's folder; wrote outside.txt" in log


@pytest.mark.promise("folders from somebody else", "a link where GMAT itself writes, on the engine")
@pytest.mark.parametrize("name", ["GmatLog.txt", "RF.txt"])
def test_gmat_never_writes_through_a_link(name: str, worker: WorkerProcess, tmp_path: Path) -> None:
    (tmp_path / "sweep" / "run-0").mkdir(parents=True)
    target = tmp_path / "new"
    (tmp_path / "sweep" / "run-0" / name).symlink_to(target)

    outcome = flown(worker, LOW_ORBIT, tmp_path)

    assert outcome.status == "failed"
    assert f"run-0/{name} is a symbolic link" in str(outcome.stderr)
    assert not target.exists()


def test_so_is_what_a_solver_reports(worker: WorkerProcess, tmp_path: Path) -> None:
    name = TARGETING.split("Create DifferentialCorrector ")[1].split(";")[0].strip()
    target = tmp_path / "outside.data"

    outcome = flown(
        worker,
        TARGETING.replace(
            "BeginMissionSequence;", f"GMAT {name}.ReportFile = '{target}';\nBeginMissionSequence;"
        ),
        tmp_path,
    )

    assert outcome.status == "ok", outcome.stderr
    assert list(outcome.solver_paths) == [name]
    assert len(pd.read_parquet(outcome.solver_paths[name])) > 0
    assert not target.exists()


def test_two_outputs_of_one_plain_name_are_kept_apart(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    second = (
        "Create ReportFile Second;\nGMAT Second.Filename = '../RF.txt';\n"
        "GMAT Second.WriteHeaders = true;\n"
        "GMAT Second.Add = {Sat.UTCGregorian, Sat.EarthMJ2000Eq.X};\nBeginMissionSequence;"
    )

    outcome = flown(worker, LOW_ORBIT.replace("BeginMissionSequence;", second), tmp_path)

    assert outcome.status == "ok", outcome.stderr
    rf, other = (pd.read_parquet(outcome.output_paths[f"report__{n}"]) for n in ("RF", "Second"))
    assert (len(rf.columns), len(other.columns)) == (7, 3)
    assert (tmp_path / "sweep" / "run-0" / "Second-RF.txt").exists()


def test_runs_of_a_script_with_one_absolute_report_do_not_write_over_each_other(
    pool: LocalJoblibPool, tmp_path: Path
) -> None:
    """They were all given the same file, and each had the rows of whichever run wrote last."""
    script = tmp_path / "own.script"
    short = (DATA / "leo_short.script").read_text()
    script.write_text(
        short.replace(
            "BeginMissionSequence;",
            f"GMAT RF.Filename = '{tmp_path}/one.txt';\nBeginMissionSequence;",
        )
    )
    grid = {"Sat.SMA": [7000.0 + run for run in range(8)]}

    frame = sweep(script, grid=grid, backend=pool, out=tmp_path / "sweep", progress=False)

    assert same(frame, sweep(DATA / "leo_short.script", grid=grid, backend=pool, progress=False))
    assert not (tmp_path / "one.txt").exists()
    assert content(tmp_path / "sweep")["run-3/one.txt"]
