"""`SweepDaskTaskRunner`: Prefect's tasks in the flow process, their runs on a Dask cluster.

prefect-dask starts the cluster from its class and keywords, or finds it at its address, makes it
adapt, and ends it with the flow run. A stock `DaskTaskRunner` executes tasks on the Dask workers:
it rebuilds Prefect's context there for every task, and needs the Prefect API there. This one
executes each task in a thread of the flow process. The body of the task asks the pool to have one
run carried out.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from prefect_dask import DaskTaskRunner

from gmat_sweep.flow.runners.threads import InThreads

if TYPE_CHECKING:
    from gmat_sweep.backends.dask import DaskPool

__all__ = ["SweepDaskTaskRunner"]


class SweepDaskTaskRunner(InThreads["DaskPool"], DaskTaskRunner):
    """Runs tasks in threads and lends a pool its Dask cluster.

    Parameters
    ----------
    pool : DaskPool
        The pool. A pool that has its cluster already keeps it.
    """

    def __init__(self, pool: DaskPool) -> None:
        super().__init__(**({} if pool.is_open else pool.runner_settings))
        self._drive(pool)

    def __enter__(self) -> Self:
        """Start or find the cluster and give the pool a client of it."""
        super().__enter__()
        with ExitStack() as taken:
            taken.callback(DaskTaskRunner.__exit__, self, None, None, None)
            if not self._pool.is_open:
                with self._pool.starting():
                    client = self.client
                self._pool.lend(client)
                taken.callback(self._pool.take_back)
            taken.callback(self._pool.sweep_ended)
            taken.enter_context(self._threads)
            self._taken = taken.pop_all()
        return self
