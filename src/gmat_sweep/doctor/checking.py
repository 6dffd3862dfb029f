"""`check_sweep`: examine a sweep folder, and repair it if asked to."""

from __future__ import annotations

from pathlib import Path

from gmat_sweep.disk.held import refuse_link
from gmat_sweep.disk.lock import FolderLock, nobody_writes
from gmat_sweep.disk.owner import is_own
from gmat_sweep.disk.paths import absolute_path
from gmat_sweep.doctor.examination import Examination, examined
from gmat_sweep.doctor.findings import SweepHealth
from gmat_sweep.doctor.repair import repaired
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import MANIFEST_NAME

__all__ = ["check_sweep"]


def check_sweep(folder: str | Path, *, repair: bool = False) -> SweepHealth:
    """Check everything in a sweep folder, and repair it if asked to.

    The check covers the manifest's header, every line's checksum and place, a torn line, every file
    that an entry lists (is it there, size, SHA-256, Parquet footer), the sealed run folders, and
    temporary files.

    Parameters
    ----------
    folder : str or Path
        The sweep folder, or its manifest where that has another name or place.
    repair : bool
        Whether to repair damage. A repair moves files that are not as they were recorded into a
        ``quarantine-<time>`` folder, and marks their runs as failed. It records runs that are
        sealed and not recorded. It writes a lost or damaged manifest anew, from its whole lines,
        the copy of its header and the sealed run folders. It deletes nothing. A resume then flies
        exactly the runs that are missing or failed.

    Returns
    -------
    SweepHealth
        The findings, or those that remain after the repair; ``print`` it.

    Raises
    ------
    SweepConfigError
        There is no sweep in the folder; or a repair would write to another folder, which the
        manifest of another user or machine names. `NotPlainFileError` where the manifest or the
        lock is a FIFO or a device, or a repair would write through a link.
    SweepFolderInUseError
        Another process is writing to the folder.
    OSError
        A file can be neither read nor moved.
    """
    manifest = _manifest_path(absolute_path(folder, "folder"))
    if not repair:
        with nobody_writes(manifest.parent):
            return _health(examined(manifest))
    refuse_link(manifest, within=manifest.parent)
    with nobody_writes(manifest.parent):
        # Refuse a folder without a sweep before the lock leaves its file there.
        _check_place(examined(manifest))
    with FolderLock(manifest.parent):
        done = repaired(examined(manifest))
        return _health(examined(manifest), tuple(done))


def _manifest_path(place: Path) -> Path:
    if place.is_dir():
        return place / MANIFEST_NAME
    if place.is_file():
        # As for a resume: a manifest that is named by a link belongs to the folder it is in.
        return place.resolve()
    raise SweepConfigError(f"There is no sweep folder {place}. Correct the path.")


def _check_place(it: Examination) -> None:
    """Refuse to repair a folder that only somebody else's manifest names."""
    folder = it.manifest_path.parent
    if it.header is None or it.folder.resolve() == folder.resolve():
        return
    if not is_own(it.header):
        raise SweepConfigError(
            f"{it.manifest_path} was written by another user or on another machine, and says that "
            f"its runs are in {it.folder}. A repair would write there: move the manifest to its "
            "runs first."
        )


def _health(it: Examination, done: tuple[str, ...] = ()) -> SweepHealth:
    statuses = [record["status"] for record in it.latest.values()]
    ok = statuses.count("ok") - len(it.damaged)
    # A resume leaves skipped runs alone.
    left = 0 if it.planned is None else len(it.planned) - ok - statuses.count("skipped")
    return SweepHealth(
        manifest=it.manifest_path,
        findings=tuple(it.findings),
        runs=None if it.planned is None else len(it.planned),
        ok=ok,
        failed=statuses.count("failed"),
        repaired=done,
        resume_command=it.resume_command if left > 0 else "",
    )
