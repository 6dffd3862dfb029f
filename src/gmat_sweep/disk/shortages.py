"""What a machine can be short of that no run can do without.

A disk that is full or cannot be written to, a quota, no file descriptors left: such a failure says
nothing of the case that met it, and the next case meets it too. `shortage` tells it from a failure
of the run's own.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["LEAST_FREE_BYTES", "check_room", "shortage"]

LEAST_FREE_BYTES = 1 << 20
"""A disk with less room than this is full: GMAT says nothing where a report of its is cut short."""

_ADVICE = {
    errno.ENOSPC: "free space on that disk",
    errno.EDQUOT: "free space, or have the disk quota raised",
    errno.EROFS: "make the file system writable, or use another folder",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or use fewer workers",
    errno.ENFILE: "close other programs, or use fewer workers",
}


def shortage(error: BaseException) -> str | None:
    """Say what the machine is short of, and what to do, where that is what an error comes from.

    Parameters
    ----------
    error : BaseException
        Any error; what it was raised from is looked at too.

    Returns
    -------
    str or None
        Such as ``"No space left on device: '/data/run-7/RF.txt'; free space on that disk"``; None
        where the cause is another.
    """
    for each in _chain(error):
        if isinstance(each, OSError) and each.errno in _ADVICE:
            place = f": {each.filename!r}" if each.filename is not None else ""
            return f"{os.strerror(each.errno)}{place}; {_ADVICE[each.errno]}"
    return None


def check_room(folder: Path) -> None:
    """Raise OSError where the disk of a folder is full, to the last `LEAST_FREE_BYTES`."""
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < LEAST_FREE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
