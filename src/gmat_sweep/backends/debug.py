"""`DebugPool`: one run in the calling process, to step through it with a debugger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import ClassVar, Literal

from gmat_sweep.backends.base import Pool
from gmat_sweep.backends.faults import failed_by
from gmat_sweep.backends.parked import ParkedRuns
from gmat_sweep.errors import BackendError
from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["DebugPool"]


class DebugPool(Pool):
    """Runs specs one after another in the calling process.

    A GMAT engine is global to its process and can crash it, so this pool is for looking at one run.
    A `Sweep` takes it only with ``allow_unisolated_pool=True`` and exactly one spec.

    Parameters
    ----------
    allow_unisolated_pool : bool
        Must be True: says that GMAT in the calling process is what you want.

    Raises
    ------
    BackendError
        `allow_unisolated_pool` is not True.
    """

    subprocess_isolated: ClassVar[bool | Literal["debug"]] = "debug"

    def __init__(self, *, allow_unisolated_pool: bool = False) -> None:
        if not allow_unisolated_pool:
            raise BackendError(
                "DebugPool runs GMAT in the calling process, where a crash takes your program with "
                "it. Pass allow_unisolated_pool=True if that is what you want."
            )
        self._parked = ParkedRuns()
        self._closed = False

    def submit(self, spec: RunSpec) -> Future[RunOutcome]:
        """Park a spec; it runs once `as_completed` is asked for it."""
        self._check_open()
        return self._parked.park(spec)

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        """Run parked specs in their order and yield their outcomes.

        A future that was cancelled is left out.

        Raises
        ------
        BackendError
            A future is not this pool's, was drained already, or the pool is closed.
        """
        from gmat_sweep.worker import run_one

        self._check_open()
        for future in futures:
            spec = self._parked.claim([future])[future]
            if not future.set_running_or_notify_cancel():
                continue
            started_at = datetime.now(UTC)
            try:
                outcome = run_one(spec)
            except Exception as error:  # noqa: BLE001 - a run's failure is data
                outcome = failed_by(spec, error, started_at)
            future.set_result(outcome)
            yield outcome

    def close(self) -> None:
        """Cancel the futures of parked specs. Calling it again does nothing."""
        self._closed = True
        self._parked.cancel()

    def _check_open(self) -> None:
        if self._closed:
            raise BackendError("The pool is closed. Make a new one.")
