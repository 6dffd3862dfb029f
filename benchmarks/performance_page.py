"""Puts the tables of the last ``make bench`` into ``docs/performance.md``.

``python benchmarks/performance_page.py``
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aggregation
import orchestration
import startup
import throughput
import worker_cpu

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
TABLES: dict[str, Callable[[Any], str]] = {
    "startup": startup.table,
    "throughput": throughput.table,
    "worker": worker_cpu.table,
    "orchestration": orchestration.table,
    "aggregation": aggregation.table,
}


def machine() -> str:
    """Return a sentence on what the measurements were made with."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("prefect", "distributed", "gmat-run", "gmatpy")
    )
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores of {platform.machine()}, "
        f"{platform.system()}, Python {platform.python_version()}, {packages}."
    )


def with_block(page: str, name: str, text: str) -> str:
    """Return the page with the block of that name replaced.

    Raises
    ------
    ValueError
        The page has no such block.
    """
    block = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end of {name} -->)", re.DOTALL)
    if block.search(page) is None:
        raise ValueError(f"{PAGE.name} has no block named {name}")
    return block.sub(lambda found: f"{found[1]}{text}{found[2]}", page)


def main() -> None:
    """Rewrite the page."""
    page = with_block(PAGE.read_text(encoding="utf-8"), "machine", machine())
    for name, table in TABLES.items():
        results: Any = json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))
        page = with_block(page, name, table(results))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
