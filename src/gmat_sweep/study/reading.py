"""Reading a study file, TOML or YAML, with errors that say where in it something is wrong."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.study.model import (
    Axis,
    CovarianceTable,
    DistributionTable,
    RunTable,
    Study,
)

__all__ = ["read_study", "study_schema"]

_NAME = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
_DOTTED = rf"(?P<path>{_NAME}(?:\s*\.\s*{_NAME})*)"
_HEADER = re.compile(rf"^\s*\[{{1,2}}\s*{_DOTTED}\s*\]{{1,2}}\s*(?:#.*)?$")
_KEY = re.compile(rf"^\s*{_DOTTED}\s*=")
_PART = re.compile(r""""([^"]*)"|'([^']*)'|([\w-]+)""")
_MOST_BYTES = 16 * 2**20
_MODELS: Mapping[str, type[BaseModel]] = {
    "as distribution": DistributionTable,
    "as covariance": CovarianceTable,
    "as axis": Axis,
}
_FORMS = frozenset({"as text", "as values", "as file", "as matrix", *_MODELS})


def study_schema() -> dict[str, Any]:
    """Return the JSON schema of a study file, for editors."""
    schema = Study.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def read_study(path: str | Path) -> Study:
    """Read a study.

    Parameters
    ----------
    path : str or Path
        A ``.toml``, ``.yaml`` or ``.yml`` file.

    Raises
    ------
    SweepConfigError
        The file is not there or cannot be read, or says what no study can; the message has every
        such place, with the line and the key.
    """
    source = Path(path)
    content, lines = _content_of(source)
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        problems = dict.fromkeys(_problem(dict(each), lines) for each in error.errors())
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise SweepConfigError(f"{source} is no study:{listed}") from None


def _content_of(source: Path) -> tuple[Any, dict[tuple[str, ...], int]]:
    """Return what a file says, and the lines of its keys."""
    kind = source.suffix.lower()
    if kind not in (".toml", ".yaml", ".yml"):
        raise SweepConfigError(f"{source} is no study. Give a .toml, .yaml or .yml file.")
    try:
        if source.stat().st_size > _MOST_BYTES:
            raise SweepConfigError(f"{source} is too large for a study. Name the right file.")
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise SweepConfigError(f"{source} cannot be read: {error}. Check the path.") from error
    return _toml(source, text) if kind == ".toml" else _yaml(source, text)


def _toml(source: Path, text: str) -> tuple[Any, dict[tuple[str, ...], int]]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SweepConfigError(
            f"{source} is no TOML: {error}. Text needs quotes, and so do names with a dot."
        ) from error
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _parts(header["path"])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_parts(key["path"])), number)
    return content, lines


def _parts(path: str) -> tuple[str, ...]:
    return tuple(next(filter(None, found), "") for found in _PART.findall(path))


def _yaml(source: Path, text: str) -> tuple[Any, dict[tuple[str, ...], int]]:
    import yaml

    try:
        content = yaml.safe_load(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise SweepConfigError(f"{source} is no YAML: {said}. Mend it there.") from error
    lines: dict[tuple[str, ...], int] = {}

    def walk(node: Any, path: tuple[str, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*path, str(key.value))
                lines[inner] = key.start_mark.line + 1
                walk(value, inner)

    walk(root, ())
    return content, lines


def _problem(error: Mapping[str, Any], lines: Mapping[tuple[str, ...], int]) -> str:
    """Return what is wrong, with the line and the key, and what to write instead."""
    place = [part for part in error["loc"] if part not in _FORMS]
    said = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "value_error" and not place:
        # Of the study as a whole: the message begins with the key.
        key, _, said = said.partition(": ")
        place = [key]
    path = tuple(map(str, place))
    if error["type"] == "extra_forbidden":
        said = f"there is no such key{_suggestion(error, path)}"
    elif error["type"] == "missing":
        said = "it is missing"
    elif error["type"] != "value_error":
        said = f"{_lower(said)}, got {_shown(error['input'])}"
    line = next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), None)
    where = f"line {line}, " if line is not None and error["type"] != "missing" else ""
    return f"{where}{'.'.join(map(_quoted, path)) or 'the whole file'}: {said}"


def _suggestion(error: Mapping[str, Any], path: Sequence[str]) -> str:
    form = next((part for part in error["loc"] if part in _MODELS), None)
    model = _MODELS.get(str(form), RunTable if path[0] == "run" and len(path) > 1 else Study)
    known = sorted(model.model_fields)
    close = difflib.get_close_matches(path[-1], known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(known)}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _quoted(part: str) -> str:
    return f'"{part}"' if "." in part else part
