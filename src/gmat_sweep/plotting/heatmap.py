"""A metric over the two axes of a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.angles import unwrapped, wraps
from gmat_sweep.analysis.rows import left_out_runs, ok_mask
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.header import kind_of
from gmat_sweep.plotting.canvas import axes_or_new
from gmat_sweep.plotting.labels import label
from gmat_sweep.plotting.runs import (
    design_of,
    measured,
    numbers_of,
    one_row_per_run,
    parameters_of,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from numpy.typing import NDArray

    from gmat_sweep.manifest import Manifest
    from gmat_sweep.plotting.runs import Metric

__all__ = ["sweep_heatmap"]

_MISSING_COLOUR = "lightgray"

# Scattered values of n runs span up to n * n cells; a grid has as many cells as runs.
_MOST_CELLS_PER_RUN = 10


def sweep_heatmap(
    df: Any,
    x: str,
    y: str,
    z: Metric,
    *,
    manifest: Manifest | None = None,
    ax: Axes | None = None,
    **kw: Any,
) -> Axes:
    """Draw `z` at the end of each run as the colour of its cell in a grid.

    Parameters
    ----------
    df : pandas.DataFrame or polars.DataFrame
        Frame of a grid sweep. With epochs, `z` in the last row that each run wrote is drawn.
    x, y : str
        The two grid axes. Their values are numbers.
    z : str or callable
        A column of numbers, or a function that gets the whole `df` and returns a Series of numbers
        by ``run_id``.
    manifest : Manifest, optional
        Of the same sweep, a full factorial of two axes. It gives failed runs their cells. Without
        it, `x` and `y` are columns of `df`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.
    **kw
        For ``Axes.pcolormesh``, such as ``cmap`` or ``vmin``.

    Returns
    -------
    matplotlib.axes.Axes
        One cell per combination of values, with edges halfway between neighbours. A combination
        whose run failed, has no value of `z` or does not exist is light grey. A colour bar names
        `z`.

    Raises
    ------
    SweepConfigError
        The sweep is not a grid of the two axes, an axis or `z` is missing or not numeric, or
        several runs share a cell.
    ImportError
        matplotlib is not installed.
    """
    import numpy as np

    runs = one_row_per_run(df, "sweep_heatmap")
    values = measured(z, df, runs, "z", "sweep_heatmap needs a numeric z")
    xs, ys, x_values, y_values = _grid(runs, x, y, manifest)
    if not len(x_values) or not len(y_values):
        raise SweepConfigError("df has no run to draw. Pass a frame with at least one run.")
    cells = np.full((len(y_values), len(x_values)), np.nan)
    taken = np.zeros(cells.shape, dtype=np.int64)
    placed = (xs.notna() & ys.notna()).to_numpy()
    rows = np.searchsorted(y_values, ys[placed])
    columns = np.searchsorted(x_values, xs[placed])
    np.add.at(taken, (rows, columns), 1)
    if taken.max() > 1:
        row, column = np.argwhere(taken > 1)[0]
        raise SweepConfigError(
            f"{taken.max()} runs share the cell {x}={x_values[column]:g}, {y}={y_values[row]:g}. "
            "Select one run per cell, or draw all parameters with sweep_corner."
        )
    numbers = np.where(ok_mask(runs), values.to_numpy(), np.nan)
    if wraps(str(values.name), numbers):
        # 359.9 and 0.1 degrees are neighbours, and so must their colours be.
        numbers = unwrapped(numbers)
    cells[rows, columns] = numbers[placed]

    axes = axes_or_new(ax)
    mesh = _draw(axes, x_values, y_values, cells, kw)
    axes.set(xlabel=label(x), ylabel=label(y))
    figure = axes.get_figure()
    if figure is not None:
        figure.colorbar(mesh, ax=axes, label=label(str(values.name)))
    _key(axes, int(np.isnan(cells).sum()), left_out_runs(runs))
    return axes


def _grid(
    runs: pd.DataFrame, x: str, y: str, manifest: Manifest | None
) -> tuple[pd.Series[float], pd.Series[float], NDArray[np.float64], NDArray[np.float64]]:
    """Return the x and the y of each run, and the values of each axis in ascending order."""
    import numpy as np
    import pandas as pd

    if manifest is None:
        unknown = [name for name in (x, y) if name not in runs.columns]
        if unknown:
            raise SweepConfigError(
                f"{', '.join(map(repr, unknown))} is not a numeric column of df. "
                "Pass manifest= to take the axes from the sweep's design."
            )
        design = runs
    else:
        names = parameters_of(manifest)
        if kind_of(manifest.parameter_spec) != "grid" or len(names) != 2:
            raise SweepConfigError(
                "sweep_heatmap needs a sweep with exactly 2 grid axes, this one is "
                f"{kind_of(manifest.parameter_spec)} over {', '.join(names) or 'nothing'}. "
                "Use sweep_corner for other designs."
            )
        if {x, y} != set(names):
            raise SweepConfigError(
                f"the grid axes are {names[0]!r} and {names[1]!r}, not {x!r} and {y!r}. "
                "Pass these two as x and y."
            )
        design = design_of(manifest, names, runs.index)
    complaint = "sweep_heatmap needs numeric grid axes"
    xs, ys = numbers_of(design[x], complaint), numbers_of(design[y], complaint)
    if manifest is None:
        x_values, y_values = np.unique(xs.dropna()), np.unique(ys.dropna())
        if len(x_values) * len(y_values) > _MOST_CELLS_PER_RUN * len(runs):
            raise SweepConfigError(
                f"{x!r} and {y!r} have {len(x_values)} and {len(y_values)} values in {len(runs)} "
                "runs, which is no grid. Pass manifest= to take the axes from the sweep's design."
            )
    else:
        x_values, y_values = (
            np.unique(numbers_of(pd.Series(manifest.parameter_spec[name], name=name), complaint))
            for name in (x, y)
        )
    return xs, ys, np.asarray(x_values), np.asarray(y_values)


def _draw(
    axes: Axes,
    x_values: NDArray[np.float64],
    y_values: NDArray[np.float64],
    cells: NDArray[np.float64],
    kw: dict[str, Any],
) -> QuadMesh:
    import matplotlib as mpl
    import numpy as np

    colours = mpl.colormaps[kw.pop("cmap", None) or mpl.rcParams["image.cmap"]]
    return axes.pcolormesh(
        _edges(x_values),
        _edges(y_values),
        np.ma.masked_invalid(cells),
        cmap=colours.with_extremes(bad=_MISSING_COLOUR),
        **kw,
    )


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cell edges around ascending `values`: midpoints, and half a step past the ends."""
    import numpy as np

    if len(values) == 1:
        return np.array([values[0] - 0.5, values[0] + 0.5])
    middle = (values[:-1] + values[1:]) / 2
    first, last = 2 * values[0] - middle[0], 2 * values[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


def _key(axes: Axes, empty: int, left_out: dict[str, int]) -> None:
    """Write the meaning of light grey above the cells."""
    from matplotlib.patches import Patch

    if not empty:
        return
    why = ", ".join(f"{count} {status}" for status, count in left_out.items())
    text = f"no value: {why or f'{empty} cells'}"
    axes.legend(
        handles=[Patch(facecolor=_MISSING_COLOUR, edgecolor="gray", label=text)],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        frameon=False,
        fontsize="small",
    )
