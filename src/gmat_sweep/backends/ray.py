"""`RayPool`: runs in actors of a Ray cluster.

The sweep and Prefect stay in the driver. An order goes to an actor, and a reply comes back. An
actor takes one CPU and keeps one worker process beside it, from run to run. A run that crashes or
hangs there is lost, and the actor lives on. An actor that dies takes its run with it. The flow
tries that run again if the sweep has `retries` left; Ray itself starts nothing again.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from typing import Any, ClassVar

from gmat_sweep.backends import require_extra
from gmat_sweep.backends.cluster.orders import Order, Reply
from gmat_sweep.backends.cluster.pool import ClusterPool
from gmat_sweep.backends.cluster.ray_internals import connection, job_without_current_folder
from gmat_sweep.backends.cluster.ray_watch import RayWatch
from gmat_sweep.backends.process.worker_process import WorkerDiedError
from gmat_sweep.errors import BackendError
from gmat_sweep.import_places import handed_hook_folders, import_paths
from gmat_sweep.limits import checked_workers

__all__ = ["RayPool"]

_LOOK_EVERY_S = 1.0


class RayPool(ClusterPool):
    """Runs in actors of a Ray cluster.

    With no argument, the pool starts Ray on this machine. It starts Ray when it is entered
    (``with``) or used by itself, and keeps it until `close`. A pool that is only handed to a sweep
    has Ray for the length of that sweep. If Ray runs already in this process, the pool uses it and
    leaves it running.

    Parameters
    ----------
    address : str, optional
        Address of a running cluster, or ``"auto"`` to find the one on this machine.
    num_cpus : int, optional
        How many runs at once: the CPUs of a Ray that is started here, the most to use of a cluster
        that runs already. All by default.
    reuse_gmat_context : bool
        True keeps worker processes from run to run. False starts a fresh one for every run.
    **ray_init_kwargs
        Further keywords of ``ray.init``.

    Raises
    ------
    BackendError
        The extra ``ray`` is not installed, or `num_cpus` is below 1.
    """

    flow_runner: ClassVar[str] = "ray"

    def __init__(
        self,
        *,
        address: str | None = None,
        num_cpus: int | None = None,
        reuse_gmat_context: bool = True,
        **ray_init_kwargs: Any,
    ) -> None:
        require_extra("RayPool")
        if num_cpus is not None:
            checked_workers(num_cpus, "RayPool's num_cpus")
        super().__init__()
        self._address = address
        self._num_cpus = num_cpus
        self._reuse = reuse_gmat_context
        self._init_kwargs = ray_init_kwargs
        self._open = False
        self._owns_ray = False
        self._lock = threading.Lock()
        self._idle: list[Any] = []
        self._busy: list[Any] = []
        self._watch: RayWatch | None = None

    @property
    def is_open(self) -> bool:
        """Whether the pool has its cluster."""
        return self._open

    @property
    def is_local(self) -> bool:
        """Whether the workers are the pool's own, on this host."""
        return self._address is None

    @property
    def max_workers(self) -> int:
        """How many runs the cluster executes at once: its CPUs now, or `num_cpus`."""
        if self._num_cpus is not None:
            return self._num_cpus
        return (os.cpu_count() or 1) if self._watch is None else self._watch.cpus

    @property
    def runner_settings(self) -> dict[str, Any]:
        """The keywords with which prefect-ray's ``RayTaskRunner`` gets this pool's cluster."""
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "WARNING"}
        if self._address is None:
            options["include_dashboard"] = False
            if self._num_cpus is not None:
                options["num_cpus"] = self._num_cpus
        if not (self._address or "").startswith("ray://"):
            options["job_config"] = job_without_current_folder()
        options |= self._init_kwargs
        # ray.init looks for a cluster by itself only if it is told to.
        if self._address == "auto":
            options["address"] = "auto"
        return {"address": self._address, "init_kwargs": options}

    def open(self) -> None:
        """Connect to the cluster, or start it, and keep it until `close`.

        Raises
        ------
        BackendError
            The cluster cannot be reached or started.
        """
        if self._open:
            return
        import ray

        if not ray.is_initialized():
            settings = self.runner_settings
            with self.starting():
                ray.init(**{"address": self._address, **settings["init_kwargs"]})
            self._owns_ray = True
        self.lend()

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Raise `BackendError` with advice if the block cannot start or find Ray."""
        try:
            yield
        except Exception as error:
            where = "Ray could not be started"
            if self._address is not None:
                where = f"No Ray cluster answers at {self._address}"
            raise BackendError(
                f"{where}: {type(error).__name__}: {error}. Check the address and ray.init's "
                "keywords."
            ) from error

    def lend(self) -> None:
        """Use the Ray of this process from now on; `take_back` ends that."""
        self._watch = RayWatch(connection())
        self._open = True

    def take_back(self) -> None:
        """End the actors with their worker processes."""
        import ray

        self._open = False
        with self._lock:
            actors = [*self._idle, *self._busy]
            self._idle.clear()
        if ray.is_initialized() and not self._is_lost:
            for actor in actors:
                ray.kill(actor)
        if self._watch is not None:
            self._watch.end()

    def warm_up(self) -> None:
        """Do nothing: the pool makes an actor when a run first needs it."""

    def interrupt(self) -> None:
        """End the runs under way; each ends with `WorkerDiedError`."""
        import ray

        with self._lock:
            busy = list(self._busy)
        # A lost cluster has nothing left to end, and Ray would wait for its answer.
        if ray.is_initialized() and not self._is_lost:
            for actor in busy:
                ray.kill(actor)

    def _ask(self, order: Order) -> Reply:
        import ray
        from ray.exceptions import ActorDiedError, RayActorError, RayError

        self.open()
        actor = self._actor()
        alive = False
        try:
            answer = self._answer(actor.carry_out.remote(pickle.dumps(order)))
            alive = True
            reply: Reply = pickle.loads(answer)  # noqa: S301 - from our own actor
        except (ActorDiedError, RayActorError) as error:
            if not ray.is_initialized():
                raise _cluster_gone(error) from error
            if not self._is_there():
                # The actors died with their cluster: that is no attempt at a run.
                raise _cluster_gone(self._loss()) from error
            said = str(error).splitlines()[0]
            raise WorkerDiedError(f"The Ray actor died during the run: {said}", None) from error
        except (RayError, ConnectionError) as error:
            if isinstance(error, ConnectionError) or not ray.is_initialized():
                raise _cluster_gone(error) from error
            raise BackendError(
                f"A Ray actor could not do run {order.spec['run_id']}: {type(error).__name__}: "
                f"{error}. Install the same versions of gmat-sweep and gmat-run everywhere."
            ) from error
        finally:
            with self._lock:
                self._busy.remove(actor)
                if alive and self._open:
                    self._idle.append(actor)
        return reply

    @property
    def _is_lost(self) -> bool:
        return self._watch is not None and self._watch.loss is not None

    def _is_there(self) -> bool:
        """Wait until the cluster answers or is lost; return whether it answers."""
        return self._watch is None or self._watch.is_there()

    def _answer(self, asked: Any) -> bytes:
        """Wait for the answer of an actor, as long as the cluster is not lost."""
        import ray
        from ray.exceptions import GetTimeoutError

        while not self._is_lost:
            with contextlib.suppress(GetTimeoutError):
                answer: bytes = ray.get(asked, timeout=_LOOK_EVERY_S)
                return answer
        raise self._loss()

    def _actor(self) -> Any:
        with self._lock:
            actor = self._idle.pop() if self._idle else None
        if actor is None:
            actor = self._made_by_thread()
        with self._lock:
            self._busy.append(actor)
        return actor

    def _made_by_thread(self) -> Any:
        """Make an actor in a thread that may be left waiting, as Ray may wait for a lost head."""
        made: Future[Any] = Future()

        def make() -> None:
            try:
                made.set_result(self._new_actor())
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                made.set_exception(error)

        threading.Thread(target=make, name="gmat-sweep-ray-actor", daemon=True).start()
        while not self._is_lost:
            wait([made], timeout=_LOOK_EVERY_S)
            if made.done():
                return made.result()
        raise _cluster_gone(self._loss())

    def _loss(self) -> ConnectionError:
        return ConnectionError(self._watch.loss if self._watch is not None else "")

    def _new_actor(self) -> Any:
        import ray

        from gmat_sweep.backends.cluster.ray_actor import GmatActor

        return ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(GmatActor).remote(
            reuse_gmat_context=self._reuse,
            # On another machine the same names would be other folders.
            import_paths=import_paths() if self.is_local else [],
            hook_folders=handed_hook_folders() if self.is_local else {},
        )

    def _release(self) -> None:
        import ray

        self.take_back()
        if self._owns_ray:
            ray.shutdown()
            self._owns_ray = False


def _cluster_gone(error: BaseException) -> BackendError:
    (said, *_) = str(error).splitlines() or [type(error).__name__]
    return BackendError(
        f"The Ray cluster is lost ({said}). What has ended is recorded: resume the sweep once a "
        "cluster runs."
    )
