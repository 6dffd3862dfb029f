"""Curves: dispersion over time, and convergence over the number of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.convergence import METRIC
from gmat_sweep.analysis.rows import LEFT_OUT, ROWS_PER_POINT, nominal_rows
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plotting.canvas import NOMINAL_LINE, axes_or_new, count_axis, date_axis
from gmat_sweep.plotting.labels import label, left_out_note, unit

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["mc_convergence_over_time_plot", "mc_convergence_plot", "sweep_band_plot"]


def sweep_band_plot(
    summary: pd.DataFrame, column: str, *, ax: Axes | None = None, nominal: Any = None, **kw: Any
) -> Axes:
    """Draw the dispersion of a field: a central line in a band of quantiles.

    Parameters
    ----------
    summary : pandas.DataFrame
        From `gmat_sweep.sweep_summary`.
    column : str
        A field of the summary.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.
    nominal : pandas.DataFrame or polars.DataFrame, optional
        The frame that the summary was made from, whose nominal run is drawn over the band. The
        summary does not count that run.
    **kw
        For ``Axes.plot`` of the central line, such as ``color``, which the band takes over.

    Returns
    -------
    matplotlib.axes.Axes
        The line is the median if the summary has it, else the mean. The band lies between the
        lowest and the highest quantile, point by point: it holds that share of the runs at each
        epoch, and fewer runs stay inside it throughout. The y axis is in the units of the field,
        which the legend names if they are known. For a summary by ``run_id`` the centres are
        points and the bands upright lines. Epochs that few runs share are drawn like any other;
        the picture says how few.

    Raises
    ------
    SweepConfigError
        `summary` is no summary, lacks `column`, or has neither ``q0.5`` nor ``mean``.
    ImportError
        matplotlib is not installed.
    """
    import pandas as pd

    if not isinstance(summary, pd.DataFrame) or summary.columns.nlevels != 2:
        raise SweepConfigError(
            "sweep_band_plot needs a frame with a 2-level column MultiIndex (statistic, field). "
            "Pass what sweep_summary returned for engine='pandas'."
        )
    fields = list(dict.fromkeys(summary.columns.get_level_values(1)))
    if column not in fields:
        raise SweepConfigError(
            f"column {column!r} is not found in summary. "
            f"Choose one of {', '.join(map(str, fields))}."
        )
    told = summary[summary.index.notna()]
    statistics = {
        str(name): told[name, column].to_numpy()
        for name in dict.fromkeys(told.columns.get_level_values(0))
        if (name, column) in told.columns
    }
    centre = next((name for name in ("q0.5", "mean") if name in statistics), None)
    if centre is None:
        raise SweepConfigError(
            f"summary has no centre statistic for {column!r}, neither 'q0.5' nor 'mean'. "
            "Ask sweep_summary for one of them."
        )
    # A quantile that so few runs cannot give is NaN at every point: nothing to draw, or to name.
    quantiles = sorted(
        (name for name in statistics if _is_quantile(name) and pd.notna(statistics[name]).any()),
        key=_quantile,
    )

    axes = axes_or_new(ax)
    centre_name = "median" if centre == "q0.5" else "mean"
    known = unit(column)
    kw.setdefault("label", f"{centre_name} ({known})" if known else centre_name)
    over_runs = told.index.name != "run_id"
    if not over_runs:
        # A line would suggest that neighbouring runs have something in common.
        kw = {"marker": "o", "linestyle": "none"} | kw
    x = told.index.to_numpy()
    (line,) = axes.plot(x, statistics[centre], **kw)
    if len(quantiles) > 1:
        low, high = quantiles[0], quantiles[-1]
        band = f"{100 * _quantile(low):g} % to {100 * _quantile(high):g} % of "
        colour = line.get_color()
        if over_runs:
            _band(axes, x, statistics[low], statistics[high], colour, label=f"{band}runs")
        else:
            axes.vlines(x, statistics[low], statistics[high], colour, label=f"{band}rows")
    if over_runs and nominal is not None:
        _draw_nominal(axes, nominal, column, str(told.index.name))
    axes.set(xlabel=str(summary.index.name), ylabel=column)
    if isinstance(summary.index, pd.DatetimeIndex):
        date_axis(axes)
    else:
        count_axis(axes)
    axes.legend()
    few, many = summary.attrs.get(ROWS_PER_POINT, (0, 0))
    _say_left_out(axes, summary, f"{few} to {many} runs per point" * (over_runs and few < many))
    return axes


def mc_convergence_plot(
    conv: Any, *, ax: Axes | None = None, at: Any = None, nominal: Any = None, **kw: Any
) -> Axes:
    """Draw the running mean of a metric, in a band of plus and minus one standard error.

    Parameters
    ----------
    conv : pandas.DataFrame or polars.DataFrame
        From `gmat_sweep.mc_convergence`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.
    at : datetime-like, optional
        Of a frame with one curve per epoch, the epoch whose curve to draw; of contacts, the
        ``interval_id``.
    nominal : pandas.DataFrame or polars.DataFrame, optional
        The frame that `conv` was made from: what its nominal run has is drawn as a line, where the
        metric is a column. The curve does not count that run.
    **kw
        For ``Axes.plot`` of the mean, such as ``color``, which the band takes over.

    Returns
    -------
    matplotlib.axes.Axes
        Both axes start at the first run; the title names the metric and its units if the frame
        tells. See `gmat_sweep.mc_convergence` for the meaning of the standard error.

    Raises
    ------
    SweepConfigError
        A column is missing; the frame has one curve per epoch and `at` is not given or is none of
        them; or there is no run in it.
    ImportError
        matplotlib is not installed.
    """
    frame = _convergence_frame(conv, ("n", "running_mean", "se_mean"))
    level = _level_of(frame)
    if level is not None:
        frame = _curve_at(frame, level, at)
    elif at is not None:
        raise SweepConfigError(
            f"at={at!r} chooses one of several epochs, and conv has one curve. Leave out at=."
        )
    axes = axes_or_new(ax)
    kw.setdefault("label", "running mean")
    n, mean, error = (frame[name].to_numpy() for name in ("n", "running_mean", "se_mean"))
    (line,) = axes.plot(n, mean, **kw)
    _band(axes, n, mean - error, mean + error, line.get_color(), label="± 1 standard error")
    metric = getattr(conv, "attrs", {}).get(METRIC)
    if nominal is not None and isinstance(metric, str):
        value = _nominal_end(nominal, metric, level, at)
        if value is not None:
            axes.axhline(value, **NOMINAL_LINE)
    axes.set(xlabel="n", ylabel="running mean")
    count_axis(axes)
    axes.legend()
    _say_metric(axes, conv)
    _say_left_out(axes, conv)
    return axes


def mc_convergence_over_time_plot(conv: Any, *, ax: Axes | None = None, **kw: Any) -> Axes:
    """Draw the standard error of the mean over time, after a quarter, half and all of the runs.

    Where the curves lie close together or do not fall, more runs helped little. With independent
    draws the second curve is about 0.7 of the first, and the third about 0.7 of the second.

    Parameters
    ----------
    conv : pandas.DataFrame or polars.DataFrame
        From `gmat_sweep.mc_convergence` of a column, with one curve per epoch.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.
    **kw
        For ``Axes.plot``, such as ``linewidth``.

    Returns
    -------
    matplotlib.axes.Axes
        The y axis is in the units of the metric. A curve has no point at an epoch that fewer runs
        have than the curve is for.

    Raises
    ------
    SweepConfigError
        A column is missing, or there are not at least two runs at any epoch.
    ImportError
        matplotlib is not installed.
    """
    frame = _convergence_frame(conv, ("n", "se_mean"))
    level = _level_of(frame)
    if level is None:
        raise SweepConfigError(
            "conv is missing required column 'time'. "
            "Draw the single curve it has with mc_convergence_plot."
        )
    most = int(frame["n"].max()) if len(frame) else 0
    if most < 2:
        raise SweepConfigError(
            "conv has no epoch with two runs or more, so there is no standard error. "
            "Report at epochs that the runs share."
        )
    axes = axes_or_new(ax)
    for count in sorted({most // 4, most // 2, most} - {0, 1}):
        curve = frame[frame["n"] == count]
        axes.plot(curve[level].to_numpy(), curve["se_mean"].to_numpy(), label=f"n = {count}", **kw)
    axes.set(xlabel=level, ylabel="standard error of the mean")
    if level == "time":
        date_axis(axes)
    else:
        count_axis(axes)
    axes.legend()
    _say_metric(axes, conv)
    _say_left_out(axes, conv)
    return axes


def _draw_nominal(axes: Axes, df: Any, column: str, by: str) -> None:
    """Draw a column of the nominal run over the axis of a summary."""
    rows = nominal_rows(df)
    if rows is None or column not in rows.columns or rows.index.name != by:
        return
    own = rows.loc[rows.index.notna(), column].dropna()
    axes.plot(own.index.to_numpy(), own.to_numpy(), **NOMINAL_LINE)


def _nominal_end(df: Any, metric: str, level: str | None, at: Any) -> float | None:
    """Return the value of the nominal run at an epoch, or its last one."""
    import pandas as pd

    rows = nominal_rows(df)
    if rows is None or metric not in rows.columns:
        return None
    own = rows[metric]
    if level is not None:
        own = own[own.index == (pd.Timestamp(at) if level == "time" else at)]
    own = own.dropna()
    return float(own.iloc[-1]) if len(own) else None


def _band(axes: Axes, x: Any, low: Any, high: Any, colour: Any, *, label: str) -> None:
    axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0, label=label)


def _is_quantile(statistic: str) -> bool:
    return statistic.startswith("q")


def _quantile(statistic: str) -> float:
    return float(statistic.removeprefix("q"))


def _convergence_frame(conv: Any, columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    frame: pd.DataFrame = conv.to_pandas() if hasattr(conv, "to_pandas") else conv
    if not isinstance(frame, pd.DataFrame):
        raise SweepConfigError(
            f"conv must be a frame, got {type(conv).__name__}. Pass what mc_convergence returned."
        )
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise SweepConfigError(
            f"conv is missing required column {', '.join(map(repr, missing))}. "
            "Pass what mc_convergence returned."
        )
    return frame


def _level_of(frame: pd.DataFrame) -> str | None:
    """Return the column that tells one curve from another; None for a single curve."""
    return next((name for name in ("time", "interval_id", "row") if name in frame.columns), None)


def _curve_at(frame: pd.DataFrame, level: str, at: Any) -> pd.DataFrame:
    import pandas as pd

    if at is None:
        raise SweepConfigError(
            "conv is per-time, with one curve for each of "
            f"{frame[level].nunique()} values of {level}. Choose one with at=, draw all with "
            "mc_convergence_over_time_plot, or compute it with terminal_only=True."
        )
    wanted = pd.Timestamp(at) if level == "time" else at
    curve = frame[frame[level] == wanted]
    if curve.empty:
        raise SweepConfigError(
            f"conv has no {level} {wanted}; it has {frame[level].min()} to {frame[level].max()}. "
            f"Choose one of conv[{level!r}]."
        )
    return curve


def _say_metric(axes: Axes, conv: Any) -> None:
    metric = getattr(conv, "attrs", {}).get(METRIC)
    if metric:
        axes.set_title(label(metric), loc="left")


def _say_left_out(axes: Axes, frame: Any, more: str = "") -> None:
    left_out = left_out_note(getattr(frame, "attrs", {}).get(LEFT_OUT, {}))
    note = "; ".join(filter(None, (more, left_out)))
    if note:
        axes.text(
            1.0, 1.0, note, transform=axes.transAxes, ha="right", va="bottom", fontsize="small"
        )
