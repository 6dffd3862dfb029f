"""What is too much: the most runs of a sweep, the most workers of a pool, the longest quotation.

Every way to a sweep asks here before it makes anything of a number: the functions, the command line
and the flows have one limit and one message.
"""

from __future__ import annotations

import math
import operator
from typing import Any

from gmat_sweep.errors import BackendError, SweepConfigError

__all__ = [
    "MOST_RUNS",
    "MOST_WORKERS",
    "check_run_count",
    "checked_run_id",
    "checked_workers",
    "number_text",
    "shown",
]

MOST_RUNS = 10_000_000
"""The most runs that a sweep may have.

A larger number is a slip of the hand, such as a count for a step. Ten million runs of 0.1 s take
two cores six days; their folders use up the inodes of a usual file system, and their values the
memory of a usual machine.
"""

MOST_WORKERS = 4096
"""The most runs at once that a pool may be asked for; each worker needs some 200 MB."""

_LONGEST_SHOWN = 80
_LARGEST_IN_FULL = 10**15


def check_run_count(count: int, what: str) -> int:
    """Return how many runs a design has, if a sweep may have as many.

    Parameters
    ----------
    count : int
        The number of runs; they need not exist yet.
    what : str
        What has so many, for the message of an error.

    Raises
    ------
    SweepConfigError
        It is more than `MOST_RUNS`.
    """
    if count > MOST_RUNS:
        raise SweepConfigError(
            f"{what} makes {number_text(count)} runs, and a sweep may have {MOST_RUNS:,} at most. "
            "Ask for fewer."
        )
    return count


def checked_run_id(run_id: int) -> int:
    """Return the id of a run, if frames can hold it: they keep ids in 64 bits.

    Raises
    ------
    SweepConfigError
        It has more bits.
    """
    if not -(2**63) <= run_id < 2**63:
        raise SweepConfigError(
            f"run_id {number_text(run_id)} does not fit into 64 bits. Number the runs from 0."
        )
    return run_id


def checked_workers(count: Any, name: str, otherwise: str = "") -> int:
    """Return a number of workers as an int.

    Parameters
    ----------
    count : object
        What a caller gave for it; an integer of any library.
    name : str
        The argument, for the message of an error.
    otherwise : str
        What else may be passed, for that message.

    Raises
    ------
    BackendError
        It is no integer (a bool and a float are not), below 1 or more than `MOST_WORKERS`.
    """
    try:
        number = operator.index(count)
    except TypeError:
        number = None
    if number is None or isinstance(count, bool) or not 1 <= number <= MOST_WORKERS:
        raise BackendError(
            f"{name} is {shown(count)}. Pass a positive count, up to {MOST_WORKERS}{otherwise}."
        )
    return number


def number_text(number: int) -> str:
    """Return an integer for a message; of one with many digits the order of magnitude.

    Examples
    --------
    >>> number_text(100_000_000_000), number_text(-7), number_text(10**30)
    ('100,000,000,000', '-7', 'about 1e30')
    """
    if abs(number) <= _LARGEST_IN_FULL:
        return f"{number:,}"
    power = math.floor(math.log10(abs(number)))
    return f"about {'-' * (number < 0)}1e{power}"


def shown(value: object) -> str:
    """Return a value as Python writes it, for a message; of a long one both ends.

    Examples
    --------
    >>> shown("Sat.SMA"), len(shown("a" * 1_000_000))
    ("'Sat.SMA'", 108)
    """
    if isinstance(value, int) and abs(value) > _LARGEST_IN_FULL:
        return number_text(value)
    # Cut before it is written out: repr takes its time with a long text.
    length = len(value) if isinstance(value, str | bytes) else 0
    if isinstance(value, str | bytes) and length > 2 * _LONGEST_SHOWN:
        half = _LONGEST_SHOWN // 2
        return f"{value[:half]!r}...{value[-half:]!r} ({length:,} long)"
    text = repr(value)
    if len(text) > 2 * _LONGEST_SHOWN:
        text = f"{text[:_LONGEST_SHOWN]}... ({len(text):,} long)"
    return text
