"""Prefect's log of a sweep: it reaches the server, and nothing of the caller's.

Prefect sets up logging when it is loaded: it gives the root logger a level and a handler, and
closes every handler that the program has. `load_prefect` loads Prefect without that, and sets up
Prefect's own loggers alone. A program that has loaded Prefect before keeps the set-up that it has.
Filters on Prefect's loggers of runs then act on the records of sweeps only, so two sweeps at once,
and other flows of the same process, do not disturb each other.

All of it lasts until the last `borrowed_loggers` of the process ends. The loggers are then as they
were, and the program's own first import of Prefect's names sets Prefect up as it always does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

from gmat_sweep.flow.prefect_internals import (
    RUN_LOGGERS,
    TASK_RUN_LOGGER,
    leave_first_load_to_the_program,
    loaded_without_logging,
    server_log_handler,
)

__all__ = [
    "borrowed_loggers",
    "keep_off_the_terminal",
    "load_prefect",
    "log_cause",
    "off_the_terminal",
    "quiet_runs",
]

_CAUSE = "gmat_sweep_cause"

# Task runs are executed in copies of the context that the flow submits them in.
_off_the_terminal = ContextVar("gmat_sweep_off_the_terminal", default=False)
_quiet_runs = ContextVar("gmat_sweep_quiet_runs", default=False)
_lock = threading.Lock()
_borrowers = 0
# What takes back the changes of Prefect's loggers: nothing, if Prefect is not set up here.
_changes = ExitStack()
_is_set_up = False


class _OfSweeps(logging.Filter):
    """Gives a sweep's records to the handlers of their logger, and to none above it.

    Of the task runs of a sweep it lets nothing pass but the causes of failed runs.
    """

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self._logger = logger

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record goes the usual way."""
        is_of_a_task_run = self._logger.name == TASK_RUN_LOGGER
        if is_of_a_task_run and _quiet_runs.get() and not hasattr(record, _CAUSE):
            return False
        if not _off_the_terminal.get():
            return True
        for handler in self._logger.handlers:
            if record.levelno >= handler.level:
                handler.handle(record)
        return False


@contextmanager
def borrowed_loggers() -> Iterator[None]:
    """Take back what the block changes of Prefect's loggers, when no other such block is left."""
    global _borrowers
    with _lock:
        _borrowers += 1
    try:
        yield
    finally:
        with _lock:
            _borrowers -= 1
            if not _borrowers:
                _take_back()


def load_prefect() -> None:
    """Load Prefect if it is not loaded, and leave all logging but Prefect's own as it is.

    Needs a `borrowed_loggers` that is under way: it takes the set-up back.
    """
    global _is_set_up
    with _lock:
        if loaded_without_logging() and not _is_set_up:
            _is_set_up = True
            _set_up()


def _set_up() -> None:
    """Set up Prefect's loggers as Prefect does, without its handlers for the terminal."""
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    levels = {
        "prefect": settings.logging.level,
        "prefect._internal": settings.internal.logging_level,
    }
    for name, level in levels.items():
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(level)
            _changes.callback(_unset_level, logger, logger.level)
    extra = settings.logging.extra_loggers or ()
    for name in (*RUN_LOGGERS, *([extra] if isinstance(extra, str) else extra)):
        logger, handler = logging.getLogger(name), server_log_handler()
        logger.addHandler(handler)
        _changes.callback(logger.removeHandler, handler)


def _unset_level(logger: logging.Logger, level: int) -> None:
    # The program may have set Prefect up, or the level, in the meantime.
    if loaded_without_logging() and logger.level == level:
        logger.setLevel(logging.NOTSET)


def _take_back() -> None:
    global _is_set_up
    _changes.close()
    if _is_set_up:
        leave_first_load_to_the_program()
        _is_set_up = False


def keep_off_the_terminal(logger: logging.Logger) -> None:
    """Have `off_the_terminal` act on the records of one more logger, while loggers are borrowed."""
    with _lock:
        if not any(isinstance(each, _OfSweeps) for each in logger.filters):
            of_sweeps = _OfSweeps(logger)
            logger.addFilter(of_sweeps)
            _changes.callback(logger.removeFilter, of_sweeps)


def _watch_run_loggers() -> None:
    for name in RUN_LOGGERS:
        keep_off_the_terminal(logging.getLogger(name))


@contextmanager
def off_the_terminal() -> Iterator[None]:
    """Keep Prefect's lines off the terminal, for the progress bar; the server still gets them."""
    with borrowed_loggers():
        _watch_run_loggers()
        before = _off_the_terminal.set(True)
        try:
            yield
        finally:
            _off_the_terminal.reset(before)


@contextmanager
def quiet_runs() -> Iterator[None]:
    """Silence Prefect's lines per task run, which would bury the lines of the sweep in the log."""
    with borrowed_loggers():
        _watch_run_loggers()
        before = _quiet_runs.set(True)
        try:
            yield
        finally:
            _quiet_runs.reset(before)


def log_cause(cause: str) -> None:
    """Log why a run failed, in its task run."""
    logging.getLogger(TASK_RUN_LOGGER).error("%s", cause, extra={_CAUSE: True})
