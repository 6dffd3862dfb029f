"""One row per run: its parameters and its last row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmat_sweep.aggregate.columns import STATUS
from gmat_sweep.analysis.rows import (
    as_handed_over,
    is_numeric,
    last_of_each_run,
    nominal_rows,
    sweep_frame,
)
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.header import NOMINAL_KEY, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd

    from gmat_sweep.manifest import Manifest

__all__ = [
    "Metric",
    "design_of",
    "measured",
    "name_of",
    "nominal_values",
    "numbers_of",
    "one_row_per_run",
    "parameters_of",
]

type Metric = str | Callable[[Any], pd.Series[Any]]
"""A column of the frame, or a function of the whole frame that returns a Series by ``run_id``."""


def one_row_per_run(df: Any, caller: str) -> pd.DataFrame:
    """Return one row per run: the last one that GMAT wrote.

    Raises
    ------
    SweepConfigError
        `df` is no frame or has no ``run_id`` index level.
    """
    frame = sweep_frame(df, caller)
    if "run_id" not in frame.index.names:
        raise SweepConfigError(
            f"{caller} needs a frame indexed by 'run_id', the index is {list(frame.index.names)}. "
            "Pass a frame indexed as sweep() returns it."
        )
    kept = [name for name, column in frame.items() if is_numeric(column) or name == STATUS]
    return last_of_each_run(frame[kept])


def name_of(metric: Metric, result: object = None) -> str:
    """Return what a picture calls a metric: the column, or the result's or the function's name."""
    if isinstance(metric, str):
        return metric
    names = (getattr(result, "name", None), getattr(metric, "__name__", None))
    given = next((str(name) for name in names if name is not None), "metric")
    return "metric" if given == "<lambda>" else given


def measured(
    metric: Metric, df: Any, runs: pd.DataFrame, argument: str, complaint: str
) -> pd.Series[float]:
    """Return the value of a metric for each run of `runs`, NaN for a run without one.

    Parameters
    ----------
    metric : str or callable
        A numeric column of `runs`, or a function that gets `df` whole, as a pandas frame.
    df : pandas.DataFrame or polars.DataFrame
        The frame of the sweep.
    runs : pandas.DataFrame
        One row per run.
    argument, complaint : str
        The name of the argument, and how the error of a column that is not numeric begins.

    Raises
    ------
    SweepConfigError
        There is no such column, the function returns no Series of numbers by ``run_id``, or several
        values for a run.
    """
    import pandas as pd

    if isinstance(metric, str):
        if metric not in runs.columns:
            known = ", ".join(str(name) for name in runs.columns if name != STATUS)
            raise SweepConfigError(
                f"{argument}={metric!r} is not a numeric column of df. Choose one of {known}."
            )
        return numbers_of(runs[metric], complaint)
    result = metric(as_handed_over(sweep_frame(df, argument)))
    if not isinstance(result, pd.Series):
        raise SweepConfigError(
            f"{argument} must return a pandas.Series by run_id, got {type(result).__name__}. "
            "Return one value per run, such as df.groupby(level='run_id')['Sat.X'].max()."
        )
    if result.index.nlevels != 1 or not result.index.is_unique:
        raise SweepConfigError(
            f"{argument} must return one value per run_id; its Series is indexed by "
            f"{list(result.index.names)} with repeated runs or further levels. Reduce it, as "
            "df.groupby(level='run_id')['Sat.X'].max() does."
        )
    if len(runs) and not result.index.isin(runs.index).any():
        raise SweepConfigError(
            f"{argument} returned a Series that has none of the runs of df. Index it by run_id."
        )
    return numbers_of(result.reindex(runs.index).rename(name_of(metric, result)), complaint)


def parameters_of(manifest: Manifest) -> list[str]:
    """Return the names of the fields that the sweep varied.

    Raises
    ------
    SweepConfigError
        The manifest's ``parameter_spec`` is of an unknown kind.
    """
    record, kind = manifest.parameter_spec, kind_of(manifest.parameter_spec)
    if kind == "grid":
        return [name for name in record if name != "_kind"]
    for names in ("columns", "perturb"):
        if names in record:
            return list(record[names])
    raise SweepConfigError(
        f"The manifest has an unknown parameter_spec _kind {kind!r}, which does not tell what was "
        "varied. Use the version of gmat-sweep that wrote it."
    )


def design_of(manifest: Manifest, names: Iterable[str], run_ids: pd.Index[Any]) -> pd.DataFrame:
    """Return the values of the runs in the manifest, NaN if a run has none.

    Raises
    ------
    SweepConfigError
        The manifest has no entry for one of the runs.
    """
    import pandas as pd

    overrides = {run_id: entry.overrides for run_id, entry in manifest.latest().items()}
    unknown = [run_id for run_id in run_ids if run_id not in overrides]
    if unknown:
        raise SweepConfigError(
            f"the manifest has no entry for {len(unknown)} runs of df, the first is run "
            f"{unknown[0]}. Pass the manifest of the sweep that df comes from."
        )
    columns = {
        name: pd.Series([overrides[run_id].get(name) for run_id in run_ids], index=run_ids)
        for name in names
    }
    return pd.DataFrame(columns, index=run_ids)


def nominal_values(df: Any, names: Iterable[str], manifest: Manifest | None) -> dict[str, float]:
    """Return the values of parameters in the nominal run of a sweep, for a mark on a picture.

    Parameters
    ----------
    df : pandas.DataFrame or polars.DataFrame
        The frame of the sweep.
    names : iterable of str
        The parameters.
    manifest : Manifest or None
        Of the same sweep. A parameter that it varies has what the script itself gives it, as far as
        the draws are about that; what it was at the end of the run may be another value.

    Returns
    -------
    dict of str to float
        The values, as far as they are known; none without a nominal run.
    """
    rows = nominal_rows(df)
    if rows is None:
        return {}
    varied = [] if manifest is None else parameters_of(manifest)
    own = {} if manifest is None else manifest.parameter_spec.get(NOMINAL_KEY) or {}
    last = {
        str(name): float(column.dropna().iloc[-1])
        for name, column in rows.items()
        if is_numeric(column) and column.notna().any()
    }
    known = {name: own.get(name) if name in varied else last.get(name) for name in names}
    return {
        name: float(value)
        for name, value in known.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def numbers_of(column: pd.Series[Any], complaint: str) -> pd.Series[float]:
    """Return `column` as float64, NaN where a value is missing.

    Raises
    ------
    SweepConfigError
        `column` is not numeric; the message is `complaint` with the dtype and a remedy.
    """
    import numpy as np
    import pandas as pd

    if not is_numeric(column) and column.notna().any():
        raise SweepConfigError(
            f"{complaint}, {column.name!r} has dtype={column.dtype}. Choose one of numbers."
        )
    return pd.Series(
        column.to_numpy(dtype=np.float64, na_value=np.nan), index=column.index, name=column.name
    )
