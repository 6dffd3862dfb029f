"""Times in requirements: elapsed ones with a unit, and epochs as GMAT and ISO 8601 write them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.verdicts.times import Elapsed, Epoch, parse_epoch, parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3600 s", 3600), ("60min", 3600), (" 1.5 h ", 5400), ("2 d", 172800), ("-1e1 s", -10)],
)
def test_an_elapsed_time_is_in_seconds(text: str, seconds: float) -> None:
    assert parse_time(text) == Elapsed(seconds)


@given(st.datetimes(min_value=pd.Timestamp("1900-01-01"), max_value=pd.Timestamp("2200-01-01")))
def test_an_epoch_is_the_nanosecond_that_pandas_reads(moment: Any) -> None:
    expected = Epoch(pd.Timestamp(moment).as_unit("ns").value)

    assert parse_time(moment.isoformat()) == expected
    assert parse_epoch(moment.strftime("%d %b %Y %H:%M:%S.%f")) == expected


def test_an_iso_date_is_its_midnight_and_z_changes_nothing() -> None:
    assert parse_time("2026-01-01") == parse_time("2026-01-01 00:00:00Z")


@pytest.mark.parametrize(
    "text",
    ["", "3600", "3600 seconds", "nan s", "1e999 s", "soon", "30 Feb 2026 12:00:00.000",
     "2026-13-01", "2026-01-01T25:00:00", "2026-01-01T12:00:00+02:00", 3600, None],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_what_one_is(text: Any) -> None:
    with pytest.raises(SweepConfigError, match="3600 s"):
        parse_time(text)
