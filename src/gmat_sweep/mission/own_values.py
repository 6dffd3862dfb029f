"""The numbers that a script itself assigns before its mission sequence."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

from gmat_sweep.mission.script import statements_of
from gmat_sweep.mission.statements import bare_value

__all__ = ["literal_values"]


def literal_values(script: Path) -> dict[str, float]:
    """Return the last number that is assigned to each target before the mission sequence.

    Parameters
    ----------
    script : Path
        The script; its includes are read as well.

    Returns
    -------
    dict
        Finite numbers by target without blanks: ``Sat.SMA``, ``A(1,2)``, ``v`` for a Variable. A
        target whose last value is an expression or text is not among them.
    """
    values: dict[str, float] = {}
    for statement in statements_of(script):
        if statement.word == "BeginMissionSequence":
            break
        if target := statement.target:
            values.pop(target, None)
            with suppress(ValueError):
                number = float(bare_value(statement))
                if math.isfinite(number):
                    values[target] = number
    return values
