"""Ctrl-C raises KeyboardInterrupt, also where a library turns that into its own exception."""

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

    A library may turn a KeyboardInterrupt inside a callback of its native code into its own
    exception (pydantic's serialiser does this). If another handler of SIGINT is installed, or the
    thread is not the main one, which no signal reaches, the block runs as it is.
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
