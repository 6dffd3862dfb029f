"""What a study would do, before it does: draws, time, disk. One trial run is flown."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.backends.cores import available_cores
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.causes import headline
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.study.planning import PlannedStudy, planned_study
from gmat_sweep.study.requirements import outlook
from gmat_sweep.sweep.preflight import prepare_missions

if TYPE_CHECKING:
    import pandas as pd

    from gmat_sweep.spec import RunOutcome

__all__ = ["StudyCheck", "checked_study", "size_text", "time_text"]

# The manifest's line of a run, and its seal, which say the same.
_LINES_PER_RUN = 2


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
        plan = "anytime" if study.max_runs is not None else required.plan or "fixed"
        lines = [f"judged:  plan {plan}{upto}"]
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
    options = planned.options(progress=False)
    with LocalJoblibPool(1) as pool, _scratch() as scratch:
        runs = planned.plan.runs
        missions = prepare_missions(
            runs,
            scratch,
            pool,
            memory_limit=options.memory_limit_bytes,
            end_state=options.end_state,
        )
        first = replace(
            runs[0],
            script_path=missions[runs[0].script_path].runnable,
            output_dir=scratch / "trial",
            postprocess=options.postprocess,
        )
        # The first run of a worker loads the mission, later ones mostly do not.
        outcomes = [
            pool.execute(replace(first, run_options={"overwrite": True}), timeout_s=options.timeout)
            for _ in range(2)
        ]
        _refuse_failed(outcomes[-1], planned)
        size = sum(each.stat().st_size for each in (scratch / "trial").rglob("*") if each.is_file())
    asked = planned.study.run.workers
    workers = min(asked or available_cores(), len(runs))
    record = len(json.dumps(first.overrides)) * _LINES_PER_RUN
    return StudyCheck(planned, outcomes[-1].duration_s, size + record, workers)


def _refuse_failed(outcome: RunOutcome, planned: PlannedStudy) -> None:
    if outcome.status != "ok":
        raise SweepConfigError(
            f"The trial run of {planned.script.name} failed: {headline(outcome.stderr)}. Its "
            f"values are {planned.plan.runs[0].overrides}."
        )


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gmat-sweep-check-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _text(spec: Any) -> str:
    if isinstance(spec, list):
        return ":".join(map(str, spec))
    return str(spec.get("name", "covariance"))


def _range(values: pd.Series[Any]) -> str:
    from pandas.api.types import is_numeric_dtype

    if is_numeric_dtype(values):
        return f"{values.min():.9g} to {values.max():.9g}, mean {values.mean():.9g}"
    found = values.value_counts()
    if len(found) > 4:
        return f"{len(found)} values, such as {found.index[0]}"
    return ", ".join(f"{value} ({count} runs)" for value, count in found.items())


def size_text(count: float) -> str:
    """Return a number of bytes for a person, to three digits: ``31.2 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def time_text(seconds: float) -> str:
    """Return a duration for a person: ``37 s``, ``12 min``, ``5.3 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
