"""What `dask_internals` relies on is still in Dask: a test for each use.

One that fails names what a release has taken away. No cluster is started.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import subprocess
import sys
from typing import Any, get_args

import pytest
from dask.system import CPU_COUNT
from distributed import Adaptive, KilledWorker, Nanny, Scheduler, SpecCluster, Worker, get_worker
from distributed.broker import Broker
from distributed.cli.dask_spec import main as dask_spec
from distributed.core import Status
from distributed.deploy import Cluster
from distributed.deploy.subprocess import SubprocessWorker
from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin
from distributed.protocol import pickle
from distributed.scheduler import SchedulerState, TaskState
from distributed.worker_state_machine import TaskStateState, WorkerState
from tornado.ioloop import IOLoop

from gmat_sweep.backends.cluster import dask_internals as internals
from gmat_sweep.backends.cluster.dask_local import LocalWorkers

LOG = logging.getLogger(__name__)

# A scheduler on a host without this package; it listens nowhere.
SCHEDULERS_SIDE = """
import asyncio, sys
sys.modules["gmat_sweep"] = None
from distributed import Scheduler
from distributed.protocol import pickle

async def main():
    plugin = pickle.loads(bytes.fromhex(sys.argv[1]))
    scheduler = Scheduler(port=0, dashboard=False, allowed_failures=3)
    await plugin.start(scheduler)
    scheduler.add_plugin(plugin)
    task = scheduler.new_task("run-1", None, "released")
    for topic in ("run-begun", "run-replies", "another's"):
        scheduler.log_event(topic, "run-1")
    print(task.suspicious, *(len(scheduler.get_events(topic)) for topic in (
        "run-begun", "run-replies", "another's"
    )))

asyncio.run(main())
"""


def unstarted(*, group: list[str] | None = None) -> SpecCluster:
    """Return a cluster that is to have a job and has started none; call it in an event loop."""
    spec: dict[str, Any] = {"cls": SubprocessWorker, "options": {}}
    if group is not None:
        spec["group"] = group
    cluster = SpecCluster(workers={7: spec}, worker=spec, asynchronous=True)
    # So that it may be thrown away.
    cluster.status = Status.closed
    return cluster


class TestTheSchedulersPlugin:
    """What `one_chance` finds in a scheduler, and how it gets there."""

    def test_dask_still_sends_by_value_a_plugin_that_empties_topics_and_gives_tasks_one_chance(
        self,
    ) -> None:
        sent = pickle.dumps(internals.one_chance("run-begun", "run-"))
        done = subprocess.run(
            [sys.executable, "-c", SCHEDULERS_SIDE, sent.hex()],
            capture_output=True,
            text=True,
            check=False,
        )

        # What is left of three topics with an event each.
        assert done.stdout.split() == ["3", "0", "0", "1"], done.stderr

    def test_dask_still_tells_a_schedulers_plugin_of_its_start_and_of_events(self) -> None:
        inspect.signature(SchedulerPlugin.start).bind(None, "scheduler")
        inspect.signature(SchedulerPlugin.log_event).bind(None, "topic", "message")

    def test_dasks_scheduler_still_has_a_broker_whose_topics_can_be_emptied(self) -> None:
        assert "self._broker = Broker(" in inspect.getsource(Scheduler)
        broker = Broker(5, None)  # type: ignore[arg-type, unused-ignore]
        broker._topics["run-begun"].events.append((0.0, "run-1"))
        broker.truncate("run-begun")

        assert broker.get_events("run-begun") == ()

    def test_dasks_scheduler_still_finds_tasks_by_key(self) -> None:
        assert SchedulerState.__annotations__["tasks"] == "dict[Key, TaskState]"

    def test_dasks_scheduler_still_gives_a_task_up_that_is_suspicious_too_often(self) -> None:
        source = inspect.getsource(Scheduler)

        assert TaskState.__annotations__["suspicious"] == "int"
        assert "self.allowed_failures = allowed_failures" in source
        assert "ts.suspicious > self.allowed_failures" in source

    def test_dask_still_says_which_worker_killed_a_task(self) -> None:
        assert KilledWorker("run-1", "worker", 3).last_worker == "worker"


class TestTheWorkersPlugin:
    """What `GmatWorkers` finds in a worker."""

    def test_dasks_workers_still_know_their_threads_in_their_state(self) -> None:
        assert WorkerState(nthreads=3).nthreads == 3
        assert "self.state" in inspect.getsource(Worker)

    def test_dasks_workers_still_have_these_states_of_tasks(self) -> None:
        assert {"executing", "released"} <= {*get_args(TaskStateState)}
        assert internals.is_taken_back("executing", "released")
        assert not internals.is_taken_back("executing", "memory")

    def test_dask_still_tells_a_workers_plugin_of_these(self) -> None:
        inspect.signature(WorkerPlugin.setup).bind(None, "worker")
        inspect.signature(WorkerPlugin.teardown).bind(None, "worker")
        inspect.signature(WorkerPlugin.transition).bind(None, "run-1", "executing", "released")

    def test_dasks_workers_still_log_events(self) -> None:
        inspect.signature(Worker.log_event).bind(None, "topic", "message")

    def test_dasks_workers_still_have_a_loop_that_other_threads_may_ask_to_call(self) -> None:
        assert Worker.__annotations__["loop"] == "IOLoop"
        assert callable(IOLoop.add_callback)
        assert callable(IOLoop.call_later)

    def test_dask_still_finds_a_workers_plugins_by_name(self) -> None:
        assert Worker.__annotations__["plugins"] == "dict[str, WorkerPlugin]"
        inspect.signature(get_worker).bind()


class TestClusters:
    """What is read of a cluster that scales."""

    def test_dasks_clusters_still_keep_how_they_adapt_under_that_name(self) -> None:
        async def most() -> list[float | None]:
            cluster = unstarted()
            before = internals.most_workers(cluster)
            adaptive = Cluster.adapt(cluster, minimum=0, maximum=4, interval="1h")
            after = internals.most_workers(cluster)
            adaptive.stop()
            return [before, after]

        assert asyncio.run(most()) == [None, 4]

    def test_what_is_no_cluster_of_dasks_does_not_grow(self) -> None:
        assert internals.most_workers(None) is None

    @pytest.mark.parametrize(("group", "workers"), [(None, {7}), (["-0", "-1"], {"7-0", "7-1"})])
    def test_dasks_clusters_still_know_their_jobs_and_the_names_of_their_workers(
        self, group: list[str] | None, workers: set[Any]
    ) -> None:
        async def jobs() -> tuple[list[internals.Job], set[Any]]:
            cluster = unstarted(group=group)
            return [*internals.jobs_of(cluster)], cluster.plan

        assert asyncio.run(jobs()) == ([internals.Job(7, workers, None)], workers)

    def test_dasks_clusters_still_keep_what_was_started_by_the_name_of_the_job(self) -> None:
        async def process() -> object:
            cluster = unstarted()
            cluster.workers[7] = "started"
            (job,) = internals.jobs_of(cluster)
            return job.process

        assert asyncio.run(process()) == "started"

    def test_dasks_clusters_still_know_the_workers_that_are_here(self) -> None:
        async def here() -> tuple[set[Any], set[Any]]:
            cluster = unstarted()
            before = internals.workers_here(cluster)
            cluster.scheduler_info["workers"]["tcp://127.0.0.1:1"] = {"name": 7}
            # `observed` is Dask's own reading of the same record.
            assert cluster.observed == internals.workers_here(cluster)
            return before, internals.workers_here(cluster)

        assert asyncio.run(here()) == (set(), {7})

    def test_dasks_clusters_still_take_a_class_by_which_they_adapt(self) -> None:
        for cluster in (Cluster, SpecCluster):
            inspect.signature(cluster.adapt).bind(None, Adaptive=Adaptive, minimum=1, maximum=1)

    def test_dask_still_adapts_by_these_coroutines(self) -> None:
        assert inspect.iscoroutinefunction(Adaptive.target)
        assert inspect.iscoroutinefunction(Adaptive.adapt)
        assert inspect.iscoroutinefunction(SpecCluster.scale_down)


class TestLocalWorkers:
    """What the cluster of this machine is made of."""

    def test_dasks_clusters_still_take_what_the_local_one_gives(self) -> None:
        inspect.signature(SpecCluster).bind(
            workers={}, worker={}, scheduler={}, name="gmat-sweep", silence_logs=50
        )
        assert issubclass(LocalWorkers, SpecCluster)

    def test_dasks_workers_still_take_the_options_of_the_local_ones(self) -> None:
        options = ("host", "nthreads", "memory_limit", "silence_logs", "local_directory", "name")
        known = {name for kind in (Nanny, Worker) for name in inspect.signature(kind).parameters}

        assert {*options, "dashboard"} <= known

    def test_dask_still_shares_memory_out_by_threads(self) -> None:
        whole = internals.memory_limit(CPU_COUNT, CPU_COUNT, LOG)
        half = internals.memory_limit(1, 2, LOG)

        assert whole is not None
        assert half == whole // 2

    def test_dask_still_starts_a_worker_that_is_a_program_by_that_method(self) -> None:
        assert inspect.iscoroutinefunction(SubprocessWorker._start)
        assert "await self._start()" in inspect.getsource(SubprocessWorker.start)

    def test_dask_still_gives_a_program_what_its_command_is_made_of(self) -> None:
        class Probe(internals.WorkerProgram):  # type: ignore[misc, unused-ignore]
            async def launch(self) -> asyncio.subprocess.Process:
                raise NotImplementedError

        probe = Probe("tcp://127.0.0.1:1", name="7", worker_kwargs={"nthreads": 2})
        *command, spec = probe.command(local_directory="/there")

        assert probe.process is None
        python = [sys.executable, "-P"]
        assert command == [*python, "-m", "dask", "spec", probe.scheduler, "--spec"]
        assert json.loads(spec) == {
            "cls": "distributed.Nanny",
            "opts": {"nthreads": 2, "local_directory": "/there", "name": "7"},
        }

    def test_dasks_command_spec_still_takes_a_scheduler_and_a_spec(self) -> None:
        known = {option for each in dask_spec.params for option in each.opts}

        assert {"--spec", "args"} <= known
