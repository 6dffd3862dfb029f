"""Shares of runs as people write them: 0.997 and 99.7% are one, "3 sigma" is none."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.limits import shown

__all__ = ["percent", "share_of", "shares_of_sigma"]

_NUMBER = re.compile(r"\s*(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*(%|percent)?\s*")
_SIGMA = re.compile(r"\s*(\d+(?:\.\d+)?)[\s-]*(?:sigmas?|\u03c3)\s*", re.IGNORECASE)
_MOST_SIGMA = 8


def share_of(value: object, name: str, *, or_none: bool = False) -> float:
    """Return a share of runs that was given as a number or as text.

    Parameters
    ----------
    value : float or str
        A share between 0 and 1, exclusive: ``0.997``, ``"0.997"`` or ``"99.7%"``.
    name : str
        What it is, for the message.
    or_none : bool
        Take 0, too.

    Returns
    -------
    float
        The float nearest to the decimal that was written.

    Raises
    ------
    SweepConfigError
        It is something else. Of "3 sigma", which means two things, the message has both shares.
    """
    text = value if isinstance(value, str) else ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = repr(float(value)).removesuffix(".0")
    if sigma := shares_of_sigma(text):
        both, one = sigma
        raise SweepConfigError(
            f"{name} {text.strip()!r} means two things. Write {both} (two-sided) or {one} "
            "(one-sided)."
        )
    written = _NUMBER.fullmatch(text)
    if written is None:
        raise SweepConfigError(
            f"{name} {shown(value)} is no share of runs. Write it such as 0.997 or 99.7%."
        )
    number = Decimal(written[1] + (written[2] or ""))
    share = float(number / 100 if written[3] else number)
    if not 0 < share < 1 and not (or_none and share == 0):
        offer = ""
        if not written[3] and 1 < number < 100:
            offer = f" For {text.strip()} percent write {text.strip()}%."
        raise SweepConfigError(
            f"{name} {shown(value)} is not between 0 and 1. Write it such as 0.997 or 99.7%.{offer}"
        )
    return share


def percent(share: float) -> str:
    """Return a share for a person: ``99.7 %``.

    Examples
    --------
    >>> percent(0.997), percent(0.0995), percent(0.00135)
    ('99.7 %', '9.95 %', '0.135 %')
    """
    # Decimal: 0.997 * 100 is 99.7, but 0.0995 * 100 is 9.950000000000001.
    return f"{(Decimal(repr(float(share))) * 100).normalize():f} %"


def shares_of_sigma(text: str) -> tuple[str, str] | None:
    """Return the shares that "3 sigma" may mean; None if `text` is no number of sigmas, to 8.

    Returns
    -------
    tuple of str
        The share within so many sigmas of the mean of a normal distribution, and that below.

    Examples
    --------
    >>> shares_of_sigma("3 sigma")
    ('0.9973', '0.99865')
    """
    written = _SIGMA.fullmatch(text)
    count = 0.0 if written is None else float(written[1])
    if not 0 < count <= _MOST_SIGMA:
        return None
    outside = math.erfc(count / math.sqrt(2))
    return _nines(outside), _nines(outside / 2)


def _nines(outside: float) -> str:
    """Return 1 - `outside`, the latter to three digits of it: 0.9973, 0.99865, 0.999936658."""
    return f"{1 - Decimal(f'{outside:.3g}'):f}"
