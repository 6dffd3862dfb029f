"""sweep_summary: statistics over the runs that are ok, of the columns that hold numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, circmean

from gmat_sweep.aggregate import lazy_contacts, lazy_multiindex
from gmat_sweep.analysis import sweep_summary
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.independence import DESIGN
from sweep_on_disk import SweepOnDisk, report

if TYPE_CHECKING:
    from pathlib import Path

_START = pd.Timestamp("2026-01-01")


@pytest.fixture
def sweep(tmp_path: Path) -> SweepOnDisk:
    """Four ok runs of three epochs with a column of each type, and a failed one."""
    sweep = SweepOnDisk(tmp_path)
    for run_id, start in enumerate((7000.0, 7001.0, 7002.0, 7010.0)):
        columns: dict[str, Any] = {"orbits": [1, 2, 3], "eclipsed": True, "station": "Bochum"}
        sweep.ok(run_id, {"report__R": report(start, **columns)})
    sweep.failed(4)
    return sweep


@pytest.fixture
def frame(sweep: SweepOnDisk) -> pd.DataFrame:
    return lazy_multiindex(sweep.manifest, sweep.folder)


def _frame(values: dict[int, list[float]], **statuses: str) -> pd.DataFrame:
    rows = [
        (run_id, _START + pd.Timedelta(seconds=k), value, statuses.get(f"run{run_id}", "ok"))
        for run_id, run in values.items()
        for k, value in enumerate(run)
    ]
    frame = pd.DataFrame(rows, columns=["run_id", "time", "x", "__status"])
    return frame.set_index(["run_id", "time"])


def test_mean_spread_and_quantiles_over_the_ok_runs_at_each_epoch(frame: pd.DataFrame) -> None:
    summary = sweep_summary(frame)

    first = summary.loc[_START].xs("Sat.SMA", level="field")
    values = [7000.0, 7001.0, 7002.0, 7010.0]
    assert first["mean"] == np.mean(values)
    assert first["std"] == pytest.approx(np.std(values, ddof=1), rel=1e-14)
    assert first["q0.5"] == pytest.approx(np.quantile(values, 0.5), rel=1e-15)
    outer = first[["q0.05", "q0.95"]]
    assert outer.isna().all(), "four runs tell nothing of the outer 5 %"


def test_the_rows_are_the_epochs_in_order_and_the_columns_statistic_by_field(
    frame: pd.DataFrame,
) -> None:
    summary = sweep_summary(frame, q=(0.9, 0.1), include=("max", "count_ok"))

    assert summary.index.name == "time"
    assert list(summary.index) == [_START + pd.Timedelta(seconds=30 * k) for k in range(3)]
    assert list(summary.columns.names) == ["statistic", "field"]
    per_field = summary.xs("Sat.SMA", axis="columns", level="field")
    assert list(per_field.columns) == ["max", "count_ok", "q0.9", "q0.1"]


def test_dates_booleans_and_text_are_left_out_even_when_a_run_failed(frame: pd.DataFrame) -> None:
    summary = sweep_summary(frame)

    assert set(summary.columns.get_level_values("field")) == {"Sat.SMA", "orbits"}


def test_a_frame_without_numbers_gives_its_epochs_without_columns(frame: pd.DataFrame) -> None:
    summary = sweep_summary(frame[["station", "__status"]])

    assert summary.shape == (3, 0)


def test_no_statistic_asked_for_gives_a_frame_without_columns(frame: pd.DataFrame) -> None:
    summary = sweep_summary(frame, q=(), include=())

    assert summary.shape == (3, 0)
    assert list(summary.columns.names) == ["statistic", "field"]


def test_by_run_the_statistics_are_over_time_and_failed_runs_have_no_row(
    frame: pd.DataFrame,
) -> None:
    summary = sweep_summary(frame, by="run_id", q=(), include=("min", "max"))

    assert summary.index.tolist() == [0, 1, 2, 3]
    assert summary["min", "Sat.SMA"].tolist() == [7000.0, 7001.0, 7002.0, 7010.0]
    assert summary["max", "Sat.SMA"].tolist() == [7000.5, 7001.5, 7002.5, 7010.5]


def test_contacts_can_be_summarised_by_interval(tmp_path: Path) -> None:
    sweep = SweepOnDisk(tmp_path)
    for run_id in range(2):
        contact = pd.DataFrame({"interval_id": [0, 1], "Duration": [60.0 + run_id, 90.0]})
        sweep.ok(run_id, {"contact__C": contact})
    sweep.failed(2)

    summary = sweep_summary(
        lazy_contacts(sweep.manifest, sweep.folder), by="interval_id", q=(), include=("mean",)
    )

    assert summary["mean", "Duration"].to_dict() == {0: 60.5, 1: 90.0}


def test_rows_of_failed_runs_do_not_enter_even_if_they_hold_values() -> None:
    frame = _frame({0: [1.0], 1: [3.0], 2: [1000.0]}, run2="failed")

    summary = sweep_summary(frame, q=(), include=("mean", "count_ok"))

    assert summary.loc[_START].to_dict() == {("mean", "x"): 2.0, ("count_ok", "x"): 2}


def test_without_dropna_marker_rows_form_a_row_of_their_own(frame: pd.DataFrame) -> None:
    summary = sweep_summary(frame, dropna=False, q=(), include=("mean", "count_ok"))

    assert summary.index.isna().tolist() == [False, False, False, True]
    assert summary["count_ok", "Sat.SMA"].tolist() == [4, 4, 4, 0]
    assert math.isnan(summary["mean", "Sat.SMA"].iloc[-1])


def test_count_ok_counts_values_of_ok_runs_only_with_or_without_dropna() -> None:
    frame = _frame({0: [1.0, math.nan], 1: [2.0, 2.0], 2: [3.0, 3.0]}, run2="failed")

    kept = sweep_summary(frame, include=("count_ok",), q=())
    every = sweep_summary(frame, include=("count_ok",), q=(), dropna=False)

    assert kept["count_ok", "x"].tolist() == [2, 1]
    assert every["count_ok", "x"].tolist() == [2, 1]


def test_the_spread_of_a_single_run_is_not_known() -> None:
    summary = sweep_summary(_frame({0: [1.0]}))

    assert math.isnan(summary["std", "x"].iloc[0])


def test_a_sweep_of_failed_runs_only_has_an_empty_summary() -> None:
    summary = sweep_summary(_frame({0: [math.nan]}, run0="failed"))

    assert len(summary) == 0


def test_nullable_and_small_number_types_are_numbers() -> None:
    frame = _frame({0: [1.0], 1: [2.0]})
    frame["small"] = np.array([100, 110], dtype="int8")
    frame["nullable"] = pd.array([1, None], dtype="Int64")

    summary = sweep_summary(frame, include=("mean",), q=())

    assert summary["mean", "small"].iloc[0] == 105.0
    assert summary["mean", "nullable"].iloc[0] == 1.0


def test_a_quantile_is_labelled_as_it_was_passed() -> None:
    summary = sweep_summary(_frame({0: [1.0]}), q=(np.float64(0.25), 0.50), include=())

    assert summary.columns.get_level_values(0).tolist() == ["q0.25", "q0.5"]


def test_polars_frames_go_in_and_come_out_with_flat_columns(sweep: SweepOnDisk) -> None:
    frame = lazy_multiindex(sweep.manifest, sweep.folder, engine="polars")

    summary = sweep_summary(frame, q=(0.5,), include=("mean",), engine="polars")

    assert isinstance(summary, pl.DataFrame)
    assert summary.columns == [
        "time",
        "Sat.SMA__mean",
        "orbits__mean",
        "Sat.SMA__q0.5",
        "orbits__q0.5",
    ]
    assert summary["Sat.SMA__mean"].to_list() == [7003.25, 7003.5, 7003.75]


def test_the_frame_given_is_left_as_it_was(frame: pd.DataFrame) -> None:
    before = frame.copy(deep=True)

    sweep_summary(frame)

    pd.testing.assert_frame_equal(frame, before)


@given(
    st.lists(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2), min_size=1, max_size=8),
    st.randoms(),
)
@settings(max_examples=25, deadline=None)
def test_the_order_of_the_rows_does_not_matter(values: list[list[float]], random: Any) -> None:
    frame = _frame(dict(enumerate(values)))
    order = list(range(len(frame)))
    random.shuffle(order)

    shuffled = sweep_summary(frame.iloc[order])

    pd.testing.assert_frame_equal(shuffled, sweep_summary(frame), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"by": "epoch"}, "by='epoch' is not supported"),
        ({"q": (0.0,)}, "open interval"),
        ({"q": (0.5, 1.0)}, "open interval"),
        ({"q": (math.nan,)}, "open interval"),
        ({"q": ("half",)}, "open interval"),
        ({"q": 0.5}, "q must be a sequence"),
        ({"q": (0.5, 0.5)}, "q must not contain duplicates"),
        ({"include": ("median",)}, "unknown statistic 'median'"),
        ({"include": "mean"}, "include must be a sequence"),
        ({"include": ("mean", "mean")}, "include must not contain duplicates"),
        ({"engine": "dask"}, "engine='dask' is not supported"),
    ],
)
def test_an_argument_out_of_its_range_is_refused(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(SweepConfigError, match=message):
        sweep_summary(_frame({0: [1.0]}), **keywords)


@pytest.mark.parametrize("by", ["time", "interval_id"])
def test_an_index_without_the_level_is_refused(by: str) -> None:
    frame = _frame({0: [1.0]}).droplevel("time")

    with pytest.raises(SweepConfigError, match=f"does not have a '{by}' level"):
        sweep_summary(frame, by=by)


def test_a_frame_of_a_report_without_an_epoch_is_told_the_level_that_it_has() -> None:
    """Such a frame is what sweep() returned, so no other frame is asked for."""
    index = pd.MultiIndex.from_tuples([(0, 0), (0, 1)], names=["run_id", "row"])
    frame = pd.DataFrame({"Sat.SMA": [7000.0, 7001.0]}, index=index)

    with pytest.raises(
        SweepConfigError, match=r"beside another one\. Choose by='run_id' or by='row'\."
    ):
        sweep_summary(frame)

    assert sweep_summary(frame, by="row")["mean", "Sat.SMA"].tolist() == [7000.0, 7001.0]


def test_something_else_than_a_flat_frame_is_refused() -> None:
    fused = pd.concat({"R1": _frame({0: [1.0]})}, axis="columns")

    with pytest.raises(SweepConfigError, match="one level of columns, got 2"):
        sweep_summary(fused)
    with pytest.raises(SweepConfigError, match="got list"):
        sweep_summary([1, 2])


class TestQuantiles:
    @pytest.mark.parametrize(
        ("runs", "q", "told"),
        [(18, 0.05, False), (19, 0.05, True), (18, 0.95, False), (19, 0.95, True),
         (1, 0.5, True), (2, 0.25, False), (3, 0.25, True), (98, 0.01, False), (99, 0.99, True)],
    )  # fmt: skip
    def test_one_beyond_the_outermost_runs_is_missing(
        self, runs: int, q: float, told: bool
    ) -> None:
        values = np.random.default_rng(1).normal(size=runs)
        summary = sweep_summary(_frame({k: [float(x)] for k, x in enumerate(values)}), q=(q,))

        found = summary[f"q{q}", "x"].iloc[0]
        assert (not math.isnan(found)) is told
        if told:
            assert found == pytest.approx(np.quantile(values, q), rel=1e-12)
            assert values.min() <= found <= values.max()

    def test_the_rows_of_one_run_are_told_however_few_they_are(self) -> None:
        summary = sweep_summary(_frame({0: [1.0, 2.0]}), by="run_id", q=(0.05,), include=())

        assert summary["q0.05", "x"].tolist() == pytest.approx([1.05])

    def test_bounds_are_order_statistics_of_each_epoch(self) -> None:
        rng = np.random.default_rng(2)
        values = {k: [float(x) for x in rng.normal(size=2)] for k in range(80)}
        values[3][1] = math.nan

        summary = sweep_summary(_frame(values), q=(0.05, 0.5), include=(), bounds=0.95)

        names = list(dict.fromkeys(summary.columns.get_level_values(0)))
        assert names == ["q0.05", "q0.05_low", "q0.05_high", "q0.5", "q0.5_low", "q0.5_high"]
        for epoch in range(2):
            in_order = np.sort([run[epoch] for run in values.values() if run[epoch] == run[epoch]])
            for q in (0.05, 0.5):
                told = summary.iloc[epoch].xs("x", level="field")
                low = int(np.searchsorted(in_order, told[f"q{q}_low"])) + 1
                high = int(np.searchsorted(in_order, told[f"q{q}_high"])) + 1
                n = len(in_order)
                assert binom.cdf(low - 1, n, q) <= 0.025 < binom.cdf(low, n, q)
                assert binom.sf(high - 1, n, q) <= 0.025 < binom.sf(high - 2, n, q)

    def test_a_bound_that_so_few_runs_do_not_give_is_missing(self) -> None:
        summary = sweep_summary(
            _frame({k: [float(k)] for k in range(30)}), q=(0.05,), include=(), bounds=0.95
        )

        assert math.isnan(summary["q0.05_low", "x"].iloc[0])
        assert summary["q0.05_high", "x"].iloc[0] > 1.0

    @pytest.mark.parametrize("design", ["latin_hypercube", "grid", "sobol", "explicit"])
    def test_other_designs_have_quantiles_and_no_bounds(self, design: str) -> None:
        frame = _frame({k: [float(k)] for k in range(30)})
        frame.attrs[DESIGN] = design

        assert sweep_summary(frame)["q0.05", "x"].notna().all()
        with pytest.raises(SweepConfigError, match=r"no independent random draws.* bound of a q"):
            sweep_summary(frame, bounds=0.95)
        if design == "explicit":
            told = sweep_summary(frame, bounds=0.95, sample="independent")
            assert ("q0.05_high", "x") in told.columns

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"bounds": 95}, "a confidence between 0 and 1"),
            ({"bounds": True}, "a confidence between 0 and 1"),
            ({"bounds": 0.9, "by": "run_id"}, "the rows of one run are no independent draws"),
            ({"bounds": 0.9, "sample": "yes"}, "sample='yes' is not supported"),
        ],
    )
    def test_bounds_that_make_no_sense_are_refused(
        self, arguments: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(SweepConfigError, match=said):
            sweep_summary(_frame({0: [1.0]}), **arguments)


class TestAngles:
    def test_around_zero_each_epoch_has_the_circular_mean_and_the_spread_around_it(self) -> None:
        rng = np.random.default_rng(3)
        turned = rng.normal([0.0, 359.9, 90.0], 0.2, size=(40, 3))
        frame = _frame({k: [float(x) % 360 for x in run] for k, run in enumerate(turned)})
        frame = frame.rename(columns={"x": "Sat.Earth.RAAN"})

        summary = sweep_summary(frame, include=("mean", "std", "min", "max"))

        told = summary.xs("Sat.Earth.RAAN", axis="columns", level="field")
        means = circmean(turned, high=360, axis=0)
        assert (told["mean"] - means + 180).to_numpy() % 360 == pytest.approx(180, abs=1e-9)
        assert ((told["mean"] >= 0) & (told["mean"] < 360)).all()
        # The linear statistics of the draws before they were wrapped, in whole turns.
        assert told["std"].to_numpy() == pytest.approx(turned.std(axis=0, ddof=1), rel=1e-9)
        for name, expected in (
            ("min", turned.min(axis=0)),
            ("max", turned.max(axis=0)),
            ("q0.05", np.quantile(turned, 0.05, axis=0)),
            ("q0.5", np.quantile(turned, 0.5, axis=0)),
        ):
            turns = (told[name].to_numpy() - expected) / 360
            assert turns == pytest.approx(np.round(turns), abs=1e-10), name
        assert (told["q0.05"] < told["q0.5"]).all()

    def test_an_angle_that_cancels_has_no_mean_and_a_failed_run_does_not_count(self) -> None:
        frame = _frame({0: [0.0, 1.0], 1: [180.0, 359.0], 2: [77.0, 77.0]}, run2="failed")
        frame = frame.rename(columns={"x": "Sat.Earth.TA"})

        summary = sweep_summary(frame, q=(), include=("mean", "max"))

        assert math.isnan(summary["mean", "Sat.Earth.TA"].iloc[0])
        assert summary["mean", "Sat.Earth.TA"].iloc[1] == pytest.approx(0.0, abs=1e-12)
        assert summary.attrs["left_out_runs"] == {"failed": 1}

    def test_the_frame_of_a_sweep_tells_its_design(self, sweep: SweepOnDisk) -> None:
        sweep.design = "latin_hypercube"
        frame = lazy_multiindex(sweep.manifest, sweep.folder)

        assert frame.attrs[DESIGN] == "latin_hypercube"
        assert frame[["Sat.SMA", "__status"]].loc[:2].attrs[DESIGN] == "latin_hypercube"
