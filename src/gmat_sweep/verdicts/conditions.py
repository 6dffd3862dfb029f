"""Conditions on a column, as ``Sat.Earth.Altitude < 120``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmat_sweep.analysis.units import unit_of
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.verdicts.units import converted, is_epoch_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Condition", "parse_condition"]

_CONDITION = re.compile(
    r"(?P<column>[^<>=!]*[^<>=!\s])\s*(?P<operator><=|>=|<|>)\s*"
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:\s*(?P<unit>[A-Za-z][\w/^]*))?"
)


@dataclass(frozen=True, slots=True)
class Condition:
    """One column against one number.

    Attributes
    ----------
    column : str
        The column, as the report names it.
    operator : str
        ``<``, ``<=``, ``>`` or ``>=``.
    bound : float
        The number, in the unit of the column.
    """

    column: str
    operator: str
    bound: float

    def holds(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return for which `values` it holds; not for NaN."""
        import numpy as np

        compare = {
            "<": np.less,
            "<=": np.less_equal,
            ">": np.greater,
            ">=": np.greater_equal,
        }[self.operator]
        held: NDArray[np.bool_] = compare(values, self.bound)
        return held


def parse_condition(text: str) -> Condition:
    """Read a condition.

    Parameters
    ----------
    text : str
        A column, ``<``, ``<=``, ``>`` or ``>=``, and a number, which may have a unit:
        ``Sat.Earth.Altitude < 120`` or ``Sat.Earth.Altitude < 120000 m``.

    Raises
    ------
    SweepConfigError
        It is no such text, its unit does not fit that of the column, or the column is an epoch.

    Examples
    --------
    >>> parse_condition("Sat.Earth.Altitude < 120")
    Condition(column='Sat.Earth.Altitude', operator='<', bound=120.0)
    """
    found = _CONDITION.fullmatch(text.strip()) if isinstance(text, str) else None
    bound = float(found["number"]) if found else math.nan
    if found is None or not math.isfinite(bound):
        raise SweepConfigError(
            f"{text!r} is no condition. Write a column, one of <, <=, > and >=, and a number, "
            'such as "Sat.Earth.Altitude < 120".'
        )
    column = found["column"].strip()
    if is_epoch_name(column):
        raise SweepConfigError(
            f"{text!r} is a condition on an epoch. Take a quantity; for a moment, use reduce = "
            '"at" or the elapsed seconds of the report.'
        )
    own = unit_of(column)
    if found["unit"] and own:
        try:
            bound = converted(bound, found["unit"], own)
        except SweepConfigError:
            raise SweepConfigError(
                f"{column} is in {own}, got {found['unit']!r}. Write the number in {own}."
            ) from None
    return Condition(column, found["operator"], bound)
