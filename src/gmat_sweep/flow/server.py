"""`recorded_on`: the Prefect server that records flow runs.

If ``PREFECT_API_URL`` is configured, Prefect records on that server. Otherwise a `LocalServer` runs
beside the sweep, on loopback and with the database of the profile in use. Later sweeps of the same
process use it too. Prefect's own temporary server stops before it has written its batches, and
loses most task runs. A `LocalServer` stops only when the process ends, and the sweep has waited
before that until the server counts every finished task run.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gmat_sweep.backends.process.reaper import REAPER
from gmat_sweep.errors import BackendError
from gmat_sweep.flow.prefect_internals import (
    LONE_SERVER,
    drop_unsent,
    number_unsent,
    server_command,
    server_folder,
    settings_as_environment,
    try_events,
    with_whole_paths,
)

if TYPE_CHECKING:
    from uuid import UUID

__all__ = [
    "LocalServer",
    "flow_run_place",
    "forget_unsent_events",
    "lasting_api_url",
    "let_events_be_sent",
    "recorded_on",
    "server_is_gone",
    "wait_for_local_server",
    "without_retries",
]

START_TIMEOUT_S = 120.0
_MOST_UNSENT_EVENTS = 1000
_UNSENT_PAUSE_S = 0.02
# Nobody restarts a lost `LocalServer`.
_ATTEMPTS = 2

# Turns off what a server that lives as long as one process need not do; sets how often it writes.
_SERVER_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_UI_ENABLED": "0",
    **LONE_SERVER,
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "400",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    # The event feed: three more rows a run, most of which the server would lose if runs are short.
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
}


class LocalServer:
    """A Prefect server process on loopback, on the database of the profile in use.

    The constructor starts it in the background; `wait` returns its API address once it answers.
    """

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.api_url = f"http://127.0.0.1:{port}/api"
        # A file without a name is gone with the last process that has it open, however that ends.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self._process = subprocess.Popen(
            server_command(port, driver=os.getpid()),
            cwd=server_folder(),
            env=with_whole_paths(
                {**os.environ, **settings_as_environment(), **_SERVER_ENVIRONMENT}
            ),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            # Ctrl-C must end the sweep only: the server then still has to record its end.
            start_new_session=True,
        )
        REAPER.add_group(self._process.pid)
        self._answers = False

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def wait(self) -> str:
        """Return the API address once the server answers.

        Raises
        ------
        BackendError
            The server ended, or did not answer within 120 s.
        """
        import httpx

        deadline = time.monotonic() + START_TIMEOUT_S
        with httpx.Client(trust_env=False) as client:
            while not self._answers:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    said = self._said()
                    self.stop()
                    raise BackendError(
                        "The local Prefect server did not start. Its last output was:\n"
                        f"{said}\nFix what it names, or set PREFECT_API_URL to a running server."
                    )
                with contextlib.suppress(httpx.TransportError):
                    self._answers = client.get(f"{self.api_url}/health").status_code == 200
                if not self._answers:
                    time.sleep(0.05)
        return self.api_url

    def _said(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        # The server writes at the position that it shares with this process: it is left alone.
        last = os.pread(self._log.fileno(), 4000, max(0, size - 4000))
        return last.decode(errors="replace")

    def stop(self) -> None:
        """End the server process. Calling it again does nothing."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        REAPER.discard_group(self._process.pid)
        self._log.close()


_server: LocalServer | None = None
_server_lock = threading.Lock()


def start_local_server() -> LocalServer | None:
    """Start the process's own server if no API is configured and none runs; do not wait for it.

    Raises
    ------
    BackendError
        An API is configured, and it does not answer; or ``PREFECT_HOME``, where the server's
        database is, cannot be written to.
    """
    global _server
    from prefect.settings import PREFECT_API_URL

    configured = PREFECT_API_URL.value()
    if configured and (_server is None or configured != _server.api_url):
        _check_answers(str(configured))
        return None
    with _server_lock:
        if _server is None or _server._process.poll() is not None:
            _check_home()
            _server = LocalServer()
            atexit.register(_server.stop)
        return _server


def wait_for_local_server() -> None:
    """Return once flow runs can be recorded; a sweep folder is not begun before that.

    Raises
    ------
    BackendError
        The server does not answer.
    """
    server = start_local_server()
    if server is not None:
        server.wait()


def _check_home() -> None:
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_HOME

    home = PREFECT_HOME.value()
    database = str(PREFECT_API_DATABASE_CONNECTION_URL.value() or home)
    if str(home) not in database:
        return
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise BackendError(
            f"PREFECT_HOME={home} cannot be written to: {error.strerror}. Set it to a folder that "
            "can, or PREFECT_API_URL to a running server."
        ) from error


@contextlib.contextmanager
def recorded_on() -> Iterator[str]:
    """Have flow runs of the block recorded on a server that answers; yield its API address."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_CLIENT_MAX_RETRIES,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    server = start_local_server()
    if server is None:
        yield str(PREFECT_API_URL.value())
        return
    # By heartbeats a server learns which flows have died. A `LocalServer` dies with its flow, and
    # ending a heartbeat takes up to a second.
    settings = {
        PREFECT_API_URL: server.wait(),
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        # Nobody restarts a lost `LocalServer`: minutes of retries would only delay the sweep's end.
        PREFECT_CLIENT_MAX_RETRIES: 2,
    }
    with temporary_settings(settings):
        yield server.api_url


def server_is_gone() -> bool:
    """Whether the process's own server is in use and has ended; nobody restarts it."""
    server = _own_server()
    return server is not None and server.has_ended


def _own_server() -> LocalServer | None:
    """Return the process's own server if flow runs are recorded on it."""
    from prefect.settings import PREFECT_API_URL

    server = _server
    return server if server is not None and PREFECT_API_URL.value() == server.api_url else None


@contextlib.contextmanager
def without_retries() -> Iterator[None]:
    """Have Prefect try each call of its API once, for a server that is gone."""
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield


def _check_answers(api_url: str) -> None:
    """Raise `BackendError` unless Prefect's API answers there and lets this process in."""
    problem = _problem_of_api()
    if problem is None:
        return
    status = getattr(getattr(problem, "response", None), "status_code", None)
    if status in (401, 403):
        raise BackendError(
            f"The Prefect server at PREFECT_API_URL={api_url} refuses access ({status}). Set "
            "PREFECT_API_AUTH_STRING to the server's PREFECT_SERVER_API_AUTH_STRING, or "
            "PREFECT_API_KEY for Prefect Cloud."
        )
    if "/api" not in urlsplit(api_url).path:
        raise BackendError(
            f"No Prefect API answers at PREFECT_API_URL={api_url}: the address ends without /api. "
            f"Set PREFECT_API_URL={api_url.rstrip('/')}/api."
        )
    raise BackendError(
        f"No Prefect server answers at PREFECT_API_URL={api_url}: {problem}. Start it with "
        "`prefect server start`, or unset PREFECT_API_URL to run with a local one."
    )


def _problem_of_api() -> Exception | None:
    """Return what goes wrong with a first request; the health check alone asks for no password."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
        if problem is None:
            try:
                client.read_flows(limit=1)
            except Exception as error:  # noqa: BLE001
                # As Prefect's health check does: a page of the UI in place of the API's answer, for
                # one, is no error of HTTP.
                problem = error
    return problem


def lasting_api_url() -> str | None:
    """Return the address of the server that records this flow run, unless it ends with the sweep.

    None for a `LocalServer`, with which nobody's later flow runs could wait for this one.
    """
    from prefect.settings import PREFECT_API_URL

    configured = PREFECT_API_URL.value()
    if not configured or (_server is not None and configured == _server.api_url):
        return None
    return str(configured)


def forget_unsent_events() -> None:
    """Drop the events and log lines that wait to be sent to a server that is gone.

    Prefect would try for seven seconds to send each event, and keep the process from ending until
    then. A run has three events.
    """
    drop_unsent()


def let_events_be_sent() -> None:
    """Pause for a moment where Prefect has many events to send.

    Prefect holds some 12 kB for each event until it has sent the event. On a busy machine very
    short runs make events faster than Prefect sends them, and the flow would have to wait for these
    events in the end anyway. A pause is never longer than 0.02 s, so that a server that is gone
    does not stop the flow.
    """
    if _own_server() is not None:
        try_events(_ATTEMPTS)
    if number_unsent() > _MOST_UNSENT_EVENTS:
        time.sleep(_UNSENT_PAUSE_S)


def flow_run_place(flow_run_id: UUID) -> str:
    """Return the address of a flow run's page in the UI, as a part of a sentence."""
    from prefect.settings import PREFECT_HOME, PREFECT_UI_URL

    path = f"runs/flow-run/{flow_run_id}"
    configured = PREFECT_UI_URL.value()
    if _server is None and configured:
        return f"{str(configured).rstrip('/')}/{path}"
    return (
        f"http://127.0.0.1:4200/{path} (once `prefect server start` runs; recorded in "
        f"{PREFECT_HOME.value()})"
    )
