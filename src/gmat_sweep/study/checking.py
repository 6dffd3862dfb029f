"""What a study would do, before it does: that of its sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gmat_sweep.backends.cores import available_cores
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.causes import headline
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.study.planning import PlannedStudy, planned_study
from gmat_sweep.study.requirements import outlook, plan_of
from gmat_sweep.sweep.checking import SweepCheck, checked_plan

__all__ = ["checked_study"]


@dataclass(frozen=True, slots=True)
class StudyCheck:
    """A study that can be flown.

    Attributes
    ----------
    planned : PlannedStudy
        Its runs.
    trial_s : float
        Seconds that the trial run took.
    trial_bytes : int
        What it left on disk.
    workers : int
        How many runs there are at once.
    """

    planned: PlannedStudy
    trial_s: float
    trial_bytes: int
    workers: int

    @property
    def runs(self) -> int:
        """How many runs there are, the nominal one included."""
        return len(self.planned.plan.runs) + self.planned.study.nominal

    @property
    def estimated_s(self) -> float:
        """Seconds that all runs take by the clock, if each takes as long as the trial run."""
        return self.runs * self.trial_s / self.workers

    @property
    def estimated_bytes(self) -> int:
        """Bytes that all runs leave on disk."""
        return self.runs * self.trial_bytes

    def table(self) -> pd.DataFrame:
        """Return the values of every run: a row per run, a column per varied field."""
        import pandas as pd

        rows = {run.run_id: run.overrides for run in self.planned.plan.runs}
        table = pd.DataFrame.from_dict(rows, orient="index")
        table.index.name = "run_id"
        return table

    def lines(self) -> list[str]:
        """Return what the study would do, for a person."""
        study, plan = self.planned.study, self.planned.plan
        seed = "" if plan.seed is None else f", seed {plan.seed}"
        drawn = " (drawn just now: give it in the study to keep it)" * (
            study.seed is None and plan.seed is not None
        )
        lines = [
            f"mission: {self.planned.script}",
            f"design:  {study.design}, {len(plan.runs)} runs{seed}{drawn}"
            + " and the nominal run" * study.nominal,
            f"folder:  {self.planned.folder}",
        ]
        specs = plan.parameter_spec.get("perturb", {})
        for name, values in self.table().items():
            spec = specs.get(name)
            said = f": {_text(spec)}" if spec is not None else ""
            lines.append(f"  {name}{said}; {_range(values)}")
        lines += self._requirement_lines()
        lines.append(
            f"trial:   a run takes {self.trial_s:.2f} s and {size_text(self.trial_bytes)} on disk"
        )
        lines.append(
            f"in all:  about {time_text(self.estimated_s)} with {self.workers} workers, "
            f"{size_text(self.estimated_bytes)} on disk, {self.runs} task runs on the server"
        )
        return lines

    def _requirement_lines(self) -> list[str]:
        required, study = self.planned.requirements, self.planned.study
        if required is None:
            return []
        upto = "" if study.max_runs is None else f", {study.max_runs} runs at most"
        lines = [f"judged:  plan {plan_of(study, required)}{upto}"]
        for each in required.requirements:
            sure = f"{100 * each.confidence:.10g} % confidence"
            doubt = outlook(each, study, required.plan)
            lines.append(f"  {each.name}: {each.statement}, with {sure}")
            lines += [f"    {doubt}"] * bool(doubt)
        return lines


def checked_study(path: str | Path, **overrides: Any) -> StudyCheck:
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
    return checked_plan(
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
    upto = "" if study.max_runs is None else f", {study.max_runs} runs at most"
    lines = [f"judged:  plan {plan_of(study, required)}{upto}"]
    for each in required.requirements:
        sure = f"{100 * each.confidence:.10g} % confidence"
        doubt = outlook(each, study, required.plan)
        lines.append(f"  {each.name}: {each.statement}, with {sure}")
        lines += [f"    {doubt}"] * bool(doubt)
    return tuple(lines)
