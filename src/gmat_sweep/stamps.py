"""Whether a file is still the one that it was."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

__all__ = ["content_stamp"]

_HASHED_UP_TO = 64 * 1024


def content_stamp(path: str | Path) -> tuple[object, ...] | None:
    """Return what changes when a file is edited; None if there is no such file.

    It is made of the file's identity, size and times, and of the content where that is small: a
    file that is edited twice within a tick of the clock has the same times.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - on the path of every run
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if status.st_size > _HASHED_UP_TO:
            return stamp
        return (*stamp, hashlib.sha256(Path(path).read_bytes()).hexdigest())
    except OSError:
        # Also a name that no file can have.
        return None
