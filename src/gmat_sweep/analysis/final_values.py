"""The last numbers of each run's reports."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

from gmat_sweep.aggregate.entries import anchors_of
from gmat_sweep.aggregate.fragments import Fragment, read_fragment
from gmat_sweep.aggregate.reports import RESERVED
from gmat_sweep.analysis.recorded import RecordedSweep, SweepSource, latest_entries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = ["UNREADABLE", "final_values", "last_numbers", "report_tables"]

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
    import numpy as np
    import pandas as pd

    sweep = RecordedSweep.outline(source)
    anchors = anchors_of(sweep.manifest, sweep.folder)
    run_ids = array("q")
    columns: dict[tuple[str, str], array[float]] = {}
    places: dict[tuple[str, str], tuple[int, int]] = {}
    unreadable: dict[int, str] = {}
    for entry in latest_entries(source):
        if entry.status != "ok":
            continue
        position = len(run_ids)
        run_ids.append(entry.run_id)
        for number, (column, value) in enumerate(
            _ends_of(entry, anchors, unreadable, epochs=epochs)
        ):
            places[column] = min(places.get(column, (entry.run_id, number)), (entry.run_id, number))
            values = columns.setdefault(column, array("d"))
            values.extend([math.nan] * (position - len(values)))
            values.append(value)
    for values in columns.values():
        values.extend([math.nan] * (len(run_ids) - len(values)))
    # In the order of the mission, whichever run ended first; columns of one report stay together.
    found = sorted(columns, key=places.__getitem__)
    reports = list(dict.fromkeys(report for report, _ in found))
    ordered = sorted(found, key=lambda column: reports.index(column[0]))
    by_run = np.argsort(np.asarray(run_ids, dtype=np.int64), kind="stable")
    values_by_run = [np.asarray(columns[column])[by_run] for column in ordered]
    frame = pd.DataFrame(
        np.column_stack(values_by_run or [np.empty((len(run_ids), 0))]),
        index=pd.Index(np.asarray(run_ids, dtype=np.int64)[by_run], name="run_id"),
        columns=pd.MultiIndex.from_arrays(
            [[report for report, _ in ordered], [name for _, name in ordered]],
            names=["report", "quantity"],
        ),
    )
    frame.attrs[UNREADABLE] = dict(sorted(unreadable.items()))
    return frame


def _ends_of(
    entry: ManifestEntry, anchors: tuple[Path, ...], unreadable: dict[int, str], *, epochs: bool
) -> Iterator[tuple[tuple[str, str], float]]:
    """Yield report, quantity and last value of each number in a run's reports."""
    for report, table in report_tables(entry, anchors, unreadable):
        for name, value in last_numbers(table, epochs=epochs):
            yield (report, name), value


def report_tables(
    entry: ManifestEntry, anchors: tuple[Path, ...], unreadable: dict[int, str]
) -> Iterator[tuple[str, pa.Table]]:
    """Yield the reports of a run, with their names; put into `unreadable` why one is none."""
    for key, path in entry.output_paths.items():
        if not key.startswith(_REPORT):
            continue
        fragment = Fragment(entry.run_id, "report output", key, path)
        try:
            table = read_fragment(fragment, anchors, spool=False, reserved=RESERVED)
        except (OSError, ValueError) as error:
            unreadable[entry.run_id] = str(error)
            continue
        yield key.removeprefix(_REPORT), table


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
