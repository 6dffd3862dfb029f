"""Values that GMAT refuses, or flies as others: counted before the first run, and said.

GMAT refuses a negative eccentricity beside other Keplerian elements, and flies its magnitude where
it stands alone or is set by the mission sequence.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

__all__ = ["OutOfRange"]

# What GMAT R2026a takes, by resource type and field: least, most, and whether the least counts.
_LIMITS: Mapping[tuple[str, str], tuple[float, float, bool]] = {
    ("Spacecraft", "ECC"): (0.0, math.inf, True),
    ("Spacecraft", "INC"): (0.0, 180.0, True),
    ("Spacecraft", "DryMass"): (0.0, math.inf, True),
    ("Spacecraft", "DragArea"): (0.0, math.inf, True),
    ("Spacecraft", "SRPArea"): (0.0, math.inf, True),
    ("ChemicalTank", "FuelMass"): (0.0, math.inf, True),
    ("ChemicalTank", "Pressure"): (0.0, math.inf, True),
    ("ChemicalTank", "Temperature"): (-273.15, math.inf, False),
}
_BY_FIELD: dict[str, tuple[float, float, bool]] = {field: at for (_, field), at in _LIMITS.items()}


class OutOfRange:
    """Counts the values of runs that GMAT does not take as they are."""

    def __init__(self) -> None:
        self._runs = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, overrides: Mapping[str, Any]) -> None:
        """Look at the overrides of a run."""
        self._runs += 1
        for path, value in overrides.items():
            limits = _BY_FIELD.get(path.rpartition(".")[2])
            if limits is None or not isinstance(value, int | float):
                continue
            least, most, counts = limits
            if value < least or (value == least and not counts):
                self._counts[path, f"below {least:g}" if counts else f"not above {least:g}"] += 1
            elif value > most:
                self._counts[path, f"above {most:g}"] += 1

    def warnings(self, types: Mapping[str, str]) -> list[str]:
        """Return a sentence for each field with such values.

        Parameters
        ----------
        types : mapping of str to str
            The types of the script's resources.
        """
        return [
            f"{count} of {self._runs} runs have {path} {how}, which GMAT refuses or flies as "
            "another value. If these are draws, give the distribution bounds (truncnorm)."
            for (path, how), count in self._counts.items()
            if (types.get(path.partition(".")[0], ""), path.rpartition(".")[2]) in _LIMITS
        ]
