"""`startup_files`: the data files that GMAT's startup file names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["startup_files"]

_LINE = re.compile(r"\s*(\w+)\s*=\s*(\S.*?)\s*;?\s*\Z")
_MOST_STEPS = 20


def startup_files(root: Path) -> dict[str, Path]:
    """Return each file that an engine's startup file names and that is there, by its key.

    Parameters
    ----------
    root : Path
        The engine's folder. Its ``bin/gmat_startup_file.txt`` is read; paths may begin with the
        key of another path, and relative ones start from ``bin``.

    Returns
    -------
    dict of str to Path
        By keys such as ``EOP_FILE``, in the order of the file; empty without a startup file.
    """
    place = root / "bin"
    try:
        text = (place / "gmat_startup_file.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    values: dict[str, str] = {}
    for line in text.splitlines():
        if match := _LINE.match(line.partition("#")[0]):
            values[match[1]] = match[2].strip("'\"")
    found = {
        key: place / _expanded(value, values)
        for key, value in values.items()
        if key.endswith("_FILE") and not key.startswith(("LOG", "REPORT", "SCREENSHOT"))
    }
    return {key: path for key, path in found.items() if path.is_file()}


def _expanded(value: str, values: dict[str, str]) -> str:
    """Return a path with the keys at its beginning replaced by what they stand for."""
    for _ in range(_MOST_STEPS):
        first, slash, rest = value.replace("\\", "/").partition("/")
        if first not in values:
            break
        value = f"{values[first].rstrip('/\\')}/{rest}" if slash else values[first]
    return value
