"""Which old nights and sweeps go, and their removal.

`nights_in` and `sweeps_in` look at a folder and say of each night or sweep in it whether it is kept
and why; `prune` removes the others. Kept are the newest ones, the last one that is complete, so
that there is always one to compare with, the baseline, and what somebody writes to. Only folders
that the flows named themselves are looked at: whoever chose a name keeps it.

Evidence for requirements adds up over nights with equal inputs. A night that goes and that such
evidence stands on is marked (`OldFolder.is_evidence`), and stays if the caller wants that.
"""

from __future__ import annotations

import logging
import re
import shutil
import stat
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gmat_sweep.analysis.nightly.baseline import baseline_of
from gmat_sweep.analysis.nightly.cohorts import cohorts_of
from gmat_sweep.analysis.nightly.complete import is_whole
from gmat_sweep.analysis.nightly.earlier_draws import remember
from gmat_sweep.analysis.nightly.spans import draws_of, span_until
from gmat_sweep.disk.lock import FolderLock, nobody_writes
from gmat_sweep.errors import GmatSweepError, SweepConfigError, SweepFolderInUseError
from gmat_sweep.folder.layout import INPUT_HASHES_NAME, MANIFEST_NAME

__all__ = ["OldFolder", "nights_in", "prune", "sweeps_in"]

type Reason = Literal[
    "new enough", "the last complete one", "the baseline", "evidence", "in use", "old"
]

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
    reason : {"new enough", "the last complete one", "the baseline", "evidence", "in use", "old"}
        Why it is kept; only one that is ``"old"`` goes.
    is_evidence : bool
        Whether evidence for requirements that goes on stands on it, and on no other night as well.
    """

    path: Path
    reason: Reason
    is_evidence: bool = False

    @property
    def goes(self) -> bool:
        """Whether `prune` removes it."""
        return self.reason == "old"


def nights_in(place: Path, keep: int, *, keep_evidence: bool = False) -> tuple[OldFolder, ...]:
    """Return the nights in a folder of nights, the newest first, and which of them are kept.

    Parameters
    ----------
    place : Path
        The folder of nights of one mission.
    keep : int
        How many of the newest are kept, at least 1.
    keep_evidence : bool
        Keep also the nights on which evidence for requirements stands that goes on: those that were
        flown with the inputs of the newest night, and drew what no night that is kept drew.

    Raises
    ------
    SweepConfigError
        There is no such folder, it has no night, `keep` is below 1, or the record of the baseline
        is damaged, so that nobody can tell which night it is.
    """
    nights = [each for each in _folders(place, keep) if _NIGHT.fullmatch(each.name)]
    if not nights:
        raise SweepConfigError(
            f"{place} has no nights, which are folders with names such as 2026-11-20T033000Z. Name "
            "the folder of one mission's nights, such as nights/injection."
        )
    newest_first = sorted(nights, key=lambda night: night.name, reverse=True)
    baseline = baseline_of(place)
    judged = _judged(newest_first, keep, None if baseline is None else baseline.night.name)
    evidence = _evidence_lost(place, judged)
    return tuple(
        replace(
            each,
            is_evidence=each.path.name in evidence,
            reason="evidence"
            if keep_evidence and each.goes and each.path.name in evidence
            else each.reason,
        )
        for each in judged
    )


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
    folders = tuple(folders)
    with FolderLock(place):
        grave = place / _PRUNED
        grave.mkdir(exist_ok=True)
        if not _is_folder(grave):
            raise SweepConfigError(f"{grave} is no folder. Remove it.")
        accepted = baseline_of(place)
        _remember_draws(place, folders)
        for old in folders:
            if not old.goes:
                continue
            if accepted is not None and accepted.night.name == old.path.name:
                _log.warning("%s stays: it has become the baseline", old.path)
                continue
            try:
                with ExitStack() as locks:
                    # The rotating cohort of a night is a sweep folder of its own.
                    for cohort in cohorts_of(old.path):
                        locks.enter_context(FolderLock(cohort))
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


def _remember_draws(place: Path, folders: Iterable[OldFolder]) -> None:
    """Note what nights with other inputs drew that go; sweeps that are no nights have no such."""
    leaving = {each.path.name for each in folders if each.goes and _NIGHT.fullmatch(each.path.name)}
    if not leaving:
        return
    try:
        span = span_until(place)
    except (FileNotFoundError, GmatSweepError) as error:
        _log.warning("what the nights drew that go cannot be noted: %s", error)
        return
    remember(place, span, leaving)


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


def _evidence_lost(place: Path, judged: Sequence[OldFolder]) -> set[str]:
    """Return the nights that go and whose draws count for evidence that goes on."""
    if not any(each.goes for each in judged):
        return set()
    try:
        span = span_until(place)
    except (OSError, GmatSweepError) as error:
        _log.warning("which nights evidence stands on cannot be told: %s", error)
        return set()
    goes = {each.path.name for each in judged if each.goes}
    # What a night drew that stays is not lost: frozen runs count once, whichever night has them.
    kept = {draws_of(sweep.folder) for sweep in span.sweeps if sweep.night.name not in goes}
    kept.add(None)
    return {
        sweep.night.name
        for sweep in span.sweeps
        if sweep.night.name in goes and draws_of(sweep.folder) not in kept
    }


def _judged(
    newest_first: Sequence[Path], keep: int, baseline: str | None = None
) -> tuple[OldFolder, ...]:
    # Only until one is found: to read a manifest of a million runs takes seconds.
    last_complete = next(filter(is_whole, newest_first), None)
    judged = []
    for number, folder in enumerate(newest_first):
        reason: Reason = "old"
        if number < keep:
            reason = "new enough"
        elif folder == last_complete:
            reason = "the last complete one"
        elif folder.name == baseline:
            reason = "the baseline"
        elif _is_in_use(folder):
            reason = "in use"
        judged.append(OldFolder(folder, reason))
    return tuple(judged)


def _is_in_use(folder: Path) -> bool:
    try:
        for cohort in cohorts_of(folder):
            with nobody_writes(cohort):
                pass
    except SweepFolderInUseError:
        return True
    return False
