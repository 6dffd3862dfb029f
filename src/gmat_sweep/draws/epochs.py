"""Epochs that are moved by seconds, as GMAT writes them.

GMAT's modified Julian dates count days from JD 2430000.0; its Gregorian texts have milliseconds.
Seconds are counted in the time scale of the epoch. UTC alone has leap seconds, so a UTC epoch is
moved on TAI and written in UTC again.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from datetime import UTC, datetime, timedelta

from gmat_sweep.errors import SweepConfigError

__all__ = ["DATE_FORMATS", "LEAP_SECONDS", "START", "moved_epoch", "seconds_between"]

DATE_FORMATS = tuple(
    f"{scale}{form}"
    for scale in ("A1", "TAI", "UTC", "TT", "TDB")
    for form in ("ModJulian", "Gregorian")
)
"""What GMAT takes as a Spacecraft's ``DateFormat``."""

# The first day after each leap second, from 1972 on, when TAI - UTC was 10 s (IERS Bulletin C).
LEAP_SECONDS = (
    (1972, 7), (1973, 1), (1974, 1), (1975, 1), (1976, 1), (1977, 1), (1978, 1), (1979, 1),
    (1980, 1), (1981, 7), (1982, 7), (1983, 7), (1985, 7), (1988, 1), (1990, 1), (1991, 1),
    (1992, 7), (1993, 7), (1994, 7), (1996, 1), (1997, 7), (1999, 1), (2006, 1), (2009, 1),
    (2012, 7), (2015, 7), (2017, 1),
)  # fmt: skip
"""Years and months on whose first day UTC had fallen one second further behind TAI."""

START = datetime(1941, 1, 5, 12, tzinfo=UTC)
"""The day of GMAT's modified Julian date 0."""
_DAY = 86400
_TAI_LESS_UTC_1972 = 10
_TT_LESS_TAI = 32.184
_A1_LESS_TAI = 0.0343817
_STEPS = tuple(
    int((datetime(y, m, 1, tzinfo=UTC) - START).total_seconds()) for y, m in LEAP_SECONDS
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_GREGORIAN = ("%d %b %Y %H:%M:%S.%f", "%d %b %Y %H:%M:%S")


def moved_epoch(epoch: str | float, date_format: str, seconds: float) -> str | float:
    """Return an epoch that lies `seconds` later, in its own format.

    Parameters
    ----------
    epoch : str or float
        The epoch, as a script gives it.
    date_format : str
        The ``DateFormat`` of the Spacecraft.
    seconds : float
        Seconds of the epoch's own scale; rounded to a millisecond for a Gregorian text, which
        holds no more.

    Returns
    -------
    str or float
        A number for a modified Julian date, else text.

    Raises
    ------
    SweepConfigError
        The format is none of GMAT's, or the epoch is not in that format.
    """
    days, rest = _read(epoch, date_format)
    if date_format.startswith("UTC"):
        behind = _tai_less_utc(days * _DAY + rest)
        days, rest = _utc(days, rest + behind + seconds)
    else:
        rest += seconds
    days, rest = days + math.floor(rest / _DAY), rest - math.floor(rest / _DAY) * _DAY
    if date_format.endswith("ModJulian"):
        return days + rest / _DAY
    moved = START + timedelta(days=days, milliseconds=round(rest * 1000))
    return (
        f"{moved.day:02d} {_MONTHS[moved.month - 1]} {moved.year} {moved:%H:%M:%S}."
        f"{moved.microsecond // 1000:03d}"
    )


def seconds_between(
    first: str | float, first_format: str, second: str | float, second_format: str
) -> float:
    """Return how many seconds the second epoch is later than the first.

    Good to 2 ms where one of them is in TDB and the other is not: TDB is taken for TT.

    Raises
    ------
    SweepConfigError
        As `moved_epoch`.
    """
    return _on_tai(second, second_format) - _on_tai(first, first_format)


def _on_tai(epoch: str | float, date_format: str) -> float:
    days, rest = _read(epoch, date_format)
    seconds = days * _DAY + rest
    scale = date_format.removesuffix("ModJulian").removesuffix("Gregorian")
    if scale == "UTC":
        return seconds + _tai_less_utc(seconds)
    return (
        seconds - {"A1": _A1_LESS_TAI, "TAI": 0.0, "TT": _TT_LESS_TAI, "TDB": _TT_LESS_TAI}[scale]
    )


def _read(epoch: str | float, date_format: str) -> tuple[int, float]:
    """Return whole days since GMAT's day 0 and the seconds of the day."""
    if date_format not in DATE_FORMATS:
        raise SweepConfigError(
            f"unknown DateFormat {date_format!r}. Use one of {', '.join(DATE_FORMATS)}."
        )
    if date_format.endswith("ModJulian"):
        try:
            days = float(epoch)
        except ValueError:
            days = math.nan
        if not math.isfinite(days):
            raise SweepConfigError(
                f"the epoch {epoch!r} is no {date_format}. Give it as a number of days."
            )
        return math.floor(days), (days - math.floor(days)) * _DAY
    for form in _GREGORIAN:
        try:
            since = datetime.strptime(str(epoch).strip(), form).replace(tzinfo=UTC) - START
        except ValueError:
            continue
        return since.days, since.seconds + since.microseconds / 1e6
    raise SweepConfigError(
        f"the epoch {epoch!r} is no {date_format}. Give it like '01 Jan 2026 12:00:00.000'."
    )


def _tai_less_utc(utc: float) -> int:
    return _TAI_LESS_UTC_1972 + bisect_right(_STEPS, utc)


def _utc(days: int, rest_on_tai: float) -> tuple[int, float]:
    """Return a moment that is given on TAI, in UTC; a leap second is its day's last moment."""
    for leaps in range(len(_STEPS), -1, -1):
        rest = rest_on_tai - _TAI_LESS_UTC_1972 - leaps
        if leaps == 0 or days * _DAY + rest >= _STEPS[leaps - 1]:
            if leaps < len(_STEPS):
                # GMAT has no 23:59:60: it takes that for the second after.
                last = _STEPS[leaps] - days * _DAY - 0.001
                rest = min(rest, last)
            return days, rest
    raise AssertionError("the loop ends at no leap second")
