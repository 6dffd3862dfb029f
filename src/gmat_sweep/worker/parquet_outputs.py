"""Parquet files from GMAT's output.

A file appears under its final name only when it is whole: `write_outputs` writes a temporary file,
fsyncs and renames it. It fsyncs the folder once, after the last file.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gmat_sweep.disk import files as durable
from gmat_sweep.folder.layout import output_file_name
from gmat_sweep.folder.run_files import content_facts
from gmat_sweep.worker.report_tables import ReportTable, read_report
from gmat_sweep.worker.solver_arrow import SolverColumns

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Mapping

    import gmat_run
    import pandas as pd
    import pyarrow as pa

    from gmat_sweep.mission.report_layout import ReportLayout

__all__ = ["WrittenOutputs", "write_outputs"]


@dataclass(slots=True)
class WrittenOutputs:
    """The Parquet files of one run.

    Attributes
    ----------
    outputs : dict of str to Path
        By key: ``report__<name>``, ``ephemeris__<name>``, ``contact__<name>``.
    solvers : dict of str to Path
        By solver name.
    files : dict of str to dict
        ``size`` and ``sha256`` of each, by its path as text.
    notes : list of str
        One sentence for each output that is no table, or not the table that one may expect.
    """

    outputs: dict[str, Path] = field(default_factory=dict)
    solvers: dict[str, Path] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def write_outputs(
    results: gmat_run.Results,
    folder: Path,
    log: logging.Logger,
    layouts: Mapping[str, ReportLayout] | None = None,
    solvers: Mapping[str, SolverColumns | pd.DataFrame] = MappingProxyType({}),
    off: Callable[[], Collection[str]] = frozenset,
) -> WrittenOutputs:
    """Write every report, ephemeris and contact of `results`, and the solver tables, as Parquet.

    A report, ephemeris or contact output that is no table costs no other output: it is left as the
    file that GMAT wrote, and a note says so.

    Reports and ephemerides get a ``time`` column, a copy of their first datetime column; contacts
    get an ``interval_id`` column that counts from 0.

    Parameters
    ----------
    results : gmat_run.Results
        The return value of one `Mission.run`.
    folder : Path
        Where to write ``<kind>__<name>.parquet``.
    log : logging.Logger
        The run's log, which gets a line for each note, and for each column label that had to be
        renamed.
    layouts : mapping of str to ReportLayout, optional
        What the script declares of its reports. gmat-run's parser reads a report without a layout.
    solvers : mapping of str to SolverColumns or pandas.DataFrame
        The iterations of each solver, as `gmat_sweep.worker.solver_tables` reads them.
    off : callable
        Returns the ephemeris files and contact locators that the script keeps GMAT from writing.
    """
    written = WrittenOutputs()
    folders: set[Path] = set()

    def write(frame: pd.DataFrame, kind: str, name: str) -> Path:
        return write_table(_as_arrow(_with_unique_labels(frame, kind, name, log)), kind, name)

    def write_table(table: pa.Table, kind: str, name: str) -> Path:
        path = folder / output_file_name(f"{kind}__{name}")
        content = _as_parquet(table)
        durable.write_file(path, content, later=folders, within=folder.parent)
        written.files[path.name] = content_facts(content)
        return path

    for name in results.reports:
        report = _report(results, name, layouts or {}, written.notes)
        frame = report.frame
        if report.arrow is not None:
            written.notes += _arrow_scale_note(report.arrow, f"ReportFile {name}")
            written.outputs[f"report__{name}"] = write_table(report.arrow, "report", name)
        elif frame is not None:
            written.notes += _scale_note(frame, f"ReportFile {name}")
            written.outputs[f"report__{name}"] = write(_with_time(frame), "report", name)
    for name in results.ephemerides:
        path = results.ephemeris_paths.get(name)
        if _is_missing(path) and name in off():
            continue
        frame = _parsed(results.ephemerides, name, "EphemerisFile", path, written.notes)
        if frame is not None:
            written.notes += _scale_note(frame, f"EphemerisFile {name}")
            written.outputs[f"ephemeris__{name}"] = write(_with_time(frame), "ephemeris", name)
    for name in results.contacts:
        path = results.contact_paths.get(name)
        if _is_missing(path) and name in off():
            continue
        frame = _parsed(results.contacts, name, "ContactLocator", path, written.notes)
        if frame is not None:
            frame = frame.reset_index(drop=True)
            frame["interval_id"] = range(len(frame))
            written.outputs[f"contact__{name}"] = write(frame, "contact", name)
    for name, table in solvers.items():
        if isinstance(table, SolverColumns):
            written.solvers[name] = write_table(table.arrow(), "solver", name)
        else:
            written.solvers[name] = write(table, "solver", name)
    if results.reports and not (written.outputs or written.solvers or written.notes):
        written.notes.append("no output has anything to read, for WriteReport is off")
    for note in written.notes:
        log.warning("%s", note)
    durable.fsync_folders(folders)
    return written


def _is_missing(path: Path | None) -> bool:
    return path is not None and not path.exists()


def _report(
    results: gmat_run.Results, name: str, layouts: Mapping[str, ReportLayout], notes: list[str]
) -> ReportTable:
    path = results.report_paths.get(name)
    if path is None or name not in layouts:
        return ReportTable(_parsed(results.reports, name, "ReportFile", path, notes))
    try:
        table = read_report(path, layouts[name], for_parquet=True)
    except OSError as error:
        notes.append(f"ReportFile {name} cannot be read: {path.name}: {error.strerror}")
        return ReportTable(None)
    notes += table.notes
    return table


def _parsed(
    tables: Mapping[str, pd.DataFrame],
    name: str,
    resource: str,
    path: Path | None,
    notes: list[str],
) -> pd.DataFrame | None:
    """Return a table that gmat-run parses, None with a note if it cannot."""
    if path is not None and _is_missing(path):
        notes.append(f"{resource} {name} has no table: GMAT did not write {path.name}")
        return None
    try:
        return tables[name]
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a file that a parser fails on costs itself only
        file = "" if path is None else f", {path.name}"
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if isinstance(error.__cause__, UnicodeDecodeError):
            why = "it is a binary file"
        if path is not None:
            # Runs that have the same to say must say it alike.
            why = why.replace(str(path), path.name)
        notes.append(f"{resource} {name} is no table and is kept as GMAT wrote it{file}: {why}")
        return None


def _scale_note(frame: pd.DataFrame, resource: str) -> list[str]:
    """Say in which scale ``time`` is, where that is not UTC."""
    epochs = [name for name, dtype in frame.dtypes.items() if dtype.kind == "M"]
    if "time" in frame.columns or not epochs:
        return []
    scale = frame.attrs.get("epoch_scales", {}).get(epochs[0], "UTC")
    return _said_of_scale(resource, str(epochs[0]), scale)


def _arrow_scale_note(table: pa.Table, resource: str) -> list[str]:
    """Say the same of a table that has its ``time`` already."""
    attributes = json.loads(table.schema.metadata[b"pandas"])["attributes"]
    for first, scale in attributes.get("epoch_scales", {}).items():
        return _said_of_scale(resource, first, scale)
    return []


def _said_of_scale(resource: str, column: str, scale: str) -> list[str]:
    if scale == "UTC":
        return []
    # GMAT's name of the scale is that in its columns' names.
    named = "A.1" if scale == "A1" else scale
    return [f"{resource}: time is {column}, in the {named} scale and not in UTC"]


def _with_time(frame: pd.DataFrame) -> pd.DataFrame:
    """Add ``time``: the first epoch of each row, all in the scale of the first epoch column."""
    if "time" in frame.columns:
        return frame
    epochs = [position for position, dtype in enumerate(frame.dtypes) if dtype.kind == "M"]
    if not epochs:
        return frame
    scales = frame.attrs.get("epoch_scales", {})
    time = frame.iloc[:, epochs[0]]
    for position in epochs[1:]:
        if scales.get(frame.columns[position]) != scales.get(frame.columns[epochs[0]]):
            continue
        # The rows of another Report command may have another epoch.
        if not time.isna().any():
            break
        time = time.fillna(frame.iloc[:, position])
    copy = frame.copy(deep=False)
    copy["time"] = time.array
    return copy


def _as_arrow(frame: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pandas(frame)


def _as_parquet(table: pa.Table) -> pa.Buffer:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue()


def _with_unique_labels(
    frame: pd.DataFrame, kind: str, name: str, log: logging.Logger
) -> pd.DataFrame:
    if frame.columns.is_unique:
        return frame
    counts = Counter(map(str, frame.columns))
    repeated = sorted(label for label, count in counts.items() if count > 1)
    taken = set(counts)
    seen: set[str] = set()
    labels = []
    for label in map(str, frame.columns):
        unique = label
        if label in seen:
            numbered = (f"{label}.{number}" for number in itertools.count(1))
            unique = next(candidate for candidate in numbered if candidate not in taken)
        labels.append(unique)
        seen.add(label)
        taken.add(unique)
    log.warning("%s %s repeats the columns %s; repeats are numbered", kind, name, repeated)
    renamed = frame.copy(deep=False)
    renamed.columns = labels
    return renamed
