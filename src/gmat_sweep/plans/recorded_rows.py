"""Give the runs of a table their ids and values back from the manifest's entries.

A manifest of gmat-sweep 0.6 has the rows of a sweep over explicit runs but not their ids, and the
numbers of a column may have lost their type. The entries have both.
"""

from __future__ import annotations

import json
import warnings
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.folder.layout import run_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gmat_sweep.manifest.entry import ManifestEntry
    from gmat_sweep.spec import RunSpec

__all__ = ["as_recorded", "is_missing"]


def as_recorded(
    runs: Sequence[RunSpec], entries: Sequence[ManifestEntry], folder: Path
) -> list[RunSpec]:
    """Return the runs with the ids and the values that their entries record.

    If an entry fits none of the runs, the rows describe something else, and the runs are returned
    as they are.

    Parameters
    ----------
    runs : sequence of RunSpec
        One per row, with the number of the row as id and without the cells that are not set.
    entries : sequence of ManifestEntry
        One per run that ended.
    folder : Path
        The sweep folder.

    Notes
    -----
    The id of a run without an entry is lost. Such a run gets the number of its row, or, if that id
    is taken, the lowest one above all others. If the recorded ids are not the numbers of the rows,
    a RuntimeWarning names the runs without an entry.
    """
    matched = _rows_of(entries, runs)
    if matched is None:
        return list(runs)
    by_row = {row: entry for entry, row in zip(entries, matched, strict=True)}
    taken = {entry.run_id for entry in entries}
    own_ids = any(entry.run_id != row for row, entry in by_row.items())
    highest = max([len(runs) - 1, *taken])
    recorded, unknown = [], []
    for row, run in enumerate(runs):
        entry = by_row.get(row)
        run_id = row if entry is None else entry.run_id
        if entry is None and row in taken:
            highest += 1
            run_id = highest
        if entry is None:
            taken.add(run_id)
            unknown.append(run_id)
        values = run.overrides if entry is None else entry.overrides
        recorded.append(
            replace(
                run,
                run_id=run_id,
                output_dir=run_folder(folder, run_id),
                overrides={name: values[name] for name in run.overrides},
            )
        )
    if own_ids and unknown:
        warnings.warn(
            f"The manifest does not record the ids of runs that have no entry. Here they are runs "
            f"{', '.join(map(str, unknown))}; compare their overrides to tell which is which.",
            RuntimeWarning,
            skip_file_prefixes=(str(Path(__file__).parents[1]),),
        )
    return recorded


def is_missing(cell: object) -> bool:
    """Whether a cell of a table is empty."""
    # Only NaN differs from itself.
    return cell is None or cell != cell


def _rows_of(entries: Sequence[ManifestEntry], runs: Sequence[RunSpec]) -> list[int] | None:
    """Return the row of each entry, a different one for each; None if some entry has none."""
    found: dict[int, int] = {}
    for entry in entries:
        row = entry.run_id
        # Compare as numbers: a column of the table may have made floats of integers.
        if 0 <= row < len(runs) and _set(entry.overrides) == runs[row].overrides:
            found[row] = row
    free = defaultdict(list)
    for row in reversed(range(len(runs))):
        if row not in found:
            free[_text(runs[row].overrides)].append(row)
    for entry in entries:
        if entry.run_id in found:
            continue
        rows = free[_text(_set(entry.overrides))]
        if not rows:
            return None
        found[entry.run_id] = rows.pop()
    return [found[entry.run_id] for entry in entries]


def _set(overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in overrides.items() if not is_missing(value)}


def _text(overrides: Mapping[str, Any]) -> str:
    return json.dumps(overrides, sort_keys=True)
