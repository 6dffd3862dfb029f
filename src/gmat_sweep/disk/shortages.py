"""Shortages: a machine lacks something that every run needs.

A full or read-only disk, a used-up quota, no file descriptors left: such a failure says nothing
about the run that met it, and the next run meets it too. `shortage` tells it from a failure of the
run itself.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["LEAST_FREE_BYTES", "check_room", "shortage"]

LEAST_FREE_BYTES = 1 << 20
"""A disk with less room than this counts as full: GMAT cuts a report short without an error."""

_ADVICE = {
    errno.ENOSPC: "free space on that disk",
    errno.EDQUOT: "free space, or have the disk quota raised",
    errno.EROFS: "make the file system writable, or use another folder",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or use fewer workers",
    errno.ENFILE: "close other programs, or use fewer workers",
}


def shortage(error: BaseException) -> str | None:
    """Say what the machine is short of, and what to do, if an error comes from a shortage.

    Parameters
    ----------
    error : BaseException
        Any error; the errors that it was raised from are looked at too.

    Returns
    -------
    str or None
        Such as ``"No space left on device: '/data/run-7/RF.txt'; free space on that disk"``; None
        if the error has another cause.
    """
    for each in _chain(error):
        if isinstance(each, OSError) and each.errno in _ADVICE:
            place = f": {each.filename!r}" if each.filename is not None else ""
            return f"{os.strerror(each.errno)}{place}; {_ADVICE[each.errno]}"
    return None


def check_room(folder: Path) -> None:
    """Raise OSError if less than `LEAST_FREE_BYTES` are free on the disk of a folder."""
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < LEAST_FREE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
