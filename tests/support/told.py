"""What this package's logger says while a block runs.

`caplog` is of no use around a flow run: Prefect sets up logging at the first one, and takes away
the handler that `caplog` has put on the root logger.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["told"]


@contextmanager
def told() -> Iterator[list[str]]:
    """Collect the messages of the logger ``gmat_sweep``."""
    messages: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    logger, listener = logging.getLogger("gmat_sweep"), Listener()
    logger.addHandler(listener)
    try:
        yield messages
    finally:
        logger.removeHandler(listener)
