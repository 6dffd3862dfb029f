"""`InThreads`: how a task runner on a cluster keeps Prefect's tasks in the flow process."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from gmat_sweep.flow.runners.threads import SweepThreads

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture
    from prefect.tasks import Task

    from gmat_sweep.backends.cluster.pool import ClusterPool

__all__ = ["InThreads"]


class InThreads[P: ClusterPool]:
    """Submits tasks to threads, and ends with what was taken when the runner was entered.

    Parameters
    ----------
    pool : ClusterPool
        The pool that the runner lends its cluster to.
    """

    def _drive(self, pool: P) -> None:
        self._pool = pool
        # A thread for every run in flight, of which the flow has a bounded number.
        self._threads = SweepThreads()
        self._taken = ExitStack()

    def duplicate(self) -> Self:
        """Return a runner for the same pool."""
        return type(self)(self._pool)  # type: ignore[call-arg]

    def submit(
        self,
        task: Task[Any, Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, set[Any]] | None = None,
    ) -> PrefectFuture[Any]:
        """Run a task in a thread of this process."""
        return self._threads.submit(task, parameters, wait_for, dependencies)

    def __exit__(self, *exc_info: object) -> None:
        """Wait for the threads, and end the cluster if this runner started it."""
        self._taken.close()
