"""Sobol' sensitivity indices: how much each parameter, alone or with others, moves a metric.

`sobol_sample` draws the design, `gmat_sweep.sweep` runs it as ``samples=``, and `sobol_analyze`
takes the frame. SALib does the arithmetic of both. It is an optional dependency; a function imports
it after it has checked its arguments.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from gmat_sweep.aggregate.columns import STATUS, WRITTEN
from gmat_sweep.analysis.angles import unwrapped, wraps
from gmat_sweep.analysis.rows import (
    as_handed_over,
    is_numeric,
    last_of_each_run,
    ok_mask,
    sweep_frame,
)
from gmat_sweep.distributions import checked_count, checked_perturb, checked_seed, to_rv_frozen
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.limits import check_run_count
from gmat_sweep.plans.header import DESIGN_KEY
from gmat_sweep.plans.independence import DESIGN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from gmat_sweep.distributions import DistSpec

__all__ = ["sobol_analyze", "sobol_sample"]


def sobol_sample(
    perturb: Mapping[str, DistSpec],
    n: int,
    *,
    seed: int | None = None,
    calc_second_order: bool = True,
) -> pd.DataFrame:
    """Return the samples of a Sobol' sensitivity analysis, for ``sweep(samples=...)``.

    Parameters
    ----------
    perturb : mapping of str to DistSpec
        A distribution for each of D parameters, in GMAT's units. They are independent.
    n : int
        Base samples, a power of two. For other numbers scipy warns that the sequence is not
        balanced.
    seed : int or None
        Seed of the scrambling. Without one, the samples cannot be drawn again.
    calc_second_order : bool
        Whether pairs of parameters will be analysed; needs nearly twice the runs.

    Returns
    -------
    pandas.DataFrame
        ``n * (2 * D + 2)`` rows, or ``n * (D + 2)`` without second order, of float64, columns in
        sorted order. `sobol_analyze` relies on the order of the rows: run k is row k.

    Raises
    ------
    SweepConfigError
        `perturb` is empty or holds an invalid distribution, `n` or `seed` is out of range, or a
        point of the sequence falls on the unbounded end of a distribution.
    ImportError
        SALib is not installed.

    Notes
    -----
    Points of a scrambled Sobol' sequence in 2 D dimensions, as two matrices A and B of n rows
    each, and their cross-sampled matrices: Saltelli, "Making best use of model evaluations to
    compute sensitivity indices", Computer Physics Communications 145 (2002). Each column goes
    through the quantile function of its distribution.
    """
    import numpy as np
    import pandas as pd

    drawn = checked_perturb(perturb, "sobol_sample")
    count = checked_count(n, "n", "sobol_sample")
    check_run_count(count * (len(drawn) * (2 if calc_second_order else 1) + 2), "sobol_sample")
    start = checked_seed(seed)
    distributions = {name: to_rv_frozen(spec, name) for name, spec in drawn.items()}
    _require_salib()
    from SALib.sample import sobol

    unit = sobol.sample(
        _problem(list(drawn)), count, calc_second_order=bool(calc_second_order), seed=start
    )
    columns = {name: rv.ppf(unit[:, j]) for j, (name, rv) in enumerate(distributions.items())}
    for name, values in columns.items():
        if not np.isfinite(values).all():
            raise SweepConfigError(
                f"perturb[{name!r}]: a point of the Sobol' sequence falls on the unbounded end of "
                "the distribution. Use another seed."
            )
    frame = pd.DataFrame(columns, dtype="float64")
    frame.attrs[DESIGN_KEY] = "sobol_sample"
    return frame


def sobol_analyze(
    df: Any,
    perturb: Mapping[str, DistSpec],
    metric: str | Callable[[Any], pd.Series[float]],
    *,
    calc_second_order: bool = True,
    seed: int | None = None,
) -> pd.DataFrame:
    """Return the Sobol' indices of a metric over the runs of a `sobol_sample` design.

    Parameters
    ----------
    df : pandas.DataFrame or polars.DataFrame
        Frame of the sweep over all rows of the design, with every run ``ok``. One missing run would
        put those after it out of place.
    perturb : mapping of str to DistSpec
        As given to `sobol_sample`.
    metric : str or callable
        A numeric column, of which the value in each run's last row is taken, as GMAT wrote them,
        that of an angle by GMAT's name in the turn about the mean of all runs; or a function that
        gets `df` in pandas, each run's rows in the order written, and returns a Series with one
        number per run, indexed by ``run_id``.
    calc_second_order : bool
        As given to `sobol_sample`.
    seed : int or None
        Seed of the bootstrap behind ``conf``.

    Returns
    -------
    pandas.DataFrame
        Columns ``kind``, ``param_a``, ``param_b``, ``value`` and ``conf``; parameters in sorted
        order. ``kind`` is ``"S1"`` for the share of the variance that ``param_a`` explains alone,
        ``"ST"`` for its share with all interactions, and ``"S2"`` for the interaction of the pair
        ``param_a``, ``param_b``; ``param_b`` is NA for the first two. ``conf`` is half the width
        of a 95 % confidence interval around ``value``.

    Raises
    ------
    SweepConfigError
        A run is not ok, missing or there twice; the number of runs does not fit the design, or `df`
        tells that its sweep has another one, such as ``monte_carlo``;
        `metric` is not found, not numeric, missing in a run, or the same in all runs.
    ImportError
        SALib is not installed.

    Notes
    -----
    Estimators of S1 and ST: Saltelli et al., "Variance based sensitivity analysis of model
    output", Computer Physics Communications 181 (2010), table 2 (b) and (f), on the metric scaled
    to zero mean and unit variance. S2: Saltelli (2002), see `sobol_sample`.

    ``conf`` is 1.96 bootstrap standard deviations, 100 resamples of the n base samples as if they
    were independent. Points of a Sobol' sequence are spread more evenly than that, so it is
    mostly too wide; with few base samples it is no more than an order of magnitude. Estimates may
    fall below 0 or above 1 by sampling error: an index whose interval reaches 0 is not shown to
    differ from 0. The shares hold for these distributions; a wider one takes more.
    """
    import pandas as pd

    drawn = checked_perturb(perturb, "sobol_analyze")
    start = checked_seed(seed)
    names = list(drawn)
    values = _metric_values(df, metric)
    _check_run_count(len(values), len(names), second_order=calc_second_order)
    if values.max() == values.min():
        raise SweepConfigError(
            f"the metric is {float(values[0])!r} in every run, there is no variance to explain. "
            "Choose a metric that the parameters change."
        )
    _require_salib()
    import numpy as np
    from SALib.analyze import sobol

    # A generator, not a number: SALib takes the seed 0 for none and uses numpy's global state.
    found = sobol.analyze(
        _problem(names),
        values,
        calc_second_order=bool(calc_second_order),
        seed=np.random.default_rng(start),
    )
    rows: list[tuple[str, str, str | None, float, float]] = [
        (kind, name, None, found[kind][j], found[f"{kind}_conf"][j])
        for kind in ("S1", "ST")
        for j, name in enumerate(names)
    ]
    if calc_second_order:
        rows += [
            ("S2", names[j], names[k], found["S2"][j, k], found["S2_conf"][j, k])
            for j, k in combinations(range(len(names)), 2)
        ]
    table = pd.DataFrame(rows, columns=["kind", "param_a", "param_b", "value", "conf"])
    return table.astype({"param_b": "string", "value": "float64", "conf": "float64"})


def _metric_values(df: Any, metric: str | Callable[[Any], pd.Series[float]]) -> NDArray[np.float64]:
    """Return the metric of every run, by ascending ``run_id``."""
    import numpy as np

    frame = sweep_frame(df, "sobol_analyze")
    design = frame.attrs.get(DESIGN)
    # A table that was read from a file is a plain one, and may be the design all the same.
    if design not in {None, "sobol_sample", "explicit"}:
        raise SweepConfigError(
            f"df is the frame of a sweep of the kind {design!r}, which is no design of "
            "sobol_sample: its runs give no Sobol' indices. Fly sweep(samples=sobol_sample(...))."
        )
    bad = ~ok_mask(frame)
    if bad.any():
        raise SweepConfigError(
            f"df has {bad.sum()} non-ok rows: {_runs_of(frame.index[bad])}. "
            "Every run of the design is needed; resume the sweep until all are ok."
        )
    if callable(metric):
        series = _checked_series(metric(as_handed_over(frame)))
    else:
        fields = [name for name in frame.columns if name not in (STATUS, WRITTEN)]
        if metric not in fields:
            raise SweepConfigError(
                f"metric {metric!r} is not found in df. "
                f"Choose one of {', '.join(map(str, fields))}."
            )
        if "run_id" not in frame.index.names:
            raise SweepConfigError(
                f"the index of df must have a 'run_id' level, it has {list(frame.index.names)}. "
                "Pass a frame indexed as sweep() returns it."
            )
        series = last_of_each_run(frame)[metric]
    if not is_numeric(series):
        raise SweepConfigError(
            f"the metric is not numeric, its dtype is {series.dtype}. Choose a column of numbers."
        )
    _check_no_gap(series.index)
    values = np.asarray(series.to_numpy(dtype="float64", na_value=np.nan), dtype=np.float64)
    missing = np.isnan(values)
    if missing.any():
        raise SweepConfigError(
            f"the metric is NaN in {missing.sum()} runs: {_runs_of(series.index[missing])}. "
            "Every run of the design needs a value."
        )
    if not np.isfinite(values).all():
        raise SweepConfigError(
            "the metric is infinite in "
            f"{_runs_of(series.index[~np.isfinite(values)])}. Choose a metric with finite values."
        )
    return unwrapped(values) if isinstance(metric, str) and wraps(metric, values) else values


def _checked_series(series: Any) -> pd.Series[float]:
    """Return the Series of a metric function, checked and sorted by run."""
    import pandas as pd

    if not isinstance(series, pd.Series):
        raise SweepConfigError(
            f"metric must return a pandas.Series, got {type(series).__name__}. "
            "Return one number per run, indexed by run_id."
        )
    values: pd.Series[float] = series
    if "run_id" in values.index.names:
        values = values.set_axis(values.index.get_level_values("run_id"))
    if not values.index.is_unique:
        repeated = values.index[values.index.duplicated()]
        raise SweepConfigError(
            f"metric returned several values for {_runs_of(repeated)}. "
            "Return one number per run, indexed by run_id."
        )
    return values.sort_index()


def _check_no_gap(runs: pd.Index[Any]) -> None:
    """Refuse runs with one missing between others, which would put the later ones out of place."""
    from pandas.api.types import is_integer_dtype

    if not is_integer_dtype(runs.dtype) or not len(runs):
        return
    expected = range(int(runs.min()), int(runs.max()) + 1)
    if len(expected) > len(runs):
        gaps = sorted(set(expected) - set(runs))
        raise SweepConfigError(
            f"df lacks {len(gaps)} runs of the design, the first is run {gaps[0]}. "
            "Every run of the design is needed; resume the sweep until all are ok."
        )


def _check_run_count(runs: int, parameters: int, *, second_order: bool) -> None:
    block = 2 * parameters + 2 if second_order else parameters + 2
    if runs == 0 or runs % block:
        raise SweepConfigError(
            f"{runs} runs are no Sobol' design of {parameters} parameters with "
            f"calc_second_order={second_order}, which has a multiple of {block}. "
            "Pass perturb and calc_second_order as given to sobol_sample."
        )


def _runs_of(index: pd.Index[Any]) -> str:
    """Return the runs in `index` as text, the first few of many."""
    level = index.get_level_values("run_id") if "run_id" in index.names else index
    runs = list(dict.fromkeys(level))
    listed = ", ".join(map(str, runs[:10]))
    return f"run {listed}" if len(runs) == 1 else f"runs {listed}{', ...' * (len(runs) > 10)}"


def _problem(names: list[str]) -> dict[str, Any]:
    return {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}


def _require_salib() -> None:
    try:
        import SALib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Sobol' sensitivity needs the package SALib. "
            "Install it with: pip install gmat-sweep[sensitivity]"
        ) from error
