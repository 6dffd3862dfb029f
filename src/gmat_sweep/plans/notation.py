"""The notation: axes, distributions, limits, options and tables that a user writes as text.

The command line and the parameters of the flow share it. A SweepConfigError of any function here
names the flag or the parameter, and quotes the text.

Only text that is written as a number becomes one: an optional sign, digits without leading zeros,
point and exponent (``7000``, ``-.5``, ``1.50``, ``1e3``). So ``007``, ``1_000`` and ``2024_07``
stay text, as do digits of other scripts.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.limits import check_run_count, number_text, shown

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from gmat_sweep.distributions import DistSpec

__all__ = [
    "max_failed",
    "number_or_text",
    "parse_backend_args",
    "parse_grid",
    "parse_perturb",
    "read_samples",
    "texts_by_name",
]

_UNDIVIDED = re.compile(
    r"(?<![^,\s])'[^']*'(?=\s*(?:,|$))"
    r"|\{[^{}]*\}|\[[^\[\]]*\]"
    r"|\d{1,2} [A-Z][a-z]{2} \d{4} \d{1,2}:\d{2}:\d{2}(?:\.\d+)?"
)
_NUMBER = re.compile(
    r"[+-]?(?:(?:0|[1-9][0-9]*)(?P<point>\.[0-9]*)?|(?P<bare_point>\.[0-9]+))"
    r"(?P<exponent>[eE][+-]?[0-9]+)?"
)
_NOT_FINITE = re.compile(r"[+-]?(?:inf|infinity|nan)", re.IGNORECASE)
# What pandas and other programs write for a missing number.
_NO_NUMBER = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none"})
_QUOTED_OPTION = re.compile(r"(?P<quote>['\"])(?P<text>(?:(?!(?P=quote)).)*)(?P=quote)", re.DOTALL)
_MISSING = object()
_TRUTHS = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}
# Other quoted text keeps its quotes, which tell it from a number, a name or a list of GMAT's.
_QUOTED_TEXT = re.compile(r"'(?P<text>(?![{\[])[^']*[ ,:][^']*)'")


def parse_grid(specs: Iterable[str], flag: str = "--grid") -> dict[str, list[Any]]:
    """Parse ``name=lo:hi:count`` (evenly spaced, ends included) and ``name=v1,v2`` axes.

    Commas and colons between single quotes, and commas in braces or brackets, are part of a value;
    the colons of a Gregorian epoch are, too.
    """
    return _by_name(specs, flag, "values", "name=lo:hi:count or name=v1,v2", _axis)


def parse_perturb(
    specs: Iterable[str], flag: str = "--perturb", folder: Path | None = None
) -> dict[str, DistSpec]:
    """Parse ``name=normal:mean:sigma``, ``name=choice:a|b`` and the other distributions.

    The relative path of a covariance's file starts from `folder`, or else the current one.
    """
    from pathlib import Path

    from gmat_sweep.plans.distributions_as_text import distribution_from_text

    place = Path() if folder is None else folder

    def parse(flag: str, text: str, value: str) -> DistSpec:
        where = f"{flag} {shown(text)}"
        return distribution_from_text(where, value, number_or_text, place)

    return _by_name(specs, flag, "distribution", "name=normal:mean:sigma", parse)


def texts_by_name(specs: Iterable[str], flag: str) -> dict[str, str]:
    """Return what stands behind each name, as text for whoever knows what it is written for."""
    example = "name=normal:mean:sigma or name=v1,v2"
    return _by_name(specs, flag, "distribution or values", example, lambda _, __, value: value)


def read_samples(path: Path, flag: str = "--samples") -> pd.DataFrame:
    """Read a table of one run per row.

    A column of a .csv holds numbers or truths (``true``, ``False``) if all its cells do; an empty
    cell, or in a column of numbers ``NA`` and its like, is missing. Otherwise every cell of it is
    text as it is written: ``None`` is a value of GMAT's, and ``007`` a name.

    Raises
    ------
    SweepConfigError
        The file is neither .csv nor .parquet, is not there, cannot be read, or has no rows.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise SweepConfigError(f"{flag} {path} is not supported. Give a .csv or a .parquet file.")
    if not path.is_file():
        raise SweepConfigError(f"{flag} {path} was not found. Check the path.")
    import pandas as pd

    try:
        if kind == ".csv":
            # As text: pandas would make 7 of 007, and a number's last bits anew.
            cells = pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False)
            frame = cells.apply(_typed_column) if len(cells) else cells
        else:
            frame = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise SweepConfigError(
            f"{flag} {path} cannot be read: {reason}. Give a table with one run per row."
        ) from error
    if not len(frame):
        raise SweepConfigError(f"{flag} {path} has no rows, so there is nothing to run. Add some.")
    return frame


def _typed_column(cells: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of text as numbers or truths, if it holds nothing else."""
    import pandas as pd

    written = ["" if not isinstance(cell, str) else cell for cell in cells]
    values: list[Any] = [_cell(cell.strip()) for cell in written]
    present = [value for value in values if value is not _MISSING]
    if not present and any(written):
        # Words such as None, and no number.
        return pd.Series([cell or math.nan for cell in written], cells.index, dtype=object)
    truths = {isinstance(value, bool) for value in present}
    if any(isinstance(value, str) for value in present) or len(truths) > 1:
        return pd.Series([cell or math.nan for cell in written], cells.index, dtype=object)
    values = [math.nan if value is _MISSING else value for value in values]
    # Columns of one type as pandas has them; else each cell keeps its own.
    is_mixed = len({type(value) for value in values}) > 1
    return pd.Series(values, cells.index, dtype=object if is_mixed else None)


def _cell(text: str) -> int | float | str | bool | object:
    if text.lower() in _NO_NUMBER:
        return _MISSING
    return _TRUTHS[text] if text in _TRUTHS else number_or_text(text)


def max_failed(text: str, total: int, what: str = "--max-failed") -> int:
    """Return how many of `total` runs may fail, from a count (``3``) or a share (``5%``)."""
    number, percent = text.removesuffix("%"), text.endswith("%")
    written = _NUMBER.fullmatch(number)
    limit = Decimal(-1)
    if written and (percent or not any(written.groups())):
        # Decimal, because in binary 18.4 % of 375 is a little less than 69.
        with contextlib.suppress(InvalidOperation):
            limit = Decimal(number)
    if not limit.is_finite() or limit < 0 or (percent and limit > 100):
        raise SweepConfigError(
            f"{what} {shown(text)} must be a count such as 3 or a percentage such as 5%."
        )
    return int(total * limit // 100) if percent else int(limit)


def parse_backend_args(specs: Iterable[str], flag: str = "--backend-arg") -> dict[str, Any]:
    """Parse ``KEY=VALUE`` options of a back end.

    Values are numbers, true/false, lists and mappings in JSON, or text. A number that Python would
    write otherwise, such as ``3.10``, is text, and a value in quotes, single or double, is the text
    between them.
    """
    parsed: dict[str, Any] = {}
    for text in specs:
        key, equals, value = text.partition("=")
        if not equals:
            raise SweepConfigError(f"{flag} {shown(text)} must be 'KEY=VALUE'.")
        if not key:
            raise SweepConfigError(f"{flag} {shown(text)} is missing a key. Write KEY=VALUE.")
        if not value:
            raise SweepConfigError(f"{flag} {shown(text)} has no value. Write KEY=VALUE.")
        if key in parsed:
            raise SweepConfigError(f"{flag} {shown(key)} is given more than once. Give it once.")
        parsed[key] = _option(flag, text, value)
    return parsed


def number_or_text(token: str) -> int | float | str:
    """Return a token as an integer or float if it is written as one, or else the token itself.

    ``inf`` and ``nan`` are floats too, and so is an integer of more digits than Python reads.
    """
    written = _NUMBER.fullmatch(token)
    if written is None:
        return float(token) if _NOT_FINITE.fullmatch(token) else token
    if any(written.groups()) or token == "-0":  # noqa: S105 - no password
        return float(token)
    try:
        return int(token)
    except ValueError:
        return float(token)


def _option(flag: str, text: str, value: str) -> Any:
    if quoted := _QUOTED_OPTION.fullmatch(value):
        return quoted["text"]
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if value.startswith(("[", "{")):
        try:
            return json.loads(value, parse_constant=_refused_constant)
        except ValueError as error:
            raise SweepConfigError(
                f"{flag} {shown(text)} is not valid JSON: {error}. Write a list as "
                '["--lifetime", "55m"] and a mapping as {"NAME": "VALUE"}.'
            ) from None
    option = number_or_text(value)
    if isinstance(option, float) and not math.isfinite(option):
        raise SweepConfigError(
            f"{flag} {shown(text)} has a non-finite value. Give a finite number or text."
        )
    # The version 3.10 and the account 12e4 are no numbers, and nothing here can tell.
    return option if str(option) == value else value


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
            raise SweepConfigError(f"{flag} {shown(text)} must contain '='. Write {example}.")
        if not name.strip():
            raise SweepConfigError(f"{flag} {shown(text)} is missing a name. Write {example}.")
        if not value.strip():
            raise SweepConfigError(f"{flag} {shown(text)} has no {what}. Write {example}.")
        if name.strip() in parsed:
            raise SweepConfigError(
                f"{flag} {shown(name.strip())} is given more than once. Give each name once."
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
            f"{flag} {shown(text)} must have three colon-separated parts. Write name=lo:hi:count, "
            "and text with a colon in single quotes."
        )
    low, high = (_number(f"{flag} {shown(text)}", bound.strip(), "bounds") for bound in parts[:2])
    count = number_or_text(parts[2].strip())
    if not isinstance(count, int):
        raise SweepConfigError(
            f"{flag} {shown(text)} has the count {shown(parts[2])}, which must be an integer."
        )
    if count < 2:
        raise SweepConfigError(
            f"{flag} {shown(text)} has the count {number_text(count)}, which must be >= 2."
        )
    check_run_count(count, f"{flag} {shown(text)}")
    import numpy as np

    return [float(value) for value in np.linspace(low, high, count)]


def _grid_value(flag: str, text: str, token: str) -> int | float | str:
    if not token:
        raise SweepConfigError(f"{flag} {shown(text)} has an empty value. Remove the stray comma.")
    if quoted := _QUOTED_TEXT.fullmatch(token):
        return quoted["text"]
    value = number_or_text(token)
    if isinstance(value, float) and not math.isfinite(value):
        raise SweepConfigError(
            f"{flag} {shown(text)} has the non-finite value {shown(token)}. Give finite numbers or "
            "text."
        )
    return value


def _number(where: str, token: str, what: str) -> float:
    number = number_or_text(token)
    if isinstance(number, str):
        raise SweepConfigError(
            f"{where} has {shown(token)} among its {what}, which must be numeric: digits without "
            "leading zeros or underscores."
        )
    number = float(token)
    if not math.isfinite(number):
        raise SweepConfigError(
            f"{where} has {shown(token)} among its {what}, which must be finite."
        )
    return number
