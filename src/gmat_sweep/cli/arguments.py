"""What can be written on the command line, and what it means.

Every function takes the text after one flag and raises SweepConfigError for what it cannot be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from gmat_sweep.errors import SweepConfigError

__all__ = [
    "max_failed",
    "parse_backend_args",
    "parse_grid",
    "parse_perturb",
]

_DISTRIBUTIONS = ("normal", "uniform", "lognormal")


def parse_grid(specs: Iterable[str]) -> dict[str, list[Any]]:
    """Parse ``name=lo:hi:count`` (evenly spaced, ends included) and ``name=v1,v2`` axes."""
    return _by_name(specs, "--grid", "values", "name=lo:hi:count or name=v1,v2", _axis)


def parse_perturb(specs: Iterable[str]) -> dict[str, tuple[str, float, float]]:
    """Parse ``name=normal:mean:sigma``, ``name=uniform:low:high``, ``name=lognormal:mu:sigma``."""
    return _by_name(specs, "--perturb", "distribution", "name=normal:mean:sigma", _distribution)


def parse_backend_args(specs: Iterable[str]) -> dict[str, Any]:
    """Parse ``KEY=VALUE`` options of a back end; values are numbers, true/false, or text."""
    parsed: dict[str, Any] = {}
    for text in specs:
        key, equals, value = text.partition("=")
        if not equals:
            raise SweepConfigError(f"--backend-arg {text!r} must be 'KEY=VALUE'.")
        if not key:
            raise SweepConfigError(f"--backend-arg {text!r} is missing a key. Write KEY=VALUE.")
        if not value:
            raise SweepConfigError(f"--backend-arg {text!r} has no value. Write KEY=VALUE.")
        if key in parsed:
            raise SweepConfigError(f"--backend-arg {key!r} is given more than once. Give it once.")
        parsed[key] = _option(text, value)
    return parsed


def max_failed(text: str, total: int) -> int:
    """Return how many of `total` runs may fail, from a count (``3``) or a share (``5%``)."""
    number, percent = text.removesuffix("%"), text.endswith("%")
    try:
        # In binary, 18.4 % of 375 is a little less than 69.
        limit = Decimal(number) if percent else Decimal(int(number))
    except (ValueError, InvalidOperation):
        limit = Decimal(-1)
    if not limit.is_finite() or limit < 0 or (percent and limit > 100):
        raise SweepConfigError(
            f"--max-failed {text!r} must be a count such as 3 or a percentage such as 5%."
        )
    return int(total * limit // 100) if percent else int(limit)


def _by_name[T](
    specs: Iterable[str],
    flag: str,
    what: str,
    example: str,
    parse: Callable[[str, str, str], T],
) -> dict[str, T]:
    parsed: dict[str, T] = {}
    for text in specs:
        name, equals, value = text.partition("=")
        if not equals:
            raise SweepConfigError(f"{flag} {text!r} must contain '='. Write {example}.")
        if not name.strip():
            raise SweepConfigError(f"{flag} {text!r} is missing a name. Write {example}.")
        if not value.strip():
            raise SweepConfigError(f"{flag} {text!r} has no {what}. Write {example}.")
        if name.strip() in parsed:
            raise SweepConfigError(
                f"{flag} {name.strip()!r} is given more than once. Give each name once."
            )
        parsed[name.strip()] = parse(flag, text, value.strip())
    return parsed


def _axis(flag: str, text: str, value: str) -> list[Any]:
    if ":" not in value:
        return [_grid_value(text, token.strip()) for token in value.split(",")]
    parts = value.split(":")
    if len(parts) != 3:
        raise SweepConfigError(
            f"{flag} {text!r} must have three colon-separated parts. Write name=lo:hi:count."
        )
    low, high = (_number(f"{flag} {text!r}", bound, "bounds") for bound in parts[:2])
    try:
        count = int(parts[2])
    except ValueError:
        raise SweepConfigError(
            f"{flag} {text!r} has the count {parts[2]!r}, which must be an integer."
        ) from None
    if count < 2:
        raise SweepConfigError(f"{flag} {text!r} has the count {count}, which must be >= 2.")
    import numpy as np

    return [float(value) for value in np.linspace(low, high, count)]


def _grid_value(text: str, token: str) -> int | float | str:
    if not token:
        raise SweepConfigError(f"--grid {text!r} has an empty value. Remove the stray comma.")
    value = _number_or_text(token)
    if isinstance(value, float) and not math.isfinite(value):
        raise SweepConfigError(
            f"--grid {text!r} has the non-finite value {token!r}. Give finite numbers or text."
        )
    return value


def _distribution(flag: str, text: str, value: str) -> tuple[str, float, float]:
    parts = value.split(":")
    if len(parts) != 3:
        raise SweepConfigError(
            f"{flag} {text!r} must have three colon-separated parts. Write name=normal:mean:sigma."
        )
    tag = parts[0]
    if tag not in _DISTRIBUTIONS:
        raise SweepConfigError(
            f"{flag} {text!r} has an unknown perturb distribution tag {tag!r}. Choose one of "
            f"{', '.join(_DISTRIBUTIONS)}."
        )
    first, second = (_number(f"{flag} {text!r}", part, "parameters") for part in parts[1:])
    return tag, first, second


def _number(where: str, token: str, what: str) -> float:
    try:
        number = float(token)
    except ValueError:
        raise SweepConfigError(
            f"{where} has {token!r} among its {what}, which must be numeric."
        ) from None
    if not math.isfinite(number):
        raise SweepConfigError(f"{where} has {token!r} among its {what}, which must be finite.")
    return number


def _option(text: str, value: str) -> Any:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    option = _number_or_text(value)
    if isinstance(option, float) and not math.isfinite(option):
        raise SweepConfigError(
            f"--backend-arg {text!r} has a non-finite value. Give a finite number or text."
        )
    return option


def _number_or_text(token: str) -> int | float | str:
    kinds: tuple[type[int], type[float]] = (int, float)
    for kind in kinds:
        try:
            return kind(token)
        except ValueError:
            continue
    return token
