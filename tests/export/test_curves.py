"""Curves go through states as SciPy's polynomials do, and stay as near to rows as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import KroghInterpolator

from flown_paths import orbit, states
from gmat_sweep.export.curves import curve_at, left_out, thinned, velocity_at

TIMES = np.cumsum([0.0, 55, 60, 70, 90, 120, 110, 80, 60, 50, 45])


@pytest.mark.parametrize("with_velocity", [True, False])
def test_a_curve_is_the_polynomial_through_the_samples_about_a_time(with_velocity: bool) -> None:
    """SciPy's Krogh interpolator through the four, or six, samples that Cesium's rule names."""
    rows = orbit(TIMES, with_velocity=with_velocity)
    at = np.array([1.0, 57.0, 300.0, 420.0, 690.0, 739.0])
    points = 4 if with_velocity else 6

    found = curve_at(at, TIMES, rows.positions, rows.velocities)

    for time, position in zip(at, found, strict=True):
        following = int(np.searchsorted(TIMES, time))
        first = min(max(following - points // 2, 0), len(TIMES) - points)
        near = slice(first, first + points)
        nodes, values = TIMES[near], rows.positions[near]
        if rows.velocities is not None:
            nodes = np.repeat(nodes, 2)
            values = np.stack([values, rows.velocities[near]], axis=1).reshape(-1, 3)
        np.testing.assert_allclose(position, KroghInterpolator(nodes, values)(time), rtol=1e-13)


def test_thinned_rows_keep_the_others_within_the_tolerance_and_hold_between_rows_too() -> None:
    """Between GMAT's rows the orbit itself, by Kepler's equation, is as near."""
    rows = orbit(np.arange(601) * 20.0)

    found = thinned(rows.seconds, rows.positions, rows.velocities, 0.01)

    assert len(found.rows) == 39
    assert {0, 600} <= {*found.rows.tolist()}
    assert 0.0 < found.error_km <= 0.01
    assert rows.velocities is not None
    between = np.linspace(0.0, rows.seconds[-1], 997)
    curve = curve_at(
        between, rows.seconds[found.rows], rows.positions[found.rows], rows.velocities[found.rows]
    )
    off = np.linalg.norm(curve - states(between)[0], axis=1).max()
    assert off == pytest.approx(found.error_km, rel=0.3)


def test_rows_that_nothing_can_stand_for_all_stay() -> None:
    rows = orbit(np.arange(20) * 900.0, with_velocity=False)

    found = thinned(rows.seconds, rows.positions, None, 1e-6)

    assert found.rows.tolist() == [*range(20)]
    assert found.error_km == 0.0


def test_two_rows_have_a_line_between_them() -> None:
    positions = np.array([[0.0, 0, 0], [2.0, 4, 6]])

    found = curve_at(np.array([0.5]), np.array([0.0, 1.0]), positions, None)

    assert found.tolist() == [[1.0, 2.0, 3.0]]


def test_a_row_far_from_its_neighbours_curve_is_seen_and_the_ends_are_not_judged() -> None:
    rows = orbit(np.arange(20) * 60.0)
    rows.positions[9] += 0.5

    missed = left_out(rows.seconds, rows.positions, rows.velocities)

    assert np.isnan(missed[[0, 1, 18, 19]]).all()
    assert int(np.nanargmax(missed)) == 9
    assert np.nanmax(missed) == pytest.approx(0.5 * np.sqrt(3), rel=1e-3)


def test_a_velocity_at_a_start_follows_from_the_states_after_it() -> None:
    positions, velocities = states([0.0, 60.0, 120.0, 180.0])

    found = velocity_at(positions[0], np.array([60.0, 120, 180]), positions[1:], velocities[1:])

    np.testing.assert_allclose(found, velocities[0], rtol=0, atol=1e-8)
