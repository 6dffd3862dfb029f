"""Who is asked about a mission: the pool, or a worker process that is started for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from gmat_sweep.backends.process.worker_process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gmat_sweep.worker import MissionFacts

__all__ = ["Inspect", "inspector"]


class Inspect(Protocol):
    """Load a script, try overrides on it and say what it itself says, without running it."""

    def __call__(
        self, script: Path | None, overrides: dict[str, Any], /, *, wanted: Sequence[str] = ...
    ) -> MissionFacts:
        """Return the engine's answers."""


@contextmanager
def inspector(pool: object, memory_limit: int | None) -> Iterator[Inspect]:
    """Lend the function that asks the engine.

    Parameters
    ----------
    pool : object
        The pool to ask if it has a method `inspect`; otherwise a worker process is started.
    memory_limit : int or None
        Bytes of memory that loading the mission may need.
    """
    inspect = getattr(pool, "inspect", None)
    if callable(inspect):
        yield partial(inspect, memory_limit=memory_limit)
        return
    worker = WorkerProcess()
    try:
        yield partial(worker.inspect, memory_limit=memory_limit)
    finally:
        worker.close()
