"""Amounts of memory as people write them, and how much a worker's process group has in use."""

from __future__ import annotations

import contextlib
import operator
import os
import re
import time

from gmat_sweep.errors import SweepConfigError

__all__ = ["MemoryWatch", "memory_bytes", "memory_text"]

_GROUP_INTERVAL_S = 1.0

_UNITS = {
    "": 1,
    "b": 1,
    **{f"{prefix}b": 1000**power for power, prefix in enumerate("kmgt", 1)},
    **{f"{prefix}ib": 1024**power for power, prefix in enumerate("kmgt", 1)},
}
_NAMES = ("TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "kB")
_AMOUNT = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)\s*", re.ASCII)


def memory_bytes(amount: int | str) -> int:
    """Return an amount of memory in bytes.

    Parameters
    ----------
    amount : int or str
        Bytes, or a number with a unit: B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB
        (powers of 1024), in any case.

    Raises
    ------
    SweepConfigError
        `amount` is neither, or less than one byte.

    Examples
    --------
    >>> memory_bytes("2 GiB"), memory_bytes("500MB"), memory_bytes(4096)
    (2147483648, 500000000, 4096)
    """
    found = None
    if isinstance(amount, str):
        match = _AMOUNT.fullmatch(amount)
        if match and match["unit"].lower() in _UNITS:
            found = int(float(match["number"]) * _UNITS[match["unit"].lower()])
    elif not isinstance(amount, bool) and hasattr(amount, "__index__"):
        found = operator.index(amount)
    if found is None or found < 1:
        raise SweepConfigError(
            f"{amount!r} is no amount of memory. Give a number of bytes, or text such as '2 GiB' "
            "or '500 MB'."
        )
    return found


def memory_text(size: int) -> str:
    """Return bytes in the largest unit in which they are a whole number.

    Examples
    --------
    >>> memory_text(2147483648), memory_text(500000000), memory_text(1000)
    ('2 GiB', '500 MB', '1 kB')
    """
    for name in _NAMES:
        count, rest = divmod(size, _UNITS[name.lower()])
        if count and not rest:
            return f"{count} {name}"
    return f"{size} B"


class MemoryWatch:
    """The resident memory of a process and of the processes that it has started.

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

        `used` looks for the started processes only once per second, as it has to look at every
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
