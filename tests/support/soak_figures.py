"""The counts of the soak tests, in one line at the end of `make soak`.

A test adds to its counts by the fixture `figures`, which keeps them as properties of the test's
report: pytest sends reports from the processes that run tests to the one that prints the line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

__all__ = ["FIGURES", "Figures", "figures", "line"]

FIGURES = (
    "rounds",
    "kills",
    "faults injected",
    "entries acknowledged",
    "entries lost",
)
"""The names of the counts, in the order of the line."""


class Figures:
    """Counts what one test does."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, **counts: int) -> None:
        """Add to the counts; names have underscores for blanks."""
        for name, count in counts.items():
            told = name.replace("_", " ")
            assert told in FIGURES, told
            self.counts[told] += count

    def acknowledged(self, promised: Iterable[int], found: Iterable[int]) -> set[int]:
        """Count entries that were promised, and return the lost ones."""
        wanted = set(promised)
        lost = wanted - set(found)
        self.add(entries_acknowledged=len(wanted), entries_lost=len(lost))
        return lost


@pytest.fixture
def figures(record_property: Callable[[str, Any], None]) -> Iterator[Figures]:
    """Count what a soak test does; the counts are in the line even if the test fails."""
    counted = Figures()
    yield counted
    for name, count in counted.counts.items():
        record_property(f"soak: {name}", count)


def line(properties: Iterable[tuple[str, Any]]) -> str | None:
    """Return the sums of properties of reports as one line; None if nothing was counted."""
    sums: Counter[str] = Counter()
    for name, count in properties:
        if name.startswith("soak: "):
            sums[name.removeprefix("soak: ")] += count
    if not sums:
        return None
    return ", ".join(f"{sums[name]:,} {name}" for name in FIGURES)
