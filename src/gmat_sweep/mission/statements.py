"""Lines and statements of a GMAT script, read without GMAT.

Reading loses nothing: `ScriptText` decodes a file as UTF-8 with ``surrogateescape``, so that the
bytes of a Latin-1 script come back unchanged, and keeps line ends and byte order marks.

The reader follows GMAT R2026a as it was observed to read scripts:

* one statement a line; a line that ends in ``...`` goes on in the next line that is not blank,
  even if the ``...`` stands inside a ``%`` comment. On the lines after the first, ``...`` may stand
  anywhere, and GMAT passes over what follows it;
* ``%`` starts a comment, except between single quotes; there are no block comments;
* ``GMAT`` before a statement means nothing.

The reader is tolerant: it reads a faulty statement as far as it can, and leaves GMAT to report it.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.errors import MissionScriptError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "ScriptText",
    "Statement",
    "bare_value",
    "masked",
    "refuse_wide_text",
    "string_spans",
]

# The marks of UTF-32 first: that of UTF-16 is the beginning of one of them.
_WIDE_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
# A character of ASCII in UTF-32 and in UTF-16, either way round, at the beginning of a file.
_WIDE_CHARACTER = (
    (re.compile(rb"[\t\n\r -~]\0\0\0|\0\0\0[\t\n\r -~]"), "UTF-32"),
    (re.compile(rb"[\t\n\r -~]\0|\0[\t\n\r -~]"), "UTF-16"),
)

_NEWLINE = re.compile(r"\r\n|\r|\n")
_PREFIX = re.compile(r"[ \t]*(?:GMAT[ \t]+)?(?:'+[ \t]*)?")
_CREATE = re.compile(r"Create[ \t]+(?P<type>\w+)(?P<names>[^;]*)", re.ASCII)
_SIZES = re.compile(r"\[[^\]]*\]|\([^)]*\)")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_BARE_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*", re.ASCII)
_INCLUDE = re.compile(r"#Include[ \t]+")
_ASSIGNMENT = re.compile(
    r"(?P<path>(?P<root>[A-Za-z_]\w*)(?P<fields>(?:\.\w+|[ \t]*\([^()]*\))*))[ \t]*=(?!=)", re.ASCII
)


def refuse_wide_text(path: Path, content: bytes) -> None:
    """Refuse a file in UTF-16 or UTF-32, with or without its mark: GMAT reads neither.

    Raises
    ------
    MissionScriptError
        The message names the encoding.
    """
    encoding = next((name for mark, name in _WIDE_MARKS if content.startswith(mark)), None)
    if encoding is None:
        encoding = next((name for kind, name in _WIDE_CHARACTER if kind.match(content)), None)
    if encoding:
        raise MissionScriptError(
            f"{path} is {encoding} text, which GMAT does not read. Save it as ASCII, or as UTF-8 "
            "without a byte order mark.",
            path,
        )


def string_spans(text: str) -> list[tuple[int, int]]:
    """Find the single-quoted strings of one statement, up to its comment.

    Returns
    -------
    list of tuple
        ``(start, end)`` of each string, quotes included. A quote without a partner, the transpose
        of a matrix, opens no string.
    """
    spans = []
    position = 0
    while position < len(text) and text[position] != "%":
        end = text.find("'", position + 1) if text[position] == "'" else -1
        if end >= 0:
            spans.append((position, end + 1))
            position = end
        position += 1
    return spans


def masked(text: str) -> str:
    """Blank out strings and comment of a statement, and keep every position.

    Returns
    -------
    str
        `text` with each single-quoted string turned into quotes throughout, and its comment into
        blanks: as long as `text`.
    """
    parts = []
    position = 0
    for start, end in string_spans(text):
        parts += [text[position:start], "'" * (end - start)]
        position = end
    code, percent, comment = text[position:].partition("%")
    return "".join([*parts, code, " " * len(percent + comment)])


@dataclass(frozen=True, slots=True)
class Statement:
    """One logical statement.

    Attributes
    ----------
    path : Path
        The file of the statement.
    line_numbers : tuple of int
        1-based numbers of its physical lines; blank lines inside a continuation are not among
        them.
    text : str
        Its lines, each ``...`` replaced by a blank, with indentation and comment.
    """

    path: Path
    line_numbers: tuple[int, ...]
    text: str

    @property
    def line_number(self) -> int:
        """1-based number of the line on which the statement starts."""
        return self.line_numbers[0]

    @property
    def start(self) -> int:
        """Position in `text` after indentation, the ``GMAT`` prefix and a label before it."""
        match = _PREFIX.match(masked(self.text))
        return match.end() if match else 0

    @property
    def code(self) -> str:
        """The statement itself: no indentation, prefix, comment or final semicolon."""
        end = len(masked(self.text).rstrip(" \t"))
        return self.text[self.start : end].rstrip("; \t")

    @property
    def word(self) -> str:
        """The first word: ``Create``, ``Toggle``, or the name that is assigned to."""
        match = _NAME.match(self.code)
        return match.group() if match else ""

    @property
    def created(self) -> tuple[str, tuple[str, ...]] | None:
        """Type and names of a ``Create`` statement, None of any other."""
        match = _CREATE.match(masked(self.text), self.start)
        if match is None:
            return None
        return match["type"], tuple(_NAME.findall(_SIZES.sub(" ", match["names"])))

    @property
    def assigned(self) -> tuple[str, str] | None:
        """Name and last field of an assignment, None of any other statement.

        ``Sat.SMA = 7000`` gives ``("Sat", "SMA")``, ``A(1, 1) = 3`` gives ``("A", "")``.
        """
        match = _ASSIGNMENT.match(masked(self.text), self.start)
        if match is None:
            return None
        fields = re.findall(r"\.(\w+)", match["fields"], re.ASCII)
        return match["root"], fields[-1] if fields else ""

    @property
    def is_command(self) -> bool:
        """Whether only a mission sequence can hold the statement."""
        return self.created is None and self.assigned is None and self.include_span is None

    @property
    def value_start(self) -> int:
        """Position in `text` after the equals sign of an assignment."""
        match = _ASSIGNMENT.match(masked(self.text), self.start)
        return match.end() if match else len(self.text)

    @property
    def target(self) -> str:
        """What an assignment assigns to, without blanks: ``FM.Drag.F107``, ``A(1,2)``; or ''."""
        match = _ASSIGNMENT.match(masked(self.text), self.start)
        return "".join(match["path"].split()) if match else ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name in the statement outside of strings, fields not among them."""
        return tuple(_BARE_NAME.findall(masked(self.text), self.start))

    @property
    def include_span(self) -> tuple[int, int] | None:
        """Start and end in `text` of the path of an ``#Include``, quotes included."""
        code = masked(self.text)
        match = _INCLUDE.match(code, self.start)
        if match is None:
            return None
        return match.end(), max(match.end(), len(code.rstrip("; \t")))

    @property
    def included(self) -> str | None:
        """The path of an ``#Include`` as it is written, None of any other statement."""
        span = self.include_span
        return self.text[slice(*span)].strip("'") if span else None


def bare_value(statement: Statement) -> str:
    """Return the right side of an assignment without quotes, comment and semicolon."""
    code = statement.text[: len(masked(statement.text).rstrip(" \t"))]
    return code[statement.value_start :].rstrip("; \t").lstrip(" \t").strip("'")


class ScriptText:
    """A script file as lines and statements, which can give back its bytes.

    Parameters
    ----------
    path : Path
        The file; its statements have the same `path`.
    content : bytes
        Its bytes.

    Attributes
    ----------
    path : Path
        As given.
    lines : list of str
        The physical lines without their ends and without a leading byte order mark.
    statements : list of Statement
        The logical statements, in order.
    """

    __slots__ = ("_ends", "_marks", "lines", "path", "statements")

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        text = content.decode("utf-8", "surrogateescape")
        body = text.lstrip("\ufeff")
        self._marks = text[: len(text) - len(body)]
        self.lines = _NEWLINE.split(body)
        self._ends = [*_NEWLINE.findall(body), ""]
        self.statements = list(self._read_statements())

    @classmethod
    def read(cls, path: Path | str) -> ScriptText:
        """Read a file.

        Raises
        ------
        MissionScriptError
            The file is UTF-16 or UTF-32.
        OSError
            The file cannot be read.
        """
        content = Path(path).read_bytes()
        refuse_wide_text(Path(path), content)
        return cls(Path(path), content)

    def with_lines(self, changed: dict[int, str]) -> bytes:
        """Return the file's bytes with some lines exchanged.

        Parameters
        ----------
        changed : dict
            1-based line number to its new text; line ends stay as they are.
        """
        parts = [self._marks]
        for number, (line, end) in enumerate(zip(self.lines, self._ends, strict=True), start=1):
            parts += [changed.get(number, line), end]
        return "".join(parts).encode("utf-8", "surrogateescape")

    def joined(self, lines: Iterable[str], number: int) -> str:
        """Join lines to stand in place of one, with that line's own end between them."""
        end = self._ends[number - 1] or next(filter(None, self._ends), "\n")
        return end.join(lines)

    def _read_statements(self) -> Iterator[Statement]:
        pieces: list[str] = []
        numbers: list[int] = []
        for number, line in enumerate(self.lines, start=1):
            stripped = line.strip(" \t")
            if not stripped or stripped.startswith("%"):
                continue
            numbers.append(number)
            # From the second line on GMAT looks for the dots anywhere, in a string as well.
            if stripped.endswith("...") or (pieces and "..." in line):
                pieces.append(line.partition("...")[0] if pieces else line.rstrip(" \t")[:-3])
                continue
            yield Statement(self.path, tuple(numbers), " ".join([*pieces, line]))
            pieces, numbers = [], []
        if numbers:
            yield Statement(self.path, tuple(numbers), " ".join(pieces))
