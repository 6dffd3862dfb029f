"""`SweepRayTaskRunner`: Prefect's tasks in the flow process, their runs in actors of a Ray cluster.

Ray is started, or connected to, by prefect-ray and ended with the flow run if it was started for
it. As with Dask, Prefect's engine stays in threads of the flow process.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from prefect.task_runners import ThreadPoolTaskRunner
from prefect_ray import RayTaskRunner

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture
    from prefect.tasks import Task

    from gmat_sweep.backends.ray import RayPool

__all__ = ["SweepRayTaskRunner"]


class SweepRayTaskRunner(RayTaskRunner):
    """Runs tasks in threads and lends a pool its Ray cluster.

    Parameters
    ----------
    pool : RayPool
        The pool. One that has its cluster already keeps it.
    """

    def __init__(self, pool: RayPool) -> None:
        super().__init__(**pool.runner_settings)
        self._pool = pool
        # A thread for every run in flight, of which the flow has a bounded number.
        self._threads: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner()

    def duplicate(self) -> Self:
        """Return a runner for the same pool."""
        return type(self)(self._pool)

    def submit(
        self,
        task: Task[Any, Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, set[Any]] | None = None,
    ) -> PrefectFuture[Any]:
        """Run a task in a thread of this process."""
        return self._threads.submit(task, parameters, wait_for, dependencies)

    def __enter__(self) -> Self:
        """Start or find Ray and let the pool use it."""
        with self._pool.starting():
            super().__enter__()
        with ExitStack() as taken:
            taken.callback(super().__exit__, None, None, None)
            if not self._pool.is_open:
                self._pool.lend()
                taken.callback(self._pool.take_back)
            taken.callback(self._pool.sweep_ended)
            taken.enter_context(self._threads)
            self._taken = taken.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Wait for the threads, and end Ray if this runner started it."""
        self._taken.close()
