"""Any `Pool` as one that runs a spec when a waiting thread asks for it.

A pool written by somebody else has only `submit`, `as_completed` and `close`. Each of the flow's
threads submits its spec and waits for the outcome of its own future, so that no run waits for the
end of another.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

from gmat_sweep.backends.base import Pool
from gmat_sweep.backends.cluster_pool import ClusterPool
from gmat_sweep.errors import BackendError
from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["RunsOnDemand", "on_demand", "workers_of"]

_FEWEST_AT_ONCE = 4


@runtime_checkable
class RunsOnDemand(Protocol):
    """A pool whose workers each take one spec at a time from a waiting thread."""

    def warm_up(self) -> None:
        """Start the workers."""

    def execute(self, spec: RunSpec, *, timeout_s: float | None = None) -> RunOutcome:
        """Run one spec; raise `WorkerDiedError` when its worker dies."""

    def interrupt(self) -> None:
        """Kill the workers that are busy; each of their runs ends with `WorkerDiedError`."""


def on_demand(pool: Pool) -> RunsOnDemand:
    """Return `pool` itself if it runs specs on demand, else a wrapper that makes it do so."""
    return pool if isinstance(pool, RunsOnDemand) else _Waiting(pool)


def workers_of(pool: Pool) -> int:
    """Return how many runs to give a pool at once.

    A pool that does not say how many it executes (it inherits `Pool.max_workers`) gets as many as
    this machine has cores, and at least four: what it cannot execute yet it queues. A pool on a
    cluster has runs waiting there, so that no worker waits for the flow.
    """
    if isinstance(pool, ClusterPool):
        return max(1, pool.takes_at_once)
    if type(pool).max_workers is Pool.max_workers and pool.subprocess_isolated is True:
        return max(_FEWEST_AT_ONCE, os.cpu_count() or 1)
    return max(1, pool.max_workers)


class _Waiting:
    """Waits for each spec's own future; what runs already cannot be interrupted."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._submitting = threading.Lock()

    def warm_up(self) -> None:
        """Do nothing: the pool starts its workers itself."""

    def execute(self, spec: RunSpec, *, timeout_s: float | None = None) -> RunOutcome:
        """Submit the spec and return its outcome; what escapes the pool's task is a failed run."""
        if timeout_s is not None:
            raise BackendError(
                f"{type(self._pool).__name__} cannot end a run that takes too long. Leave timeout "
                "out, or use a pool of this package."
            )
        started_at, started = datetime.now(UTC), time.monotonic()
        with self._submitting:
            future = self._pool.submit(spec)
        try:
            return next(iter(self._pool.as_completed([future])))
        except BackendError:
            raise
        except Exception:  # noqa: BLE001 - a run's failure is data
            return RunOutcome.failed(
                run_id=spec.run_id,
                stderr=traceback.format_exc(),
                started_at=started_at,
                ended_at=datetime.now(UTC),
                duration_s=time.monotonic() - started,
            )

    def interrupt(self) -> None:
        """Do nothing: only the pool's owner can end its workers."""
