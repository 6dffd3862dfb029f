"""Bands and convergence: the curves are what the frame says, and what is not drawn is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from drawings import draw, over_epochs, texts_of
from gmat_sweep.analysis import mc_convergence, sweep_summary
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plotting import (
    mc_convergence_over_time_plot,
    mc_convergence_plot,
    sweep_band_plot,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@pytest.fixture(autouse=True)
def agg() -> Iterator[None]:
    """Draw without a screen, and leave no figure behind."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()


# -- sweep_band_plot -------------------------------------------------------------------------


def _line(ax: Axes) -> Any:
    (line,) = ax.lines
    return line


def _points(ax: Axes) -> Any:
    (points,) = ax.collections
    return points


def _vertices(ax: Axes) -> list[tuple[float, float]]:
    (band,) = (item for item in ax.collections if isinstance(item, PolyCollection))
    return [(float(x), float(y)) for x, y in np.asarray(band.get_paths()[0].vertices)]


def test_a_band_lies_between_the_outer_quantiles_around_the_median(ax: Axes) -> None:
    summary = sweep_summary(
        over_epochs({0: [0.0, 5.0], 1: [1.0, 5.0], 2: [10.0, 8.0]}), q=(0.75, 0.5, 0.25)
    )

    returned = sweep_band_plot(summary, "Sat.Earth.RMAG", ax=ax)

    assert returned is ax
    line = _line(ax)
    assert line.get_ydata().tolist() == [1.0, 5.0]
    assert line.get_xdata().tolist() == summary.index.to_numpy().tolist()
    axis: Any = ax.xaxis
    days = [axis.convert_units(epoch) for epoch in summary.index.to_numpy()]
    assert {(days[0], 0.5), (days[0], 5.5), (days[1], 5.0), (days[1], 6.5)} <= set(_vertices(ax))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time", "Sat.Earth.RMAG")
    assert {"median (km)", "25 % to 75 % of runs"} <= set(texts_of(ax))
    draw(ax)


def test_without_a_median_the_mean_is_the_centre_and_one_quantile_makes_no_band(ax: Axes) -> None:
    sweep_band_plot(
        sweep_summary(over_epochs({0: [1.0], 1: [3.0]}), q=(0.9,)), "Sat.Earth.RMAG", ax=ax
    )

    assert _line(ax).get_ydata().tolist() == [2.0]
    assert len(ax.collections) == 0
    assert "mean (km)" in texts_of(ax)


def test_quantiles_that_so_few_runs_cannot_give_are_not_in_the_legend(ax: Axes) -> None:
    three = over_epochs({0: [1.0], 1: [2.0], 2: [4.0]})

    # 5 % and 95 % need 19 runs, 25 % and 75 % need three.
    sweep_band_plot(sweep_summary(three, q=(0.05, 0.25, 0.75, 0.95)), "Sat.Earth.RMAG", ax=ax)

    assert [text for text in texts_of(ax) if "%" in text] == ["25 % to 75 % of runs"]
    ax.clear()
    sweep_band_plot(sweep_summary(three), "Sat.Earth.RMAG", ax=ax)
    assert len(ax.collections) == 0
    assert not any("%" in text for text in texts_of(ax))


def test_a_band_plot_says_how_many_runs_failed_and_how_few_share_an_epoch(ax: Axes) -> None:
    frame = over_epochs({0: [1.0, 2.0], 1: [1.0], 2: [1.0]}, failed=(3, 4))

    sweep_band_plot(sweep_summary(frame), "Sat.Earth.RMAG", ax=ax)

    assert "1 to 3 runs per point; not shown: 2 failed runs" in texts_of(ax)


def test_marker_rows_of_a_summary_are_not_drawn(ax: Axes) -> None:
    frame = over_epochs({0: [1.0, 2.0]}, failed=(1,))

    sweep_band_plot(sweep_summary(frame, dropna=False), "Sat.Earth.RMAG", ax=ax)

    assert _line(ax).get_ydata().tolist() == [1.0, 2.0]


def test_a_summary_by_run_is_drawn_as_points_with_upright_bands(ax: Axes) -> None:
    summary = sweep_summary(
        over_epochs({0: [0.0, 2.0], 1: [4.0, 8.0]}), by="run_id", q=(0.25, 0.75)
    )

    sweep_band_plot(summary, "Sat.Earth.RMAG", ax=ax)

    assert _line(ax).get_linestyle() == "None"
    assert _line(ax).get_ydata().tolist() == [1.0, 6.0]
    bands = _points(ax)
    segments = [segment.tolist() for segment in bands.get_segments()]
    assert segments == [[[0.0, 0.5], [0.0, 1.5]], [[1.0, 5.0], [1.0, 7.0]]]
    assert ax.get_xlabel() == "run_id"
    assert "25 % to 75 % of rows" in texts_of(ax)


def test_the_band_has_the_colour_of_the_line(ax: Axes) -> None:
    summary = sweep_summary(over_epochs({0: [1.0], 1: [2.0], 2: [3.0]}), q=(0.25, 0.75))
    sweep_band_plot(summary, "Sat.Earth.RMAG", ax=ax, color="C3")

    assert _line(ax).get_color() == "C3"
    assert _points(ax).get_facecolor()[0][:3].tolist() == pytest.approx(mpl.colors.to_rgb("C3"))


@pytest.mark.parametrize(
    ("summary", "column", "message"),
    [
        (pd.DataFrame({"x": [1.0]}), "x", "2-level column MultiIndex"),
        (sweep_summary(over_epochs({0: [1.0]})), "x", "column 'x' is not found in summary"),
        (
            sweep_summary(over_epochs({0: [1.0]}), q=(0.1, 0.9), include=("max",)),
            "Sat.Earth.RMAG",
            "no centre statistic",
        ),
    ],
)
def test_a_summary_that_cannot_be_drawn_is_refused(
    summary: pd.DataFrame, column: str, message: str, ax: Axes
) -> None:
    with pytest.raises(SweepConfigError, match=message):
        sweep_band_plot(summary, column, ax=ax)


# -- convergence -----------------------------------------------------------------------------


def test_convergence_is_the_running_mean_in_one_standard_error(ax: Axes) -> None:
    frame = over_epochs({0: [2.0], 1: [4.0], 2: [9.0]}, failed=(3,))
    curve = mc_convergence(frame, "Sat.Earth.RMAG", terminal_only=True)

    returned = mc_convergence_plot(curve, ax=ax)

    assert returned is ax
    assert _line(ax).get_xdata().tolist() == [1, 2, 3]
    assert _line(ax).get_ydata().tolist() == [2.0, 3.0, 5.0]
    error = curve["se_mean"].tolist()
    assert {(2.0, 3.0 - error[1]), (2.0, 3.0 + error[1]), (3.0, 5.0 + error[2])} <= set(
        _vertices(ax)
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("n", "running mean")
    assert {
        "± 1 standard error",
        "Sat.Earth.RMAG (km)",
        "not shown: 1 failed run",
    } <= set(texts_of(ax))
    draw(ax)


def test_the_convergence_at_one_epoch_is_drawn_on_demand(ax: Axes) -> None:
    curves = mc_convergence(over_epochs({0: [2.0, 20.0], 1: [4.0, 40.0]}), "Sat.Earth.RMAG")

    mc_convergence_plot(curves, ax=ax, at="2026-01-01 00:00:01")

    assert _line(ax).get_ydata().tolist() == [20.0, 30.0]


def test_the_convergence_of_contacts_is_drawn_for_one_interval(ax: Axes) -> None:
    index = pd.MultiIndex.from_product([[0, 1], [0, 1]], names=["run_id", "interval_id"])
    frame = pd.DataFrame({"Duration": [1.0, 2.0, 3.0, 4.0]}, index=index)

    mc_convergence_plot(mc_convergence(frame, "Duration"), ax=ax, at=1)

    assert _line(ax).get_ydata().tolist() == [2.0, 3.0]


def test_a_polars_convergence_frame_is_drawn_the_same(ax: Axes) -> None:
    frame = over_epochs({0: [2.0], 1: [4.0]})
    curve = mc_convergence(frame, "Sat.Earth.RMAG", terminal_only=True, engine="polars")

    mc_convergence_plot(curve, ax=ax)

    assert _line(ax).get_ydata().tolist() == [2.0, 3.0]


@pytest.mark.parametrize(
    ("conv", "keywords", "message"),
    [
        (pd.DataFrame({"n": [1], "running_mean": [1.0]}), {}, "missing required column 'se_mean'"),
        (mc_convergence(over_epochs({0: [1.0]}), "Sat.Earth.RMAG"), {}, "per-time.*at="),
        (
            mc_convergence(over_epochs({0: [1.0]}), "Sat.Earth.RMAG"),
            {"at": "2027-01-01"},
            "conv has no time 2027-01-01",
        ),
        (
            mc_convergence(over_epochs({0: [1.0]}), "Sat.Earth.RMAG", terminal_only=True),
            {"at": "2026-01-01"},
            "conv has one curve",
        ),
        ([1.0, 2.0], {}, "conv must be a frame, got list"),
    ],
)
def test_a_convergence_that_cannot_be_drawn_is_refused(
    conv: Any, keywords: dict[str, Any], message: str, ax: Axes
) -> None:
    with pytest.raises(SweepConfigError, match=message):
        mc_convergence_plot(conv, ax=ax, **keywords)


def test_convergence_over_time_has_a_curve_for_a_quarter_half_and_all_of_the_runs(
    ax: Axes,
) -> None:
    rng = np.random.default_rng(3)
    frame = over_epochs({run: list(rng.normal(size=2)) for run in range(8)}, failed=(8,))
    curves = mc_convergence(frame, "Sat.Earth.RMAG")

    mc_convergence_over_time_plot(curves, ax=ax)

    assert [line.get_label() for line in ax.lines] == ["n = 2", "n = 4", "n = 8"]
    expected = frame["Sat.Earth.RMAG"].groupby(level="time").sem()
    assert ax.lines[-1].get_ydata() == pytest.approx(expected.to_numpy())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time", "standard error of the mean")
    assert {"Sat.Earth.RMAG (km)", "not shown: 1 failed run"} <= set(texts_of(ax))
    draw(ax)


def test_convergence_over_time_needs_epochs_that_runs_share(ax: Axes) -> None:
    frame = over_epochs({0: [1.0]})

    with pytest.raises(SweepConfigError, match="no epoch with two runs"):
        mc_convergence_over_time_plot(mc_convergence(frame, "Sat.Earth.RMAG"), ax=ax)
    with pytest.raises(SweepConfigError, match="missing required column 'time'"):
        mc_convergence_over_time_plot(
            mc_convergence(frame, "Sat.Earth.RMAG", terminal_only=True), ax=ax
        )


# -- the nominal run -------------------------------------------------------------------------


def test_the_nominal_run_is_drawn_on_top_and_in_no_statistic(ax: Axes) -> None:
    frame = over_epochs({-1: [2.0, 4.0], 0: [0.0, 5.0], 1: [1.0, 6.0], 2: [10.0, 8.0]})
    summary = sweep_summary(frame)
    without = sweep_summary(frame[frame.index.get_level_values("run_id") >= 0])
    pd.testing.assert_frame_equal(summary, without)

    sweep_band_plot(summary, "Sat.Earth.RMAG", ax=ax, nominal=frame)

    median, nominal = ax.lines
    assert np.asarray(median.get_ydata()).tolist() == [1.0, 6.0]
    assert np.asarray(nominal.get_ydata()).tolist() == [2.0, 4.0]
    assert nominal.get_linestyle() == "--"
    assert "nominal" in texts_of(ax)

    for conv, at, end in (
        (mc_convergence(frame, "Sat.Earth.RMAG", terminal_only=True), None, 4.0),
        (mc_convergence(frame, "Sat.Earth.RMAG"), frame.index[0][1], 2.0),
    ):
        axes = Figure().subplots()
        mc_convergence_plot(conv, ax=axes, at=at, nominal=frame)
        mean, line = axes.lines
        assert len(np.asarray(mean.get_ydata())) == 3
        assert np.asarray(line.get_ydata()).tolist() == [end, end]


def test_without_an_ok_nominal_run_or_its_column_nothing_more_is_drawn(ax: Axes) -> None:
    frame = over_epochs({0: [0.0, 5.0], 1: [1.0, 6.0]})

    sweep_band_plot(sweep_summary(frame), "Sat.Earth.RMAG", ax=ax, nominal=frame)

    assert len(ax.lines) == 1
    failed = over_epochs({-1: [9.0, 9.0], 0: [0.0, 5.0], 1: [1.0, 6.0]})
    failed.loc[-1, "__status"] = "failed"
    sweep_band_plot(sweep_summary(failed), "Sat.Earth.RMAG", ax=ax, nominal=failed)
    assert len(ax.lines) == 2
