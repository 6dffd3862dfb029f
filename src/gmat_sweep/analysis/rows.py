"""A sweep's frame, as every analysis needs it: its index, its ok rows, its numbers.

No function here changes its frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmat_sweep.aggregate.columns import STATUS, WRITTEN
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.spec import NOMINAL_RUN_ID

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "LEFT_OUT",
    "ROWS_PER_POINT",
    "as_handed_over",
    "as_written",
    "has_status",
    "is_numeric",
    "last_of_each_run",
    "left_out_runs",
    "nominal_rows",
    "numeric_columns",
    "ok_mask",
    "sweep_frame",
]

LEFT_OUT = "left_out_runs"
"""Key in a result's ``attrs``: how many runs of each status other than ``ok`` it leaves out."""

ROWS_PER_POINT = "rows_per_point"
"""Key in a summary's ``attrs``: the fewest and the most rows that one of its rows is made from."""

# A sweep's frame has one of these beside run_id; a data column may be called like another.
_SECOND_LEVELS = ("time", "interval_id", "row")


def sweep_frame(df: Any, caller: str, *, keep_nominal: bool = False) -> pd.DataFrame:
    """Return `df` as a pandas frame with the index of a sweep, without the nominal run.

    With `keep_nominal` that run stays.

    A pandas frame without one comes back as it is. Of a polars frame, the column ``run_id`` and the
    first one of ``time``, ``interval_id`` and ``row`` become the index.

    Raises
    ------
    SweepConfigError
        `df` is no frame, or has several column levels, as fused reports have.
    """
    import pandas as pd

    if not isinstance(df, pd.DataFrame):
        if type(df).__module__.partition(".")[0] != "polars":
            raise SweepConfigError(
                f"{caller} needs the frame of a sweep, got {type(df).__name__}. "
                "Pass what sweep() or Sweep.to_dataframe() returned."
            )
        frame: pd.DataFrame = df.to_pandas()
        for name, dtype in df.schema.items():
            if str(dtype) == "Boolean":
                frame[name] = frame[name].astype("boolean")
        seconds = [name for name in _SECOND_LEVELS if name in frame.columns]
        levels = [name for name in ("run_id", *seconds[:1]) if name in frame.columns]
        frame = frame.set_index(levels) if levels else frame
        return frame if keep_nominal else _dispersed(frame)
    if df.columns.nlevels > 1:
        raise SweepConfigError(
            f"{caller} needs one level of columns, got {df.columns.nlevels}: "
            f"{', '.join(map(str, df.columns.names))}. "
            "Choose one report of a fused frame, as in df['ReportFile1']."
        )
    return df if keep_nominal else _dispersed(df)


def _dispersed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame without the rows of the nominal run, which no statistic counts."""
    if "run_id" not in frame.index.names:
        return frame
    is_nominal = frame.index.get_level_values("run_id") == NOMINAL_RUN_ID
    return frame[~is_nominal] if is_nominal.any() else frame


def nominal_rows(df: Any) -> pd.DataFrame | None:
    """Return the rows of an ``ok`` nominal run, without its id; None if there is none in `df`.

    The order is that of `df`; a frame of one index level is numbered anew.
    """
    frame = sweep_frame(df, "nominal_rows", keep_nominal=True)
    if "run_id" not in frame.index.names:
        return None
    rows = frame[frame.index.get_level_values("run_id") == NOMINAL_RUN_ID]
    rows = rows[ok_mask(rows)]
    if rows.empty:
        return None
    return rows.droplevel("run_id") if rows.index.nlevels > 1 else rows.reset_index(drop=True)


def has_status(frame: pd.DataFrame) -> bool:
    """Return whether `frame` says how its runs ended."""
    return STATUS in frame.columns


def ok_mask(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows belong to runs that are ``ok``: all of them if the frame has no status."""
    import numpy as np

    if not has_status(frame):
        return np.ones(len(frame), dtype=np.bool_)
    return np.asarray(frame[STATUS] == "ok", dtype=np.bool_)


def left_out_runs(frame: pd.DataFrame) -> dict[str, int]:
    """Return the number of runs of each status other than ``ok``."""
    if not has_status(frame) or "run_id" not in frame.index.names:
        return {}
    rest = frame.loc[~ok_mask(frame), STATUS]
    last = rest.groupby(level="run_id").last()
    return {str(status): int(runs) for status, runs in last.value_counts().sort_index().items()}


def is_numeric(column: pd.Series[Any]) -> bool:
    """Return whether `column` holds integers or floats; booleans and durations are neither."""
    from pandas.api import types

    return bool(types.is_numeric_dtype(column)) and not (
        types.is_bool_dtype(column) or types.is_complex_dtype(column)
    )


def numeric_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the integer and float columns of `frame`: int64 ones as they are, others as float64.

    So no difference wraps around at a small integer type, and every missing value is NaN. The
    numbers of the rows are no quantity.
    """
    import numpy as np
    import pandas as pd

    columns = {
        name: column
        if column.dtype == np.int64
        else pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan), index=frame.index)
        for name, column in frame.items()
        if name != WRITTEN and is_numeric(column)
    }
    return pd.DataFrame(columns, index=frame.index)


def as_written(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows run by run, those of a run in the order in which GMAT wrote them.

    A frame without ``__row`` has that order when it is sorted by time.

    Raises
    ------
    SweepConfigError
        The frame had ``__row``, and was taken without it.
    """
    import numpy as np

    if WRITTEN not in frame.columns:
        if frame.attrs.get(WRITTEN):
            raise SweepConfigError(
                f"df lacks its column {WRITTEN}: GMAT did not write its rows in the order of time, "
                f"so nothing says which row of a run is the last. Keep the column {WRITTEN} with "
                "those that you choose."
            )
        return frame.sort_index(kind="stable")
    numbers = frame[WRITTEN].to_numpy(dtype=np.float64, na_value=np.inf)
    run_ids = frame.index.get_level_values("run_id").to_numpy()
    return frame.take(np.lexsort((numbers, run_ids)))


def as_handed_over(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows as a user's function gets them: as they are, unless sorting moved them.

    Raises
    ------
    SweepConfigError
        As `as_written`.
    """
    return as_written(frame) if WRITTEN in frame.columns or frame.attrs.get(WRITTEN) else frame


def last_of_each_run(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run, sorted: the last one that GMAT wrote.

    This is what "final" means everywhere: a value that is missing in that row is missing, though an
    earlier row may have one.

    Raises
    ------
    SweepConfigError
        As `as_written`.
    """
    ordered = as_written(frame)
    run_ids = ordered.index.get_level_values("run_id")
    last = ordered[~run_ids.duplicated(keep="last")]
    return last.set_axis(last.index.get_level_values("run_id")).drop(
        columns=WRITTEN, errors="ignore"
    )
