"""Column types: what a failed run changes, what unifies across runs, what survives the trip."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep.aggregate import lazy_extra_outputs, lazy_fused_reports, lazy_multiindex
from gmat_sweep.errors import SweepConfigError
from sweep_on_disk import SweepOnDisk, report

if TYPE_CHECKING:
    from pathlib import Path

_EPOCHS = pd.date_range("2026-01-01", periods=3, freq="1D")
_TEXT = str(pd.Series(["a"]).dtype)

# Column values: dtype with all runs ok, dtype with a failed run.
_DTYPES: dict[str, tuple[Any, str, str]] = {
    "float": ([1.5, 2.5, 3.5], "float64", "float64"),
    "float with a gap": ([1.5, math.nan, 3.5], "float64", "float64"),
    "single": (np.array([1, 2, 3], dtype="float32"), "float32", "float32"),
    "integer": ([1, 2, 3], "int64", "float64"),
    "epoch": (_EPOCHS.astype("datetime64[ns]"), "datetime64[ns]", "datetime64[ns]"),
    "epoch in microseconds": (
        _EPOCHS.astype("datetime64[us]"),
        "datetime64[us]",
        "datetime64[us]",
    ),
    "duration": (
        pd.to_timedelta([1, 2, 3], unit="s").astype("timedelta64[ns]"),
        "timedelta64[ns]",
        "timedelta64[ns]",
    ),
    "text": (["a", "b", "c"], _TEXT, _TEXT),
    "boolean": ([True, False, True], "bool", "boolean"),
    "boolean with a gap": (
        pd.array([True, None, True], dtype="boolean"),
        "boolean",
        "boolean",
    ),
    "category": (pd.Categorical(["a", "b", "a"]), "category", "category"),
}


@pytest.fixture
def sweep(tmp_path: Path) -> SweepOnDisk:
    return SweepOnDisk(tmp_path)


@pytest.mark.parametrize("case", _DTYPES)
@pytest.mark.parametrize("with_failed", [False, True])
def test_only_integers_and_booleans_change_type_when_a_run_failed(
    sweep: SweepOnDisk, case: str, with_failed: bool
) -> None:
    values, clean, marked = _DTYPES[case]
    sweep.ok(0, {"report__R": report(x=values)})
    if with_failed:
        sweep.failed(1)

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert str(frame["x"].dtype) == (marked if with_failed else clean)
    assert frame["x"].isna().sum() == pd.isna(pd.Series(values)).sum() + with_failed
    assert str(frame["Sat.UTCGregorian"].dtype) == "datetime64[ns]"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_integers_in_one_run_and_floats_in_another_meet_as_float(
    sweep: SweepOnDisk, order: tuple[int, int]
) -> None:
    kinds: list[Any] = [[7055, 7055, 7055], [7000.5, 7001.5, 7002.5]]
    for run_id, kind in enumerate(order):
        sweep.ok(run_id, {"report__R": report(mass=kinds[kind])})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert str(frame["mass"].dtype) == "float64"
    assert frame.loc[order.index(0)]["mass"].tolist() == [7055.0] * 3
    assert frame.loc[order.index(1)]["mass"].tolist() == [7000.5, 7001.5, 7002.5]


def test_an_integer_too_large_for_a_float_becomes_the_nearest_one(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__R": report(x=2**53 + 1)})
    sweep.ok(1, {"report__R": report(x=0.5)})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert frame.loc[0]["x"].tolist() == [float(2**53)] * 3


@pytest.mark.parametrize("values", [[1, 2, 3], ["a", "b", "c"], list(_EPOCHS), [True] * 3])
@pytest.mark.parametrize("nothing", [None, math.nan])
def test_a_column_without_any_value_in_a_run_fits_any_type(
    sweep: SweepOnDisk, values: list[Any], nothing: float | None
) -> None:
    sweep.ok(0, {"report__R": report(x=nothing)})
    sweep.ok(1, {"report__R": report(x=values)})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert frame.loc[0]["x"].isna().all()
    assert frame.loc[1]["x"].tolist() == values


def test_epochs_of_different_units_meet_at_the_finer_one(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__R": report(x=_EPOCHS.astype("datetime64[s]"))})
    sweep.ok(1, {"report__R": report(x=_EPOCHS.astype("datetime64[us]"))})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert str(frame["x"].dtype) == "datetime64[us]"
    assert frame["x"].tolist() == [*_EPOCHS, *_EPOCHS]


def test_text_and_numbers_in_one_column_are_refused_with_column_types_and_runs(
    sweep: SweepOnDisk,
) -> None:
    for run_id in range(5):
        sweep.ok(run_id, {"report__R": report(x=1.5)})
    sweep.ok(5, {"report__R": report(x="N/A")})

    with pytest.raises(SweepConfigError) as caught:
        lazy_multiindex(sweep.manifest, sweep.folder)

    message = str(caught.value)
    assert "column 'x'" in message
    assert "double in runs 0, 1, 2 and 2 more" in message
    assert "string in run 5" in message


def test_a_value_that_does_not_fit_the_common_type_is_refused(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__R": report(x=np.array([2**63] * 3, dtype="uint64"))})
    sweep.ok(1, {"report__R": report(x=-1)})

    with pytest.raises(SweepConfigError, match="column 'x' is uint64 in some runs"):
        lazy_multiindex(sweep.manifest, sweep.folder)


@pytest.mark.parametrize("rows", [3, 200])
def test_categories_of_all_runs_come_together(sweep: SweepOnDisk, rows: int) -> None:
    """More of them than the index type of any one file can count, or with different ones."""
    for run_id in range(60):
        names = [f"{run_id}-{row}" for row in range(3)]
        sweep.ok(run_id, {"report__R": report(x=pd.Categorical(names), mass=1)})
    names = [str(row) for row in range(rows)]
    sweep.ok(60, {"report__R": report(x=pd.Categorical(names), mass=0.5, rows=rows)})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert frame.loc[59]["x"].tolist() == ["59-0", "59-1", "59-2"]
    assert frame["x"].nunique() == 180 + rows


def test_categories_and_plain_text_meet_as_text(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__R": report(x=pd.Categorical(["a", "b", "a"]))})
    sweep.ok(1, {"report__R": report(x="c")})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert frame["x"].tolist() == ["a", "b", "a", "c", "c", "c"]
    assert str(frame["x"].dtype) == _TEXT


def test_times_as_text_are_read_as_dates(sweep: SweepOnDisk) -> None:
    times = ["26 Nov 2026 12:00:00.000", "2026-11-26 12:00:30", "2026-11-26 12:01:00.500"]
    sweep.ok(0, {"report__R": pd.DataFrame({"x": [1, 2, 3], "time": times})})
    sweep.failed(1)

    times_read = lazy_multiindex(sweep.manifest, sweep.folder).index.get_level_values("time")

    assert times_read[:3].tolist() == [
        pd.Timestamp("2026-11-26 12:00:00"),
        pd.Timestamp("2026-11-26 12:00:30"),
        pd.Timestamp("2026-11-26 12:01:00.5"),
    ]
    assert str(times_read.dtype) == "datetime64[ns]"


def test_times_as_days_are_read_as_midnight(sweep: SweepOnDisk) -> None:
    days = [datetime(2026, 1, day).date() for day in (1, 2)]  # noqa: DTZ001
    sweep.ok(0, {"report__R": pd.DataFrame({"time": days})})

    index = lazy_multiindex(sweep.manifest, sweep.folder).index

    assert index.get_level_values("time").tolist() == list(_EPOCHS[:2])


@pytest.mark.parametrize(
    "times", [_EPOCHS.tz_localize("UTC"), ["2026-01-01T00:00:00Z"] * 3], ids=["dates", "text"]
)
def test_a_time_with_a_zone_is_refused(sweep: SweepOnDisk, times: Any) -> None:
    sweep.ok(0, {"report__R": pd.DataFrame({"time": times})})

    with pytest.raises(TypeError, match="time zone UTC"):
        lazy_multiindex(sweep.manifest, sweep.folder)


def test_a_time_that_is_a_number_is_a_column_like_any_other(sweep: SweepOnDisk) -> None:
    """A script may report a Variable of that name."""
    sweep.ok(0, {"report__R": pd.DataFrame({"time": [0.0, 60.0]})})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert frame.index.to_flat_index().tolist() == [(0, 0), (0, 1)]
    assert frame.index.names == ["run_id", "row"]
    assert frame["time"].tolist() == [0.0, 60.0]


def test_a_time_beyond_nanoseconds_is_refused(sweep: SweepOnDisk) -> None:
    times = np.array(["3000-01-01"], dtype="datetime64[s]")
    sweep.ok(0, {"report__R": pd.DataFrame({"time": times})})

    with pytest.raises(ValueError, match="between the years 1678 and 2261"):
        lazy_multiindex(sweep.manifest, sweep.folder)


def test_a_report_without_an_epoch_has_its_row_numbers_for_a_second_level(
    sweep: SweepOnDisk,
) -> None:
    sweep.ok(0, {"report__R": pd.DataFrame({"Sat.X": [1.5, 2.5]})})
    sweep.failed(1)
    sweep.ok(2, {"report__R": pd.DataFrame({"Sat.X": []}, dtype="float64")})
    sweep.ok(3, {"report__R": pd.DataFrame({"Sat.X": [3.5]})})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert frame.index.names == ["run_id", "row"]
    assert frame.index.get_level_values("row").dtype == "Int64"
    assert frame.index.to_flat_index().tolist() == [
        (0, 0), (0, 1), (1, pd.NA), (2, pd.NA), (3, 0),
    ]  # fmt: skip
    assert frame["Sat.X"].dropna().tolist() == [1.5, 2.5, 3.5]
    assert frame["__status"].tolist() == ["ok", "ok", "failed", "ok", "ok"]


def test_a_column_called_row_keeps_its_name(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__R": pd.DataFrame({"row": [7.5, 8.5]})})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert frame.index.names == ["run_id", "row_number"]
    assert frame["row"].tolist() == [7.5, 8.5]


def test_no_reports_are_joined_on_epochs_that_one_lacks(sweep: SweepOnDisk) -> None:
    sweep.ok(
        0,
        {
            "report__R": pd.DataFrame({"time": _EPOCHS[:1]}),
            "report__S": pd.DataFrame({"Sat.X": [1.5]}),
        },
    )

    with pytest.raises(ValueError, match="report S has no column 'time'"):
        lazy_fused_reports(sweep.manifest, sweep.folder, ["R", "S"], tolerance="exact")


def test_a_time_column_missing_in_some_runs_leaves_their_rows_without_time(
    sweep: SweepOnDisk,
) -> None:
    sweep.ok(0, {"report__R": pd.DataFrame({"Sat.SMA": [1.0, 2.0]})})
    sweep.ok(1, {"report__R": report()})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert frame.loc[0]["Sat.SMA"].tolist() == [1.0, 2.0]
    assert frame.loc[0].index.isna().all()


_CELLS: dict[str, st.SearchStrategy[Any]] = {
    "float": st.floats(allow_nan=True, allow_infinity=True),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "text": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    "boolean": st.booleans(),
}


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_values_come_back_as_they_were_written(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sweep = SweepOnDisk(tmp_path_factory.mktemp("sweep"))
    moments = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001
    written: list[pd.DataFrame] = []
    for run_id in range(data.draw(st.integers(1, 3))):
        rows = data.draw(st.integers(1, 4))
        frame = pd.DataFrame(
            {
                **{
                    kind: data.draw(st.lists(cell, min_size=rows, max_size=rows))
                    for kind, cell in _CELLS.items()
                },
                "time": np.array(
                    data.draw(st.lists(moments, min_size=rows, max_size=rows)),
                    dtype="datetime64[ns]",
                ),
            }
        )
        sweep.ok(run_id, {"report__R": frame})
        written.append(frame.sort_values("time", kind="stable"))

    read = lazy_multiindex(sweep.manifest, sweep.folder)

    whole = pd.concat(written, ignore_index=True)
    pd.testing.assert_frame_equal(read.reset_index()[list(whole.columns)], whole, check_exact=True)


def test_lists_in_a_hook_output_survive_a_failed_run(sweep: SweepOnDisk) -> None:
    path = sweep.folder / "lists.parquet"
    pq.write_table(pa.table({"x": [[1, 2], [3]]}), path)
    sweep.ok(0, extra={"m": path})
    sweep.failed(1)

    frame = lazy_extra_outputs(sweep.save(), "m")

    assert [list(cell) for cell in frame.loc[0]["x"]] == [[1, 2], [3]]
