"""What a `DaskPool` adds to a cluster: GMAT processes beside its workers, and one rule.

`GmatWorkers` is attached to every worker, those that join later included. A run that the scheduler
takes back - its sweep was interrupted, or the process that asked for it is gone - is ended there.

`one_chance` is attached to the scheduler: a task that had begun on a worker that dies is given back
to the sweep, which decides and records, instead of being started again by Dask.
"""

from __future__ import annotations

import pickle
import threading
from typing import Any, Self

from distributed import Worker, WorkerPlugin
from distributed.diagnostics.plugin import SchedulerPlugin

from gmat_sweep.backends.cluster.dask_batches import KEY, SECONDS, Batch, replies_topic
from gmat_sweep.backends.cluster.remote_worker import RemoteWorker

__all__ = ["BEGUN", "GmatWorkers", "one_chance"]

BEGUN = f"{KEY}-begun"
"""Topic of the event by which a worker says that it begins with a task."""


class GmatWorkers(WorkerPlugin):
    """GMAT processes beside a Dask worker, one per thread.

    Parameters
    ----------
    name : str
        Name of the pool, to which replies go.
    reuse_gmat_context : bool
        Whether a GMAT process is kept from run to run.
    """

    def __init__(self, name: str, reuse_gmat_context: bool) -> None:
        self._name = name
        self._reuse = reuse_gmat_context

    def setup(self, worker: Worker) -> None:
        """Start the GMAT processes."""
        self._worker = worker
        self._lock = threading.Lock()
        self._current: dict[str, str] = {}
        self._runs = RemoteWorker(reuse_gmat_context=self._reuse)
        self._runs.warm_up(worker.state.nthreads)

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - Dask's signature
        """End them."""
        self._runs.close()

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """End the run of a task that is not wanted any more, and begin none of its others."""
        if start == "executing" and finish == "released" and str(key).startswith(f"{KEY}-"):
            with self._lock:
                order = self._current.pop(str(key).rpartition("-")[2], None)
            if order is not None:
                self._runs.kill(order)

    def carry_out(self, batch: Batch) -> dict[str, bytes]:
        """Carry out the orders of a batch; return the replies that were not sent yet, by ticket."""
        self._worker.log_event(BEGUN, batch.key)
        kept: dict[str, bytes] = {}
        with self._lock:
            self._current[batch.ticket] = batch.orders[0].ticket
        with _Replies(self._worker, replies_topic(self._name)) as replies:
            for order in batch.orders:
                with self._lock:
                    if batch.ticket not in self._current:
                        break
                    self._current[batch.ticket] = order.ticket
                reply = self._runs.carry_out(order)
                if reply.files is None:
                    replies.send(order.ticket, pickle.dumps(reply))
                else:
                    kept[order.ticket] = pickle.dumps(reply)
        with self._lock:
            self._current.pop(batch.ticket, None)
        return kept


class _Replies:
    """Sends the replies of a batch as events, those of a quarter of a second together."""

    def __init__(self, worker: Worker, topic: str) -> None:
        self._worker = worker
        self._topic = topic
        self._lock = threading.Lock()
        self._unsent: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._flush()

    def send(self, ticket: str, reply: bytes) -> None:
        """Send a reply soon: at the latest when the batch has ended."""
        with self._lock:
            is_first = not self._unsent
            self._unsent[ticket] = reply
        if is_first:
            loop = self._worker.loop
            loop.add_callback(loop.call_later, SECONDS, self._flush)

    def _flush(self) -> None:
        with self._lock:
            unsent, self._unsent = self._unsent, {}
        if unsent:
            self._worker.log_event(self._topic, unsent)


def one_chance() -> SchedulerPlugin:
    """Return the scheduler's plugin; it is sent by value, as a scheduler may lack this package."""
    begun, key_prefix = BEGUN, f"{KEY}-"

    class OneChance(SchedulerPlugin):
        def __init__(self) -> None:
            self.scheduler: Any = None

        async def start(self, scheduler: Any) -> None:
            self.scheduler = scheduler

        def log_event(self, topic: str, said: Any) -> None:
            if not topic.startswith(key_prefix):
                return
            task = self.scheduler.tasks.get(said) if topic == begun else None
            if task is not None:
                task.suspicious = self.scheduler.allowed_failures
            # Dask would keep the last hundred thousand, replies included.
            self.scheduler._broker.truncate(topic)

    # Found by its module, it would be sent by name.
    OneChance.__module__ = "__main__"
    return OneChance()
