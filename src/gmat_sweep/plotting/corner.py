"""A metric over every pair of parameters."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.angles import circular_mean, unwrapped, wraps
from gmat_sweep.analysis.rows import left_out_runs, ok_mask
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plotting.canvas import NOMINAL_LINE, NOMINAL_POINT, axes_grid_or_new
from gmat_sweep.plotting.labels import label, left_out_note
from gmat_sweep.plotting.runs import (
    design_of,
    measured,
    nominal_values,
    numbers_of,
    one_row_per_run,
    parameters_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from numpy.typing import ArrayLike, NDArray

    from gmat_sweep.manifest import Manifest
    from gmat_sweep.plotting.runs import Metric

__all__ = ["sweep_corner"]

_KINDS = ("auto", "scatter", "hexbin")
_MOST_POINTS = 2000

# GMAT prints reports with a limited number of digits.
_PRINTING_ERROR = 1e-9


def sweep_corner(
    df: Any,
    params: Sequence[str] | None = None,
    metric: Metric | None = None,
    *,
    manifest: Manifest | None = None,
    axes: Any = None,
    kind: str = "auto",
    **kw: Any,
) -> NDArray[np.object_]:
    """Draw a metric as colour over every pair of parameters, and how each one is distributed.

    Parameters
    ----------
    df : pandas.DataFrame or polars.DataFrame
        Frame of a sweep. With epochs, the last row that each run wrote is drawn.
    params : sequence of str, optional
        At least two parameters; by default the fields that vary, as `manifest` has them.
    metric : str or callable
        What gives the colour: a column of numbers, or a function that gets the whole `df` and
        returns a Series of numbers by ``run_id``.
    manifest : Manifest, optional
        Of the same sweep. If it has the value of a parameter for a run, that is drawn, and not the
        column of `df` of the same name, which may have changed by the end of the run.
    axes : array of matplotlib.axes.Axes, optional
        As many rows and columns as there are parameters; by default a new figure.
    kind : {"auto", "scatter", "hexbin"}
        One point per run, or hexagons coloured by the mean of the metric in them. ``"auto"`` takes
        hexagons above 2000 runs. Angles, by GMAT's name, are coloured in the turn about their mean
        on the circle: 359.9 degrees is -0.1 beside 0.1.
    **kw
        For ``Axes.scatter`` or ``Axes.hexbin``, such as ``cmap``, ``vmin`` or ``s``.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        Square. Below the diagonal, parameter i (upwards) over parameter j (to the right); on it,
        the histogram of each parameter; above it, axes that are not visible. A nominal run is a
        cross and a dashed line, where its parameters are known: with `manifest`, those that are
        drawn about the script's own value. It is in no histogram and no colour.

    Warns
    -----
    RuntimeWarning
        Runs that are not ok, or lack a value, were dropped; or a column of `df` differs from the
        run's value in the manifest.

    Raises
    ------
    SweepConfigError
        An argument is missing or has a value not listed here, a column is missing or not numeric,
        or there is no run to draw.
    ImportError
        matplotlib is not installed.
    """
    import numpy as np

    if kind not in _KINDS:
        raise SweepConfigError(
            f"kind must be one of {', '.join(map(repr, _KINDS))}, got {kind!r}. Choose one."
        )
    runs = one_row_per_run(df, "sweep_corner")
    if params is None and manifest is None:
        raise SweepConfigError(
            "sweep_corner needs params= or manifest= to know what was varied. Pass one of them."
        )
    if metric is None:
        raise SweepConfigError(
            "sweep_corner requires metric, the column that gives the colour. "
            "Pass metric='Sat.Earth.SMA', for example."
        )
    names = _checked_names(params, manifest)
    colour = measured(metric, df, runs, "metric", "sweep_corner needs a numeric metric")
    values = _parameter_values(runs, names, manifest)
    note = _drop(runs, values, colour)
    kept = ok_mask(runs) & values.notna().all(axis="columns").to_numpy() & colour.notna().to_numpy()
    if not kept.any():
        raise SweepConfigError(
            "there is no ok run with a value of the metric and of every parameter. "
            "Check the parameters, or run the failed runs again."
        )

    grid = axes_grid_or_new(axes, len(names))
    if grid.shape != (len(names), len(names)):
        raise SweepConfigError(
            f"axes must have the shape {(len(names), len(names))}, one row and column per "
            f"parameter, got {grid.shape}. Make them with plt.subplots({len(names)}, {len(names)})."
        )
    hexagons = kind == "hexbin" or (kind == "auto" and int(kept.sum()) > _MOST_POINTS)
    numbers, name = np.asarray(colour[kept], dtype=np.float64), str(colour.name)
    if wraps(name, numbers):
        # 359.9 and 0.1 degrees are neighbours, and so must their colours be.
        centre = circular_mean(numbers)
        numbers = unwrapped(numbers, centre)
        kw.setdefault("reduce_C_function", lambda each: _mean_about(each, centre))
    if not hexagons:
        kw.pop("reduce_C_function", None)
    _draw(grid, values[kept], numbers, name, hexagons=hexagons, kw=kw)
    _mark_nominal(grid, nominal_values(df, names, manifest), names)
    if note:
        corner = grid[0, -1]
        corner.get_figure().text(
            1.0, 1.0, note, transform=corner.transAxes, ha="right", va="top", fontsize="small"
        )
    return grid


def _mean_about(angles: ArrayLike, centre: float) -> float:
    """Return the mean of angles on the circle, in the turn about `centre`."""
    import numpy as np

    mean = circular_mean(np.asarray(angles, dtype=np.float64))
    return float(unwrapped(np.array([mean]), centre)[0])


def _checked_names(params: Sequence[str] | None, manifest: Manifest | None) -> list[str]:
    if isinstance(params, str):
        names = [params]
    elif params is not None:
        names = list(params)
    else:
        names = parameters_of(manifest) if manifest is not None else []
    if len(names) < 2 or len(set(names)) < len(names):
        raise SweepConfigError(
            f"sweep_corner needs at least 2 different parameters, got {names}. "
            "Draw a single one with a scatter plot."
        )
    return names


def _parameter_values(
    runs: pd.DataFrame, names: list[str], manifest: Manifest | None
) -> pd.DataFrame:
    """Return the parameters of each run: its value in the manifest, else the one it reported."""
    import numpy as np
    import pandas as pd

    varied = parameters_of(manifest) if manifest is not None else []
    design = (
        design_of(manifest, [name for name in names if name in varied], runs.index)
        if manifest is not None
        else pd.DataFrame(index=runs.index)
    )
    unknown = [name for name in names if name not in design and name not in runs]
    if unknown:
        raise SweepConfigError(
            f"{', '.join(map(repr, unknown))} is neither a numeric column of df nor a parameter "
            "of the manifest. Pass manifest=, or choose other params."
        )
    columns = {
        name: numbers_of(
            design[name] if name in design else runs[name],
            "sweep_corner needs numeric parameters",
        )
        for name in names
    }
    ok = ok_mask(runs)
    for name in design:
        if name not in runs:
            continue
        given = columns[str(name)].to_numpy()
        reported = numbers_of(runs[name], "").to_numpy()
        known = ok & ~np.isnan(given) & ~np.isnan(reported)
        differing = known & ~np.isclose(reported, given, rtol=_PRINTING_ERROR, atol=0.0)
        if differing.any():
            warnings.warn(
                f"{name!r} is in both manifest.parameter_spec and df.columns, and they differ in "
                f"{differing.sum()} runs; what the runs were given is drawn. Rename the column "
                "of df to draw what they reported.",
                RuntimeWarning,
                stacklevel=3,
            )
    return pd.DataFrame(columns, index=runs.index)


def _drop(runs: pd.DataFrame, values: pd.DataFrame, colour: pd.Series[float]) -> str:
    """Warn of the runs that cannot be drawn; return a note of them for the picture."""
    left_out = left_out_runs(runs)
    if left_out:
        count = sum(left_out.values())
        _warn_of(count, f"non-ok run{'s' if count > 1 else ''}")
    lacking = int((ok_mask(runs) & (values.isna().any(axis="columns") | colour.isna())).sum())
    if lacking:
        _warn_of(lacking, f"ok run{'s' if lacking > 1 else ''} without a value")
    return left_out_note(left_out, lacking)


def _warn_of(count: int, what: str) -> None:
    warnings.warn(f"sweep_corner dropped {count} {what}.", RuntimeWarning, stacklevel=4)


def _draw(
    grid: NDArray[np.object_],
    values: pd.DataFrame,
    colour: NDArray[np.float64],
    metric: str,
    *,
    hexagons: bool,
    kw: dict[str, Any],
) -> None:
    from matplotlib.colors import Normalize

    low = kw.pop("vmin", None)
    high = kw.pop("vmax", None)
    kw.setdefault(
        "norm",
        Normalize(
            colour.min() if low is None else low,
            colour.max() if high is None else high,
        ),
    )
    names = list(values.columns)
    drawn: ScalarMappable | None = None
    for i, upwards in enumerate(names):
        for j, rightwards in enumerate(names):
            ax: Axes = grid[i, j]
            x, y = values[rightwards].to_numpy(), values[upwards].to_numpy()
            if j > i:
                ax.set_visible(False)
            elif i == j:
                ax.hist(x, bins="auto", color="0.6")
                ax.yaxis.tick_right()
                ax.yaxis.set_label_position("right")
                ax.set_ylabel("runs")
            elif hexagons:
                drawn = ax.hexbin(x, y, C=colour, **{"gridsize": 25, **kw})
            else:
                drawn = ax.scatter(x, y, c=colour, **{"s": 12, **kw})
            if j <= i:
                _label(ax, i, j, names)
    for j, name in enumerate(names):
        limits = _limits(values[name].to_numpy())
        for ax in grid[j:, j]:
            ax.set_xlim(limits)
        for ax in grid[j, :j]:
            ax.set_ylim(limits)
    if drawn is not None:
        text = label(metric) + (", mean in each hexagon" if hexagons else "")
        grid[0, 0].get_figure().colorbar(drawn, ax=grid.ravel().tolist(), label=text)


def _mark_nominal(
    grid: NDArray[np.object_], nominal: dict[str, float], names: Sequence[str]
) -> None:
    """Draw the nominal run over what is there, and widen the axes for it; one legend names it."""
    named = None
    for i, upwards in enumerate(names):
        for j, rightwards in enumerate(names[: i + 1]):
            if rightwards not in nominal or upwards not in nominal:
                continue
            ax: Axes = grid[i, j]
            x, y = nominal[rightwards], nominal[upwards]
            if i == j:
                ax.axvline(x, **NOMINAL_LINE)
                if named is None:
                    named = ax.legend(fontsize="small", loc="best")
            else:
                ax.plot([x], [y], **NOMINAL_POINT)
                ax.set_ylim(_around(ax.get_ylim(), y))
            ax.set_xlim(_around(ax.get_xlim(), x))


def _around(limits: tuple[float, float], value: float) -> tuple[float, float]:
    """Return limits that have a value well inside."""
    low, high = limits
    margin = 0.05 * (high - low)
    return min(low, value - margin), max(high, value + margin)


def _label(ax: Axes, i: int, j: int, names: list[str]) -> None:
    """Name the parameters along the left and the lower border of the figure only."""
    if i == len(names) - 1:
        ax.set_xlabel(label(names[j]))
    else:
        ax.tick_params(labelbottom=False)
    if j < i:
        if j == 0:
            ax.set_ylabel(label(names[i]))
        else:
            ax.tick_params(labelleft=False)


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin
