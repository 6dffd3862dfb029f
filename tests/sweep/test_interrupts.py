"""Ctrl-C stays Ctrl-C, whatever a library makes of it."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import pytest

from gmat_sweep.sweep.interrupts import interrupts_as_themselves


def swallowed_by_a_library() -> None:
    """Raise what pydantic raises when a SIGINT falls into one of its callbacks."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as interrupt:
        raise ValueError("Error calling function: KeyboardInterrupt") from interrupt


def test_an_interrupt_that_a_library_renamed_comes_out_as_itself() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, interrupts_as_themselves():
        swallowed_by_a_library()

    assert isinstance(caught.value.__cause__, ValueError)


def test_an_error_without_an_interrupt_stays_what_it_is() -> None:
    with pytest.raises(ValueError, match="my own"), interrupts_as_themselves():
        raise ValueError("my own")


def test_the_handler_is_the_usual_one_afterwards() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_as_themselves():
        signal.raise_signal(signal.SIGINT)

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_somebody_else_is_left_alone() -> None:
    seen: list[int] = []

    def theirs(number: int, _frame: FrameType | None) -> None:
        seen.append(number)

    before = signal.signal(signal.SIGINT, theirs)
    try:
        with interrupts_as_themselves():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert seen == [signal.SIGINT]


def test_another_thread_may_use_it() -> None:
    entered = []

    def use() -> None:
        with interrupts_as_themselves():
            entered.append(True)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()

    assert entered == [True]
