"""Whether the files of a mission are those with which a sweep began.

A worker reads a mission's files when it needs them, so that a file which is edited while a sweep is
under way reaches the runs after it. The sweep then stops: its runs would be of two missions.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gmat_sweep.errors import SweepStoppedError
from gmat_sweep.mission.files import file_sha256

__all__ = ["MissionWatch"]


class MissionWatch:
    """The files that the runs of one pass read, as they were when it began.

    Parameters
    ----------
    of_scripts : mapping, optional
        For each script that is flown the SHA-256 of its files, by absolute path.
    named_by_values : mapping, optional
        The same of files that only varied values name.
    """

    def __init__(
        self,
        of_scripts: Mapping[Path, Mapping[str, str]] | None = None,
        named_by_values: Mapping[str, str] | None = None,
    ) -> None:
        shared = dict(named_by_values or {})
        self._digests = {
            script: {**digests, **shared} for script, digests in (of_scripts or {}).items()
        }
        self._places = {script: os.path.realpath(script) for script in self._digests}
        # None are noted yet: a file may have been edited since it was hashed.
        self._stamps: dict[str, tuple[int, ...]] = {}

    def changed(self, script: Path) -> str | None:
        """Return the path of a file of a script with other content than at the beginning.

        Or that of the script, if a link on its way leads elsewhere. None if all are same. Threads
        may ask at the same time.
        """
        digests = self._digests.get(script)
        if digests is None:
            return None
        if os.path.realpath(script) != self._places[script]:
            return str(script)
        for path, digest in digests.items():
            stamp = _stamp(path)
            if stamp is None:
                return path
            if stamp == self._stamps.get(path):
                continue
            try:
                if file_sha256(path) != digest:
                    return path
            except OSError:
                return path
            self._stamps[path] = stamp
        return None

    def stopped_at(self, run_id: int, script: Path) -> SweepStoppedError | None:
        """Return the error that stops the sweep at a run that has ended; None if nothing changed.

        A run whose files are the same when it has ended flew with them.
        """
        path = self.changed(script)
        if path is None:
            return None
        return SweepStoppedError(
            f"The sweep was stopped at run {run_id}, because {path} was changed while it was under "
            "way: results of two different missions would be mixed. The runs that ended before are "
            "recorded. Restore the file and resume the sweep, or start a new one; "
            "allow_script_drift=True (--allow-script-drift) resumes with the file as it is now."
        )


def _stamp(path: str) -> tuple[int, ...] | None:
    """Return what an edit changes, None without the file; its content would take too long."""
    try:
        status = os.stat(path)  # noqa: PTH116 - on the path of every run
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
