"""The flow ``gmat-sweep``: one Prefect task per run, a bounded number in flight.

The flow maps the task over a job's specs, hands every outcome to the collector as its run ends, and
computes its final state from what was collected. A run that GMAT refuses is a failed task run and
an entry in the manifest; the flow goes on. Only infrastructure faults are retried.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State  # noqa: TC002 - Prefect reads annotations
from prefect.context import FlowRunContext
from prefect.logging.configuration import setup_logging
from prefect.logging.handlers import PrefectConsoleHandler
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from gmat_sweep.backends.on_demand import on_demand, workers_of
from gmat_sweep.backends.worker_process import WorkerDiedError, WorkerTimedOutError
from gmat_sweep.causes import headline
from gmat_sweep.errors import BackendError, SweepStoppedError
from gmat_sweep.flow.collector import Collector
from gmat_sweep.flow.job import SweepJob
from gmat_sweep.flow.server import forget_unsent_events, recorded_on, wait_until_recorded
from gmat_sweep.shortages import shortage
from gmat_sweep.spec import RunOutcome, RunSpec

if TYPE_CHECKING:
    from prefect.client.schemas.objects import TaskRun
    from prefect.futures import PrefectFuture
    from prefect.tasks import Task

__all__ = ["FLOW_NAME", "SweepReport", "gmat_sweep_flow", "run_job"]

FLOW_NAME = "gmat-sweep"
RUN_FAILED = "RunFailed"
"""Name of the state of a task run whose run GMAT or a hook refused."""
TIMED_OUT = "TimedOut"
"""Name of the state of a task run whose run was ended by its timeout."""

_FAULTS = (WorkerDiedError, OSError)
_STOP_INTERVAL_S = 0.1

_job: ContextVar[SweepJob] = ContextVar("gmat_sweep_job")
_report: ContextVar[SweepReport] = ContextVar("gmat_sweep_report")


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


def run_job(job: SweepJob) -> SweepReport:
    """Run a job through the flow ``gmat-sweep`` and return what it did.

    The caller's own exceptions come back as themselves: what the flow raised is raised again.
    """
    report = SweepReport()
    job_token, report_token = _job.set(job), _report.set(report)
    on_demand(job.pool).warm_up()
    try:
        with _quiet_console(), recorded_on():
            runner: Any = ThreadPoolTaskRunner(max_workers=_threads(job))
            try:
                gmat_sweep_flow.with_options(task_runner=runner, flow_run_name=job.title)(
                    mission=str(job.mission),
                    folder=str(job.folder),
                    kind=job.kind,
                    runs=job.count,
                    action=job.action,
                    return_state=True,
                )
                if report.error is None and report.flow_run_id is not None:
                    wait_until_recorded(report.flow_run_id, report.done)
            except httpx.TransportError as gone:
                forget_unsent_events()
                _answer_for_the_manifest(job, report, gone)
    finally:
        _job.reset(job_token)
        _report.reset(report_token)
    if report.error is not None:
        raise report.error
    return report


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
    logging.getLogger("gmat_sweep").warning(
        "the Prefect server went away (%s): its record of this flow run is not complete; all %d "
        "runs are in the manifest",
        gone,
        report.done,
    )


@flow(name=FLOW_NAME, persist_result=False, validate_parameters=False)
def gmat_sweep_flow(mission: str, folder: str, kind: str, runs: int, action: str) -> State[None]:
    """Run the sweep that the caller handed over; the parameters say which one it is."""
    del mission, folder, kind, runs, action  # for those who look at the flow run
    job, report = _job.get(), _report.get()
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    report.flow_run_id = context.flow_run.id
    try:
        orchestrate(job, report)
    except BaseException as error:
        report.error = error
        raise
    if report.failed:
        return Completed(
            name="CompletedWithFailures",
            message=f"{report.done - report.failed} of {report.done} runs ok, "
            f"{report.failed} failed",
        )
    return Completed(message=f"{report.done} runs ok")


def orchestrate(job: SweepJob, report: SweepReport) -> None:
    """Map the run task over the job's specs inside the current flow run."""
    started = time.monotonic()
    with Collector(job) as collector, _quiet_task_runs():
        for spec, outcome, attempts in _Mapping(job).outcomes():
            try:
                collector.add(spec, outcome, attempts)
            except OSError as error:
                if stopped := _stopped(shortage(error), spec):
                    raise stopped from error
                raise
            report.done, report.failed = collector.done, collector.failed
            report.duration_s = time.monotonic() - started


def _threads(job: SweepJob) -> int:
    # While one task run is being written down by Prefect, its worker should have the next run.
    return workers_of(job.pool) + 2


@dataclass(slots=True)
class _Progress:
    """What is known of a run between its submission and its collection."""

    spec: RunSpec
    position: int
    is_begun: bool = False
    outcome: RunOutcome | None = None
    faults: list[RunOutcome] = field(default_factory=list)

    def settle(self, done: PrefectFuture[Any]) -> RunOutcome:
        """Return the run's outcome once its task run has ended.

        A run whose every attempt was ended by an infrastructure fault has the outcome of the last.
        """
        if self.outcome is not None:
            return self.outcome
        error = done.result(raise_on_failure=False)
        if isinstance(error, SweepStoppedError):
            raise error
        if not isinstance(error, _FAULTS):
            # Not the run's doing: nothing is known of it, so it stays missing in the manifest.
            raise BackendError(
                f"Run {self.spec.run_id} could not be run: {done.state.message} Resume the sweep "
                "once the cause is mended."
            )
        return self.faults.pop()

    def attempts(self) -> list[dict[str, Any]]:
        """Return the earlier attempts as the manifest records them."""
        return [
            {
                "cause": fault.stderr,
                "started_at": fault.started_at.isoformat(),
                "ended_at": fault.ended_at.isoformat(),
            }
            for fault in self.faults
        ]


class _Turns:
    """Lets runs begin in the order of their submission, as many at once as there are workers.

    Task runs get to their bodies in any order; on one worker, runs still end in the order given.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._under_way = 0
        self._next = 0
        self._waits = True
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def turn(self, position: int) -> Iterator[None]:
        """Wait for the turn of the run submitted as number `position`, and keep it for a block."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    not self._waits or (position <= self._next and self._under_way < self._at_once)
                )
            )
            # A run that is tried again has had its turn before.
            self._next = max(self._next, position + 1)
            self._under_way += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    @property
    def under_way(self) -> int:
        """How many runs have had their turn and have not ended."""
        with self._changed:
            return self._under_way

    def end(self) -> None:
        """Let everyone through, now and later."""
        with self._changed:
            self._waits = False
            self._changed.notify_all()


class _Mapping:
    """One task run per spec, with a bounded number in flight."""

    def __init__(self, job: SweepJob) -> None:
        pool = on_demand(job.pool)
        self._job = job
        self._execute = pool.execute
        self._interrupt = pool.interrupt
        self._in_flight: dict[int, _Progress] = {}
        self._turns = _Turns(workers_of(job.pool))
        self._stopping = False
        self._task: Task[[int], State[None]] = task(
            name="run",
            task_run_name="run-{run_id}",
            retries=job.retries,
            retry_condition_fn=_is_fault,
            cache_policy=NO_CACHE,
            persist_result=False,
        )(self._run)

    def outcomes(self) -> Iterator[tuple[RunSpec, RunOutcome, list[dict[str, Any]]]]:
        """Submit every spec and yield outcomes as task runs end."""
        ended: SimpleQueue[tuple[int, PrefectFuture[Any]]] = SimpleQueue()
        specs = enumerate(self._job.specs)
        window = 2 * _threads(self._job)
        try:
            while True:
                while len(self._in_flight) < window and (item := next(specs, None)) is not None:
                    position, spec = item
                    progress = self._in_flight[spec.run_id] = _Progress(spec, position)
                    if self._job.pool.subprocess_isolated == "debug":
                        yield spec, self._in_this_thread(progress), []
                        continue
                    future = self._task.submit(spec.run_id)
                    future.add_done_callback(_putting(ended, spec.run_id))
                if not self._in_flight:
                    return
                run_id, done = ended.get()
                progress = self._in_flight.pop(run_id)
                outcome = progress.settle(done)
                yield progress.spec, outcome, progress.attempts()
        finally:
            self._stop()

    def _in_this_thread(self, progress: _Progress) -> RunOutcome:
        """Run one spec where the caller's debugger can follow it."""
        state = self._task(progress.spec.run_id, return_state=True)
        del self._in_flight[progress.spec.run_id]
        if progress.outcome is None:
            error = state.result(raise_on_failure=False)
            if isinstance(error, SweepStoppedError):
                raise error
            raise BackendError(f"Run {progress.spec.run_id} could not be run: {state.message}")
        return progress.outcome

    def _stop(self) -> None:
        """End every task run in flight; called when the sweep is done, interrupted or broken."""
        self._stopping = True
        self._turns.end()
        # Again and again: a thread may just have been about to take a worker. One that has not had
        # its turn yet sees that all is stopping.
        while self._turns.under_way:
            self._interrupt()
            time.sleep(_STOP_INTERVAL_S)

    def _run(self, run_id: int) -> State[None]:
        """Run one spec on a worker when its turn comes; the body of the task ``run-<id>``."""
        progress = self._in_flight[run_id]
        with self._turns.turn(progress.position):
            return self._run_now(progress)

    def _run_now(self, progress: _Progress) -> State[None]:
        spec = progress.spec
        if self._stopping:
            return Cancelled(message="the sweep was stopped before this run began")
        if progress.is_begun:
            spec = _over_its_leftovers(spec)
        progress.is_begun = True
        started_at, started = datetime.now(UTC), time.monotonic()
        try:
            outcome = self._execute(spec, timeout_s=self._job.timeout_s)
        except _FAULTS as error:
            if self._stopping:
                return Cancelled(message="the sweep was stopped during this run")
            if stopped := _stopped(shortage(error), spec):
                raise stopped from error
            outcome = RunOutcome.failed(
                run_id=spec.run_id,
                stderr=str(error),
                started_at=started_at,
                ended_at=datetime.now(UTC),
                duration_s=time.monotonic() - started,
            )
            if not isinstance(error, WorkerTimedOutError):
                progress.faults.append(outcome)
                raise
            progress.outcome = outcome
            return Failed(name=TIMED_OUT, message=headline(outcome.stderr))
        if stopped := _stopped(outcome.shortage, spec):
            raise stopped
        progress.outcome = outcome
        if outcome.status == "failed":
            return Failed(name=RUN_FAILED, message=headline(outcome.stderr))
        return Completed(message=f"{outcome.status} in {outcome.duration_s:.2f} s")


def _is_fault(_task: object, _task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a task run may be tried again: only when the infrastructure failed it.

    A refusal of GMAT's, and a case that takes longer than it may, are returned as states and would
    only come out the same again. (A plain function: Prefect takes no bound method here.)
    """
    return isinstance(state.data, (*_FAULTS, SweepStoppedError))


def _stopped(shortage: str | None, spec: RunSpec) -> SweepStoppedError | None:
    """Return what ends the whole sweep, where the machine is short of something."""
    if shortage is None:
        return None
    return SweepStoppedError(
        f"The sweep was stopped at run {spec.run_id}, because every further run would fail too: "
        f"{shortage}. What has ended is recorded; then resume the sweep."
    )


def _putting(
    ended: SimpleQueue[tuple[int, PrefectFuture[Any]]], run_id: int
) -> Callable[[PrefectFuture[Any]], None]:
    return lambda done: ended.put((run_id, done))


def _over_its_leftovers(spec: RunSpec) -> RunSpec:
    return replace(spec, run_options={**spec.run_options, "overwrite": True})


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
    return not record.name.startswith(("prefect.flow_runs", "prefect.task_runs"))
