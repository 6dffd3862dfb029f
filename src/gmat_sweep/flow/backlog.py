"""Waiting for the Prefect server to record the task runs of a flow run.

Prefect sends the states of task runs to the server as events. The server keeps events in memory and
writes them in batches. If more than ten thousand events wait, the server drops the newest, so a
flow must not get far ahead of it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException

from gmat_sweep.flow.prefect_internals import count_of_task_runs
from gmat_sweep.flow.server import server_is_gone

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient

__all__ = ["Backlog", "wait_until_recorded"]

_FINAL_STATES = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_TIMEOUT_S = 60.0
_INTERVAL_S = 0.1

# A task run has two events, so a few sweeps at once stay below the server's ten thousand.
_MOST_UNRECORDED = 1_000
_PATIENCE_S = 10.0


class Backlog:
    """Keeps a flow run from getting far ahead of the server's record of it.

    The manifest needs no server. A server that is gone, or makes no headway, delays a sweep by some
    seconds in thousands of runs, and no longer.

    Parameters
    ----------
    flow_run_id : UUID
        The flow run.
    """

    def __init__(self, flow_run_id: UUID) -> None:
        self._flow_run_id = flow_run_id
        self._missing = 0
        self._asked_at = _MOST_UNRECORDED

    def keep_short(self, finished: int) -> None:
        """If the server may lack 1000 of `finished` task runs, wait until it lacks at most 500."""
        if finished < self._asked_at or server_is_gone():
            return
        try:
            with get_client(sync_client=True) as client:
                recorded = _wait_for(
                    finished - self._missing - _MOST_UNRECORDED // 2,
                    self._flow_run_id,
                    client,
                    patience_s=_PATIENCE_S,
                )
        except (httpx.HTTPError, PrefectException):
            recorded = 0
        behind = finished - self._missing - recorded
        if behind <= _MOST_UNRECORDED // 2:
            self._asked_at = finished - behind + _MOST_UNRECORDED
            return
        # These records are lost or come much later: do not wait for them again.
        self._missing = finished - recorded
        self._asked_at = finished + 10 * _MOST_UNRECORDED


def wait_until_recorded(flow_run_id: UUID, finished: int) -> int:
    """Wait until the server counts `finished` task runs of a flow run in a final state.

    A summary or a UI that reads the server's record before that is incomplete.

    Returns
    -------
    int
        How many are recorded; fewer than `finished` if the count has not grown for 60 s.
    """
    with get_client(sync_client=True) as client:
        return _wait_for(finished, flow_run_id, client, patience_s=_TIMEOUT_S)


def _wait_for(
    wanted: int, flow_run_id: UUID, client: SyncPrefectClient, *, patience_s: float
) -> int:
    """Wait for `wanted` recorded task runs, or `patience_s` without headway; return the count."""
    recorded, last_headway = -1, time.monotonic()
    while True:
        count = count_of_task_runs(client, flow_run_id, _FINAL_STATES)
        if count > recorded:
            recorded, last_headway = count, time.monotonic()
        if recorded >= wanted or time.monotonic() - last_headway > patience_s:
            return recorded
        time.sleep(_INTERVAL_S)
