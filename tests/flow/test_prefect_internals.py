"""What `prefect_internals` relies on is still in Prefect: a test for each use.

One that fails names what a release has taken away. No server is started.
"""

from __future__ import annotations

import ast
import inspect
import logging
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import get_args
from uuid import uuid4

import prefect
import pytest
import uvicorn
from prefect import flow, task, task_engine
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.orchestration.routes import ServerRoutes
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.context import FlowRunContext
from prefect.events import Event, Resource
from prefect.events.clients import NullEventsClient, PrefectEventsClient
from prefect.events.worker import EventsWorker
from prefect.exceptions import TerminationSignal
from prefect.logging.handlers import APILogWorker
from prefect.logging.loggers import flow_run_logger, task_run_logger
from prefect.runtime import flow_run as this_flow_run
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.names import generate_slug
from prefect.workers.process import ProcessJobConfiguration
from prefect_dask import DaskTaskRunner
from prefect_ray import RayTaskRunner

from gmat_sweep.flow import prefect_internals as internals
from gmat_sweep.flow.runners.dask import SweepDaskTaskRunner
from gmat_sweep.flow.runners.ray import SweepRayTaskRunner
from gmat_sweep.flow.runners.threads import InThreads, SweepThreads
from gmat_sweep.flow.server import recorded_on
from gmat_sweep.flow.servers.shared import SERVER_ENVIRONMENT

TELLS = "emit_task_run_state_change_event"
NOBODY = "http://127.0.0.1:1/api"


def an_event() -> Event:
    """Return an event that is never sent."""
    return Event(event="none", resource=Resource({"prefect.resource.id": "none"}))


@pytest.fixture
def unsent(monkeypatch: pytest.MonkeyPatch) -> Iterator[EventsWorker]:
    """An events worker of Prefect's that does not send its two events."""
    worker = EventsWorker(NullEventsClient, ())  # type: ignore[arg-type]
    for _ in range(2):
        worker.send(an_event())
    with monkeypatch.context() as patch:
        patch.setattr(EventsWorker, "_instances", {1: worker})
        yield worker


@pytest.fixture
def context() -> Iterator[FlowRunContext]:
    """The context of a flow run, as Prefect makes it."""

    @flow(name="probe")
    def nothing() -> None:
        pass

    made = FlowRunContext.model_construct(
        flow=nothing, flow_run=FlowRun(flow_id=uuid4()), task_run_assets={}
    )
    with made:
        yield made


class TestTheServer:
    """A Prefect server that lives beside a sweep."""

    def test_prefects_server_still_has_its_api_and_its_ui_made_by_these_functions(self) -> None:
        # Read and not imported, which takes five seconds.
        source = (Path(str(prefect.__file__)).parent / "server/api/server.py").read_text()
        made_by = {
            node.name: node
            for node in ast.parse(source).body
            if isinstance(node, ast.FunctionDef) and node.name in ("create_app", "create_ui_app")
        }
        create_app = made_by["create_app"].args

        assert len(create_app.defaults) == len(create_app.args)
        assert "ephemeral" in [each.arg for each in create_app.args]
        assert [each.arg for each in made_by["create_ui_app"].args.args] == ["ephemeral"]
        final = 'os.getenv("PREFECT__SERVER_FINAL")'
        assert final in str(ast.get_source_segment(source, made_by["create_app"]))
        assert Path(str(prefect.__ui_static_subpath__)).parent.is_dir()

    def test_every_setting_of_the_local_server_still_exists(self) -> None:
        read_elsewhere = {"DO_NOT_TRACK", "PREFECT__SERVER_FINAL"}
        names = {*SERVER_ENVIRONMENT} - read_elsewhere

        assert len(names) > 8
        assert [name for name in names if not hasattr(prefect.settings, name)] == []

    def test_uvicorn_still_has_the_options_of_the_servers_program(self) -> None:
        config = inspect.signature(uvicorn.Config).parameters

        assert {"log_level", "lifespan", "timeout_graceful_shutdown"} <= {*config}
        assert "sockets" in inspect.signature(uvicorn.Server.startup).parameters

    def test_prefects_server_still_has_to_run_in_another_folder_than_the_users(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """If this fails, `server_folder` and `with_whole_paths` can go."""
        settings = Path(str(prefect.__file__)).parent / "server/database/alembic.ini"
        assert "\nprepend_sys_path = .\n" in settings.read_text()
        assert (internals.server_folder() / "prefect/__init__.py").is_file()

        monkeypatch.chdir(tmp_path)
        url = "sqlite+aiosqlite:///"
        given = {
            "PREFECT_HOME": "home",
            "PREFECT_LOGGING_CONFIG_PATH": "../logging.yml",
            "PREFECT_API_DATABASE_CONNECTION_URL": f"{url}./a b/x.db?timeout=1",
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"{url}/abs.db",
            "PREFECT_TEST": f"{url}:memory:",
            "HOME": "home",
        }
        assert internals.with_whole_paths(given) == given | {
            "PREFECT_HOME": f"{tmp_path}/home",
            "PREFECT_LOGGING_CONFIG_PATH": f"{tmp_path}/../logging.yml",
            "PREFECT_API_DATABASE_CONNECTION_URL": f"{url}{tmp_path}/a b/x.db?timeout=1",
        }

    def test_prefects_settings_can_still_be_told_as_environment_variables(self) -> None:
        assert PREFECT_CLIENT_MAX_RETRIES.name not in internals.settings_as_environment()
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 7}):
            told = internals.settings_as_environment()

        assert told[PREFECT_CLIENT_MAX_RETRIES.name] == "7"

    def test_prefects_server_still_counts_task_runs_at_that_path(self) -> None:
        assert "/task_runs/count" in get_args(ServerRoutes)
        inspect.signature(SyncPrefectClient.request).bind(None, "POST", "/task_runs/count", json={})

    def test_prefects_filters_still_have_the_form_in_which_task_runs_are_counted(self) -> None:
        flow_run = uuid4()
        of_flow_run = FlowRunFilter.model_validate({"id": {"any_": [str(flow_run)]}})
        in_state = TaskRunFilter.model_validate({"state": {"type": {"any_": ["COMPLETED"]}}})

        assert of_flow_run.model_dump(exclude_unset=True) == {"id": {"any_": [flow_run]}}
        assert in_state.model_dump(mode="json", exclude_unset=True) == {
            "state": {"type": {"any_": ["COMPLETED"]}}
        }


class TestUnsentEvents:
    """Events that Prefect holds until they are sent."""

    def test_prefects_events_worker_still_keeps_unsent_events_in_a_queue_of_that_name(
        self, unsent: EventsWorker
    ) -> None:
        assert isinstance(unsent._queue, queue.Queue)
        assert internals.number_unsent() == 2

    def test_prefect_still_waits_until_all_events_that_were_put_are_done(
        self, unsent: EventsWorker
    ) -> None:
        internals.drop_unsent()

        assert internals.number_unsent() == 0
        assert unsent._queue.unfinished_tasks == 0
        unsent.wait_until_empty()

    def test_prefects_events_worker_still_waits_with_that_method_and_takes_what_is_there_without(
        self, unsent: EventsWorker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits: list[float] = []
        monkeypatch.setattr(internals, "time", SimpleNamespace(sleep=waits.append))
        for _ in range(2):
            internals.gather_events(0.25)
        first, second = unsent._queue.get(timeout=None), unsent._queue.get_nowait()
        assert None not in (first, second)
        # Once, though it was asked for twice, and not for what is there already.
        assert waits == [0.25]

        # The order to end is not held up.
        unsent._queue.put(None)
        assert unsent._queue.get(timeout=None) is None
        assert waits == [0.25]
        source = inspect.getsource(EventsWorker._get_item)
        assert "self._queue.get_nowait()" in source
        assert "create_call(self._queue.get, timeout=timeout)" in source

    def test_prefects_events_client_still_reads_how_often_it_tries_from_that_attribute(
        self, unsent: EventsWorker
    ) -> None:
        client = PrefectEventsClient(NOBODY, reconnection_attempts=3)
        unsent._client = client
        assert client._reconnection_attempts == 3
        internals.drop_unsent()

        assert client._reconnection_attempts == 0
        assert "range(self._reconnection_attempts + 1)" in inspect.getsource(client._emit)

    def test_prefects_events_workers_are_still_found_in_a_dictionary_of_that_name(self) -> None:
        with temporary_settings({PREFECT_API_URL: NOBODY}):
            worker = EventsWorker.instance(NullEventsClient)
        try:
            assert worker in EventsWorker._instances.values()  # type: ignore[misc]
        finally:
            worker.drain()

    def test_prefects_workers_for_logs_are_still_in_the_same_dictionary(self) -> None:
        kept: list[object] = [EventsWorker._instances, APILogWorker._instances]  # type: ignore[misc]

        assert kept[0] is kept[1]


class TestWhatIsKeptOfATaskRun:
    """What Prefect keeps of each task run."""

    def test_prefects_thread_runner_still_keeps_cancel_events_under_that_name(self) -> None:
        assert ThreadPoolTaskRunner()._cancel_events == {}

    def test_prefects_flow_run_context_still_keeps_assets_by_task_run(self) -> None:
        field = FlowRunContext.model_fields["task_run_assets"]

        assert str(field.annotation).startswith("dict[uuid.UUID, ")

    def test_what_is_kept_can_still_be_let_go(self, context: FlowRunContext) -> None:
        runner, ended, under_way = SweepThreads(1), uuid4(), uuid4()
        for task_run in (ended, under_way):
            runner._cancel_events[task_run] = threading.Event()
            context.task_run_assets[task_run] = set()
        internals.forget_task_run(runner, ended)

        assert [*runner._cancel_events] == [*context.task_run_assets] == [under_way]


def test_prefects_task_engine_still_tells_states_by_that_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ours begin with Running, which follows nothing; other tasks of the process as before."""
    sent: list[Event] = []
    monkeypatch.setattr(EventsWorker, "send", lambda _, event: sent.append(event))
    monkeypatch.setattr(task_engine, TELLS, getattr(task_engine, TELLS))

    @task
    def ours() -> int:
        return 1

    @task
    def theirs() -> int:
        return 2

    for _ in range(2):
        internals.leave_out_pending(ours)

    @flow
    def both() -> tuple[int, int]:
        return ours(), theirs()

    with recorded_on():
        assert both() == (1, 2)
    told = {
        name: [each for each in sent if each.resource["prefect.resource.name"].startswith(name)]
        for name in ("ours", "theirs")
    }
    states = {
        name: [each.event.removeprefix("prefect.task-run.") for each in events]
        for name, events in told.items()
    }
    assert states == {
        "ours": ["Running", "Completed"],
        "theirs": ["Pending", "Running", "Completed"],
    }
    assert [each.follows is None for each in told["ours"]] == [True, False]


class TestTheFlowRun:
    """The flow run that is under way."""

    def test_prefects_context_still_has_the_flow_run_and_the_flow(
        self, context: FlowRunContext
    ) -> None:
        assert context.flow_run is not None
        assert internals.flow_run_under_way() == (context.flow_run.id, "probe")
        assert this_flow_run.id == str(context.flow_run.id)

    def test_a_child_of_a_flow_runs_process_is_still_in_no_flow_run(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PREFECT__FLOW_RUN_ID", flow_run_id := str(uuid4()))

        assert internals.flow_run_under_way() is None
        assert this_flow_run.id == flow_run_id

    def test_only_the_process_of_prefects_engine_is_the_flow_run_it_was_started_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(flow_run_id := uuid4()))
        assert internals.flow_run_of_this_process() is None

        command = ProcessJobConfiguration._base_flow_run_command()
        spec = find_spec(command.removeprefix("python -m "))
        monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
        assert internals.flow_run_of_this_process() == flow_run_id

        monkeypatch.delenv("PREFECT__FLOW_RUN_ID")
        assert internals.flow_run_of_this_process() is None

    def test_prefect_still_raises_a_termination_signal_that_is_no_exception(self) -> None:
        signal = TerminationSignal(signal=15)

        assert internals.is_termination(signal)
        assert not isinstance(signal, Exception)


class TestLogs:
    """Prefect's loggers and handlers."""

    def test_prefects_loggers_of_runs_still_have_these_names(self) -> None:
        task_run = TaskRun(task_key="probe", dynamic_key="0", flow_run_id=uuid4())
        of_task_run = task_run_logger(task_run, flow_run=FlowRun(flow_id=uuid4()), flow=None)
        of_flow_run = flow_run_logger(FlowRun(flow_id=uuid4()))

        assert of_task_run.logger.name == internals.TASK_RUN_LOGGER
        assert of_flow_run.logger.name in internals.RUN_LOGGERS

    def test_prefect_still_reads_a_file_for_its_set_up_of_logging_and_does_so_once(self) -> None:
        program = (
            "import logging, sys\n"
            "from gmat_sweep.flow.prefect_internals import loaded_without_logging\n"
            "mine = logging.FileHandler('/dev/null', mode='w')\n"
            "print(loaded_without_logging(), 'prefect.main' in sys.modules)\n"
            "print(logging.root.handlers, mine._closed, loaded_without_logging())\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

        assert done.stdout.splitlines() == ["True True", "[] False True"], done.stderr

    def test_the_program_still_sets_prefects_logging_up_by_its_own_first_import(self) -> None:
        program = (
            "import logging, sys\n"
            "from gmat_sweep.flow.prefect_internals import (\n"
            "    leave_first_load_to_the_program, loaded_without_logging)\n"
            "def is_set_up():\n"
            "    return bool(logging.root.handlers)\n"
            "for _ in range(2):\n"
            "    loaded_without_logging()\n"
            "    leave_first_load_to_the_program()\n"
            "    print(is_set_up(), 'prefect.main' in sys.modules)\n"
            "import prefect\n"
            "prefect.flow\n"
            "print(is_set_up(), loaded_without_logging())\n"
            "leave_first_load_to_the_program()\n"
            "print('prefect.main' in sys.modules)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

        assert done.stdout.splitlines() == ["False False", "False False", "True False", "True"], (
            done.stderr
        )

    def test_prefects_own_loggers_of_runs_still_have_such_a_handler(self) -> None:
        sender = internals.server_log_handler()

        for name in internals.RUN_LOGGERS:
            assert type(sender) in map(type, logging.getLogger(name).handlers)


class TestTaskRunners:
    """What the task runners override, which is Prefect's public extension point."""

    @pytest.mark.parametrize("ours", [SweepThreads, InThreads])
    def test_prefect_still_submits_a_task_with_these_arguments(self, ours: type) -> None:
        theirs = inspect.signature(TaskRunner.submit).parameters

        assert [*inspect.signature(ours.submit).parameters] == [*theirs]  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        ("name", "arguments"),
        [("duplicate", ()), ("__enter__", ()), ("__exit__", (None, None, None))],
    )
    @pytest.mark.parametrize("runner", [TaskRunner, DaskTaskRunner, RayTaskRunner])
    def test_prefect_still_starts_and_ends_a_task_runner_with_these_arguments(
        self, runner: type, name: str, arguments: tuple[None, ...]
    ) -> None:
        inspect.signature(getattr(runner, name)).bind(None, *arguments)

    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [(SweepDaskTaskRunner, DaskTaskRunner), (SweepRayTaskRunner, RayTaskRunner)],
    )
    def test_prefects_cluster_runners_are_still_task_runners_behind_ours(
        self, ours: type, theirs: type
    ) -> None:
        order = ours.__mro__

        assert order.index(InThreads) < order.index(theirs) < order.index(TaskRunner)

    def test_prefects_dask_runner_still_connects_only_when_its_client_is_asked_for(self) -> None:
        with DaskTaskRunner(address="tcp://127.0.0.1:1") as runner:
            assert runner._client is None
            assert isinstance(type(runner).client, property)

    def test_prefects_dask_runner_still_ends_a_cluster_before_the_task_runner(self) -> None:
        class Probe(DaskTaskRunner):  # type: ignore[misc, unused-ignore]
            pass

        was_started: list[bool] = []
        with Probe(address="tcp://127.0.0.1:1") as runner:
            # Its cluster and its client are closed like this.
            runner._exit_stack.callback(lambda: was_started.append(runner._started))

        assert was_started == [True]
        assert not runner._started

    def test_prefects_ray_runner_still_starts_ray_in_enter_and_ends_only_its_own(self) -> None:
        started = inspect.getsource(RayTaskRunner.__enter__)
        ended = inspect.getsource(RayTaskRunner.__exit__)

        assert started.index("ray.is_initialized()") < started.index("ray.init(")
        assert ended.index("self._owns_ray") < ended.index("ray.shutdown()")


def test_names_that_prefect_makes_are_told_from_those_that_somebody_gave() -> None:
    # What the server gives a flow run without a name.
    made = FlowRun(flow_id=uuid4()).name
    assert internals.is_automatic_name(made), made
    assert all(internals.is_automatic_name(generate_slug(2)) for _ in range(300))
    # As the forms of both UIs fill them in.
    forms = ("gamma258-thrihyrne", "beta-canis-majoris", "psi4-umbar-nebula", "Generic-Shichi")
    assert [name for name in forms if not internals.is_automatic_name(name)] == []
    given = (
        "night-run", "injection monte-carlo n=6", "case-12", "dark", "a-b-c", "", "Dark-Horse",
        "delta-v", "alpha-case", "sigma3-check", "Generic-Mission", "injection-2026",
    )  # fmt: skip
    assert [name for name in given if internals.is_automatic_name(name)] == []


def test_the_forms_of_both_uis_make_names_of_the_lists_that_are_known() -> None:
    second = "".join(
        path.read_text(encoding="utf-8")
        for path in (prefect.__ui_v2_static_path__ / "assets").glob("*.js")
        if "Aardwolf" in path.read_text(encoding="utf-8")
    )
    [adjectives] = re.findall(r"=\[((?:`[A-Z][a-z]+`,)*`Generic`[^]]*)\]", second)
    for word in adjectives.replace("`", "").split(","):
        assert internals.is_automatic_name(f"{word}-Zebu"), word
