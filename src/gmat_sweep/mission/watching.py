"""Whether the files of a mission are those with which a sweep began.

A worker reads a mission's files when it needs them, so that a file which is edited while a sweep is
under way reaches the runs after it. The sweep then stops: its runs would be of two missions.
"""

from __future__ import annotations

from collections.abc import Mapping

from gmat_sweep.errors import SweepStoppedError
from gmat_sweep.mission.files import file_sha256
from gmat_sweep.stamps import content_stamp

__all__ = ["MissionWatch"]


class MissionWatch:
    """The files that the runs of one pass read, as they were when it began.

    Parameters
    ----------
    digests : mapping, optional
        SHA-256 by absolute path.
    """

    def __init__(self, digests: Mapping[str, str] | None = None) -> None:
        self._digests = dict(digests or {})
        self._stamps = {path: content_stamp(path) for path in self._digests}

    def changed(self) -> str | None:
        """Return the path of a file with other content than at the beginning, None if all are same.

        Threads may ask at the same time.
        """
        for path, digest in self._digests.items():
            stamp = content_stamp(path)
            if stamp == self._stamps[path]:
                continue
            try:
                if file_sha256(path) != digest:
                    return path
            except OSError:
                return path
            self._stamps[path] = stamp
        return None

    def stopped_at(self, run_id: int) -> SweepStoppedError | None:
        """Return the error that stops the sweep at a run that has ended; None if nothing changed.

        A run whose files are the same when it has ended flew with them.
        """
        path = self.changed()
        if path is None:
            return None
        return SweepStoppedError(
            f"The sweep was stopped at run {run_id}, because {path} was changed while it was under "
            "way: results of two different missions would be mixed. The runs that ended before are "
            "recorded. Restore the file and resume the sweep, or start a new one; "
            "allow_script_drift=True (--allow-script-drift) resumes with the file as it is now."
        )
