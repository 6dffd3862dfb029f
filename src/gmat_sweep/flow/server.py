"""`recorded_on`: the Prefect server that records flow runs.

If ``PREFECT_API_URL`` is configured, Prefect records on that server. Otherwise the local server
does: one process on loopback, with the database of the profile in use, that all sweeps of the user
on this machine share, and that stays for a while after the last of them (`servers`). Prefect's own
temporary server stops before it has written its batches, and loses most task runs. A sweep waits
until the server counts every finished task run before it lets the server go.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gmat_sweep.errors import BackendError
from gmat_sweep.flow.prefect_internals import (
    drop_unsent,
    gather_events,
    leave_senders_to_other_servers,
    number_unsent,
    try_events,
)
from gmat_sweep.flow.servers.place import (
    ServerPlace,
    is_locked,
    locked_alone,
    place_of_settings,
)
from gmat_sweep.flow.servers.record import ServerRecord
from gmat_sweep.flow.servers.shared import SharedServer, end_server, stay_s

if TYPE_CHECKING:
    from uuid import UUID

__all__ = [
    "UnsentEvents",
    "configured_pages",
    "end_local_server",
    "forget_unsent_events",
    "keeps_events",
    "lasting_api_url",
    "local_server_lasts",
    "record_file",
    "recorded_on",
    "server_is_gone",
    "shared_server",
    "start_local_server",
    "ui_address",
    "wait_for_local_server",
    "without_retries",
]

_MOST_UNSENT_EVENTS = 1000
_UNSENT_PAUSE_S = 0.02
# The flow looks at unsent events so often: the fastest runs have made some hundred by then.
_LOOK_INTERVAL_S = 0.2
# Events wait so long to be sent together.
_GATHERED_S = 0.01
# Nobody restarts the local server during a sweep.
_ATTEMPTS = 2

_servers: dict[ServerPlace, SharedServer] = {}
_servers_lock = threading.Lock()


def start_local_server() -> SharedServer | None:
    """Start the local server if no API is configured and none runs; do not wait for it.

    Return None if another server than the local one is configured.

    Raises
    ------
    BackendError
        An API is configured, and it does not answer; or ``PREFECT_HOME``, where the database of the
        local server is, cannot be written to.
    SweepConfigError
        The time that the local server is to stay is no duration.
    """
    from prefect.settings import PREFECT_API_URL

    configured = PREFECT_API_URL.value()
    if configured and _own_server() is None and not _is_local(str(configured)):
        _check_answers(str(configured))
        return None
    server = _local_server()
    server.start()
    return server


def _local_server() -> SharedServer:
    """Return the local server of Prefect's settings, which may not have been started."""
    stay, place = stay_s(), place_of_settings()
    with _servers_lock:
        return _servers.setdefault(place, SharedServer(place, stay))


def _is_local(api_url: str) -> bool:
    """Whether a configured address is that of the local server, as other programs may need it."""
    parts = urlsplit(api_url)
    if parts.hostname not in ("127.0.0.1", "localhost") or parts.path.rstrip("/") != "/api":
        return False
    try:
        place = place_of_settings()
    except BackendError:
        return False
    record = ServerRecord.read(place.record) if is_locked(place.lock) else None
    return record is not None and urlsplit(record.url).port == parts.port


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


def end_local_server() -> bool:
    """End the local server; return whether there was one.

    Raises
    ------
    BackendError
        A sweep is under way that the server records, or the server is another user's.
    """
    place = place_of_settings()
    if place.process_id() is None:
        return False
    with locked_alone(place.users, patience_s=0.5) as alone:
        if alone is None:
            raise BackendError(
                f"The local Prefect server (process {place.process_id()}) records a sweep that is "
                "under way. Stop the sweep first, or wait until it has ended."
            )
        return end_server(place)


def local_server_lasts() -> bool:
    """Whether the local server stays for a while after this process."""
    return stay_s() > 0


def configured_pages() -> str | None:
    """Return the address of the UI of the server that is configured; None for the local one."""
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

    configured = PREFECT_API_URL.value()
    if not configured or _is_local(str(configured)):
        return None
    return str(PREFECT_UI_URL.value() or configured)


def shared_server() -> SharedServer:
    """Return the local server, started if there is none, once it answers.

    Raises
    ------
    BackendError
        It does not start.
    """
    server = _local_server()
    server.start()
    server.wait()
    return server


@contextlib.contextmanager
def recorded_on() -> Iterator[str]:
    """Have flow runs of the block recorded on a server that answers; yield its API address."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    server = start_local_server()
    if server is None:
        leave_senders_to_other_servers()
        yield str(PREFECT_API_URL.value())
        return
    with server.held() as record, temporary_settings(_client_settings(record)):
        leave_senders_to_other_servers()
        yield record.api_url


def _client_settings(record: ServerRecord) -> dict[Any, Any]:
    from prefect.settings import (
        PREFECT_API_AUTH_STRING,
        PREFECT_API_URL,
        PREFECT_CLIENT_MAX_RETRIES,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    )

    return {
        PREFECT_API_URL: record.api_url,
        PREFECT_API_AUTH_STRING: record.auth,
        # By heartbeats a server learns which flows have died; `last_words` tells the local one.
        # Ending a heartbeat takes up to a second.
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        # Nobody restarts a lost local server: minutes of retries would only delay the sweep's end.
        PREFECT_CLIENT_MAX_RETRIES: 2,
    }


def server_is_gone() -> bool:
    """Whether the local server is in use and has ended; nobody restarts it."""
    server = _own_server()
    return server is not None and server.is_gone()


def _own_server() -> SharedServer | None:
    """Return the local server if flow runs are recorded on it."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

    configured, key = PREFECT_API_URL.value(), PREFECT_API_AUTH_STRING.value()
    for server in tuple(_servers.values()):
        found = server.found
        # Another server may have taken the port since, with a key of its own.
        if found is not None and configured == found.api_url and key == found.auth:
            return server
    return None


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

    None for a local server that nobody's later flow runs could wait for.
    """
    from prefect.settings import PREFECT_API_URL

    server = _own_server()
    configured = PREFECT_API_URL.value()
    if not configured or (server is not None and not server.lasts):
        return None
    return str(configured)


def record_file() -> Path | None:
    """Return the file with the key of the server that records, if that is the local one."""
    server = _own_server()
    return None if server is None else server.place.record


def keeps_events() -> bool:
    """Whether the server of Prefect's settings keeps events; the local one does not."""
    from prefect.settings import PREFECT_API_URL

    configured = PREFECT_API_URL.value()
    return bool(configured) and _own_server() is None and not _is_local(str(configured))


def forget_unsent_events() -> None:
    """Drop the events and log lines that wait to be sent to a server that is gone.

    Prefect would try for seven seconds to send each event, and keep the process from ending until
    then. A run has two events.
    """
    drop_unsent()


class UnsentEvents:
    """The events that Prefect has to send, which a flow keeps from becoming very many.

    Prefect holds some 12 kB for each event until it has sent the event. On a busy machine very
    short runs make events faster than Prefect sends them, and the flow would have to wait for these
    events in the end anyway.
    """

    def __init__(self) -> None:
        self._look_at = 0.0

    def let_be_sent(self) -> None:
        """Look now and then, and pause for a moment where there are many.

        A pause is never longer than 0.02 s, so that a server that is gone does not stop the flow.
        """
        now = time.monotonic()
        if now < self._look_at:
            return
        if _own_server() is not None:
            try_events(_ATTEMPTS)
        gather_events(_GATHERED_S)
        if number_unsent() > _MOST_UNSENT_EVENTS:
            time.sleep(_UNSENT_PAUSE_S)
        else:
            self._look_at = now + _LOOK_INTERVAL_S


def ui_address(flow_run_id: UUID) -> str:
    """Return the address of a flow run's page in the UI, as a part of a sentence.

    That of the local server opens the page at once, as it holds the key. If standard error is a
    file that other users can read, the key is left out, and the sentence says how to get in.
    """
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

    path = f"runs/flow-run/{flow_run_id}"
    server = _own_server()
    if server is None:
        configured = PREFECT_UI_URL.value() or (PREFECT_API_URL.value() or "").removesuffix("/api")
        if configured:
            return f"{str(configured).rstrip('/')}/{path}"
        # In a flow of the user's own, on Prefect's temporary server, which ends with that flow.
        return f"{path} (`gmat-sweep ui` opens the pages)"
    if _others_read_what_is_said():
        return f"{server.record.url}/{path} (`gmat-sweep ui` opens it)"
    return server.record.link(path)


def _others_read_what_is_said() -> bool:
    try:
        mode = os.fstat(sys.stderr.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        # There is no such stream, or a notebook's, which nobody else reads.
        return False
    return stat.S_ISREG(mode) and bool(mode & (stat.S_IRGRP | stat.S_IROTH))
