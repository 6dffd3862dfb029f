"""Times in a requirement: seconds after a run's first epoch, or an epoch.

An epoch has no time scale of its own. It is compared with the epochs of the report as they are
written there: an epoch that is given for a column of UTC is UTC.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, time

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.verdicts.units import converted

__all__ = ["Elapsed", "Epoch", "parse_epoch", "parse_time"]

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ELAPSED = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>s|min|h|d)"
)
_CLOCK = r"(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?"
_GMAT = re.compile(rf"(?P<day>\d{{1,2}})\s+(?P<month>[A-Za-z]{{3}})\s+(?P<year>\d{{4}})\s+{_CLOCK}")
_ISO = re.compile(
    rf"(?P<year>\d{{4}})-(?P<month>\d{{2}})-(?P<day>\d{{2}})(?:[T ]{_CLOCK}(?:Z|\+00:00)?)?"
)


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Seconds after the first row of a run."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Epoch:
    """A moment: nanoseconds after 1970-01-01 00:00:00 in the scale of what it is compared with."""

    nanoseconds: int


def parse_time(text: str) -> Elapsed | Epoch:
    """Read a time: ``3600 s``, ``2 h``, or an epoch.

    Parameters
    ----------
    text : str
        A number with ``s``, ``min``, ``h`` or ``d``, which counts from the run's first epoch and is
        negative before it; or an epoch, as `parse_epoch` takes it.

    Raises
    ------
    SweepConfigError
        It is neither.

    Examples
    --------
    >>> parse_time("1.5 h")
    Elapsed(seconds=5400.0)
    """
    if not isinstance(text, str):
        raise SweepConfigError(
            f'a time is text with its unit, such as "3600 s", got {text!r}. Add the unit.'
        )
    if found := _ELAPSED.fullmatch(text.strip()):
        seconds = converted(float(found["number"]), found["unit"], "s")
        if math.isfinite(seconds):
            return Elapsed(seconds)
    return parse_epoch(text)


def parse_epoch(text: str) -> Epoch:
    """Read an epoch: ``01 Jan 2026 12:00:00.000`` or ``2026-01-01T12:00:00``.

    Raises
    ------
    SweepConfigError
        It is no such text, or no such day or time exists.
    """
    moment = None
    if isinstance(text, str):
        found = _GMAT.fullmatch(text.strip()) or _ISO.fullmatch(text.strip())
        moment = _nanoseconds(found) if found else None
    if moment is None:
        raise SweepConfigError(
            f'{text!r} is no time. Write seconds after the run\'s first epoch, such as "3600 s" '
            '(or min, h, d), or an epoch, such as "01 Jan 2026 12:00:00.000" or '
            '"2026-01-01T12:00:00".'
        )
    return Epoch(moment)


def _nanoseconds(found: re.Match[str]) -> int | None:
    month = found["month"].lower()
    try:
        number = int(month) if month.isdigit() else _MONTHS.index(month) + 1
        day = datetime(int(found["year"]), number, int(found["day"]), tzinfo=UTC)
        hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
        clock = time(hour, minute, second)
    except ValueError:
        return None
    seconds = (clock.hour * 60 + clock.minute) * 60 + clock.second
    fraction = int((found["fraction"] or "").ljust(9, "0"))
    return ((day - _UNIX).days * 86400 + seconds) * 10**9 + fraction
