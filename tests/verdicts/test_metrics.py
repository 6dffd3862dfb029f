"""Metrics: one number per run and requirement, from the files that runs left."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gmat_sweep.aggregate import fragments
from gmat_sweep.aggregate.entries import anchors_of
from gmat_sweep.analysis.recorded import RecordedSweep
from gmat_sweep.errors import RequirementError
from gmat_sweep.manifest.entry import ManifestEntry
from gmat_sweep.verdicts.metrics import metric_of, metrics, metrics_of, never_happened
from gmat_sweep.verdicts.requirement import Requirement
from sweep_on_disk import SweepOnDisk

if TYPE_CHECKING:
    from pathlib import Path

START = pd.Timestamp("2026-01-01")
ALTITUDE = "Sat.Earth.Altitude"


@pytest.fixture
def sweep(tmp_path: Path) -> SweepOnDisk:
    return SweepOnDisk(tmp_path / "sweep")


def wanted(reduce: str, column: str | None = ALTITUDE, **more: Any) -> Requirement:
    keys: dict[str, Any] = {"reduce": reduce, "probability": 0.9}
    if reduce not in ("ok", "converged"):
        keys["limit"] = "< 100"
    if reduce not in ("time_of", "last_time_of", "duration", "ok", "converged"):
        keys["column"] = column
    if reduce in ("time_of", "last_time_of", "at_event"):
        keys["never"] = "violates"
    return Requirement(reduce.replace("_", "-"), **(keys | more))


def rows(seconds: list[float], **columns: Any) -> pd.DataFrame:
    """Return a frame as a worker writes it, at these seconds after the first epoch."""
    times = START + pd.to_timedelta(seconds, unit="s")
    return pd.DataFrame({"Sat.UTCGregorian": times, **columns, "time": times})


def of(frame: pd.DataFrame, requirement: Requirement) -> float:
    """Return the number of one run with this table."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    entry = ManifestEntry(
        run_id=0,
        overrides={},
        status="ok",
        output_paths={},
        started_at=now,
        ended_at=now,
        duration_s=1.0,
        stderr=None,
        log_path=None,
    )
    return metric_of(requirement, pa.Table.from_pandas(frame), entry)


FALLING = rows([0, 60, 180], **{ALTITUDE: [180.0, 140.0, 100.0]})
BELOW = f"{ALTITUDE} < 120"


@pytest.mark.parametrize(
    ("requirement", "number"),
    [
        (wanted("final"), 100.0),
        (wanted("first"), 180.0),
        (wanted("min"), 100.0),
        (wanted("max"), 180.0),
        (wanted("range"), 80.0),
        (wanted("range", unit="m"), 80000.0),
        (wanted("at", at="90 s"), 130.0),
        (wanted("at", at="1.5 min"), 130.0),
        (wanted("at", at="01 Jan 2026 00:01:30.000"), 130.0),
        (wanted("at", at="2026-01-01T00:01:00", between="never"), 140.0),
        (wanted("at", at="90 s", between="never"), math.nan),
        (wanted("at", at="-1 s"), math.nan),
        (wanted("at", at="181 s"), math.nan),
        (wanted("time_of", when=BELOW), 120.0),
        (wanted("time_of", when=BELOW, unit="min"), 2.0),
        (wanted("time_of", when=f"{ALTITUDE} < 120000 m"), 120.0),
        (wanted("last_time_of", when=BELOW), 120.0),
        (wanted("duration", when=BELOW), 60.0),
        (wanted("at_event", when=f"{ALTITUDE} <= 120"), 120.0),
        (wanted("time_of", when=f"{ALTITUDE} < 0"), math.inf),
        (wanted("duration", when=f"{ALTITUDE} < 0"), 0.0),
        (wanted("final", "Sat.UTCGregorian"), 180.0),
        (wanted("final", "Sat.UTCGregorian", unit="min"), 3.0),
        (wanted("final", "Sat.UTCGregorian", since="2025-12-31T23:59:00"), 240.0),
        (wanted("max", "time", since="01 Jan 2026 00:03:00"), 0.0),
        (wanted("ok"), 1.0),
    ],
    ids=lambda each: each.reduce if isinstance(each, Requirement) else "",
)
def test_each_reduction_of_a_falling_altitude(requirement: Requirement, number: float) -> None:
    assert of(FALLING, requirement) == pytest.approx(number, rel=1e-14, nan_ok=True)


def test_dates_in_days_are_as_good_as_gregorian_ones() -> None:
    # GMAT's day 0 is 5 January 1941, 12:00; the dates of 2026 begin at 31041.5 (pandas says so).
    days = (START - pd.Timestamp("1941-01-05 12:00")) / pd.Timedelta(days=1)
    in_days = pd.DataFrame(
        {"Sat.A1ModJulian": days + np.array([0, 60, 180]) / 86400, "x": [180.0, 140.0, 100.0]}
    )

    assert of(in_days, wanted("at", "x", at="180 s")) == 100.0
    assert of(in_days, wanted("at", "x", at="2026-01-01T00:01:00", between="never")) == 140.0
    assert of(in_days, wanted("time_of", when="x < 120")) == pytest.approx(120.0, abs=1e-5)
    since = wanted("final", "Sat.A1ModJulian", since="2026-01-01")
    assert of(in_days, since) == pytest.approx(180.0, abs=1e-6)


def test_elapsed_seconds_are_a_clock_without_an_epoch() -> None:
    frame = pd.DataFrame({"Sat.ElapsedSecs": [100.0, 160.0], "x": [1.0, 3.0]})

    assert of(frame, wanted("at", "x", at="30 s")) == 2.0
    assert math.isnan(of(frame, wanted("at", "x", at="2026-01-01T00:00:30")))
    days = frame.rename(columns={"Sat.ElapsedSecs": "Sat.ElapsedDays"})
    assert of(days, wanted("at", "x", at="30 d")) == 2.0


def test_right_ascension_between_359_and_1_degrees_is_0() -> None:
    frame = rows([0, 60], **{"Sat.EarthMJ2000Eq.RAAN": [359.0, 1.0]})

    assert of(frame, wanted("at", "Sat.EarthMJ2000Eq.RAAN", at="30 s")) == pytest.approx(0.0)
    # A quantity of the mission with such values is a number like others.
    renamed = frame.rename(columns={"Sat.EarthMJ2000Eq.RAAN": "x"})
    assert of(renamed, wanted("at", "x", at="30 s")) == 180.0


@pytest.mark.parametrize("values", [[], [math.nan, math.nan]])
def test_without_a_value_every_number_is_missing(values: list[float]) -> None:
    frame = rows([60.0 * k for k in range(len(values))], x=np.array(values, dtype=np.float64))

    for reduce in ("final", "first", "min", "max", "range"):
        assert math.isnan(of(frame, wanted(reduce, "x")))
    for reduce in ("time_of", "last_time_of", "duration", "at_event"):
        assert math.isnan(of(frame, wanted(reduce, "x", when="x < 3")))
    assert math.isnan(of(frame, wanted("at", "x", at="0 s")))


def test_the_last_row_written_counts_though_it_has_no_value() -> None:
    frame = rows([0, -60, -120], x=[1.0, 2.0, math.nan])

    assert math.isnan(of(frame, wanted("final", "x")))
    assert of(frame, wanted("min", "x")) == 1.0


def _mixed(sweep: SweepOnDisk) -> SweepOnDisk:
    """Write five runs: two that are good, one that failed, one without rows, one damaged."""
    for run_id, height in ((0, 100.0), (1, 110.0)):
        sweep.ok(
            run_id,
            {
                "report__R": rows([0, 60 + run_id], **{ALTITUDE: [180.0, height]}),
                "report__S": rows([0], **{ALTITUDE: [1.0], "Sat.Earth.SMA": [7000.0 + run_id]}),
            },
            extra={"burns": pd.DataFrame({"dv": [3.0 + run_id]})},
            converged={"DC": run_id == 1},
        )
    sweep.failed(2)
    sweep.ok(3, {"report__R": rows([], **{ALTITUDE: []})})
    folder = sweep.ok(4, {"report__R": FALLING})
    (folder / "report__R.parquet").write_bytes(b"no Parquet")
    return sweep


def test_the_numbers_of_a_sweep_stand_in_the_order_of_its_runs(sweep: SweepOnDisk) -> None:
    source = _mixed(sweep).save()
    requirements = [
        wanted("final", report="R"),
        wanted("time_of", when=BELOW, report="R"),
        wanted("min", "Sat.Earth.SMA"),
        wanted("max", "dv", extra="burns"),
        wanted("ok"),
        wanted("converged", solver="DC"),
        Requirement("both", all_of=("final", "min"), probability=0.9),
    ]

    found = metrics(requirements, source)

    nan = math.nan
    assert found.run_ids.tolist() == [0, 1, 2, 3, 4]
    expected = {
        "final": [100.0, 110.0, nan, nan, nan],
        "time-of": [45.0, 61 * 60 / 70, nan, nan, nan],
        "min": [7000.0, 7001.0, nan, nan, nan],
        "max": [3.0, 4.0, nan, nan, nan],
        "ok": [1.0, 1.0, 0.0, 1.0, 1.0],
        "converged": [0.0, 1.0, nan, nan, nan],
    }
    assert found.numbers.keys() == expected.keys()
    for name, numbers in expected.items():
        np.testing.assert_allclose(found.numbers[name], numbers, rtol=1e-14)
    assert found.unreadable.keys() == {4}
    assert "run 4 cannot be read as Parquet" in found.unreadable[4]
    assert found.notes["final"] == []
    assert found.notes["time-of"] == [
        "the largest step between rows is 61 s (run 1): what happens between rows is not seen"
    ]
    assert "not known" in found.notes["max"][0]
    asked = metrics(requirements[:1], source, [1, 0])
    assert asked.numbers["final"].tolist() == [110.0, 100.0]


def test_every_file_is_read_once_and_only_what_is_needed(
    sweep: SweepOnDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = rows([0, 60], **{ALTITUDE: [180.0, 100.0], "x": [1.0, 2.0], "y": [0.0, 0.0]})
    for run_id in range(3):
        sweep.ok(run_id, {"report__R": frame, "report__Other": frame.rename(columns={"x": "z"})})
    read: Counter[str] = Counter()
    columns: set[str] = set()
    original = fragments._read

    def counted(path: Path, **options: Any) -> pa.Table:
        read[str(path)] += 1
        table = original(path, **options)
        columns.update(table.column_names)
        return table

    monkeypatch.setattr(fragments, "_read", counted)

    metrics(
        [wanted(each, "x", report="R") for each in ("final", "min", "max", "range")]
        + [wanted("duration", when=BELOW, report="R")],
        sweep.save(),
    )

    assert sorted(read.values()) == [1, 1, 1]
    assert columns == {"x", ALTITUDE, "time"}


def test_an_event_that_never_happened_is_told_from_a_missing_one(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__R": FALLING})
    sweep.ok(1, {"report__R": rows([], **{ALTITUDE: []})})
    event = wanted("time_of", when=f"{ALTITUDE} > 1000")
    highest = wanted("max", "x")

    values = metrics([event], sweep.save()).numbers["time-of"]

    assert never_happened(event, values).tolist() == [True, False]
    assert never_happened(highest, np.array([math.inf])).tolist() == [False]


@pytest.mark.parametrize(
    ("requirement", "key", "said"),
    [
        (wanted("final"), "column", f"2 reports have the column {ALTITUDE}: R, S. Name one of"),
        (wanted("final", "Sat.Nothing"), "column", "no run has a report with the column Sat.Noth"),
        (wanted("final", "No", report="R"), "column", "no run has the column No in report R"),
        (wanted("final", report="Q"), "report", "no run has report Q; there are: R, S"),
        (wanted("final", "dv", extra="b"), "extra", "no run has the hook's file b; there are: bur"),
        (wanted("converged", solver="NLP"), "solver", "no run has a solver 'NLP'; there are: DC"),
        (wanted("at", "dv", extra="burns", at="3 s"), "reduce", "the hook's file burns has no ep"),
        (wanted("time_of", extra="burns", when="dv < 1"), "when", "the hook's file burns has no e"),
        (wanted("duration", when="No < 1"), "when", "no run has a report with the column No"),
        (wanted("duration", report="R", when="No < 1"), "when", "no run has the column No in"),
        (wanted("at_event", report="R", when="No < 1"), "when", "no run has the column No in"),
    ],
)
def test_what_no_run_has_is_refused_by_requirement_and_key(
    sweep: SweepOnDisk, requirement: Requirement, key: str, said: str
) -> None:
    start = f"requirement {requirement.name!r}, {key}: {said}"
    with pytest.raises(RequirementError, match=f"^{re.escape(start)}") as caught:
        metrics([requirement], _mixed(sweep).save())

    assert (caught.value.name, caught.value.key) == (requirement.name, key)


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        (wanted("final", "x"), "column: in run 0 the column x holds .*string, not numbers"),
        (wanted("time_of", when="x < 1"), "when: in run 0 the column x holds .*string, not num"),
        (wanted("at_event", "z", when="x < 1"), "when: in run 0 the column x holds .*string"),
        (wanted("final", "e", extra="h", unit="km"), "unit: a value in s cannot be had in km"),
    ],
    ids=["a value", "a condition", "a condition beside a value", "a hook's epoch"],
)
def test_what_only_the_rows_show_is_refused_by_requirement_and_key(
    requirement: Requirement, said: str
) -> None:
    with pytest.raises(RequirementError, match=f"^requirement {requirement.name!r}, {said}"):
        of(rows([0], x=["a"], z=[1.0], e=[START]), requirement)


def test_a_column_of_flags_is_1_or_0() -> None:
    assert of(rows([0], x=[True]), wanted("final", "x")) == 1.0


def test_runs_may_have_other_columns_and_types(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__R": rows([0], y=[1.0])})
    sweep.ok(1, {"report__R": rows([0], x=np.array([7], dtype=np.int32))})
    sweep.ok(2, {"report__R": rows([0], x=[None])})
    sweep.ok(3, {"report__R": rows([0], x=[2.5])})

    found = metrics([wanted("final", "x")], sweep.save()).numbers["final"]

    np.testing.assert_array_equal(found, [math.nan, 7.0, math.nan, 2.5])


def test_what_a_failed_run_left_behind_is_no_number(sweep: SweepOnDisk) -> None:
    for run_id in range(2):
        sweep.ok(run_id, {"report__R": FALLING})
    recorded = RecordedSweep.of(sweep.save())
    entries = [recorded.entries[0], replace(recorded.entries[1], status="failed")]
    anchors = anchors_of(recorded.manifest, recorded.folder)

    found = metrics_of([wanted("final"), wanted("ok")], entries, anchors)

    np.testing.assert_array_equal(found.numbers["final"], [100.0, math.nan])
    assert found.numbers["ok"].tolist() == [1.0, 0.0]


def test_without_an_ok_run_there_are_no_numbers_and_nothing_to_refuse(sweep: SweepOnDisk) -> None:
    sweep.failed(0)

    found = metrics([wanted("final"), wanted("converged", solver="DC")], sweep.save())

    assert np.isnan(list(found.numbers.values())).all()
