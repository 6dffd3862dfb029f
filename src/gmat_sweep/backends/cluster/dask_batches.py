"""`DaskBatches`: sends short runs to a Dask worker several at a time, gets replies one by one.

A task costs Dask as much as a quarter of a small run: the scheduler's transitions, some ten
messages, the fetching of the result. So orders that wait together share a task, as many as take a
quarter of a second. A reply does not wait for the end of its task if the task takes longer: the
Dask worker sends replies as events. Only replies that carry files come as the task's result.

If a task ends before its time, only the order under way is lost. The orders after it wait again,
which is no attempt at them.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gmat_sweep.backends.cluster.orders import Order, Reply
from gmat_sweep.backends.process.worker_process import WorkerDiedError
from gmat_sweep.errors import BackendError

if TYPE_CHECKING:
    import distributed

__all__ = ["KEY", "SECONDS", "Batch", "DaskBatches", "replies_topic"]

KEY = "gmat-run"
"""Beginning of the keys of tasks."""
SECONDS = 0.25
"""How long a task of several orders takes, and how long a reply waits for others."""

_MOST_IN_A_BATCH = 8
# Each order has a thread of the flow process.
_MOST_AT_ONCE = 256
_NEWEST = 0.1
_FETCHED_AT_ONCE = 8
_SETTLE_TIMEOUT_S = 5.0


def replies_topic(name: str) -> str:
    """Return the topic of the events by which workers reply to a pool of that name."""
    return f"{KEY}-replies-{name}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Orders that one task carries out, one after the other.

    Attributes
    ----------
    ticket : str
        Name of the batch.
    orders : tuple of Order
        At least one.
    """

    ticket: str
    orders: tuple[Order, ...]

    @property
    def key(self) -> str:
        """The key of its task, which ends with the ticket."""
        return f"{KEY}-{self.orders[0].spec['run_id']}-{self.ticket}"


@dataclass(slots=True, eq=False)
class _Asked:
    """An order that a thread waits for."""

    order: Order
    reply: Future[Reply] = field(default_factory=Future)

    def answer(self, reply: Reply) -> None:
        """Give the thread the reply, unless it has an answer already."""
        with contextlib.suppress(InvalidStateError):
            self.reply.set_result(reply)

    def fail(self, error: BackendError) -> None:
        """Give the thread the error that stands for a reply, unless it has an answer already."""
        with contextlib.suppress(InvalidStateError):
            self.reply.set_exception(error)


@dataclass(slots=True)
class _UnderWay:
    """A batch that was given to Dask."""

    batch: Batch
    asked: Sequence[_Asked]
    future: distributed.Future
    is_interrupted: bool = False

    @property
    def unanswered(self) -> list[_Asked]:
        """The orders without an answer, in the sequence in which they are carried out."""
        return [each for each in self.asked if not each.reply.done()]


class DaskBatches:
    """Has orders carried out by the workers of a client's cluster.

    Parameters
    ----------
    client : distributed.Client
        A client of a cluster whose Dask workers have the plugin `GmatWorkers` under `name`.
    name : str
        Name of the pool.
    tasks_at_once : callable
        Returns how many tasks to give the cluster at once; called again and again.
    done_with : callable
        Called with each order that will not be carried out again: answered, or given up.
    """

    def __init__(
        self,
        client: distributed.Client,
        name: str,
        tasks_at_once: Callable[[], int],
        done_with: Callable[[Order], None],
    ) -> None:
        self._client = client
        self._name = name
        self._tasks_at_once = tasks_at_once
        self._done_with = done_with
        self._lock = threading.Condition()
        self._waiting: deque[_Asked] = deque()
        self._asked: dict[str, _Asked] = {}
        self._under_way: dict[str, _UnderWay] = {}
        self._seconds: float | None = None
        self._gone: BackendError | None = None
        self._fetching = ThreadPoolExecutor(_FETCHED_AT_ONCE, "gmat-sweep-dask-results")
        client.subscribe_topic(replies_topic(name), self._hear)

    @property
    def orders_at_once(self) -> int:
        """How many orders to give at once: those the cluster carries out, and the next ones."""
        tasks = self._tasks_at_once()
        return tasks * self._size(tasks)

    def ask(self, order: Order) -> Reply:
        """Have an order carried out; blocks until it has been.

        Raises
        ------
        WorkerDiedError
            The Dask worker is gone, or `interrupt` was called.
        BackendError
            The scheduler is lost, or a Dask worker cannot carry out the order at all.
        """
        asked = _Asked(order)
        with self._lock:
            if self._gone is not None:
                raise self._gone
            self._asked[order.ticket] = asked
            self._waiting.append(asked)
        try:
            self._send()
            return asked.reply.result()
        finally:
            with self._lock:
                del self._asked[order.ticket]

    def interrupt(self) -> None:
        """End all orders; a thread that waits for one gets `WorkerDiedError`."""
        with self._lock:
            wanted = list(self._waiting)
            self._waiting.clear()
            under_way = list(self._under_way.values())
            for each in under_way:
                each.is_interrupted = True
        if under_way:
            # Dask tells its workers that the tasks are cancelled; `GmatWorkers` then ends the runs.
            with contextlib.suppress(OSError, TimeoutError):
                self._client.cancel([each.future for each in under_way], force=True)
        for each in under_way:
            wanted += each.asked
        for asked in wanted:
            asked.fail(_ended_with_sweep())

    def settle(self) -> None:
        """Wait, at most 5 s, until all tasks have ended and `done_with` knows their orders."""
        with self._lock:
            self._lock.wait_for(lambda: not self._under_way, timeout=_SETTLE_TIMEOUT_S)

    def close(self) -> None:
        """Stop listening to replies."""
        if self._client.status == "running":
            self._client.unsubscribe_topic(replies_topic(self._name))
        self._fetching.shutdown(wait=False)

    def _size(self, tasks: int) -> int:
        """Return how many orders to put into a task, where there are so many tasks at once."""
        if self._seconds is None:
            return 1
        short = _MOST_IN_A_BATCH if self._seconds == 0 else int(SECONDS / self._seconds)
        return max(1, min(short, _MOST_IN_A_BATCH, _MOST_AT_ONCE // tasks))

    def _send(self) -> None:
        """Give waiting orders to the cluster, as many as it takes."""
        # Called without the lock: the number may come by the thread that hears of replies.
        tasks = self._tasks_at_once()
        with self._lock:
            while self._waiting and (free := tasks - len(self._under_way)) > 0:
                # Spreads the last orders of a sweep over the Dask workers.
                size = min(self._size(tasks), -(-len(self._waiting) // free))
                taken = [self._waiting.popleft() for _ in range(size)]
                try:
                    self._submit(taken)
                except Exception as error:  # noqa: BLE001 - whoever waits gets it
                    self._lose(taken, error)

    def _submit(self, taken: list[_Asked]) -> None:
        batch = Batch(uuid.uuid4().hex, tuple(each.order for each in taken))
        future = self._client.submit(
            carry_out,
            self._name,
            pickle.dumps(batch),
            key=batch.key,
            pure=False,
            retries=0,
            # Tasks that wait on a worker begin in the order of their runs.
            priority=-batch.orders[0].spec["run_id"],
        )
        self._under_way[batch.ticket] = _UnderWay(batch, taken, future)
        future.add_done_callback(lambda _: self._task_ended(batch.ticket))

    def _hear(self, event: tuple[float, dict[str, bytes]]) -> None:
        """Take replies; called by the client's own thread, which must not wait for it."""
        _, replies = event
        with self._lock:
            answered = [(self._asked.get(ticket), reply) for ticket, reply in replies.items()]
        for asked, reply in answered:
            # A task that is carried out again sends its replies again, which nobody asks for.
            if asked is not None:
                self._answer(asked, reply)

    def _answer(self, asked: _Asked, said: bytes) -> None:
        reply: Reply = pickle.loads(said)  # noqa: S301 - from our own worker
        if reply.outcome is not None:
            took = reply.outcome["duration_s"]
            before = took if self._seconds is None else self._seconds
            self._seconds = before + _NEWEST * (took - before)
        asked.answer(reply)

    def _task_ended(self, ticket: str) -> None:
        """Settle unanswered orders; Dask calls this in the one thread that it has for all tasks."""
        with self._lock:
            ended = self._under_way[ticket]
        if ended.future.status == "finished" and ended.unanswered:
            self._fetching.submit(self._settle, ended)
        else:
            self._settle(ended)

    def _settle(self, ended: _UnderWay) -> None:
        again: list[_Asked] = []
        if unanswered := ended.unanswered:
            try:
                self._take_result(ended)
            except WorkerDiedError as error:
                unanswered[0].fail(error)
                again = [each for each in unanswered[1:] if not each.reply.done()]
            except BackendError as error:
                for each in unanswered:
                    each.fail(error)
        # Only once the task is released is it sure that Dask does not carry it out again.
        ended.future.release()
        for each in ended.asked:
            if each not in again:
                self._done_with(each.order)
        with self._lock:
            del self._under_way[ended.batch.ticket]
            self._waiting.extendleft(reversed(again))
            self._lock.notify_all()
        self._send()

    def _take_result(self, ended: _UnderWay) -> None:
        """Give the replies that a task returned, or say why it returned none."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        numbers = ", ".join(f"{each.order.spec['run_id']}" for each in ended.unanswered)
        try:
            kept: dict[str, bytes] = ended.future.result()
        except KilledWorker as error:
            worker = getattr(error.last_worker, "address", error.last_worker)
            raise WorkerDiedError(f"The Dask worker {worker} died during the run", None) from error
        except (CancelledError, OSError, TimeoutError) as error:
            if ended.is_interrupted:
                for each in ended.unanswered:
                    each.fail(_ended_with_sweep())
            else:
                self._lose(ended.unanswered, error)
            return
        except Exception as error:
            if self._client.status != "running":
                self._lose(ended.unanswered, error)
                return
            raise BackendError(
                f"A Dask worker could not do run {numbers}: {type(error).__name__}: {error}. "
                "Install the same versions of gmat-sweep and gmat-run everywhere."
            ) from error
        for each in ended.unanswered:
            if each.order.ticket in kept:
                self._answer(each, kept[each.order.ticket])
        if ended.unanswered:
            raise BackendError(f"A Dask worker has not said what came of run {numbers}.")

    def _lose(self, asked: Iterable[_Asked], error: BaseException) -> None:
        """Fail these orders, those that wait and those to come: the scheduler is lost."""
        (said, *_) = str(error).splitlines() or [type(error).__name__]
        gone = BackendError(
            f"The Dask scheduler is lost ({said}). What has ended is recorded: resume the sweep "
            "once a scheduler runs."
        )
        with self._lock:
            # From now on ask() raises it.
            self._gone = gone
            lost = (*asked, *self._waiting)
            self._waiting.clear()
        for each in lost:
            each.fail(gone)


def _ended_with_sweep() -> WorkerDiedError:
    return WorkerDiedError("The run was ended with its sweep", None)


def carry_out(name: str, batch: bytes) -> dict[str, bytes]:
    """Carry out a batch on the Dask worker of the calling thread."""
    from distributed import Reschedule

    from gmat_sweep.backends.cluster.dask_internals import plugin_here

    try:
        # The batch is from our own sweep, so unpickling it is safe.
        kept: dict[str, bytes] = plugin_here(name).carry_out(pickle.loads(batch))  # noqa: S301
    except BackendError as error:
        # This Dask worker is closing. Another one carries out the batch; this was no attempt.
        raise Reschedule from error
    return kept
