"""A random mission in the making: its lines so far, and what its runs may override."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from plain_gmat import Value
from plain_report import DeclaredReport

__all__ = ["FIRST_DAY", "SCALES", "Choice", "Draft"]

FIRST_DAY = 31041.5
"""The first day of 2026 as a modified Julian date of GMAT's, in any time scale."""

SCALES = ("UTC", "TAI", "A1", "TT", "TDB")
"""GMAT's time scales."""

_ANGLES = (0.0, 180.0, 360.0, 90.0, 1e-9)

type Choice = Callable[[], Value]


@dataclass(slots=True)
class Draft:
    """A mission in the making.

    `overridable` has a function that draws a value for each path.
    """

    rng: random.Random
    has_air: bool = False
    setup: list[str] = field(default_factory=list)
    sequence: list[str] = field(default_factory=list)
    quantities: list[str] = field(default_factory=list)
    reports: list[DeclaredReport] = field(default_factory=list)
    overridable: dict[str, Choice] = field(default_factory=dict)
    refused: list[tuple[str, Value]] = field(default_factory=list)

    def create(self, kind: str, name: str, **fields: object) -> None:
        """Create a resource; a value is written as it is, with a double underscore for a dot."""
        self.setup.append(f"Create {kind} {name};")
        prefix = self.rng.choice(["GMAT ", ""])
        for key, value in fields.items():
            self.setup.append(f"{prefix}{name}.{key.replace('__', '.')} = {value};")

    def maybe(self, chance: float) -> bool:
        return self.rng.random() < chance

    def number(self, low: float, high: float) -> float:
        """Draw a number, with few or with all digits."""
        value = self.rng.uniform(low, high)
        return round(value, self.rng.choice([0, 1, 3])) if self.maybe(0.5) else value

    def between(self, low: float, high: float) -> Choice:
        """Return how to draw a number."""
        return lambda: self.number(low, high)

    def near(self, value: float, spread: float) -> Choice:
        """Return how to draw a number near another, now and then that number."""
        return lambda: value + self.number(-spread, spread) * self.maybe(0.8)

    def angle(self, high: float = 360.0) -> float:
        """Draw an angle in deg, often where elements are singular."""
        if self.maybe(0.35):
            return self.rng.choice([angle for angle in _ANGLES if angle <= high])
        return self.number(0.0, high)
