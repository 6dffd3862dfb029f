"""The notation: axes, distributions, limits, options and tables that a user writes as text.

The command line and the parameters of the flow share it. A SweepConfigError of any function here
names the flag or the parameter, and quotes the text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = [
    "max_failed",
    "number_or_text",
    "parse_backend_args",
    "parse_grid",
    "parse_perturb",
    "read_samples",
]

_DISTRIBUTIONS = ("normal", "uniform", "lognormal")
_UNDIVIDED = re.compile(
    r"(?<![^,\s])'[^']*'(?=\s*(?:,|$))"
    r"|\{[^{}]*\}|\[[^\[\]]*\]"
    r"|\d{1,2} [A-Z][a-z]{2} \d{4} \d{1,2}:\d{2}:\d{2}(?:\.\d+)?"
)
# Other quoted text keeps its quotes, which tell it from a number, a name or a list of GMAT's.
_QUOTED_TEXT = re.compile(r"'(?P<text>(?![{\[])[^']*[ ,:][^']*)'")


def parse_grid(specs: Iterable[str], flag: str = "--grid") -> dict[str, list[Any]]:
    """Parse ``name=lo:hi:count`` (evenly spaced, ends included) and ``name=v1,v2`` axes.

    Commas and colons between single quotes, and commas in braces or brackets, are part of a value;
    the colons of a Gregorian epoch are, too.
    """
    return _by_name(specs, flag, "values", "name=lo:hi:count or name=v1,v2", _axis)


def parse_perturb(
    specs: Iterable[str], flag: str = "--perturb"
) -> dict[str, tuple[str, float, float]]:
    """Parse ``name=normal:mean:sigma``, ``name=uniform:low:high``, ``name=lognormal:mu:sigma``."""
    return _by_name(specs, flag, "distribution", "name=normal:mean:sigma", _distribution)


def read_samples(path: Path, flag: str = "--samples") -> pd.DataFrame:
    """Read a table of one run per row.

    Raises
    ------
    SweepConfigError
        The file is neither .csv nor .parquet, is not there, or cannot be read.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise SweepConfigError(f"{flag} {path} is not supported. Give a .csv or a .parquet file.")
    if not path.is_file():
        raise SweepConfigError(f"{flag} {path} was not found. Check the path.")
    import pandas as pd

    try:
        return pd.read_csv(path) if kind == ".csv" else pd.read_parquet(path)
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise SweepConfigError(
            f"{flag} {path} cannot be read: {reason}. Give a table with one run per row."
        ) from error


def max_failed(text: str, total: int, what: str = "--max-failed") -> int:
    """Return how many of `total` runs may fail, from a count (``3``) or a share (``5%``)."""
    number, percent = text.removesuffix("%"), text.endswith("%")
    try:
        # Decimal, because in binary 18.4 % of 375 is a little less than 69.
        limit = Decimal(number) if percent else Decimal(int(number))
    except (ValueError, InvalidOperation):
        limit = Decimal(-1)
    if not limit.is_finite() or limit < 0 or (percent and limit > 100):
        raise SweepConfigError(
            f"{what} {text!r} must be a count such as 3 or a percentage such as 5%."
        )
    return int(total * limit // 100) if percent else int(limit)


def parse_backend_args(specs: Iterable[str], flag: str = "--backend-arg") -> dict[str, Any]:
    """Parse ``KEY=VALUE`` options of a back end.

    Values are numbers, true/false, lists and mappings in JSON, or text.
    """
    parsed: dict[str, Any] = {}
    for text in specs:
        key, equals, value = text.partition("=")
        if not equals:
            raise SweepConfigError(f"{flag} {text!r} must be 'KEY=VALUE'.")
        if not key:
            raise SweepConfigError(f"{flag} {text!r} is missing a key. Write KEY=VALUE.")
        if not value:
            raise SweepConfigError(f"{flag} {text!r} has no value. Write KEY=VALUE.")
        if key in parsed:
            raise SweepConfigError(f"{flag} {key!r} is given more than once. Give it once.")
        parsed[key] = _option(flag, text, value)
    return parsed


def number_or_text(token: str) -> int | float | str:
    """Return a token as an integer or float if it is one, or else the token itself."""
    kinds: tuple[type[int], type[float]] = (int, float)
    for kind in kinds:
        try:
            return kind(token)
        except ValueError:
            continue
    return token


def _option(flag: str, text: str, value: str) -> Any:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if value.startswith(("[", "{")):
        try:
            return json.loads(value, parse_constant=_refused_constant)
        except ValueError as error:
            raise SweepConfigError(
                f"{flag} {text!r} is not valid JSON: {error}. Write a list as "
                '["--lifetime", "55m"] and a mapping as {"NAME": "VALUE"}.'
            ) from None
    option = number_or_text(value)
    if isinstance(option, float) and not math.isfinite(option):
        raise SweepConfigError(
            f"{flag} {text!r} has a non-finite value. Give a finite number or text."
        )
    return option


def _refused_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


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
    # As long as the value, without the commas and colons that divide nothing.
    dividing = _UNDIVIDED.sub(lambda found: "_" * len(found.group()), value)
    if ":" not in dividing:
        ends = [*(found.start() for found in re.finditer(",", dividing)), len(value)]
        starts = [0, *(end + 1 for end in ends)]
        tokens = [value[start:end] for start, end in zip(starts, ends, strict=False)]
        return [_grid_value(flag, text, token.strip()) for token in tokens]
    parts = value.split(":")
    if len(parts) != 3:
        raise SweepConfigError(
            f"{flag} {text!r} must have three colon-separated parts. Write name=lo:hi:count, "
            "and text with a colon in single quotes."
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


def _grid_value(flag: str, text: str, token: str) -> int | float | str:
    if not token:
        raise SweepConfigError(f"{flag} {text!r} has an empty value. Remove the stray comma.")
    if quoted := _QUOTED_TEXT.fullmatch(token):
        return quoted["text"]
    value = number_or_text(token)
    if isinstance(value, float) and not math.isfinite(value):
        raise SweepConfigError(
            f"{flag} {text!r} has the non-finite value {token!r}. Give finite numbers or text."
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
