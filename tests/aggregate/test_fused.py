"""Several reports side by side on the time axis of the first."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from gmat_sweep.aggregate import lazy_fused_reports
from gmat_sweep.errors import SweepConfigError
from sweep_on_disk import SweepOnDisk, level_dtypes

if TYPE_CHECKING:
    from pathlib import Path

_START = pd.Timestamp("2026-01-01")


@pytest.fixture
def sweep(tmp_path: Path) -> SweepOnDisk:
    return SweepOnDisk(tmp_path)


def at(*seconds: float, **columns: Any) -> pd.DataFrame:
    """Return a report with rows `seconds` after the start."""
    times = _START + pd.to_timedelta(list(seconds), unit="s")
    return pd.DataFrame({**columns, "time": times.astype("datetime64[ns]")})


def columns_of(frame: pd.DataFrame) -> list[Any]:
    return list(frame.columns)


def seconds_of(frame: pd.DataFrame) -> list[float]:
    times = pd.DatetimeIndex(frame.index.get_level_values("time"))
    return ((times - _START) / pd.Timedelta("1s")).tolist()


def test_exact_fusion_keeps_the_epochs_all_reports_of_a_run_have(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__A": at(0, 1, 2, a=[1, 2, 3]), "report__B": at(2, 0, b=[20.0, 0.5])})
    sweep.ok(1, {"report__A": at(0, 5, a=[4, 5]), "report__B": at(5, b=[50.0])})

    frame = lazy_fused_reports(sweep.manifest, sweep.folder, ["A", "B"], tolerance="exact")

    assert frame.index.names == ["run_id", "time"]
    assert frame.columns.names == ["report", "field"]
    # Run 0 wrote the rows of B backwards in time, so B has the order in which it did.
    assert columns_of(frame) == [
        ("A", "a"), ("A", "__status"), ("B", "b"), ("B", "__row"), ("B", "__status"),
        ("__status", ""),
    ]  # fmt: skip
    assert frame["B"]["__row"].tolist() == [1, 0, 0]
    assert frame.index.get_level_values("run_id").tolist() == [0, 0, 1]
    assert seconds_of(frame) == [0.0, 2.0, 5.0]
    assert frame["A", "a"].tolist() == [1, 3, 5]
    assert frame["B", "b"].tolist() == [0.5, 20.0, 50.0]
    assert frame["__status", ""].tolist() == ["ok"] * 3


@pytest.mark.parametrize(
    "tolerance", ["1s", timedelta(seconds=1), pd.Timedelta("1s"), np.timedelta64(1, "s")]
)
def test_fusion_within_a_tolerance_takes_the_last_row_not_older(
    sweep: SweepOnDisk, tolerance: Any
) -> None:
    sweep.ok(0, {"report__A": at(0, 10, 20, a=[0, 1, 2]), "report__B": at(9.5, 18, b=[5, 6])})
    sweep.ok(1, {"report__A": at(9.8, a=[3]), "report__B": at(9.9, b=[7])})

    frame = lazy_fused_reports(sweep.manifest, sweep.folder, ["A", "B"], tolerance=tolerance)

    assert frame["A", "a"].tolist() == [0, 1, 2, 3]
    assert frame["B", "b"].isna().tolist() == [True, False, True, True]
    assert frame["B", "b"].tolist()[1] == 5.0
    assert frame["B", "__status"].isna().tolist() == [True, False, True, True]
    assert frame["__status", ""].tolist() == ["ok"] * 4


def test_a_run_whose_anchor_has_no_data_is_one_row_without_time(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__A": at(0, a=[1.5]), "report__B": at(0, b=[2.5])})
    sweep.ok(1, {"report__B": at(0, b=[3.5])})
    sweep.failed(2)

    frame = lazy_fused_reports(sweep.manifest, sweep.folder, ["A", "B"], tolerance="exact")

    lone = frame.loc[[1, 2]]
    assert lone.index.get_level_values("time").isna().all()
    assert lone[[("A", "a"), ("B", "b")]].isna().to_numpy().all()
    assert lone["A", "__status"].tolist() == ["ok", "failed"]
    assert lone["B", "__status"].tolist() == ["ok", "failed"]
    assert lone["__status", ""].tolist() == ["ok", "failed"]


@pytest.mark.parametrize("tolerance", ["exact", timedelta(seconds=1)])
def test_a_report_without_data_in_a_run_leaves_its_columns_missing(
    sweep: SweepOnDisk, tolerance: Any
) -> None:
    sweep.ok(0, {"report__A": at(0, 1, a=[1, 2])})
    sweep.ok(1, {"report__A": at(0, a=[3]), "report__B": at(0, b=[True])})

    frame = lazy_fused_reports(sweep.manifest, sweep.folder, ["A", "B"], tolerance=tolerance)

    assert frame["A", "a"].tolist() == [1, 2, 3]
    assert frame["B", "b"].tolist() == [pd.NA, pd.NA, True]
    assert str(frame["B", "b"].dtype) == "boolean"
    assert frame["B", "__status"].tolist() == ["ok"] * 3


def test_a_run_whose_reports_share_no_epoch_does_not_vanish(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__A": at(0, a=[1]), "report__B": at(1, b=[2])})

    frame = lazy_fused_reports(sweep.manifest, sweep.folder, ["A", "B"], tolerance="exact")

    assert frame.index.get_level_values("run_id").tolist() == [0]
    assert frame["__status", ""].tolist() == ["ok"]
    assert frame[[("A", "a"), ("B", "b")]].isna().to_numpy().all()


def test_three_reports_are_chained(sweep: SweepOnDisk) -> None:
    sweep.ok(
        0,
        {
            "report__A": at(0, 1, 2, x=[1, 2, 3]),
            "report__B": at(1, 2, x=[4, 5]),
            "report__C": at(2, 3, x=[6, 7]),
        },
    )

    frame = lazy_fused_reports(sweep.manifest, sweep.folder, ["C", "A", "B"], tolerance="exact")

    assert frame.xs("x", axis="columns", level="field").to_numpy().tolist() == [[6, 3, 5]]


def test_no_runs_give_an_empty_frame_with_typed_index(sweep: SweepOnDisk) -> None:
    frame = lazy_fused_reports(sweep.manifest, sweep.folder, ["A", "B"], tolerance="exact")

    assert frame.empty
    assert columns_of(frame) == [("A", "__status"), ("B", "__status"), ("__status", "")]
    assert level_dtypes(frame) == ["int64", "datetime64[ns]"]


@pytest.mark.parametrize("tolerance", ["exact", timedelta(seconds=1)])
def test_all_failed_gives_one_row_per_run(sweep: SweepOnDisk, tolerance: Any) -> None:
    sweep.failed(1)
    sweep.failed(0, "skipped")

    frame = lazy_fused_reports(sweep.manifest, sweep.folder, ["A", "B"], tolerance=tolerance)

    assert frame["__status", ""].tolist() == ["skipped", "failed"]
    assert level_dtypes(frame) == ["int64", "datetime64[ns]"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["A"], "at least 2 report names"),
        ("AB", "at least 2 report names"),
        (["A", "A"], "unique report names"),
    ],
)
def test_names_must_be_two_or_more_and_different(
    sweep: SweepOnDisk, names: Any, message: str
) -> None:
    with pytest.raises(SweepConfigError, match=message):
        lazy_fused_reports(sweep.manifest, sweep.folder, names, tolerance="exact")


@pytest.mark.parametrize("tolerance", ["soon", "1", "", None, 1.0, timedelta(seconds=-1), pd.NaT])
def test_a_tolerance_is_exact_or_a_duration(sweep: SweepOnDisk, tolerance: Any) -> None:
    with pytest.raises(SweepConfigError, match=r"tolerance=.* is not supported"):
        lazy_fused_reports(sweep.manifest, sweep.folder, ["A", "B"], tolerance=tolerance)


def test_an_unknown_report_is_refused_by_name(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__A": at(0)})

    with pytest.raises(SweepConfigError, match="no report output named 'B'"):
        lazy_fused_reports(sweep.manifest, sweep.folder, ["A", "B"], tolerance="exact")
