"""Final values: one meaning in the whole product, the last row that GMAT wrote."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from gmat_sweep import (
    LocalJoblibPool,
    Manifest,
    SweepConfigError,
    lazy_multiindex,
    mc_convergence,
    sweep,
    sweep_diff,
    sweep_summary,
)
from gmat_sweep.analysis import final_values, runs_table
from gmat_sweep.analysis.nightly.comparing import compare_sweeps
from gmat_sweep.plotting.runs import measured, one_row_per_run
from gmat_sweep.verdicts.metrics import metrics
from gmat_sweep.verdicts.requirement import Requirement
from manifests import entry, header
from plain_gmat import PlainGmat
from repository import DATA

if TYPE_CHECKING:
    from pathlib import Path

RADIUS = "Sat.Earth.RMAG"
SIZES = [24000.0, 24010.0, 24020.0]


@dataclass
class Backwards:
    """A sweep of a mission that flies backwards from apogee, and what GMAT itself wrote last.

    Attributes
    ----------
    folder : Path
        The sweep folder.
    frame : pandas.DataFrame
        The sweep's frame.
    truth : list of float
        The last number of the last line of each run's report, written by plain GMAT.
    """

    folder: Path
    frame: pd.DataFrame
    truth: list[float]


@pytest.fixture(scope="module")
def backwards(
    pool: LocalJoblibPool, plain: PlainGmat, tmp_path_factory: pytest.TempPathFactory
) -> Backwards:
    folder = tmp_path_factory.mktemp("backwards")
    text = (DATA / "leo_short.script").read_text()
    for before, after in (
        ("Sat.ECC = 0.001", "Sat.ECC = 0.7"),
        ("Sat.TA = 0", "Sat.TA = 180"),
        ("MinStep = 30", "MinStep = 0.001"),
        ("= 30;", "= 600;"),
        ("Sat.X, Sat.Y, Sat.Z", RADIUS),
        ("Prop(Sat) {Sat.ElapsedSecs = 60}", "BackProp Prop(Sat) {Sat.ElapsedSecs = -18000}"),
    ):
        assert before in text
        text = text.replace(before, after)
    script = folder / "backwards.script"
    script.write_text(text)
    frame = sweep(
        script, grid={"Sat.SMA": SIZES}, backend=pool, out=folder / "sweep", progress=False
    )
    reports = [plain.run(text, {"Sat.SMA": size}).files["RF"] for size in SIZES]
    # A frame that tells no design is taken for one of random draws.
    frame.attrs.pop("sweep_design")
    return Backwards(folder / "sweep", frame, [float(report.split()[-1]) for report in reports])


def test_the_frame_is_sorted_by_time_and_carries_the_order_written(backwards: Backwards) -> None:
    frame = backwards.frame

    assert frame.index.is_monotonic_increasing
    assert list(frame.columns)[-2:] == ["__row", "__status"]
    by_row = frame[frame.index.get_level_values("run_id") == 0].sort_values("__row")
    assert by_row["__row"].tolist() == list(range(len(by_row)))
    assert by_row[RADIUS].iloc[-1] == backwards.truth[0]
    # In time it is the other end: the apogee, where each run began.
    last_in_time = frame.xs(0, level="run_id")[RADIUS].iloc[-1]
    assert last_in_time > 40000 > 8000 > backwards.truth[0]


def test_every_place_has_the_last_row_that_gmat_wrote(backwards: Backwards) -> None:
    folder, frame, truth = backwards.folder, backwards.frame, backwards.truth
    means = [float(np.mean(truth[: n + 1])) for n in range(3)]
    column = f"RF.{RADIUS}"
    polars = lazy_multiindex(Manifest.load(folder / "manifest.jsonl"), folder, engine="polars")
    stored = pd.read_parquet(_written(frame, folder.parent / "frame.parquet"))
    requirement = Requirement("r", column=RADIUS, limit="< 1", probability=0.9)

    def last_row(rows: pd.DataFrame) -> Any:
        return rows[RADIUS].iloc[-1]

    def last_rows(rows: pd.DataFrame) -> Any:
        return rows[RADIUS].groupby(level="run_id").last()

    assert final_values(folder)["RF", RADIUS].tolist() == truth
    assert runs_table(folder)[column].tolist() == truth
    assert metrics([requirement], folder).numbers["r"].tolist() == truth
    night = compare_sweeps(folder, folder).quantities
    nightly = [each.mean_last for each in night if each.quantity == RADIUS]
    assert nightly == pytest.approx(means[-1:])
    for each in (frame, frame.sample(frac=1, random_state=1), polars, stored):
        runs = one_row_per_run(each, "a test")
        assert runs[RADIUS].tolist() == truth
        assert measured(last_rows, each, runs, "metric", "").tolist() == truth
        for metric in (RADIUS, last_row):
            curve = mc_convergence(each, metric, terminal_only=True)["running_mean"]
            assert curve.tolist() == pytest.approx(means, rel=1e-15)
    moved = frame.assign(**{RADIUS: frame[RADIUS] + 1})
    difference = sweep_diff(frame, moved, on="run_id")
    assert difference[f"{RADIUS}__rel"].tolist() == pytest.approx([1 / r for r in truth], rel=1e-9)
    assert list(difference.columns) == [f"{RADIUS}__diff", f"{RADIUS}__rel", "__status_diff"]
    fields = sweep_summary(frame).columns.get_level_values("field")
    assert set(fields) == {RADIUS}


def test_a_sobol_analysis_takes_the_last_row_written(backwards: Backwards) -> None:
    from gmat_sweep.sensitivity import _metric_values

    def last_rows(rows: pd.DataFrame) -> Any:
        return rows[RADIUS].groupby(level="run_id").last()

    assert _metric_values(backwards.frame, RADIUS).tolist() == backwards.truth
    assert _metric_values(backwards.frame, last_rows).tolist() == backwards.truth


def test_the_number_of_a_row_is_no_metric(backwards: Backwards) -> None:
    from gmat_sweep.sensitivity import _metric_values

    known = rf"Choose one of (Sat\.UTCGregorian, )?{RADIUS}\."
    with pytest.raises(SweepConfigError, match=known):
        mc_convergence(backwards.frame, "__row")
    with pytest.raises(SweepConfigError, match=known):
        _metric_values(backwards.frame, "__row")


def test_at_an_epoch_reported_twice_the_last_row_written_counts() -> None:
    moments = pd.DatetimeIndex(["2026-01-01"] * 2, name="time")
    index = pd.MultiIndex.from_arrays([[0, 0], moments], names=["run_id", "time"])
    # Rows out of place, as a user's own sorting leaves them: the numbers alone tell the order.
    frame = pd.DataFrame({"x": [7.0, 1.0], "__row": [1, 0], "__status": "ok"}, index=index)

    assert mc_convergence(frame, "x")["running_mean"].tolist() == [7.0]
    assert mc_convergence(frame, "x", terminal_only=True)["running_mean"].tolist() == [7.0]


def test_a_frame_without_the_order_written_is_refused(backwards: Backwards) -> None:
    chosen = backwards.frame[[RADIUS, "__status"]]

    with pytest.raises(SweepConfigError, match="Keep the column __row"):
        mc_convergence(chosen, RADIUS, terminal_only=True)
    with pytest.raises(SweepConfigError, match="Keep the column __row"):
        sweep_diff(chosen, chosen, on="run_id")
    with pytest.raises(SweepConfigError, match="Keep the column __row"):
        one_row_per_run(chosen, "a test")


def _written(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_parquet(path)
    return path


def test_the_runs_of_a_large_sweep_are_not_held_beside_their_values(tmp_path: Path) -> None:
    count = 3000
    manifest = header(run_count=count)
    manifest.save(tmp_path / "manifest.jsonl")
    manifest.fsync_each = False
    for number in range(count):
        manifest.append_entry(entry(number, output_paths={}), hold=False)
    manifest.close()
    final_values(tmp_path)
    tracemalloc.start()
    try:
        found = final_values(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert list(found.index) == list(range(count))
    # The outline of a run alone takes some 500 bytes.
    assert peak / count < 300
