"""`SweepThreads`: Prefect's threads for task runs, and `InThreads`, by which clusters use them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from prefect.task_runners import ThreadPoolTaskRunner

from gmat_sweep.flow.logs import keep_off_the_terminal
from gmat_sweep.flow.prefect_internals import forget_task_run

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.futures import PrefectConcurrentFuture, PrefectFuture
    from prefect.tasks import Task

    from gmat_sweep.backends.cluster.pool import ClusterPool

__all__ = ["InThreads", "SweepThreads"]


class SweepThreads(ThreadPoolTaskRunner[Any]):
    """Runs tasks in threads of the flow process.

    Prefect keeps an event for cancelling each task run, and the assets it depends on, until the
    flow ends. They are more than a kilobyte for each task run, and would be most of the memory of a
    large sweep. So `submit` frees those of task runs that have ended. One and the same thread must
    submit the tasks and cancel all of them.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        super().__init__(max_workers=max_workers)
        self._ended: deque[UUID] = deque()

    def submit(
        self,
        task: Task[Any, Any],
        parameters: dict[str, Any],
        wait_for: Iterable[Any] | None = None,
        dependencies: dict[str, set[Any]] | None = None,
    ) -> PrefectConcurrentFuture[Any]:
        """Run a task in a thread."""
        # Here and not when they end: only this thread may change what `cancel_all` iterates over.
        while self._ended:
            forget_task_run(self, self._ended.popleft())
        future = super().submit(task, parameters, wait_for, dependencies)
        future.add_done_callback(lambda done: self._ended.append(done.task_run_id))
        return future


class InThreads[P: ClusterPool]:
    """Mixin by which the task runner of a cluster executes tasks in threads of the flow process.

    `__exit__` gives back what `__enter__` of the subclass has taken.

    Parameters
    ----------
    pool : ClusterPool
        The pool that the runner lends its cluster to.
    """

    def _drive(self, pool: P) -> None:
        self._pool = pool
        keep_off_the_terminal(self.logger)  # type: ignore[attr-defined]
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
