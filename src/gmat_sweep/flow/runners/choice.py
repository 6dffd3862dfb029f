"""`runner_for`: the task runner of a pool.

A pool on a cluster names a task runner of its own. That task runner starts the cluster or connects
to it, and ends a cluster that it started. Any other pool gets threads of the flow process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmat_sweep.backends import needs_extra
from gmat_sweep.backends.base import Pool
from gmat_sweep.backends.cluster.pool import ClusterPool
from gmat_sweep.flow.runners.threads import SweepThreads

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

__all__ = ["runner_for"]


def runner_for(pool: Pool, threads: int) -> TaskRunner[Any]:
    """Return the task runner of a pool.

    Parameters
    ----------
    pool : Pool
        The pool that flies the runs.
    threads : int
        How many threads drive a pool that names no task runner.
    """
    if not isinstance(pool, ClusterPool):
        return SweepThreads(threads)
    if pool.flow_runner == "dask":
        with needs_extra("DaskPool"):
            from gmat_sweep.flow.runners.dask import SweepDaskTaskRunner

        return SweepDaskTaskRunner(pool)  # type: ignore[arg-type]
    with needs_extra("RayPool"):
        from gmat_sweep.flow.runners.ray import SweepRayTaskRunner

    return SweepRayTaskRunner(pool)  # type: ignore[arg-type]
