"""`SweepRayTaskRunner`: Prefect's tasks in the flow process, their runs in actors of a Ray cluster.

prefect-ray starts Ray or connects to it. If it has started Ray, it ends Ray with the flow run. As
with Dask, tasks execute in threads of the flow process.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from prefect_ray import RayTaskRunner

from gmat_sweep.flow.runners.threads import InThreads

if TYPE_CHECKING:
    from gmat_sweep.backends.ray import RayPool

__all__ = ["SweepRayTaskRunner"]


class SweepRayTaskRunner(InThreads["RayPool"], RayTaskRunner):
    """Runs tasks in threads and lends a pool its Ray cluster.

    Parameters
    ----------
    pool : RayPool
        The pool. A pool that has its cluster already keeps it.
    """

    def __init__(self, pool: RayPool) -> None:
        super().__init__(**pool.runner_settings)
        self._drive(pool)

    def __enter__(self) -> Self:
        """Start or find Ray and let the pool use it."""
        with self._pool.starting():
            super().__enter__()
        with ExitStack() as taken:
            taken.callback(RayTaskRunner.__exit__, self, None, None, None)
            if not self._pool.is_open:
                self._pool.lend()
                taken.callback(self._pool.take_back)
            taken.callback(self._pool.sweep_ended)
            taken.enter_context(self._threads)
            self._taken = taken.pop_all()
        return self
