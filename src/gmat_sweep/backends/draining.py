"""`Drain`: takes outcomes from a pool written by somebody else, and gives each to its run.

`Drain` never calls `Pool.as_completed` twice at once, and advances its iterator in one thread. An
outcome goes to the run that has its ``run_id``, whichever futures `Drain` asked for. If the outcome
of a run never comes, `Drain` reports an error for that run. If a pool completes a future, `Drain`
takes the outcome from it at once, so that the run does not wait for a slower one that the iterator
waits for. If the iterator raises an interruption, such as KeyboardInterrupt, every run that has no
outcome yet ends with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from traceback import format_exception
from typing import Protocol

from gmat_sweep.backends.faults import failed_by
from gmat_sweep.backends.process.worker_process import WorkerDiedError
from gmat_sweep.errors import BackendError
from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["Drain", "End"]

type End = RunOutcome | BaseException
"""The end of a run: its outcome, or the error or interruption because of which there is none."""


class _Pool(Protocol):
    def submit(self, spec: RunSpec) -> Future[RunOutcome]: ...
    def as_completed(self, futures: list[Future[RunOutcome]]) -> Iterator[RunOutcome]: ...


@dataclass(eq=False, slots=True)
class _Ticket:
    """A run that was submitted.

    Attributes
    ----------
    future : Future or None
        The future that the pool returned; None while the run is being submitted.
    end : RunOutcome, BaseException or None
        The end of the run; None before.
    suspected : BaseException or None
        The exception that ended an iteration over this run and others.
    """

    spec: RunSpec
    ended: Callable[[RunSpec, End], None]
    submitted_at: datetime
    future: Future[RunOutcome] | None = None
    end: End | None = None
    suspected: BaseException | None = None


class Drain:
    """Submits specs to a pool and reports the end of each run, once, as runs end.

    Parameters
    ----------
    pool : Pool
        The pool.
    """

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._submitting = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "gmat-sweep-drain")
        self._thread_id: int | None = None
        self._advancing = False
        self._waiting: list[_Ticket] = []
        self._iterator: Iterator[RunOutcome] | None = None
        self._asked: list[_Ticket] = []
        self._yielded_any = False
        self._interrupted_by: BaseException | None = None

    def submit(self, spec: RunSpec, ended: Callable[[RunSpec, End], None]) -> None:
        """Submit a spec; raise what the pool's `submit` raises, or what has interrupted the pool.

        Parameters
        ----------
        spec : RunSpec
            The run.
        ended : callable
            Called with the spec and the end of its run, in the thread that learns of it.
        """
        ticket = _Ticket(spec, ended, datetime.now(UTC))
        with self._lock:
            if self._interrupted_by is not None:
                raise self._interrupted_by
            # Before the pool has the spec: it may yield the outcome before submit() returns.
            self._waiting.append(ticket)
        try:
            with self._submitting:
                future = self._pool.submit(spec)
        except BaseException:
            with self._lock:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
            raise
        with self._lock:
            ticket.future = future
        # A pool may return an object that is no `Future`; its as_completed() gets it back.
        if isinstance(future, Future):
            future.add_done_callback(lambda _: self._settled_itself(ticket))

    def advance(self) -> None:
        """Have the thread of this object advance the pool's iterator until another run ends.

        After that, the thread leaves the pool alone until the next call: submit specs before it.
        """
        with self._lock:
            if self._advancing or not self._waiting:
                return
            self._advancing = True
        self._thread.submit(self._advance)

    def give_up(self) -> None:
        """Ask for no further outcome; the runs under way are left to the owner of the pool."""
        with self._lock:
            self._waiting.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _advance(self) -> None:
        """Advance the pool's iterator until a run ends, and report its end."""
        self._thread_id = threading.get_ident()
        ended: list[_Ticket] = []
        while not ended:
            if not self._begin():
                return
            ended = self._next()
        with self._lock:
            # Before the reports: a caller that hears of an end may call advance() at once.
            self._advancing = False
        for ticket in ended:
            _report(ticket)

    def _begin(self) -> bool:
        """Choose the futures to ask the pool for; False when there are none."""
        with self._lock:
            if self._waiting and self._iterator is not None:
                return True
            open_ones = [ticket for ticket in self._waiting if ticket.future is not None]
            alone = [ticket for ticket in open_ones if ticket.suspected is not None]
            self._asked = alone[:1] or open_ones
            self._yielded_any = False
            futures = [ticket.future for ticket in self._asked if ticket.future is not None]
            if not futures:
                self._advancing = False
                return False
        self._iterator = self._iterate(futures)
        return True

    def _iterate(self, futures: list[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        yield from self._pool.as_completed(futures)

    def _next(self) -> list[_Ticket]:
        """Take the iterator a step further and return the runs that ended by it."""
        assert self._iterator is not None
        try:
            outcome = next(self._iterator)
        except StopIteration:
            return self._after_iteration(None)
        except Exception as error:  # noqa: BLE001 - what escapes a pool is a run's failure
            return self._after_iteration(error)
        except BaseException as interruption:  # noqa: BLE001 - raised where the runs are waited for
            if self._is_of_a_run(interruption):
                return self._after_iteration(interruption)
            return self._interrupted(interruption)
        if not isinstance(outcome, RunOutcome):
            return self._after_iteration(
                TypeError(f"as_completed() yielded {outcome!r}, which is no RunOutcome")
            )
        with self._lock:
            if any(outcome is ticket.end for ticket in self._asked):
                return []  # Its future has said so already.
            for ticket in self._waiting:
                if ticket.spec.run_id == outcome.run_id:
                    self._yielded_any = True
                    self._settle(ticket, outcome)
                    return [ticket]
        return []

    def _is_of_a_run(self, escaped: BaseException) -> bool:
        """Whether a run has raised this and a future kept it; Ctrl-C is meant for the sweep."""
        if isinstance(escaped, KeyboardInterrupt):
            return False
        futures = (ticket.future for ticket in self._asked)
        return any(
            isinstance(future, Future)
            and future.done()
            and not future.cancelled()
            and future.exception() is escaped
            for future in futures
        )

    def _interrupted(self, interruption: BaseException) -> list[_Ticket]:
        """End every run that has no outcome, those that are still being submitted included."""
        self._iterator = None
        with self._lock:
            self._interrupted_by = interruption
            left = self._waiting[:]
            for ticket in left:
                self._settle(ticket, interruption)
        return left

    def _after_iteration(self, error: BaseException | None) -> list[_Ticket]:
        """Judge the runs that an iteration was asked for and did not yield."""
        self._iterator = None
        with self._lock:
            left = [ticket for ticket in self._asked if ticket.end is None]
            ends = {ticket: self._judged(ticket, error) for ticket in left}
            for ticket, end in ends.items():
                if end is not None:
                    self._settle(ticket, end)
                else:
                    ticket.suspected = error
        return [ticket for ticket, end in ends.items() if end is not None]

    def _judged(self, ticket: _Ticket, error: BaseException | None) -> End | None:
        """Return what an iteration that has ended means for a run, None to ask for it again."""
        future = ticket.future
        if isinstance(future, Future) and future.done() and not future.cancelled():
            escaped = future.exception()
            if isinstance(escaped, BackendError):
                return escaped
            if escaped is not None:
                return failed_by(ticket.spec, escaped, ticket.submitted_at)
            if _is_outcome_of(ticket.spec, future.result()):
                return future.result()
        if ticket.suspected is not None or (error is None and not self._yielded_any):
            return _lost(type(self._pool).__name__, ticket)
        if error is None or len(self._asked) > 1:
            return None
        if isinstance(error, BackendError):
            return error
        return failed_by(ticket.spec, error, ticket.submitted_at)

    def _settled_itself(self, ticket: _Ticket) -> None:
        """Take the outcome that the pool has put into a future."""
        future = ticket.future
        assert future is not None
        # A future that is completed by advancing the iterator has its outcome yielded next.
        if threading.get_ident() == self._thread_id or future.cancelled() or future.exception():
            return
        outcome = future.result()
        if not _is_outcome_of(ticket.spec, outcome):
            return
        with self._lock:
            if ticket not in self._waiting:
                return
            self._settle(ticket, outcome)
        _report(ticket)

    def _settle(self, ticket: _Ticket, end: End) -> None:
        ticket.end = end
        self._waiting.remove(ticket)


def _report(ticket: _Ticket) -> None:
    assert ticket.end is not None
    ticket.ended(ticket.spec, ticket.end)


def _lost(pool: str, ticket: _Ticket) -> WorkerDiedError:
    why = (
        f"{pool} gave no outcome of run {ticket.spec.run_id}. See that its as_completed() yields, "
        "for every future, one outcome with the run_id of the spec."
    )
    if ticket.suspected is not None:
        why = f"{why} Before, this escaped it:\n{''.join(format_exception(ticket.suspected))}"
    return WorkerDiedError(why, None)


def _is_outcome_of(spec: RunSpec, value: object) -> bool:
    return isinstance(value, RunOutcome) and value.run_id == spec.run_id
