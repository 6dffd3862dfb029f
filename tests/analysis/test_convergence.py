"""mc_convergence: mean, spread and standard error after 1, 2, ... n runs."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import circmean

from gmat_sweep.analysis import mc_convergence
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.independence import DESIGN, no_independent_draws

_START = pd.Timestamp("2026-01-01")


def _frame(values: dict[int, list[float]], *, failed: tuple[int, ...] = ()) -> pd.DataFrame:
    """Return ok runs with x at one epoch per second, and a marker row for each failed one."""
    rows: list[tuple[Any, ...]] = [
        (run_id, _START + pd.Timedelta(seconds=k), x, "ok")
        for run_id, run in values.items()
        for k, x in enumerate(run)
    ]
    rows += [(run_id, pd.NaT, math.nan, "failed") for run_id in failed]
    frame = pd.DataFrame(rows, columns=["run_id", "time", "x", "__status"])
    return frame.set_index(["run_id", "time"]).sort_index()


def test_each_row_describes_the_first_n_runs() -> None:
    curve = mc_convergence(_frame({0: [2.0], 1: [4.0], 2: [9.0]}), "x", terminal_only=True)

    assert list(curve.columns) == ["n", "running_mean", "running_std", "se_mean"]
    assert curve["n"].tolist() == [1, 2, 3]
    assert curve["n"].dtype == np.int64
    assert curve["running_mean"].tolist() == [2.0, 3.0, 5.0]
    assert curve["running_std"].tolist()[1:] == pytest.approx([math.sqrt(2), math.sqrt(13)])
    assert curve["se_mean"].tolist()[1:] == pytest.approx([1.0, math.sqrt(13 / 3)])


def test_one_run_has_no_spread() -> None:
    first = mc_convergence(_frame({0: [2.0], 1: [4.0]}), "x", terminal_only=True).iloc[0]

    assert math.isnan(first["running_std"])
    assert math.isnan(first["se_mean"])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(-1e9, 1e9))
@settings(max_examples=50, deadline=None)
def test_every_prefix_agrees_with_numpy(values: list[float], offset: float) -> None:
    shifted = [value + offset for value in values]
    frame = _frame({run: [value] for run, value in enumerate(shifted)})

    curve = mc_convergence(frame, "x", terminal_only=True)

    scale = max(map(abs, shifted)) or 1.0
    for n in range(1, len(values) + 1):
        assert curve["running_mean"].iloc[n - 1] == pytest.approx(
            np.mean(shifted[:n]), abs=1e-12 * scale
        )
        if n > 1:
            assert curve["running_std"].iloc[n - 1] == pytest.approx(
                np.std(shifted[:n], ddof=1), rel=1e-9, abs=1e-12 * scale
            )


def test_a_small_spread_on_a_large_mean_is_not_lost() -> None:
    values = {run: [1e9 + (run % 2)] for run in range(1000)}

    last = mc_convergence(_frame(values), "x", terminal_only=True).iloc[-1]

    assert last["running_std"] == pytest.approx(math.sqrt(0.25 * 1000 / 999), rel=1e-9)


def test_runs_are_added_by_run_id_whatever_the_order_of_the_rows() -> None:
    frame = _frame({0: [1.0, 10.0], 1: [3.0, 30.0], 2: [8.0, 80.0]}).iloc[[5, 0, 2, 4, 1, 3]]

    assert mc_convergence(frame, "x", terminal_only=True)["running_mean"].tolist() == [
        10.0,
        20.0,
        40.0,
    ]


def test_failed_runs_and_runs_without_a_value_are_not_counted() -> None:
    frame = _frame({0: [1.0], 2: [math.nan], 3: [3.0]}, failed=(1, 4))

    curve = mc_convergence(frame, "x", terminal_only=True)

    assert curve["n"].tolist() == [1, 2]
    assert curve["running_mean"].tolist() == [1.0, 2.0]
    assert curve.attrs["left_out_runs"] == {"failed": 2}


def test_a_column_gives_one_curve_per_epoch_sorted_by_time_then_n() -> None:
    frame = _frame({0: [1.0, 10.0], 1: [3.0], 2: [5.0, 20.0]}, failed=(3,))

    curves = mc_convergence(frame, "x")

    assert list(curves.columns) == ["time", "n", "running_mean", "running_std", "se_mean"]
    assert [(time - _START).total_seconds() for time in curves["time"]] == [0, 0, 0, 1, 1]
    assert curves["n"].tolist() == [1, 2, 3, 1, 2]
    assert curves["running_mean"].tolist() == [1.0, 2.0, 3.0, 10.0, 15.0]


def test_a_curve_of_one_epoch_is_that_of_the_frame_at_that_epoch() -> None:
    rng = np.random.default_rng(7)
    frame = _frame({run: list(rng.normal(size=3)) for run in range(20)})

    curves = mc_convergence(frame, "x")

    epoch = _START + pd.Timedelta(seconds=1)
    alone = mc_convergence(frame.xs(epoch, level="time"), "x")
    at_epoch = curves[curves["time"] == epoch].drop(columns="time").reset_index(drop=True)
    pd.testing.assert_frame_equal(at_epoch, alone, check_exact=True)


def test_an_epoch_that_a_run_reports_twice_counts_the_run_once_with_its_last_value() -> None:
    frame = pd.concat([_frame({0: [1.0], 1: [2.0]}), _frame({0: [7.0]})])

    curves = mc_convergence(frame, "x")

    assert curves["running_mean"].tolist() == [7.0, 4.5]


def test_a_frame_of_one_row_per_run_gives_one_curve() -> None:
    frame = _frame({0: [1.0], 1: [2.0]}).droplevel("time")

    assert mc_convergence(frame, "x").columns[0] == "n"


def test_a_function_gets_the_rows_of_one_ok_run_indexed_by_time() -> None:
    seen: list[pd.DataFrame] = []

    def peak(run: pd.DataFrame) -> float:
        seen.append(run)
        return float(run["x"].max())

    curve = mc_convergence(_frame({0: [1.0, 5.0, 2.0], 1: [3.0]}, failed=(2,)), peak)

    assert curve["running_mean"].tolist() == [5.0, 4.0]
    assert [list(run.columns) for run in seen] == [["x"], ["x"]]
    assert isinstance(seen[0].index, pd.DatetimeIndex)
    assert curve.attrs["metric"] == "peak"


@pytest.mark.parametrize("value", [3, 3.0, np.float32(3), np.int64(3), np.array(3.0)])
def test_any_number_is_a_metric(value: Any) -> None:
    assert mc_convergence(_frame({0: [1.0]}), lambda run: value)["running_mean"].tolist() == [3.0]


@pytest.mark.parametrize("value", [None, "3", [3.0], pd.Series([3.0]), 1j, pd.NaT])
def test_anything_else_is_refused_with_the_run(value: Any) -> None:
    with pytest.raises(SweepConfigError, match=r"numeric scalar.* for run 4"):
        mc_convergence(_frame({4: [1.0]}), lambda run: value)


def test_the_mean_of_a_boolean_is_the_share_of_runs_for_which_it_holds() -> None:
    frame = _frame({0: [1.0], 1: [1.0], 2: [1.0], 3: [1.0]}, failed=(4,))
    frame["hit"] = pd.array([True, False, True, True, None], dtype="boolean")

    assert mc_convergence(frame, "hit", terminal_only=True)["running_mean"].iloc[-1] == 0.75


def test_a_sweep_without_ok_runs_gives_an_empty_curve() -> None:
    curve = mc_convergence(_frame({}, failed=(0, 1)), "x")

    assert list(curve.columns) == ["time", "n", "running_mean", "running_std", "se_mean"]
    assert len(curve) == 0


def test_polars_frames_go_in_and_come_out() -> None:
    frame = _frame({0: [1.0], 1: [2.0]}).assign(hit=pd.array([True, None], dtype="boolean"))

    curve = mc_convergence(pl.from_pandas(frame.reset_index()), "x", engine="polars")

    assert isinstance(curve, pl.DataFrame)
    assert curve.columns == ["time", "n", "running_mean", "running_std", "se_mean"]
    assert curve["running_std"].to_list() == [None, pytest.approx(math.sqrt(0.5))]
    hits = mc_convergence(pl.from_pandas(frame.reset_index()), "hit", terminal_only=True)
    assert hits["running_mean"].tolist() == [1.0]


@pytest.mark.parametrize("metric", ["y", None, 3])
def test_a_metric_that_is_no_column_is_refused(metric: Any) -> None:
    with pytest.raises(SweepConfigError, match=r"not a column of df\. Choose one of x\."):
        mc_convergence(_frame({0: [1.0]}), metric)


def test_a_metric_that_is_not_numeric_is_refused() -> None:
    with pytest.raises(SweepConfigError, match="is not numeric"):
        mc_convergence(_frame({0: [1.0]}).assign(name="a"), "name")


def test_a_frame_without_runs_is_refused() -> None:
    with pytest.raises(SweepConfigError, match="must have a 'run_id' level"):
        mc_convergence(_frame({0: [1.0]}).reset_index(), "x")


def test_the_analysis_modules_load_no_heavy_library() -> None:
    program = (
        "import sys, gmat_sweep.analysis, gmat_sweep.sensitivity, gmat_sweep.plotting;"
        "print([m for m in ('pandas','numpy','scipy','matplotlib','SALib','polars')"
        " if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.stdout.strip() == "[]", done.stderr


class TestDesigns:
    @pytest.mark.parametrize(
        "design", ["latin_hypercube", "sobol", "halton", "grid", "sobol_sample", "explicit"]
    )
    def test_runs_that_are_no_independent_draws_are_refused_with_the_reason(
        self, design: str
    ) -> None:
        frame = _frame({0: [2.0], 1: [4.0]})
        frame.attrs[DESIGN] = design

        with pytest.raises(SweepConfigError, match=r"mc_convergence: .* no independent random dr"):
            mc_convergence(frame, "x", terminal_only=True)
        if design == "explicit":
            curve = mc_convergence(frame, "x", terminal_only=True, sample="independent")
            assert len(curve) == 2
        else:
            with pytest.raises(SweepConfigError, match="with monte_carlo"):
                mc_convergence(frame, "x", terminal_only=True, sample="independent")

    @pytest.mark.parametrize("design", [None, "monte_carlo"])
    def test_draws_and_frames_that_do_not_tell_are_taken(self, design: str | None) -> None:
        frame = _frame({0: [2.0], 1: [4.0]})
        if design is not None:
            frame.attrs[DESIGN] = design

        assert mc_convergence(frame, lambda run: run["x"].max())["n"].tolist() == [1, 2]

    def test_a_design_without_a_name_is_told_in_words(self) -> None:
        said = [no_independent_draws(design) for design in ("", "mixed", "grid", "my_own")]

        assert [each.split(" are ")[0] for each in said] == [
            "the runs of a sweep that does not tell its design",
            "the runs of two sweeps of different designs",
            "the runs of a grid",
            "the runs of this design (my own)",
        ]

    def test_another_claim_is_refused(self) -> None:
        with pytest.raises(SweepConfigError, match="sample='iid' is not supported"):
            mc_convergence(_frame({0: [2.0]}), "x", sample="iid")  # type: ignore[call-overload]


class TestAngles:
    def test_a_node_around_zero_converges_to_the_circular_mean(self) -> None:
        turned = np.random.default_rng(4).normal(0.05, 0.2, 50)
        frame = _frame({k: [float(x) % 360] for k, x in enumerate(turned)})
        frame = frame.rename(columns={"x": "Sat.Earth.RAAN"})

        for curve in (
            mc_convergence(frame, "Sat.Earth.RAAN", terminal_only=True),
            mc_convergence(frame, "Sat.Earth.RAAN"),
        ):
            # By scipy's circular mean, and by the linear spread of the draws before the wrapping.
            means = [circmean(turned[:n], high=360) for n in range(1, 51)]
            apart = (curve["running_mean"] - means + 180) % 360
            assert apart.to_numpy() == pytest.approx(180, abs=1e-9)
            assert np.ptp(curve["running_mean"]) < 2, "no jump by a turn"
            assert 0 <= curve["running_mean"].iloc[-1] < 360
            assert curve["running_std"].iloc[-1] == pytest.approx(turned.std(ddof=1), rel=1e-9)
            assert curve["se_mean"].iloc[-1] == pytest.approx(
                turned.std(ddof=1) / math.sqrt(50), rel=1e-9
            )

    def test_a_hyperbolic_mean_anomaly_is_a_number(self) -> None:
        frame = _frame({0: [0.0], 1: [720.0]}).rename(columns={"x": "Sat.Earth.MA"})

        assert mc_convergence(frame, "Sat.Earth.MA", terminal_only=True)[
            "running_mean"
        ].tolist() == [
            0.0,
            360.0,
        ]
