"""`on_demand`: makes of any `Pool` one that runs a spec when a waiting thread asks for it.

A pool written by somebody else has only `submit`, `as_completed` and `close`. Each of the flow's
threads submits its spec and waits for the outcome of that run, so that no run waits for the end of
another.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Protocol, runtime_checkable

from gmat_sweep.backends.base import Pool
from gmat_sweep.backends.cluster.pool import ClusterPool
from gmat_sweep.backends.draining import Drain, End
from gmat_sweep.backends.faults import failed_by
from gmat_sweep.errors import BackendError
from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["RunsOnDemand", "on_demand", "workers_of"]

_FEWEST_AT_ONCE = 4


@runtime_checkable
class RunsOnDemand(Protocol):
    """A pool whose workers each take one spec at a time from a waiting thread."""

    def warm_up(self) -> None:
        """Start the workers."""

    def execute(
        self, spec: RunSpec, *, timeout_s: float | None = None, memory_limit: int | None = None
    ) -> RunOutcome:
        """Run one spec; raise `WorkerDiedError` when its worker dies."""

    def interrupt(self) -> None:
        """Kill the workers that are busy; each of their runs ends with `WorkerDiedError`."""


def on_demand(pool: Pool) -> RunsOnDemand:
    """Return `pool` itself if it runs specs on demand, else a wrapper that makes it do so."""
    return pool if isinstance(pool, RunsOnDemand) else _Waiting(pool)


def workers_of(pool: Pool) -> int:
    """Return how many runs to give a pool at once.

    A pool that inherits `Pool.max_workers` does not say how many runs it executes. It gets as many
    as this machine has cores, and at least four; it queues runs that it cannot execute yet. A pool
    on a cluster may take more runs than it executes, so that no worker waits for the flow.
    """
    if isinstance(pool, ClusterPool):
        return max(1, pool.takes_at_once)
    if type(pool).max_workers is Pool.max_workers and pool.subprocess_isolated is True:
        return max(_FEWEST_AT_ONCE, os.cpu_count() or 1)
    return max(1, pool.max_workers)


class _Waiting:
    """Waits for the outcome of each spec; it cannot interrupt runs under way."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._drain = Drain(pool)

    def warm_up(self) -> None:
        """Do nothing: the pool starts its workers itself."""

    def execute(
        self, spec: RunSpec, *, timeout_s: float | None = None, memory_limit: int | None = None
    ) -> RunOutcome:
        """Submit the spec and return its outcome; failed if an exception escapes the pool.

        An interruption, such as KeyboardInterrupt, is raised here for every run without an outcome.
        """
        if timeout_s is not None or memory_limit is not None:
            raise BackendError(
                f"{type(self._pool).__name__} cannot end a run that takes too long or too much "
                "memory. Leave timeout and memory_limit out, or use a pool of this package."
            )
        if self._pool.subprocess_isolated == "debug":
            return self._in_this_thread(spec)
        ended: SimpleQueue[End] = SimpleQueue()
        self._drain.submit(spec, lambda _, end: ended.put(end))
        self._drain.advance()
        end = ended.get()
        # For the other threads that wait.
        self._drain.advance()
        if isinstance(end, BaseException):
            raise end
        return end

    def _in_this_thread(self, spec: RunSpec) -> RunOutcome:
        """Run a spec where the caller's debugger can follow it."""
        started_at = datetime.now(UTC)
        future = self._pool.submit(spec)
        try:
            for outcome in self._pool.as_completed([future]):
                if outcome.run_id == spec.run_id:
                    return outcome
        except BackendError:
            raise
        except Exception as error:  # noqa: BLE001 - a run's failure is data
            return failed_by(spec, error, started_at)
        raise BackendError(f"{type(self._pool).__name__} gave no outcome of run {spec.run_id}.")

    def interrupt(self) -> None:
        """Do nothing: only the pool's owner can end its workers."""
