"""All uses that this package makes of Prefect beyond its public API.

The functions import Prefect when they are called, so that the local server can start before the
rest of Prefect is loaded. `tests/flow/test_prefect_internals.py` has a test for each use, which
fails when a release of Prefect takes it away. `tests/test_layers.py` fails if another module names
a private part of Prefect.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from gmat_sweep.flow.servers.record import basic_authorization
from gmat_sweep.import_places import python_command

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import State, TaskRun
    from prefect.task_runners import ThreadPoolTaskRunner
    from prefect.tasks import Task

__all__ = [
    "LOCAL_SERVER",
    "RUN_LOGGERS",
    "TASK_RUN_LOGGER",
    "call_before_prefect_ends",
    "count_of_task_runs",
    "drop_unsent",
    "flow_run_of_this_process",
    "flow_run_under_way",
    "forget_task_run",
    "gather_events",
    "is_automatic_name",
    "is_termination",
    "leave_first_load_to_the_program",
    "leave_out_pending",
    "load_engines",
    "loaded_without_logging",
    "no_result",
    "number_unsent",
    "server_app",
    "server_command",
    "server_folder",
    "server_log_handler",
    "settings_as_environment",
    "try_events",
    "with_whole_paths",
]

LOCAL_SERVER = {
    # Prefect saves memory where its server is the only one of a process.
    "PREFECT__SERVER_FINAL": "1",
    # The UI asks the API at the address that it has itself, whatever tunnel it came through.
    "PREFECT_SERVER_UI_API_URL": "/api",
    "PREFECT_SERVER_UI_ENABLED": "true",
    # Settings of a server that the user has behind a proxy.
    "PREFECT_SERVER_UI_SERVE_BASE": "/",
    "PREFECT_SERVER_API_BASE_PATH": "/api",
    # Nothing here uses blocks, and to know whether they are up to date Prefect loads every
    # collection: Dask and Ray are two of them.
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
}
"""Environment of the local server.

Settings could turn off one by one the services that only a server with deployments needs. A
release that adds a service would start it, so `server_app` asks for Prefect's temporary server.
"""

TASK_RUN_LOGGER = "prefect.task_runs"
"""Name of the logger of task runs, which reaches the server as the task run's log.

`get_run_logger` finds it only inside a run, and gives no hold on its level.
"""

RUN_LOGGERS = ("prefect.flow_runs", TASK_RUN_LOGGER)
"""Names of the loggers of flow runs and task runs, whose records reach the server.

Prefect's settings turn a logger off altogether; they cannot turn it off on the terminal alone.
"""

_NO_LOGGING = Path(__file__).with_name("no_logging.yml")
_MAIN = "prefect.main"
# That module as this package loaded it, for the next sweep.
_kept: dict[str, ModuleType] = {}


_PATH_SETTINGS = ("PROFILES_PATH", "CONFIG_PATH", "SETTINGS_PATH", "STORAGE_PATH", "STORE_PATH")
_RELATIVE_DATABASE = re.compile(r"(sqlite\+aiosqlite:///)(?!/|:memory:|file:)(.+)")


_SERVER_PROGRAM = """\
import os, sys
if os.fork():
    os._exit(0)
sys.path.append(sys.argv.pop(1))
from gmat_sweep.flow.servers.program import main
main()
"""
_PACKAGE_FOLDER = str(Path(__file__).resolve().parent.parent.parent)


def server_command(order: str) -> list[str]:
    """Return the command that starts the local server and ends at once.

    ``prefect server start`` is the public command. It loads Prefect's command line first, which
    takes some 0.2 s of CPU more, and starts all services of a server that stays.
    """
    return [*python_command(), "-c", _SERVER_PROGRAM, _PACKAGE_FOLDER, order]


def server_app() -> tuple[Any, Callable[[], Any]]:
    """Return Prefect's API as an ASGI application, and a function that makes its UI.

    With `ephemeral`, Prefect leaves out the UI and the services that only a server with
    deployments needs. The UI alone has no public place: it is the one that Prefect's server has.
    """
    from prefect.server.api.server import create_app, create_ui_app

    return create_app(ephemeral=True), lambda: _ui(create_ui_app)


def _ui(create_ui_app: Callable[..., Any]) -> Any:
    """Make the UI, in Prefect's home if the folder that Prefect copies its pages to is not ours."""
    import prefect
    from prefect.settings import PREFECT_HOME, PREFECT_UI_STATIC_DIRECTORY, temporary_settings

    copy = Path(str(prefect.__ui_static_subpath__))
    is_ours = os.access(copy if copy.exists() else copy.parent, os.W_OK)
    if is_ours or PREFECT_UI_STATIC_DIRECTORY.value():
        return create_ui_app(ephemeral=False)
    pages = PREFECT_HOME.value() / "gmat-sweep" / "pages"
    with temporary_settings({PREFECT_UI_STATIC_DIRECTORY: str(pages)}):
        return create_ui_app(ephemeral=False)


def server_folder() -> Path:
    """Return the folder in which the server is to run: the one that Prefect is installed in.

    Prefect's server has Alembic put its current folder first in ``sys.path`` (``prepend_sys_path``
    in Prefect's ``alembic.ini``), so it must not be the user's.
    """
    import prefect

    assert prefect.__file__ is not None
    return Path(prefect.__file__).parent.parent


def with_whole_paths(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment of a server that runs in another folder, its paths made absolute."""

    def whole(name: str, value: str) -> str:
        if not name.startswith("PREFECT_"):
            return value
        if value and (name == "PREFECT_HOME" or name.endswith(_PATH_SETTINGS)):
            return str(Path(value).expanduser().absolute())
        if (found := _RELATIVE_DATABASE.match(value)) is not None:
            return f"{found[1]}{Path(found[2]).absolute()}"
        return value

    return {name: whole(name, value) for name, value in environment.items()}


def settings_as_environment() -> dict[str, str]:
    """Return the settings of this process, profile included, as environment variables.

    A child process reads its profile and its environment by itself, but not the settings that
    `temporary_settings` has changed here. Prefect documents no other way to hand these on.
    """
    from prefect.settings import get_current_settings

    return get_current_settings().to_environment_variables(exclude_unset=True)


def number_unsent() -> int:
    """Return how many events and log lines wait in this process to be sent.

    Prefect has no public function for it. Prefect keeps its senders of events and of log lines in
    one dictionary.
    """
    from prefect.events.worker import EventsWorker

    workers = tuple(EventsWorker._instances.values())  # type: ignore[misc]
    return sum(worker._queue.qsize() for worker in workers)


def try_events(attempts: int) -> None:
    """Set how often Prefect tries again to send an event; its ten times take seven seconds.

    Prefect has no setting for it. It waits between the attempts only after the fourth.
    """
    from prefect.events.clients import PrefectEventsClient
    from prefect.events.worker import EventsWorker

    for worker in tuple(EventsWorker._instances.values()):  # type: ignore[misc]
        # A sender has its client once it has begun.
        client = getattr(worker, "_client", None)
        if isinstance(client, PrefectEventsClient) and client._reconnection_attempts > attempts:
            client._reconnection_attempts = attempts


def gather_events(seconds: float) -> None:
    """Have Prefect's sender of events wait so long after an event, and then send all there are.

    Prefect has no setting for it. A thread waits for the next event and wakes the event loop, and
    for the events of a run of some milliseconds that costs as much as sending them. The
    sender takes events that wait already without that thread.
    """
    from prefect.events.worker import EventsWorker

    for worker in tuple(EventsWorker._instances.values()):  # type: ignore[misc]
        if isinstance(worker, EventsWorker) and "get" not in vars(worker._queue):
            vars(worker._queue)["get"] = _gathering(worker._queue.get, seconds)


def _gathering(get: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    def gathered(block: bool = True, timeout: float | None = None) -> Any:
        item = get(block, timeout)
        # None is the order to end.
        if block and item is not None:
            time.sleep(seconds)
        return item

    return gathered


def leave_out_pending(run: Task[..., Any]) -> None:
    """Have the server told of the task runs of a task when they begin, not when they are made.

    Prefect has no setting for it. A task run begins a millisecond after it was made, and its state
    Pending is a third of what the server does and keeps for it. An engine that goes on from a state
    that the server has tells every state.
    """
    engine = importlib.import_module("prefect.task_engine")
    emit = vars(engine)[_TELLS]
    if not isinstance(emit, _Emitting):
        emit = vars(engine)[_TELLS] = _Emitting(emit)
    emit.begin_at_running.add(run.task_key)


_TELLS = "emit_task_run_state_change_event"


class _Emitting:
    """Prefect's function that tells a task run's state, but for the first one of some tasks."""

    def __init__(self, emit: Callable[..., Any]) -> None:
        self._emit = emit
        self.begin_at_running: set[str] = set()

    def __call__(self, task_run: TaskRun, initial_state: State[Any] | None, **more: Any) -> Any:
        if initial_state is None and task_run.task_key in self.begin_at_running:
            # What follows has no event to follow.
            return None
        return self._emit(task_run=task_run, initial_state=initial_state, **more)


def drop_unsent() -> None:
    """Drop the events and log lines that wait in this process to be sent; try no event again.

    Prefect's `drain` would send them all, and wait until they are sent. This function marks each
    one as done, because Prefect's `wait_until_empty` waits until all that were ever put are done.
    """
    from prefect.events.worker import EventsWorker

    try_events(0)
    for worker in tuple(EventsWorker._instances.values()):  # type: ignore[misc]
        with contextlib.suppress(queue.Empty):
            while True:
                worker._queue.get_nowait()
                worker._queue.task_done()


def leave_senders_to_other_servers() -> None:
    """Have events and log lines sent to the server of Prefect's settings from now on.

    A process has one sender of events, whatever server is configured: with the next server, after
    the first has ended, task runs would never be recorded. One of log lines has the key that the
    server at its address had. Senders to other servers send what they have, and end.
    """
    from prefect.client.orchestration import PrefectClient
    from prefect.events.clients import PrefectEventsClient
    from prefect.events.worker import EventsWorker
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

    url, key = PREFECT_API_URL.value(), PREFECT_API_AUTH_STRING.value()
    header = basic_authorization(str(key)) if key else None
    for worker in tuple(EventsWorker._instances.values()):  # type: ignore[misc]
        # A sender has its client once it has begun.
        client = getattr(worker, "_client", None)
        if isinstance(client, PrefectEventsClient):
            if client._api_url == url and client._auth_token == key:
                continue
            client._reconnection_attempts = 0
            worker._stop()
        elif (
            # That of log lines: there is one for each address.
            isinstance(client, PrefectClient)
            and header is not None
            and client._client.headers.get("Authorization") != header
        ):
            worker._stop()


def call_before_prefect_ends(callback: Callable[[], None]) -> None:
    """Call `callback` when the program ends, while Prefect still sends what it is given.

    Python calls the functions of `atexit` only after it has waited for all threads. Prefect ends
    its senders by a private function of `threading`, which calls the newest first; there is no
    public one that comes before.
    """
    # The program may be ending already.
    with contextlib.suppress(RuntimeError):
        threading._register_atexit(callback)  # type: ignore[attr-defined]


def forget_task_run(runner: ThreadPoolTaskRunner[Any], task_run_id: UUID) -> None:
    """Free the two objects that Prefect keeps of an ended task run until its flow run ends.

    The task runner keeps an event by which the task run would be cancelled. The context of the flow
    run keeps the assets that the task run depends on. Prefect has no setting to free them earlier.
    """
    from prefect.context import FlowRunContext

    runner._cancel_events.pop(task_run_id, None)
    context = FlowRunContext.get()
    if context is not None:
        context.task_run_assets.pop(task_run_id, None)


@functools.cache
def no_result() -> Any:
    """Return what the state of a task run without a result holds as its result, one for all.

    Prefect keeps a record that a state has. It makes one for a state without, and for that resolves
    the path of the file in which the result would be.
    """
    # Not declared public there, but in the same place in all releases.
    from prefect.results import ResultRecord, ResultRecordMetadata  # type: ignore[attr-defined]
    from prefect.serializers import PickleSerializer

    metadata = ResultRecordMetadata(
        storage_key="no-result", expiration=None, serializer=PickleSerializer()
    )
    return ResultRecord(result=None, metadata=metadata)


def flow_run_under_way() -> tuple[UUID, str] | None:
    """Return the id of the flow run that this code runs in and its flow's name; None outside one.

    `prefect.runtime.flow_run` says the same inside a flow run. Outside one it reads
    ``PREFECT__FLOW_RUN_ID``, which the children of a flow run's process inherit, and asks the
    server for that flow run. A sweep in such a child has a flow run of its own.
    """
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    if context is None or context.flow is None or context.flow_run is None:
        return None
    return context.flow_run.id, context.flow.name


def flow_run_of_this_process() -> UUID | None:
    """Return the flow run that a Prefect worker or runner started this process for, if any.

    ``PREFECT__FLOW_RUN_ID`` names it, for the children of such a process, too: only the process of
    Prefect's engine is the flow run.
    """
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    named = os.environ.get("PREFECT__FLOW_RUN_ID")
    if named is None or main is None or main.name not in ("prefect.engine", "prefect.flow_engine"):
        return None
    return UUID(named)


def loaded_without_logging() -> bool:
    """Load Prefect without its set-up of logging; return False if the program has loaded it itself.

    Prefect has no setting to leave logging alone. It reads a file for its set-up, and an
    incremental set-up that names no logger and no handler changes none.
    """
    if _MAIN in sys.modules:
        return sys.modules[_MAIN] is _kept.get(_MAIN)
    if _MAIN in _kept:
        sys.modules[_MAIN] = _kept[_MAIN]
        return True
    from prefect.settings import PREFECT_LOGGING_SETTINGS_PATH, temporary_settings

    with temporary_settings({PREFECT_LOGGING_SETTINGS_PATH: _NO_LOGGING}):
        _kept[_MAIN] = importlib.import_module(_MAIN)
    return True


def leave_first_load_to_the_program() -> None:
    """Have Prefect set up its logging when the program loads Prefect, as if this had not.

    Prefect sets up logging when ``prefect.main`` is loaded, where nearly all that Prefect offers
    is. Without the module in `sys.modules` the program's own ``from prefect import flow`` loads it.
    Prefect is not to forget that it was set up: each task run of a sweep would do it again.
    """
    if _MAIN in _kept and sys.modules.get(_MAIN) is _kept[_MAIN]:
        del sys.modules[_MAIN]
        vars(sys.modules["prefect"]).pop("main", None)


def load_engines() -> None:
    """Load what Prefect loads only when a flow and a task run, some 0.3 s of CPU.

    Prefect documents none of it. Without these modules the flow takes that time when it runs.
    """
    for name in (
        "prefect.flow_engine",
        "prefect.task_engine",
        "prefect.utilities.visualization",
        "fastapi.encoders",
    ):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def server_log_handler() -> logging.Handler:
    """Return a handler that sends the records of runs to the server.

    Prefect's own file for its set-up of logging is the only public place that names the class.
    """
    from prefect.logging.handlers import APILogHandler

    return APILogHandler()


def is_termination(error: BaseException) -> bool:
    """Return whether Prefect raised this because the process got SIGTERM, as when cancelled.

    Prefect documents the exception as one that is not for users to catch. The flow only looks at
    it and raises it again.
    """
    from prefect.exceptions import TerminationSignal

    return isinstance(error, TerminationSignal)


_GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|omicron|pi|rho|sigma|"
    "tau|upsilon|phi|chi|psi|omega"
)
_OF_FIRST_FORM = re.compile(rf"(?:{_GREEK})(\d*)-([a-z-]+)")
_OF_SECOND_FORM = re.compile(
    "(?:Small|Ergonomic|Rustic|Intelligent|Gorgeous|Incredible|Fantastic|Practical|Sleek|Awesome|"
    "Generic|Handcrafted|Handmade|Licensed|Refined|Unbranded|Tasty)-[A-Z][A-Za-z ]{0,5}"
)


def is_automatic_name(name: str) -> bool:
    """Return whether a flow run's name is one that Prefect makes where nobody gives any.

    The server takes two words such as ``dark-horse``. The form of the first UI fills in a star such
    as ``gamma258-thrihyrne``, and that of the second ``Generic-Shichi``. A name that somebody gives
    is seldom one of them, and then not told from it.
    """
    if found := _OF_FIRST_FORM.fullmatch(name):
        # A number of three digits says enough: somebody's own "delta-v" has none.
        return len(found[1]) >= 2 or _is_star(found[2])
    if _OF_SECOND_FORM.fullmatch(name):
        return True
    try:
        from coolname.data import config
    except ImportError:
        return re.fullmatch("[a-z]+-[a-z]+", name) is not None
    lists: dict[str, Any] = config
    known = {word for each in lists.values() for word in each.get("words", ())}
    words = name.split("-")
    return len(words) == 2 and known.issuperset(words)


def _is_star(text: str) -> bool:
    """Return whether the form of the first UI has a star of which a name begins like this."""
    import prefect

    # As Prefect comes; a server serves a copy, which is not there before the first one.
    for program in (prefect.__ui_static_path__ / "assets").glob("index-*.js"):
        if found := re.search("`(andromedae\\.[a-z.-]*)`", program.read_text(encoding="utf-8")):
            stars = found[1].split(".")
            return any(text == star or text.startswith(f"{star}-") for star in stars if star)
    return False


def count_of_task_runs(client: SyncPrefectClient, flow_run_id: UUID, states: Sequence[str]) -> int:
    """Return how many task runs of a flow run the server has recorded in one of these states.

    The server's API is public, but the client has no method for this part of it. With the client's
    `read_task_runs` the flow would read thousands of records to count them.
    """
    body = {
        "flow_runs": {"id": {"any_": [str(flow_run_id)]}},
        "task_runs": {"state": {"type": {"any_": list(states)}}},
    }
    return int(client.request("POST", "/task_runs/count", json=body).json())
