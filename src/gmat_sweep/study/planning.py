"""From a study to a sweep: its plan, its folder, its pool."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gmat_sweep.disk.paths import user_path
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans import grid_plan, samples_plan
from gmat_sweep.plans.notation import read_samples
from gmat_sweep.study.judging import flown_and_judged
from gmat_sweep.study.model import Study
from gmat_sweep.study.reading import read_study
from gmat_sweep.study.requirements import plan_of, requirements_of_study
from gmat_sweep.study.varying import grid_of, perturb_of
from gmat_sweep.sweep.drawing import drawn_plan
from gmat_sweep.sweep.settings import pool_of
from gmat_sweep.sweep.until import batch_of
from gmat_sweep.verdicts.chosen import verification_record
from gmat_sweep.verdicts.declared import refuse_undeclared
from gmat_sweep.verdicts.reading import load_requirements

if TYPE_CHECKING:
    from gmat_sweep.backends.base import Pool
    from gmat_sweep.plans import Plan
    from gmat_sweep.sweep import Sweep
    from gmat_sweep.sweep.options import SweepOptions
    from gmat_sweep.verdicts.requirement import Requirements

__all__ = [
    "OpenStudy",
    "PlannedStudy",
    "fly_study",
    "opened_study",
    "options_of",
    "planned_study",
]


@dataclass(frozen=True, slots=True)
class OpenStudy:
    """A study that was read, with what overrides it.

    Attributes
    ----------
    study : Study
        What it says.
    source : Path
        Its file; relative paths in it start from that folder.
    requirements : Requirements or None
        What the mission must do, if it says that; `planned` looks for their columns in the mission.
    """

    study: Study
    source: Path
    requirements: Requirements | None = None

    @property
    def script(self) -> Path:
        """The mission script.

        Raises
        ------
        SweepConfigError
            There is no such file.
        """
        script = self._beside(self.study.mission)
        if not script.is_file():
            raise SweepConfigError(
                f"{self.source}, mission: {script} was not found. Correct the path."
            )
        return script

    @property
    def folder(self) -> Path | None:
        """The sweep folder that the file names."""
        return None if self.study.out is None else self._beside(self.study.out)

    def planned(self, folder: Path) -> PlannedStudy:
        """Plan the runs; where draws are about the script, the engine is asked.

        Raises
        ------
        SweepConfigError
            The study makes no sweep, or has a requirement that no run of the mission can answer;
            the message names the place.
        """
        script = self.script
        if self.requirements is not None:
            run = self.study.run
            refuse_undeclared(
                self.requirements, script, end_state=run.end_state, hook=run.postprocess
            )
        return PlannedStudy(self.study, script, folder, self._plan(folder), self.requirements)

    def _beside(self, path: str) -> Path:
        return (self.source.parent / user_path(path, "study")).resolve()

    def _plan(self, folder: Path) -> Plan:
        study, place = self.study, (self.script, folder)
        if study.design == "explicit":
            assert study.rows is not None
            return samples_plan(read_samples(self._beside(study.rows), "rows"), *place, study.seed)
        if study.design == "grid":
            return grid_plan(grid_of(study), *place, study.seed)
        perturb = perturb_of(study, self.source.parent)
        kind = study.design.replace("-", "_")
        return drawn_plan(kind, perturb, self._first_size(), study.seed, *place)

    def varied(self) -> dict[str, Any]:
        """Return what each field is varied by: its values, or its distribution.

        Raises
        ------
        SweepConfigError
            The study varies nothing that can be drawn, or its table cannot be read.
        """
        study = self.study
        if study.design == "explicit":
            assert study.rows is not None
            table = read_samples(self._beside(study.rows), "rows")
            return {str(name): list(column) for name, column in table.items()}
        if study.design == "grid":
            return grid_of(study)
        return perturb_of(study, self.source.parent)

    def _first_size(self) -> int:
        """Return how many runs are drawn at first: of a study that grows a batch by default."""
        study = self.study
        if study.n is not None:
            return study.n
        assert study.max_runs is not None
        assert self.requirements is not None
        batch = study.batch or batch_of(self.requirements, study.max_runs)
        return min(batch, study.max_runs)


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """A study whose runs are known.

    Attributes
    ----------
    study : Study
        What it says.
    script, folder : Path
        The mission script and the sweep folder, absolute.
    plan : Plan
        The runs.
    requirements : Requirements or None
        What the mission must do.
    """

    study: Study
    script: Path
    folder: Path
    plan: Plan
    requirements: Requirements | None = None

    def options(self, *, progress: bool) -> SweepOptions:
        """Return how its runs are run."""
        return options_of(self.study, progress=progress, requirements=self.requirements)

    def pool(self) -> Pool:
        """Return the pool that it asks for; it is not open yet.

        Raises
        ------
        SweepConfigError
            The settings exclude each other.
        """
        return pool_of(self.study.run)


def options_of(
    study: Study, *, progress: bool, requirements: Requirements | None = None
) -> SweepOptions:
    """Return how the runs of a study are run, and by what they will be judged."""
    options = replace(
        study.run.options(), progress=progress, nominal=study.nominal or study.run.nominal
    )
    if requirements is None:
        return options
    plan = plan_of(study, requirements)
    return replace(options, verification=verification_record(requirements, plan))


def opened_study(path: str | Path, **overrides: Any) -> OpenStudy:
    """Read a study.

    Parameters
    ----------
    path : str or Path
        The study file.
    **overrides
        Keys of the study that count instead of the file's, such as ``n``, ``seed``, ``out``,
        ``nominal``, ``mission``, ``design``, ``plan``, ``max_runs``, ``batch``; ``requirements`` (a
        path from the current folder, or all that `load_requirements` takes); ``workers`` of its
        table ``run``; a mapping ``run`` or ``vary`` of some keys of that table, whose other keys
        stay. None leaves the file's.

    Raises
    ------
    SweepConfigError
        The file is no study; the message names the place.
    """
    source = user_path(path, "study").absolute()
    given = {key: value for key, value in overrides.items() if value is not None}
    chosen = given.pop("requirements", None)
    loaded = None if chosen is None else load_requirements(chosen)
    replaced: set[str] = set()
    if loaded is not None:
        replaced = {"requirements", "requirement", "confidence", "plan", "sample"}
        tables = [each.to_dict() for each in loaded.requirements]
        given["requirements"] = loaded.source or tables
    overridden = given.keys() - {"requirements"}
    study = _overridden(read_study(source), given, replaced)
    return OpenStudy(study, source, requirements_of_study(study, source, loaded, overridden))


def planned_study(path: str | Path, **overrides: Any) -> PlannedStudy:
    """Read a study and plan its runs.

    Parameters
    ----------
    path : str or Path
        The study file.
    **overrides
        As for `opened_study`; ``out`` starts from the current folder.

    Raises
    ------
    SweepConfigError
        The file is no study, or makes no sweep; the message names the place.
    """
    out = overrides.pop("out", None)
    opened = opened_study(path, **overrides)
    folder = opened.folder if out is None else user_path(out, "out").absolute()
    if folder is None:
        raise SweepConfigError(f"{opened.source}, out: name the sweep folder, there or with --out.")
    return opened.planned(folder)


def fly_study(path: str | Path, *, progress: bool = True, **overrides: Any) -> Sweep:
    """Fly a study and return its sweep; what it requires is judged beside its manifest.

    Parameters
    ----------
    path : str or Path
        The study file.
    progress : bool
        Whether to draw a progress bar on standard error.
    **overrides
        As for `planned_study`.

    Raises
    ------
    SweepConfigError
        As `planned_study`, or as `Sweep.run`.
    """
    from gmat_sweep.sweep import Sweep

    planned = planned_study(path, **overrides)
    options = planned.options(progress=progress)
    with planned.pool() as pool:
        place = (planned.script, planned.folder)
        sweep = Sweep.of_plan(planned.plan, *place, backend=pool, options=options)
        flown_and_judged(sweep, planned.study, planned.requirements)
    return sweep


def _overridden(study: Study, overrides: dict[str, Any], replaced: set[str]) -> Study:
    said = study.model_dump(exclude_unset=True, exclude=replaced)
    run = {**overrides.pop("run", {})}
    if "workers" in overrides:
        run["workers"] = overrides.pop("workers")
    vary = overrides.pop("vary", {})
    for table, given in (("run", run), ("vary", vary)):
        if given:
            said[table] = {**said.get(table, {}), **given}
    try:
        return Study.model_validate({**said, **overrides})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        )
        raise SweepConfigError(f"{wrong}. Correct what overrides the study.") from error
