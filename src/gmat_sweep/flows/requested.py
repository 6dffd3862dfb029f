"""`run_requested`: from the parameters of a flow run to a sweep, which it runs or resumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmat_sweep.backends.dask import DaskPool, class_named
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.errors import BackendError, SweepConfigError
from gmat_sweep.folder.last_pass import LastPass
from gmat_sweep.folder.layout import MANIFEST_NAME
from gmat_sweep.plans import Plan, grid_plan, samples_plan
from gmat_sweep.plans.notation import parse_backend_args, parse_grid, parse_perturb, read_samples
from gmat_sweep.sweep import Sweep
from gmat_sweep.sweep.drawing import drawn_plan

if TYPE_CHECKING:
    from pathlib import Path

    from gmat_sweep.backends.base import Pool
    from gmat_sweep.flows.parameters import RunSettings, SweepParameters

__all__ = ["pool_of", "run_requested"]


def run_requested(parameters: SweepParameters, flow_run: str) -> Path:
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
    settings = parameters.settings
    manifest_path = parameters.out / MANIFEST_NAME
    goes_on = parameters.resume or _is_retried(parameters, flow_run)
    if goes_on and not manifest_path.is_file():
        raise SweepConfigError(
            f"out: {parameters.out} holds no sweep to resume. Name the folder with its "
            f"{MANIFEST_NAME}."
        )
    options = settings.options()
    with pool_of(settings) as pool:
        if goes_on:
            Sweep.from_manifest(
                manifest_path, parameters.mission, backend=pool, **options.to_go_on()
            ).resume()
        else:
            place = _place(parameters)
            plan = _plan(parameters, place)
            Sweep.of_plan(plan, *place, backend=pool, options=options).run()
    return manifest_path


def pool_of(settings: RunSettings) -> Pool:
    """Return the pool that settings ask for; it is not open yet.

    Raises
    ------
    SweepConfigError
        The settings exclude each other, or there is no such cluster class.
    """
    if settings.backend == "local":
        _refuse(settings, "dask_address", "dask_cluster", "dask_options", when="for back end local")
        return LocalJoblibPool(settings.workers)
    if settings.dask_address is not None:
        there = "together with settings.dask_address, whose cluster runs already"
        _refuse(settings, "dask_cluster", "dask_options", "workers", when=there)
        return DaskPool(address=settings.dask_address)
    if settings.dask_cluster is None:
        _refuse(settings, "dask_options", when="without settings.dask_cluster")
        return DaskPool(n_workers=settings.workers)
    keywords, adapt = _cluster_options(settings.dask_options)
    try:
        made_by = class_named(settings.dask_cluster)
    except BackendError as error:
        raise SweepConfigError(f"settings.dask_cluster: {error}") from error
    return DaskPool(
        cluster_class=made_by,
        cluster_kwargs=keywords,
        adapt_kwargs=adapt,
        n_workers=settings.workers,
    )


def _refuse(settings: RunSettings, *names: str, when: str) -> None:
    """Raise `SweepConfigError` if one of these settings is given where it means nothing."""
    for name in names:
        if getattr(settings, name):
            raise SweepConfigError(f"settings.{name}: it is given {when}. Leave one of them out.")


def _cluster_options(lines: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the keywords of a cluster class and those of its ``adapt``."""
    keywords: dict[str, Any] = {}
    adapt: dict[str, Any] = {}
    for name, value in parse_backend_args(lines, "settings.dask_options").items():
        before, dot, after = name.partition(".")
        if not dot:
            keywords[name] = value
        elif before == "adapt" and after:
            adapt[after] = value
        else:
            raise SweepConfigError(
                f"settings.dask_options: {name!r} is no keyword. Write NAME=VALUE for one of the "
                "cluster class, adapt.NAME=VALUE for one of its adapt()."
            )
    return keywords, adapt


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
