"""Statistics over the runs of a sweep, epoch by epoch or run by run."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, overload

from gmat_sweep.aggregate.columns import check_engine, in_engine
from gmat_sweep.analysis.rows import (
    LEFT_OUT,
    ROWS_PER_POINT,
    left_out_runs,
    numeric_columns,
    ok_mask,
    sweep_frame,
)
from gmat_sweep.errors import SweepConfigError

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
    engine: str,
) -> Any: ...
def sweep_summary(
    df: Any,
    *,
    by: str = "time",
    q: Iterable[float] = (0.05, 0.5, 0.95),
    include: Iterable[str] = ("mean", "std"),
    dropna: bool = True,
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
    engine : {"pandas", "polars"}
        Frame library of the result.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame
        One row per value of `by`, sorted. Columns are a MultiIndex (``statistic``, ``field``):
        the statistics of `include` in its order, then ``q<value>`` in the order of `q`, in the
        units of the fields. In polars the columns are `by`, then ``<field>__<statistic>``.

    Raises
    ------
    SweepConfigError
        An argument has a value not listed here or a repeated one, or the index of `df` has no
        `by` level beside another one.
    ImportError
        polars is asked for and not installed.

    Notes
    -----
    Runs are compared at equal epochs, to the nanosecond. If runs report at steps of their own, as
    an integrator with error control does, few share an epoch, and a row is made from one or two
    runs; ``count_ok`` tells. Missing values are left out of every statistic. With ``by="run_id"``
    every row of a run counts the same, however long the step to the next one.

    Quantiles interpolate linearly between order statistics, definition 7 of Hyndman and Fan,
    "Sample quantiles in statistical packages", The American Statistician 50 (1996). A quantile
    near 0 or 1 needs many runs: from n runs, nothing is known beyond 1/n and 1 - 1/n.

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
    summary = _table(numbers, ok, by, statistics, quantiles, dropna=dropna)
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
    *,
    dropna: bool,
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    grouped = numbers.groupby(level=by, dropna=dropna)
    index = grouped.size().index
    blocks: dict[str, pd.DataFrame] = {}
    if len(numbers.columns):
        for statistic in statistics:
            if statistic == "count_ok":
                kept = numbers.where(np.broadcast_to(ok[:, np.newaxis], numbers.shape))
                blocks[statistic] = kept.groupby(level=by, dropna=dropna).count()
            else:
                blocks[statistic] = grouped.agg(statistic)
        for label, value in quantiles.items():
            blocks[label] = grouped.quantile(value)
    if not blocks:
        empty = pd.MultiIndex.from_arrays([[], []], names=["statistic", "field"])
        return pd.DataFrame(index=index, columns=empty)
    return pd.concat(blocks, axis="columns", names=["statistic", "field"], sort=False)


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
