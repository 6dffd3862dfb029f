"""Bounds of a quantile by order statistics: no assumption about the distribution.

The bounds agree with the exact test of `binomial`: with a limit ``<= v`` for the share L of runs,
a sample passes exactly where the upper bound of the L-quantile is at most v, and fails exactly
where the lower bound is above v.

Sources: S. S. Wilks, "Determination of sample sizes for setting tolerance limits", Annals of
Mathematical Statistics 12 (1941); J. M. Hanson and B. B. Beard, NASA/TP-2010-216447.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmat_sweep.verdicts.binomial import complement, most_that_pass

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["lower_rank", "quantile_bounds", "upper_rank"]


def upper_rank(runs: int, level: float, confidence: float) -> int | None:
    """Return which of the sorted values bounds a quantile from above.

    Parameters
    ----------
    runs : int
        How many values there are: independent draws.
    level : float
        The quantile, in (0, 1).
    confidence : float
        The value of that rank is at or above the quantile in at least this share of samples.

    Returns
    -------
    int or None
        The rank, 1 for the smallest value; None where this many runs give no bound.
    """
    beyond = most_that_pass(runs, complement(level), complement(confidence))
    return runs - beyond if beyond >= 0 else None


def lower_rank(runs: int, level: float, confidence: float) -> int | None:
    """Return which of the sorted values bounds a quantile from below.

    Parameters
    ----------
    runs : int
        How many values there are: independent draws.
    level : float
        The quantile, in (0, 1).
    confidence : float
        The value of that rank is at or below the quantile in at least this share of samples.

    Returns
    -------
    int or None
        The rank, 1 for the smallest value; None where this many runs give no bound.
    """
    below = most_that_pass(runs, level, complement(confidence))
    return below + 1 if below >= 0 else None


def quantile_bounds(
    values: Sequence[float] | NDArray[np.float64], level: float, confidence: float
) -> tuple[float | None, float | None]:
    """Return the lower and the upper bound of a quantile, each one-sided at `confidence`.

    Parameters
    ----------
    values : sequence of float
        Independent draws in ascending order. A run that failed and violates the requirement is
        ``inf`` where the limit is an upper one, ``-inf`` where it is a lower one.
    level : float
        The quantile, in (0, 1).
    confidence : float
        Each bound by itself holds in at least this share of samples; both together in at least
        ``2 * confidence - 1``.

    Returns
    -------
    tuple
        Lower and upper bound, in the unit of the values; None for one that so few values do not
        give, as for the 95th percentile of fewer than 59 values at 95 %.
    """
    lower = lower_rank(len(values), level, confidence)
    upper = upper_rank(len(values), level, confidence)
    return (
        None if lower is None else float(values[lower - 1]),
        None if upper is None else float(values[upper - 1]),
    )
