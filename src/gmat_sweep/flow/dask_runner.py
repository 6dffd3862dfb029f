"""`SweepDaskTaskRunner`: Prefect's tasks in the flow process, their runs on a Dask cluster.

The cluster is prefect-dask's: its class by name, its keywords, its address, its adaptivity, started
and ended with the flow run. Prefect's engine is not sent to it. A stock `DaskTaskRunner` rebuilds
Prefect's context on a worker for every task and needs the API there; here each task runs in a
thread of the flow process, and its body asks the pool to have one run carried out.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from prefect.task_runners import ThreadPoolTaskRunner
from prefect_dask import DaskTaskRunner

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture
    from prefect.tasks import Task

    from gmat_sweep.backends.dask import DaskPool

__all__ = ["SweepDaskTaskRunner"]


class SweepDaskTaskRunner(DaskTaskRunner):
    """Runs tasks in threads and lends a pool its Dask cluster.

    Parameters
    ----------
    pool : DaskPool
        The pool. One that has its cluster already keeps it.
    """

    def __init__(self, pool: DaskPool) -> None:
        super().__init__(**({} if pool.is_open else pool.runner_settings))
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
        """Start or find the cluster and give the pool a client of it."""
        super().__enter__()
        with ExitStack() as taken:
            taken.callback(super().__exit__, None, None, None)
            if not self._pool.is_open:
                with self._pool.starting():
                    client = self.client
                self._pool.lend(client)
                taken.callback(self._pool.take_back)
            taken.callback(self._pool.sweep_ended)
            taken.enter_context(self._threads)
            self._taken = taken.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Wait for the threads, and end the cluster if this runner started it."""
        self._taken.close()
