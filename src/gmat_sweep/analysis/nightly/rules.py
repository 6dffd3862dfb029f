"""When a difference matters: by its size between the same runs, by chance between draws.

A size is a share of the spread that the other night has, or an amount in the quantity's own unit.
It never is a share of the quantity itself: a Modified Julian Date is large, and 2.5 s matter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.verdicts.units import converted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FLOORS", "MaterialRule", "rounding"]

FLOORS = {"km": 1e-6, "km/s": 1e-9, "deg": 1e-9, "s": 1e-6, "d": 1e-6 / 86400}
"""What is rounding by its unit: 1 mm, 1 um/s, 1e-9 deg and 1 us."""

_SHARE_OF_SPREAD = 1e-9
# A number that was computed in another order differs by so many steps of a float.
_STEPS = 2
_SIZE = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S*)\s*")
_SIGMA = "sigma"


@dataclass(frozen=True, slots=True)
class MaterialRule:
    """When a quantity, the failures or a requirement have moved between two nights.

    Attributes
    ----------
    material : float
        Between the same runs: a shift of the mean, of the percentiles 5, 50 and 95 or of sigma
        matters if it is more than this share of the quantity's sigma in the other night.
    run_sigmas : float
        One run is enough if it shifted by more than this many of those sigmas, and by more than
        what matters of the mean.
    quantities : mapping of str to float or str
        What matters of a quantity instead of `material`, by its name: an amount in its unit, such
        as ``0.5``, or text with a unit, such as ``"500 m"`` or ``"0.2 sigma"``.
    false_alarms : float
        Between two sets of draws: how often a night may be called moved although nothing changed,
        whatever the number of quantities. 0.01 is one night in 100.

    Raises
    ------
    SweepConfigError
        A number is negative or not finite, `false_alarms` is not between 0 and 1, or a text in
        `quantities` is no amount.

    Examples
    --------
    >>> rule = MaterialRule(quantities={"Sat.Earth.RadApo": "500 m"})
    >>> rule.size_of("Sat.Earth.RadApo", "km", 400.0), rule.size_of("Sat.Earth.SMA", "km", 400.0)
    (0.5, 40.0)
    """

    material: float = 0.1
    run_sigmas: float = 1.0
    quantities: Mapping[str, float | str] = field(default_factory=dict)
    false_alarms: float = 0.01

    def __post_init__(self) -> None:
        for name in ("material", "run_sigmas"):
            value = getattr(self, name)
            if not _is_size(value):
                raise SweepConfigError(f"{name} must be a number of at least 0, got {value!r}.")
        if not (_is_size(self.false_alarms) and 0 < self.false_alarms < 1):
            raise SweepConfigError(
                f"false_alarms must be between 0 and 1, got {self.false_alarms!r}. One night in "
                "100 is 0.01."
            )
        for name, size in self.quantities.items():
            _parsed(name, size)

    def size_of(self, quantity: str, unit: str, sigma: float) -> float:
        """Return what matters of a quantity, in its unit, but for rounding.

        Parameters
        ----------
        quantity, unit : str
            GMAT's name, and the unit if it is known.
        sigma : float
            Standard deviation over the other night's runs; 0 if there is none.

        Raises
        ------
        SweepConfigError
            The size of the quantity is given in a unit that is none of its own.
        """
        if quantity not in self.quantities:
            return self.material * sigma
        amount, stated = _parsed(quantity, self.quantities[quantity])
        if stated == _SIGMA:
            return amount * sigma
        if not stated or stated == unit:
            return amount
        if not unit:
            raise SweepConfigError(
                f"quantities: the unit of {quantity} is not known, got {stated!r}. Give a number "
                "in the unit in which the mission reports it."
            )
        try:
            return converted(amount, stated, unit)
        except SweepConfigError:
            raise SweepConfigError(
                f"quantities: {quantity} is in {unit}, got {stated!r}. Give its size in {unit}."
            ) from None


def rounding(unit: str, sigma: float, *values: NDArray[np.float64]) -> float:
    """Return up to which size a difference is rounding, in the unit of the values.

    Parameters
    ----------
    unit : str
        The unit, empty if it is not known.
    sigma : float
        The spread that the values have.
    *values : ndarray of float64
        The values, finite. Of them only the steps in which a float can tell numbers apart count:
        0.5 us for a Modified Julian Date.
    """
    import numpy as np

    largest = max((float(np.abs(each).max()) for each in values if len(each)), default=0.0)
    return max(FLOORS.get(unit, 0.0), _SHARE_OF_SPREAD * sigma, _STEPS * float(np.spacing(largest)))


def _is_size(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value >= 0
    )


def _parsed(quantity: str, size: float | str) -> tuple[float, str]:
    """Return amount and unit of a size."""
    amount: object = size
    unit = ""
    if isinstance(size, str):
        found = _SIZE.fullmatch(size)
        amount, unit = (float(found[1]), found[2]) if found else (None, "")
    if not _is_size(amount):
        raise SweepConfigError(
            f"quantities, {quantity}: {size!r} is no size. Give a number of at least 0 in its "
            'unit, or text such as "500 m" or "0.2 sigma".'
        )
    assert isinstance(amount, int | float)
    return float(amount), unit
