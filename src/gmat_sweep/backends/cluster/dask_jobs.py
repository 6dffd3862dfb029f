"""`ReplacingAdaptive`: starts new jobs for those that have ended, such as at their walltime.

dask-jobqueue and `LocalWorkers` are built on Dask's own `SpecCluster`. It notices that a Dask
worker is gone, or takes too long to come back. Without adaptivity it starts no other one. With more
than one Dask worker to a job (dask-jobqueue's `processes`) it does not see that the whole job has
ended. In both cases a sweep would wait for ever.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

import dask.config
from dask.utils import parse_timedelta
from distributed import Adaptive, SpecCluster

from gmat_sweep.backends.cluster.dask_internals import jobs_of, workers_here

if TYPE_CHECKING:
    from distributed.deploy import ProcessInterface

__all__ = ["ReplacingAdaptive", "adapting"]


def adapting(made_by: Any, n_workers: int | None, adapt_kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the keywords for a cluster's ``adapt``; if there are none, it is not to be called.

    Parameters
    ----------
    made_by : callable
        The class or function that makes the cluster.
    n_workers : int or None
        How many Dask workers the cluster is to have, and to keep when jobs end.
    adapt_kwargs : dict
        The keywords that the user gave.
    """
    if not (isinstance(made_by, type) and issubclass(made_by, SpecCluster)):
        return dict(adapt_kwargs)
    if not adapt_kwargs and n_workers is None:
        return {}
    kept = {} if adapt_kwargs else {"minimum": n_workers, "maximum": n_workers}
    return {"Adaptive": ReplacingAdaptive, **kept, **adapt_kwargs}


class ReplacingAdaptive(Adaptive):
    """Scales as Dask does, by whole jobs, and forgets jobs whose workers have all left."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Keyed by job and not by name: Dask submits another job under the name of one whose only
        # worker is lost. Weak: a cluster that closes must have let go of its jobs.
        self._seen: WeakSet[ProcessInterface] = WeakSet()
        self._gone_since: WeakKeyDictionary[ProcessInterface, float] = WeakKeyDictionary()
        super().__init__(*args, **kwargs)

    async def target(self) -> int:
        """Return how many Dask workers there should be, in whole jobs: no job starts in part."""
        wanted: int = await super().target()
        per_job = max((len(job.workers) for job in jobs_of(self.cluster)), default=1)
        return -(-wanted // per_job) * per_job

    async def adapt(self) -> None:
        """Forget jobs that have ended, so that Dask finds too few and submits new ones."""
        ended = self._ended()
        if ended:
            await self.cluster.scale_down(ended)
        await super().adapt()

    def _ended(self) -> list[Any]:
        """Return the jobs whose Dask workers were there and have all been away for long enough."""
        patience = parse_timedelta(dask.config.get("distributed.deploy.lost-worker-timeout"))
        here = workers_here(self.cluster)
        now, ended = time.monotonic(), []
        for job in jobs_of(self.cluster):
            submitted = job.process
            if submitted is None:
                continue
            if job.workers & here:
                self._seen.add(submitted)
                self._gone_since.pop(submitted, None)
            elif (
                submitted in self._seen
                and now - self._gone_since.setdefault(submitted, now) >= patience
            ):
                ended.append(job.name)
        return ended
