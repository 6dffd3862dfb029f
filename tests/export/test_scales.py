"""Epochs of GMAT's five scales are the same instants in TAI and UTC, leap seconds included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.time import Time

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.export.engine_data import leap_seconds
from gmat_sweep.export.scales import LeapSeconds, Scale, iso_text, to_tai

DATES = [
    "1969-07-20T20:17:40.123456789",
    "1999-01-01T00:00:00",
    "2016-12-31T23:59:59.5",
    "2017-01-01T00:00:00.25",
    "2026-06-30T12:34:56.000000001",
]


@pytest.mark.parametrize("scale", ["UTC", "TT", "TDB"])
def test_a_scale_becomes_tai_as_astropy_has_it(scale: Scale) -> None:
    """ERFA, behind astropy, has leap seconds and TDB of its own: TDB by 787 terms, GMAT by two."""
    epochs = np.array(DATES, dtype="datetime64[ns]")
    by_astropy = Time(epochs, scale=scale.lower()).tai

    found = to_tai(epochs, scale, leap_seconds)

    off = (Time(found, scale="tai") - by_astropy).sec
    assert np.abs(off).max() < (4e-5 if scale == "TDB" else 2e-9)


def test_a1_is_tai_and_the_offset_that_gmat_documents() -> None:
    epoch = np.array(["2026-01-01T12:00:37.0343817"], dtype="datetime64[ns]")

    assert to_tai(epoch, "A1", leap_seconds)[0] == np.datetime64("2026-01-01T12:00:37", "ns")


@pytest.mark.parametrize("date", DATES)
def test_utc_comes_back_from_tai(date: str) -> None:
    epoch = np.array([date], dtype="datetime64[ns]")

    back, within = leap_seconds().utc_of_tai(leap_seconds().tai_of_utc(epoch))

    assert abs((back - epoch).astype(int)[0]) <= 1
    assert not within.any()


def test_a_leap_second_is_second_60_as_astropy_writes_it() -> None:
    instants = ["2017-01-01T00:00:35.5", "2017-01-01T00:00:36.25", "2017-01-01T00:00:37"]
    tai = np.array(instants, dtype="datetime64[ns]")

    utc, within = leap_seconds().utc_of_tai(tai)

    by_astropy = Time(tai, scale="tai").utc
    by_astropy.precision = 9
    assert iso_text(utc, 9, within) == by_astropy.isot.tolist()
    assert within.tolist() == [False, True, False]


def test_an_epoch_before_utc_is_refused() -> None:
    with pytest.raises(SweepConfigError, match=r"before 1961.*TAIModJulian"):
        to_tai(np.array(["1960-12-31"], dtype="datetime64[ns]"), "UTC", leap_seconds)


def test_a_file_without_leap_seconds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tai-utc.dat").write_text("nothing\n")

    for name, said in (("tai-utc.dat", "no line of leap seconds"), ("other", "cannot be read")):
        with pytest.raises(SweepConfigError, match=said):
            LeapSeconds.read(tmp_path / name)
