"""Attempts at a run are kept apart: what one left is never taken for the next one's.

`make_way` is called before a run is handed to a worker. What lay in the run's folder before the
first attempt is the user's and stays. What an attempt left there - GMAT's own files, Parquet files,
what a hook wrote - is moved to ``.attempt-<number>`` in that folder before the next attempt begins;
only the latest is kept. Unfinished temporary files are deleted. The log is one for all attempts.
The marks of orders belong to the pool, which takes them away in its own time, and stay until then.

A folder that holds more than one run, or the sweep itself, is left alone: see `shared_folders`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.disk.files import write_file
from gmat_sweep.folder.layout import (
    ATTEMPT_FOLDER,
    ORDER_MARK,
    PRESENT_BEFORE_NAME,
    TEMPORARY_FILE,
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
        Absolute: folders of several runs, those around another run's folder, and `others` with
        those around them. Few, though there may be very many runs.
    """
    # As text, of which a hundred thousand take a tenth of what paths do.
    runs_in = Counter(str(run.output_dir.absolute()) for run in runs)
    taken = {str(folder.absolute()) for folder in others}
    around = {os.path.dirname(folder) for folder in (*runs_in, *taken)}  # noqa: PTH120
    for folder in tuple(around):
        around.update(str(each) for each in Path(folder).parents)
    several = {folder for folder, count in runs_in.items() if count > 1}
    return frozenset(several | around | taken)


def make_way(spec: RunSpec) -> None:
    """Make the folder of a run ready for an attempt.

    Before the first attempt, what is in the folder is noted. Before a later one, which may replace
    the outputs of the one before (``overwrite`` in its run options), what attempts have left is set
    aside.

    Raises
    ------
    OSError
        The folder cannot be read or changed.
    """
    folder = spec.output_dir
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    names = {name for name in present if not ORDER_MARK.fullmatch(name)}
    if WORKER_LOG_NAME not in names:
        # A worker opens its log first: nothing here is an attempt's.
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
