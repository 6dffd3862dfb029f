"""CCSDS orbit messages in XML, as the lines that they would be in key-value notation.

The standard is CCSDS 505.0-B. A message needs no document type; one that has one is refused, so
that no entity is expanded and no other file read.
"""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

from gmat_sweep.errors import SweepConfigError

__all__ = ["ROW_KEYS", "lines_of_xml"]

_ROWS = ("X", "Y", "Z", "X_DOT", "Y_DOT", "Z_DOT")
ROW_KEYS = [[f"C{_ROWS[i]}_{_ROWS[j]}" for j in range(i + 1)] for i in range(6)]
"""The names of a covariance's elements: its lower triangle, a list for each row."""
_MESSAGES = ("opm", "oem")


def lines_of_xml(content: bytes, source: Path) -> list[tuple[int, str]]:
    """Return numbered lines of key-value notation; a number is that of the line in the XML.

    Parameters
    ----------
    content : bytes
        The file.
    source : Path
        Its name, for messages.

    Raises
    ------
    SweepConfigError
        It is no XML, or has another message than one OPM or OEM.
    """
    reader = _Reader(source)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse_document_type
    parser.StartElementHandler = lambda tag, given: reader.begin(
        tag, given, parser.CurrentLineNumber
    )
    parser.EndElementHandler = lambda tag: reader.end(tag, parser.CurrentLineNumber)
    parser.CharacterDataHandler = reader.take
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise SweepConfigError(f"{source} is no XML: {error}. Mend the message.") from error
    if reader.kind is None:
        raise SweepConfigError(f"{source} has no OPM or OEM in it. Give one, or a matrix as CSV.")
    return reader.lines


class _Reader:
    """Makes lines of the elements of a message."""

    def __init__(self, source: Path) -> None:
        self.lines: list[tuple[int, str]] = []
        self.kind: str | None = None
        self._source = source
        self._text = ""
        self._unit = ""
        # In an OEM, the elements of a covariance by their keys, with their lines.
        self._elements: dict[str, tuple[int, str]] | None = None

    def refuse_document_type(self, *_: object) -> None:
        raise SweepConfigError(
            f"{self._source} has a document type (DOCTYPE), which no orbit message needs. Remove "
            "it."
        )

    def begin(self, tag: str, given: dict[str, str], line: int) -> None:
        name = _plain(tag)
        self._text, self._unit = "", given.get("units", "")
        if name in _MESSAGES:
            if self.kind is not None:
                raise SweepConfigError(
                    f"{self._source}, line {line}: a second message begins. Give a file with one."
                )
            self.kind = name
            self.lines.append((line, f"CCSDS_{name.upper()}_VERS = {given.get('version', '')}"))
        elif self.kind == "oem" and name == "metadata":
            self.lines.append((line, "META_START"))
        elif self.kind == "oem" and name == "covarianceMatrix":
            self.lines.append((line, "COVARIANCE_START"))
            self._elements = {}

    def end(self, tag: str, line: int) -> None:
        name, text = _plain(tag), " ".join(self._text.split())
        if self._unit:
            text = f"{text} [{self._unit}]"
        self._text = self._unit = ""
        if self.kind == "oem" and name == "metadata":
            self.lines.append((line, "META_STOP"))
        elif self._elements is not None and name == "covarianceMatrix":
            self._end_matrix(self._elements, line)
            self._elements = None
        elif self._elements is not None and any(name in keys for keys in ROW_KEYS):
            self._elements[name] = (line, text)
        elif self.kind is not None and name.isupper() and name != "COMMENT":
            self.lines.append((line, f"{name} = {text}"))

    def take(self, text: str) -> None:
        self._text += text

    def _end_matrix(self, elements: dict[str, tuple[int, str]], line: int) -> None:
        for keys in ROW_KEYS:
            for key in keys:
                if key not in elements:
                    raise SweepConfigError(
                        f"{self._source}, line {line}: the covariance lacks {key}. Complete it."
                    )
            self.lines += [(elements[key][0], f"{key} = {elements[key][1]}") for key in keys]
        self.lines.append((line, "COVARIANCE_STOP"))


def _plain(tag: str) -> str:
    return tag.rpartition(":")[2]
