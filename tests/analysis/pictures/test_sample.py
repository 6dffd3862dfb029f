"""RunSample: bounded, random, and the same whatever order runs end in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats

from gmat_sweep.analysis.final_values import final_values
from gmat_sweep.analysis.pictures.sample import (
    MOST_CURVES,
    REQUIRED,
    RunSample,
    columns_of,
)
from gmat_sweep.manifest import Manifest, ManifestEntry
from gmat_sweep.verdicts.metrics import metrics
from gmat_sweep.verdicts.reading import load_requirements
from reported_sweep import REQUIRED as REQUIREMENTS
from reported_sweep import reported_sweep

if TYPE_CHECKING:
    from gmat_sweep.spec import RunStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def entry(run_id: int, status: RunStatus = "ok", **outputs: Path) -> ManifestEntry:
    """Return the entry of a run that failed in its mission or is ok."""
    return ManifestEntry(
        run_id, {"Sat.SMA": 7000.0 + run_id}, status, outputs, NOW, NOW, 1.0,
        "GmatRunError: no" if status == "failed" else None, None,
        failure_kind="mission" if status == "failed" else None,
    )  # fmt: skip


def noted(run_ids: list[int], most: int = 50) -> RunSample:
    """Return a sample that was told of runs, every tenth of which failed."""
    sample = RunSample((Path(),), most_ok=most, most_failed=most)
    for run_id in run_ids:
        status: RunStatus = "failed" if run_id % 10 == 0 else "ok"
        sample.add(run_id, status, lambda run_id=run_id, status=status: entry(run_id, status))  # type: ignore[misc]
    return sample


def test_a_sample_is_bounded_and_the_same_whatever_order_runs_end_in() -> None:
    ids = list(range(20_000))
    one, other = noted(ids), noted(ids[::-1])
    listed = [[run.entry.run_id for run in sample.failed_runs()] for sample in (one, other)]

    assert listed[0] == listed[1]
    assert len(listed[0]) == 50
    assert (one.ok, one.failed, one.other) == (18_000, 2_000, 0)
    assert len(one._ok.runs) == len(one._ok._heap) == 50
    # Random: the chosen ones are spread evenly over all.
    assert stats.kstest(np.array(listed[0]) / 20_000, "uniform").pvalue > 0.01


def test_few_entries_of_many_runs_are_made() -> None:
    sample, made = RunSample((Path(),), most_ok=100), []
    for run_id in range(10_000):
        sample.add(run_id, "ok", lambda run_id=run_id: made.append(run_id) or entry(run_id))  # type: ignore[misc, func-returns-value]

    # Of n in random order, k ln(n / k) more than k are ever among the k smallest.
    assert 100 <= len(made) <= 100 * (1 + 2 * np.log(100))


def test_a_run_that_is_flown_again_counts_once_as_it_ended_last() -> None:
    sample = RunSample((Path(),))
    sample.add(3, "failed", lambda: entry(3, "failed"))
    sample.add(4, "failed", lambda: entry(4, "failed"))
    sample.add(3, "ok", lambda: entry(3))
    # What another pass recorded is told late, as its file is read meanwhile.
    sample.add(4, "ok", lambda: entry(4), earlier=True)
    sample.add(5, "ok", lambda: entry(5), earlier=True)
    sample.add(5, "skipped", lambda: entry(5, "skipped"), earlier=True)
    sample.add(-1, "ok", lambda: entry(-1))

    assert (sample.ok, sample.failed, sample.other) == (1, 1, 1)
    assert [run.entry.run_id for run in sample.failed_runs()] == [4]
    assert list(sample._ok.runs) == [3]
    assert sample.nominal is not None


def test_what_is_read_is_what_the_summary_and_the_judge_read(tmp_path: Path) -> None:
    path = reported_sweep(tmp_path / "sweep", 60)
    required = load_requirements(REQUIREMENTS).requirements
    sample = RunSample((tmp_path / "sweep",), required)
    for each in Manifest.iter_entries(path):
        sample.add(each.run_id, each.status, lambda each=each: each)  # type: ignore[misc]
    sample.read(0.0, at_least=5)
    assert len(sample.ok_runs()) == 4, "the nominal run is the fifth"
    sample.read(1e9)

    runs = sample.ok_runs()
    found, ends = columns_of(runs), final_values(path)
    assert [run.entry.run_id for run in runs] == ends.index.tolist()
    for number, (report, name) in enumerate(
        zip(*map(ends.columns.get_level_values, (0, 1)), strict=True)
    ):
        np.testing.assert_array_equal(found[report, name], ends.to_numpy()[:, number])
    judged = metrics(required, path, ends.index.tolist())
    for name, numbers in judged.numbers.items():
        np.testing.assert_array_equal(found[REQUIRED, name], numbers)


def test_a_swing_between_rows_that_are_left_out_is_seen_as_a_band(tmp_path: Path) -> None:
    seconds = np.arange(10_000)
    moments = pa.array(seconds * 1_000_000_000, pa.timestamp("ns"))
    table = {"time": moments, "Sat.X": np.sin(seconds), "Sat.Y": np.where(seconds > 5, 2.0, np.nan)}
    pq.write_table(pa.table(table), tmp_path / "r.parquet")
    sample = RunSample((tmp_path,))
    for run_id in range(MOST_CURVES + 2):
        made = entry(run_id, report__R=tmp_path / "r.parquet")
        sample.add(run_id, "ok", lambda made=made: made)  # type: ignore[misc]
    sample.read(1e9)

    curves = [run.curves["R"] for run in sample.ok_runs() if run.curves]
    assert len(curves) == MOST_CURVES
    at, values = curves[0].columns["Sat.X"]
    assert len(at) <= 100
    assert curves[0].seconds == 9999
    assert (values.min(), values.max()) == (np.sin(seconds).min(), np.sin(seconds).max())
    np.testing.assert_array_equal(values, np.sin(at))
    # Every stretch has both ends of the swing.
    stretches = np.array_split(np.arange(10_000), 40)
    for stretch in stretches:
        inside = values[(at >= stretch[0]) & (at <= stretch[-1])]
        assert inside.min() < -0.99
        assert inside.max() > 0.99


def test_a_requirement_on_what_no_run_has_is_left_out_once(tmp_path: Path) -> None:
    path = reported_sweep(tmp_path / "sweep", 8)
    required = load_requirements(
        [{"name": name, "column": column, "limit": "< 1", "probability": 0.9}
         for name, column in (("odd", "Sat.Nothing"), ("low", "Sat.Earth.RadPer"))]
    )  # fmt: skip
    sample = RunSample((tmp_path / "sweep",), required.requirements)
    for each in Manifest.iter_entries(path):
        sample.add(each.run_id, each.status, lambda each=each: each)  # type: ignore[misc]
    sample.read(1e9)

    required_columns = [name for name in columns_of(sample.ok_runs()) if name[0] == REQUIRED]
    assert required_columns == [(REQUIRED, "low")]
