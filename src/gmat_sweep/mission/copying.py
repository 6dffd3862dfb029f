"""Copies of a mission's script files with some statements changed.

Every line that need not change keeps its bytes, and every statement keeps its line number, so that
a line in GMAT's messages is the line in the user's script (the lines of a statement that is left
out are empty).

A copy is run from another folder, while GMAT resolves relative paths against the folder of the
script. So two kinds of relative path become absolute if the file exists beside the user's script:
that of an ``#Include`` and that of an input file (an attitude file, a gravity model, a kernel,
...). Names of files that GMAT finds in its own data folders stay as they are.

The user's files are never written to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gmat_sweep.errors import MissionScriptError
from gmat_sweep.mission.script import included_file, is_file
from gmat_sweep.mission.statements import ScriptText, Statement, masked, string_spans

__all__ = [
    "OUTPUT_FIELDS",
    "READER_TYPES",
    "Change",
    "Rule",
    "ScriptCopy",
    "added_lines_of",
    "included_copy_name",
    "input_files",
    "named_inputs",
    "origin_of",
    "quoted_path",
    "with_absolute_inputs",
    "with_added_lines",
    "with_origin",
    "without_bare_lines",
]

OUTPUT_FIELDS = frozenset(
    {"FileName", "Filename", "LogFile", "MatlabFile", "OutputFile", "OutputFileName", "ReportFile"}
)
"""Fields that name a file GMAT writes."""

READER_TYPES = frozenset({"FileInterface", "ThrustHistoryFile"})
"""Types whose Filename is a file that GMAT reads."""

_INPUT_FIELD = re.compile(r"File|Path|Kernel|EphemerisName|TextureMap")
_LOOKS_LIKE_FILE = re.compile(r"[/\\]|\.[A-Za-z]")

Rule = Callable[[Statement], str | None]
"""Returns the text of a statement in a copy, unchanged where it may stay, None to leave it out."""


@dataclass(frozen=True, slots=True)
class Change:
    """One statement of a copy that differs from the user's.

    Attributes
    ----------
    path : Path
        The user's file.
    line_number : int
        1-based line of the statement, in the user's file and in the copy.
    before : str
        The statement, continuation lines joined.
    after : str or None
        The statement in the copy; None if it is left out.
    """

    path: Path
    line_number: int
    before: str
    after: str | None


class ScriptCopy:
    """A copy of a script and of the files that it includes.

    Parameters
    ----------
    main : ScriptText
        The script.
    types : mapping
        Type of each resource by its name.
    rule : callable
        What becomes of each statement.

    Attributes
    ----------
    files : dict of str to bytes
        The script under its own name, and the included files that had to change.
    changes : list of Change
        Every statement that differs, those whose path was made absolute too.

    Raises
    ------
    MissionScriptError
        An absolute path that the copy needs cannot be written in a GMAT script.
    OSError
        An included file cannot be read.
    """

    def __init__(self, main: ScriptText, types: Mapping[str, str], rule: Rule) -> None:
        self.changes: list[Change] = []
        self._main = main.path
        self._folder = main.path.resolve().parent
        self._types = types
        self._rule = rule
        self._included: dict[str, bytes] = {}
        self._include_paths: dict[Path, str | None] = {main.path.resolve(): None}
        text = self._rewritten(main)
        self.files = {main.path.name: text, **self._included}

    def _rewritten(self, script: ScriptText) -> bytes:
        """Return the bytes that a file of the mission has in the copy."""
        lines: dict[int, str] = {}
        for statement in script.statements:
            text = self._statement(statement)
            if text == statement.text:
                continue
            lines |= dict.fromkeys(statement.line_numbers, "")
            lines[statement.line_number] = text or ""
            self.changes.append(Change(script.path, statement.line_number, statement.text, text))
        return script.with_lines(lines)

    def _statement(self, statement: Statement) -> str | None:
        if statement.include_span:
            return self._include(statement)
        text = self._rule(statement)
        if text is None or not statement.assigned:
            return text
        return with_absolute_inputs(statement, text, self._types, self._folder)

    def _include(self, statement: Statement) -> str:
        target = included_file(statement, self._main)
        span = statement.include_span
        if target is None or span is None or statement.included is None:
            return statement.text
        path = self._include_path(target)
        if path is None:
            if Path(statement.included).is_absolute():
                return statement.text
            path = quoted_path(statement, target)
        return statement.text[: span[0]] + path + statement.text[span[1] :]

    def _include_path(self, target: Path) -> str | None:
        """Return the quoted name of an included file's copy, None where none is needed."""
        key = target.resolve()
        if key not in self._include_paths:
            # Set before the file is read: it may include itself, which GMAT is left to refuse.
            self._include_paths[key] = None
            script = ScriptText.read(target)
            content = without_bare_lines(self._rewritten(script))
            if content != without_bare_lines(script.with_lines({})):
                name = included_copy_name(len(self._included) + 1, target)
                self._included[name] = content
                self._include_paths[key] = f"'{name}'"
        return self._include_paths[key]


_ORIGIN = re.compile(
    rb"\n% A copy made by gmat-sweep; the script lies in (?P<folder>[^\r\n]*)\s*\Z"
)


def with_origin(content: bytes, folder: Path) -> bytes:
    """Return a copy of a script with a last line that names the folder of the script."""
    named = f"\n% A copy made by gmat-sweep; the script lies in {folder.as_posix()}\n"
    # GMAT reads ASCII only, in comments as well.
    return content + named.encode() if named.isascii() else content


def origin_of(script: Path) -> Path:
    """Return the folder in which a script was written: its own, or that of what it is a copy of."""
    found = _ORIGIN.search(script.read_bytes()[-4096:])
    return Path(found["folder"].decode()) if found else script.resolve().parent


_ADDED = re.compile(
    rb"\n% gmat-sweep put (?P<count>\d+) lines of its own before line (?P<first>\d+)\n"
)


def with_added_lines(content: bytes, first: int, count: int) -> bytes:
    """Return a copy of a script with a line that says which of its lines the script lacks."""
    if not count:
        return content
    return content + f"\n% gmat-sweep put {count} lines of its own before line {first}\n".encode()


def added_lines_of(script: Path) -> tuple[int, int]:
    """Return the number of the first line that a copy has and its script lacks, and their count.

    The count is 0 for a script that is no copy, and for a copy with the lines of its script.
    """
    found = _ADDED.search(script.read_bytes()[-4096:])
    return (int(found["first"]), int(found["count"])) if found else (1, 0)


def included_copy_name(number: int, target: Path) -> str:
    """Return the name that the copy of an included file has beside the copy of the script."""
    return f"include-{number}-{target.name}"


def without_bare_lines(content: bytes) -> bytes:
    """Return what a copied include has to hold: nothing, if it has no statement left.

    GMAT takes an empty file, and refuses to include one of blank lines and comments only.
    """
    return content if ScriptText(Path(), content).statements else b""


def with_absolute_inputs(
    statement: Statement, text: str, types: Mapping[str, str], folder: Path
) -> str:
    """Make the relative paths of input files in an assignment absolute.

    The parameters and the error are those of `input_files` and `quoted_path`.
    """
    for start, end, target in reversed(list(input_files(statement, text, types, folder))):
        if not Path(text[start:end].strip("'")).is_absolute():
            text = text[:start] + quoted_path(statement, target) + text[end:]
    return text


def quoted_path(statement: Statement, target: Path) -> str:
    """Return an absolute path as a GMAT script can hold it.

    Raises
    ------
    MissionScriptError
        It holds characters that GMAT cannot read.
    """
    path = target.as_posix()
    # GMAT refuses scripts with other than ASCII characters, and formats its lines with printf.
    if not path.isascii() or not path.isprintable() or set(path) & {"'", "%"}:
        raise MissionScriptError(
            f"{statement.path}, line {statement.line_number}: the headless copy of this "
            f"mission needs the absolute path {path}, and GMAT scripts cannot hold one with a "
            "quote, a percent sign or a character other than ASCII. Move the mission to a "
            "folder with a plain name.",
            statement.path,
            statement.line_number,
        )
    return f"'{path}'"


def input_files(
    statement: Statement, text: str, types: Mapping[str, str], folder: Path
) -> Iterator[tuple[int, int, Path]]:
    """Yield each existing file that GMAT reads and a statement names, with the place of the name.

    Parameters
    ----------
    statement : Statement
        Any statement; only an assignment names input files.
    text : str
        Its text, which may be rewritten in part.
    types : mapping
        Resource name to type.
    folder : Path
        The folder of the main script, where relative paths start.

    Yields
    ------
    tuple of (int, int, Path)
        Start and end of the name in `text`, quotes included, and the file.
    """
    for start, end, path in named_inputs(statement, text, types, folder):
        if is_file(path):
            yield start, end, path


def named_inputs(
    statement: Statement, text: str, types: Mapping[str, str], folder: Path
) -> Iterator[tuple[int, int, Path]]:
    """Yield as `input_files` does, and also each name that is that of no file beside the script.

    GMAT finds such a file in its own data, or not at all.
    """
    owner, field = statement.assigned or ("", "")
    is_output = field in OUTPUT_FIELDS and types.get(owner) not in READER_TYPES
    if not field or is_output:
        return
    code = masked(text)
    value = Statement(statement.path, statement.line_numbers, text).value_start
    spans = [span for span in string_spans(text) if span[0] >= value]
    bare = code[value:].rstrip("; \t")
    if not spans and _LOOKS_LIKE_FILE.search(bare) and not re.search(r"[{}()\[\]]", bare):
        spans = [(value + len(bare) - len(bare.lstrip(" \t")), value + len(bare))]
    for start, end in spans:
        name = text[start:end].strip("'").replace("\\", "/")
        if name and (_INPUT_FIELD.search(field) or _LOOKS_LIKE_FILE.search(name)):
            yield start, end, folder / name
