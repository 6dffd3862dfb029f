"""`ClusterPool`: the base class of pools whose workers may be on other hosts.

`execute` sends one run as an `Order` and returns its outcome. It raises `WorkerDiedError` if a
fault ended the run. The task runner that `flow_runner` names opens the pool for the length of a
sweep. A pool that is open already, because it was entered or used by itself, stays open until
`close`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from gmat_sweep.backends.base import Pool
from gmat_sweep.backends.cluster.orders import Order, OrderDesk, Reply
from gmat_sweep.backends.faults import failed_by
from gmat_sweep.backends.parked import ParkedRuns
from gmat_sweep.backends.process.worker_process import WorkerDiedError
from gmat_sweep.errors import BackendError
from gmat_sweep.import_places import places_of_hooks
from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["ClusterPool"]


class ClusterPool(Pool):
    """A pool whose runs are carried out by workers that may be on other hosts."""

    flow_runner: ClassVar[str]
    """Which of the flow's task runners opens this pool's cluster."""

    def __init__(self) -> None:
        self._desk = OrderDesk()
        self._parked = ParkedRuns()
        self._closed = False

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """Whether the pool has its cluster."""

    @property
    def takes_at_once(self) -> int:
        """How many runs to give the cluster at once: those that it executes, and any that wait."""
        return self.max_workers

    @property
    @abstractmethod
    def is_local(self) -> bool:
        """Whether the workers are the pool's own, on this host, and find what this process does."""

    @abstractmethod
    def open(self) -> None:
        """Connect to the cluster, or start it, and keep it until `close`."""

    @abstractmethod
    def warm_up(self) -> None:
        """Have Dask workers or Ray actors that exist already start their worker processes."""

    @abstractmethod
    def interrupt(self) -> None:
        """End the runs under way; each ends with `WorkerDiedError`."""

    @abstractmethod
    def _ask(self, order: Order) -> Reply:
        """Have a worker carry out an order; blocks until it has.

        Raises
        ------
        WorkerDiedError
            The worker is gone.
        BackendError
            The cluster is gone, or a worker cannot carry out the order at all.
        """

    @abstractmethod
    def _release(self) -> None:
        """Let go of the cluster; called once."""

    def execute(
        self, spec: RunSpec, *, timeout_s: float | None = None, memory_limit: int | None = None
    ) -> RunOutcome:
        """Run one spec on a worker and return its outcome; blocks until it has ended.

        Parameters
        ----------
        spec : RunSpec
            The run.
        timeout_s : float, optional
            Seconds after which the run is ended, from when a worker has taken it.
        memory_limit : int, optional
            Bytes of memory beyond which the run is ended.

        Raises
        ------
        WorkerDiedError
            The worker crashed or was killed; `WorkerTimedOutError` when its time was up,
            `WorkerOverMemoryError` when it needed more memory than it may.
        BackendError
            The pool is closed, or its cluster is gone.
        """
        self._check_open()
        order = self._order(spec, timeout_s, memory_limit)
        try:
            reply = self._ask(order)
            if reply.lacks_mission:
                order = self._order(spec, timeout_s, memory_limit)
                order = replace(order, contents=order.mission.contents())
                reply = self._ask(order)
            return self._desk.outcome(spec, order, reply)
        finally:
            self._ended(order)

    def _order(self, spec: RunSpec, timeout_s: float | None, memory_limit: int | None) -> Order:
        order = self._desk.order(spec, timeout_s, memory_limit)
        if spec.postprocess is None or not self.is_local:
            return order
        return replace(order, hooks=places_of_hooks())

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
            A future is not this pool's, was drained already, the pool is closed or its cluster is
            gone.
        """
        self._check_open()
        specs = self._parked.claim(futures)
        self.open()
        threads = ThreadPoolExecutor(self.takes_at_once, "gmat-sweep-cluster")
        running = {
            threads.submit(self._outcome, spec): future
            for future, spec in specs.items()
            if not future.cancelled()
        }
        try:
            for done in as_completed(running):
                outcome, future = done.result(), running[done]
                if future.set_running_or_notify_cancel():
                    future.set_result(outcome)
                yield outcome
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            if not all(done.done() for done in running):
                self.interrupt()
            for future in specs:
                future.cancel()

    def close(self) -> None:
        """End runs, cancel parked futures, let go of the cluster. Again, it does nothing."""
        if self._closed:
            return
        self._closed = True
        self._parked.cancel()
        self._desk.close()
        if self.is_open:
            self._release()

    def sweep_ended(self) -> None:
        """Delete the pool's own files in the folders of sweeps that have ended."""
        self._desk.close()

    def __enter__(self) -> Self:
        """Return the pool, with its cluster."""
        self._check_open()
        self.open()
        return self

    def _ended(self, order: Order) -> None:
        """Note that the sweep has the outcome of an order, or will have none."""
        self._desk.let_go(order)

    def _outcome(self, spec: RunSpec) -> RunOutcome:
        started_at = datetime.now(UTC)
        try:
            return self.execute(spec)
        except WorkerDiedError as error:
            return failed_by(spec, error, started_at)
        except BackendError:
            raise
        except Exception as error:  # noqa: BLE001 - a run's failure is data
            return failed_by(spec, error, started_at)

    def _check_open(self) -> None:
        if self._closed:
            raise BackendError("The pool is closed. Make a new one.")


def refuse_together(pool: str, **given: Any) -> None:
    """Refuse options that exclude each other.

    Raises
    ------
    BackendError
        More than one of them is given.
    """
    named = [f"{name}=" for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise BackendError(f"{pool} takes one of {' and '.join(named)}, not both. Leave one out.")
