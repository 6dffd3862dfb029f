"""Moved epochs, against the engine's own leap seconds and the calendar of the standard library."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep.draws.epochs import DATE_FORMATS, LEAP_SECONDS, moved_epoch, seconds_between
from gmat_sweep.engine import find_engine
from gmat_sweep.errors import SweepConfigError

FORM = "%d %b %Y %H:%M:%S.%f"


def test_the_leap_seconds_are_those_of_the_engines_file() -> None:
    text = next(find_engine().root.rglob("tai-utc.dat")).read_text()
    days = re.findall(r"^ *(\d{4}) (\w{3}) +1 =JD \S+ +TAI-UTC= +\d+\.0 ", text, re.MULTILINE)
    months = {
        name: n for n, name in enumerate(("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL"), 1)
    }
    assert [(int(y), months[m.upper()]) for y, m in days] == [(1972, 1), *LEAP_SECONDS]


@given(
    st.sampled_from([each for each in DATE_FORMATS if each.endswith("Gregorian")]),
    st.integers(1_514_764_800_000, 2_051_222_400_000),
    st.integers(-10_000_000, 10_000_000),
)
def test_a_gregorian_epoch_moves_as_the_calendar_does(
    date_format: str, since_1970: int, milliseconds: int
) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=since_1970)
    moved = moved_epoch(moment.strftime(FORM)[:-3], date_format, milliseconds / 1000)
    assert datetime.strptime(str(moved), FORM).replace(tzinfo=UTC) == moment + timedelta(
        milliseconds=milliseconds
    )


@given(
    st.sampled_from(["A1ModJulian", "TTModJulian"]), st.floats(20_000, 40_000), st.floats(-9e4, 9e4)
)
def test_a_modified_julian_epoch_moves_by_days(form: str, days: float, seconds: float) -> None:
    assert moved_epoch(days, form, seconds) == pytest.approx(days + seconds / 86400, abs=1e-11)
    assert moved_epoch(days, form, 0.0) == days


@pytest.mark.parametrize(
    ("epoch", "seconds", "moved"),
    [
        ("31 Dec 2016 23:59:50.000", 15.0, "01 Jan 2017 00:00:04.000"),
        ("01 Jan 2017 00:00:04.000", -15.0, "31 Dec 2016 23:59:50.000"),
        ("01 Jan 2017 00:00:00.000", -1.5, "31 Dec 2016 23:59:59.500"),
        # GMAT has no 23:59:60.
        ("31 Dec 2016 23:59:59.000", 1.5, "31 Dec 2016 23:59:59.999"),
        ("01 Jan 2026 00:00:00", 0.0004, "01 Jan 2026 00:00:00.000"),
        ("31 Dec 2025 23:59:59.999", 0.0006, "01 Jan 2026 00:00:00.000"),
    ],
)
def test_utc_has_leap_seconds_and_milliseconds(epoch: str, seconds: float, moved: str) -> None:
    assert moved_epoch(epoch, "UTCGregorian", seconds) == moved


def test_one_moment_in_other_scales() -> None:
    """37 s of leap seconds since 1972, 32.184 s between TAI and TT, 0.0343817 s of GMAT's A.1."""
    noon = "01 Jan 2026 12:00:00.000"
    for scale, seconds in {"TAI": 37.0, "TT": 69.184, "A1": 37.0343817}.items():
        apart = seconds_between(noon, f"{scale}Gregorian", noon, "UTCGregorian")
        assert apart == pytest.approx(seconds, abs=1e-6)
    assert seconds_between(31042.0, "UTCModJulian", noon, "UTCGregorian") == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("epoch", "date_format", "message"),
    [
        ("2026-01-01", "UTCGregorian", "is no UTCGregorian"),
        ("01 Jan 2026 00:00:00.000", "UTCModJulian", "is no UTCModJulian"),
        (31042.0, "UTC", "unknown DateFormat"),
    ],
)
def test_what_is_no_epoch_is_refused(epoch: str | float, date_format: str, message: str) -> None:
    with pytest.raises(SweepConfigError, match=message):
        moved_epoch(epoch, date_format, 1.0)
