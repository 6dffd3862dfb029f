"""The runs of a sweep as task runs ``run-<id>``, a bounded number of them in flight.

If GMAT refuses a run, its task run fails and has an outcome. Only a fault or a shortage is raised
inside a task run, and Prefect retries it. The first 50 failed task runs log their cause too,
because the UI's page of a task run shows its log, and not the message of its state. The values of a
run are an input of its task run, which the page shows as well. A line of log for each run would
cost the server a twelfth of its work more.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import Constant, State
from prefect.states import Cancelled, Completed, Failed
from prefect.tasks import task

from gmat_sweep.backends.on_demand import on_demand, workers_of
from gmat_sweep.backends.process.worker_process import (
    WorkerDiedError,
    WorkerLimitError,
    WorkerTimedOutError,
)
from gmat_sweep.causes import headline
from gmat_sweep.disk.shortages import shortage
from gmat_sweep.errors import BackendError, SweepStoppedError
from gmat_sweep.failure_kinds import kind_of_error
from gmat_sweep.flow.logs import log_cause
from gmat_sweep.flow.prefect_internals import leave_out_pending, no_result
from gmat_sweep.flow.server import UnsentEvents
from gmat_sweep.folder.attempts import make_way
from gmat_sweep.printable import one_line
from gmat_sweep.spec import NOMINAL_RUN_ID, RunOutcome, RunSpec

if TYPE_CHECKING:
    from prefect.client.schemas.objects import TaskRun
    from prefect.futures import PrefectFuture
    from prefect.task_runners import TaskRunner
    from prefect.tasks import Task

    from gmat_sweep.flow.job import SweepJob

__all__ = ["TaskRuns", "stopped_by", "threads_of", "values_of"]

RUN_FAILED = "RunFailed"
"""Name of the state of a task run whose run GMAT or a hook refused."""
TIMED_OUT = "TimedOut"
"""Name of the state of a task run whose run was ended by its timeout."""
OVER_MEMORY = "OverMemory"
"""Name of the state of a task run whose run was ended by its memory limit."""

_FAULTS = (WorkerDiedError, OSError)
_STOP_INTERVAL_S = 0.1
_RECOUNT_INTERVAL_S = 1.0
_MOST_CAUSES_LOGGED = 50
_SPECS_AT_A_TIME = 32
_GIVEN_WAY_S = 0.001
# At most some 4 kB for a run, which has thousands of fields if somebody varies a vector of them.
_MOST_FIELDS_SHOWN = 30
_LONGEST_VALUE_SHOWN = 80


def threads_of(job: SweepJob) -> int:
    """Return how many threads of the flow process drive a job's workers."""
    # While Prefect records the end of one task run, its worker should have the next run.
    return workers_of(job.pool) + 2


@dataclass(slots=True)
class _Progress:
    """A run between its submission and its collection."""

    spec: RunSpec
    position: int
    is_begun: bool = False
    outcome: RunOutcome | None = None
    interruption: BaseException | None = None
    faults: list[RunOutcome] = field(default_factory=list)

    def settle(self, done: PrefectFuture[Any]) -> RunOutcome:
        """Return the run's outcome once its task run has ended.

        If faults ended all attempts, the outcome is that of the last attempt. An interruption that
        the pool has raised is raised here, in the thread of the flow.
        """
        if self.outcome is not None:
            return self.outcome
        if self.interruption is not None:
            raise self.interruption
        error = done.result(raise_on_failure=False)
        if isinstance(error, SweepStoppedError):
            raise error
        if not isinstance(error, _FAULTS):
            # Nothing is known of the run itself, so it stays missing in the manifest.
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

    Prefect starts the bodies of task runs in any order. With turns, runs on one worker still end in
    the order given. A thread is woken for its own turn and for nothing else: on a cluster there is
    one for each of some hundred runs.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._under_way = 0
        self._next = 0
        self._waits = True
        self._lock = threading.Lock()
        self._waiting: dict[int, threading.Event] = {}

    @contextlib.contextmanager
    def turn(self, position: int) -> Iterator[None]:
        """Wait for the turn of the run submitted as number `position`, and keep it for a block."""
        with self._lock:
            begins = self._waiting[position] = threading.Event()
            self._begin_all()
        try:
            begins.wait()
        except BaseException:
            # Prefect may end a thread here; its run is nobody's turn.
            with self._lock:
                if self._waiting.pop(position, None) is None:
                    self._under_way -= 1
                    self._begin_all()
            raise
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1
                has_begun = self._begin_all()
            if has_begun:
                # Its thread goes first: a worker waits for it, and nobody for the end of this one.
                time.sleep(_GIVEN_WAY_S)

    def _begin_all(self) -> bool:
        """Begin the waiting runs whose turn has come; return whether there was one."""
        has_begun = False
        while self._waiting and (not self._waits or self._under_way < self._at_once):
            position = min(self._waiting)
            if self._waits and position > self._next:
                break
            # A run that is tried again has had its turn before.
            self._next = max(self._next, position + 1)
            self._under_way += 1
            self._waiting.pop(position).set()
            has_begun = True
        return has_begun

    def allow(self, at_once: int) -> None:
        """Change how many runs have their turn at once, as a cluster grows and shrinks."""
        with self._lock:
            if at_once != self._at_once:
                self._at_once = at_once
                self._begin_all()

    @property
    def under_way(self) -> int:
        """How many runs have had their turn and have not ended."""
        with self._lock:
            return self._under_way

    def end(self) -> None:
        """Let every run begin at once, now and later."""
        with self._lock:
            self._waits = False
            self._begin_all()


class TaskRuns:
    """One task run per spec, with a bounded number in flight."""

    def __init__(self, job: SweepJob, runner: TaskRunner[Any]) -> None:
        pool = on_demand(job.pool)
        self._job = job
        self._runner = runner
        self._execute = pool.execute
        self._interrupt = pool.interrupt
        self._in_flight: dict[int, _Progress] = {}
        self._turns = _Turns(workers_of(job.pool))
        self._stopping = False
        self._is_edited = False
        self._events = UnsentEvents()
        self._failures = itertools.count()
        self._task: Task[..., State[None]] = task(
            name="run",
            task_run_name="run-{run_id}",
            retries=job.options.retries,
            retry_condition_fn=self._is_tried_again,
            cache_policy=NO_CACHE,
            persist_result=False,
        )(self._run)
        leave_out_pending(self._task)
        self._nominal_task = self._task.with_options(task_run_name="run-nominal")

    def outcomes(self) -> Iterator[tuple[RunSpec, RunOutcome, list[dict[str, Any]]]]:
        """Submit every spec; yield spec, outcome and earlier attempts as task runs end."""
        ended: SimpleQueue[tuple[int, PrefectFuture[Any]]] = SimpleQueue()
        specs = enumerate(_some_ahead(self._job.specs))
        try:
            while True:
                self._turns.allow(workers_of(self._job.pool))
                window = 2 * threads_of(self._job)
                while len(self._in_flight) < window and (item := next(specs, None)) is not None:
                    position, spec = item
                    progress = self._in_flight[spec.run_id] = _Progress(spec, position)
                    if self._job.pool.subprocess_isolated == "debug":
                        yield spec, self._in_this_thread(progress), []
                        continue
                    self._events.let_be_sent()
                    is_nominal = spec.run_id == NOMINAL_RUN_ID
                    run = self._nominal_task if is_nominal else self._task
                    future = self._runner.submit(
                        run,
                        {"run_id": spec.run_id, "values": None},
                        # Prefect shows of a parameter what it depends on, and never its value.
                        dependencies={"values": {Constant(type=values_of(spec))}},
                    )
                    future.add_done_callback(_putting(ended, spec.run_id))
                if not self._in_flight:
                    return
                try:
                    run_id, done = ended.get(timeout=_RECOUNT_INTERVAL_S)
                except Empty:
                    continue
                progress = self._in_flight.pop(run_id)
                try:
                    outcome = progress.settle(done)
                except SweepStoppedError:
                    yield from self._ended()
                    raise
                except BaseException as error:
                    if not isinstance(error, Exception):
                        # The threads of other runs may be about to take an outcome from the pool.
                        self._stop()
                        yield from self._ended()
                    raise
                yield progress.spec, outcome, progress.attempts()
        finally:
            self._stop()

    def _ended(self) -> Iterator[tuple[RunSpec, RunOutcome, list[dict[str, Any]]]]:
        """Yield the runs in flight that have an outcome, though their task runs have not ended."""
        for run_id in [run_id for run_id, each in self._in_flight.items() if each.outcome]:
            progress = self._in_flight.pop(run_id)
            assert progress.outcome is not None
            yield progress.spec, progress.outcome, progress.attempts()

    def _in_this_thread(self, progress: _Progress) -> RunOutcome:
        """Run one spec where the caller's debugger can follow it."""
        state = self._task(progress.spec.run_id, return_state=True)
        del self._in_flight[progress.spec.run_id]
        if progress.interruption is not None:
            raise progress.interruption
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
        # Repeated: a thread may have been about to take a worker when `_interrupt` was called. A
        # thread that gets its turn only now sees `_stopping`.
        while self._turns.under_way:
            self._interrupt()
            time.sleep(_STOP_INTERVAL_S)

    def _run(self, run_id: int, values: None = None) -> State[None]:
        """Run one spec on a worker when its turn comes; the body of the task ``run-<id>``.

        The parameter `values` is there for the page of the task run alone.
        """
        del values
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
            if str(spec.output_dir.absolute()) not in self._job.shared_folders:
                make_way(spec)
            outcome = self._execute(
                spec,
                timeout_s=self._job.options.timeout,
                memory_limit=self._job.options.memory_limit_bytes,
            )
        except _FAULTS as error:
            if self._stopping:
                return Cancelled(message="the sweep was stopped during this run")
            if stopped := self._stopped_by(shortage(error), spec):
                raise stopped from error
            outcome = RunOutcome.failed(
                run_id=spec.run_id,
                stderr=str(error),
                started_at=started_at,
                ended_at=datetime.now(UTC),
                duration_s=time.monotonic() - started,
                failure_kind=kind_of_error(error, str(error)),
            )
            if not isinstance(error, WorkerLimitError):
                progress.faults.append(outcome)
                raise
            progress.outcome = outcome
            limit = TIMED_OUT if isinstance(error, WorkerTimedOutError) else OVER_MEMORY
            return self._failed(limit, outcome)
        except Exception:
            raise
        except BaseException as interruption:  # noqa: BLE001 - raised again by `settle`
            progress.interruption = interruption
            return Cancelled(message=f"interrupted: {type(interruption).__name__}")
        if stopped := self._stopped_by(outcome.shortage, spec):
            raise stopped
        progress.outcome = outcome
        if outcome.status == "failed":
            return self._failed(RUN_FAILED, outcome)
        missed = [
            one_line(name) for name, reached in sorted(outcome.converged.items()) if not reached
        ]
        warning = f"; {', '.join(missed)} did not converge" if missed else ""
        return Completed(
            message=f"{outcome.status} in {outcome.duration_s:.2f} s{warning}", data=no_result()
        )

    def _stopped_by(self, shortage: str | None, spec: RunSpec) -> SweepStoppedError | None:
        """Return the error that stops the sweep at a run that has ended or met a fault, if any."""
        if stopped := stopped_by(shortage, spec):
            return stopped
        edited = self._job.watch.stopped_at(spec.run_id, spec.script_path)
        if edited is not None:
            self._is_edited = True
        return edited

    def _is_tried_again(self, task: object, task_run: TaskRun, state: State[Any]) -> bool:
        # Another try would only fly the edited mission.
        return not self._is_edited and _is_fault(task, task_run, state)

    def _failed(self, name: str, outcome: RunOutcome) -> State[None]:
        cause = headline(outcome.stderr)
        if next(self._failures) < _MOST_CAUSES_LOGGED:
            log_cause(cause)
        return Failed(name=name, message=cause)


def values_of(spec: RunSpec) -> str:
    """Return what is varied in a run, on one line: the first fields of very many."""
    if not spec.overrides:
        return "nothing is varied"
    shown = [
        f"{_cut(name)} = {_cut(str(value))}"
        for name, value in itertools.islice(spec.overrides.items(), _MOST_FIELDS_SHOWN)
    ]
    if (more := len(spec.overrides) - _MOST_FIELDS_SHOWN) > 0:
        shown.append(f"and {more} further {'field' if more == 1 else 'fields'}")
    return "; ".join(shown)


def _cut(text: str) -> str:
    if len(text) <= _LONGEST_VALUE_SHOWN:
        return one_line(text)
    return f"{one_line(text[: _LONGEST_VALUE_SHOWN - 3])}..."


def _is_fault(_task: object, _task_run: TaskRun, state: State[Any]) -> bool:
    """Return whether Prefect may try a task run again: only if a fault or a shortage ended it.

    A case that GMAT refuses, or that takes longer or needs more memory than it may, would only end
    the same way again. The task returns a state for it and raises nothing.
    """
    return isinstance(state.data, (*_FAULTS, SweepStoppedError))


def stopped_by(shortage: str | None, spec: RunSpec) -> SweepStoppedError | None:
    """Return the error that stops the whole sweep because of a shortage; None without one."""
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


def _some_ahead(specs: Iterable[RunSpec]) -> Iterator[RunSpec]:
    """Yield specs that are made some at a time: each for itself costs several times that."""
    return itertools.chain.from_iterable(itertools.batched(specs, _SPECS_AT_A_TIME))


def _over_its_leftovers(spec: RunSpec) -> RunSpec:
    return replace(spec, run_options={**spec.run_options, "overwrite": True})
