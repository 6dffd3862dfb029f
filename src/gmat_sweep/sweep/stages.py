"""What a sweep does before its first run: said where it takes long, and side by side where it can.

While GMAT starts in the workers and Prefect in the server, this process loads Prefect for itself.
All that this process does before its first run is one thread's work at a time, as Python has it, so
each second of CPU that is saved here is a second of the wait.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING

from gmat_sweep.console import say
from gmat_sweep.disk.lock import locked
from gmat_sweep.manifest.lines import no_garbage_collection

if TYPE_CHECKING:
    from pathlib import Path

    from gmat_sweep.backends.base import Pool
    from gmat_sweep.engine import Engine

__all__ = ["one_pass", "prefect_starting", "stage", "warmed_up"]

_LONG_S = 1.0


@contextmanager
def stage(doing: str, *, is_told: bool = True) -> Iterator[None]:
    """Say what the block does once it has taken more than a second.

    Parameters
    ----------
    doing : str
        What the block does, such as ``loading the mission in GMAT``.
    is_told : bool
        Whether to say anything.
    """
    timer = threading.Timer(_LONG_S, say, (f"{doing} ...",))
    timer.daemon = True
    if is_told:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def one_pass(*folders: Path) -> Iterator[None]:
    """Hold the folders that a pass over the runs writes to, and borrow Prefect's loggers for it.

    Raises
    ------
    SweepFolderInUseError, SweepConfigError
        As `locked`.
    """
    from gmat_sweep.flow.logs import borrowed_loggers

    with locked(*folders), borrowed_loggers():
        yield


def warmed_up(pool: Pool, *, is_told: bool) -> Engine:
    """Find the engine, and start the pool, in whose workers GMAT then takes its time."""
    from gmat_sweep.backends.on_demand import on_demand
    from gmat_sweep.engine import find_engine

    with stage("looking for GMAT", is_told=is_told):
        engine = find_engine()
    with stage("starting workers", is_told=is_told):
        on_demand(pool).warm_up()
    return engine


@contextmanager
def prefect_starting(*, is_told: bool) -> Iterator[None]:
    """Start the local server and load Prefect, in another thread during the block.

    The block must not import anything that Prefect needs: of two threads that import modules which
    import each other, one may see such a module half made.

    Raises
    ------
    BackendError, SweepConfigError
        As `start_local_server`, after the block.
    """
    errors: list[Exception] = []
    # Prefect's settings for a block of code are in the context. No daemon: a program that ends in
    # the middle of an import may crash.
    start = partial(copy_context().run, _start, errors)
    thread = threading.Thread(target=start, name="gmat-sweep-start")
    # Next to nothing of what Prefect loads is garbage; looking for it takes a sixth of the time.
    with no_garbage_collection():
        thread.start()
        try:
            yield
        finally:
            with stage("loading Prefect", is_told=is_told):
                thread.join()
    if errors:
        raise errors[0]


def _start(errors: list[Exception]) -> None:
    from gmat_sweep.flow.logs import load_prefect
    from gmat_sweep.flow.prefect_internals import load_engines
    from gmat_sweep.flow.server import start_local_server

    try:
        start_local_server()
        load_prefect()
        importlib.import_module("gmat_sweep.flow.sweep_flow")
        load_engines()
    except Exception as error:  # noqa: BLE001 - raised in the thread that waits
        errors.append(error)
