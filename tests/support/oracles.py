"""The numbers that the arithmetic of verdicts must give, made by mpmath at 30 digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["ORACLES", "alpha_of"]

ORACLES: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "data/verdicts/oracles.json").read_text(encoding="utf-8")
)


def alpha_of(oracle: dict[str, Any]) -> float:
    """Return 1 - the confidence of an oracle, whose text is an exact decimal."""
    if "alpha" in oracle:
        return float(oracle["alpha"])
    return (100 - round(100 * float(oracle["conf"]))) / 100
