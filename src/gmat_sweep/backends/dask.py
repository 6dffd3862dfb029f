"""`DaskPool`: runs on the workers of a Dask cluster.

The sweep and Prefect stay in the driver. An order goes to a Dask worker, and a reply comes back. So
Dask workers need this package and GMAT, but neither Prefect nor the sweep's disk. GMAT runs in
worker processes beside each Dask worker. A run that crashes or hangs there is lost, and the Dask
worker lives on.

If a Dask worker dies, the pool reports its run as lost, once, and Dask never quietly starts that
run again. A run that was still waiting for that Dask worker moves to another one, which is no
attempt.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gmat_sweep.backends import require_extra
from gmat_sweep.backends.cluster.dask_batches import KEY, DaskBatches
from gmat_sweep.backends.cluster.orders import Order, Reply
from gmat_sweep.backends.cluster.pool import ClusterPool, refuse_together
from gmat_sweep.backends.cores import available_cores
from gmat_sweep.errors import BackendError
from gmat_sweep.import_places import module_not_of_this_folder
from gmat_sweep.limits import checked_workers, shown

if TYPE_CHECKING:
    import distributed

__all__ = ["DaskPool", "class_named"]

_COUNT_EVERY_S = 1.0


class DaskPool(ClusterPool):
    """Runs on the workers of a Dask cluster.

    With no argument, the pool has a cluster of Dask workers on this machine. It starts the cluster
    when it is entered (``with``) or used by itself, and keeps it until `close`. A pool that is only
    handed to a sweep has a cluster for the length of that sweep.

    Parameters
    ----------
    client : distributed.Client, optional
        A client of a running cluster. The pool closes neither.
    n_workers : int, optional
        How many Dask workers to start; by default one per core, or as many as `cluster_class`
        starts by itself.
    threads_per_worker : int
        How many runs each Dask worker of a local cluster has at once.
    reuse_gmat_context : bool
        True keeps worker processes from run to run. False starts a fresh one for every run.
    address : str, optional
        Address of a running scheduler, such as ``"tcp://10.0.0.1:8786"``.
    cluster_class : str or callable, optional
        The class or function that makes the cluster. By name, as ``"dask_jobqueue.SLURMCluster"``,
        only a class derived from ``distributed.deploy.Cluster``, not from the current folder. If
        `n_workers` or `adapt_kwargs` is given, the pool replaces queue jobs that end, as at their
        walltime.
    cluster_kwargs : dict, optional
        Keywords for `cluster_class`.
    adapt_kwargs : dict, optional
        Keywords for the cluster's ``adapt``, such as ``{"minimum": 1, "maximum": 40}``.

    Raises
    ------
    BackendError
        The extra ``dask`` is not installed, or arguments exclude each other.
    """

    flow_runner: ClassVar[str] = "dask"

    def __init__(
        self,
        *,
        client: distributed.Client | None = None,
        n_workers: int | None = None,
        threads_per_worker: int = 1,
        reuse_gmat_context: bool = True,
        address: str | None = None,
        cluster_class: str | Callable[..., Any] | None = None,
        cluster_kwargs: dict[str, Any] | None = None,
        adapt_kwargs: dict[str, Any] | None = None,
    ) -> None:
        require_extra("DaskPool")
        refuse_together("DaskPool", client=client, address=address, cluster_class=cluster_class)
        refuse_together("DaskPool", client=client, address=address, n_workers=n_workers)
        refuse_together("DaskPool", client=client, address=address, cluster_kwargs=cluster_kwargs)
        refuse_together("DaskPool", client=client, address=address, adapt_kwargs=adapt_kwargs)
        for name, count in (("n_workers", n_workers), ("threads_per_worker", threads_per_worker)):
            if count is not None:
                checked_workers(count, f"DaskPool's {name}")
        for name, keywords in (("cluster_kwargs", cluster_kwargs), ("adapt_kwargs", adapt_kwargs)):
            if keywords is not None and not isinstance(keywords, Mapping):
                raise BackendError(
                    f"DaskPool's {name} is {shown(keywords)}. Pass a mapping of keywords to values."
                )
        super().__init__()
        self._given = client
        self._address = address
        self._cluster_class = cluster_class
        self._cluster_kwargs = cluster_kwargs or {}
        self._adapt_kwargs = adapt_kwargs or {}
        self._n_workers = n_workers
        self._threads_per_worker = threads_per_worker
        self._reuse = reuse_gmat_context
        self._name = f"gmat-sweep-{uuid.uuid4().hex[:12]}"
        self._client: distributed.Client | None = None
        self._owned = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._batches: DaskBatches | None = None
        self._counted = (0.0, 0)

    @property
    def is_open(self) -> bool:
        """Whether the pool has its cluster."""
        return self._client is not None

    @property
    def is_local(self) -> bool:
        """Whether the workers are the pool's own, on this host."""
        return self._given is None and self._address is None and self._cluster_class is None

    @property
    def max_workers(self) -> int:
        """How many runs the cluster executes at once.

        As many as its Dask workers have threads now. For a cluster that adapts, as many as it may
        grow to, because it grows only for runs that wait.
        """
        if self._client is None:
            return (self._n_workers or available_cores()) * self._threads_per_worker
        with self._lock:
            counted_at, count = self._counted
            if time.monotonic() - counted_at > _COUNT_EVERY_S:
                count = self._count(self._client)
                self._counted = (time.monotonic(), count)
        return count

    @property
    def takes_at_once(self) -> int:
        """How many runs to give the cluster at once: for each thread a batch, and the next one."""
        tasks = self._tasks_at_once()
        return tasks if self._batches is None else self._batches.orders_at_once

    @property
    def runner_settings(self) -> dict[str, Any]:
        """The keywords with which prefect-dask's ``DaskTaskRunner`` gets this pool's cluster."""
        if self._address is not None:
            return {"address": self._address}
        made: dict[str, Any] = {"cluster_kwargs": dict(self._cluster_kwargs)}
        if self._cluster_class is None:
            from gmat_sweep.backends.cluster.dask_local import LocalWorkers

            made["cluster_class"] = LocalWorkers
            made["cluster_kwargs"] |= {
                "n_workers": self._n_workers or available_cores(),
                "threads_per_worker": self._threads_per_worker,
            }
        else:
            made["cluster_class"] = class_named(self._cluster_class)
            if self._n_workers is not None:
                made["cluster_kwargs"]["n_workers"] = self._n_workers
        adapt = self._adapting(made)
        if adapt:
            made["adapt_kwargs"] = adapt
        return made

    def open(self) -> None:
        """Connect to the cluster, or start it, and keep it until `close`.

        Raises
        ------
        BackendError
            The cluster cannot be reached or started.
        """
        if self._client is not None:
            return
        try:
            if self._given is not None:
                self.lend(self._given)
                return
            self.lend(self._owned.enter_context(self._connected()))
        except BaseException:
            self._owned.close()
            raise

    def lend(self, client: distributed.Client) -> None:
        """Use a client from now on; `take_back` ends that.

        Raises
        ------
        BackendError
            The Dask workers of the cluster cannot do runs.
        """
        from gmat_sweep.backends.cluster.dask_internals import one_chance
        from gmat_sweep.backends.cluster.dask_plugins import BEGUN, GmatWorkers

        try:
            client.register_plugin(one_chance(BEGUN, f"{KEY}-"), name=f"{KEY}-one-chance")
            client.register_plugin(GmatWorkers(self._name, self._reuse), name=self._name)
        except Exception as error:
            raise BackendError(
                f"The Dask workers cannot do runs: {type(error).__name__}: {error}. Install "
                "gmat-sweep, in the same version, where they run."
            ) from error
        self._counted = (0.0, 0)
        self._client = client
        self._batches = DaskBatches(client, self._name, self._tasks_at_once, self._desk.let_go)

    def take_back(self) -> None:
        """End the worker processes beside the Dask workers and let go of the client."""
        client, self._client = self._client, None
        batches, self._batches = self._batches, None
        if batches is not None:
            batches.close()
        if client is not None and client.status == "running":
            # A cluster that is gone has nothing left to end.
            with contextlib.suppress(OSError, TimeoutError):
                client.unregister_worker_plugin(self._name)

    def warm_up(self) -> None:
        """Do nothing: the Dask workers start worker processes as soon as `lend` registers these."""

    def interrupt(self) -> None:
        """End the runs under way; each ends with `WorkerDiedError`."""
        if self._batches is not None:
            self._batches.interrupt()

    def sweep_ended(self) -> None:
        """Wait for Dask's tasks, and delete the pool's own files in folders of ended sweeps."""
        if self._batches is not None:
            self._batches.settle()
        super().sweep_ended()

    def _ask(self, order: Order) -> Reply:
        self.open()
        assert self._batches is not None
        return self._batches.ask(order)

    def _ended(self, order: Order) -> None:
        # `DaskBatches` lets go of the order once its task has ended: until then Dask may carry it
        # out again.
        pass

    def _release(self) -> None:
        self.interrupt()
        self.take_back()
        self._owned.close()

    def _connected(self) -> distributed.Client:
        """Start the pool's own cluster, or find the one at its address."""
        import distributed

        settings = self.runner_settings
        with self.starting():
            if "address" in settings:
                return distributed.Client(settings["address"], set_as_default=False)
            made_by = settings["cluster_class"]
            cluster = self._owned.enter_context(made_by(**settings["cluster_kwargs"]))
            if "adapt_kwargs" in settings:
                cluster.adapt(**settings["adapt_kwargs"])
            return distributed.Client(cluster, set_as_default=False)

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Raise `BackendError` with advice if the block cannot start or find the cluster."""
        try:
            yield
        except BackendError:
            raise
        except Exception as error:
            if self._address is not None:
                raise BackendError(
                    f"No Dask scheduler answers at {self._address}: {error}. Check the address, or "
                    "start one with `dask scheduler`."
                ) from error
            raise BackendError(
                f"The Dask cluster could not be started: {type(error).__name__}: {error}. Check "
                "its class and keywords."
            ) from error

    def _adapting(self, made: dict[str, Any]) -> dict[str, Any]:
        """Return keywords for ``adapt``: the given ones, and one that replaces ended jobs."""
        from gmat_sweep.backends.cluster.dask_jobs import adapting

        wanted = made["cluster_kwargs"].get("n_workers")
        return adapting(made["cluster_class"], wanted, self._adapt_kwargs)

    def _tasks_at_once(self) -> int:
        """Return how many tasks the cluster is to have: for each thread one, and the next one."""
        return 2 * self.max_workers

    def _count(self, client: distributed.Client) -> int:
        from gmat_sweep.backends.cluster.dask_internals import most_workers

        try:
            threads: list[int] = list(client.nthreads().values())
        except (OSError, TimeoutError):
            # The thread that waits for a run gets this error.
            return max(1, self._counted[1])
        workers = most_workers(client.cluster)
        most = 0 if workers is None else _grows_to(workers, threads)
        return max(1, sum(threads), most)


def class_named(named: str | Callable[..., Any]) -> Callable[..., Any]:
    """Return the class or function that makes a cluster, given by itself or by its dotted name.

    A name may come from the parameters of a flow run. So only a class of Dask's is taken by its
    name, and not from the current folder.

    Raises
    ------
    BackendError
        There is nothing of that name, or it is no class that is derived from Dask's `Cluster`.
    """
    from distributed.deploy import Cluster

    if not isinstance(named, str):
        return named
    module, _, name = named.rpartition(".")
    try:
        made_by: Callable[..., Any] = getattr(module_not_of_this_folder(module), name)
    except Exception as error:
        # A module may raise anything when it is imported.
        raise BackendError(
            f"The cluster class {named!r} cannot be used: {error}. Name it as 'package.Class', and "
            "install its package."
        ) from error
    if not (isinstance(made_by, type) and issubclass(made_by, Cluster)):
        raise BackendError(
            f"The cluster class {named!r} cannot be used: it is not derived from Dask's "
            "distributed.deploy.Cluster. Name one that is, such as dask_jobqueue.SLURMCluster; "
            "in Python, DaskPool takes other classes and functions themselves."
        )
    return made_by


def _grows_to(workers: float, threads: list[int]) -> int:
    """Return how many threads an adaptive cluster of so many `workers` at most may come to have."""
    if workers == float("inf"):
        # The cluster grows only if runs wait.
        return 2 * sum(threads) + 4
    return int(workers) * max(threads, default=1)
