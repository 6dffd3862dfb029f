"""When a percentile can be told from so many runs, and how well it is known.

Of independent draws it is told with its confidence bounds, which are two of the sorted values
(order statistics, no assumption about the distribution), and only where there are enough runs for
both. Other designs give no bounds; there it is told where it lies inside the values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmat_sweep.analysis.outcomes import CONFIDENCE
from gmat_sweep.plans.independence import are_independent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Bounds", "bounds_of", "runs_for_bounds", "runs_for_percentile", "tells"]

# One divided by 0.05 is 20, and by 1 - 0.95 a little less.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Bounds:
    """The two-sided confidence interval of a percentile.

    Attributes
    ----------
    low, high : float
        Its ends: two of the values.
    """

    low: float
    high: float


def runs_for_percentile(level: float) -> int:
    """Return from how many runs a quantile is expected to lie inside their values.

    The k-th of n sorted draws is the quantile k / (n + 1), on average: 19 runs reach 5 % and 95 %.
    """
    return max(1, math.ceil(1 / min(level, 1 - level) - 1 - _ROUNDING))


def runs_for_bounds(level: float, confidence: float = CONFIDENCE) -> int:
    """Return how many independent draws give a quantile bounds on both sides: 72 for 5 % and 95 %.

    Parameters
    ----------
    level : float
        The quantile, in (0, 1).
    confidence : float
        Of the interval between the bounds.
    """
    outer = max(level, 1 - level)
    return math.ceil(math.log((1 - confidence) / 2) / math.log(outer) - _ROUNDING)


def bounds_of(
    values: NDArray[np.float64], level: float, confidence: float = CONFIDENCE
) -> Bounds | None:
    """Return the confidence interval of a quantile; None if there are too few values for it.

    Parameters
    ----------
    values : ndarray of float64
        Independent draws, in ascending order.
    level : float
        The quantile, in (0, 1).
    confidence : float
        The quantile lies inside the interval in at least this share of samples: half of the error
        is on either side.
    """
    from gmat_sweep.verdicts.quantiles import quantile_bounds

    low, high = quantile_bounds(values, level, (1 + confidence) / 2)
    return None if low is None or high is None else Bounds(float(low), float(high))


def tells(runs: int, level: float, design: str) -> bool:
    """Return whether a report tells a quantile from that many runs of a design."""
    needed = runs_for_bounds if are_independent(design) else runs_for_percentile
    return runs >= needed(level)
