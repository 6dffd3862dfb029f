"""What the process of the local server runs.

The server answers on loopback: Prefect's API below ``/api``, Prefect's UI elsewhere, and at
`ENTRANCE` the page that opens the UI to who has the key. It draws the key anew each time, writes
its `ServerRecord` once it answers, and ends when nobody has used it for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import json
import math
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gmat_sweep.flow.servers.record import ENTRANCE, PROTOCOL, USER, ServerRecord

__all__ = ["Site", "UseWatch", "bound_socket", "main"]

_PORT = 4200
_LOOK_S = 0.3
# A user that was killed has said nothing at its end; whoever tells of it in its place comes sooner.
_AFTER_A_KILL_S = 10.0
# For open connections, such as those of browsers, when the server ends.
_GRACE_S = 3
_LONGEST_END_S = 6.0

type _Message = MutableMapping[str, Any]
type _Receive = Callable[[], Awaitable[_Message]]
type _Send = Callable[[_Message], Awaitable[None]]
type _App = Callable[[_Message, _Receive, _Send], Awaitable[None]]


def bound_socket(port: int = _PORT) -> socket.socket:
    """Return a socket that listens on loopback, at `port` if that is free and else at another."""
    bound = socket.socket()
    # A port on which a server has just ended counts as free.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.bind(("127.0.0.1", 0))
    # At once: until then another program could bind the same port.
    bound.listen(100)
    return bound


class Site:
    """The ASGI application: the API, the UI beside it, and the entrance.

    Parameters
    ----------
    api : ASGI application
        Answers below ``/api``.
    make_pages : callable
        Makes the UI when its first page is asked for: the first time on a machine, Prefect copies
        its pages, which the sweep that waits for the API need not wait for.
    """

    def __init__(self, api: _App, make_pages: Callable[[], _App]) -> None:
        self._api = api
        self._make_pages = make_pages
        self._made: asyncio.Future[_App] | None = None

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if scope["type"] == "lifespan" or f"{path}/".startswith("/api/"):
            await self._api(scope, receive, send)
        elif scope["type"] == "http" and path.rstrip("/") == ENTRANCE:
            await _enter(send)
        else:
            if self._made is None:
                self._made = asyncio.ensure_future(asyncio.to_thread(self._make_pages))
            pages = await asyncio.shield(self._made)
            await pages(scope, receive, send)


async def _enter(send: _Send) -> None:
    page = Path(__file__).with_name("entrance.html").read_bytes()
    headers = {
        b"content-type": b"text/html; charset=utf-8",
        b"content-length": str(len(page)).encode(),
        b"cache-control": b"no-store",
        b"referrer-policy": b"no-referrer",
        b"x-frame-options": b"DENY",
    }
    await send({"type": "http.response.start", "status": 200, "headers": list(headers.items())})
    await send({"type": "http.response.body", "body": page})


class UseWatch:
    """Calls `end` once no process has used the server for a while, and lets nobody in after that.

    Parameters
    ----------
    users : Path
        The file that the users of the server keep locked. Its text is the number of seconds that
        the server stays after the last of them. Who writes to it counts as a user, too. A user
        writes when it leaves: if the last one did not, it was killed with all that could tell of
        it, and the server stays for ten seconds at most.
    end : callable
        Called once, in the thread that calls `watch`.
    """

    def __init__(self, users: Path, end: Callable[[], None]) -> None:
        self._file = os.open(users, os.O_RDWR)
        self._end = end
        self._touched = -1
        self._touched_in_use = -1
        # While the server starts, who will use it waits without the lock, if it is to stay.
        self._last_use = math.inf

    def begin(self) -> None:
        """Count the time from now on, as the server answers."""
        self._last_use = time.monotonic()

    def watch(self) -> None:
        """Look until the server is to end."""
        while not self._is_over():
            time.sleep(_LOOK_S)
        self._end()

    def _is_over(self) -> bool:
        """Whether the server is to end: the file of users then stays locked until it has ended."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._last_use = max(self._last_use, time.monotonic())
            self._touched_in_use = os.fstat(self._file).st_mtime_ns
            return False
        touched = os.fstat(self._file).st_mtime_ns
        was_killed = touched == self._touched_in_use
        if touched != self._touched:
            self._touched, self._last_use = touched, max(self._last_use, time.monotonic())
        stay_s = min(self._stay_s(), _AFTER_A_KILL_S if was_killed else math.inf)
        if stay_s <= 0 or time.monotonic() - self._last_use >= stay_s:
            return True
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return False

    def _stay_s(self) -> float:
        try:
            return float(os.pread(self._file, 100, 0))
        except ValueError:
            # The disk was full when it was to be written.
            return 0.0


def main() -> None:
    """Serve until nobody uses the server any more, or SIGTERM.

    The one argument is a JSON object: the files ``record`` and ``users``, and ``lock``, the
    descriptor of the lock that the process has from who started it.
    """
    order = json.loads(sys.argv[1])
    os.pwrite(order["lock"], json.dumps({"pid": os.getpid()}).encode(), 0)
    bound = bound_socket()
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    auth = f"{USER}:{secrets.token_urlsafe(24)}"
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = auth
    os.environ["PREFECT_API_AUTH_STRING"] = auth

    def end() -> None:
        with contextlib.suppress(OSError):
            Path(order["record"]).unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_LONGEST_END_S)
        os.kill(os.getpid(), signal.SIGKILL)

    watch = UseWatch(Path(order["users"]), end)
    threading.Thread(target=watch.watch, daemon=True).start()
    # Next to nothing of what Prefect loads is garbage; looking for it takes a tenth of the start.
    gc.disable()
    import prefect
    import uvicorn

    from gmat_sweep.flow.prefect_internals import server_app

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                gc.freeze()
                gc.enable()
                record = ServerRecord(
                    url=url,
                    pid=os.getpid(),
                    started=datetime.now(UTC).isoformat(timespec="seconds"),
                    prefect=prefect.__version__,
                    protocol=PROTOCOL,
                    auth=auth,
                )
                record.write(Path(order["record"]))
                watch.begin()

    server = Server(
        uvicorn.Config(
            Site(*server_app()),
            log_level="error",
            lifespan="on",
            # Between processes of one machine it costs both of them CPU and saves nobody anything.
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
    )

    server.run(sockets=[bound])
