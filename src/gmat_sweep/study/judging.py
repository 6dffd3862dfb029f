"""Fly the sweep of a study, and judge it by what the study requires."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmat_sweep.analysis.pictures.wanted import wanted
from gmat_sweep.study.requirements import plan_of
from gmat_sweep.sweep.until import grow_until_decided
from gmat_sweep.verdicts.judging import Judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from gmat_sweep.study.model import Study
    from gmat_sweep.sweep import Sweep
    from gmat_sweep.verdicts.requirement import Requirements
    from gmat_sweep.verdicts.results import Verdicts

__all__ = ["flown_and_judged"]


def flown_and_judged(
    sweep: Sweep,
    study: Study,
    requirements: Requirements | None,
    on_look: Callable[[Verdicts], None] | None = None,
) -> Verdicts | None:
    """Run the sweep of a study, and write its verdicts beside its manifest.

    With ``max_runs`` it is judged after each batch, and grows until it is decided.

    Parameters
    ----------
    sweep : Sweep
        The sweep, which has not run.
    study : Study
        The study.
    requirements : Requirements or None
        What it requires; None: it is only flown.
    on_look : callable, optional
        Called with the verdicts after each look.

    Returns
    -------
    Verdicts or None
        None without requirements.

    Raises
    ------
    SweepConfigError
        As `Sweep.run` and `grow_until_decided`.
    """
    if requirements is None:
        sweep.run()
        return None
    judge = Judge(requirements, plan_of(study, requirements))
    if study.max_runs is not None:
        return grow_until_decided(
            sweep, judge, max_runs=study.max_runs, batch=study.batch, on_look=on_look
        )
    with wanted(requirements.requirements):
        sweep.run()
    verdicts = judge.look(sweep.manifest_path)
    verdicts.write()
    if on_look is not None:
        on_look(verdicts)
    return verdicts
