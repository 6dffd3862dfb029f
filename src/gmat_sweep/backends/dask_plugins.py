"""What a `DaskPool` adds to a cluster: GMAT processes beside its workers, and one rule.

`GmatWorkers` is attached to every worker, those that join later included. A run that the scheduler
takes back - its sweep was interrupted, or the process that asked for it is gone - is ended there.

`one_chance` is attached to the scheduler: a run that had begun on a worker that dies is given back
to the sweep, which decides and records, instead of being started again by Dask.
"""

from __future__ import annotations

from typing import Any

from distributed import Worker, WorkerPlugin
from distributed.diagnostics.plugin import SchedulerPlugin

from gmat_sweep.backends.orders import Order, Reply
from gmat_sweep.backends.remote_worker import RemoteWorker

__all__ = ["BEGUN", "GmatWorkers", "one_chance"]

BEGUN = "gmat-sweep-begun"
"""Topic of the event by which a worker says that it begins with a run."""


class GmatWorkers(WorkerPlugin):
    """GMAT processes beside a Dask worker, one per thread.

    Parameters
    ----------
    prefix : str
        What the keys of runs begin with; their tickets are what they end with.
    reuse_gmat_context : bool
        Whether a GMAT process is kept from run to run.
    """

    def __init__(self, prefix: str, reuse_gmat_context: bool) -> None:
        self._prefix = prefix
        self._reuse = reuse_gmat_context

    def setup(self, worker: Worker) -> None:
        """Start the GMAT processes."""
        self._worker = worker
        self._runs = RemoteWorker(reuse_gmat_context=self._reuse)
        self._runs.warm_up(worker.state.nthreads)

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - Dask's signature
        """End them."""
        self._runs.close()

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """End the run of a task that is not wanted any more."""
        if start == "executing" and finish == "released" and str(key).startswith(self._prefix):
            self._runs.kill(str(key).rpartition("-")[2])

    def carry_out(self, order: Order) -> Reply:
        """Carry out an order."""
        key = f"{self._prefix}-{order.spec['run_id']}-{order.ticket}"
        self._worker.log_event(BEGUN, key)
        return self._runs.carry_out(order)


def one_chance(prefix: str) -> SchedulerPlugin:
    """Return the scheduler's plugin; it is sent by value, as a scheduler may lack this package."""
    topic = BEGUN

    class OneChance(SchedulerPlugin):
        def __init__(self) -> None:
            self.scheduler: Any = None

        async def start(self, scheduler: Any) -> None:
            self.scheduler = scheduler

        def log_event(self, about: str, key: Any) -> None:
            if about != topic or not str(key).startswith(prefix):
                return
            task = self.scheduler.tasks.get(key)
            if task is not None:
                task.suspicious = self.scheduler.allowed_failures

    # Found by its module, it would be sent by name.
    OneChance.__module__ = "__main__"
    return OneChance()
