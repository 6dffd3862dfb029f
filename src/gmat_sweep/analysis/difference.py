"""One sweep minus another."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, overload

from gmat_sweep.aggregate.columns import STATUS, check_engine, in_engine
from gmat_sweep.analysis.angles import shift, wraps
from gmat_sweep.analysis.rows import has_status, last_of_each_run, numeric_columns, sweep_frame
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.independence import DESIGN

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["sweep_diff"]

type Tolerance = float | Callable[[str], float | None]

_HOW = ("absolute", "relative", "both")


@overload
def sweep_diff(
    df_a: Any,
    df_b: Any,
    *,
    on: str | None = None,
    how: str = "both",
    tolerance: Tolerance | None = None,
    engine: Literal["pandas"] = "pandas",
) -> pd.DataFrame: ...
@overload
def sweep_diff(
    df_a: Any,
    df_b: Any,
    *,
    on: str | None = None,
    how: str = "both",
    tolerance: Tolerance | None = None,
    engine: Literal["polars"],
) -> pl.DataFrame: ...
@overload
def sweep_diff(
    df_a: Any,
    df_b: Any,
    *,
    on: str | None = None,
    how: str = "both",
    tolerance: Tolerance | None = None,
    engine: str,
) -> Any: ...
def sweep_diff(
    df_a: Any,
    df_b: Any,
    *,
    on: str | None = None,
    how: str = "both",
    tolerance: Tolerance | None = None,
    engine: str = "pandas",
) -> Any:
    """Return sweep `df_b` minus sweep `df_a`.

    Parameters
    ----------
    df_a, df_b : pandas.DataFrame or polars.DataFrame
        Frames of two sweeps with the same index levels, such as one mission under two force
        models. Run k of one is compared with run k of the other.
    on : {None, "run_id"}
        None compares row by row, at equal index values. ``"run_id"`` compares the end of each run:
        the last row that GMAT wrote, also where the mission propagates backwards.
    how : {"both", "absolute", "relative"}
        Which of the two columns per field to return.
    tolerance : float or callable, optional
        Absolute differences below it are NaN in the result, in the units of the field. A callable
        gets the name of the column and returns its tolerance, or None for no tolerance.
    engine : {"pandas", "polars"}
        Frame library of the result.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame
        The rows that both frames have, sorted. For each integer or float column that both have:
        ``<column>__diff``, b - a, and ``<column>__rel``, (b - a) / a, which is NaN where a is
        zero. Angles, by GMAT's name, differ on the circle, from -180 to 180 degrees. A
        ``__status_diff`` column comes last if either frame has ``__status``: ``"ok"`` where both
        runs are, else the two statuses as ``"failed/ok"``. A frame without status counts as ok.

    Raises
    ------
    SweepConfigError
        An argument has a value not listed here, or the indexes of the two frames do not fit.
    ImportError
        polars is asked for and not installed.

    Notes
    -----
    With ``on=None`` rows are compared at equal epochs, to the nanosecond. Runs whose steps differ
    have few epochs in common. A run that failed in one sweep alone has none and is not in the
    result; with ``on="run_id"`` it is. An epoch that a run reports several times, as before and
    after a burn, is compared in the order of the rows.
    """
    check_engine(engine)
    if how not in _HOW:
        raise SweepConfigError(
            f"how={how!r} is not supported. Choose one of {', '.join(map(repr, _HOW))}."
        )
    if on not in {None, "run_id"}:
        raise SweepConfigError(f"on={on!r} is not supported. Choose on=None or on='run_id'.")
    if not callable(tolerance):
        _check_tolerance(tolerance, "")
    a, b = sweep_frame(df_a, "sweep_diff"), sweep_frame(df_b, "sweep_diff")
    if list(a.index.names) != list(b.index.names):
        raise SweepConfigError(
            "sweep_diff needs frames with the same index level names, got "
            f"{list(a.index.names)} and {list(b.index.names)}. Compare outputs of the same kind."
        )
    if on == "run_id":
        if "run_id" not in a.index.names:
            raise SweepConfigError(
                "on='run_id' requires a 'run_id' index level, the frames have "
                f"{list(a.index.names)}. Set it with df.set_index('run_id')."
            )
        a, b = last_of_each_run(a), last_of_each_run(b)

    rows_a, rows_b = _common_rows(a, b)
    difference = _difference(a.iloc[rows_a], b.iloc[rows_b], how, tolerance)
    return in_engine(difference.sort_index(kind="stable"), engine)


def _common_rows(a: pd.DataFrame, b: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return positions in `a` and `b` of the rows with equal index, missing values included.

    The k-th row with an index value in `a` goes with the k-th in `b`.
    """
    keys_a, keys_b = _keys(a), _keys(b)
    levels = list(keys_a.columns)
    rows_a, rows_b = (keys.assign(row=range(len(keys))) for keys in (keys_a, keys_b))
    common = rows_a.merge(rows_b, on=levels, how="inner", suffixes=("_a", "_b"))
    return common["row_a"].to_numpy(), common["row_b"].to_numpy()


def _keys(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    levels = range(frame.index.nlevels)
    keys = pd.DataFrame({f"level_{n}": frame.index.get_level_values(n) for n in levels})
    keys["occurrence"] = keys.groupby(list(keys.columns), dropna=False).cumcount()
    return keys


def _difference(
    a: pd.DataFrame, b: pd.DataFrame, how: str, tolerance: Tolerance | None
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    numbers_a, numbers_b = numeric_columns(a), numeric_columns(b)
    columns: dict[str, NDArray[Any]] = {}
    for name in numbers_a.columns:
        if name not in numbers_b.columns:
            continue
        base = numbers_a[name].to_numpy()
        other = numbers_b[name].to_numpy()
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            change = shift(other, base) if wraps(str(name), base, other) else other - base
            ratio = change / base
        ratio[~np.isfinite(ratio)] = np.nan
        cutoff = tolerance(name) if callable(tolerance) else tolerance
        _check_tolerance(cutoff, f" of {name!r}")
        if cutoff is not None:
            small = np.abs(change) < cutoff
            change = np.where(small, np.nan, change)
            ratio[small] = np.nan
        if how != "relative":
            columns[f"{name}__diff"] = change
        if how != "absolute":
            columns[f"{name}__rel"] = ratio
    difference = pd.DataFrame(columns, index=a.index)
    if a.attrs.get(DESIGN) == b.attrs.get(DESIGN) is not None:
        difference.attrs[DESIGN] = a.attrs[DESIGN]
    if has_status(a) or has_status(b):
        difference["__status_diff"] = [
            "ok" if status_a == status_b == "ok" else f"{status_a}/{status_b}"
            for status_a, status_b in zip(_statuses(a), _statuses(b), strict=True)
        ]
    return difference


def _statuses(frame: pd.DataFrame) -> list[str]:
    return [str(status) for status in frame[STATUS]] if has_status(frame) else ["ok"] * len(frame)


def _check_tolerance(tolerance: object, where: str) -> None:
    if tolerance is None:
        return
    if (
        isinstance(tolerance, bool)
        or not isinstance(tolerance, numbers.Real)
        or not math.isfinite(tolerance)
        or tolerance < 0
    ):
        raise SweepConfigError(
            f"tolerance{where} must be a number of at least 0, got {tolerance!r}. "
            "Give it in the units of the column."
        )
