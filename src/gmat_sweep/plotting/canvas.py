"""Where pictures are drawn: the caller's axes, or a new figure of pyplot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = [
    "NOMINAL_LINE",
    "NOMINAL_POINT",
    "axes_grid_or_new",
    "axes_or_new",
    "count_axis",
    "date_axis",
]

NOMINAL_LINE: dict[str, Any] = {
    "color": "black", "linestyle": "--", "linewidth": 1.2, "label": "nominal",
}  # fmt: skip
"""How the nominal run is drawn as a line."""
NOMINAL_POINT: dict[str, Any] = {
    "color": "black", "marker": "x", "markersize": 9, "markeredgewidth": 2, "linestyle": "none",
    "label": "nominal",
}  # fmt: skip
"""The same as a point."""


def axes_or_new(ax: Axes | None) -> Axes:
    """Return `ax`, or the axes of a new figure."""
    if ax is not None:
        return ax
    axes: Axes = _pyplot().subplots(layout="constrained")[1]
    return axes


def axes_grid_or_new(axes: Any, size: int) -> NDArray[np.object_]:
    """Return `axes` as an array, or `size` by `size` axes of a new figure."""
    import numpy as np

    if axes is not None:
        return np.asarray(axes, dtype=object)
    inches = 1.6 + 2.2 * size
    grid: NDArray[np.object_] = _pyplot().subplots(
        size, size, figsize=(inches + 1.0, inches), layout="constrained", squeeze=False
    )[1]
    return grid


def date_axis(ax: Axes) -> None:
    """Label the epochs on the x axis without repeating the date at every tick."""
    from matplotlib import dates

    # matplotlib's dates module has no annotations
    typed: Any = dates
    locator = typed.AutoDateLocator()
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(typed.ConciseDateFormatter(locator))


def count_axis(ax: Axes) -> None:
    """Tick the x axis at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "plotting needs the package matplotlib. Install it with: pip install gmat-sweep[plot]"
        ) from error
    return plt
