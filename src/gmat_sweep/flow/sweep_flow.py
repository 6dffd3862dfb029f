"""The flow ``gmat-sweep``: one Prefect task per run, a bounded number in flight.

There are two ways in. `run_job` opens a flow run for a job that a program or the command line has
prepared. A flow run that comes first - a deployment's, or one opened by a flow of the user's own -
has the sweep prepared from its parameters, and the job comes back to it. From there on both are the
same: outcomes go to the collector as runs end, and the final state is computed from the manifest.

Prefect's `serve` pickles a flow's function for the process that runs it, with its annotations and
with what it names: annotations are no text here, and what the function names can be pickled.
"""

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal
from prefect.logging.configuration import setup_logging
from prefect.logging.handlers import PrefectConsoleHandler
from prefect.runtime import flow_run as this_flow_run
from prefect.states import Completed, Failed

from gmat_sweep.disk.shortages import shortage
from gmat_sweep.errors import BackendError, GmatSweepError
from gmat_sweep.flow import parameters as of
from gmat_sweep.flow.artifacts import ProgressArtifact, publish_summary
from gmat_sweep.flow.backlog import Backlog, wait_until_recorded
from gmat_sweep.flow.collector import Collector
from gmat_sweep.flow.job import SweepJob
from gmat_sweep.flow.runners.choice import runner_for
from gmat_sweep.flow.server import forget_unsent_events, recorded_on
from gmat_sweep.flow.task_runs import TaskRuns, stopped_by, threads_of
from gmat_sweep.folder.last_pass import LastPass, now
from gmat_sweep.manifest import Manifest
from gmat_sweep.plans import KINDS, kind_of, planned_count
from gmat_sweep.plans.notation import max_failed as most_failed

__all__ = ["FLOW_NAME", "Preparation", "SweepReport", "gmat_sweep_flow", "prepared_by", "run_job"]

FLOW_NAME = "gmat-sweep"

type Preparation = Callable[[of.SweepParameters, str], Path]
"""Makes a sweep of parameters, runs or resumes it, and returns the path of its manifest.

The second argument is the flow run's id.
"""


@dataclass(slots=True)
class SweepReport:
    """What one pass of the flow did.

    Attributes
    ----------
    flow_run_id : UUID or None
        The flow run.
    done, failed : int
        Runs recorded, and how many of them failed.
    duration_s : float
        Seconds from the first submission to the last manifest line.
    error : BaseException or None
        What ended the pass early.
    """

    flow_run_id: UUID | None = None
    done: int = 0
    failed: int = 0
    duration_s: float = 0.0
    error: BaseException | None = None


_job: ContextVar[SweepJob] = ContextVar("gmat_sweep_job")
_report: ContextVar[SweepReport] = ContextVar("gmat_sweep_report")
"""The report of the flow run that is under way here, if there is one."""
_preparation: list[Preparation] = []

_log = logging.getLogger("gmat_sweep")


def prepared_by(preparation: Preparation) -> None:
    """Say who makes sweeps of the parameters of flow runs that come without a job."""
    _preparation[:] = [preparation]


def run_job(job: SweepJob) -> SweepReport:
    """Run a job in a flow run ``gmat-sweep`` and return what it did.

    Inside a flow run that asked for it, the job is run there; otherwise one is opened. The caller's
    own exceptions come back as themselves: what the flow raised is raised again.
    """
    report = _report.get(None)
    if report is not None:
        orchestrate(job, report)
        return report
    report = SweepReport()
    job_token, report_token = _job.set(job), _report.set(report)
    try:
        with _quiet_console(), recorded_on():
            try:
                gmat_sweep_flow.with_options(flow_run_name=job.title)(
                    mission=job.mission,
                    kind=job.kind if job.kind in KINDS else "explicit",
                    vary=[],
                    out=job.folder,
                    resume=job.action != "run",
                    return_state=True,
                )
                if report.error is None and report.flow_run_id is not None:
                    _wait_for_the_record(report.flow_run_id, report.done)
            except httpx.TransportError as gone:
                forget_unsent_events()
                _answer_for_the_manifest(job, report, gone)
    finally:
        _job.reset(job_token)
        _report.reset(report_token)
    if report.error is not None:
        raise report.error
    return report


def _wait_for_the_record(flow_run_id: UUID, done: int) -> None:
    recorded = wait_until_recorded(flow_run_id, done)
    if recorded < done:
        _log.warning(
            "the Prefect server has recorded only %d of %d runs, and makes no headway; all of them "
            "are in the manifest",
            recorded,
            done,
        )


def _answer_for_the_manifest(
    job: SweepJob, report: SweepReport, gone: httpx.TransportError
) -> None:
    """Go on without the server where all is recorded in the manifest; it is only a view."""
    if report.error is not None:
        return
    if report.done < job.count:
        raise BackendError(
            f"The Prefect server went away ({gone}) when {report.done} of {job.count} runs were "
            "recorded in the manifest. Start it again and resume the sweep."
        ) from gone
    _log.warning(
        "the Prefect server went away (%s): its record of this flow run is not complete; all %d "
        "runs are in the manifest",
        gone,
        report.done,
    )


def _title() -> str:
    return of.title_of(this_flow_run.parameters)


@flow(name=FLOW_NAME, flow_run_name=_title, persist_result=False)
def gmat_sweep_flow(
    mission: Path,
    kind: of.Kind = "monte_carlo",
    vary: list[str] = [],  # noqa: B006 - never changed; the UI's form begins with an empty list
    n: of.RunCount | None = None,
    seed: of.Seed | None = None,
    rows: Path | None = None,
    out: Path | None = None,
    resume: bool = False,
    settings: of.RunSettings = of.DEFAULT_SETTINGS,
    max_failed: of.MaxFailed | None = None,
) -> State[None]:
    """Run a GMAT mission many times with varied inputs, or go on with such a sweep.

    Every run is a task run and a line of the sweep's manifest. Retrying a flow run goes on with
    its sweep. (The sections below are not numpydoc's: Prefect reads them for its form.)

    Args:
        mission: GMAT script, as a path on the machine that runs the flow. A relative one starts
            from GMAT_SWEEP_HOME.
        kind: What is varied how: every combination of a grid, the rows of a table (explicit),
            random draws, or a Latin hypercube.
        vary: One field to a line, in GMAT's units (km, km/s, deg, kg, s). Grid:
            Sat.SMA=7000:7200:5 (from, to, how many) or Sat.SMA=7000,7100. Monte Carlo and Latin
            hypercube: Sat.SMA=normal:7100:50 (mean, sigma), Sat.INC=uniform:28:29 (low, high) or
            Sat.Cd=lognormal:0.8:0.1 (mu, sigma).
        n: Monte Carlo and Latin hypercube: how many runs to draw.
        seed: Monte Carlo and Latin hypercube: the same seed draws the same runs. Without one, a
            fresh seed is drawn and recorded.
        rows: Explicit: a .csv or .parquet table with a column for each field and a row for each
            run.
        out: The sweep folder, where the manifest and the outputs are written. Without it, a fresh
            folder under GMAT_SWEEP_HOME/sweeps. To resume, the folder of that sweep.
        resume: Run only what is missing, failed or damaged in the sweep folder. What is varied is
            then read from its manifest.
        settings: Where runs execute, and how long and how often each may.
        max_failed: The flow run fails when more runs than this have failed: a number such as 3 or
            a percentage such as 5%. Without it, failed runs are reported and do not fail it.
    """
    # Named here, so that it is pickled with this function.
    return _run_here(
        _preparation,
        mission=of.absolute(mission),
        kind=kind,
        vary=list(vary),
        n=n,
        seed=seed,
        rows=None if rows is None else of.absolute(rows),
        out=None if out is None else of.absolute(out),
        resume=resume,
        settings=settings,
        max_failed=max_failed,
    )


def _run_here(
    preparation: list[Preparation], *, mission: Path, kind: of.Kind, out: Path | None, **others: Any
) -> State[None]:
    """Run the job of this flow run's opener, or else the sweep that was asked for."""
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    flow_run_id = context.flow_run.id
    job = _job.get(None)
    if job is not None:
        return _run_given(job, flow_run_id)
    folder = out or of.fresh_folder(mission, kind, str(flow_run_id))
    parameters = of.SweepParameters(mission=mission, kind=kind, out=folder, **others)
    return _run_requested(parameters, flow_run_id, preparation[0])


def _run_given(job: SweepJob, flow_run_id: UUID) -> State[None]:
    """Run the job of the program that opened this flow run."""
    report = _report.get()
    report.flow_run_id = flow_run_id
    try:
        orchestrate(job, report)
        publish_summary(flow_run_id, key_of(job.mission, job.kind), job.manifest_path)
    except BaseException as error:
        report.error = error
        raise
    return final_state(Manifest.outline(job.manifest_path), None)


def _run_requested(
    parameters: of.SweepParameters, flow_run_id: UUID, preparation: Preparation
) -> State[None]:
    """Have the sweep made of the parameters; its job is run here."""
    token = _report.set(SweepReport(flow_run_id=flow_run_id))
    try:
        if parameters.max_failed is not None:
            most_failed(parameters.max_failed, 0, "max_failed")
        manifest_path = preparation(parameters, str(flow_run_id))
        manifest = Manifest.outline(manifest_path)
    except (GmatSweepError, OSError) as error:
        # The state's message is what the UI shows first; a traceback would say no more.
        return Failed(message=f"{type(error).__name__}: {error}")
    finally:
        _report.reset(token)
    # The kind of a sweep that is resumed is the manifest's, whatever the parameter says.
    key = key_of(parameters.mission, kind_of(manifest.parameter_spec))
    publish_summary(flow_run_id, key, manifest_path)
    return final_state(manifest, parameters.max_failed)


def final_state(manifest: Manifest, max_failed: str | None) -> State[None]:
    """Return the state of a flow run that has ended, computed from its sweep's manifest.

    Parameters
    ----------
    manifest : Manifest
        The sweep, with all its entries.
    max_failed : str or None
        How many failed runs, or which percentage of them, fail the flow run; None: none do.
    """
    # The last entry of a run counts: a resume may have mended an earlier failure.
    entries = manifest.latest().values()
    planned, recorded = planned_count(manifest), len(entries)
    failed = sum(entry.status == "failed" for entry in entries)
    if recorded < planned:
        return Failed(
            name="Incomplete",
            message=f"{recorded} of {planned} runs are recorded. Resume the sweep to run the rest.",
        )
    message = f"{recorded - failed} of {recorded} runs ok"
    if not failed:
        return Completed(message=message)
    message += f", {failed} failed"
    if max_failed is not None and failed > most_failed(max_failed, recorded, "max_failed"):
        return Failed(name="TooManyFailedRuns", message=f"{message}; at most {max_failed} may")
    return Completed(name="CompletedWithFailures", message=message)


def key_of(mission: Path, kind: str) -> str:
    """Return what the keys of a sweep's artifacts begin with."""
    return f"{of.slug(mission.stem)}-{of.slug(kind)}"


def orchestrate(job: SweepJob, report: SweepReport) -> None:
    """Map the run task over the job's specs inside the current flow run."""
    assert report.flow_run_id is not None
    started = time.monotonic()
    progress = ProgressArtifact(
        report.flow_run_id, f"{key_of(job.mission, job.kind)}-progress", job.count
    )
    backlog = Backlog(report.flow_run_id)
    with (
        _noted(job, report.flow_run_id),
        progress,
        runner_for(job.pool, threads_of(job)) as runner,
        Collector(job) as collector,
        _quiet_task_runs(),
    ):
        for spec, outcome, attempts in TaskRuns(job, runner).outcomes():
            try:
                collector.add(spec, outcome, attempts)
            except OSError as error:
                if stopped := stopped_by(shortage(error), spec):
                    raise stopped from error
                raise
            report.done, report.failed = collector.done, collector.failed
            report.duration_s = time.monotonic() - started
            progress.show(report.done, report.failed)
            backlog.keep_short(report.done)


@contextlib.contextmanager
def _noted(job: SweepJob, flow_run_id: UUID) -> Iterator[None]:
    """Keep beside the manifest how this pass over the sweep ends."""

    def note(state: Any, reason: str = "") -> None:
        LastPass(
            action=job.action,
            state=state,
            reason=reason,
            flow_run=str(flow_run_id),
            host=socket.gethostname(),
            process=os.getpid(),
            at=now(),
        ).write(job.manifest_path.parent)

    note("running")
    try:
        yield
    except BaseException as error:
        note("interrupted", _why(error))
        raise
    note("finished")


def _why(error: BaseException) -> str:
    if isinstance(error, TerminationSignal):
        return "ended by a signal: cancelled, or its machine was shut down"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted from the keyboard"
    return f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def _quiet_task_runs() -> Iterator[None]:
    """Keep the log to lines of the sweep: a line per task run would bury them."""
    task_runs = logging.getLogger("prefect.task_runs")
    before = task_runs.level
    task_runs.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        task_runs.setLevel(before)


@contextlib.contextmanager
def _quiet_console() -> Iterator[None]:
    """Leave the terminal to the progress bar; the server still gets the flow's own log."""
    # Prefect installs its handlers when the first flow starts, which would be too late.
    setup_logging()
    consoles = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, PrefectConsoleHandler)
    ]
    for console in consoles:
        console.addFilter(_is_not_of_a_run)
    try:
        yield
    finally:
        for console in consoles:
            console.removeFilter(_is_not_of_a_run)


def _is_not_of_a_run(record: logging.LogRecord) -> bool:
    names = ("prefect.flow_runs", "prefect.task_runs", "prefect.task_runner")
    return not record.name.startswith(names)
