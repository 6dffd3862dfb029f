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

import contextlib
import errno
import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.disk.files import TEMPORARY_FILE, write_file
from gmat_sweep.disk.held import HeldFolder, held, read_plain, refuse_link
from gmat_sweep.errors import NotPlainFileError, SweepConfigError
from gmat_sweep.folder.layout import (
    ATTEMPT_FOLDER,
    HEADLESS_FOLDER,
    LAST_PASS_NAME,
    ORDER_MARK,
    PRESENT_BEFORE_NAME,
    SEAL_NAME,
    WORKER_LOG_NAME,
    attempt_folder_name,
    header_copy,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gmat_sweep.spec import RunSpec

__all__ = ["make_way", "refuse_linked_sweep", "refuse_links", "shared_folders"]


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
    NotPlainFileError
        As `refuse_links`.
    OSError
        The folder cannot be read or changed.
    """
    refuse_links(spec)
    folder = spec.output_dir
    names = _names(folder)
    if WORKER_LOG_NAME not in names:
        # A worker opens its log first: without a log there was no attempt.
        if names and PRESENT_BEFORE_NAME not in names:
            noted = json.dumps(sorted(names)).encode()
            write_file(folder / PRESENT_BEFORE_NAME, noted, within=folder.parent)
        return
    if not spec.run_options.get("overwrite"):
        return
    with held(folder, within=folder.parent) as it:
        temporary = {name for name in names if TEMPORARY_FILE.fullmatch(name)}
        for name in temporary:
            it.remove(name)
        numbered = ((ATTEMPT_FOLDER.fullmatch(name), name) for name in names)
        earlier = {int(found[1]): name for found, name in numbered if found}
        left = _left_by_attempts(spec, names) - temporary
        if left:
            _set_aside(it, left, earlier)


def refuse_linked_sweep(
    manifest_path: Path, sweep_folder: Path, runs: Iterable[RunSpec], *, elsewhere: bool
) -> None:
    """Refuse, before any run, links through which a pass over a sweep would write.

    Parameters
    ----------
    manifest_path, sweep_folder : Path
        The manifest and the sweep folder.
    runs : iterable of RunSpec
        The runs that are about to be flown.
    elsewhere : bool
        Whether run folders may lie outside of the sweep folder.

    Raises
    ------
    NotPlainFileError
        The message names the link.
    """
    for name in (manifest_path.name, header_copy(manifest_path).name, LAST_PASS_NAME):
        refuse_link(manifest_path.parent / name, within=manifest_path.parent)
    around = sweep_folder.absolute()
    with os.scandir(around) as found:
        present = {entry.name for entry in found if not entry.is_file(follow_symlinks=False)}
    if HEADLESS_FOLDER in present:
        with held(around / HEADLESS_FOLDER, within=around):
            pass
    # A large new sweep has no folder of a run yet, and its runs are not made twice.
    if not elsewhere and present <= {HEADLESS_FOLDER}:
        return
    seen: set[Path] = set()
    for run in runs:
        folder = run.output_dir.absolute()
        # A run that writes into the sweep folder, or one around it, is among what the user has.
        if folder in seen or around.is_relative_to(folder):
            continue
        seen.add(folder)
        is_inside = folder.is_relative_to(around)
        if is_inside and folder.relative_to(around).parts[0] not in present:
            continue
        refuse_links(run, within=around if is_inside else None)


def refuse_links(spec: RunSpec, *, within: Path | None = None) -> None:
    """Refuse a run folder that is a link, or in which a link would stay that leads out of it.

    GMAT, a hook or this package could write through such a link. Links that an earlier attempt
    left are no matter: `make_way` moves the links themselves.

    Parameters
    ----------
    spec : RunSpec
        The run.
    within : Path, optional
        The folder around it that the user named, as for `gmat_sweep.disk.held.held`; by default
        that of the run folder.

    Raises
    ------
    NotPlainFileError
        The message names the link.
    SweepConfigError
        The note of what lay in the folder before any attempt is damaged.
    """
    folder = spec.output_dir
    if not os.path.lexists(folder):
        return
    try:
        with held(folder, within=within or folder.parent):
            names = _names(folder)
    except FileNotFoundError:
        return
    for name in (WORKER_LOG_NAME, SEAL_NAME, PRESENT_BEFORE_NAME):
        refuse_link(folder / name, within=folder.parent)
    if spec.run_options.get("overwrite") and WORKER_LOG_NAME in names:
        names -= _left_by_attempts(spec, names)
    real = os.path.realpath(folder)
    # Nothing is ever written into what was set aside.
    for name in sorted(name for name in names if not ATTEMPT_FOLDER.fullmatch(name)):
        for path in _links(os.path.join(folder, name)):  # noqa: PTH118
            leads_to = os.path.realpath(path)
            if not leads_to.startswith(f"{real}{os.sep}"):
                raise NotPlainFileError(
                    errno.ELOOP,
                    f"is a symbolic link that leads out of the folder of run {spec.run_id}, to "
                    f"{leads_to}: whatever writes there would write through it. Replace it by what "
                    "it leads to, or delete it",
                    path,
                )


def _links(path: str) -> Iterator[str]:
    """Yield the links among a file, or a folder and all in it."""
    if os.path.islink(path):  # noqa: PTH114
        yield path
        return
    for folder, folders, files in os.walk(path):
        inside = (os.path.join(folder, name) for name in (*folders, *files))  # noqa: PTH118
        yield from (each for each in inside if os.path.islink(each))  # noqa: PTH114


def _names(folder: Path) -> set[str]:
    """Return the names in a run folder, but for the marks of orders."""
    present = os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208
    return {name for name in present if not ORDER_MARK.fullmatch(name)}


def _left_by_attempts(spec: RunSpec, names: set[str]) -> set[str]:
    """Return the names that earlier attempts made, but for their log and what was set aside."""
    kept = {name for name in names if ATTEMPT_FOLDER.fullmatch(name)}
    return names - kept - {WORKER_LOG_NAME, PRESENT_BEFORE_NAME} - _inputs(spec, names)


def _inputs(spec: RunSpec, names: set[str]) -> set[str]:
    """Return the names in a run's folder that no attempt has made."""
    folder = spec.output_dir
    inputs = set()
    if PRESENT_BEFORE_NAME in names:
        inputs |= _names_before(folder / PRESENT_BEFORE_NAME)
    if spec.script_path.is_relative_to(folder):
        inputs.add(spec.script_path.relative_to(folder).parts[0])
    return inputs


def _names_before(note: Path) -> set[str]:
    with contextlib.suppress(ValueError, RecursionError):
        names = json.loads(read_plain(note))
        if isinstance(names, list):
            return {str(name) for name in names}
    raise SweepConfigError(
        f"{note} should list what lay in the folder before its first run, and cannot be read. "
        "Delete it; what is in the folder is then set aside as that run's."
    )


def _set_aside(folder: HeldFolder, names: set[str], earlier: dict[int, str]) -> None:
    place = attempt_folder_name(max(earlier, default=0) + 1)
    folder.make(place)
    with contextlib.closing(folder.folder(place)) as aside:
        for name in names:
            folder.replace(name, name, aside)
    for name in earlier.values():
        folder.remove_tree(name)
