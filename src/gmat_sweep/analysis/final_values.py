"""The numbers that each run's reports end with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmat_sweep.aggregate.entries import anchors_of
from gmat_sweep.aggregate.fragments import Fragment, read_fragment
from gmat_sweep.aggregate.outputs import RESERVED
from gmat_sweep.analysis.recorded import RecordedSweep, SweepSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["UNREADABLE", "final_values"]

UNREADABLE = "unreadable"
"""Key in the result's ``attrs``: what is wrong with a run's file, by run id."""

_REPORT = "report__"


def final_values(source: SweepSource) -> pd.DataFrame:
    """Return what every report of a sweep ends with, run by run.

    Parameters
    ----------
    source : str, Path, Manifest or Sweep
        A sweep folder, its manifest, or a sweep that has run.

    Returns
    -------
    pandas.DataFrame
        One row per ``ok`` run, indexed by ``run_id`` in ascending order; float64. Columns are a
        MultiIndex (``report``, ``quantity``): each column of integers or floats of each report, in
        GMAT's units, in the order of the mission. A value is that of the last row that GMAT wrote,
        NaN where the run has none. ``attrs["unreadable"]`` says which runs' files could not be
        read, and why.

    Raises
    ------
    FileNotFoundError, ManifestCorruptError
        The manifest cannot be read.

    Notes
    -----
    The last row is the last one written, also where a mission propagates backwards or reports no
    epoch.
    """
    import numpy as np
    import pandas as pd

    sweep = RecordedSweep.of(source)
    anchors = anchors_of(sweep.manifest, sweep.folder)
    ok = [entry for entry in sweep.entries if entry.status == "ok"]
    columns: dict[tuple[str, str], NDArray[np.float64]] = {}
    unreadable: dict[int, str] = {}
    for position, entry in enumerate(ok):
        for key, path in entry.output_paths.items():
            if not key.startswith(_REPORT):
                continue
            report = key.removeprefix(_REPORT)
            fragment = Fragment(entry.run_id, "report output", key, path)
            try:
                table = read_fragment(fragment, anchors, spool=False, reserved=RESERVED)
            except (OSError, ValueError) as error:
                unreadable[entry.run_id] = str(error)
                continue
            for name, value in _last_numbers(table):
                if (report, name) not in columns:
                    columns[report, name] = np.full(len(ok), np.nan)
                columns[report, name][position] = value
    # The runs may have listed their reports in different orders; those of one report stay together.
    reports = list(dict.fromkeys(report for report, _ in columns))
    ordered = sorted(columns, key=lambda column: reports.index(column[0]))
    frame = pd.DataFrame(
        np.column_stack([columns[column] for column in ordered] or [np.empty((len(ok), 0))]),
        index=pd.Index([entry.run_id for entry in ok], name="run_id", dtype=np.int64),
        columns=pd.MultiIndex.from_arrays(
            [[report for report, _ in ordered], [name for _, name in ordered]],
            names=["report", "quantity"],
        ),
    )
    frame.attrs[UNREADABLE] = unreadable
    return frame


def _last_numbers(table: pa.Table) -> Iterator[tuple[str, float]]:
    """Yield the numeric columns of a table with their last value, NaN where it is missing."""
    import pyarrow as pa

    for field in table.schema:
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
            column = table.column(field.name)
            value = column[-1].as_py() if len(column) else None
            yield field.name, float("nan") if value is None else float(value)
