"""`ReplacingAdaptive`: new jobs for those that have ended, such as at the end of a walltime.

Dask's own `SpecCluster`, on which dask-jobqueue and the workers of this machine are built, notices
that a worker is gone, or takes too long to come back. But without adaptivity it starts no other,
and with more than one worker to a job (dask-jobqueue's `processes`) it does not see that the whole
job has ended: either way a sweep would wait for ever.
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
    """Return the keywords with which a cluster's ``adapt`` is called; none, and it is not.

    Parameters
    ----------
    made_by : callable
        What makes the cluster.
    n_workers : int or None
        How many workers it is to have, and to keep when jobs end.
    adapt_kwargs : dict
        What the user gave.
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
        # Of jobs and not of their names: Dask submits another job under the name of one whose only
        # worker is lost. Weak: a cluster that closes must have let go of its jobs.
        self._seen: WeakSet[ProcessInterface] = WeakSet()
        self._gone_since: WeakKeyDictionary[ProcessInterface, float] = WeakKeyDictionary()
        super().__init__(*args, **kwargs)

    async def target(self) -> int:
        """Return how many workers there should be: part of a job cannot be had, nor ended."""
        wanted: int = await super().target()
        per_job = max((len(job.workers) for job in jobs_of(self.cluster)), default=1)
        return -(-wanted // per_job) * per_job

    async def adapt(self) -> None:
        """Forget jobs that have ended; then there are too few, and new ones are submitted."""
        ended = self._ended()
        if ended:
            await self.cluster.scale_down(ended)
        await super().adapt()

    def _ended(self) -> list[Any]:
        """Return the jobs whose workers were there, and have all been away for long enough."""
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
