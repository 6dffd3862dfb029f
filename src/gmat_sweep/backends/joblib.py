"""`LocalJoblibPool`: isolated worker processes on this machine.

The name is the one programs written for the joblib-based API know. Each worker is a process with a
GMAT engine of its own, kept from run to run; a run that crashes or overruns its time takes its
worker with it and no other run.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.backends.base import Pool
from gmat_sweep.backends.worker_process import WorkerDiedError, WorkerProcess
from gmat_sweep.errors import BackendError
from gmat_sweep.spec import RunOutcome, RunSpec

if TYPE_CHECKING:
    from gmat_sweep.worker import MissionFacts

__all__ = ["LocalJoblibPool"]


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

    Raises
    ------
    BackendError
        The count is 0 or below -1, or both spellings are given.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        workers: int | None = None,
        reuse_gmat_context: bool = True,
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
        self._max_workers = _resolved(max_workers)
        self._reuse = reuse_gmat_context
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._changed = threading.Condition()
        self._parked: dict[Future[RunOutcome], RunSpec] = {}
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

    def execute(self, spec: RunSpec, *, timeout_s: float | None = None) -> RunOutcome:
        """Run one spec on a worker and return its outcome; blocks while all workers are busy.

        Parameters
        ----------
        spec : RunSpec
            The run.
        timeout_s : float, optional
            Seconds after which the run is ended by killing its worker.

        Raises
        ------
        WorkerDiedError
            The worker crashed or was killed; `WorkerTimedOutError` when its time was up.
        BackendError
            The pool is closed.
        """
        with self._worker() as worker:
            return worker.run(spec, timeout_s=timeout_s)

    def inspect(self, script_path: Path | None, overrides: dict[str, Any]) -> MissionFacts:
        """Load a script on a worker and try overrides on it, without running it."""
        with self._worker() as worker:
            return worker.inspect(script_path, overrides)

    def submit(self, spec: RunSpec) -> Future[RunOutcome]:
        """Park a spec; it runs once `as_completed` is asked for it."""
        self._check_open()
        future: Future[RunOutcome] = Future()
        self._parked[future] = spec
        return future

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        """Run parked specs and yield their outcomes as runs end.

        Raises
        ------
        BackendError
            A future is not this pool's, was drained already, or the pool is closed.
        """
        self._check_open()
        wanted = list(futures)
        strangers = [future for future in wanted if future not in self._parked]
        if strangers:
            raise BackendError(
                f"{len(strangers)} of {len(wanted)} futures are not waiting in this pool. Pass "
                "each future that submit() returned once."
            )
        specs = {future: self._parked.pop(future) for future in wanted}
        with ThreadPoolExecutor(self._max_workers, "gmat-sweep-pool") as threads:
            drained = {
                threads.submit(self._outcome, spec): future for future, spec in specs.items()
            }
            for done in as_completed(drained):
                outcome = done.result()
                drained[done].set_result(outcome)
                yield outcome

    def close(self) -> None:
        """Kill every worker and cancel what is parked. Calling it again does nothing."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for worker in idle:
            worker.close()
        self.interrupt()
        for future in self._parked:
            future.cancel()
        self._parked.clear()

    def interrupt(self) -> None:
        """Kill the workers that are busy; each of their runs ends with `WorkerDiedError`."""
        with self._changed:
            busy = list(self._busy)
        for worker in busy:
            worker.kill()

    def _outcome(self, spec: RunSpec) -> RunOutcome:
        started_at, started = datetime.now(UTC), time.monotonic()
        try:
            return self.execute(spec)
        except WorkerDiedError as error:
            return RunOutcome.failed(
                run_id=spec.run_id,
                stderr=str(error),
                started_at=started_at,
                ended_at=datetime.now(UTC),
                duration_s=time.monotonic() - started,
            )

    @contextmanager
    def _worker(self) -> Iterator[WorkerProcess]:
        """Lend a worker; it comes back only if the block ends without an exception."""
        with self._changed:
            while True:
                self._check_open()
                if self._idle:
                    worker = self._idle.pop()
                    break
                if len(self._busy) < self._max_workers:
                    worker = WorkerProcess()
                    break
                self._changed.wait()
            self._busy.add(worker)
        keep = False
        try:
            yield worker
            keep = self._reuse
        finally:
            with self._changed:
                self._busy.discard(worker)
                keep = keep and not self._closed
                if keep:
                    self._idle.append(worker)
                self._changed.notify()
            if not keep:
                worker.close()

    def _check_open(self) -> None:
        if self._closed:
            raise BackendError("The pool is closed. Make a new one.")


def _resolved(max_workers: int | None) -> int:
    if max_workers is None or max_workers == -1:
        return max(
            1,
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1,
        )
    if max_workers < 1:
        raise BackendError(
            f"max_workers is {max_workers}. Pass a positive count, or -1 for one per core."
        )
    return max_workers
