"""The lines of a manifest, each judged by itself: what `Manifest.load` refuses as a whole.

Nothing is trusted that its checksum does not cover: a line that is whole but stands at the wrong
place, because others were lost or repeated, counts where it was written; a line that was changed
counts for nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmat_sweep.errors import ManifestCorruptError
from gmat_sweep.manifest import Manifest
from gmat_sweep.manifest.entry import ManifestEntry
from gmat_sweep.manifest.lines import checked_record

__all__ = ["SalvagedLog", "salvaged"]


@dataclass(slots=True)
class SalvagedLog:
    """What is left of a manifest.

    Attributes
    ----------
    header : dict or None
        The header line's record; None where it is lost.
    entries : list of dict
        The records of whole entry lines, in the order in which they were written.
    problems : list of str
        What is wrong, each with its line.
    torn_bytes : int
        How many bytes stand after the last newline.
    """

    header: dict[str, Any] | None = None
    entries: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    torn_bytes: int = 0


def salvaged(path: Path) -> SalvagedLog:
    """Read what can be read of a manifest.

    Raises
    ------
    OSError
        The file is missing or cannot be read.
    """
    log = SalvagedLog()
    whole: dict[int, dict[str, Any]] = {}
    moved: list[int] = []
    lines = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                log.torn_bytes = len(line)
                break
            lines = number
            try:
                place, record = _placed(line, number)
                _check(record, place, path)
            except ValueError as error:
                log.problems.append(f"line {number}: {error}")
                continue
            if place != number:
                moved.append(number)
            if whole.setdefault(place, record) != record:
                log.problems.append(f"line {number}: another line was written as line {place} too")
    if moved:
        log.problems.append(
            f"{len(moved)} lines, from line {moved[0]} on, do not stand where they were written: "
            "lines before them were lost, repeated or added"
        )
    if not lines:
        log.problems.append("the file has no whole line")
    log.header = whole.pop(1, None)
    log.entries = [whole[place] for place in sorted(whole)]
    return log


def _placed(line: bytes, number: int) -> tuple[int, dict[str, Any]]:
    """Return the number a line was written as, and its record; a ValueError says what is wrong."""
    try:
        return number, checked_record(line, number)
    except ValueError:
        try:
            written = int(json.loads(line)["seq"]) + 1
        except (ValueError, KeyError, TypeError, RecursionError):
            written = number
        return written, checked_record(line, written)


def _check(record: dict[str, Any], place: int, path: Path) -> None:
    if place > 1:
        ManifestEntry.from_dict(record)
        return
    try:
        Manifest.from_header(record, path)
    except ManifestCorruptError as error:
        # The message names path and line, which the caller does too.
        raise ValueError(f"the header cannot be understood ({error})") from error
