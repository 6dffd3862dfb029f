"""sweep_diff: run k of one sweep minus run k of another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep.aggregate import lazy_multiindex
from gmat_sweep.analysis import sweep_diff
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.independence import DESIGN
from sweep_on_disk import SweepOnDisk, report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_START = pd.Timestamp("2026-01-01")


def _frame(*rows: tuple[int, int | None, float, str]) -> pd.DataFrame:
    """Return a frame with rows of run, seconds, x and status."""
    records = [
        (run_id, pd.NaT if seconds is None else _START + pd.Timedelta(seconds=seconds), x, status)
        for run_id, seconds, x, status in rows
    ]
    frame = pd.DataFrame(records, columns=["run_id", "time", "x", "__status"])
    return frame.set_index(["run_id", "time"])


@pytest.fixture
def aggregated(tmp_path: Path) -> Callable[[str, float], pd.DataFrame]:
    """Return a function that makes the frame of a sweep whose second run failed."""

    def make(name: str, start: float) -> pd.DataFrame:
        sweep = SweepOnDisk(tmp_path / name)
        sweep.ok(0, {"report__R": report(start, orbits=[1, 2, 3], station="Bochum", lit=True)})
        sweep.failed(1)
        return lazy_multiindex(sweep.manifest, sweep.folder)

    return make


def test_differences_are_b_minus_a_and_relative_to_a() -> None:
    a = _frame((0, 0, 4.0, "ok"), (0, 60, -8.0, "ok"))
    b = _frame((0, 0, 5.0, "ok"), (0, 60, -6.0, "ok"))

    difference = sweep_diff(a, b)

    assert difference["x__diff"].tolist() == [1.0, 2.0]
    assert difference["x__rel"].tolist() == [0.25, -0.25]
    assert difference["__status_diff"].tolist() == ["ok", "ok"]


def test_numeric_columns_of_both_are_compared_in_pairs_and_the_status_is_last(
    aggregated: Callable[[str, float], pd.DataFrame],
) -> None:
    a = aggregated("a", 7000.0).assign(only_a=1.0)
    b = aggregated("b", 7000.5).assign(only_b=1.0)

    difference = sweep_diff(a, b)

    assert list(difference.columns) == [
        "Sat.SMA__diff",
        "Sat.SMA__rel",
        "orbits__diff",
        "orbits__rel",
        "__status_diff",
    ]
    assert difference["Sat.SMA__diff"].loc[0].tolist() == [0.5, 0.5, 0.5]


def test_runs_that_failed_in_both_are_a_row_without_numbers(
    aggregated: Callable[[str, float], pd.DataFrame],
) -> None:
    difference = sweep_diff(aggregated("a", 7000.0), aggregated("b", 7001.0))

    last = difference.iloc[-1]
    assert difference.index[-1][0] == 1
    assert math.isnan(last["Sat.SMA__diff"])
    assert last["__status_diff"] == "failed/failed"


@pytest.mark.parametrize(("how", "expected"), [("absolute", ["x__diff"]), ("relative", ["x__rel"])])
def test_one_kind_of_difference_can_be_asked_for(how: str, expected: list[str]) -> None:
    frame = _frame((0, 0, 4.0, "ok")).drop(columns="__status")

    assert list(sweep_diff(frame, frame, how=how).columns) == expected


def test_only_the_epochs_of_both_are_compared_in_order() -> None:
    a = _frame((1, 60, 1.0, "ok"), (0, 60, 1.0, "ok"), (0, 0, 1.0, "ok"))
    b = _frame((0, 0, 2.0, "ok"), (0, 61, 2.0, "ok"), (1, 60, 3.0, "ok"), (2, 0, 9.0, "ok"))

    difference = sweep_diff(a, b)

    assert [(run, (time - _START).total_seconds()) for run, time in difference.index] == [
        (0, 0.0),
        (1, 60.0),
    ]
    assert difference["x__diff"].tolist() == [1.0, 2.0]


def test_an_epoch_reported_twice_is_compared_row_by_row() -> None:
    a = _frame((0, 0, 1.0, "ok"), (0, 0, 2.0, "ok"))
    b = _frame((0, 0, 11.0, "ok"), (0, 0, 22.0, "ok"))

    assert sweep_diff(a, b)["x__diff"].tolist() == [10.0, 20.0]


def test_on_run_id_the_last_rows_are_compared_with_what_is_missing_in_them() -> None:
    a = _frame((0, 60, 2.0, "ok"), (0, 0, 1.0, "ok"), (1, 0, 1.0, "ok"))
    b = _frame((0, 90, 5.0, "ok"), (0, 45, 7.0, "ok"), (1, 0, 1.0, "ok"), (1, 60, math.nan, "ok"))

    difference = sweep_diff(a, b, on="run_id")

    assert difference.index.tolist() == [0, 1]
    assert difference.index.name == "run_id"
    np.testing.assert_array_equal(difference["x__diff"], [3.0, math.nan])


def test_on_run_id_a_run_that_failed_in_one_sweep_says_so() -> None:
    a = _frame((0, 60, 2.0, "ok"), (1, None, math.nan, "failed"))
    b = _frame((0, None, math.nan, "failed"), (1, 60, 2.0, "ok"))

    difference = sweep_diff(a, b, on="run_id")

    assert difference["__status_diff"].tolist() == ["ok/failed", "failed/ok"]
    assert difference["x__diff"].isna().all()


def test_a_frame_without_status_counts_as_ok() -> None:
    a = _frame((0, 0, 1.0, "failed"))
    b = a.drop(columns="__status")

    assert sweep_diff(a, b)["__status_diff"].tolist() == ["failed/ok"]
    assert "__status_diff" not in sweep_diff(b, b).columns


@pytest.mark.parametrize("b", [0.0, 1.0, -1.0, math.inf])
def test_the_relative_difference_from_zero_is_not_a_number(b: float) -> None:
    difference = sweep_diff(_frame((0, 0, 0.0, "ok")), _frame((0, 0, b, "ok")))

    assert difference["x__diff"].tolist() == [b]
    assert math.isnan(difference["x__rel"].iloc[0])


def test_differences_below_the_tolerance_are_not_a_number_and_at_it_they_stay() -> None:
    a = _frame((0, 0, 1.0, "ok"), (0, 1, 1.0, "ok"), (0, 2, 1.0, "ok"))
    b = _frame((0, 0, 1.25, "ok"), (0, 1, 0.5, "ok"), (0, 2, 1.5, "ok"))

    difference = sweep_diff(a, b, tolerance=0.5)

    assert difference["x__diff"].isna().tolist() == [True, False, False]
    assert difference["x__rel"].isna().tolist() == [True, False, False]


def test_a_tolerance_can_depend_on_the_column() -> None:
    frame = _frame((0, 0, 1.0, "ok")).assign(y=1.0, z=1.0)

    difference = sweep_diff(frame, frame.assign(x=2.0, y=2.0, z=2.0), tolerance={"x": 5}.get)

    assert math.isnan(difference["x__diff"].iloc[0])
    assert difference[["y__diff", "z__diff"]].iloc[0].tolist() == [1.0, 1.0]


def test_whole_numbers_stay_whole_and_small_types_do_not_wrap_around() -> None:
    frame = _frame((0, 0, 1.0, "ok"))
    a = frame.assign(big=np.int64(2**53), small=np.uint8(5))
    b = frame.assign(big=np.int64(2**53 + 1), small=np.uint8(3))

    difference = sweep_diff(a, b)

    assert difference["big__diff"].tolist() == [1]
    assert difference["big__diff"].dtype == np.int64
    assert difference["small__diff"].tolist() == [-2]


def test_frames_with_nothing_in_common_give_an_empty_difference() -> None:
    difference = sweep_diff(_frame((0, 0, 1.0, "ok")), _frame((1, 0, 1.0, "ok")))

    assert difference.shape == (0, 3)


def test_polars_frames_go_in_and_come_out_with_the_index_as_columns() -> None:
    a = pl.from_pandas(_frame((0, 0, 1.0, "ok")).reset_index())

    difference = sweep_diff(a, a, engine="polars")

    assert isinstance(difference, pl.DataFrame)
    assert difference.columns == ["run_id", "time", "x__diff", "x__rel", "__status_diff"]


_RUNS = st.dictionaries(
    st.tuples(st.integers(0, 3), st.integers(0, 3)), st.floats(-1e6, 1e6), max_size=8
)


@given(_RUNS, _RUNS)
@settings(max_examples=25, deadline=None)
def test_swapping_the_frames_turns_the_sign(
    a: dict[tuple[int, int], float], b: dict[tuple[int, int], float]
) -> None:
    frame_a, frame_b = (
        _frame(*((run, time, x, "ok") for (run, time), x in values.items())).astype({"x": float})
        for values in (a, b)
    )

    there, back = sweep_diff(frame_a, frame_b), sweep_diff(frame_b, frame_a)

    assert len(there) == len(a.keys() & b.keys())
    assert there["x__diff"].tolist() == [-x for x in back["x__diff"]]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"how": "percent"}, "how='percent' is not supported"),
        ({"on": "time"}, "on='time' is not supported"),
        ({"tolerance": -1.0}, "tolerance must be a number of at least 0"),
        ({"tolerance": math.nan}, "tolerance must be a number of at least 0"),
        ({"tolerance": lambda column: "1 km"}, "tolerance of 'x' must be a number"),
        ({"engine": "dask"}, "engine='dask' is not supported"),
    ],
)
def test_an_argument_out_of_its_range_is_refused(keywords: dict[str, Any], message: str) -> None:
    frame = _frame((0, 0, 1.0, "ok"))

    with pytest.raises(SweepConfigError, match=message):
        sweep_diff(frame, frame, **keywords)


def test_frames_of_different_kinds_are_refused() -> None:
    frame = _frame((0, 0, 1.0, "ok"))

    with pytest.raises(SweepConfigError, match="same index level names"):
        sweep_diff(frame, frame.droplevel("time"))


def test_comparing_ends_needs_runs() -> None:
    frame = _frame((0, 0, 1.0, "ok")).droplevel("run_id")

    with pytest.raises(SweepConfigError, match="requires a 'run_id' index level"):
        sweep_diff(frame, frame, on="run_id")


@pytest.mark.parametrize("on", [None, "run_id"])
def test_angles_differ_on_the_circle(on: str | None) -> None:
    names = {"x": "Sat.Earth.RAAN"}
    a = _frame((0, 0, 359.9999, "ok"), (1, 0, 1.0, "ok"), (2, 0, 10.0, "ok")).rename(columns=names)
    b = _frame((0, 0, 0.0001, "ok"), (1, 0, 359.0, "ok"), (2, 0, 30.0, "ok")).rename(columns=names)

    difference = sweep_diff(a, b, on=on, tolerance=1e-3)

    changes = difference["Sat.Earth.RAAN__diff"].tolist()
    assert math.isnan(changes[0]), "0.0002 degrees are below the tolerance"
    assert changes[1:] == [-2.0, 20.0]
    assert difference["Sat.Earth.RAAN__rel"].tolist()[1:] == [-2.0, 2.0]


def test_other_columns_and_angles_beyond_a_turn_differ_as_numbers() -> None:
    for name, change in (("Sat.Earth.INC", -358.0), ("Sat.Earth.MA", 800.0)):
        a = _frame((0, 0, 359.0, "ok")).rename(columns={"x": name})
        b = _frame((0, 0, 359.0 + change, "ok")).rename(columns={"x": name})

        assert sweep_diff(a, b)[f"{name}__diff"].tolist() == [change]


def test_a_difference_of_two_sweeps_of_one_design_tells_it() -> None:
    a, b = _frame((0, 0, 1.0, "ok")), _frame((0, 0, 2.0, "ok"))
    a.attrs[DESIGN] = b.attrs[DESIGN] = "latin_hypercube"

    assert sweep_diff(a, b).attrs[DESIGN] == "latin_hypercube"

    b.attrs[DESIGN] = "monte_carlo"
    assert DESIGN not in sweep_diff(a, b).attrs
