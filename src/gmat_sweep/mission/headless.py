"""Headless copies of missions whose display resources the engine lacks.

An engine without the OpenFrames plugin refuses a whole script because of one view. `headless_copy`
makes the same mission without such views. Every line that need not change keeps its bytes, and
every statement keeps its line number, so that a line in GMAT's messages is the line in the user's
script (the lines of a statement that is left out are empty).

A copy is run from another folder, while GMAT resolves relative paths against the folder of the
script. So `headless_copy` makes two kinds of relative path absolute if the file exists beside the
user's script: that of an ``#Include`` and that of an input file (an attitude file, a gravity model,
a kernel, ...). Names of output files stay relative, and so do names of files that GMAT finds in its
own data folders.

The user's files are never written to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.errors import MissionScriptError
from gmat_sweep.mission.script import (
    DISPLAY_ONLY_TYPES,
    Resource,
    created_resources,
    included_file,
    is_file,
    is_member,
)
from gmat_sweep.mission.statements import ScriptText, Statement, masked, string_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

__all__ = ["Change", "HeadlessScript", "headless_copy", "input_files"]

_DISPLAY_COMMANDS = frozenset({"ClearPlot", "MarkPoint", "PenDown", "PenUp", "Toggle"})
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*", re.ASCII)
# A whole element of a list in braces.
_ELEMENT = re.compile(r"(?<=[{,\s])[A-Za-z_]\w*(?=[\s,][^{}]*}|})", re.ASCII)

# Fields that name a file GMAT writes. They stay relative: with an absolute path every run of a
# sweep would write the one file in the user's folder.
_OUTPUT_FIELDS = frozenset(
    {"FileName", "Filename", "LogFile", "MatlabFile", "OutputFile", "OutputFileName", "ReportFile"}
)
# Types whose Filename is a file that GMAT reads.
_READER_TYPES = frozenset({"FileInterface", "ThrustHistoryFile"})
_INPUT_FIELD = re.compile(r"File|Path|Kernel|EphemerisName|TextureMap")
_LOOKS_LIKE_FILE = re.compile(r"[/\\]|\.[A-Za-z]")


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


@dataclass(frozen=True, slots=True)
class HeadlessScript:
    """A mission in the form that the engine can load.

    Attributes
    ----------
    source : Path
        The user's script.
    text : bytes
        The script to run; the user's own bytes where no copy is needed.
    dropped : tuple of Resource
        The display resources left out, in the order of their creation.
    changes : tuple of Change
        Every statement that differs, in included files too.
    files : dict of str to bytes
        Every file of the copy by its name: the script under the name of `source`, and the
        included files that had to change. Empty where no copy is needed.
    """

    source: Path
    text: bytes
    dropped: tuple[Resource, ...]
    changes: tuple[Change, ...]
    files: dict[str, bytes]

    @property
    def is_needed(self) -> bool:
        """Whether anything is left out; if not, run the user's own file."""
        return bool(self.dropped)

    def write(self, folder: Path) -> Path:
        """Write the copy's files into a folder.

        Parameters
        ----------
        folder : Path
            Made if it is not there. It must not be the folder of `source`.

        Returns
        -------
        Path
            The script to run: the copy, or `source` where no copy is needed.

        Raises
        ------
        ValueError
            `folder` is the folder of `source`: the copy would replace the user's script.
        """
        if not self.is_needed:
            return self.source
        if folder.resolve() == self.source.resolve().parent:
            raise ValueError(
                f"{folder} holds the user's own {self.source.name}: write the headless copy "
                "into another folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return folder / self.source.name


def headless_copy(
    source: Path | str, lacking: Callable[[str], bool] | Collection[str]
) -> HeadlessScript:
    """Make a copy of a mission without the display resources that the engine lacks.

    The copy lacks the ``Create`` statements of those resources, assignments to them and their
    fields, and their names in ``Toggle``, ``PenUp``, ``PenDown``, ``MarkPoint``, ``ClearPlot`` and
    ``UpdateDynamicData`` (the whole command if no other name is left) and in lists in braces. The
    same holds for included files.

    Parameters
    ----------
    source : Path or str
        The user's script.
    lacking : callable or collection of str
        The types that the engine cannot create. Only those in
        `~gmat_sweep.mission.script.DISPLAY_ONLY_TYPES` are left out. Views that the engine can
        create stay.

    Returns
    -------
    HeadlessScript
        The copy, not yet written to disk.

    Raises
    ------
    MissionScriptError
        A statement that must stay uses a resource that is left out; or an absolute path that the
        copy needs cannot be written in a GMAT script.
    OSError
        The script cannot be read.
    """
    main = ScriptText.read(source)
    resources = created_resources(source)
    dropped = tuple(
        item
        for item in resources
        if item.type in DISPLAY_ONLY_TYPES and is_member(item.type, lacking)
    )
    if not dropped:
        content = main.with_lines({})
        return HeadlessScript(main.path, content, (), (), {})
    copy = _Copy(main.path, resources, dropped)
    text = copy.rewritten(main)
    files = {main.path.name: text, **copy.included}
    return HeadlessScript(main.path, text, dropped, tuple(copy.changes), files)


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
    owner, field = statement.assigned or ("", "")
    is_output = field in _OUTPUT_FIELDS and types.get(owner) not in _READER_TYPES
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
        if (_INPUT_FIELD.search(field) or _LOOKS_LIKE_FILE.search(name)) and is_file(folder / name):
            yield start, end, folder / name


class _Copy:
    """One copy in the making: the resources left out, and the files rewritten so far."""

    def __init__(
        self, main: Path, resources: list[Resource], dropped: tuple[Resource, ...]
    ) -> None:
        self.main = main
        self.folder = main.resolve().parent
        self.types = {item.name: item.type for item in resources}
        self.dropped_types = {item.name: item.type for item in dropped}
        self.changes: list[Change] = []
        self.included: dict[str, bytes] = {}
        self._include_paths: dict[Path, str | None] = {main.resolve(): None}

    def rewritten(self, script: ScriptText) -> bytes:
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
        """Return a statement's text in the copy, None where it is left out."""
        if statement.include_span:
            return self._include(statement)
        if created := statement.created:
            return self._create(statement, *created)
        if statement.word in _DISPLAY_COMMANDS:
            return self._display_command(statement)
        if statement.word == "UpdateDynamicData":
            return self._update_command(statement)
        text = statement.text
        if assigned := statement.assigned:
            if assigned[0] in self.dropped_types:
                return None
            text = self._without_list_elements(text)
            text = self._with_absolute_inputs(statement, text)
        self._refuse_references(statement, text)
        return text

    def _create(self, statement: Statement, type_name: str, names: tuple[str, ...]) -> str | None:
        left_out = [name for name in names if name in self.dropped_types]
        if not left_out:
            return statement.text
        if type_name == self.dropped_types[left_out[0]]:
            return None
        raise self._reference_error(statement, left_out[0])

    def _display_command(self, statement: Statement) -> str | None:
        start = statement.start + len(statement.word)
        words = list(_NAME.finditer(masked(statement.text), start))
        if statement.word == "Toggle" and words and words[-1].group() in {"On", "Off"}:
            words.pop()
        left_out = [word for word in words if word.group() in self.dropped_types]
        if left_out and len(left_out) == len(words):
            return None
        text = statement.text
        for word in reversed(left_out):
            # The blanks before a name go with it, because a separator follows the name.
            text = text[: word.start()].rstrip(" \t,") + text[word.end() :]
        return text

    def _update_command(self, statement: Statement) -> str | None:
        start = statement.start + len(statement.word)
        display = _NAME.search(masked(statement.text), start)
        return None if display and display.group() in self.dropped_types else statement.text

    def _without_list_elements(self, text: str) -> str:
        """Take dropped names out of the lists in braces, one at a time."""
        code = masked(text)
        for element in _ELEMENT.finditer(code):
            if element.group() not in self.dropped_types:
                continue
            before, after = text[: element.start()], text[element.end() :]
            comma = re.match(r"[ \t]*,[ \t]*", after)
            if comma:
                after = after[comma.end() :]
            else:
                before = before.rstrip(" \t").removesuffix(",")
            return self._without_list_elements(before + after)
        return text

    def _with_absolute_inputs(self, statement: Statement, text: str) -> str:
        """Make the relative path of an input file in an assignment absolute."""
        for start, end, target in reversed(
            list(input_files(statement, text, self.types, self.folder))
        ):
            if not Path(text[start:end].strip("'")).is_absolute():
                text = text[:start] + self._quoted(statement, target) + text[end:]
        return text

    def _include(self, statement: Statement) -> str:
        target = included_file(statement, self.main)
        span = statement.include_span
        if target is None or span is None or statement.included is None:
            return statement.text
        path = self._include_path(target)
        if path is None:
            if Path(statement.included).is_absolute():
                return statement.text
            path = self._quoted(statement, target)
        return statement.text[: span[0]] + path + statement.text[span[1] :]

    def _include_path(self, target: Path) -> str | None:
        """Return the quoted name of an included file's copy, None where none is needed."""
        key = target.resolve()
        if key not in self._include_paths:
            # Set before the file is read: it may include itself, which GMAT is left to refuse.
            self._include_paths[key] = None
            script = ScriptText.read(target)
            content = self.rewritten(script)
            if content != script.with_lines({}):
                name = f"include-{len(self.included) + 1}-{target.name}"
                self.included[name] = content
                self._include_paths[key] = f"'{name}'"
        return self._include_paths[key]

    def _quoted(self, statement: Statement, target: Path) -> str:
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

    def _refuse_references(self, statement: Statement, text: str) -> None:
        for match in _NAME.finditer(masked(text)):
            if match.group() in self.dropped_types:
                raise self._reference_error(statement, match.group())

    def _reference_error(self, statement: Statement, name: str) -> MissionScriptError:
        return MissionScriptError(
            f"{statement.path}, line {statement.line_number}: {statement.code!r} uses {name}, an "
            f"{self.dropped_types[name]} that is left out of the run because this GMAT engine "
            "cannot create it. Take the statement out of the script, or set GMAT_ROOT to the "
            "folder of a full GMAT installation.",
            statement.path,
            statement.line_number,
        )
