"""Rows of a Prefect database, read without the server."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

__all__ = ["rows_of"]


def rows_of(home: Path, sql: str, *values: object) -> list[Any]:
    """Return the rows of a query on the database in a Prefect home."""
    with closing(sqlite3.connect(home / "prefect.db")) as database:
        return database.execute(sql, values).fetchall()
