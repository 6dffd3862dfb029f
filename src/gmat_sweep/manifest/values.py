"""The values of a manifest: plain JSON, checked when written and when read.

`jsonable` returns exactly the value that a reader of the manifest will get, or raises an error that
names the offending value by its key path. Callers use it before they write or run anything. NaN,
infinities and -0.0 are values like any other. `take` and `take_members` check a value as they read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.limits import shown

__all__ = ["NULL", "jsonable", "plain_int", "take", "take_members"]

NULL = type(None)
"""The type of JSON's ``null``, for `take`."""

_REQUIRED: Any = object()

_DEEPEST = 100
# Python refuses to read an integer of more than 4300 digits back from text.
_MOST_BITS = 14_000
_ADVICE: tuple[tuple[tuple[type, ...], str], ...] = (
    ((date, time), "Write it as text, with .isoformat()."),
    ((timedelta,), "Write it as a number, with .total_seconds()."),
    ((PurePath,), "Write it as text, with str()."),
    ((complex, Decimal, Fraction), "Write it as a float, or as text."),
    ((bytes, bytearray, memoryview), "Decode it to text."),
    ((set, frozenset), "Write it as a list, with sorted()."),
)
_OTHERWISE = "Use numbers, text, True, False, None, lists, and dicts whose keys are text."


class _UnfitError(Exception):
    """JSON cannot hold a value; each enclosing container adds its step to the value's path."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.advice = advice
        self.steps: list[str] = []


def jsonable(value: object, where: str) -> Any:
    """Return `value` as the plain JSON value that a manifest records.

    Tuples become lists, mappings become dicts, NumPy scalars and subclasses of ``int``, ``float``
    and ``str`` become the plain Python type of the same value. Reading the manifest gives back
    exactly the value that this returns.

    Parameters
    ----------
    value : object
        Anything; it is not changed.
    where : str
        Name of the value in an error message, such as ``"context"``; steps into it are added
        (``context.truth[3]``). With ``""`` the keys of a mapping stand for themselves.

    Raises
    ------
    SweepConfigError
        `value` holds something JSON cannot: an array, a date, a path, a non-text key, a
        structure nested more than 100 levels deep or in itself. The message names the place, the
        type and what to write instead.

    Examples
    --------
    >>> jsonable({"Sat.SMA": (7000, 7100.5)}, "overrides")
    {'Sat.SMA': [7000, 7100.5]}
    """
    try:
        return _plain(value, 0)
    except _UnfitError as unfit:
        place = where + "".join(reversed(unfit.steps))
        message = f"{place.removeprefix('.') or 'value'} {unfit.problem}. {unfit.advice}"
        raise SweepConfigError(message) from None


def _plain(value: Any, depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is float:
        return value
    # These three are all there is in nearly every entry, of which a sweep may have very many.
    if kind is str and value.isascii():
        return value
    if kind is int and value.bit_length() <= _MOST_BITS:
        return value
    if kind is dict:
        return _plain_mapping(value, depth + 1)
    if isinstance(value, str):
        return _plain_text(value)
    if isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            raise _UnfitError("is an integer of more than 4000 digits", "Write it as text.")
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return _plain_mapping(value, depth + 1)
    if isinstance(value, list | tuple):
        return _plain_list(value, depth + 1)
    # A NumPy value can only exist when NumPy has been imported, so it is not imported here.
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        scalar = value.item()
        if isinstance(scalar, bool | int | float):
            return scalar
        raise _unfit(value, scalar)
    raise _unfit(value, value)


def _plain_text(value: str) -> str:
    text = str.__str__(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            # JSON keeps a lone surrogate, as in an undecodable file name, but joins a split pair.
            if json.loads(json.dumps(text)) != text:
                raise _UnfitError(
                    "is text with a character split into two surrogates", "Write it as one."
                ) from None
    return text


def _check_depth(depth: int) -> None:
    if depth > _DEEPEST:
        raise _UnfitError(f"is nested more than {_DEEPEST} levels deep or in itself", "Flatten it.")


def _plain_mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    _check_depth(depth)
    result = {}
    for key, member in value.items():
        if not isinstance(key, str):
            raise _UnfitError(
                f"has the key {key!r} of type {type(key).__name__}", "Use text as keys."
            )
        try:
            name = key if type(key) is str and key.isascii() else _plain_text(key)
            result[name] = _plain(member, depth)
        except _UnfitError as unfit:
            unfit.steps.append(f".{key}" if key.isidentifier() else f"[{json.dumps(key)}]")
            raise
    return result


def _plain_list(value: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
    _check_depth(depth)
    result = []
    for index, member in enumerate(value):
        try:
            result.append(_plain(member, depth))
        except _UnfitError as unfit:
            unfit.steps.append(f"[{index}]")
            raise
    return result


def _unfit(value: object, meaning: object) -> _UnfitError:
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    advice = next((advice for types, advice in _ADVICE if isinstance(meaning, types)), None)
    if advice is None:
        advice = "Convert it with .tolist()." if hasattr(value, "tolist") else _OTHERWISE
    return _UnfitError(f"is a {name}, which JSON cannot hold", advice)


def take(record: Mapping[str, Any], key: str, *types: type, default: Any = _REQUIRED) -> Any:
    """Return ``record[key]`` after checking its type, or `default` where the key is absent.

    Raises
    ------
    ValueError
        The key is absent and has no `default`, or its value is of none of `types`; ``bool``
        counts as an integer only where it is one of them.
    """
    value = record.get(key, default)
    if type(value) in types:
        return value
    if value is _REQUIRED:
        raise ValueError(f"{key} is missing")
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        expected = " or ".join("null" if kind is NULL else kind.__name__ for kind in types)
        raise ValueError(f"{key} must be {expected}, not {type(value).__name__} {shown(value)}")
    return value


def take_members(record: Mapping[str, Any], key: str, kind: type, default: Any) -> Any:
    """Return the dict or list ``record[key]`` after checking that all its values are `kind`.

    Raises
    ------
    ValueError
        ``record[key]`` is not of the type of `default`, or one of its values is not a `kind`.
    """
    value = take(record, key, type(default), default=default)
    if not value:
        return value
    for member in value.values() if isinstance(value, dict) else value:
        if not isinstance(member, kind):
            raise ValueError(  # noqa: TRY004 - the value is wrong, not the call
                f"{key} must hold {kind.__name__} values, not {shown(member)}"
            )
    return value


def plain_int(value: Any, what: str) -> int:
    """Return an integer, NumPy's too, as the manifest records it.

    Raises
    ------
    SweepConfigError
        It is no integer; the message begins with `what`.
    """
    plain = jsonable(value, what)
    if type(plain) is not int:
        raise SweepConfigError(f"{what} must be an integer, got {value!r}. Give an int.")
    return plain
