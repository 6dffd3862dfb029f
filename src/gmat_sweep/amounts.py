"""Amounts for a person to read: sizes and durations."""

from __future__ import annotations

__all__ = ["size_text", "time_text"]


def size_text(count: float) -> str:
    """Return a number of bytes for a person, to three digits: ``31.2 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def time_text(seconds: float) -> str:
    """Return a duration for a person: ``37 s``, ``12 min``, ``5.3 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 1 else "1 s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
