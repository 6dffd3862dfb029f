"""All uses that this package makes of Dask beyond its public API.

Dask does not promise to keep any of these parts. Some begin with an underscore; some are attributes
of the scheduler, of a Dask worker or of a cluster that no page documents. `tests/test_layers.py`
fails if another module names a private part of Dask. Each use has a test in
`tests/backends/cluster/test_dask_internals.py`, which fails when a release takes it away.

Four of the functions are called on Dask workers, which have this package in the same version and
find the functions by name. A scheduler may lack this package. Only the plugin of `one_chance` is
sent to it, by value.
"""

from __future__ import annotations

import asyncio
import json
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distributed import SchedulerPlugin
from distributed.deploy.subprocess import SubprocessWorker
from distributed.worker_memory import parse_memory_limit

from gmat_sweep.import_places import python_command

if TYPE_CHECKING:
    import logging

    from distributed import SpecCluster, Worker, WorkerPlugin
    from distributed.deploy import ProcessInterface

__all__ = [
    "Job",
    "WorkerProgram",
    "call_later",
    "is_taken_back",
    "jobs_of",
    "memory_limit",
    "most_workers",
    "one_chance",
    "plugin_here",
    "threads_of",
    "workers_here",
]


def one_chance(begun: str, key_prefix: str) -> SchedulerPlugin:
    """Return a plugin by which the scheduler gives up a task whose Dask worker dies in mid-task.

    Dask starts such a task again until ``allowed-failures`` of its workers have died. That setting
    belongs to the scheduler, and counts a task that only waited on the worker, too. So the plugin
    sets the task's own count of suspicions, which decides for this one task.

    The plugin also empties the topics of a pool. Dask's setting for their length
    (``distributed.admin.low-level-log-length``) is the scheduler's and holds for all topics.

    A scheduler may lack this package. So the plugin names nothing of this module but the arguments,
    and claims to be of ``__main__``: Dask would send a class that is found by its module by name.

    Parameters
    ----------
    begun : str
        Topic of the events by which workers say that they begin with a task; each is a key.
    key_prefix : str
        What the names of the pool's topics begin with.
    """

    class OneChance(SchedulerPlugin):
        def __init__(self) -> None:
            self.scheduler: Any = None

        async def start(self, scheduler: Any) -> None:
            self.scheduler = scheduler

        def log_event(self, topic: str, said: Any) -> None:
            if not topic.startswith(key_prefix):
                return
            task = self.scheduler.tasks.get(said) if topic == begun else None
            if task is not None:
                task.suspicious = self.scheduler.allowed_failures
            # Dask would keep the last hundred thousand events, replies included.
            self.scheduler._broker.truncate(topic)

    OneChance.__module__ = "__main__"
    return OneChance()


def threads_of(worker: Worker) -> int:
    """Return how many tasks a Dask worker has at once; called on the Dask worker.

    `Client.nthreads` tells the number to clients only.
    """
    threads: int = worker.state.nthreads
    return threads


def is_taken_back(start: str, finish: str) -> bool:
    """Return whether a Dask worker was executing a task that is not wanted any more; called there.

    Dask warns that the names of states may change. Nothing else tells a Dask worker that a task
    which it executes was cancelled.
    """
    return start == "executing" and finish == "released"


def call_later(worker: Worker, seconds: float, function: Callable[[], None]) -> None:
    """Have a Dask worker's event loop call a function after a while; called by any thread there.

    A thread that only waits would do as well, but there would be one for every batch.
    """
    worker.loop.add_callback(worker.loop.call_later, seconds, function)


def plugin_here(name: str) -> WorkerPlugin:
    """Return the plugin of that name of the Dask worker that executes the calling task.

    `Client.register_plugin` gives a plugin to a Dask worker; Dask has no function to find it there.
    """
    from distributed import get_worker

    return get_worker().plugins[name]


def most_workers(cluster: Any) -> float | None:
    """Return to how many workers a cluster may grow by itself; None where it does not.

    ``adapt`` returns the object that knows the number, but prefect-dask calls ``adapt`` and does
    not keep that object. A cluster class that is not Dask's has no such attribute.
    """
    adaptive = getattr(cluster, "_adaptive", None)
    return None if adaptive is None else adaptive.maximum


@dataclass(frozen=True, slots=True)
class Job:
    """The unit that a cluster starts and ends: a Dask worker, or a queue job with several.

    Attributes
    ----------
    name : str or int
        Name of the unit.
    workers : set
        The names of its Dask workers.
    process : ProcessInterface or None
        The object that the cluster has started for it; None while it has started none.
    """

    name: Any
    workers: set[Any]
    process: ProcessInterface | None


def jobs_of(cluster: SpecCluster) -> Iterator[Job]:
    """Yield the jobs that a cluster is to have.

    `SpecCluster.plan` has the names of all Dask workers, but not which of them share a job.
    """
    for name, spec in cluster.worker_spec.items():
        workers = {f"{name}{suffix}" for suffix in spec["group"]} if "group" in spec else {name}
        yield Job(name, workers, cluster.workers.get(name))


def workers_here(cluster: SpecCluster) -> set[Any]:
    """Return the names of the Dask workers that the scheduler has, as the cluster last heard.

    `Client.scheduler_info` would ask the scheduler, but the cluster has no client.
    """
    return {worker["name"] for worker in cluster.scheduler_info["workers"].values()}


def memory_limit(threads: int, of_threads: int, log: logging.Logger) -> int | None:
    """Return the memory of a Dask worker in bytes: its share, by threads, of this machine's memory.

    A Dask worker with ``memory_limit="auto"`` takes its share by the cores of the machine. The Dask
    workers of a small cluster would have too little, those of a large one too much.
    """
    limit: int | None = parse_memory_limit("auto", threads, of_threads, logger=log)
    return limit


class WorkerProgram(SubprocessWorker):
    """A Dask worker of a `SpecCluster` that is a program; a subclass launches it.

    Dask's class starts the program with the environment, in the process group and with the standard
    input of this process, and has no argument to change that.
    """

    @abstractmethod
    async def launch(self) -> asyncio.subprocess.Process:
        """Start `command`; return its process."""

    def command(self, **options: Any) -> list[str]:
        """Return the command that starts the Dask worker, with further options for it.

        ``dask worker`` is the public command, but it lacks some options of a Dask worker.
        """
        options = {**self.worker_kwargs, **options, "name": self.name}
        spec = json.dumps({"cls": self.worker_class, "opts": options})
        return [*python_command(), "-m", "dask", "spec", self.scheduler, "--spec", spec]

    async def _start(self) -> None:
        self.process = await self.launch()
