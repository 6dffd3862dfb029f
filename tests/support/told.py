"""What a logger says while a block runs, by default this package's.

`caplog` is of no use where Prefect is loaded while a test runs: its set-up of logging takes away
the handler that `caplog` has put on the root logger.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["told"]


@contextmanager
def told(name: str = "gmat_sweep") -> Iterator[list[str]]:
    """Collect the messages of a logger, children not included."""
    messages: list[str] = []

    def listen(record: logging.LogRecord) -> bool:
        messages.append(record.getMessage())
        return True

    logger = logging.getLogger(name)
    # No handler: those of Prefect's loggers go at the first flow run, too. Before all filters:
    # one that keeps a record off the terminal is the last to see it.
    logger.filters.insert(0, listen)
    try:
        yield messages
    finally:
        logger.removeFilter(listen)
