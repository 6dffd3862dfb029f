"""`run_requested`: from the parameters of a flow run to a sweep, which it runs or resumes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.last_pass import LastPass
from gmat_sweep.folder.layout import MANIFEST_NAME
from gmat_sweep.plans import Plan, grid_plan, samples_plan
from gmat_sweep.plans.notation import parse_grid, parse_perturb, read_samples
from gmat_sweep.study.planning import OpenStudy, opened_study, options_of
from gmat_sweep.sweep import Sweep
from gmat_sweep.sweep.drawing import drawn_plan
from gmat_sweep.sweep.settings import pool_of

if TYPE_CHECKING:
    from pathlib import Path

    from gmat_sweep.flows.parameters import SweepParameters

__all__ = ["pool_of", "run_requested"]


def run_requested(parameters: SweepParameters, flow_run: str) -> tuple[Path, SweepParameters]:
    """Run the sweep that the parameters of a flow run ask for, or resume it.

    A flow run that is retried finds the sweep that it began and resumes it: it does not fly again a
    run that is recorded as ok and undamaged.

    Parameters
    ----------
    parameters : SweepParameters
        The parameters of the flow run.
    flow_run : str
        The flow run's id.

    Returns
    -------
    Path
        The sweep's manifest.
    SweepParameters
        The parameters, with what a study says.

    Raises
    ------
    SweepConfigError
        The parameters cannot make a sweep; the message names the parameter. No run has been
        started.
    """
    if parameters.mission is not None and not parameters.mission.is_file():
        raise SweepConfigError(
            f"mission: {parameters.mission} was not found on this machine. Correct the path; a "
            "relative one starts from GMAT_SWEEP_HOME."
        )
    study = None
    if parameters.study is not None and not parameters.resume:
        study = _opened(parameters)
        parameters = _with_study(parameters, study)
    settings = parameters.settings
    manifest_path = parameters.out / MANIFEST_NAME
    goes_on = parameters.resume or _is_retried(parameters, flow_run)
    if goes_on and not manifest_path.is_file():
        raise SweepConfigError(
            f"out: {parameters.out} holds no sweep to resume. Name the folder with its "
            f"{MANIFEST_NAME}."
        )
    options = settings.options() if study is None else options_of(study.study, progress=False)
    with pool_of(settings) as pool:
        if goes_on:
            Sweep.from_manifest(
                manifest_path, parameters.mission, backend=pool, **options.to_go_on()
            ).resume()
        else:
            place = _place(parameters)
            plan = _plan(parameters, place) if study is None else study.planned(place[1]).plan
            Sweep.of_plan(plan, *place, backend=pool, options=options).run()
    return manifest_path, parameters


def _opened(parameters: SweepParameters) -> OpenStudy:
    assert parameters.study is not None
    settings = parameters.settings
    run = {name: getattr(settings, name) for name in settings.model_fields_set}
    return opened_study(parameters.study, n=parameters.n, seed=parameters.seed, run=run or None)


def _with_study(parameters: SweepParameters, opened: OpenStudy) -> SweepParameters:
    """Return the parameters with what a study says, where they say nothing themselves."""
    return replace(
        parameters,
        mission=opened.script,
        out=parameters.out if parameters.out_is_given else opened.folder or parameters.out,
        settings=opened.study.run,
        max_failed=parameters.max_failed or opened.study.run.max_failed,
    )


def _is_retried(parameters: SweepParameters, flow_run: str) -> bool:
    last = LastPass.of(parameters.out)
    return last is not None and last.flow_run == flow_run


def _place(parameters: SweepParameters) -> tuple[Path, Path]:
    if parameters.mission is None:
        raise SweepConfigError("mission: a new sweep needs one. Name the GMAT script.")
    return parameters.mission, parameters.out


def _plan(parameters: SweepParameters, place: tuple[Path, Path]) -> Plan:
    if parameters.kind == "explicit":
        if parameters.rows is None:
            raise SweepConfigError("rows: an explicit sweep needs a table of runs. Name its file.")
        return samples_plan(read_samples(parameters.rows, "rows"), *place)
    if not parameters.vary:
        raise SweepConfigError("vary: nothing is varied. Name at least one field.")
    if parameters.kind == "grid":
        return grid_plan(parse_grid(parameters.vary, "vary"), *place)
    if parameters.n is None:
        raise SweepConfigError(f"n: a {parameters.kind} sweep needs the number of runs. Give n.")
    perturb = parse_perturb(parameters.vary, "vary")
    return drawn_plan(parameters.kind, perturb, parameters.n, parameters.seed, *place)
