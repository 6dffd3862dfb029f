"""Angles go around: their means, shifts and spreads are those on the circle."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import circmean

from gmat_sweep.analysis.angles import (
    _NAMES,
    circular_mean,
    circular_means,
    folded,
    is_angle,
    running_circular_means,
    shift,
    unwrapped,
    wraps,
)
from gmat_sweep.analysis.units import unit_of

# Issue 17's oracles, section "circular", by scipy.stats.circmean.
ORACLES = json.loads("""[
{"deg": [359.9, 359.95, 0.05, 0.1], "mean_deg": 360.0,
 "tonight": 0.0001, "last": 359.9999, "shift_deg": 0.0001999999999497959},
{"deg": [10, 20, 30], "mean_deg": 19.999999999999996,
 "tonight": 359.0, "last": 1.0, "shift_deg": -2.0},
{"deg": [170, 190], "mean_deg": 180.0, "tonight": 181.0, "last": 179.0, "shift_deg": 2.0}]""")

angles = st.floats(-180.0, 360.0)


@pytest.mark.parametrize("oracle", ORACLES)
def test_means_and_shifts_are_the_oracles(oracle: dict[str, Any]) -> None:
    mean = circular_mean(np.array(oracle["deg"], dtype=float))

    assert float(shift(mean, oracle["mean_deg"])) == pytest.approx(0.0, abs=1e-12)
    assert 0 <= mean < 360
    assert float(shift(oracle["tonight"], oracle["last"])) == oracle["shift_deg"]


@given(st.lists(angles, min_size=1, max_size=30))
def test_the_mean_is_scipys(values: list[float]) -> None:
    told = np.array(values)
    length = abs(np.exp(1j * np.deg2rad(told)).mean())

    mean = circular_mean(told)

    if length > 1e-6:
        expected = circmean(told, high=360, low=0)
        assert float(shift(mean, expected)) == pytest.approx(0.0, abs=1e-12 / length + 1e-12)
        assert (-180 if (told < 0).any() else 0) <= mean < (180 if (told < 0).any() else 360)


@given(st.lists(st.floats(-60.0, 60.0), min_size=1, max_size=20), angles)
def test_turning_every_value_turns_the_mean_and_leaves_the_spread(
    values: list[float], turn: float
) -> None:
    told = np.array(values)
    turned = folded(told + turn)

    assert float(shift(circular_mean(turned), circular_mean(told) + turn)) == pytest.approx(
        0.0, abs=1e-9
    )
    assert np.ptp(unwrapped(turned)) == pytest.approx(np.ptp(told), abs=1e-9)


def test_values_that_cancel_have_no_mean_and_stay_as_they_are() -> None:
    told = np.array([0.0, 90.0, 180.0, 270.0])

    assert math.isnan(circular_mean(told))
    assert unwrapped(told).tolist() == told.tolist()
    assert math.isnan(circular_mean(np.array([])))


@pytest.mark.parametrize("value", [0.1, 123.456, 359.999, -0.1, 180.0])
def test_the_mean_of_equal_values_is_that_value(value: float) -> None:
    assert circular_mean(np.full(7, value)) == pytest.approx(value, abs=2e-13)


@given(angles, angles)
def test_a_shift_is_at_most_half_a_turn_and_leads_to_the_new_angle(new: float, old: float) -> None:
    change = float(shift(new, old))

    assert -180 <= change <= 180
    assert change == -float(shift(old, new))
    assert math.cos(math.radians(old + change - new)) == pytest.approx(1.0)
    if abs(new - old) < 180:
        assert change == new - old, "nothing is rounded where no turn is taken off"


def test_groups_and_growing_samples_have_the_means_of_their_values() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(3), 40)
    told = folded(np.array([359.99, 180.0, 20.0])[groups] + rng.normal(0, 5.0, 120))

    means = circular_means(told, groups, 3)
    starts = np.array([0, 40, 80])
    running = running_circular_means(unwrapped(told, means[groups]), starts, groups)

    for k in range(3):
        own = told[groups == k]
        assert float(shift(means[k], circmean(own, high=360))) == pytest.approx(0.0, abs=1e-12)
        for n in (1, 2, 17, 40):
            expected = circmean(own[:n], high=360)
            assert float(shift(running[starts[k] + n - 1], expected)) == pytest.approx(
                0.0, abs=1e-11
            )
        assert np.abs(np.diff(running[groups == k])).max() < 20, "no jump at a turn"


@pytest.mark.parametrize(
    ("column", "is_one"),
    [
        ("Sat.RAAN", True),
        ("Sat.EarthMJ2000Eq.AOP", True),
        ("Sat.Earth.TA", True),
        ("Sat.Earth.Longitude", True),
        ("RF.Sat.Earth.MA", True),
        ("Sat.EarthMJ2000Eq.INC", False),
        ("Sat.EarthMJ2000Eq.DEC", False),
        ("Sat.Earth.Latitude", False),
        ("Sat.Earth.HA", False),
        ("RAAN", False),
        ("Sat.RAANS", False),
    ],
)
def test_an_angle_is_known_by_gmats_name(column: str, is_one: bool) -> None:
    assert is_angle(column) is is_one


def test_a_mean_anomaly_beyond_a_turn_is_hyperbolic_and_does_not_wrap() -> None:
    assert wraps("Sat.Earth.MA", np.array([0.0, 359.0, np.nan]))
    assert not wraps("Sat.Earth.MA", np.array([0.0, 800.0]))
    assert not wraps("Sat.Earth.MA", np.array([-200.0]))


def test_every_angle_is_reported_in_degrees() -> None:
    assert {unit_of(f"Sat.{name}") for name in _NAMES} == {"deg"}
