"""SIGTERM ends a command as it always does, and says first how to go on.

The process ends by SIGTERM within some seconds, whatever state the signal meets it in.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from gmat_sweep.cli.endings import say

__all__ = ["words_at_sigterm"]

_PATIENCE_S = 5.0


@contextmanager
def words_at_sigterm(how_to_go_on: Callable[[], None]) -> Iterator[None]:
    """Have a SIGTERM during the block call `how_to_go_on` before it ends the process.

    A flow that is under way ends first: Prefect takes the signal, and sends it again when the flow
    run has its state. In a thread that no signal reaches, and where somebody else handles SIGTERM,
    the block runs as it is.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return

    process = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        # From here on another SIGTERM ends the process at once.
        signal.signal(number, signal.SIG_DFL)
        # The code that the signal has interrupted may hold a lock that the words need.
        late = threading.Timer(_PATIENCE_S, os.kill, (os.getpid(), number))
        late.daemon = True
        late.start()
        try:
            # A child that was forked during the block has nothing to say.
            if os.getpid() == process:
                how_to_go_on()
                say("interrupted by SIGTERM")
        finally:
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
