"""The requirements of a study: in a file of their own, or in the study itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.disk.paths import user_path
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.study.reading import study_file
from gmat_sweep.verdicts.reading import (
    TABLES,
    read_requirements_file,
    requirements_in,
    requirements_of,
)

if TYPE_CHECKING:
    from gmat_sweep.study.model import Study
    from gmat_sweep.verdicts.requirement import PlanName, Requirement, Requirements

__all__ = ["outlook", "plan_of", "requirements_of_study"]

_OF_ALL = ("plan", "confidence", "sample")


def requirements_of_study(
    study: Study,
    source: Path,
    loaded: Requirements | None = None,
    overridden: Collection[str] = (),
) -> Requirements | None:
    """Return what a study requires; None if it requires nothing.

    Parameters
    ----------
    study : Study
        The study.
    source : Path
        Its file, from whose folder the path of a file of requirements starts.
    loaded : Requirements, optional
        Requirements that were given instead of the study's.
    overridden : collection of str
        Keys of the study that were given instead of the file's; they also count instead of those
        in a file of requirements.

    Raises
    ------
    SweepConfigError
        The file of requirements cannot be read or has a mistake, or says otherwise than the study;
        the message names the place.
    """
    said = {key: getattr(study, key) for key in _OF_ALL if getattr(study, key) is not None}
    given = {key: value for key, value in said.items() if key in overridden}
    if loaded is not None:
        return replace(loaded, **given)
    if isinstance(study.requirements, str):
        path = (source.parent / user_path(study.requirements, "requirements")).resolve()
        return replace(_of_file(path, source, said, given), **given)
    key = "requirements" if study.requirements is not None else "requirement"
    tables = getattr(study, key)
    if tables is None:
        return None
    return requirements_of({**said, TABLES: tables}, study_file(source), (key,))


def plan_of(study: Study, required: Requirements) -> PlanName:
    """Return the rule by which a study is judged.

    A study that flies until it is decided is looked at after each batch: anytime.

    Parameters
    ----------
    study : Study
        The study.
    required : Requirements
        What it requires.
    """
    return "anytime" if study.max_runs is not None else required.plan or "fixed"


def outlook(required: Requirement, study: Study, plan: str | None) -> str:
    """Return why a study cannot show a requirement, however its runs end; empty if it can.

    Parameters
    ----------
    required : Requirement
        One of its requirements.
    study : Study
        The study.
    plan : str or None
        The plan of the verdicts.
    """
    from gmat_sweep.verdicts import prospects

    at_any_time = plan == "anytime" or study.max_runs is not None
    return prospects.outlook(
        required,
        plan="anytime" if at_any_time else "fixed",
        most=study.max_runs or study.n,
        design=study.design,
        independent=study.sample is not None,
    )


def _of_file(path: Path, source: Path, said: dict[str, Any], given: dict[str, Any]) -> Requirements:
    try:
        file = read_requirements_file(path)
    except SweepConfigError as error:
        raise SweepConfigError(f"{_place(source, 'requirements')}: {error}") from error
    content = file.content if isinstance(file.content, dict) else {}
    for key, value in said.items():
        if key not in given and content.get(key) not in (None, value):
            raise SweepConfigError(
                f"{_place(source, key)}: it is {value!r}, and {_shown(content[key])} in {path}. "
                "Leave one of them out."
            )
    return requirements_in(file, said)


def _place(source: Path, key: str) -> str:
    line = study_file(source).line_of((key,))
    return f"{source}, {'' if line is None else f'line {line}, '}{key}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
