"""What a study would do, before it does, and whether that can show what it must."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from gmat_sweep.backends.cores import available_cores
from gmat_sweep.study.planning import PlannedStudy, planned_study
from gmat_sweep.study.requirements import plan_of
from gmat_sweep.sweep.checking import SweepCheck, checked_plan
from gmat_sweep.verdicts.prospects import judged_lines

__all__ = ["checked_study"]


def checked_study(path: str | Path, **overrides: Any) -> SweepCheck:
    """Read a study, ask the engine about every field, and fly its first run for a trial.

    Nothing is written to the study's folders, and no flow run begins.

    Parameters
    ----------
    path : str or Path
        The study file.
    **overrides
        As for `planned_study`.

    Raises
    ------
    SweepConfigError
        The study cannot be flown, or its trial run fails; the message says why.
    """
    planned = planned_study(path, **overrides)
    settings = planned.study.run
    # Made, and not opened: settings that exclude each other are told here, too.
    planned.pool().close()
    on_cluster = settings.backend != "local"
    found = checked_plan(
        planned.plan,
        planned.script,
        planned.folder,
        options=planned.options(progress=False),
        workers=settings.workers or (None if on_cluster else available_cores()),
        seed_is_drawn=planned.study.seed is None,
    )
    return replace(found, judged=_judged(planned))


def _judged(planned: PlannedStudy) -> tuple[str, ...]:
    required, study = planned.requirements, planned.study
    if required is None:
        return ()
    return judged_lines(
        required,
        plan=plan_of(study, required),
        runs=study.n,
        max_runs=study.max_runs,
        design=study.design,
        independent=study.sample is not None,
    )
