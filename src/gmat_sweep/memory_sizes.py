"""Amounts of memory as people write them."""

from __future__ import annotations

import operator
import re

from gmat_sweep.errors import SweepConfigError

__all__ = ["memory_bytes", "memory_text"]

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
        It is neither, or less than one byte.

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
