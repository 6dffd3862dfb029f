"""`handed_over`: a generator of the outcomes of a flow that runs in another thread.

The flow records an outcome and hands it over only when the generator asks for it. If the program
ends while the generator is half read, the flow ends too.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from gmat_sweep.flow.job import Listener
from gmat_sweep.flow.prefect_internals import call_before_prefect_ends
from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["AbandonedError", "handed_over"]

_GRACE_S = 0.2
_LOOK_S = 1.0


class AbandonedError(BaseException):
    """Raised in the flow once the generator is closed; ends the flow as an interruption does."""


class _Handover(Listener):
    def __init__(self, run: Callable[[Listener], None], interrupt: Callable[[], None]) -> None:
        self._run = run
        self._interrupt = interrupt
        self._reader = threading.current_thread()
        self._thread = threading.Thread(target=self._runner, name="gmat-sweep-flow")
        self._wanted = threading.Semaphore(0)
        self._abandoned = False
        self.items: SimpleQueue[tuple[RunSpec, RunOutcome] | BaseException | None] = SimpleQueue()

    def before(self) -> None:
        while not self._wanted.acquire(timeout=_LOOK_S):
            # A thread that has read on after the end of the main thread may leave the rest, too.
            if self.is_left and not threading.main_thread().is_alive():
                raise AbandonedError
        if self._abandoned:
            raise AbandonedError

    def after(self, spec: RunSpec, outcome: RunOutcome) -> None:
        self.items.put((spec, outcome))

    def ask(self) -> None:
        self._reader = threading.current_thread()
        self._wanted.release()

    def _runner(self) -> None:
        end: BaseException | None = None
        try:
            self._run(self)
        except AbandonedError:
            return
        except BaseException as error:  # noqa: BLE001 - raised again where the generator is read
            end = error
        self.items.put(end)

    def start(self) -> None:
        self._thread.start()

    def end(self, grace_s: float | None = _GRACE_S) -> None:
        """End the flow and wait for its thread; None as grace does not interrupt runs."""
        self._abandoned = True
        self._wanted.release()
        self._thread.join(grace_s)
        while self._thread.is_alive():
            # The flow learns that the generator is closed only when the next run ends.
            self._interrupt()
            self._thread.join(_GRACE_S)

    @property
    def is_left(self) -> bool:
        """Whether nobody will read on, now that the main thread has ended."""
        reader = self._reader
        return reader is threading.main_thread() or reader.daemon or not reader.is_alive()


_under_way: weakref.WeakSet[_Handover] = weakref.WeakSet()


def _end_all() -> None:
    """End the flows whose outcomes nobody reads; the program waits for threads that still read."""
    for handover in tuple(_under_way):
        if handover.is_left:
            handover.end()


def handed_over(
    run: Callable[[Listener], None], interrupt: Callable[[], None]
) -> Iterator[tuple[RunSpec, RunOutcome]]:
    """Call `run` in a thread of its own and yield the outcomes that it hands to its listener.

    The flow records each outcome after the generator has asked for it and before the generator
    yields it. The generator raises an exception of `run`. Closing the generator ends `run`.

    Parameters
    ----------
    run : callable
        Runs the flow.
    interrupt : callable
        Ends the runs under way. A run may never end by itself.
    """
    handover = _Handover(run, interrupt)
    handover.start()
    begun = ended = False
    try:
        while True:
            handover.ask()
            item = handover.items.get()
            if isinstance(item, tuple):
                if not begun:
                    # Only now: Prefect starts its senders in the flow, and ends them in the
                    # opposite order.
                    _under_way.add(handover)
                    call_before_prefect_ends(_end_all)
                    begun = True
                yield item
                continue
            ended = True
            if item is not None:
                raise item
            return
    finally:
        handover.end(None if ended else _GRACE_S)
        _under_way.discard(handover)
