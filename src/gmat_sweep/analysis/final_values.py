"""The last numbers of each run's reports."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Any

from gmat_sweep.aggregate.fragments import Fragment, last_row, read_fragment
from gmat_sweep.aggregate.reports import RESERVED
from gmat_sweep.analysis.recorded import SweepSource, folders_of, latest_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = [
    "UNREADABLE",
    "FinalValues",
    "final_values",
    "last_numbers",
    "last_rows",
    "report_tables",
]

UNREADABLE = "unreadable"
"""Key in the result's ``attrs``: why a run's file could not be read, by run id."""

_REPORT = "report__"
# 2000-01-01 12:00, in nanoseconds of the type that epochs have in a file.
_J2000_NS = 946_728_000_000_000_000
# The worker's copy of a report's first epoch.
_TIME = "time"


def final_values(source: SweepSource, *, epochs: bool = False) -> pd.DataFrame:
    """Return the last numbers of every report of a sweep, run by run.

    Parameters
    ----------
    source : str, Path, Manifest or Sweep
        A sweep folder, its manifest, or a sweep that has run.
    epochs : bool
        Whether Gregorian epochs are among them, in seconds since 2000-01-01 12:00 of their own time
        scale.

    Returns
    -------
    pandas.DataFrame
        One row per ``ok`` run, indexed by ``run_id`` in ascending order; float64. Columns are a
        MultiIndex (``report``, ``quantity``): each column of integers or floats of each report, in
        GMAT's units, in the order of the mission. A value is that of the last row that GMAT wrote,
        NaN if the run has none. ``attrs["unreadable"]`` says which runs' files could not be read,
        and why.

    Raises
    ------
    FileNotFoundError, ManifestCorruptError
        The manifest cannot be read.

    Notes
    -----
    The last row is the last one written, even if a mission propagates backwards or reports no
    epoch.
    """
    # The entries come in a stream: the outlines of very many take as much as all else here.
    anchors = folders_of(source)
    found = FinalValues(epochs=epochs)
    unreadable: dict[int, str] = {}
    for entry in latest_entries(source):
        if entry.status == "ok":
            found.add(entry.run_id, report_tables(entry, anchors, unreadable))
    return found.frame(unreadable)


class FinalValues:
    """The last numbers of reports, gathered run by run.

    Parameters
    ----------
    epochs : bool
        As for `final_values`.
    """

    def __init__(self, *, epochs: bool = False) -> None:
        self._epochs = epochs
        self._run_ids = array("q")
        self._columns: dict[tuple[str, str], array[float]] = {}
        self._places: dict[tuple[str, str], tuple[int, int]] = {}

    def add(self, run_id: int, reports: Iterable[tuple[str, pa.Table]]) -> None:
        """Take the reports of a run that is ``ok``, with their names."""
        position = len(self._run_ids)
        self._run_ids.append(run_id)
        ends = (
            ((report, name), value)
            for report, table in reports
            for name, value in last_numbers(table, epochs=self._epochs)
        )
        for number, (column, value) in enumerate(ends):
            place = run_id, number
            self._places[column] = min(self._places.get(column, place), place)
            values = self._columns.setdefault(column, array("d"))
            values.extend([math.nan] * (position - len(values)))
            values.append(value)

    def frame(self, unreadable: Mapping[int, str]) -> pd.DataFrame:
        """Return the numbers as `final_values` does; `unreadable` says which files were not."""
        import numpy as np
        import pandas as pd

        count = len(self._run_ids)
        for values in self._columns.values():
            values.extend([math.nan] * (count - len(values)))
        # In the order of the mission, whichever run ended first; columns of one report stay
        # together.
        found = sorted(self._columns, key=self._places.__getitem__)
        reports = list(dict.fromkeys(report for report, _ in found))
        ordered = sorted(found, key=lambda column: reports.index(column[0]))
        run_ids = np.asarray(self._run_ids, dtype=np.int64)
        by_run = np.argsort(run_ids, kind="stable")
        values_by_run = [np.asarray(self._columns[column])[by_run] for column in ordered]
        frame = pd.DataFrame(
            np.column_stack(values_by_run or [np.empty((count, 0))]),
            index=pd.Index(run_ids[by_run], name="run_id"),
            columns=pd.MultiIndex.from_arrays(
                [[report for report, _ in ordered], [name for _, name in ordered]],
                names=["report", "quantity"],
            ),
        )
        frame.attrs[UNREADABLE] = dict(sorted(unreadable.items()))
        return frame


def report_tables(
    entry: ManifestEntry, anchors: tuple[Path, ...], unreadable: dict[int, str]
) -> Iterator[tuple[str, pa.Table]]:
    """Yield the reports of a run, with their names; put into `unreadable` why one is none."""

    def read(fragment: Fragment) -> pa.Table:
        return read_fragment(fragment, anchors, spool=False, reserved=RESERVED)

    yield from _each_report(entry, unreadable, read)


def last_rows(
    entry: ManifestEntry, anchors: tuple[Path, ...], unreadable: dict[int, str]
) -> Iterator[tuple[str, tuple[Sequence[str], Sequence[Any]]]]:
    """Yield the columns and last values of a run's reports, as `report_tables` does the whole."""
    yield from _each_report(entry, unreadable, lambda each: last_row(each, anchors, RESERVED))


def _each_report[T](
    entry: ManifestEntry, unreadable: dict[int, str], read: Callable[[Fragment], T]
) -> Iterator[tuple[str, T]]:
    for key, path in entry.output_paths.items():
        if not key.startswith(_REPORT):
            continue
        try:
            found = read(Fragment(entry.run_id, "report output", key, path, entry))
        except (OSError, ValueError) as error:
            unreadable[entry.run_id] = str(error)
            continue
        yield key.removeprefix(_REPORT), found


def last_numbers(table: pa.Table, *, epochs: bool = False) -> Iterator[tuple[str, float]]:
    """Yield the numeric columns of a table with their last value, NaN if it is missing."""
    import pyarrow as pa

    for field in table.schema:
        if epochs and pa.types.is_timestamp(field.type) and field.name != _TIME:
            yield field.name, _last_epoch(table.column(field.name))
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
            column = table.column(field.name)
            value = column[-1].as_py() if len(column) else None
            yield field.name, float("nan") if value is None else float(value)


def _last_epoch(column: pa.ChunkedArray) -> float:
    import pyarrow as pa

    value = column.cast(pa.timestamp("ns"))[-1].value if len(column) else None
    return math.nan if value is None else (value - _J2000_NS) / 1e9
