"""Curves through states, as Cesium lays them, and how many rows they need.

Cesium takes the polynomial through the samples nearest to a time: with velocities Hermite's of
degree 7 through four samples, without Lagrange's of degree 5 through six (`SampledProperty`).
These functions do the same, so that the distance between a curve and the rows that it leaves out is
known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    type Floats = NDArray[np.float64]

__all__ = [
    "DEGREES",
    "Thinned",
    "curve_at",
    "gains_ahead",
    "left_out",
    "thinned",
    "velocities_ahead",
    "velocity_at",
]

DEGREES = {"HERMITE": 7, "LAGRANGE": 5}
"""Degree of the polynomials, by CZML's and CCSDS's name of the interpolation."""

_MOST_STRIDE = 4096


@dataclass(frozen=True, slots=True)
class Thinned:
    """Which rows stay.

    Attributes
    ----------
    rows : ndarray of int
        Their positions, the first and the last row among them.
    error_km : float
        The most that the curve through them is away from a row that is left out.
    """

    rows: NDArray[np.intp]
    error_km: float


def curve_at(at: Floats, times: Floats, positions: Floats, velocities: Floats | None) -> Floats:
    """Return the positions on the curve through samples.

    Parameters
    ----------
    at, times : ndarray
        The times wanted, and those of the samples, ascending; in seconds.
    positions, velocities : ndarray, shape (n, 3)
        The samples.
    """
    import numpy as np

    points = min(4 if velocities is not None else 6, len(times))
    if points < 2:
        return np.repeat(positions[:1], len(at), axis=0)
    index = np.searchsorted(times, at, side="right")
    first = np.clip(index - (points - 1) // 2 - 1, 0, len(times) - points)
    return _through(at, first[:, None] + np.arange(points), times, positions, velocities)


def left_out(times: Floats, positions: Floats, velocities: Floats | None) -> Floats:
    """Return how far each row is from the curve through its neighbours; NaN if they are few."""
    import numpy as np

    half = 2 if velocities is not None else 3
    count = len(times)
    missed = np.full(count, np.nan)
    if count < 2 * half + 1:
        return missed
    rows = np.arange(half, count - half)
    beside = np.r_[-half:0, 1 : half + 1]
    curve = _through(times[rows], rows[:, None] + beside, times, positions, velocities)
    missed[rows] = np.linalg.norm(curve - positions[rows], axis=1)
    return missed


def thinned(
    times: Floats, positions: Floats, velocities: Floats | None, tolerance_km: float
) -> Thinned:
    """Return every 2nd, 4th, 8th... row, as few as keep all others within the tolerance."""
    import numpy as np

    last = len(times) - 1
    best = Thinned(np.arange(last + 1), 0.0)
    stride = 2
    while stride <= min(_MOST_STRIDE, last):
        rows = np.unique(np.r_[np.arange(0, last, stride), last])
        # Two rows close to each other would magnify what their epochs are off.
        if len(rows) > 2 and rows[-1] - rows[-2] < stride / 4:
            rows = np.delete(rows, -2)
        others = np.setdiff1d(np.arange(last + 1), rows, assume_unique=True)
        kept = None if velocities is None else velocities[rows]
        curve = curve_at(times[others], times[rows], positions[rows], kept)
        error = float(np.linalg.norm(curve - positions[others], axis=1).max(initial=0.0))
        if not error <= tolerance_km:
            break
        best = Thinned(rows, error)
        stride *= 2
    return best


def velocity_at(start: Floats, times: Floats, positions: Floats, velocities: Floats) -> Floats:
    """Return the velocity at time 0 of the polynomial through a position there and later states."""
    found: Floats = _velocities(start[None], times[None], positions[None], velocities[None])[0]
    return found


def velocities_ahead(
    times: Floats, positions: Floats, velocities: Floats, count: int = 3
) -> Floats:
    """Return the velocity at each row by its position and the `count` states after it, else NaN."""
    import numpy as np

    found = np.full_like(positions, np.nan)
    rows = np.arange(len(times) - count)
    if len(rows):
        later = rows[:, None] + np.arange(1, count + 1)
        since = times[later] - times[rows][:, None]
        found[rows] = _velocities(positions[rows], since, positions[later], velocities[later])
    return found


def gains_ahead(times: Floats) -> Floats:
    """Return how `velocities_ahead` grows what the positions are off, per second; NaN as there."""
    import numpy as np

    found = np.full(len(times), np.nan)
    rows = np.arange(len(times) - 3)
    if len(rows):
        since = times[rows[:, None] + np.arange(1, 4)] - times[rows][:, None]
        # Its derivative with respect to each later position, a component each.
        units = np.broadcast_to(np.eye(3), (len(rows), 3, 3))
        later = _velocities(np.zeros((len(rows), 3)), since, units, np.zeros_like(units))
        # That with respect to the first one: a shift of all positions changes no velocity.
        found[rows] = np.sqrt((later**2).sum(axis=1) + later.sum(axis=1) ** 2)
    return found


def _velocities(starts: Floats, times: Floats, positions: Floats, velocities: Floats) -> Floats:
    import numpy as np

    nodes = np.concatenate([np.zeros((len(times), 1)), np.repeat(times, 2, axis=1)], axis=1)
    values = np.concatenate([starts[:, None], np.repeat(positions, 2, axis=1)], axis=1)
    slopes = np.concatenate([starts[:, None], np.repeat(velocities, 2, axis=1)], axis=1)
    table = _coefficients(nodes, values, slopes)
    # The derivative of Newton's form at its first node.
    product, total = np.ones((len(times), 1)), np.zeros_like(starts)
    for order in range(1, table.shape[1]):
        total = total + table[:, order] * product
        product = product * -nodes[:, order : order + 1]
    return total


def _through(
    at: Floats,
    samples: NDArray[np.intp],
    times: Floats,
    positions: Floats,
    velocities: Floats | None,
) -> Floats:
    """Return, for each time, the value of the polynomial through its samples."""
    import numpy as np

    nodes, values = times[samples], positions[samples]
    slopes = np.zeros_like(values)
    if velocities is not None:
        nodes, values = np.repeat(nodes, 2, axis=1), np.repeat(values, 2, axis=1)
        slopes = np.repeat(velocities[samples], 2, axis=1)
    table = _coefficients(nodes, values, slopes)
    result = table[:, -1]
    for order in range(table.shape[1] - 2, -1, -1):
        result = result * (at - nodes[:, order])[:, None] + table[:, order]
    return result


def _coefficients(nodes: Floats, values: Floats, slopes: Floats) -> Floats:
    """Return Newton's coefficients, of divided differences; equal nodes take the slope."""
    import numpy as np

    table = values.copy()
    for order in range(1, nodes.shape[1]):
        width = nodes[:, order:] - nodes[:, :-order]
        equal = width == 0.0
        quotient = (table[:, order:] - table[:, order - 1 : -1]) / np.where(equal, 1.0, width)[
            :, :, None
        ]
        if order == 1:
            quotient = np.where(equal[:, :, None], slopes[:, 1:], quotient)
        table[:, order:] = quotient
    return table
