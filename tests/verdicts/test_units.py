"""Units: exact ratios for lengths, speeds, angles and times; everything else as it is."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.verdicts.units import converted, factor, is_epoch_name

EXACT = {
    ("km", "m"): Fraction(1000), ("km/s", "m/s"): Fraction(1000), ("min", "s"): Fraction(60),
    ("h", "s"): Fraction(3600), ("d", "s"): Fraction(86400), ("d", "h"): Fraction(24),
    ("h", "min"): Fraction(60), ("d", "min"): Fraction(1440),
}  # fmt: skip


@given(pair=st.sampled_from(sorted(EXACT)), value=st.floats(-1e12, 1e12))
def test_a_value_is_rounded_once_either_way(pair: tuple[str, str], value: float) -> None:
    large, small = pair

    # Independent: exact rational arithmetic, rounded to a float at the end.
    assert converted(value, large, small) == float(Fraction(value) * EXACT[pair])
    assert converted(value, small, large) == float(Fraction(value) / EXACT[pair])
    assert factor(large, small) == EXACT[pair]


def test_degrees_are_radians_and_back() -> None:
    assert converted(180.0, "deg", "rad") == math.pi
    assert converted(math.pi, "rad", "deg") == 180.0
    assert factor("deg", "rad") == pytest.approx(math.radians(1.0), rel=1e-15)


def test_a_value_in_its_own_unit_is_the_value_itself() -> None:
    values = np.array([0.1, math.nan])

    assert converted(values, "km^2/s^2", "km^2/s^2") is values


@pytest.mark.parametrize(
    ("own", "stated"), [("km", "s"), ("km", "mm"), ("km", ""), ("deg/s", "rad/s"), ("kg", "g")]
)
def test_any_other_two_units_are_refused_with_what_fits(own: str, stated: str) -> None:
    with pytest.raises(SweepConfigError, match=rf"value in {own} cannot .* State the unit as"):
        factor(own, stated)


def test_an_epoch_is_known_by_its_name() -> None:
    epochs = ["time", "Sat.UTCGregorian", "Sat.A1ModJulian"]

    assert all(map(is_epoch_name, epochs))
    assert not any(map(is_epoch_name, ["Sat.Earth.SMA", "downtime", "Sat.ElapsedSecs"]))
