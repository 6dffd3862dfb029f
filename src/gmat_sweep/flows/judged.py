"""The requirements of a flow run: loaded before a run is flown, judged when runs have ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect.logging import get_run_logger

from gmat_sweep.analysis.pictures.wanted import wanted
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.flow.judgement import Evidence
from gmat_sweep.plans import kind_of
from gmat_sweep.sweep.until import batch_of, grow_until_decided
from gmat_sweep.verdicts.chosen import verification_record
from gmat_sweep.verdicts.declared import refuse_undeclared
from gmat_sweep.verdicts.judging import Judge
from gmat_sweep.verdicts.prospects import outlook
from gmat_sweep.verdicts.reading import load_requirements

if TYPE_CHECKING:
    from uuid import UUID

    from gmat_sweep.flows import parameters as of
    from gmat_sweep.sweep import Sweep
    from gmat_sweep.verdicts.requirement import PlanName, Requirements
    from gmat_sweep.verdicts.results import Verdicts

__all__ = ["Judgement", "loaded"]


def loaded(given: of.Requirements) -> Requirements:
    """Load the requirements that a parameter names or has.

    Raises
    ------
    SweepConfigError
        The file is not there, or something in it cannot be judged; the message names the parameter,
        and of a file each line.
    """
    try:
        return load_requirements(given)
    except SweepConfigError as error:
        raise SweepConfigError(f"requirements: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How the sweep of a flow run is judged.

    Attributes
    ----------
    required : Requirements
        What the mission must do.
    plan : {"fixed", "anytime"} or None
        By which rule; None: what the sweep was started with, or else ``fixed``.
    max_runs, batch : int or None
        As the parameters.
    """

    required: Requirements
    plan: PlanName | None
    max_runs: int | None
    batch: int | None

    @classmethod
    def of(cls, required: Requirements, parameters: of.SweepParameters) -> Judgement:
        """Return the judgement that parameters ask for."""
        plan = parameters.plan or required.plan
        return cls(
            required=required,
            # A sweep that grows is looked at again and again, whatever a file says of others.
            plan=plan if parameters.max_runs is None else "anytime",
            max_runs=parameters.max_runs,
            batch=parameters.batch,
        )

    @property
    def record(self) -> dict[str, Any]:
        """What the header of a new sweep says of it."""
        return verification_record(self.required, self.plan or "fixed")

    @property
    def first_batch(self) -> int | None:
        """How many runs are flown before the first look, where nobody says; None if it is n."""
        if self.max_runs is None:
            return None
        return min(self.batch or batch_of(self.required, self.max_runs), self.max_runs)

    def flown(self, sweep: Sweep, flow_run_id: UUID) -> Callable[[], Verdicts]:
        """Fly a sweep, or go on with it, and return what judges it when the runs have ended.

        Parameters
        ----------
        sweep : Sweep
            A new sweep, or one from its manifest.
        flow_run_id : UUID
            The flow run under way.

        Raises
        ------
        SweepConfigError
            As `Sweep.run`, `Sweep.resume` or `grow_until_decided`.
        """
        for doubt in self._doubts(sweep):
            get_run_logger().warning("%s", doubt)
        judge = Judge(self.required, self.plan)
        if self.max_runs is None:
            with wanted(self.required.requirements):
                sweep.resume() if sweep.has_run else sweep.run()
            return lambda: _judged(judge, sweep)
        evidence = Evidence(flow_run_id, sweep.script_path)
        with evidence.artifact:
            verdicts = grow_until_decided(
                sweep, judge, max_runs=self.max_runs, batch=self.batch, on_look=evidence.show
            )
        return lambda: verdicts

    def _doubts(self, sweep: Sweep) -> list[str]:
        """Return which requirements these runs cannot show, however they end."""
        said = {
            each.name: outlook(
                each,
                plan=self.plan or "fixed",
                most=self.max_runs or len(sweep.runs),
                design=kind_of(sweep.parameter_spec).replace("_", "-"),
                independent=self.required.sample is not None,
            )
            for each in self.required.requirements
        }
        return [f"{name}: {doubt}" for name, doubt in said.items() if doubt]

    def refuse_undeclared(self, sweep: Sweep) -> None:
        """Refuse requirements on what no run of a sweep will have.

        Raises
        ------
        SweepConfigError
            The message names the parameter, and has each such place.
        """
        options = sweep.options
        try:
            refuse_undeclared(
                self.required,
                sweep.script_path,
                end_state=options.end_state,
                hook=options.postprocess,
            )
        except SweepConfigError as error:
            raise SweepConfigError(f"requirements: {error}") from error


def _judged(judge: Judge, sweep: Sweep) -> Verdicts:
    verdicts = judge.look(sweep.manifest_path)
    verdicts.write()
    return verdicts
