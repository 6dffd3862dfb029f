"""Which old nights and sweeps go, and their removal.

`nights_in` and `sweeps_in` look at a folder and say of each night or sweep in it whether it is kept
and why; `prune` removes the others. Kept are the newest ones, the last one that is complete, so
that there is always one to compare with, and what somebody writes to. Only folders that the flows
named themselves are looked at: whoever chose a name keeps it.
"""

from __future__ import annotations

import logging
import re
import shutil
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gmat_sweep.disk.lock import FolderLock, nobody_writes
from gmat_sweep.errors import GmatSweepError, SweepConfigError, SweepFolderInUseError
from gmat_sweep.folder.layout import INPUT_HASHES_NAME, MANIFEST_NAME
from gmat_sweep.manifest import Manifest
from gmat_sweep.plans import planned_count, recorded_count

__all__ = ["NIGHT_FORMAT", "OldFolder", "is_complete", "nights_in", "prune", "sweeps_in"]

NIGHT_FORMAT = "%Y-%m-%dT%H%M%SZ"
"""How the flow ``nightly-dispersion`` names a night, by the time it was scheduled for, in UTC."""

type Reason = Literal["new enough", "the last complete one", "in use", "old"]

_NIGHT = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")
# MISSION-KIND-ID, ID being a flow run's.
_SWEEP = re.compile(r"(.+)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# A folder that is being removed is no night any more: readers look one level deep.
_PRUNED = ".pruned"

_log = logging.getLogger("gmat_sweep")


@dataclass(frozen=True, slots=True)
class OldFolder:
    """One night or sweep, and whether it is kept.

    Attributes
    ----------
    path : Path
        The sweep folder.
    reason : {"new enough", "the last complete one", "in use", "old"}
        Why it is kept; only one that is ``"old"`` goes.
    """

    path: Path
    reason: Reason

    @property
    def goes(self) -> bool:
        """Whether `prune` removes it."""
        return self.reason == "old"


def nights_in(place: Path, keep: int) -> tuple[OldFolder, ...]:
    """Return the nights in a folder of nights, the newest first, and which of them are kept.

    Parameters
    ----------
    place : Path
        The folder of nights of one mission.
    keep : int
        How many of the newest are kept, at least 1.

    Raises
    ------
    SweepConfigError
        There is no such folder, it has no night, or `keep` is below 1.
    """
    nights = [each for each in _folders(place, keep) if _NIGHT.fullmatch(each.name)]
    if not nights:
        raise SweepConfigError(
            f"{place} has no nights, which are folders with names such as 2026-11-20T033000Z. Name "
            "the folder of one mission's nights, such as nights/injection."
        )
    return _judged(sorted(nights, key=lambda night: night.name, reverse=True), keep)


def sweeps_in(place: Path, keep: int) -> tuple[OldFolder, ...]:
    """Return the sweeps in ``GMAT_SWEEP_HOME/sweeps``, the newest first, and which are kept.

    The count and the last complete one are those of each mission and kind. A sweep is as old as the
    last line of its manifest.

    Parameters
    ----------
    place : Path
        The folder of the sweeps that were given no folder.
    keep : int
        How many of the newest of each mission and kind are kept, at least 1.

    Raises
    ------
    SweepConfigError
        As for `nights_in`.
    """
    groups: dict[str, list[Path]] = {}
    for folder in _folders(place, keep):
        if named := _SWEEP.fullmatch(folder.name):
            groups.setdefault(named[1], []).append(folder)
    if not groups:
        raise SweepConfigError(
            f"{place} has no sweeps named MISSION-KIND-ID, which flow runs make that are given no "
            "folder. Name the folder sweeps under GMAT_SWEEP_HOME."
        )
    judged = [
        each
        for _, sweeps in sorted(groups.items())
        for each in _judged(sorted(sweeps, key=_age, reverse=True), keep)
    ]
    return tuple(judged)


def prune(place: Path, folders: Iterable[OldFolder]) -> tuple[Path, ...]:
    """Remove the folders that go, with all that is in them; return those that are gone.

    One that somebody has begun to write to meanwhile stays, with a line in the log.

    Parameters
    ----------
    place : Path
        The folder they are in.
    folders : iterable of OldFolder
        What `nights_in` or `sweeps_in` has returned for it.

    Raises
    ------
    SweepFolderInUseError
        Somebody writes to `place`, such as a night that is under way.
    OSError
        A folder could not be removed.
    """
    gone = []
    with FolderLock(place):
        grave = place / _PRUNED
        grave.mkdir(exist_ok=True)
        if not _is_folder(grave):
            raise SweepConfigError(f"{grave} is no folder. Remove it.")
        for old in folders:
            if not old.goes:
                continue
            try:
                with FolderLock(old.path):
                    # Half a night must not look like one, wherever the removal ends.
                    old.path.rename(grave / old.path.name)
                    shutil.rmtree(grave / old.path.name)
            except SweepFolderInUseError as error:
                _log.warning("%s stays: %s", old.path, error)
            else:
                gone.append(old.path)
        # With what an earlier removal that was stopped has left.
        shutil.rmtree(grave)
    return tuple(gone)


def is_complete(folder: Path) -> bool:
    """Return whether every run of a sweep is recorded in a manifest that can be read."""
    try:
        manifest = Manifest.load(folder / MANIFEST_NAME)
    except (OSError, GmatSweepError) as error:
        _log.info("%s holds no whole sweep: %s", folder, error)
        return False
    return recorded_count(manifest) >= planned_count(manifest)


def _folders(place: Path, keep: int) -> list[Path]:
    """Return the folders below `place` that a flow may have made; no links."""
    if keep < 1:
        raise SweepConfigError(f"keep is {keep}. Keep at least 1.")
    if not place.is_dir():
        raise SweepConfigError(f"{place} is no folder.")
    marks = (MANIFEST_NAME, INPUT_HASHES_NAME)
    return [
        each
        for each in place.iterdir()
        if _is_folder(each) and any((each / mark).is_file() for mark in marks)
    ]


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _age(folder: Path) -> tuple[float, str]:
    marks = [folder / name for name in (MANIFEST_NAME, INPUT_HASHES_NAME)]
    return max(mark.stat().st_mtime for mark in marks if mark.is_file()), folder.name


def _judged(newest_first: Sequence[Path], keep: int) -> tuple[OldFolder, ...]:
    # Only until one is found: to read a manifest of a million runs takes seconds.
    last_complete = next(filter(is_complete, newest_first), None)
    judged = []
    for number, folder in enumerate(newest_first):
        reason: Reason = "old"
        if number < keep:
            reason = "new enough"
        elif folder == last_complete:
            reason = "the last complete one"
        elif _is_in_use(folder):
            reason = "in use"
        judged.append(OldFolder(folder, reason))
    return tuple(judged)


def _is_in_use(folder: Path) -> bool:
    try:
        with nobody_writes(folder):
            return False
    except SweepFolderInUseError:
        return True
