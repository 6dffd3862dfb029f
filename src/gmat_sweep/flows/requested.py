"""`run_requested`: from the parameters of a flow run to a sweep, which it runs or resumes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.flow.shown_parameters import seed_to_show, show_parameters
from gmat_sweep.flows.judged import Judgement, loaded
from gmat_sweep.flows.parameters import DEFAULT_KIND, SweepParameters, absolute
from gmat_sweep.folder.last_pass import LastPass
from gmat_sweep.folder.layout import MANIFEST_NAME
from gmat_sweep.plans import Plan, grid_plan, samples_plan
from gmat_sweep.plans.notation import parse_grid, parse_perturb, read_samples, texts_by_name
from gmat_sweep.study.planning import OpenStudy, opened_study, options_of
from gmat_sweep.sweep import Sweep
from gmat_sweep.sweep.drawing import drawn_plan
from gmat_sweep.sweep.settings import pool_of

if TYPE_CHECKING:
    from gmat_sweep.verdicts.requirement import Requirements
    from gmat_sweep.verdicts.results import Verdicts

__all__ = ["Flown", "opened", "pool_of", "run_requested"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flown:
    """The sweep of a flow run, when its runs have ended.

    Attributes
    ----------
    manifest : Path
        Its manifest.
    mission : Path or None
        The mission script that a parameter or a study names; None if only the manifest does.
    max_failed : str or None
        As the parameter, or as a study has it.
    judged : callable or None
        Returns what the sweep shows of its requirements, and has it written beside the manifest;
        None if it has no requirements.
    """

    manifest: Path
    mission: Path | None
    max_failed: str | None
    judged: Callable[[], Verdicts] | None = None


def run_requested(parameters: SweepParameters, flow_run: str) -> Flown:
    """Run the sweep that the parameters of a flow run ask for, or resume it.

    A flow run that is retried finds the sweep that it began and resumes it: it does not fly again a
    run that is recorded as ok and undamaged. With `max_runs` the sweep grows until its requirements
    are decided.

    Parameters
    ----------
    parameters : SweepParameters
        The parameters of the flow run.
    flow_run : str
        The flow run's id.

    Raises
    ------
    SweepConfigError
        The parameters cannot make a sweep, or have requirements that no run of it can answer; the
        message names the parameter. No run has been started.
    """
    if parameters.mission is not None and not parameters.mission.is_file():
        raise SweepConfigError(
            f"mission: {parameters.mission} was not found on this machine. Correct the path; a "
            "relative one starts from GMAT_SWEEP_HOME."
        )
    study = None
    if parameters.study is not None:
        study = opened(parameters)
        required = _judged_here(parameters, study)
        parameters = _with_study(parameters, study)
    else:
        required = _required(parameters)
        _refuse_unfit(parameters, required)
    manifest_path = parameters.out / MANIFEST_NAME
    goes_on = parameters.resume or _is_retried(parameters, flow_run)
    if goes_on and not manifest_path.is_file():
        raise SweepConfigError(
            f"out: {parameters.out} holds no sweep to resume. Name the folder with its "
            f"{MANIFEST_NAME}."
        )
    options = parameters.settings.options()
    if study is not None:
        options = options_of(study.study, progress=False)
    judgement = None if required is None else Judgement.of(required, parameters)
    with pool_of(parameters.settings) as pool:
        if goes_on:
            sweep = Sweep.from_manifest(
                manifest_path, parameters.mission, backend=pool, **options.to_go_on()
            )
        else:
            place = _place(parameters)
            if study is not None:
                plan = _with_seed(study).planned(place[1]).plan
            else:
                plan = _plan(parameters, place, judgement)
            if judgement is not None:
                options = replace(options, verification=judgement.record)
            sweep = Sweep.of_plan(plan, *place, backend=pool, options=options)
        if judgement is not None:
            judgement.refuse_undeclared(sweep)
        if not goes_on and "n" in sweep.parameter_spec:
            show_parameters(UUID(flow_run), n=sweep.parameter_spec["n"], seed=sweep.sweep_seed)
        judged = None
        if judgement is not None:
            judged = judgement.flown(sweep, UUID(flow_run))
        elif goes_on:
            sweep.resume()
        else:
            sweep.run()
    return Flown(
        manifest=manifest_path,
        mission=parameters.mission,
        max_failed=parameters.max_failed,
        judged=judged,
    )


def _with_seed(opened: OpenStudy) -> OpenStudy:
    """Return a study with a seed, drawn if it names none."""
    if opened.study.seed is not None or opened.study.design in ("grid", "explicit"):
        return opened
    return replace(opened, study=opened.study.model_copy(update={"seed": seed_to_show()}))


def _judged_here(parameters: SweepParameters, study: OpenStudy) -> Requirements | None:
    """Return the requirements of a study that its flow run judges."""
    # With an empty list they are judged elsewhere, as by all nights together.
    return None if parameters.requirements == [] else study.requirements


def _required(parameters: SweepParameters) -> Requirements | None:
    return None if parameters.requirements is None else loaded(parameters.requirements)


def opened(parameters: SweepParameters) -> OpenStudy:
    """Read the study of a flow run; each parameter that has not its default counts instead.

    Forms and schedules send defaults too, so a default cannot be told from a choice.

    Raises
    ------
    SweepConfigError
        It is no study, also with what the parameters say; the message names the place.
    """
    assert parameters.study is not None
    kind = parameters.kind
    return opened_study(
        parameters.study,
        mission=None if parameters.mission is None else str(parameters.mission),
        design=None if kind == DEFAULT_KIND else kind.replace("_", "-"),
        vary=texts_by_name(parameters.vary, "vary") or None,
        n=parameters.n,
        seed=parameters.seed,
        rows=None if parameters.rows is None else str(parameters.rows),
        run=parameters.settings.model_dump(exclude_defaults=True) or None,
        requirements=None if parameters.requirements == [] else _required(parameters),
        plan=parameters.plan,
        max_runs=parameters.max_runs,
        batch=parameters.batch,
    )


def _with_study(parameters: SweepParameters, opened: OpenStudy) -> SweepParameters:
    """Return the parameters with what a study says, where they say nothing themselves.

    The folder is the flow run's own: a deployment that flew into that of the study could fly once.
    """
    return replace(
        parameters,
        mission=opened.script,
        settings=opened.study.run,
        max_failed=parameters.max_failed or opened.study.run.max_failed,
        plan=None if opened.requirements is None else opened.requirements.plan,
        max_runs=opened.study.max_runs,
        batch=opened.study.batch,
    )


def _refuse_unfit(parameters: SweepParameters, required: Requirements | None) -> None:
    """Refuse parameters on requirements that do not fit together, as a study does.

    Raises
    ------
    SweepConfigError
        The message names the parameter.
    """
    if required is None:
        for name in ("plan", "max_runs", "batch"):
            if getattr(parameters, name) is not None:
                raise SweepConfigError(
                    f"{name}: there are no requirements to judge. Give them, or leave it out."
                )
        return
    if parameters.max_runs is None:
        if parameters.batch is not None:
            raise SweepConfigError(
                "batch: without max_runs the sweep is judged at its end alone. Give max_runs, or "
                "leave it out."
            )
        return
    if parameters.kind != "monte_carlo" and not parameters.resume:
        kind = parameters.kind.replace("_", " ")
        raise SweepConfigError(
            f"max_runs: runs of the kind {kind} are not independent draws, so no number of them "
            "decides. Choose monte_carlo, or leave it out."
        )
    if (parameters.plan or required.plan) == "fixed":
        raise SweepConfigError(
            "max_runs: by the plan fixed the sweep has n runs, however they end. Give the plan "
            "anytime, or leave max_runs out."
        )
    if parameters.n is not None and parameters.n > parameters.max_runs:
        raise SweepConfigError(
            f"max_runs: it is {parameters.max_runs}, less than n, {parameters.n}. Allow more."
        )


def _is_retried(parameters: SweepParameters, flow_run: str) -> bool:
    last = LastPass.of(parameters.out)
    return last is not None and last.flow_run == flow_run


def _place(parameters: SweepParameters) -> tuple[Path, Path]:
    if parameters.mission is None:
        raise SweepConfigError("mission: a new sweep needs one. Name the GMAT script.")
    return parameters.mission, parameters.out


def _plan(
    parameters: SweepParameters, place: tuple[Path, Path], judgement: Judgement | None
) -> Plan:
    if parameters.kind == "explicit":
        if parameters.rows is None:
            raise SweepConfigError("rows: an explicit sweep needs a table of runs. Name its file.")
        return samples_plan(read_samples(parameters.rows, "rows"), *place)
    if not parameters.vary:
        raise SweepConfigError("vary: nothing is varied. Name at least one field.")
    if parameters.kind == "grid":
        return grid_plan(parse_grid(parameters.vary, "vary"), *place)
    n = parameters.n
    if n is None and judgement is not None:
        n = judgement.first_batch
    if n is None:
        raise SweepConfigError(f"n: a {parameters.kind} sweep needs the number of runs. Give n.")
    perturb = parse_perturb(parameters.vary, "vary", absolute(Path()))
    seed = seed_to_show() if parameters.seed is None else parameters.seed
    return drawn_plan(parameters.kind, perturb, n, seed, *place)
