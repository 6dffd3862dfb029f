"""Attempts at a run are kept apart: files of one are never taken for the next one's.

The task run calls `make_way` before it hands a run to a worker. Files that lay in the run folder
before the first attempt are the user's and stay. `make_way` moves the files of an attempt (GMAT's
own, Parquet files, the hook's) to ``.attempt-<number>`` in that folder before the next attempt, and
keeps only the latest such folder. It deletes unfinished temporary files. All attempts share one
log. It leaves ``.order-*.json`` alone: the pool deletes each one once its reply is recorded.

The task run does not call `make_way` for a folder that holds more than one run, or the sweep
itself: see `shared_folders`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.disk.files import TEMPORARY_FILE, write_file
from gmat_sweep.folder.layout import (
    ATTEMPT_FOLDER,
    ORDER_MARK,
    PRESENT_BEFORE_NAME,
    WORKER_LOG_NAME,
    attempt_folder_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gmat_sweep.spec import RunSpec

__all__ = ["make_way", "shared_folders"]


def shared_folders(runs: Iterable[RunSpec], *others: Path) -> frozenset[str]:
    """Return the folders of runs that do not belong to a single run.

    Parameters
    ----------
    runs : iterable of RunSpec
        Every run of the sweep.
    *others : Path
        Folders with something else in them, such as the sweep's own.

    Returns
    -------
    frozenset of str
        Absolute paths: the folders of several runs, the parents of run folders, and `others` with
        their parents. They are few, though there may be very many runs.
    """
    # Text, not paths: a hundred thousand take a tenth of the time.
    runs_in = Counter(str(run.output_dir.absolute()) for run in runs)
    taken = {str(folder.absolute()) for folder in others}
    around = {os.path.dirname(folder) for folder in (*runs_in, *taken)}  # noqa: PTH120
    for folder in tuple(around):
        around.update(str(each) for each in Path(folder).parents)
    several = {folder for folder, count in runs_in.items() if count > 1}
    return frozenset(several | around | taken)


def make_way(spec: RunSpec) -> None:
    """Make the folder of a run ready for an attempt.

    Before the first attempt it notes the names in the folder. Before a later one that may replace
    outputs (``overwrite`` in its run options) it sets the files of earlier attempts aside.

    Raises
    ------
    OSError
        The folder cannot be read or changed.
    """
    folder = spec.output_dir
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    names = {name for name in present if not ORDER_MARK.fullmatch(name)}
    if WORKER_LOG_NAME not in names:
        # A worker opens its log first: without a log there was no attempt.
        if names and PRESENT_BEFORE_NAME not in names:
            write_file(folder / PRESENT_BEFORE_NAME, json.dumps(sorted(names)).encode())
        return
    if not spec.run_options.get("overwrite"):
        return
    temporary = {name for name in names if TEMPORARY_FILE.fullmatch(name)}
    for name in temporary:
        (folder / name).unlink()
    earlier = {int(found[1]): name for name in names if (found := ATTEMPT_FOLDER.fullmatch(name))}
    left = names - temporary - set(earlier.values()) - {WORKER_LOG_NAME, PRESENT_BEFORE_NAME}
    left -= _inputs(spec, names)
    if left:
        _set_aside(folder, left, earlier)


def _inputs(spec: RunSpec, names: set[str]) -> set[str]:
    """Return the names in a run's folder that no attempt has made."""
    folder = spec.output_dir
    inputs = set()
    if PRESENT_BEFORE_NAME in names:
        inputs |= set(json.loads((folder / PRESENT_BEFORE_NAME).read_bytes()))
    if spec.script_path.is_relative_to(folder):
        inputs.add(spec.script_path.relative_to(folder).parts[0])
    return inputs


def _set_aside(folder: Path, names: set[str], earlier: dict[int, str]) -> None:
    place = folder / attempt_folder_name(max(earlier, default=0) + 1)
    place.mkdir()
    for name in names:
        (folder / name).rename(place / name)
    for name in earlier.values():
        shutil.rmtree(folder / name)
