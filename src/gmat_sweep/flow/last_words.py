"""The last words of a flow run whose process was killed, spoken by the reaper.

``python -m gmat_sweep.flow.last_words API-URL FLOW-RUNS [RECORD]``

marks each flow run that is Running since before Interrupted, and has ``last-pass.json`` say so.
FLOW-RUNS is a JSON object: sweep folders by flow run, empty where there is none. RECORD is the file
of the local server, with its key, which other users must not see on a command line. The reaper
starts this program as `gmat_sweep.flow.interruption` has ordered.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from gmat_sweep.flow.servers.place import ServerPlace
from gmat_sweep.flow.servers.record import ServerRecord
from gmat_sweep.folder.last_pass import LastPass, now

__all__ = ["main"]

KILLED = "its process was killed"

_TRIES = 5
_PAUSE_S = 2.0

_log = logging.getLogger("gmat_sweep")


def main(api_url: str, flow_runs: str, record: str = "") -> None:
    """Write ``last-pass.json`` first, then tell the server, a few times if it does not answer."""
    began = datetime.now(UTC)
    folders: dict[str, str] = json.loads(flow_runs)
    for flow_run, folder in folders.items():
        if folder:
            _note(Path(folder), flow_run)
    os.environ["PREFECT_API_URL"] = api_url
    os.environ["PREFECT_CLIENT_MAX_RETRIES"] = "2"
    if record and (found := ServerRecord.read(Path(record))) is not None:
        os.environ["PREFECT_API_AUTH_STRING"] = found.auth
        _keep_server(Path(record))
    import httpx
    from prefect.exceptions import PrefectException

    for left in reversed(range(_TRIES)):
        try:
            for flow_run, folder in folders.items():
                # A night's own flow run has the folder of the sweep that it called.
                where = folder or next(filter(None, folders.values()), "")
                _tell(UUID(flow_run), began, where)
        except (httpx.HTTPError, PrefectException) as error:
            _log.debug("the server did not take the end of a flow run: %s", error)
            if left:
                time.sleep(_PAUSE_S)
        else:
            return


def _keep_server(record: Path) -> None:
    """Have the local server stay as after a sweep that has ended by itself: somebody will look."""
    with contextlib.suppress(OSError):
        os.utime(ServerPlace(record.parent, record.stem).users)


def _note(folder: Path, flow_run: str) -> None:
    last = LastPass.of(folder)
    if last is None or last.state != "running" or last.flow_run != flow_run:
        return
    try:
        dataclasses.replace(last, state="interrupted", reason=KILLED, at=now()).write(folder)
    except OSError as error:
        _log.debug("last-pass.json was not written: %s", error)


def _tell(flow_run_id: UUID, began: datetime, folder: str) -> None:
    from prefect.client.orchestration import get_client

    from gmat_sweep.flow.interruption import interrupted_state

    with get_client(sync_client=True) as client:
        state = client.read_flow_run(flow_run_id).state
        # Another state was given by who stopped the process, such as Cancelling or AwaitingRetry;
        # one that is Running since then runs in another process.
        if state is not None and state.is_running() and state.timestamp <= began:
            client.set_flow_run_state(flow_run_id, interrupted_state(KILLED, folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
