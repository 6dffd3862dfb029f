"""A TOML, YAML or JSON file that a person wrote, and the line of each of its keys."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmat_sweep.errors import SweepConfigError

__all__ = ["KeyedFile", "read_keyed_file", "shown_place"]

_NAME = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
_DOTTED = rf"(?P<path>{_NAME}(?:\s*\.\s*{_NAME})*)"
_HEADER = re.compile(rf"^\s*(?P<open>\[{{1,2}})\s*{_DOTTED}\s*\]{{1,2}}\s*(?:#.*)?$")
_KEY = re.compile(rf"^\s*{_DOTTED}\s*=")
_PART = re.compile(r""""([^"]*)"|'([^']*)'|([\w-]+)""")
# YAML takes `limit: > 100` for the head of a text of several lines.
_BARE_RELATION = re.compile(r"^\s*(?:- +)?[\w-]+:\s+[>=]", re.MULTILINE)
_MOST_BYTES = 16 * 2**20

type Lines = dict[tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class KeyedFile:
    """What a file says, and where.

    Attributes
    ----------
    source : Path
        The file.
    content : object
        As its format reads it.
    lines : mapping of tuple of str to int
        The 1-based line of each key, by its path from the top; an element of a list has its number,
        from ``"0"``, as its key.
    """

    source: Path
    content: Any
    lines: Mapping[tuple[str, ...], int]

    def line_of(self, path: Sequence[str]) -> int | None:
        """Return the line of a key, or of the nearest table around it; None of neither."""
        paths = (tuple(path[:end]) for end in range(len(path), 0, -1))
        return next((self.lines[each] for each in paths if each in self.lines), None)


def read_keyed_file(source: Path, what: str, suffixes: Sequence[str]) -> KeyedFile:
    """Read a file.

    Parameters
    ----------
    source : Path
        The file.
    what : str
        What it should be, for the message: ``"study"``.
    suffixes : sequence of str
        The endings that are taken, of ``.toml``, ``.yaml``, ``.yml`` and ``.json``.

    Raises
    ------
    SweepConfigError
        The file is not there, cannot be read, is too large, or is not of the format of its name; or
        a key stands in it twice.
    """
    kind = source.suffix.lower()
    if kind not in suffixes:
        listed = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
        raise SweepConfigError(f"{source} is no {what}. Give a {listed} file.")
    try:
        if source.stat().st_size > _MOST_BYTES:
            raise SweepConfigError(f"{source} is too large for a {what}. Name the right file.")
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise SweepConfigError(f"{source} cannot be read: {error}. Check the path.") from error
    read = {".toml": _toml, ".json": _json}.get(kind, _yaml)
    return KeyedFile(source, *read(source, text))


def shown_place(path: Sequence[str]) -> str:
    """Return the path of a key for a person; a part with a dot stands in quotes."""
    return ".".join(f'"{part}"' if "." in part else part for part in path)


def _toml(source: Path, text: str) -> tuple[Any, Lines]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SweepConfigError(
            f"{source} is no TOML: {error}. Text needs quotes, and so do names with a dot."
        ) from error
    lines: Lines = {}
    table: tuple[str, ...] = ()
    last: dict[tuple[str, ...], int] = {}

    def numbered(parts: Sequence[str]) -> tuple[str, ...]:
        """Return the path of a table, with the number of each list of tables on the way."""
        path: tuple[str, ...] = ()
        for part in parts:
            path = (*path, part)
            if path in last:
                path = (*path, str(last[path]))
        return path

    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            *above, name = _parts(header["path"])
            table = (*numbered(above), name)
            if header["open"] == "[[":
                lines.setdefault(table, number)
                last[table] = last.get(table, -1) + 1
            table = numbered([*above, name])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_parts(key["path"])), number)
    return content, lines


def _parts(path: str) -> tuple[str, ...]:
    return tuple(next(filter(None, found), "") for found in _PART.findall(path))


def _json(source: Path, text: str) -> tuple[Any, Lines]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SweepConfigError(
            f"{source} is no JSON: {error}. Keys and text need double quotes, and no comma stands "
            "before a closing bracket."
        ) from error
    # JSON is YAML but for tabs, which no text of JSON holds.
    return content, _lines_of_yaml(source, text.replace("\t", " "))


def _yaml(source: Path, text: str) -> tuple[Any, Lines]:
    import yaml

    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        advice = "Mend it there"
        if _BARE_RELATION.search(text):
            advice = 'Text that begins with > or = needs quotes, such as "> 100"'
        raise SweepConfigError(f"{source} is no YAML: {said}. {advice}.") from error
    return content, _lines_of_yaml(source, text)


def _lines_of_yaml(source: Path, text: str) -> Lines:
    """Return the lines of all keys, and refuse a key that stands twice, of which YAML drops one."""
    import yaml

    lines: Lines = {}
    seen: set[int] = set()

    def walk(node: Any, path: tuple[str, ...]) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*path, str(key.value))
                line = key.start_mark.line + 1
                if inner in lines:
                    raise SweepConfigError(
                        f"{source}, line {line}, {shown_place(inner)}: it stands in line "
                        f"{lines[inner]} already. Leave one of them out."
                    )
                lines[inner] = line
                walk(value, inner)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                inner = (*path, str(number))
                lines[inner] = value.start_mark.line + 1
                walk(value, inner)

    try:
        walk(yaml.compose(text, Loader=yaml.SafeLoader), ())
    except RecursionError:
        # Nested deeper than anything that is taken; the content says so.
        return {}
    return lines
