"""Read a manifest that `Manifest.load` refuses, and judge each line by itself.

A whole line may stand at the wrong place, because others were lost or repeated: `salvaged` puts it
at the place that it was written to. It drops a line that does not fit its checksum.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmat_sweep.disk.held import plain_reader
from gmat_sweep.errors import ManifestCorruptError
from gmat_sweep.manifest import Manifest
from gmat_sweep.manifest.drift import ENGINE_KEY, HOOK_KEY, MISSION_FILES_KEY, SCRIPT_KEY
from gmat_sweep.manifest.entry import NOTES_KEY, ManifestEntry
from gmat_sweep.manifest.lines import checked_record
from gmat_sweep.manifest.values import take, take_members
from gmat_sweep.plans import PLANNED_KEY
from gmat_sweep.sweep.recorded_script import MISSION_ABSOLUTE_KEY, MISSION_PATH_KEY
from gmat_sweep.sweep.resuming import (
    END_STATE_KEY,
    UNCONVERGED_KEY,
)

__all__ = ["SalvagedLog", "salvaged"]

# Keys that a reader does without, and passes over where their values are of another type. A wrong
# plan is told by whoever makes it.
_HEADER_EXTRAS: dict[str, tuple[type, type]] = {
    "created_by": (dict, object),
    "mission": (str, object),
    END_STATE_KEY: (str, object),
    HOOK_KEY: (str, object),
    MISSION_FILES_KEY: (dict, str),
    MISSION_ABSOLUTE_KEY: (str, object),
    MISSION_PATH_KEY: (str, object),
    UNCONVERGED_KEY: (str, object),
}
_ENTRY_EXTRAS: dict[str, tuple[type, type]] = {
    NOTES_KEY: (list, str),
    PLANNED_KEY: (int, object),
    SCRIPT_KEY: (str, object),
    ENGINE_KEY: (str, object),
    MISSION_FILES_KEY: (dict, object),
}


@dataclass(slots=True)
class SalvagedLog:
    """The readable lines of a manifest.

    Attributes
    ----------
    header : dict or None
        The header line's record; None where it is lost.
    entries : list of dict
        The records of whole entry lines, in the order in which they were written.
    problems : list of str
        Why a line cannot be read, each with its line.
    torn_bytes : int
        How many bytes stand after the last newline.
    oddities : list of str
        Values of a wrong type that readers pass over, each with its line and key.
    """

    header: dict[str, Any] | None = None
    entries: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    torn_bytes: int = 0
    oddities: list[str] = field(default_factory=list)


def salvaged(path: Path) -> SalvagedLog:
    """Read every line of a manifest that can be read.

    Raises
    ------
    OSError
        The file is missing or cannot be read.
    """
    log = SalvagedLog()
    whole: dict[int, dict[str, Any]] = {}
    moved: list[int] = []
    lines = 0
    with plain_reader(path) as file:
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
            log.oddities += [f"line {number}: {each}" for each in _oddities(record, place)]
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
    """Return the place a line was written to, and its record; a ValueError says what is wrong."""
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
        # In parentheses: this message names path and line, and so does the caller.
        raise ValueError(f"the header cannot be understood ({error})") from error


def _oddities(record: dict[str, Any], place: int) -> Iterator[str]:
    known = _HEADER_EXTRAS if place == 1 else _ENTRY_EXTRAS
    for key in known.keys() & record.keys():
        kind, members = known[key]
        try:
            take(record, key, kind)
            if members is not object:
                take_members(record, key, members, kind())
        except ValueError as error:
            yield f"{error}; readers pass over it"
