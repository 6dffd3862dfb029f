"""Helpers of the tests of reports: manifest entries, and the tables of a Markdown text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from gmat_sweep.manifest import ManifestEntry
from gmat_sweep.spec import RunStatus

START = datetime(2026, 1, 1, tzinfo=UTC)


def entry(
    run_id: int, status: RunStatus = "ok", start: float = 0.0, lasts: float = 1.0, **fields: Any
) -> ManifestEntry:
    """Return the entry of a run that began `start` seconds after `START`."""
    began = START + timedelta(seconds=start)
    facts: dict[str, Any] = {
        "overrides": {},
        "output_paths": {},
        "started_at": began,
        "ended_at": began + timedelta(seconds=lasts),
        "duration_s": lasts,
        "stderr": None,
        "log_path": None,
    }
    return ManifestEntry(run_id=run_id, status=status, **(facts | fields))


def table_rows(markdown: str, heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its first two lines."""
    section = markdown.partition(heading)[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    assert len({len(row) for row in cells}) == 1, "every row has as many cells as the head"
    return [[cell.strip() for cell in row] for row in cells[2:]]
