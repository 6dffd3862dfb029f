"""Convert stacked Arrow tables to the frame that the caller gets, in pandas or polars.

A column's type follows from its Arrow type and from whether a value is missing, not from the run
that lacks it: integers with a missing value are float64, booleans with one are pandas' nullable
``boolean``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = [
    "LAZY_ENGINES",
    "STATUS",
    "WRITTEN",
    "check_engine",
    "in_engine",
    "interval_level",
    "level_key",
    "number_rows",
    "pandas_columns",
    "polars_for",
    "row_order",
    "status_column",
    "time_level",
]

STATUS = "__status"

WRITTEN = "__row"
"""Column of a frame that sorting took out of the order in which GMAT wrote the rows: each row's
number in its run's file, from 0. The key of the same name in ``attrs`` says that there was one."""


LAZY_ENGINES = ("dataset", "polars-lazy")
"""What reads rows only when they are wanted: a `pyarrow.dataset.Dataset`, a `polars.LazyFrame`."""


def check_engine(engine: str, lazy: Sequence[str] = ()) -> None:
    """Refuse an unknown frame library, or polars where it is not installed.

    Parameters
    ----------
    engine : str
        The library.
    lazy : sequence of str
        Those of `LAZY_ENGINES` that are known here beside ``"pandas"`` and ``"polars"``.

    Raises
    ------
    SweepConfigError
        `engine` is not among these.
    ImportError
        polars is asked for and not installed.
    """
    known = ["pandas", "polars", *lazy]
    if engine not in known:
        listed = " or ".join(f"engine={each!r}" for each in known)
        raise SweepConfigError(f"engine={engine!r} is not supported. Choose {listed}.")
    if engine.startswith("polars"):
        polars_for(engine)


def polars_for(engine: str) -> Any:
    """Return the polars package, which an engine needs."""
    try:
        import polars as pl
    except ImportError as error:
        raise ImportError(
            f"engine={engine!r} needs the polars package. "
            "Install it with: pip install gmat-sweep[polars]"
        ) from error
    return pl


def in_engine(frame: pd.DataFrame, engine: str) -> Any:
    """Return `frame` as it is for pandas, or with its index as leading columns for polars.

    Every missing value (NaN, NaT, NA) is null in the polars frame.
    """
    if engine == "pandas":
        return frame
    return polars_for(engine).from_pandas(frame.reset_index())


def pandas_columns(table: pa.Table, rows: int) -> pd.DataFrame:
    """Convert `table` to a frame of `rows` rows with a plain index."""
    import pandas as pd
    import pyarrow as pa

    if not table.column_names:
        return pd.DataFrame(index=pd.RangeIndex(rows))
    frame: pd.DataFrame = table.to_pandas()
    for field in table.schema:
        if pa.types.is_boolean(field.type) and table.column(field.name).null_count:
            frame[field.name] = frame[field.name].astype("boolean")
    return frame


def status_column(statuses: NDArray[np.object_]) -> pd.Series[Any]:
    """Return statuses in the string type of the installed pandas, or as object if it has none."""
    import pandas as pd

    return pd.Series(statuses) if len(statuses) else pd.Series(statuses, dtype=object)


def time_level(column: pa.ChunkedArray, rows: int) -> pd.DatetimeIndex:
    """Return a ``time`` column as datetime64[ns], nulls as NaT.

    Raises
    ------
    TypeError
        The column has a time zone, or holds neither dates nor text.
    ValueError
        A text is not a date, or a date is outside the years 1678 to 2261.
    """
    import pandas as pd
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return time_level(column.cast(kind.value_type), rows)
    if pa.types.is_null(kind):
        return pd.DatetimeIndex([pd.NaT] * rows, dtype="datetime64[ns]")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        parsed = pd.DatetimeIndex(pd.to_datetime(column.to_pandas(), format="mixed"))
        zone: object = parsed.tz
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        parsed, zone = None, getattr(kind, "tz", None)
    else:
        raise TypeError(
            f"column 'time' must hold dates or text that says one, got {kind}. "
            "Store dates, or name the column differently."
        )
    if zone is not None:
        raise TypeError(
            f"column 'time' has the time zone {zone}; sweep frames hold epochs without one. "
            "Store it with df['time'].dt.tz_convert('UTC').dt.tz_localize(None)."
        )
    if parsed is not None:
        return parsed.as_unit("ns")
    try:
        return pd.DatetimeIndex(column.cast(pa.timestamp("ns")).to_numpy())
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"column 'time' has a date that nanoseconds cannot hold: {error}. "
            "Keep dates between the years 1678 and 2261."
        ) from error


def interval_level(column: pa.ChunkedArray) -> pd.arrays.IntegerArray:
    """Return an ``interval_id`` column as nullable Int64.

    Raises
    ------
    ValueError
        A value is not a whole number.
    """
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        whole = column.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(
            f"column 'interval_id' must hold whole numbers: {error}. "
            "Number the intervals of each run 0, 1, 2 and so on."
        ) from error
    missing = whole.is_null().to_numpy().astype(np.bool_)
    return pd.arrays.IntegerArray(pc.fill_null(whole, 0).to_numpy().copy(), missing)


def row_order(run_ids: NDArray[np.int64], *keys: NDArray[np.int64]) -> NDArray[np.intp] | None:
    """Return the stable order by run, then by `keys` in turn; None if the rows have it already."""
    import numpy as np

    order = np.lexsort([*reversed(keys), run_ids])
    return None if bool((order[:-1] < order[1:]).all()) else order


def number_rows(frame: pd.DataFrame, numbers: pd.arrays.IntegerArray) -> None:
    """Add the numbers of the rows of `frame` as `WRITTEN`."""
    frame[WRITTEN] = numbers
    frame.attrs[WRITTEN] = True


def level_key(level: pd.Index[Any] | pd.arrays.IntegerArray) -> NDArray[np.int64]:
    """Return integers that sort like `level`, with missing values last."""
    import numpy as np
    import pandas as pd

    if isinstance(level, pd.DatetimeIndex):
        values = level.asi8
    else:
        values = level.to_numpy(dtype=np.int64, na_value=0)
    return np.where(level.isna(), np.iinfo(np.int64).max, values)
