"""Units that a requirement may be stated in, and what one is in another.

Metres and kilometres, degrees and radians, seconds, minutes, hours and days are converted by exact
ratios. Every other unit has to be that of the column, letter by letter.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, overload

from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["converted", "factor", "is_epoch_name"]

# How many of the smallest unit each one is. Whole numbers, so that a ratio is rounded once.
_FAMILIES: tuple[dict[str, float], ...] = (
    {"m": 1, "km": 1000},
    {"m/s": 1, "km/s": 1000},
    {"s": 1, "min": 60, "h": 3600, "d": 86400},
    {"deg": math.pi, "rad": 180.0},
)


def factor(from_unit: str, to_unit: str) -> float:
    """Return the number by which a value in one unit is multiplied to have it in another.

    Parameters
    ----------
    from_unit, to_unit : str
        ``m`` or ``km``; ``m/s`` or ``km/s``; ``deg`` or ``rad``; ``s``, ``min``, ``h`` or ``d``.
        Two equal units of any other kind give 1.

    Raises
    ------
    SweepConfigError
        One is not the other's in another size.

    Examples
    --------
    >>> factor("km", "m")
    1000.0
    """
    above, below = _ratio(from_unit, to_unit)
    return above / below


@overload
def converted(value: float, from_unit: str, to_unit: str) -> float: ...
@overload
def converted(value: NDArray[np.float64], from_unit: str, to_unit: str) -> NDArray[np.float64]: ...
def converted(
    value: float | NDArray[np.float64], from_unit: str, to_unit: str
) -> float | NDArray[np.float64]:
    """Return `value` in another unit, rounded once: 1 m is 0.001 km to the last bit.

    A value whose unit stays is returned as it is. Raises as `factor` does.
    """
    above, below = _ratio(from_unit, to_unit)
    if below == 1:
        return value if above == 1 else value * above
    return value / below if above == 1 else value * above / below


def is_epoch_name(column: str) -> bool:
    """Return whether `column` is an epoch by its name: ``time``, ``*Gregorian``, ``*ModJulian``."""
    last = column.rpartition(".")[2]
    return last == "time" or last.endswith(("Gregorian", "ModJulian"))


def _ratio(from_unit: str, to_unit: str) -> tuple[float, float]:
    """Return the two numbers by which a value is multiplied and divided, without common divisor."""
    if from_unit == to_unit:
        return 1.0, 1.0
    for family in _FAMILIES:
        if from_unit in family and to_unit in family:
            above, below = family[from_unit], family[to_unit]
            if isinstance(above, int) and isinstance(below, int):
                divisor = math.gcd(above, below)
                return above / divisor, below / divisor
            return above, below
    own = next((family for family in _FAMILIES if from_unit in family), {from_unit: 1})
    raise SweepConfigError(
        f"a value in {from_unit or 'no unit'} cannot be had in {to_unit or 'no unit'}. "
        f"State the unit as {' or '.join(own) or 'empty text'}."
    )
