"""What GMAT had written of a report when a run failed.

A failed run has no Parquet files. Its folder has the reports as GMAT left them, the last line
perhaps torn.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.disk.held import read_plain
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import run_folder
from gmat_sweep.worker.report_tables import layouts_of, read_report

if TYPE_CHECKING:
    import pandas as pd

    from gmat_sweep.manifest.entry import ManifestEntry
    from gmat_sweep.mission.editing import EditableScript

__all__ = ["rows_so_far"]

_MOST_BYTES = 256 * 2**20


def rows_so_far(
    name: str, entry: ManifestEntry, script: EditableScript, anchors: Sequence[Path]
) -> pd.DataFrame | None:
    """Return the rows of a failed run's report, None if it left none that can be read.

    Parameters
    ----------
    name : str
        The ReportFile.
    entry : ManifestEntry
        The run.
    script : EditableScript
        The mission.
    anchors : sequence of Path
        The folders in which the sweep's files may be, in the order to look.
    """
    layout = layouts_of(script, entry.overrides).get(name)
    place = script.edited(entry.overrides).places.get(f"{name}.Filename")
    if layout is None or place is None:
        return None
    for anchor in anchors:
        path = run_folder(anchor, entry.run_id) / place.place
        try:
            if path.stat().st_size > _MOST_BYTES:
                return None
            content = read_plain(path)
        except (OSError, SweepConfigError):
            continue
        # GMAT writes a buffer at a time: the last line is whole only if it has its end.
        whole, newline, _ = content.rpartition(b"\n")
        with tempfile.TemporaryDirectory(prefix="gmat-sweep-") as folder:
            copy = Path(folder) / path.name
            copy.write_bytes(whole + newline)
            return read_report(copy, layout).frame
    return None
