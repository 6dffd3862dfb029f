"""How the mean of a metric settles as Monte Carlo runs are added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from gmat_sweep.aggregate.columns import STATUS, WRITTEN, check_engine, in_engine
from gmat_sweep.analysis.angles import (
    circular_means,
    running_circular_means,
    unwrapped,
    wraps,
)
from gmat_sweep.analysis.rows import (
    LEFT_OUT,
    as_handed_over,
    is_numeric,
    last_of_each_run,
    left_out_runs,
    ok_mask,
    sweep_frame,
)
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.independence import check_independent

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["METRIC", "mc_convergence"]

METRIC = "metric"
"""Key in a result's ``attrs``: the name of the metric."""


@overload
def mc_convergence(
    df: Any,
    metric: str | Callable[[pd.DataFrame], Any],
    *,
    terminal_only: bool = False,
    sample: Literal["independent"] | None = None,
    engine: Literal["pandas"] = "pandas",
) -> pd.DataFrame: ...
@overload
def mc_convergence(
    df: Any,
    metric: str | Callable[[pd.DataFrame], Any],
    *,
    terminal_only: bool = False,
    sample: Literal["independent"] | None = None,
    engine: Literal["polars"],
) -> pl.DataFrame: ...
@overload
def mc_convergence(
    df: Any,
    metric: str | Callable[[pd.DataFrame], Any],
    *,
    terminal_only: bool = False,
    sample: Literal["independent"] | None = None,
    engine: str,
) -> Any: ...
def mc_convergence(
    df: Any,
    metric: str | Callable[[pd.DataFrame], Any],
    *,
    terminal_only: bool = False,
    sample: Literal["independent"] | None = None,
    engine: str = "pandas",
) -> Any:
    """Return mean, standard deviation and standard error after 1, 2, ... n runs.

    Parameters
    ----------
    df : pandas.DataFrame or polars.DataFrame
        Frame of a Monte Carlo sweep. Runs are added in the order of their ``run_id``; runs that
        are not ``ok`` are left out. A frame in pandas tells its design by its ``attrs``; one that
        does not is believed to be of independent draws.
    metric : str or callable
        A column of numbers or booleans, or a function that gets the rows of one run in the order
        written, as a pandas frame indexed by time and without ``__status``, and returns a number. A
        boolean counts as 1 or 0, so that the mean is the share of runs for which it holds.
    terminal_only : bool
        For a column: True takes the value in the last row of each run that GMAT wrote, also where
        the mission propagates backwards; False gives one curve per epoch, with the last row of a
        run that reports it several times. A function is always called once per run.
    sample : {None, "independent"}
        ``"independent"`` says that the rows of a table of samples are independent draws in this
        order, which the sweep does not know.
    engine : {"pandas", "polars"}
        Frame library of the result.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame
        Columns ``n`` (int64), ``running_mean``, ``running_std`` (divided by n - 1, NaN at n = 1)
        and ``se_mean`` (``running_std / sqrt(n)``), in the units of the metric. With one curve
        per epoch a ``time`` column leads, and rows are sorted by ``time``, then ``n``. ``n`` is
        the number of runs with a value: a run whose value is missing is not counted. The mean of a
        column that is an angle by GMAT's name is the circular one, and its deviations are those on
        the circle; ``attrs["left_out_runs"]`` has how many runs failed or were skipped.

    Raises
    ------
    SweepConfigError
        `df` has no ``run_id`` index level, `metric` is no numeric column of it, a function did not
        return one number, or `df` tells that its runs are no independent draws, such as those of a
        Latin hypercube or a grid.
    ImportError
        polars is asked for and not installed.

    Notes
    -----
    Mean and variance are updated as in Welford, "Note on a method for calculating corrected sums
    of squares and products", Technometrics 4 (1962).

    ``se_mean`` estimates how far the mean of n independent draws is from the mean of infinitely
    many, given these distributions and this mission. It says nothing about errors of the models,
    quantiles, the worst case, or the runs that failed. In a Latin hypercube, Sobol' or grid design
    the runs are not independent, ``se_mean`` does not apply, and the frame is refused. A curve that
    looks flat is no proof either: each later run changes the mean less.
    """
    import numpy as np

    check_engine(engine)
    frame = sweep_frame(df, "mc_convergence")
    if "run_id" not in frame.index.names:
        raise SweepConfigError(
            "the index of df must have a 'run_id' level, it has "
            f"{list(frame.index.names)}. Pass a frame indexed as sweep() returns it."
        )
    check_independent(frame.attrs, sample, "mc_convergence", "a standard error")
    ok = as_handed_over(frame[ok_mask(frame)])

    time: pd.Index[Any] | None = None
    if callable(metric):
        values = _metric_of_each_run(ok, metric)
    else:
        series = _metric_column(ok, metric)
        others = [name for name in frame.index.names if name != "run_id"]
        if len(others) > 1 and not terminal_only:
            raise SweepConfigError(
                f"one curve per epoch needs one index level beside 'run_id', df has {others}. "
                "Pass terminal_only=True."
            )
        if terminal_only or not others:
            ends = last_of_each_run(ok.assign(**{metric: series}))[metric].dropna()
            values = np.asarray(ends, dtype=np.float64)
        else:
            # A run counts once at an epoch that it reports several times: with its last row there.
            once = series[~series.index.duplicated(keep="last")]
            latest = once.groupby(level=[*others, "run_id"]).last().dropna()
            values = np.asarray(latest, dtype=np.float64)
            time = latest.index.get_level_values(0)
    turns = isinstance(metric, str) and wraps(metric, values)
    curves = _running(values, time, turns=turns)

    if engine != "pandas":
        return in_engine(curves, engine).drop("index")
    curves.attrs[METRIC] = metric if isinstance(metric, str) else _name_of(metric)
    curves.attrs[LEFT_OUT] = left_out_runs(frame)
    return curves


def _metric_column(ok: pd.DataFrame, metric: object) -> pd.Series[float]:
    import numpy as np
    import pandas as pd
    from pandas.api.types import is_bool_dtype

    if not isinstance(metric, str) or metric == WRITTEN or metric not in ok.columns:
        raise SweepConfigError(
            f"metric {metric!r} is not a column of df. "
            f"Choose one of {', '.join(str(name) for name in ok if name not in (STATUS, WRITTEN))}."
        )
    column = ok[metric]
    if not (is_numeric(column) or is_bool_dtype(column)):
        raise SweepConfigError(
            f"metric {metric!r} is not numeric, its dtype is {column.dtype}. "
            "Choose a column of numbers, or pass a function that returns one."
        )
    return pd.Series(
        column.to_numpy(dtype=np.float64, na_value=np.nan), index=ok.index, name=metric
    )


def _metric_of_each_run(
    ok: pd.DataFrame, metric: Callable[[pd.DataFrame], Any]
) -> NDArray[np.float64]:
    import numpy as np

    data = ok.drop(columns=[STATUS, WRITTEN], errors="ignore")
    values = []
    for run_id, rows in data.groupby(level="run_id"):
        run = rows.droplevel("run_id") if rows.index.nlevels > 1 else rows.reset_index(drop=True)
        value = metric(run)
        if np.ndim(value) != 0 or np.asarray(value).dtype.kind not in "biuf":
            raise SweepConfigError(
                f"metric must return a numeric scalar, for run {run_id} it returned "
                f"{type(value).__name__}: {value!r}. Return one number per run."
            )
        values.append(float(value))
    array = np.array(values, dtype=np.float64)
    return array[~np.isnan(array)]


def _running(
    values: NDArray[np.float64], time: pd.Index[Any] | None, *, turns: bool
) -> pd.DataFrame:
    """Return the curve of `values`, or one curve per `time`; equal times must be adjacent."""
    import numpy as np
    import pandas as pd

    if time is None:
        curve = np.zeros(len(values), dtype=np.int64)
    else:
        curve = pd.factorize(time)[0].astype(np.int64)
    lengths = np.bincount(curve)
    starts = np.cumsum(lengths) - lengths
    rank = np.arange(len(values)) - starts[curve]
    turns = turns and bool(np.isfinite(values).all())
    if turns:
        # About the mean of all runs, so that no curve jumps by a turn.
        values = unwrapped(values, circular_means(values, curve, len(lengths))[curve])

    mean, squares = np.zeros(len(lengths)), np.zeros(len(lengths))
    means, variances = np.empty(len(values)), np.full(len(values), np.nan)
    by_rank = np.argsort(rank, kind="stable")
    bounds = np.cumsum(np.bincount(rank))
    # Step k adds the k-th run to every curve that has one.
    with np.errstate(invalid="ignore"):
        for k, rows in enumerate(np.split(by_rank, bounds[:-1]) if len(values) else [], start=1):
            curves, added = curve[rows], values[rows]
            delta = added - mean[curves]
            mean[curves] += delta / k
            squares[curves] += delta * (added - mean[curves])
            means[rows] = mean[curves]
            if k > 1:
                variances[rows] = squares[curves] / (k - 1)

    n = rank + 1
    std = np.sqrt(variances)
    columns = {
        "n": n.astype(np.int64),
        "running_mean": running_circular_means(values, starts, curve) if turns else means,
        "running_std": std,
        "se_mean": std / np.sqrt(n),
    }
    frame = pd.DataFrame(columns)
    if time is not None:
        frame.insert(0, str(time.name), time.to_numpy())
    return frame


def _name_of(metric: Callable[..., Any]) -> str:
    return str(getattr(metric, "__name__", type(metric).__name__))
