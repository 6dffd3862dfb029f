"""Requirements out of a file or a Python object, with errors that say where in it what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

from gmat_sweep.disk.keyed_file import KeyedFile, read_keyed_file
from gmat_sweep.disk.paths import user_path
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.verdicts.requirement import Requirement, Requirements
from gmat_sweep.verdicts.rules import (
    DEFAULT_CONFIDENCE,
    KEYS,
    Mistake,
    mistake_of_a_share,
    mistakes_in,
    suggestion,
)

__all__ = [
    "TABLES",
    "Problem",
    "load_requirements",
    "problems_in",
    "problems_of_tables",
    "read_requirements_file",
    "requirements_in",
    "requirements_of",
    "shown",
]

TABLES = "requirement"
"""The key of a file under which its requirements are."""

_SUFFIXES = (".toml", ".yaml", ".yml", ".json")
_PLANS = ("fixed", "anytime")
_TOP = ("confidence", "plan", "sample", TABLES)


class Problem(NamedTuple):
    """A mistake, and where it is.

    Attributes
    ----------
    path : tuple of str
        Path of the key from the top of the file; the number of a requirement is part of it.
    place : str
        The place for a person: ``requirement 'apogee', limit``.
    said : str
        What is wrong, and what to write instead.
    """

    path: tuple[str, ...]
    place: str
    said: str


def load_requirements(
    source: str
    | Path
    | Requirements
    | Mapping[str, Any]
    | Iterable[Requirement | Mapping[str, Any]],
) -> Requirements:
    """Load requirements.

    Parameters
    ----------
    source : path, mapping or iterable
        A ``.toml``, ``.yaml``, ``.yml`` or ``.json`` file; a mapping with the keys of such a file
        (``requirement``, ``confidence``, ``plan``, ``sample``); or the requirements themselves,
        each a `Requirement` or a mapping of its keys. A file of JSON may also be a list of them.

    Returns
    -------
    Requirements
        The requirements in their order, with plan and default confidence.

    Raises
    ------
    SweepConfigError
        The file cannot be read, or says what no requirement can; the message has every mistake with
        its line and its key, and what to write instead.

    Examples
    --------
    >>> load_requirements(
    ...     [{"name": "dv99", "column": "dv", "limit": "< 100", "quantile": 0.99}]
    ... ).requirements[0].statement
    'final dv < 100 in at least 99 %'
    """
    if isinstance(source, Requirements):
        return source
    if isinstance(source, str | Path):
        file = read_requirements_file(user_path(source, "requirements"))
        return requirements_in(file, {})
    return _checked(_with_tables(source), None)


def read_requirements_file(path: Path) -> KeyedFile:
    """Read a file of requirements; what it says is not looked at.

    Raises
    ------
    SweepConfigError
        The file cannot be read.
    """
    file = read_keyed_file(path, "file of requirements", _SUFFIXES)
    if not isinstance(file.content, list):
        return file
    lines = {(TABLES, *key): line for key, line in file.lines.items()}
    return replace(file, content=_with_tables(file.content), lines=lines)


def requirements_in(file: KeyedFile, defaults: Mapping[str, Any]) -> Requirements:
    """Return the requirements of a file.

    Parameters
    ----------
    file : KeyedFile
        The file.
    defaults : mapping
        What counts where the file does not say it: ``plan``, ``confidence``, ``sample``.

    Raises
    ------
    SweepConfigError
        As `load_requirements`.
    """
    content = file.content
    if isinstance(content, Mapping):
        said = {key: value for key, value in content.items() if value is not None}
        content = {**defaults, **said}
    return _checked(content, file)


def _with_tables(content: Any) -> Any:
    if isinstance(content, str | bytes | Mapping) or not isinstance(content, Iterable):
        return content
    return {TABLES: list(content)}


def _checked(content: Any, file: KeyedFile | None) -> Requirements:
    problems = problems_in(content)
    if problems:
        what = "These are" if file is None else f"{file.source} has"
        listed = "".join(f"\n  - {shown(each, file)}" for each in dict.fromkeys(problems))
        raise SweepConfigError(f"{what} no requirements that can be judged:{listed}")
    return requirements_of(content, file)


def requirements_of(
    content: Mapping[str, Any], file: KeyedFile | None = None, path: tuple[str, ...] = (TABLES,)
) -> Requirements:
    """Return the requirements of a content without mistakes.

    Parameters
    ----------
    content : mapping
        The keys of a file of requirements.
    file : KeyedFile, optional
        The file that they are from.
    path : tuple of str
        Where in it the list of requirements is.
    """
    confidence = content.get("confidence")
    made = []
    lines: dict[tuple[str, str], int] = {}
    for number, each in enumerate(content[TABLES]):
        if isinstance(each, Requirement):
            made.append(each)
            continue
        table = dict(each)
        if confidence is not None and table.get("confidence") is None:
            table["confidence"] = confidence
        made.append(Requirement.from_dict(table))
        for key in KEYS if file is not None else ():
            line = file.line_of((*path, str(number), key)) if file is not None else None
            if line is not None:
                lines[made[-1].name, key] = line
    return Requirements(
        tuple(made),
        plan=content.get("plan"),
        confidence=float(DEFAULT_CONFIDENCE if confidence is None else confidence),
        sample=content.get("sample"),
        source=None if file is None else str(file.source),
        lines=lines,
    )


def problems_in(content: Any) -> list[Problem]:
    """Return all that is wrong with the content of a file, in its order.

    Parameters
    ----------
    content : object
        What the file says; a requirement may be a `Requirement`.
    """
    if not isinstance(content, Mapping):
        return [
            Problem((), "the whole file", f"it must have tables [[{TABLES}]], got {_cut(content)}")
        ]
    found = list(_problems_of_top(content))
    tables = content.get(TABLES)
    if tables is None:
        if not any(each.path and each.path[0].rstrip("s") == TABLES for each in found):
            found.append(Problem((TABLES,), TABLES, f"there is none; write a table [[{TABLES}]]"))
        return found
    return found + problems_of_tables(tables, (TABLES,))


def problems_of_tables(tables: Any, path: tuple[str, ...]) -> list[Problem]:
    """Return all that is wrong with a list of requirements.

    Parameters
    ----------
    tables : object
        What stands where the list should be.
    path : tuple of str
        Where it stands.
    """
    place = path[-1]
    if isinstance(tables, Mapping):
        return [
            Problem(path, place, f"it is one table; write [[{place}]] with two brackets, for each")
        ]
    if not isinstance(tables, list | tuple):
        return [Problem(path, place, f"it must be tables [[{place}]], got {_cut(tables)}")]
    if not tables:
        return [Problem(path, place, f"there is none; write a table [[{place}]]")]
    found: list[Problem] = []
    for number, each in enumerate(tables):
        for mistake in _mistakes_of_one(each):
            key = (mistake.key,) if mistake.key else ()
            words = ", ".join([_title(each, number), *key])
            found.append(Problem((*path, str(number), *key), words, mistake.said))
    return found + list(_problems_of_names(tables, path))


def shown(problem: Problem, file: KeyedFile | None) -> str:
    """Return a problem with its line, if it comes from a file."""
    line = None if file is None else file.line_of(problem.path)
    where = "" if line is None else f"line {line}, "
    return f"{where}{problem.place}: {problem.said}"


def _mistakes_of_one(each: Any) -> Sequence[Mistake]:
    if isinstance(each, Requirement):
        return ()
    if not isinstance(each, Mapping):
        return [Mistake("", f"it must be a table of keys, got {_cut(each)}")]
    return mistakes_in(each)


def _problems_of_top(content: Mapping[str, Any]) -> Iterator[Problem]:
    for key, value in content.items():
        said = ""
        if key not in _TOP:
            said = f"there is no such key{suggestion(str(key), _TOP)}"
            if key in KEYS:
                said = f"it is a key of one requirement; write it under [[{TABLES}]]"
        elif value is None:
            continue
        elif key == "confidence":
            said = mistake_of_a_share(key, value)
        elif key == "plan" and value not in _PLANS:
            said = f"it must be 'fixed' or 'anytime', got {value!r}"
        elif key == "sample" and value != "independent":
            said = f"it must be 'independent', or be left out, got {value!r}"
        if said:
            yield Problem((str(key),), str(key), said)


def _problems_of_names(tables: Sequence[Any], path: tuple[str, ...]) -> Iterator[Problem]:
    """Yield names that stand twice, and parts of `all_of` that are none or go in a circle."""
    first: dict[str, int] = {}
    joint: dict[str, tuple[int, list[str]]] = {}
    for number, each in enumerate(tables):
        name = _of(each, "name")
        if not isinstance(name, str):
            continue
        if name in first:
            yield Problem(
                (*path, str(number), "name"),
                f"{_title(each, number)}, name",
                f"requirement {first[name] + 1} has it already; give each its own",
            )
            continue
        first[name] = number
        parts = _of(each, "all_of")
        if isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts):
            joint[name] = number, list(parts)
    unknown = False
    for number, parts in joint.values():
        for part in parts:
            if part not in first:
                unknown = True
                yield Problem(
                    (*path, str(number), "all_of"),
                    f"{_title(tables[number], number)}, all_of",
                    f"there is no requirement {part!r}{suggestion(part, sorted(first))}",
                )
    if unknown:
        return
    try:
        TopologicalSorter({name: parts for name, (_, parts) in joint.items()}).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        number = joint[circle[0]][0]
        yield Problem(
            (*path, str(number), "all_of"),
            f"{_title(tables[number], number)}, all_of",
            f"the names go in a circle: {' -> '.join(circle)}; take one out",
        )


def _of(each: Any, key: str) -> Any:
    if isinstance(each, Requirement):
        return getattr(each, key)
    return each.get(key) if isinstance(each, Mapping) else None


def _title(each: Any, number: int) -> str:
    name = _of(each, "name")
    return f"requirement {name!r}" if isinstance(name, str) else f"requirement {number + 1}"


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
