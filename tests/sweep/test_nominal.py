"""The nominal run: the script as it is, beside its dispersions, and in no statistic."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmat_sweep import LocalJoblibPool, Manifest, Sweep, monte_carlo
from gmat_sweep.analysis import final_values, mc_convergence, runs_table, sweep_report
from gmat_sweep.analysis import sweep_summary as summary_of
from gmat_sweep.doctor import check_sweep
from plain_gmat import PlainGmat
from repository import DATA

LEO = DATA / "leo_basic.script"


@pytest.fixture(scope="module")
def folder(pool: LocalJoblibPool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("nominal") / "out"
    perturb = {"Sat.SMA": ("normal", 7200.0, 5.0)}
    keywords = {"seed": 4, "backend": pool, "progress": False}
    monte_carlo(LEO, n=2, perturb=perturb, out=out, nominal=True, **keywords)  # type: ignore[call-overload]
    return out


def test_it_flies_the_script_as_it_is(folder: Path, plain: PlainGmat) -> None:
    flown = (folder / "run-nominal" / "RF.txt").read_bytes()
    assert flown == plain.run(LEO.read_text()).files["RF"]
    manifest = Manifest.load(folder / "manifest.jsonl")
    assert [entry.run_id for entry in manifest.latest().values()] == [-1, 0, 1]
    assert (manifest.run_count, manifest.total_run_count) == (2, 2)
    assert manifest.latest()[-1].overrides == {}


def test_it_is_in_frames_and_tables_and_in_no_statistic(
    folder: Path, pool: LocalJoblibPool
) -> None:
    frame = Sweep.from_manifest(folder / "manifest.jsonl", LEO, backend=pool).to_dataframe()
    assert list(frame.index.unique("run_id")) == [-1, 0, 1]
    table = runs_table(folder)
    assert list(table.index) == [-1, 0, 1]
    assert table["Sat.SMA"].isna().tolist() == [True, False, False]
    assert table.loc[-1, "RF.Sat.Earth.SMA"] == pytest.approx(7000.0, abs=1e-6)

    means = summary_of(frame, include=("mean", "count_ok"))
    last = means.iloc[-1].unstack("statistic").loc["Sat.Earth.SMA"]
    assert last["count_ok"] == 2
    assert last["mean"] > 7150
    assert mc_convergence(frame, "Sat.Earth.SMA", terminal_only=True)["n"].tolist() == [1, 2]
    assert list(final_values(folder).index) == [0, 1]
    report = sweep_report(folder)
    assert (report.planned, report.ok, report.missing) == (2, 2, 0)


def test_a_resume_flies_it_again_and_the_doctor_knows_it(
    folder: Path, pool: LocalJoblibPool
) -> None:
    assert check_sweep(folder).is_healthy
    path = folder / "manifest.jsonl"
    report = folder / "run-nominal" / "report__RF.parquet"
    report.unlink()
    assert not check_sweep(folder).is_healthy
    Sweep.from_manifest(path, LEO, backend=pool, progress=False).resume()
    assert report.is_file()
    ids = [entry.run_id for entry in Manifest.load(path).entries]
    assert (sorted(set(ids)), len(ids)) == ([-1, 0, 1], 3)
    health = check_sweep(folder)
    assert health.is_healthy
    assert not [each for each in health.findings if "does not have" in str(each)]
