"""Statistics over the runs of a sweep, epoch by epoch or run by run."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, overload

from gmat_sweep.aggregate.columns import check_engine, in_engine
from gmat_sweep.analysis.angles import circular_means, unwrapped, wraps
from gmat_sweep.analysis.group_bounds import group_bounds, told_quantiles
from gmat_sweep.analysis.rows import (
    LEFT_OUT,
    ROWS_PER_POINT,
    left_out_runs,
    numeric_columns,
    ok_mask,
    sweep_frame,
)
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.independence import check_independent

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["sweep_summary"]

_LEVELS = ("time", "run_id", "interval_id", "row")
_STATISTICS = ("mean", "std", "min", "max", "count_ok")


@overload
def sweep_summary(
    df: Any,
    *,
    by: str = "time",
    q: Iterable[float] = (0.05, 0.5, 0.95),
    include: Iterable[str] = ("mean", "std"),
    dropna: bool = True,
    bounds: float | None = None,
    sample: Literal["independent"] | None = None,
    engine: Literal["pandas"] = "pandas",
) -> pd.DataFrame: ...
@overload
def sweep_summary(
    df: Any,
    *,
    by: str = "time",
    q: Iterable[float] = (0.05, 0.5, 0.95),
    include: Iterable[str] = ("mean", "std"),
    dropna: bool = True,
    bounds: float | None = None,
    sample: Literal["independent"] | None = None,
    engine: Literal["polars"],
) -> pl.DataFrame: ...
@overload
def sweep_summary(
    df: Any,
    *,
    by: str = "time",
    q: Iterable[float] = (0.05, 0.5, 0.95),
    include: Iterable[str] = ("mean", "std"),
    dropna: bool = True,
    bounds: float | None = None,
    sample: Literal["independent"] | None = None,
    engine: str,
) -> Any: ...
def sweep_summary(
    df: Any,
    *,
    by: str = "time",
    q: Iterable[float] = (0.05, 0.5, 0.95),
    include: Iterable[str] = ("mean", "std"),
    dropna: bool = True,
    bounds: float | None = None,
    sample: Literal["independent"] | None = None,
    engine: str = "pandas",
) -> Any:
    """Summarise the numbers of a sweep over its runs at each epoch, or over time in each run.

    Parameters
    ----------
    df : pandas.DataFrame or polars.DataFrame
        Frame of a sweep. Integer and float columns are summarised; booleans, dates, durations,
        strings and columns of mixed objects are left out.
    by : {"time", "run_id", "interval_id", "row"}
        Index level that labels the rows of the result; the statistics run over the other levels.
    q : iterable of float
        Quantiles, each inside the open interval (0, 1).
    include : iterable of {"mean", "std", "min", "max", "count_ok"}
        Other statistics. ``std`` divides by n - 1 and is NaN for one value; ``count_ok`` is the
        number of values from ``ok`` runs from which the other statistics are made.
    dropna : bool
        True leaves out rows whose ``__status`` is not ``"ok"`` and rows without a `by` value.
        False keeps them: the marker rows of failed runs form a row of their own, labelled NaT.
    bounds : float, optional
        Confidence, such as 0.95, of an interval around each quantile: columns ``q<value>_low`` and
        ``q<value>_high`` follow it. For independent draws alone, over the runs.
    sample : {None, "independent"}
        ``"independent"`` says that the rows of a table of samples are independent draws, which the
        sweep does not know, so that `bounds` hold.
    engine : {"pandas", "polars"}
        Frame library of the result.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame
        One row per value of `by`, sorted. Columns are a MultiIndex (``statistic``, ``field``):
        the statistics of `include` in its order, then ``q<value>`` in the order of `q`, in the
        units of the fields. In polars the columns are `by`, then ``<field>__<statistic>``.
        ``attrs["left_out_runs"]`` has how many runs failed or were skipped.

    Raises
    ------
    SweepConfigError
        An argument has a value not listed here or a repeated one, or the index of `df` has no
        `by` level beside another one; or `bounds` are asked for where `df` tells that its runs are
        no independent draws.
    ImportError
        polars is asked for and not installed.

    Notes
    -----
    Runs are compared at equal epochs, to the nanosecond. If runs report at steps of their own, as
    an integrator with error control does, few share an epoch, and a row is made from one or two
    runs; ``count_ok`` tells. Missing values are left out of every statistic. With ``by="run_id"``
    every row of a run counts the same, however long the step to the next one.

    Quantiles interpolate linearly between order statistics, definition 7 of Hyndman and Fan,
    "Sample quantiles in statistical packages", The American Statistician 50 (1996). The k-th of n
    sorted draws is, on average, the quantile k / (n + 1): one that lies beyond the first or the
    last is missing, as 5 % of fewer than 19 runs. Bounds are order statistics, and assume no
    distribution; each side errs with half of 1 - `bounds`. Both of 5 % need 72 runs at 0.95.

    An angle, by GMAT's name, is summarised on the circle: its mean is the circular one, and every
    other statistic is made in the turn about that mean, so that quantiles around 359.9 may be
    above 360. A mean is missing where the angles cancel.

    The statistics describe the runs that are ok. If failures depend on the parameters, that is not
    the dispersion of all runs.
    """
    check_engine(engine)
    if by not in _LEVELS:
        raise SweepConfigError(
            f"by={by!r} is not supported. Choose one of {', '.join(map(repr, _LEVELS))}."
        )
    quantiles = _checked_quantiles(q)
    statistics = _checked_statistics(include)
    frame = sweep_frame(df, "sweep_summary")
    names = list(frame.index.names)
    if by not in names or len(names) < 2:
        choices = [name for name in names if name in _LEVELS] if len(names) > 1 else []
        remedy = (
            f"Choose by={' or by='.join(map(repr, choices))}"
            if choices
            else "Pass a frame indexed as sweep() returns it"
        )
        raise SweepConfigError(
            f"the index of df, ({', '.join(map(str, names))}), does not have a {by!r} level "
            f"beside another one. {remedy}."
        )

    ok = ok_mask(frame)
    numbers = numeric_columns(frame)
    if dropna:
        numbers, ok = numbers[ok], ok[ok]
    if bounds is not None:
        _check_bounds(bounds, by)
        check_independent(frame.attrs, sample, "sweep_summary", "a bound of a quantile")
    summary = _table(numbers, ok, by, statistics, quantiles, bounds, dropna=dropna)
    if engine != "pandas":
        summary.columns = summary.columns.map(lambda column: f"{column[1]}__{column[0]}")
        return in_engine(summary, engine)
    if dropna:
        summary.attrs[LEFT_OUT] = left_out_runs(frame)
    if len(numbers):
        rows = numbers.groupby(level=by).size()
        summary.attrs[ROWS_PER_POINT] = (int(rows.min()), int(rows.max()))
    return summary


def _table(
    numbers: pd.DataFrame,
    ok: NDArray[np.bool_],
    by: str,
    statistics: list[str],
    quantiles: dict[str, float],
    bounds: float | None,
    *,
    dropna: bool,
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    grouped = numbers.groupby(level=by, dropna=dropna)
    index = grouped.size().index
    codes = np.asarray(grouped.ngroup(), dtype=np.int64)
    numbers, circular = _turned(numbers, codes, len(index))
    if circular:
        grouped = numbers.groupby(level=by, dropna=dropna)
    blocks: dict[str, pd.DataFrame] = {}
    if len(numbers.columns):
        for statistic in statistics:
            if statistic == "count_ok":
                kept = numbers.where(np.broadcast_to(ok[:, np.newaxis], numbers.shape))
                blocks[statistic] = kept.groupby(level=by, dropna=dropna).count()
            else:
                blocks[statistic] = grouped.agg(statistic)
        if "mean" in blocks:
            blocks["mean"] = blocks["mean"].assign(**circular)
        counts = grouped.count()
        for label, value in quantiles.items():
            block = grouped.quantile(value)
            # The rows of one run are no draws, and reach as far out as they are many.
            blocks[label] = block if by == "run_id" else told_quantiles(block, counts, value)
            if bounds is not None:
                low, high = group_bounds(numbers, codes, len(index), value, bounds)
                blocks[f"{label}_low"] = pd.DataFrame(low, index=index)
                blocks[f"{label}_high"] = pd.DataFrame(high, index=index)
    if not blocks:
        empty = pd.MultiIndex.from_arrays([[], []], names=["statistic", "field"])
        return pd.DataFrame(index=index, columns=empty)
    return pd.concat(blocks, axis="columns", names=["statistic", "field"], sort=False)


def _turned(
    numbers: pd.DataFrame, codes: NDArray[np.int64], count: int
) -> tuple[pd.DataFrame, dict[str, NDArray[np.float64]]]:
    """Return the numbers with angles in the turn about the mean of their group, and those means."""
    import numpy as np

    means: dict[str, NDArray[np.float64]] = {}
    turned: dict[str, NDArray[np.float64]] = {}
    for name, column in numbers.items():
        values = column.to_numpy(dtype=np.float64)
        if not wraps(str(name), values):
            continue
        told = np.isfinite(values) & (codes >= 0)
        means[str(name)] = circular_means(values[told], codes[told], count)
        turned[str(name)] = values.copy()
        turned[str(name)][told] = unwrapped(values[told], means[str(name)][codes[told]])
    return numbers.assign(**turned), means


def _check_bounds(bounds: object, by: str) -> None:
    if isinstance(bounds, bool) or not isinstance(bounds, Real) or not 0.0 < float(bounds) < 1.0:
        raise SweepConfigError(
            f"bounds must be a confidence between 0 and 1, got {bounds!r}. Write bounds=0.95."
        )
    if by == "run_id":
        raise SweepConfigError(
            "bounds are for statistics over the runs; the rows of one run are no independent "
            "draws. Leave out bounds=, or summarise by='time'."
        )


def _checked_quantiles(q: Iterable[float]) -> dict[str, float]:
    """Return the quantiles by the label of their column."""
    values = list(_checked_iterable(q, "q", "q=(0.05, 0.5, 0.95)"))
    labelled = {f"q{value}": value for value in values}
    for value in values:
        if isinstance(value, bool) or not isinstance(value, Real) or not 0.0 < float(value) < 1.0:
            raise SweepConfigError(
                f"q must lie in the open interval (0, 1), got {value!r}. "
                "Use include=('min', 'max') for the extremes."
            )
    if len(labelled) < len(values):
        raise SweepConfigError(f"q must not contain duplicates, got {values}. Name each once.")
    return labelled


def _checked_statistics(include: Iterable[str]) -> list[str]:
    statistics = list(_checked_iterable(include, "include", "include=('mean', 'std')"))
    unknown = [statistic for statistic in statistics if statistic not in _STATISTICS]
    if unknown:
        raise SweepConfigError(
            f"unknown statistic {', '.join(map(repr, unknown))} in include. "
            f"Choose from {', '.join(_STATISTICS)}."
        )
    if len(set(statistics)) < len(statistics):
        raise SweepConfigError(
            f"include must not contain duplicates, got {statistics}. Name each once."
        )
    return statistics


def _checked_iterable(values: Any, name: str, example: str) -> Any:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise SweepConfigError(
            f"{name} must be a sequence, got {type(values).__name__}: {values!r}. Write {example}."
        )
    return values
