"""`SharedServer`: the local server as this process sees it, found or started.

`start` returns at once, `wait` when the server answers. Whoever finds the lock of the server free
starts one, so two sweeps that begin at the same time share one, and a server that was killed is
replaced by the next sweep.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import signal
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gmat_sweep.disk.files import atomic_path
from gmat_sweep.disk.held import open_plain
from gmat_sweep.errors import BackendError, SweepConfigError
from gmat_sweep.flow.prefect_internals import (
    LOCAL_SERVER,
    server_command,
    server_folder,
    settings_as_environment,
    with_whole_paths,
)
from gmat_sweep.flow.servers.place import ServerPlace, is_locked, locked_alone
from gmat_sweep.flow.servers.record import PROTOCOL, ServerRecord

if TYPE_CHECKING:
    import httpx

__all__ = ["IDLE_VARIABLE", "SERVER_ENVIRONMENT", "SharedServer", "end_server", "stay_s"]

IDLE_VARIABLE = "GMAT_SWEEP_SERVER_IDLE"
"""Environment variable: how long the server stays after the last sweep, such as ``30min``."""

SERVER_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    **LOCAL_SERVER,
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "400",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    # The event feed: two events a run, most of which the server would lose if runs are short.
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    # Automations are for a server that is always there.
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
}
"""What the server does and does not do; settings of the user's own server do not count for it."""

_START_TIMEOUT_S = 120.0
_END_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 10.0
_PAUSE_S = 0.02
_STAY_S = 1800.0
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)?\s*")
_UNITS = {None: 1.0, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}

_log = logging.getLogger("gmat_sweep")


def stay_s() -> float:
    """Return how many seconds the server is to stay after the last sweep.

    Raises
    ------
    SweepConfigError
        The environment variable has no such amount.
    """
    given = os.environ.get(IDLE_VARIABLE, "").strip()
    if not given:
        return _STAY_S
    amount = _AMOUNT.fullmatch(given)
    if amount is None:
        raise SweepConfigError(
            f"{IDLE_VARIABLE}={given} is no duration. Give seconds, or a number with s, min, h or "
            "d, such as 30min; 0 ends the local Prefect server with the sweep."
        )
    return float(amount[1]) * _UNITS[amount[2]]


class SharedServer:
    """The local server at one place.

    Parameters
    ----------
    place : ServerPlace
        Where its files are.
    stay_s : float
        Seconds that it stays after the last sweep; with 0 it stays until this process ends.
    """

    def __init__(self, place: ServerPlace, stay_s: float) -> None:
        self.place = place
        self._stay_s = stay_s
        self._mutex = threading.RLock()
        self._holders = 0
        self._users: int | None = None
        self._log: IO[bytes] | None = None
        self._record: ServerRecord | None = None

    @property
    def found(self) -> ServerRecord | None:
        """The server that `wait` has found, or None before."""
        return self._record

    @property
    def record(self) -> ServerRecord:
        """The server that `wait` has found."""
        assert self._record is not None, "nobody has waited for the server"
        return self._record

    @property
    def lasts(self) -> bool:
        """Whether the server is there for a while after this process."""
        return self._stay_s > 0

    def start(self) -> None:
        """Start a server if there is none; do not wait for it."""
        with self._mutex:
            if not self.lasts and self._users is None:
                # Until the process ends: a program has sweep after sweep.
                self._hold()
            self._touch()
            self._start_if_free()

    def wait(self) -> ServerRecord:
        """Return the record of the server once it answers; start one if there is none.

        Raises
        ------
        BackendError
            The server ended, or did not answer within 120 s.
        """
        import httpx

        # There is no TLS on loopback, and this context trusts nobody: to read whom this machine
        # trusts would take HTTPX 0.02 s of CPU.
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client = httpx.Client(trust_env=False, verify=nobody, timeout=_ANSWER_TIMEOUT_S)
        with self._mutex, client:
            deadline = time.monotonic() + _START_TIMEOUT_S
            while time.monotonic() < deadline:
                found = ServerRecord.read(self.place.record)
                if found is not None and _answers(client, found):
                    if self._is_outdated(found):
                        continue
                    self._record = found
                    self._let_log_go()
                    return found
                if not is_locked(self.place.lock):
                    if self._log is not None:
                        raise self._not_started()
                    self._start_if_free()
                time.sleep(_PAUSE_S)
            raise self._not_answering()

    @contextlib.contextmanager
    def held(self) -> Iterator[ServerRecord]:
        """Keep the server from ending during the block; yield its record once it answers."""
        with self._mutex:
            if self._holders == 0 and self._users is None:
                self._hold()
            self._holders += 1
        try:
            yield self.wait()
        finally:
            with self._mutex:
                self._holders -= 1
                if self._holders == 0 and self.lasts:
                    self._let_go()

    def page_for_a_browser(self) -> Path:
        """Write the page that sends a browser to the server, for this user alone; return its file.

        A browser that was given the link itself would have the key on its command line, which other
        users can read.
        """
        place = self.place.link
        with atomic_path(place) as new:
            new.touch(mode=0o600)
            new.write_text(
                '<!doctype html><meta charset="utf-8"><title>gmat-sweep</title>'
                f'<meta http-equiv="refresh" content="0; url={self.record.link()}">\n',
                encoding="utf-8",
            )
        return place

    def is_gone(self) -> bool:
        """Whether the server that `wait` has found has ended."""
        return self._record is not None and not is_locked(self.place.lock)

    def _start_if_free(self) -> None:
        with locked_alone(self.place.lock) as lock:
            if lock is None:
                return
            self.place.record.unlink(missing_ok=True)
            os.ftruncate(lock, 0)
            self._let_log_go()
            # A file without a name is gone with the last process that has it open.
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the server answers
            order = {
                "lock": lock,
                "record": str(self.place.record),
                "users": str(self.place.users),
            }
            self._touch()
            # The process that is started forks, and ends at once: the server is no child of ours.
            subprocess.run(
                server_command(json.dumps(order)),
                cwd=server_folder(),
                env=with_whole_paths(
                    {**os.environ, **settings_as_environment(), **SERVER_ENVIRONMENT}
                ),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                # Out of reach of the terminal: it serves other sweeps, too.
                start_new_session=True,
                pass_fds=(lock,),
                check=False,
            )

    def _is_outdated(self, found: ServerRecord) -> bool:
        """Whether the server was an old one, which has been ended as nobody used it.

        A server must not be older than its clients. One that is in use is left alone.
        """
        import prefect
        from packaging.version import Version

        if found.protocol == PROTOCOL and Version(found.prefect) >= Version(prefect.__version__):
            return False
        self._let_go()
        with locked_alone(self.place.users, patience_s=0.5) as alone:
            if alone is not None:
                end_server(self.place)
        if self._holders or not self.lasts:
            self._hold()
        if alone is None and found.protocol == PROTOCOL:
            if found != self._record:
                _log.warning(
                    "the local Prefect server, which other sweeps use, is of Prefect %s, older "
                    "than %s here: it may not record all of this sweep; all runs are in the "
                    "manifest",
                    found.prefect,
                    prefect.__version__,
                )
            return False
        if alone is None:
            raise BackendError(
                f"The local Prefect server (process {found.pid}) was started by another version of "
                "gmat-sweep, and sweeps use it. Wait until these have ended, or set PREFECT_HOME "
                "to another folder."
            )
        return True

    def _hold(self) -> None:
        """Lock the file of users, as soon as a server that is ending has ended."""
        descriptor = open_plain(self.place.users, os.O_RDWR | os.O_CREAT)
        deadline = time.monotonic() + 3 * _END_TIMEOUT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    raise self._not_answering() from None
                time.sleep(_PAUSE_S)
            else:
                self._users = descriptor
                self._touch()
                return

    def _let_go(self) -> None:
        if self._users is not None:
            self._touch()
            descriptor, self._users = self._users, None
            # A forked child may have a copy of the descriptor: closing ours would leave it locked.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)
            # Once more without the lock: the server takes it for killed who leaves without a word.
            self._touch()

    def _touch(self) -> None:
        """Have the server stay from now on for as long as this process wants it."""
        with contextlib.suppress(OSError):
            descriptor = open_plain(self.place.users, os.O_RDWR | os.O_CREAT)
            try:
                os.pwrite(descriptor, f"{self._stay_s:<20g}".encode(), 0)
            finally:
                os.close(descriptor)

    def _not_started(self) -> BackendError:
        assert self._log is not None
        size = os.fstat(self._log.fileno()).st_size
        said = os.pread(self._log.fileno(), 4000, max(0, size - 4000)).decode(errors="replace")
        self._let_log_go()
        return BackendError(
            f"The local Prefect server did not start. Its last output was:\n{said}\nFix what it "
            "names, or set PREFECT_API_URL to a running server."
        )

    def _not_answering(self) -> BackendError:
        pid = self.place.process_id()
        return BackendError(
            f"The local Prefect server (process {pid}) does not answer. End it with `gmat-sweep ui "
            "--stop`, or set PREFECT_API_URL to a running server."
        )

    def _let_log_go(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


def _answers(client: httpx.Client, found: ServerRecord) -> bool:
    """Whether the server of a record is there, and takes its key."""
    import httpx

    headers = {"Authorization": found.authorization}
    try:
        answer = client.get(f"{found.api_url}/admin/version", headers=headers)
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK


def end_server(place: ServerPlace) -> bool:
    """End the server at a place, if there is one; return whether there was.

    Raises
    ------
    BackendError
        It is not this user's to end.
    """
    there_was = False
    deadline = time.monotonic() + _END_TIMEOUT_S
    how = signal.SIGTERM
    while is_locked(place.lock):
        if (pid := place.process_id()) is not None and (not there_was or how == signal.SIGKILL):
            there_was = True
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                # It has just ended.
                continue
            except PermissionError as error:
                raise BackendError(
                    f"The local Prefect server (process {pid}) is not yours to end."
                ) from error
        if time.monotonic() > deadline:
            how = signal.SIGKILL
        time.sleep(_PAUSE_S)
    place.record.unlink(missing_ok=True)
    return there_was
