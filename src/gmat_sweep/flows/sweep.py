"""The flow ``gmat-sweep`` as a deployment runs it: from its parameters to a sweep.

The flow makes an ordinary `gmat_sweep.Sweep` of its parameters and runs it. `Sweep` finds the flow
run that is under way, and runs there.

Prefect's `serve` pickles a flow's function for the process that runs it, with its annotations and
the objects that it names. So annotations are no text in this module (it must not import
``annotations`` from ``__future__``), and all objects that the function names can be pickled.
"""

from pathlib import Path
from typing import cast
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run as this_flow_run
from prefect.states import Failed

from gmat_sweep.errors import GmatSweepError
from gmat_sweep.flow.final_state import SweepOutcome
from gmat_sweep.flow.interruption import say_interrupted, with_last_words
from gmat_sweep.flow.pictures import leave_pictures
from gmat_sweep.flow.sweep_flow import FLOW_NAME, published_end
from gmat_sweep.flows import parameters as of
from gmat_sweep.flows.requested import run_requested
from gmat_sweep.plans.notation import max_failed as most_failed

__all__ = ["gmat_sweep_flow"]


def _title() -> str:
    return of.kept_or(of.title_of(this_flow_run.parameters))


@flow(name=FLOW_NAME, flow_run_name=_title, persist_result=False, on_crashed=[say_interrupted])
def gmat_sweep_flow(
    mission: Path | None = None,
    study: Path | None = None,
    kind: of.Kind = of.DEFAULT_KIND,
    vary: list[str] = [],  # noqa: B006 - never changed; the UI's form begins with an empty list
    n: of.RunCount | None = None,
    seed: of.Seed | None = None,
    rows: Path | None = None,
    requirements: of.Requirements | None = None,
    plan: of.Plan | None = None,
    max_runs: of.RunCount | None = None,
    batch: of.RunCount | None = None,
    max_failed: of.MaxFailed | None = None,
    out: Path | None = None,
    resume: bool = False,
    settings: of.FormSettings = of.DEFAULT_FORM,
) -> SweepOutcome:
    """Run a GMAT mission many times with varied inputs, or go on with such a sweep.

    Every run is a task run and a line of the sweep's manifest. Retrying a flow run goes on with
    its sweep. (The sections below are not numpydoc's: Prefect reads them for its form.)

    Args:
        mission: WHAT IS FLOWN. GMAT script, as a path on the machine that runs the flow. A relative
            one starts from GMAT_SWEEP_HOME. To resume, leave it empty: the manifest names the
            script. Give it only where the script is no longer there.
        study: A study file, .toml or .yaml, that says all of this. What stands in another
            parameter than its default counts instead of what the file says; a line of vary counts
            instead of what the file says of that field. The file's out is for the shell and Python.
        kind: HOW IT VARIES. What is varied how: every combination of a grid, the rows of a table
            (explicit), random draws, or a design that fills the space evenly: a Latin hypercube,
            Sobol' or Halton points.
        vary: One field to a line, in GMAT's units (km, km/s, deg, kg, s). Grid:
            Sat.SMA=7000:7200:5 (from, to, how many) or Sat.SMA=7000,7100. The kinds that draw:
            Sat.SMA=normal:7100:50 (mean, sigma), Sat.INC=uniform:28:29 (low, high) or
            Sat.Cd=lognormal:0.8:0.1 (mu, sigma).
        n: The kinds that draw: how many runs. They need it, unless a study says it, or max_runs.
        seed: The kinds that draw: the same seed draws the same runs. Without one, a fresh seed is
            drawn and recorded.
        rows: Explicit: a .csv or .parquet table with a column for each field and a row for each
            run. The other kinds have none.
        requirements: HOW IT IS JUDGED. What the mission must do, and how surely that must be shown:
            the path of a .toml, .yaml or .json file, or its content, a list of requirements such as
            [{"name": "apogee", "column": "Sat.Earth.RadApo", "limit": "< 42664", "unit": "km",
            "probability": 0.99}]. The flow run fails if one is shown not to be met. With a study,
            an empty list leaves out what the study requires. Without any, the sweep is flown and
            not judged.
        plan: How requirements are judged: once, over the n runs that were asked for (fixed), or by
            a rule that stays right however often one looks (anytime). Without it, what the
            requirements say, or else fixed; anytime with max_runs.
        max_runs: Fly until the requirements are decided, and no more runs than this. n is then how
            many are flown before the first look, and can be left out. Only for random draws.
        batch: With max_runs: how many runs are flown from one look to the next; without it 50, or
            a twentieth of the least number that can decide if that is more.
        max_failed: The flow run fails when more runs than this have failed: a number such as 3 or
            a percentage such as 5%. Without it, failed runs are reported and do not fail it.
        out: WHERE IT IS KEPT. The sweep folder, where the manifest and the outputs are written.
            Without it, a fresh folder under GMAT_SWEEP_HOME/sweeps. To resume, the folder of that
            sweep.
        resume: Run only what is missing, failed or damaged in the sweep folder. What is varied is
            then read from its manifest.
        settings: HOW RUNS ARE RUN. Where runs execute, and how long and how often each may.

    Returns:
        What came of it, for a flow that calls this one: the sweep folder and how many runs ended
        how, as a `SweepOutcome`. A flow run that fails raises `SweepFailedError` there, with the
        outcome, or `SweepConfigError` for parameters that make no sweep.
    """
    flow_run = str(this_flow_run.id)
    mission = None if mission is None else of.absolute(mission)
    study = None if study is None else of.absolute(study)
    # A folder of its own for each flow run, unless the parameters name one.
    fresh = of.fresh_folder(study or mission, "study" if study else kind, flow_run)
    parameters = of.SweepParameters(
        mission=mission,
        kind=kind,
        vary=list(vary),
        n=n,
        seed=seed,
        rows=None if rows is None else of.absolute(rows),
        out=fresh if out is None else of.absolute(out),
        resume=resume,
        settings=settings,
        max_failed=max_failed,
        study=study,
        requirements=of.requirements_at(requirements),
        plan=plan,
        max_runs=max_runs,
        batch=batch,
    )
    with with_last_words(UUID(flow_run)):
        state = _run(parameters, flow_run)
    # Prefect returns the data of the state to the caller, or raises it.
    return cast("SweepOutcome", state)


def _run(parameters: of.SweepParameters, flow_run: str) -> State[SweepOutcome]:
    try:
        if parameters.max_failed is not None:
            most_failed(parameters.max_failed, 0, "max_failed")
        flown = run_requested(parameters, flow_run)
        return published_end(
            UUID(flow_run), flown.mission, flown.manifest, flown.max_failed, flown.judged
        )
    except (GmatSweepError, OSError) as error:
        # The UI shows the state's message first; a traceback would say no more.
        said = of.in_parameters(str(error))
        return Failed(message=f"{type(error).__name__}: {said}", data=error)
    finally:
        leave_pictures(UUID(flow_run))
