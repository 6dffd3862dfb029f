"""Reading a study file, TOML or YAML, with errors that say where in it something is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gmat_sweep.disk.keyed_file import KeyedFile, read_keyed_file, shown_place
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.study.model import (
    Axis,
    CovarianceTable,
    DistributionTable,
    RunTable,
    Study,
)
from gmat_sweep.verdicts.reading import Problem, problems_of_tables, shown

__all__ = ["read_study", "study_file", "study_schema"]

_SUFFIXES = (".toml", ".yaml", ".yml")
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
    file = study_file(source)
    problems: list[str] = []
    study = None
    try:
        study = Study.model_validate(file.content)
    except ValidationError as error:
        problems = [_problem(dict(each), file) for each in error.errors()]
    problems += (shown(each, file) for each in _problems_of_requirements(file.content))
    if study is None or problems:
        listed = "".join(f"\n  - {problem}" for problem in dict.fromkeys(problems))
        raise SweepConfigError(f"{source} is no study:{listed}")
    return study


def study_file(source: Path) -> KeyedFile:
    """Read a study file; what it says is not looked at.

    Raises
    ------
    SweepConfigError
        The file is not there or cannot be read.
    """
    return read_keyed_file(source, "study", _SUFFIXES)


def _problems_of_requirements(content: Any) -> list[Problem]:
    """Return what is wrong with requirements that stand in the study itself."""
    found: list[Problem] = []
    for key in ("requirements", "requirement"):
        tables = content.get(key) if isinstance(content, Mapping) else None
        is_file = key == "requirements" and isinstance(tables, str)
        if tables is not None and not is_file:
            found += problems_of_tables(tables, (key,))
    return found


def _problem(error: Mapping[str, Any], file: KeyedFile) -> str:
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
    line = file.line_of(path)
    where = f"line {line}, " if line is not None and error["type"] != "missing" else ""
    return f"{where}{shown_place(path) or 'the whole file'}: {said}"


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
