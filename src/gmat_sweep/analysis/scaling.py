"""Statistics without overflow: dividing by a power of two brings values below 1 and rounds nothing.

Numbers of a failing mission can be as large as a float holds; their squares would overflow.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["common_exponent", "scaled", "unscaled"]


def common_exponent(*arrays: NDArray[np.float64]) -> int:
    """Return the least e for which all of the finite values, divided by 2**e, are below 1."""
    return max((math.frexp(float(abs(each).max()))[1] for each in arrays if len(each)), default=0)


def scaled(values: NDArray[np.float64], exponent: int) -> NDArray[np.float64]:
    """Return `values` divided by 2**`exponent`."""
    import numpy as np

    return np.ldexp(values, -exponent)


def unscaled(value: float, exponent: int) -> float | None:
    """Return `value` times 2**`exponent`; None if that is not a finite float."""
    try:
        whole = math.ldexp(value, exponent)
    except OverflowError:
        return None
    return whole if math.isfinite(whole) else None
