"""`LocalJoblibPool`: isolated worker processes on this machine.

Programs written for the joblib-based API know the pool by this name. Each worker is a process with
a GMAT engine of its own, which the pool keeps from run to run. A run that crashes or overruns its
time takes its worker with it and no other run.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from gmat_sweep.backends.base import Pool
from gmat_sweep.backends.cores import worker_count
from gmat_sweep.backends.faults import failed_by
from gmat_sweep.backends.parked import ParkedRuns
from gmat_sweep.backends.process.memory import memory_bytes
from gmat_sweep.backends.process.worker_process import WorkerOverMemoryError, WorkerProcess
from gmat_sweep.errors import BackendError
from gmat_sweep.spec import RunOutcome, RunSpec

if TYPE_CHECKING:
    from gmat_sweep.worker import MissionFacts

__all__ = ["LocalJoblibPool"]

_CLOSE_TIMEOUT_S = 10.0


@dataclass(eq=False, slots=True)
class _Iteration:
    """One iteration over outcomes, and whether its consumer has gone."""

    given_up: bool = False


class LocalJoblibPool(Pool):
    """Worker processes on this machine.

    Parameters
    ----------
    max_workers : int, optional
        How many runs execute at once. None or -1 means one per available core.
    workers : int, optional
        Deprecated spelling of `max_workers`.
    reuse_gmat_context : bool
        True keeps a worker and its engine from run to run, which is fast and right when every run
        loads the same script. False starts a fresh process for every run.
    memory_limit : int or str, optional
        How much memory a run may need: bytes, or text such as ``"2 GiB"``. If a run needs more, the
        pool kills and replaces its worker.

    Raises
    ------
    BackendError
        The count is 0 or below -1, or both spellings are given.
    SweepConfigError
        The memory limit is no amount of memory.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        workers: int | None = None,
        reuse_gmat_context: bool = True,
        memory_limit: int | str | None = None,
    ) -> None:
        if workers is not None:
            if max_workers is not None:
                raise BackendError(
                    "LocalJoblibPool takes max_workers= or workers=, not both. Pass max_workers=."
                )
            warnings.warn(
                "LocalJoblibPool(workers=) is deprecated; write max_workers= instead.",
                DeprecationWarning,
                stacklevel=2,
            )
            max_workers = workers
        self._max_workers = worker_count(max_workers)
        self._reuse = reuse_gmat_context
        self._memory_limit = None if memory_limit is None else memory_bytes(memory_limit)
        self._idle: list[WorkerProcess] = []
        self._busy: dict[WorkerProcess, _Iteration | None] = {}
        self._changed = threading.Condition()
        self._parked = ParkedRuns()
        self._closed = False

    @property
    def max_workers(self) -> int:
        """How many runs execute at once."""
        return self._max_workers

    def warm_up(self) -> None:
        """Start all workers now, so that they are ready when the first run comes."""
        with self._changed:
            self._check_open()
            missing = self._max_workers - len(self._idle) - len(self._busy)
            self._idle.extend(WorkerProcess() for _ in range(missing))

    def execute(
        self, spec: RunSpec, *, timeout_s: float | None = None, memory_limit: int | None = None
    ) -> RunOutcome:
        """Run one spec on a worker and return its outcome; blocks while all workers are busy.

        Parameters
        ----------
        spec : RunSpec
            The run.
        timeout_s : float, optional
            Seconds after which the run is ended by killing its worker.
        memory_limit : int, optional
            Bytes of memory that the run may need; the pool's own limit by default.

        Raises
        ------
        WorkerDiedError
            The worker crashed or was killed; `WorkerTimedOutError` when its time was up,
            `WorkerOverMemoryError` when the run needed too much memory.
        BackendError
            The pool is closed.
        """
        return self._run(spec, timeout_s=timeout_s, memory_limit=memory_limit)

    def inspect(
        self,
        script_path: Path | None,
        overrides: dict[str, Any],
        *,
        wanted: Sequence[str] = (),
        memory_limit: int | None = None,
    ) -> MissionFacts:
        """Load a script on a worker and try overrides on it, without running it."""
        limit = self._memory_limit if memory_limit is None else memory_limit
        return self._on_a_worker(
            lambda worker, _: worker.inspect(
                script_path, overrides, wanted=wanted, memory_limit=limit
            )
        )

    def submit(self, spec: RunSpec) -> Future[RunOutcome]:
        """Park a spec; it runs once `as_completed` is asked for it."""
        self._check_open()
        return self._parked.park(spec)

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        """Run parked specs and yield their outcomes as runs end.

        A future that was cancelled is left out. If the caller gives up the iteration before its
        end, the pool ends its runs.

        Raises
        ------
        BackendError
            A future is not this pool's, was drained already, or the pool is closed.
        """
        self._check_open()
        specs = self._parked.claim(futures)
        waiting = ((future, spec) for future, spec in specs.items() if not future.cancelled())
        try:
            for future, outcome in self._drain(waiting, len(specs)):
                if future.set_running_or_notify_cancel():
                    future.set_result(outcome)
                yield outcome
        finally:
            for future in specs:
                future.cancel()

    def imap(
        self, specs: Iterable[RunSpec], *, in_flight: int | None = None
    ) -> Iterator[tuple[RunSpec, RunOutcome]]:
        """Run specs from an iterable of any length, a bounded number at a time.

        A long run delays no other: `imap` takes the next spec as soon as it has yielded an outcome.

        Parameters
        ----------
        specs : iterable of RunSpec
            Consumed lazily.
        in_flight : int, optional
            Specs taken and not yet yielded; four per worker by default.

        Raises
        ------
        ValueError
            ``in_flight`` is below 1.
        BackendError
            The pool is closed.
        """
        bound = self._in_flight_bound(in_flight)
        self._check_open()
        yield from self._drain(((spec, spec) for spec in specs), bound)

    def close(self) -> None:
        """Kill every worker and cancel parked futures. Calling it again does nothing."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for worker in idle:
            worker.close()
        self.interrupt()
        self._parked.cancel()
        with self._changed:
            # Until the threads that drive busy workers have seen them end. The timeout is for such
            # a thread that closes the pool from a signal handler: it would wait for itself.
            self._changed.wait_for(lambda: not self._busy, timeout=_CLOSE_TIMEOUT_S)

    def interrupt(self) -> None:
        """Kill the workers that are busy; each of their runs ends with `WorkerDiedError`."""
        self._interrupt(self._busy.keys())

    def _interrupt(self, workers: Iterable[WorkerProcess]) -> None:
        with self._changed:
            chosen = list(workers)
        for worker in chosen:
            worker.kill()

    def _drain[Key](
        self, keyed: Iterator[tuple[Key, RunSpec]], bound: int
    ) -> Iterator[tuple[Key, RunOutcome]]:
        """Run specs, at most `bound` of them taken and not yielded; yield them as runs end."""
        threads = ThreadPoolExecutor(self._max_workers, "gmat-sweep-pool")
        iteration = _Iteration()
        ended: SimpleQueue[Future[RunOutcome]] = SimpleQueue()
        running: dict[Future[RunOutcome], Key] = {}
        try:
            while True:
                for key, spec in islice(keyed, bound - len(running)):
                    future = threads.submit(self._outcome, spec, iteration)
                    running[future] = key
                    future.add_done_callback(ended.put)
                if not running:
                    return
                done = ended.get()
                yield running.pop(done), done.result()
        finally:
            with self._changed:
                iteration.given_up = True
                self._changed.notify_all()
            self._interrupt(worker for worker, of in self._busy.items() if of is iteration)
            threads.shutdown(cancel_futures=True)

    def _outcome(self, spec: RunSpec, iteration: _Iteration) -> RunOutcome:
        started_at = datetime.now(UTC)
        try:
            return self._run(spec, iteration=iteration)
        except Exception as error:
            if self._closed or iteration.given_up:
                # Nothing is known of the case itself.
                raise BackendError("The pool was closed before this run ended.") from error
            return failed_by(spec, error, started_at)

    def _run(
        self,
        spec: RunSpec,
        *,
        timeout_s: float | None = None,
        memory_limit: int | None = None,
        iteration: _Iteration | None = None,
    ) -> RunOutcome:
        limit = self._memory_limit if memory_limit is None else memory_limit

        def run(worker: WorkerProcess, again: bool) -> RunOutcome:
            # The first attempt may have left files of GMAT's own.
            options = {**spec.run_options, "overwrite": True} if again else spec.run_options
            return worker.run(
                replace(spec, run_options=options), timeout_s=timeout_s, memory_limit=limit
            )

        return self._on_a_worker(run, iteration)

    def _on_a_worker[Answer](
        self, use: Callable[[WorkerProcess, bool], Answer], iteration: _Iteration | None = None
    ) -> Answer:
        """Use a worker, and once more a fresh one if earlier runs filled the first one's memory."""
        try:
            with self._worker(iteration) as worker:
                return use(worker, False)
        except WorkerOverMemoryError as error:
            if error.is_first:
                raise
        with self._worker(iteration, fresh=True) as worker:
            return use(worker, True)

    @contextmanager
    def _worker(
        self, iteration: _Iteration | None = None, *, fresh: bool = False
    ) -> Iterator[WorkerProcess]:
        """Lend a worker; the pool keeps it only if the block ends without an exception."""
        with self._changed:
            while True:
                self._check_open()
                if iteration is not None and iteration.given_up:
                    raise BackendError("The runs were given up before this one began.")
                worker = self._free_worker(fresh=fresh)
                if worker is not None:
                    break
                self._changed.wait()
            self._busy[worker] = iteration
        keep = False
        try:
            yield worker
            keep = self._reuse
        finally:
            self._take_back(worker, keep=keep)

    def _free_worker(self, *, fresh: bool) -> WorkerProcess | None:
        while self._idle and not fresh:
            worker = self._idle.pop()
            if worker.is_alive:
                return worker
            # It has ended, for a reason that is not the next run's.
            worker.close()
        if self._idle and len(self._idle) + len(self._busy) >= self._max_workers:
            # A fresh worker takes the place of one that is idle, or has ended; the others stay.
            spared = min(self._idle, key=lambda worker: worker.is_alive)
            self._idle.remove(spared)
            spared.close()
        at_work = len(self._idle) + len(self._busy)
        return WorkerProcess() if at_work < self._max_workers else None

    def _take_back(self, worker: WorkerProcess, *, keep: bool) -> None:
        with self._changed:
            if keep and not self._closed:
                del self._busy[worker]
                self._idle.append(worker)
                self._changed.notify_all()
                return
        # The worker counts as busy until it is gone: its successor would be one process too many.
        worker.close()
        with self._changed:
            del self._busy[worker]
            self._changed.notify_all()

    def _check_open(self) -> None:
        if self._closed:
            raise BackendError("The pool is closed. Make a new one.")
