"""Several reports of a sweep side by side, on the time axis of the first.

Every run has at least one row: a run whose first report has no data, or whose reports share no
epoch, is one row with ``time`` NaT.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, overload

from gmat_sweep.aggregate.columns import (
    STATUS,
    check_engine,
    in_engine,
    interval_level,
    level_key,
    number_rows,
    pandas_columns,
    row_order,
    status_column,
    time_level,
)
from gmat_sweep.aggregate.entries import ManifestLike, latest_entries, tell_design
from gmat_sweep.aggregate.reports import RunRows, output_rows
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["lazy_fused_reports"]


@overload
def lazy_fused_reports(
    manifest: ManifestLike,
    output_dir: Path | str,
    names: Sequence[str],
    *,
    tolerance: str | timedelta | np.timedelta64,
    spool: bool = True,
    engine: Literal["pandas"] = "pandas",
) -> pd.DataFrame: ...
@overload
def lazy_fused_reports(
    manifest: ManifestLike,
    output_dir: Path | str,
    names: Sequence[str],
    *,
    tolerance: str | timedelta | np.timedelta64,
    spool: bool = True,
    engine: Literal["polars"],
) -> pl.DataFrame: ...
@overload
def lazy_fused_reports(
    manifest: ManifestLike,
    output_dir: Path | str,
    names: Sequence[str],
    *,
    tolerance: str | timedelta | np.timedelta64,
    spool: bool = True,
    engine: str,
) -> Any: ...
def lazy_fused_reports(
    manifest: ManifestLike,
    output_dir: Path | str,
    names: Sequence[str],
    *,
    tolerance: str | timedelta | np.timedelta64,
    spool: bool = True,
    engine: str = "pandas",
) -> Any:
    """Return several reports joined on time, run by run.

    Parameters
    ----------
    manifest : Manifest
        The sweep's manifest.
    output_dir : Path or str
        The sweep folder, the anchor of relative paths.
    names : sequence of str
        At least two different report names. The rows are those of the first, the anchor.
    tolerance : "exact", str, datetime.timedelta, pandas.Timedelta or numpy.timedelta64
        ``"exact"`` keeps the epochs that all reports of a run have. A duration, which may be
        written as for ``pandas.Timedelta`` (``"1s"``, ``"500ms"``), keeps every epoch of the
        anchor. To each it adds, from each other report, the last row at or before that epoch that
        is not older than `tolerance`; if there is none, that report's columns are missing.
    spool : bool
        As in `lazy_multiindex`.
    engine : {"pandas", "polars"}
        Library of the frame that is returned.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame
        Index ``(run_id, time)``. Columns are a MultiIndex (``report``, ``field``): the fields of
        each report and its ``__status``, then ``("__status", "")`` with the run's status. A
        report without data in a run leaves its fields missing there. In polars the columns are
        ``run_id``, ``time``, ``<report>.<field>``, ``<report>.__status`` and ``__status``.

    Raises
    ------
    SweepConfigError
        Fewer than two names, a repeated or unknown name, or a `tolerance` of another kind.
    ValueError
        As `lazy_multiindex`; or a report has no epoch in any run.
    FileNotFoundError, TypeError
        As `lazy_multiindex`.
    """
    import numpy as np
    import pandas as pd

    check_engine(engine)
    _check_names(names)
    within = _checked_tolerance(tolerance)
    reports = [output_rows(manifest, output_dir, "report", name, spool=spool) for name in names]
    for name, rows in zip(names, reports, strict=True):
        if not rows.has_time:
            raise ValueError(
                f"report {name} has no column 'time' in any run, on which reports are joined. "
                "Report an epoch such as <spacecraft>.UTCGregorian, or leave that report out."
            )
    times = [time_level(rows.level("time"), len(rows.run_ids)) for rows in reports]
    positions = [
        _positions(rows, time, number)
        for number, (rows, time) in enumerate(zip(reports, times, strict=True))
    ]
    matched = positions[0]
    for number, right in enumerate(positions[1:], start=1):
        matched = _joined(matched, right, number, within)
    status_of = {entry.run_id: entry.status for entry in latest_entries(manifest)}
    matched = _with_every_run(matched, list(status_of))
    order = row_order(matched["run_id"].to_numpy(), level_key(pd.DatetimeIndex(matched["time"])))
    if order is not None:
        matched = matched.take(order)

    statuses = np.array([status_of[run_id] for run_id in matched["run_id"]], dtype=object)
    columns: dict[str, pd.DataFrame] = {}
    for number, (name, rows) in enumerate(zip(names, reports, strict=True)):
        frame = _taken(rows, matched[number])
        # An epoch without a row within the tolerance has no status in this report. A run without
        # data in the report has the run's status there.
        beyond = (
            matched[number].isna()
            & matched["time"].notna()
            & matched["run_id"].isin(positions[number]["run_id"])
        )
        if row_order(rows.run_ids, level_key(times[number])) is not None:
            written = interval_level(rows.row_numbers())
            taken = matched[number].fillna(-1).to_numpy(dtype=np.int64)
            number_rows(frame, written.take(taken, allow_fill=True))
        frame[STATUS] = status_column(_blanked(statuses, beyond.to_numpy()))
        columns[name] = frame
    fused = pd.concat(columns, axis="columns", names=["report", "field"])
    fused[(STATUS, "")] = status_column(statuses)
    fused.index = pd.MultiIndex.from_arrays(
        [matched["run_id"].to_numpy(), pd.DatetimeIndex(matched["time"])],
        names=["run_id", "time"],
    )
    if engine != "pandas":
        fused.columns = [".".join(filter(None, labels)) for labels in fused.columns]
    return in_engine(tell_design(fused, manifest), engine)


def _blanked(statuses: NDArray[np.object_], where: NDArray[np.bool_]) -> NDArray[np.object_]:
    blanked = statuses.copy()
    blanked[where] = None
    return blanked


def _check_names(names: Sequence[str]) -> None:
    if isinstance(names, str) or len(names) < 2:
        raise SweepConfigError(
            f"fusing needs at least 2 report names, got {names!r}. "
            "Use lazy_multiindex for a single report."
        )
    if len(set(names)) < len(names):
        raise SweepConfigError(
            f"fusing needs unique report names, got {list(names)!r}. Name each report once."
        )


def _checked_tolerance(tolerance: object) -> pd.Timedelta | None:
    """Return the tolerance as a duration, None for ``"exact"``."""
    import numpy as np
    import pandas as pd

    if isinstance(tolerance, str) and tolerance == "exact":
        return None
    if isinstance(tolerance, str | timedelta | np.timedelta64):
        # pandas takes a number without a unit as nanoseconds: refuse it.
        unit = not isinstance(tolerance, str) or any(map(str.isalpha, tolerance))
        try:
            duration = pd.Timedelta(tolerance if unit else "NaT")
        except ValueError:
            duration = pd.Timedelta("NaT")
        if not pd.isna(duration) and duration >= pd.Timedelta(0):
            return duration
    raise SweepConfigError(
        f"tolerance={tolerance!r} is not supported. Pass 'exact' or a duration such as '1s'."
    )


def _positions(rows: RunRows, time: pd.DatetimeIndex, number: int) -> pd.DataFrame:
    """Return run, epoch and row position of the rows that can be joined."""
    import numpy as np
    import pandas as pd

    keys = pd.DataFrame(
        {"run_id": rows.run_ids, "time": time, number: np.arange(len(time), dtype=np.int64)}
    )
    return keys[rows.has_rows & keys["time"].notna()]


def _joined(
    left: pd.DataFrame, right: pd.DataFrame, number: int, within: pd.Timedelta | None
) -> pd.DataFrame:
    import pandas as pd

    if within is None:
        joined = left.merge(right, on=["run_id", "time"], how="left")
        unmatched = joined[number].isna() & joined["run_id"].isin(right["run_id"])
        return joined[~unmatched]
    return pd.merge_asof(
        left.sort_values("time", kind="stable"),
        right.sort_values("time", kind="stable"),
        on="time",
        by="run_id",
        tolerance=within,
    )


def _with_every_run(matched: pd.DataFrame, run_ids: list[int]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    present = set(matched["run_id"])
    absent = [run_id for run_id in run_ids if run_id not in present]
    lone = pd.DataFrame(
        {
            "run_id": np.array(absent, dtype=np.int64),
            "time": pd.DatetimeIndex([pd.NaT] * len(absent), dtype="datetime64[ns]"),
        }
    )
    if matched.empty:
        return lone.reindex(columns=matched.columns)
    return pd.concat([matched, lone], ignore_index=True) if absent else matched


def _taken(rows: RunRows, positions: pd.Series[float]) -> pd.DataFrame:
    """Return the data at `positions`, with missing values if a position is missing."""
    import numpy as np
    import pyarrow as pa

    data = rows.data
    if "time" in data.column_names:
        data = data.drop_columns(["time"])
    if data.column_names:
        missing = positions.isna().to_numpy()
        whole = positions.fillna(0).to_numpy(dtype=np.int64)
        data = data.combine_chunks().take(pa.array(whole, mask=missing))
    return pandas_columns(data, len(positions))
