"""`GmatWorkers`: the plugin by which a `DaskPool` has worker processes beside Dask workers.

Dask attaches the plugin to every Dask worker, those that join later included. The scheduler takes a
task back if its sweep was interrupted, or if the process that asked for it is gone. The plugin then
ends the run under way.

Dask workers have this package in the same version, so Dask sends the plugin by the name of its
class. It sends the scheduler's plugin, `dask_internals.one_chance`, by value.
"""

from __future__ import annotations

import pickle
import threading
from typing import Any, Self

from distributed import Worker, WorkerPlugin

from gmat_sweep.backends.cluster.dask_batches import KEY, SECONDS, Batch, replies_topic
from gmat_sweep.backends.cluster.dask_internals import call_later, is_taken_back, threads_of
from gmat_sweep.backends.cluster.remote_worker import RemoteWorker

__all__ = ["BEGUN", "GmatWorkers"]

BEGUN = f"{KEY}-begun"
"""Topic of the event by which a Dask worker says that it begins with a task."""


class GmatWorkers(WorkerPlugin):
    """Worker processes beside a Dask worker, one per thread.

    Parameters
    ----------
    name : str
        Name of the pool, to which replies go.
    reuse_gmat_context : bool
        Whether a worker process is kept from run to run.
    """

    def __init__(self, name: str, reuse_gmat_context: bool) -> None:
        self._name = name
        self._reuse = reuse_gmat_context

    def setup(self, worker: Worker) -> None:
        """Start the worker processes."""
        self._worker = worker
        self._lock = threading.Lock()
        self._current: dict[str, str] = {}
        self._runs = RemoteWorker(reuse_gmat_context=self._reuse)
        self._runs.warm_up(threads_of(worker))

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - Dask's signature
        """End the worker processes."""
        self._runs.close()

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """End the run of a task that is not wanted any more, and begin none of its others."""
        if is_taken_back(start, finish) and str(key).startswith(f"{KEY}-"):
            with self._lock:
                order = self._current.pop(str(key).rpartition("-")[2], None)
            if order is not None:
                self._runs.kill(order)

    def carry_out(self, batch: Batch) -> dict[str, bytes]:
        """Carry out the orders of a batch; return the replies that carry files, by ticket."""
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
            call_later(self._worker, SECONDS, self._flush)

    def _flush(self) -> None:
        with self._lock:
            unsent, self._unsent = self._unsent, {}
        if unsent:
            self._worker.log_event(self._topic, unsent)
