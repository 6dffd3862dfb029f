"""The values in a report of GMAT's that is a plain table, read in a way of its own.

The reader gets told how the script declares the report. It cuts the columns of fixed width at the
widths that GMAT R2026a was measured to write.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["DeclaredReport", "columns_of", "numbers_in"]

_GREGORIAN = re.compile(r"\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3}")
_GREGORIAN_WIDTH = 24
_HEADED_GAP = 3
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class DeclaredReport:
    """A ReportFile as its script declares it.

    Attributes
    ----------
    name, file : str
        Of the resource, and its ``Filename``.
    columns : tuple of str
        What ``Add`` lists.
    commands : tuple of tuple of str
        What each ``Report`` command of the mission sequence lists.
    headers, fixed : bool
        ``WriteHeaders`` and ``FixedWidth``.
    width, precision : int
        ``ColumnWidth`` and ``Precision``.
    delimiter : str
        ``Delimiter``.
    """

    name: str
    file: str
    columns: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    headers: bool = True
    fixed: bool = True
    width: int = 23
    precision: int = 16
    delimiter: str = " "

    @property
    def is_a_table(self) -> bool:
        """Whether all rows have the same columns and no value is wider than its column."""
        return not self.commands and (not self.fixed or self.width >= self.precision + 7)


def columns_of(text: str, report: DeclaredReport) -> dict[str, list[str]]:
    """Return the cells of a report that `is_a_table`, by column, without padding."""
    lines = text.split("\n")
    assert lines.pop() == ""
    if report.headers:
        assert _words(lines[0], report.delimiter) == list(report.columns)
        del lines[0]
    cut = _by_width if report.fixed else _by_delimiter
    rows = [cut(line, report) for line in lines]
    return {name: [row[n] for row in rows] for n, name in enumerate(report.columns)}


def _words(line: str, delimiter: str) -> list[str]:
    """Split a header; a comma is also part of the names of array elements."""
    if delimiter == " ":
        return line.split()
    return [word for word in re.split(rf"(?<![(]\d){re.escape(delimiter)}+", line) if word]


def _by_width(line: str, report: DeclaredReport) -> list[str]:
    fill = f" {report.delimiter}" if report.headers else " "
    cells, start = [], 0
    for name in report.columns:
        least = _GREGORIAN_WIDTH if name.endswith("Gregorian") else 0
        end = start + max(report.width, least)
        if report.headers:
            end = start + max(report.width, least, len(name)) + _HEADED_GAP
        cells.append(line[start:end].strip(fill))
        start = end
    assert line[start:] == ""
    return cells


def _by_delimiter(line: str, report: DeclaredReport) -> list[str]:
    if report.delimiter != " ":
        cells = line.split(report.delimiter)
    else:
        # An epoch is four words.
        kept = _GREGORIAN.sub(lambda epoch: epoch.group().replace(" ", "\0"), line)
        cells = [cell.replace("\0", " ") for cell in kept.split(" ")]
    assert len(cells) == len(report.columns), line
    return cells


def numbers_in(text: str, names: Sequence[str] = ()) -> list[float]:
    """Return every number of a report in any form, sorted; epochs and `names` are left out."""
    text = _GREGORIAN.sub(" ", text)
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, " ")
    words = re.split(r"[\s,;|]+", text)
    return sorted(float(word) for word in words if _NUMBER.fullmatch(word))
