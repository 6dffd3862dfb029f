"""Angles on the circle: 359.9 and 0.1 degrees are 0.2 apart, and their mean is 0.

A quantity is an angle by GMAT's name, such as ``Sat.EarthMJ2000Eq.RAAN``: one of those that GMAT
writes from 0 to 360 or from -180 to 180 degrees. Inclinations, declinations and latitudes do not go
around. Statistics of an angle are made from its values unwrapped about their circular mean, so an
interval around 0 reads -0.1 to 0.1, whichever way GMAT writes the values in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "TURN",
    "circular_mean",
    "circular_means",
    "folded",
    "is_angle",
    "running_circular_means",
    "shift",
    "unwrapped",
    "wraps",
]

TURN = 360.0
"""One turn, in degrees."""

# GMAT R2026a User Guide, "Calculation Parameters". The hyperbolic anomaly HA goes on for ever, and
# the second Euler angle has another range for every sequence of rotations.
_NAMES = frozenset(
    [
        "RAAN",
        "RADN",
        "AOP",
        "TA",
        "MA",
        "EA",
        "RA",
        "RAV",
        "AZI",
        "TLONG",
        "MLONG",
        "Longitude",
        "LST",
        "MHA",
        "PlanetodeticLON",
        "PlanetodeticAZI",
        "BrouwerShortRAAN",
        "BrouwerShortAOP",
        "BrouwerShortMA",
        "BrouwerLongRAAN",
        "BrouwerLongAOP",
        "BrouwerLongMA",
        "Delaunayl",
        "Delaunayg",
        "Delaunayh",
        "IncomingRHA",
        "OutgoingRHA",
        "IncomingBVAZI",
        "OutgoingBVAZI",
        "RLA",
        "BVectorAngle",
        "EulerAngle1",
        "EulerAngle3",
    ]
)
# Below this length of the mean of unit vectors the values cancel, but for rounding.
_NO_DIRECTION = 1e-9


def is_angle(column: str) -> bool:
    """Return whether a report's column is an angle that goes around, by GMAT's name.

    Examples
    --------
    >>> is_angle("Sat.EarthMJ2000Eq.RAAN"), is_angle("Sat.EarthMJ2000Eq.INC"), is_angle("RAAN")
    (True, False, False)
    """
    owner, dot, name = str(column).rpartition(".")
    return bool(owner and dot) and name in _NAMES


def wraps(column: str, *values: NDArray[np.float64]) -> bool:
    """Return whether a column is an angle, and its values lie in the ranges that GMAT wraps to.

    The mean anomaly of a hyperbolic orbit has the name of an angle and goes beyond a turn: it is a
    number like others.
    """
    import numpy as np

    if not is_angle(column):
        return False
    for each in values:
        finite = each[np.isfinite(each)]
        if len(finite) and not (finite.min() >= -TURN / 2 and finite.max() <= TURN):
            return False
    return True


def shift(new: ArrayLike, old: ArrayLike) -> NDArray[np.float64]:
    """Return `new` minus `old` on the circle, in degrees, from -180 to 180."""
    import numpy as np

    change = np.subtract(new, old, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        turned: NDArray[np.float64] = change - TURN * np.round(change / TURN)
    return turned


def folded(
    angles: NDArray[np.float64], like: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return angles as GMAT writes them: from 0, or from -180 if one of `like` is negative."""
    import numpy as np

    start = -TURN / 2 if like is not None and bool((like < 0).any()) else 0.0
    turned = np.mod(angles - start, TURN)
    # The remainder of a tiny negative number is rounded to a whole turn.
    turned = np.where(turned >= TURN, 0.0, turned)
    inside = (angles >= start) & (angles < start + TURN)
    result: NDArray[np.float64] = np.where(inside, angles, turned + start)
    return result


def circular_mean(values: NDArray[np.float64]) -> float:
    """Return the direction of the mean of unit vectors, in degrees and in the range of `values`.

    NaN without values, or if they cancel, such as 0 and 180; values that are not finite are left
    out.

    Notes
    -----
    Fisher, "Statistical Analysis of Circular Data", Cambridge University Press (1993), eq. 2.9.
    """
    import numpy as np

    told = np.asarray(values, dtype=np.float64)
    told = told[np.isfinite(told)]
    return float(circular_means(told, np.zeros(len(told), dtype=np.int64), 1)[0])


def circular_means(
    values: NDArray[np.float64], groups: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Return the circular mean of each group of values, as `circular_mean` of one.

    Parameters
    ----------
    values : ndarray of float64
        Finite values, in degrees.
    groups : ndarray of int64
        The group of each value, from 0 to `count` - 1.
    count : int
        The number of groups.
    """
    import numpy as np

    rough, length = _direction(values, groups, count)
    # Deviations from the rough mean are small, so that the mean is exact to their last digit.
    fine, _ = _direction(shift(values, rough[groups]), groups, count)
    means = folded(rough + fine, values)
    means[length < _NO_DIRECTION] = np.nan
    return means


def _direction(
    values: NDArray[np.float64], groups: NDArray[np.int64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return direction and length of the mean unit vector of each group."""
    import numpy as np

    radians = np.deg2rad(values)
    sines, cosines = (
        np.bincount(groups, weights=each, minlength=count)
        for each in (np.sin(radians), np.cos(radians))
    )
    sizes = np.maximum(np.bincount(groups, minlength=count), 1)
    return np.rad2deg(np.arctan2(sines, cosines)), np.hypot(sines, cosines) / sizes


def running_circular_means(
    values: NDArray[np.float64], starts: NDArray[np.int64], curve: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the circular mean of the first 1, 2, ... values of each curve.

    Parameters
    ----------
    values : ndarray of float64
        Finite values in degrees, already unwrapped; the values of a curve are adjacent.
    starts, curve : ndarray of int64
        Where each curve begins, and the curve of each value.

    Returns
    -------
    ndarray of float64
        In the same turn as `values`, so that a curve has no jump.
    """
    import numpy as np

    centre = values[starts][curve]
    radians = np.deg2rad(values - centre)
    sines, cosines = (
        _running_sums(each, starts, curve) for each in (np.sin(radians), np.cos(radians))
    )
    means: NDArray[np.float64] = centre + np.rad2deg(np.arctan2(sines, cosines))
    return means


def _running_sums(
    values: NDArray[np.float64], starts: NDArray[np.int64], curve: NDArray[np.int64]
) -> NDArray[np.float64]:
    import numpy as np

    sums = np.cumsum(values)
    before = np.concatenate([[0.0], sums])[starts]
    running: NDArray[np.float64] = sums - before[curve]
    return running


def unwrapped(values: NDArray[np.float64], centre: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return angles in the turn from 180 degrees below `centre` to 180 above it.

    Parameters
    ----------
    values : ndarray of float64
        Angles in degrees.
    centre : float or array_like, optional
        By default the circular mean. Where it is NaN, the values stay as they are.
    """
    import numpy as np

    middle = np.asarray(circular_mean(values) if centre is None else centre, dtype=np.float64)
    turns = np.round((np.asarray(values, dtype=np.float64) - middle) / TURN)
    return np.where(np.isnan(turns), values, values - TURN * turns)
