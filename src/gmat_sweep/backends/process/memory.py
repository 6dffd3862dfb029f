"""How much memory a worker's process group has in use, asked for as cheaply as often."""

from __future__ import annotations

import contextlib
import os
import time

__all__ = ["MemoryWatch"]

_GROUP_INTERVAL_S = 1.0


class MemoryWatch:
    """The resident memory of a process and of what it has started.

    Parameters
    ----------
    pid : int
        A process that leads a group of its own.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._others: list[int] = []
        self._look_again_at = 0.0

    def used(self) -> int:
        """Return the bytes of main memory in use; 0 when the process has ended.

        The programs that it started are looked for once per second, as that means a look at every
        process of the machine. Memory that processes share counts for each of them.
        """
        if time.monotonic() >= self._look_again_at:
            self._others = self._find_others()
            self._look_again_at = time.monotonic() + _GROUP_INTERVAL_S
        return sum(map(_resident, (self._pid, *self._others)))

    def _find_others(self) -> list[int]:
        import psutil

        return [pid for pid in psutil.pids() if pid != self._pid and _group_of(pid) == self._pid]


def _group_of(pid: int) -> int | None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        return os.getpgid(pid)
    return None


def _resident(pid: int) -> int:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return int(psutil.Process(pid).memory_info().rss)
    return 0
