"""How many rows a sweep adds to the database of the Prefect server.

Counted in the database of a real server (Prefect 3.9.1, SQLite), before and after sweeps of 10, 40
and 300 runs; a test counts again. A run is a task run with two states (Running, Completed). A
server that keeps events has two of them as well, with three resources each: the task run, the flow
run, the flow. In a flow run of a deployment they have five more each: the deployment, its work
queue and work pool, and its two tags. Together that is some 14 kB a run from the shell. The numbers
are those of runs that end well: one that is tried again adds states, one that fails a line of log.
"""

from __future__ import annotations

from gmat_sweep.flow.server import keeps_events

__all__ = ["MORE_IN_A_DEPLOYMENT", "ROWS_OF_FLOW_RUN", "ROWS_OF_RUN", "server_rows"]

# With the events that a server keeps, or without.
ROWS_OF_RUN = {
    True: {"task run": 1, "states": 2, "events": 2, "event resources": 6},
    False: {"task run": 1, "states": 2},
}
"""Rows that a run adds, by table; the key says whether the server keeps events."""
MORE_IN_A_DEPLOYMENT = 10
"""Event resources that a run adds besides in a flow run of a deployment."""
ROWS_OF_FLOW_RUN = {True: 45, False: 10}
"""About as many the flow run itself adds: states, events, artifacts, lines of log."""


def server_rows() -> tuple[dict[str, int], int]:
    """Return the rows that a run adds on the server of Prefect's settings, and those of the flow.

    The local server, where none is set, keeps no events.
    """
    keeps = keeps_events()
    return ROWS_OF_RUN[keeps], ROWS_OF_FLOW_RUN[keeps]
