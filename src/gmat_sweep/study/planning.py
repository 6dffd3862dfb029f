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
from gmat_sweep.study.model import Study
from gmat_sweep.study.reading import read_study
from gmat_sweep.study.varying import grid_of, perturb_of
from gmat_sweep.sweep.drawing import drawn_plan
from gmat_sweep.sweep.settings import pool_of

if TYPE_CHECKING:
    from gmat_sweep.backends.base import Pool
    from gmat_sweep.plans import Plan
    from gmat_sweep.sweep import Sweep
    from gmat_sweep.sweep.options import SweepOptions

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
    """

    study: Study
    source: Path

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
            The study makes no sweep; the message names the place.
        """
        return PlannedStudy(self.study, self.script, folder, self._plan(folder))

    def _beside(self, path: str) -> Path:
        return (self.source.parent / user_path(path, "study")).resolve()

    def _plan(self, folder: Path) -> Plan:
        study, place = self.study, (self.script, folder)
        if study.design == "explicit":
            assert study.rows is not None
            return samples_plan(read_samples(self._beside(study.rows), "rows"), *place, study.seed)
        if study.design == "grid":
            return grid_plan(grid_of(study), *place, study.seed)
        assert study.n is not None
        perturb = perturb_of(study, self.source.parent)
        return drawn_plan(study.design.replace("-", "_"), perturb, study.n, study.seed, *place)


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
    """

    study: Study
    script: Path
    folder: Path
    plan: Plan

    def options(self, *, progress: bool) -> SweepOptions:
        """Return how its runs are run."""
        return options_of(self.study, progress=progress)

    def pool(self) -> Pool:
        """Return the pool that it asks for; it is not open yet.

        Raises
        ------
        SweepConfigError
            The settings exclude each other.
        """
        return pool_of(self.study.run)


def options_of(study: Study, *, progress: bool) -> SweepOptions:
    """Return how the runs of a study are run."""
    nominal = study.nominal or study.run.nominal
    return replace(study.run.options(), progress=progress, nominal=nominal)


def opened_study(path: str | Path, **overrides: Any) -> OpenStudy:
    """Read a study.

    Parameters
    ----------
    path : str or Path
        The study file.
    **overrides
        Keys of the study that count instead of the file's: ``n``, ``seed``, ``out``, ``nominal``,
        ``workers`` of its table ``run``, or a mapping ``run`` of several of its keys. None leaves
        the file's.

    Raises
    ------
    SweepConfigError
        The file is no study; the message names the place.
    """
    source = user_path(path, "study").absolute()
    given = {key: value for key, value in overrides.items() if value is not None}
    return OpenStudy(_overridden(read_study(source), given), source)


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
    """Fly a study and return its sweep.

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
        return Sweep.of_plan(planned.plan, *place, backend=pool, options=options).run()


def _overridden(study: Study, overrides: dict[str, Any]) -> Study:
    said = study.model_dump(exclude_unset=True)
    run = {**overrides.pop("run", {})}
    if "workers" in overrides:
        run["workers"] = overrides.pop("workers")
    if run:
        said["run"] = {**said.get("run", {}), **run}
    try:
        return Study.model_validate({**said, **overrides})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        )
        raise SweepConfigError(f"{wrong}. Correct what overrides the study.") from error
