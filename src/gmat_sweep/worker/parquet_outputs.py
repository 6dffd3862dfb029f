"""Parquet files from GMAT's output.

A file appears under its final name only when it is whole: `write_outputs` writes a temporary file,
fsyncs and renames it. It fsyncs the folder once, after the last file.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gmat_sweep.disk import files as durable
from gmat_sweep.folder.layout import output_file_name
from gmat_sweep.folder.run_files import content_facts

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    import gmat_run
    import pandas as pd
    import pyarrow as pa

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
    """

    outputs: dict[str, Path] = field(default_factory=dict)
    solvers: dict[str, Path] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)


def write_outputs(
    results: gmat_run.Results,
    folder: Path,
    log: logging.Logger,
    solvers: Mapping[str, pd.DataFrame] = MappingProxyType({}),
) -> WrittenOutputs:
    """Write every report, ephemeris and contact of `results`, and the solver tables, as Parquet.

    Reports and ephemerides get a ``time`` column, a copy of their first datetime column; contacts
    get an ``interval_id`` column that counts from 0.

    Parameters
    ----------
    results : gmat_run.Results
        The return value of one `Mission.run`.
    folder : Path
        Where to write ``<kind>__<name>.parquet``.
    log : logging.Logger
        The run's log, which gets a line for each column label that had to be renamed.
    solvers : mapping of str to pandas.DataFrame
        The iterations of each solver, as `gmat_sweep.worker.solver_tables` reads them.
    """
    written = WrittenOutputs()
    folders: set[Path] = set()

    def write(frame: pd.DataFrame, kind: str, name: str) -> Path:
        path = folder / output_file_name(f"{kind}__{name}")
        content = _as_parquet(_with_unique_labels(frame, kind, name, log))
        durable.write_file(path, content, later=folders)
        written.files[str(path)] = content_facts(content)
        return path

    for kind, tables in (("report", results.reports), ("ephemeris", results.ephemerides)):
        for name in tables:
            written.outputs[f"{kind}__{name}"] = write(_with_time(tables[name]), kind, name)
    for name in results.contacts:
        frame = results.contacts[name].reset_index(drop=True)
        frame["interval_id"] = range(len(frame))
        written.outputs[f"contact__{name}"] = write(frame, "contact", name)
    for name, table in solvers.items():
        written.solvers[name] = write(table, "solver", name)
    durable.fsync_folders(folders)
    return written


def _with_time(frame: pd.DataFrame) -> pd.DataFrame:
    if "time" in frame.columns:
        return frame
    for position, dtype in enumerate(frame.dtypes):
        if dtype.kind == "M":
            copy = frame.copy(deep=False)
            copy["time"] = frame.iloc[:, position].array
            return copy
    return frame


def _as_parquet(frame: pd.DataFrame) -> pa.Buffer:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(frame), sink)
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
