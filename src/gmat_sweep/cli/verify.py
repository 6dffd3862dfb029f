"""The command that judges a sweep by its requirements: verify."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.cli.endings import (
    EXIT_INCONCLUSIVE,
    EXIT_NOT_APPLICABLE,
    EXIT_OK,
    EXIT_REQUIREMENT_FAILED,
    ManifestProblemError,
    tell,
)
from gmat_sweep.disk.paths import absolute_path, user_path
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import argparse

    from gmat_sweep.verdicts.requirement import Requirements, Verdict

__all__ = ["exit_code_of", "requirements_in_file", "verify"]

_CODES: dict[str, int] = {
    "PASS": EXIT_OK,
    "FAIL": EXIT_REQUIREMENT_FAILED,
    "INCONCLUSIVE": EXIT_INCONCLUSIVE,
    "NOT APPLICABLE": EXIT_NOT_APPLICABLE,
}


def exit_code_of(verdict: Verdict) -> int:
    """Return the exit code of a campaign's verdict."""
    return _CODES[verdict]


def verify(arguments: argparse.Namespace) -> int:
    """Judge a sweep, write its verdicts, and print them."""
    from gmat_sweep.verdicts.judging import Judge

    requirements = requirements_in_file(absolute_path(arguments.requirements, "requirements"))
    folder = None if arguments.out is None else absolute_path(arguments.out, "--out")
    if folder is not None and folder.exists() and not folder.is_dir():
        raise SweepConfigError(f"--out {arguments.out} is a file. Name a folder.")
    absolute_path(arguments.manifest, "manifest")
    path = user_path(arguments.manifest, "manifest")
    judge = Judge(requirements, arguments.plan, allow_drift=arguments.allow_drift)
    try:
        verdicts = judge.look(path, where=True)
    except FileNotFoundError as error:
        if Path(error.filename or path) != path:
            raise
        raise ManifestProblemError(f"manifest not found: {arguments.manifest}") from None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    verdicts.write(folder)
    tell(verdicts.to_json().rstrip("\n") if arguments.json else verdicts.to_text())
    return exit_code_of(verdicts.verdict)


def requirements_in_file(path: Path) -> Requirements:
    """Return the requirements of a file of them, or of a study.

    Raises
    ------
    SweepConfigError
        They cannot be read, have a mistake, or the study has none.
    """
    from gmat_sweep.verdicts.reading import load_requirements, read_requirements_file

    content = read_requirements_file(path).content
    if not (isinstance(content, dict) and "mission" in content):
        return load_requirements(path)
    from gmat_sweep.study.planning import opened_study
    from gmat_sweep.study.requirements import plan_of

    opened = opened_study(path)
    if opened.requirements is None:
        raise SweepConfigError(
            f"{path}: the study has no requirements. Add [[requirement]] tables, or name a file of "
            "requirements."
        )
    return replace(opened.requirements, plan=plan_of(opened.study, opened.requirements))
