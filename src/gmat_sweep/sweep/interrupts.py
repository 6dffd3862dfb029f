"""Ctrl-C stays Ctrl-C, whatever a library makes of it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["interrupts_as_themselves"]


@contextmanager
def interrupts_as_themselves() -> Iterator[None]:
    """Have a SIGINT during the block end it with KeyboardInterrupt.

    A KeyboardInterrupt that is raised inside a callback of native code comes out as that library's
    own exception (pydantic's serialiser does this). A handler that somebody else has installed is
    left alone, and so is a thread that no signal reaches.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    interrupted = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception as error:
        if interrupted:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
