"""Operating-system calls that fail, or end the process, on demand."""

import errno
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest

OS_CALLS = ("open", "pread", "write", "fsync", "ftruncate", "replace", "close")
"""The calls by which `gmat_sweep.disk` writes files."""

KILLED = 9
"""Exit code of a child that `killed_at_nth` has ended."""


def disk_error() -> NoReturn:
    """Fail as a broken disk does."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@contextmanager
def nth_call(
    name: str,
    nth: int,
    then: Callable[[], None],
    *,
    in_any_thread: bool = True,
    counts: Callable[..., bool] | None = None,
) -> Iterator[list[int]]:
    """Call `then` at the `nth` call of ``os.<name>``; yield a list with the number of calls.

    Calls of other threads than this one count as well, unless `in_any_thread` is false; with
    `counts`, only calls for whose arguments it is true.
    If `then` raises, that call of ``os.<name>`` does nothing, except that ``close`` closes, as the
    real one does when it fails.
    """
    original: Callable[..., Any] = getattr(os, name)
    calls = [0]
    here = threading.get_ident()

    def counted(*args: Any, **kwargs: Any) -> Any:
        if counts is not None and not counts(*args, **kwargs):
            return original(*args, **kwargs)
        if not in_any_thread and threading.get_ident() != here:
            return original(*args, **kwargs)
        calls[0] += 1
        if calls[0] == nth:
            if name == "close":
                original(*args, **kwargs)
            then()
        return original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, name, counted)
        yield calls


def is_to_write(path: str, flags: int, *rest: Any, **options: Any) -> bool:
    """Whether a call of ``os.open`` opens a file to write to it."""
    return bool(flags & (os.O_WRONLY | os.O_RDWR))


def killed_at_nth(
    name: str,
    nth: int,
    action: Callable[[], object],
    *,
    counts: Callable[..., bool] | None = None,
) -> bool:
    """Run `action` in a forked child that dies at the `nth` ``os.<name>``; whether it died."""
    with warnings.catch_warnings():
        # Python warns of a fork in a process with threads; this child only runs `action`.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            with nth_call(name, nth, lambda: os._exit(KILLED), counts=counts):
                action()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == KILLED
