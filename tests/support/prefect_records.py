"""What a Prefect database holds, read without the server, and when the server writes it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from gmat_sweep.flow.servers import shared

__all__ = ["BATCH_SIZE", "USUAL_BATCH_SIZE", "rows_of", "write_down_every_run"]

BATCH_SIZE = "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE"
USUAL_BATCH_SIZE = shared.SERVER_ENVIRONMENT[BATCH_SIZE]


def write_down_every_run() -> None:
    """Have the local server write a task run down at its end, and not once a second.

    A task run makes three events. A sweep of two runs takes half as long then, for it ends when
    the server has them.
    """
    shared.SERVER_ENVIRONMENT[BATCH_SIZE] = "3"


def rows_of(home: Path, sql: str, *values: object) -> list[Any]:
    """Return the rows of a query on the database in a Prefect home."""
    with closing(sqlite3.connect(home / "prefect.db")) as database:
        return database.execute(sql, values).fetchall()
