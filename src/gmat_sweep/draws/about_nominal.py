"""Distributions about the value that the script itself gives: ``("delta_normal", 5.0)``.

``delta_`` adds to that value, ``rel_`` adds a share of it, ``_seconds`` moves an epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gmat_sweep.draws.shorthands import number_of, refuse

__all__ = ["ABOUT_NOMINAL", "SECONDS", "Offset", "absolute_of", "offset_of"]


@dataclass(frozen=True, slots=True)
class Offset:
    """What is added to a nominal value.

    Attributes
    ----------
    kind : {"normal", "uniform"}
        The distribution.
    low, high : float
        Of a uniform one the bounds; of a normal one 0 and the standard deviation.
    is_share : bool
        Whether the numbers are shares of the nominal value.
    """

    kind: str
    low: float
    high: float
    is_share: bool


_FORMS = {
    "delta_normal": "('delta_normal', sigma)",
    "delta_uniform": "('delta_uniform', lo, hi)",
    "rel_normal": "('rel_normal', 0.01) or '1%'",
    "rel_uniform": "('rel_uniform', -0.01, 0.02)",
    "normal_seconds": "('normal_seconds', sigma)",
    "uniform_seconds": "('uniform_seconds', lo, hi)",
}
ABOUT_NOMINAL = tuple(_FORMS)
"""The tags of distributions that need the script's own value."""

SECONDS = ("normal_seconds", "uniform_seconds")
"""Those that move an epoch."""


def offset_of(spec: tuple[Any, ...], name: str | None) -> Offset:
    """Return what a tuple adds to the nominal value.

    One bound alone of a uniform distribution is that of both sides.

    Raises
    ------
    SweepConfigError
        There are too few or too many parameters, or one is no number in its range.
    """
    tag = spec[0]
    kind = "normal" if "normal" in tag else "uniform"
    if not 2 <= len(spec) <= (2 if kind == "normal" else 3):
        refuse(name, f"a {tag!r} distribution cannot be {spec!r}", f"Write {_FORMS[tag]}")
    try:
        numbers = [number_of(value, is_sigma=kind == "normal") for value in spec[1:]]
    except (TypeError, ValueError, OverflowError):
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        refuse(
            name,
            f"the {tag!r} distribution parameters must be finite numbers, got {spec!r}",
            f"Write {_FORMS[tag]}",
        )
    if tag.startswith("rel_"):
        for value, number in zip(spec[1:], numbers, strict=True):
            if abs(number) >= 1 and not (isinstance(value, str) and "%" in value):
                refuse(
                    name,
                    f"a share of {value} in {spec!r} is {100 * number:g} % of the script's value",
                    f"Write '{number:g}%' or '{100 * number:g}%', whichever is meant",
                )
    low, high = (0.0, numbers[0]) if kind == "normal" else (numbers[0], numbers[-1])
    if len(spec) == 2 and kind == "uniform":
        low = -high
    if high <= low:
        what = "a standard deviation" if kind == "normal" else "an upper bound"
        refuse(
            name,
            f"a {tag!r} distribution needs {what} above {low!r}, got {spec!r}",
            f"Write {_FORMS[tag]}",
        )
    return Offset(kind, low, high, tag.startswith("rel_"))


def absolute_of(spec: tuple[Any, ...], nominal: Any, name: str) -> tuple[str, float, float]:
    """Return the distribution of the field itself, as a shorthand of numbers.

    Parameters
    ----------
    spec : tuple
        A distribution about the nominal value, not one of seconds.
    nominal : object
        The value that the script gives the field.
    name : str
        The field.

    Raises
    ------
    SweepConfigError
        The nominal value is no number, or is 0 and a share of it is wanted.
    """
    offset = offset_of(spec, name)
    if nominal is None:
        refuse(
            name,
            f"{spec[0]!r} adds to the script's own value, which cannot be told, because the script "
            "does not assign it a number",
            "Assign it in the script, or give an absolute distribution, such as ('normal', 1, 0.1)",
        )
    is_number = isinstance(nominal, int | float) and not isinstance(nominal, bool)
    if not is_number or not math.isfinite(nominal):
        refuse(
            name,
            f"{spec[0]!r} adds to the script's own value, which is {nominal!r} and no number",
            "Move an epoch with ('normal_seconds', 30)"
            if name.endswith(".Epoch")
            else "Give the field an absolute distribution, such as ('normal', mu, sigma)",
        )
    value = float(nominal)
    scale = abs(value) if offset.is_share else 1.0
    if scale == 0:
        refuse(
            name,
            f"{spec[0]!r} is a share of the script's own value, which is 0",
            "Give the spread in the field's unit, such as ('delta_normal', sigma)",
        )
    if offset.kind == "normal":
        return "normal", value, scale * offset.high
    return "uniform", value + scale * offset.low, value + scale * offset.high


type Nominal = Mapping[str, Any]
"""What the script itself says, by the names that `needed_of_nominal` gives."""

type Draw = Callable[[int], tuple[Any, ...]]
