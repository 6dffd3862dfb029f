"""`handed_over`: a generator of the outcomes of a flow that runs in another thread.

The flow records an outcome and hands it over only when the generator asks for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from gmat_sweep.flow.job import Listener
from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["handed_over"]

_GRACE_S = 0.2


class _AbandonedError(BaseException):
    """Raised in the flow once the generator is closed; ends the flow as an interruption does."""


class _Handover(Listener):
    def __init__(self) -> None:
        self._wanted = threading.Semaphore(0)
        self._abandoned = False
        self.items: SimpleQueue[tuple[RunSpec, RunOutcome] | BaseException | None] = SimpleQueue()

    def before(self) -> None:
        self._wanted.acquire()
        if self._abandoned:
            raise _AbandonedError

    def after(self, spec: RunSpec, outcome: RunOutcome) -> None:
        self.items.put((spec, outcome))

    def ask(self) -> None:
        self._wanted.release()

    def abandon(self) -> None:
        self._abandoned = True
        self._wanted.release()


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
    handover = _Handover()

    def runner() -> None:
        end: BaseException | None = None
        try:
            run(handover)
        except _AbandonedError:
            return
        except BaseException as error:  # noqa: BLE001 - raised again where the generator is read
            end = error
        handover.items.put(end)

    thread = threading.Thread(target=runner, name="gmat-sweep-flow")
    thread.start()
    ended = False
    try:
        while True:
            handover.ask()
            item = handover.items.get()
            if isinstance(item, tuple):
                yield item
                continue
            ended = True
            if item is not None:
                raise item
            return
    finally:
        handover.abandon()
        thread.join(None if ended else _GRACE_S)
        while thread.is_alive():
            # The flow learns that the generator is closed only when the next run ends.
            interrupt()
            thread.join(_GRACE_S)
