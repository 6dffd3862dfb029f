"""Frames of GMAT's reports, ephemerides and contacts.

Each public function returns one row per row of every run's file, sorted by run and by time or
interval, and one marker row for each run without rows. ``__status`` is the last column. A frame
whose rows GMAT wrote in another order has ``__row``, which carries that order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from gmat_sweep.aggregate.columns import (
    LAZY_ENGINES,
    STATUS,
    WRITTEN,
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
from gmat_sweep.aggregate.datasets import lazily
from gmat_sweep.aggregate.entries import (
    EntryLike,
    ManifestLike,
    anchors_of,
    latest_entries,
    notes_of,
    tell_design,
)
from gmat_sweep.aggregate.fragments import Fragment, read_fragments
from gmat_sweep.aggregate.stacking import Piece, stack
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = [
    "RESERVED",
    "RunRows",
    "flown_report",
    "frame_of",
    "lazy_contacts",
    "lazy_ephemerides",
    "lazy_multiindex",
    "output_rows",
    "rows_of",
]

RESERVED = frozenset({"run_id", STATUS, WRITTEN})


@overload
def lazy_multiindex(
    manifest: ManifestLike,
    output_dir: Path | str,
    *,
    name: str | None = None,
    spool: bool = True,
    engine: Literal["pandas"] = "pandas",
) -> pd.DataFrame: ...
@overload
def lazy_multiindex(
    manifest: ManifestLike,
    output_dir: Path | str,
    *,
    name: str | None = None,
    spool: bool = True,
    engine: Literal["polars"],
) -> pl.DataFrame: ...
@overload
def lazy_multiindex(
    manifest: ManifestLike,
    output_dir: Path | str,
    *,
    name: str | None = None,
    spool: bool = True,
    engine: str,
) -> Any: ...
def lazy_multiindex(
    manifest: ManifestLike,
    output_dir: Path | str,
    *,
    name: str | None = None,
    spool: bool = True,
    engine: str = "pandas",
) -> Any:
    """Return the ``(run_id, time)`` frame of a report over all runs.

    A report without an epoch has the number of the row in its run as second level, ``row``.

    Parameters
    ----------
    manifest : Manifest
        The sweep's manifest. Its entries name the runs and their files.
    output_dir : Path or str
        The sweep folder, the anchor of relative paths. A file that is not at its recorded path is
        looked for in ``<output_dir>/run-<id>/``.
    name : str, optional
        Name of the GMAT ReportFile. May be left out if the sweep has one report only.
    spool : bool
        Decode each file one record batch at a time (True) or as a whole (False). The frame is
        the same.
    engine : {"pandas", "polars", "polars-lazy", "dataset"}
        Frame library. In polars (experimental) ``run_id`` and ``time`` are the leading columns
        and every missing value is null. ``"polars-lazy"`` is a `polars.LazyFrame` and ``"dataset"``
        a `pyarrow.dataset.Dataset` of the rows that there are, which are read when they are wanted:
        the column ``run_id`` and those of the files, without marker rows, in no promised order.

    Returns
    -------
    pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.dataset.Dataset
        Index ``run_id`` (int64) and ``time`` (datetime64[ns], UTC or the report's own scale). If
        the report has rows but no epoch in any run, ``row`` (Int64) stands in the place of
        ``time``: it counts the rows of each run from 0, in the order of GMAT's file. (It is called
        ``row_number`` if the report has a column ``row``.)
        Columns as GMAT names them, in GMAT's units, and ``__status`` (``"ok"``, ``"failed"``,
        ``"skipped"``). A run without rows is one row with ``time`` NaT (``row`` NA) and missing
        data. Rows of a Report command that reports no epoch have ``time`` NaT too, and come last.
        If GMAT wrote the rows of a run in another order than that of time, as it does where a
        mission propagates backwards, there is ``__row`` (Int64) before ``__status``: it counts the
        rows of each run from 0, in the order of GMAT's file.
        In pandas ``attrs["sweep_design"]`` names the design, such as ``monte_carlo``.

    Raises
    ------
    SweepConfigError
        `engine` is unknown; `name` is needed or names no report of the sweep; a column has types
        without a common one.
    ValueError
        An ``ok`` entry lists no file of any kind, or a file cannot be read.
    FileNotFoundError
        A file is missing; the message names the run and the report.
    TypeError
        ``time`` has a time zone.
    """
    return _frame(manifest, output_dir, "report", "time", name, spool=spool, engine=engine)


@overload
def lazy_ephemerides(
    manifest: ManifestLike,
    output_dir: Path | str,
    *,
    name: str | None = None,
    spool: bool = True,
    engine: Literal["pandas"] = "pandas",
) -> pd.DataFrame: ...
@overload
def lazy_ephemerides(
    manifest: ManifestLike,
    output_dir: Path | str,
    *,
    name: str | None = None,
    spool: bool = True,
    engine: Literal["polars"],
) -> pl.DataFrame: ...
@overload
def lazy_ephemerides(
    manifest: ManifestLike,
    output_dir: Path | str,
    *,
    name: str | None = None,
    spool: bool = True,
    engine: str,
) -> Any: ...
def lazy_ephemerides(
    manifest: ManifestLike,
    output_dir: Path | str,
    *,
    name: str | None = None,
    spool: bool = True,
    engine: str = "pandas",
) -> Any:
    """Return the ``(run_id, time)`` frame of an ephemeris over all runs.

    Parameters, result and errors are those of `lazy_multiindex`, with `name` the GMAT
    EphemerisFile. ``time`` is the epoch of each state; positions and velocities are in the
    ephemeris file's frame and units (km, km/s).
    """
    return _frame(manifest, output_dir, "ephemeris", "time", name, spool=spool, engine=engine)


@overload
def lazy_contacts(
    manifest: ManifestLike,
    output_dir: Path | str,
    *,
    name: str | None = None,
    engine: Literal["pandas"] = "pandas",
) -> pd.DataFrame: ...
@overload
def lazy_contacts(
    manifest: ManifestLike,
    output_dir: Path | str,
    *,
    name: str | None = None,
    engine: Literal["polars"],
) -> pl.DataFrame: ...
@overload
def lazy_contacts(
    manifest: ManifestLike, output_dir: Path | str, *, name: str | None = None, engine: str
) -> Any: ...
def lazy_contacts(
    manifest: ManifestLike,
    output_dir: Path | str,
    *,
    name: str | None = None,
    engine: str = "pandas",
) -> Any:
    """Return the ``(run_id, interval_id)`` frame of a contact locator over all runs.

    Parameters, result and errors are those of `lazy_multiindex`, with `name` the GMAT
    ContactLocator. ``interval_id`` counts the intervals of a run from 0, as nullable Int64; it is
    NA for a run without intervals.
    """
    return _frame(manifest, output_dir, "contact", "interval_id", name, spool=True, engine=engine)


def flown_report(
    manifest: ManifestLike, output_dir: Path | str, name: str | None, *, engine: str
) -> tuple[Any, bool]:
    """Return the frame of a report after its sweep, and whether any run has a table of it.

    As `lazy_multiindex`, but a report that is no table in any run gives marker rows only: the runs
    are flown, and the caller has checked `name` before.
    """
    frame = _frame(
        manifest,
        output_dir,
        "report",
        "time",
        name,
        spool=True,
        engine=engine,
        must_be_there=False,
    )
    prefix = "report__" if name is None else f"report__{name}"
    found = any(
        key == prefix or (name is None and key.startswith(prefix))
        for entry in latest_entries(manifest)
        for key in entry.output_paths
    )
    return frame, found


@dataclass(frozen=True, slots=True)
class RunRows:
    """The rows of one output over all runs, before they are sorted.

    Attributes
    ----------
    run_ids : ndarray of int64
        Run of each row.
    statuses : ndarray of object
        Status of each row's run.
    has_rows : ndarray of bool
        False on the marker row of a run without rows.
    data : pyarrow.Table
        The columns of the files.
    """

    run_ids: NDArray[np.int64]
    statuses: NDArray[np.object_]
    has_rows: NDArray[np.bool_]
    data: pa.Table

    @property
    def has_time(self) -> bool:
        """Whether ``time`` can be an index level: it is there, and no number, or no row is."""
        import pyarrow as pa

        if not self.has_rows.any():
            return True
        if "time" not in self.data.column_names:
            return False
        kind = self.data.schema.field("time").type
        return not (pa.types.is_integer(kind) or pa.types.is_floating(kind))

    @property
    def row_level(self) -> str:
        """Name of the level that counts rows, which no column of the files has."""
        return "row_number" if "row" in self.data.column_names else "row"

    def row_numbers(self) -> pa.ChunkedArray:
        """Return the position of each row in its run from 0, null for a marker row."""
        import numpy as np
        import pyarrow as pa

        positions = np.arange(len(self.run_ids), dtype=np.int64)
        # The rows of a run are next to each other.
        is_first = np.ones(len(positions), dtype=np.bool_)
        is_first[1:] = self.run_ids[1:] != self.run_ids[:-1]
        numbers = positions - np.maximum.accumulate(np.where(is_first, positions, 0))
        return pa.chunked_array([pa.array(numbers, mask=~self.has_rows)])

    def level(self, name: str) -> pa.ChunkedArray:
        """Return column `name`, or nulls if there is none."""
        import pyarrow as pa

        if name in self.data.column_names:
            return self.data.column(name)
        return pa.chunked_array([pa.nulls(len(self.run_ids))])


def output_rows(
    manifest: ManifestLike,
    output_dir: Path | str,
    kind: str,
    name: str | None,
    *,
    spool: bool,
    must_be_there: bool = True,
) -> RunRows:
    """Return the rows of the output `name` of a `kind`.

    Raises as `lazy_multiindex` does; not if `must_be_there` is false and no run has the output.
    """
    entries, fragments = _output_files(manifest, kind, name, must_be_there=must_be_there)
    return rows_of(entries, fragments, anchors_of(manifest, output_dir), spool=spool)


def _output_files(
    manifest: ManifestLike, kind: str, name: str | None, *, must_be_there: bool = True
) -> tuple[list[EntryLike], list[Fragment | None]]:
    """Return the runs, and the file of each with that output."""
    entries = latest_entries(manifest)
    for entry in entries if must_be_there else ():
        if entry.status == "ok" and not (
            entry.output_paths or entry.solver_paths or entry.extra_outputs or notes_of(entry)
        ):
            raise ValueError(
                f"run {entry.run_id} is ok but has no output_paths, nor any other file. Add a "
                "ReportFile or another output to the mission and run the sweep again."
            )
    chosen = name
    if must_be_there or name is None:
        chosen = _chosen_name(entries, kind, name)
    if must_be_there and chosen is None and (said := _said(entries)):
        raise ValueError(f"no run has a table of its {kind}.{said}")
    key = f"{kind}__{chosen}"
    return entries, [
        Fragment(entry.run_id, f"{kind} output", key, Path(entry.output_paths[key]), entry)
        if entry.status == "ok" and key in entry.output_paths
        else None
        for entry in entries
    ]


def rows_of(
    entries: Sequence[EntryLike],
    fragments: Sequence[Fragment | None],
    anchors: Sequence[Path],
    *,
    spool: bool,
) -> RunRows:
    """Read and stack one file per entry; None stands for a run without one."""
    import numpy as np

    tables = read_fragments(fragments, anchors, spool=spool, reserved=RESERVED)
    stacked = stack(
        [Piece(entry.run_id, table) for entry, table in zip(entries, tables, strict=True)]
    )

    return RunRows(
        run_ids=np.repeat(
            np.array([entry.run_id for entry in entries], dtype=np.int64), stacked.counts
        ),
        statuses=np.repeat(
            np.array([entry.status for entry in entries], dtype=object), stacked.counts
        ),
        has_rows=np.repeat(stacked.has_rows, stacked.counts),
        data=stacked.table,
    )


def frame_of(rows: RunRows, level: str | None) -> pd.DataFrame:
    """Return `rows` sorted and indexed by ``run_id`` and `level`, or by ``run_id`` alone."""
    import pandas as pd

    data = rows.data
    if level is None:
        index: pd.Index[Any] = pd.Index(rows.run_ids, name="run_id")
        order = None
    else:
        second: pd.DatetimeIndex | pd.arrays.IntegerArray
        if level == "time":
            second = time_level(rows.level(level), len(rows.run_ids))
        elif level == rows.row_level:
            second = interval_level(rows.row_numbers())
        else:
            second = interval_level(rows.level(level))
        order = row_order(rows.run_ids, level_key(second))
        index = pd.MultiIndex.from_arrays([rows.run_ids, second], names=["run_id", level])
        if level in data.column_names:
            data = data.drop_columns([level])
    frame = pandas_columns(data, len(rows.run_ids))
    if order is not None:
        number_rows(frame, interval_level(rows.row_numbers()))
    frame[STATUS] = status_column(rows.statuses)
    frame.index = index
    return frame if order is None else frame.take(order)


def _frame(
    manifest: ManifestLike,
    output_dir: Path | str,
    kind: str,
    level: str,
    name: str | None,
    *,
    spool: bool,
    engine: str,
    must_be_there: bool = True,
) -> Any:
    check_engine(engine, LAZY_ENGINES)
    if engine in LAZY_ENGINES:
        _, fragments = _output_files(manifest, kind, name)
        return lazily(engine, fragments, anchors_of(manifest, output_dir))
    rows = output_rows(manifest, output_dir, kind, name, spool=spool, must_be_there=must_be_there)
    if level == "time":
        level = level if rows.has_time else rows.row_level
    elif rows.has_rows.any() and level not in rows.data.column_names:
        raise ValueError(
            f"{kind} {name or 'output'} has no column {level!r} in any run, which the index needs. "
            "Write that column."
        )
    return in_engine(tell_design(frame_of(rows, level), manifest), engine)


def _chosen_name(entries: Sequence[EntryLike], kind: str, name: str | None) -> str | None:
    """Return the output to read: `name`, or the only one; None if the sweep has none."""
    ok = [entry for entry in entries if entry.status == "ok"]
    prefix = f"{kind}__"
    names = sorted(
        {
            key.removeprefix(prefix)
            for entry in ok
            for key in entry.output_paths
            if key.startswith(prefix)
        }
    )
    if name is None:
        if len(names) > 1:
            raise SweepConfigError(
                f"the sweep has {len(names)} {kind} outputs: {', '.join(names)}. "
                "Choose one with name=."
            )
        return names[0] if names else None
    if ok and not names:
        raise SweepConfigError(
            f"no run left a table of a {kind}, neither of {name!r} nor of another. The files that "
            f"GMAT wrote are in the run folders.{_said(entries, name)}"
        )
    if ok and name not in names:
        raise SweepConfigError(
            f"no {kind} output named {name!r}; there are: {', '.join(names)}. "
            f"Choose one of these with name=.{_said(entries, name)}"
        )
    return name


def _said(entries: Sequence[EntryLike], name: str = "") -> str:
    """Return what the first run has to say that says something of an output; empty if none has."""
    for entry in entries:
        for note in notes_of(entry):
            if f" {name}" in note:
                return f" Run {entry.run_id}: {note}."
    return ""
