"""Quantiles of groups of values: where they can be told, and their confidence bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.percentiles import runs_for_percentile

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["group_bounds", "told_quantiles"]


def told_quantiles(quantiles: pd.DataFrame, counts: pd.DataFrame, level: float) -> pd.DataFrame:
    """Return quantiles, missing where a group has too few values to reach that far out.

    Parameters
    ----------
    quantiles, counts : pandas.DataFrame
        A row per group and a column per field: the quantile, and the number of values.
    level : float
        The quantile, in (0, 1).
    """
    return quantiles.where(counts >= runs_for_percentile(level))


def group_bounds(
    numbers: pd.DataFrame, codes: NDArray[np.int64], count: int, level: float, confidence: float
) -> tuple[dict[Any, NDArray[np.float64]], dict[Any, NDArray[np.float64]]]:
    """Return the confidence bounds of a quantile of each group, by field: lower and upper ones.

    Parameters
    ----------
    numbers : pandas.DataFrame
        Columns of numbers.
    codes : ndarray of int64
        The group of each row, from 0 to `count` - 1; -1 for none.
    count : int
        The number of groups.
    level, confidence : float
        The quantile, and the two-sided confidence of the interval between its bounds.

    Returns
    -------
    tuple of dict
        NaN where a group has too few values for the bound.
    """
    import numpy as np

    from gmat_sweep.verdicts.quantiles import lower_rank, upper_rank

    one_sided = (1 + confidence) / 2
    lower: dict[Any, NDArray[np.float64]] = {}
    upper: dict[Any, NDArray[np.float64]] = {}
    for name, column in numbers.items():
        values = column.to_numpy(dtype=np.float64)
        told = ~np.isnan(values) & (codes >= 0)
        kept, groups = values[told], codes[told]
        in_order = kept[np.lexsort([kept, groups])]
        sizes = np.bincount(groups, minlength=count)
        starts = np.cumsum(sizes) - sizes
        for bounds, rank_of in ((lower, lower_rank), (upper, upper_rank)):
            ranks = {int(n): rank_of(int(n), level, one_sided) for n in np.unique(sizes) if n}
            bound = np.full(count, np.nan)
            for n, rank in ranks.items():
                if rank is not None:
                    of_size = sizes == n
                    bound[of_size] = in_order[starts[of_size] + rank - 1]
            bounds[name] = bound
    return lower, upper
