"""paired_shift: how far a quantity went between the same runs of two nights."""

from __future__ import annotations

import json
import math
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import circmean

from gmat_sweep.analysis import MaterialRule, QuantityShift
from gmat_sweep.analysis.nightly.sizes import paired_shift

NODE = "Sat.EarthMJ2000Eq.RAAN"
DEFAULT = MaterialRule()
FIGURES = ("mean", "p5", "p50", "p95", "sigma")

finite = st.floats(allow_nan=False, allow_infinity=False)
pairs = st.lists(st.tuples(finite, finite), min_size=1, max_size=12)
whole = st.integers(-1000, 1000).map(float)
whole_pairs = st.lists(st.tuples(whole, whole), min_size=1, max_size=12)
GRID = [float(value) for value in range(101)]
"""Values of mean 50 and sigma 29.3."""


def paired(
    tonight: Any, last: Any, rule: MaterialRule = DEFAULT, unit: str = "", name: str = "x"
) -> QuantityShift:
    ids = np.arange(len(tonight)) + 10
    return paired_shift("R", name, unit, ids, np.array(tonight), np.array(last), rule)


class TestWhatMatters:
    def test_a_millimetre_against_a_spread_of_400_km_changed_and_did_not_move(self) -> None:
        last = np.random.default_rng(1).normal(42164.0, 400.0, 200)

        shift = paired(last + 1e-6, last, unit="km")

        assert (shift.verdict, shift.why, shift.equal_runs) == ("changed", (), 0)

    @pytest.mark.parametrize(("share", "moved"), [(0.09, False), (0.11, True), (-0.11, True)])
    def test_a_mean_moves_from_a_tenth_of_the_other_nights_sigma(
        self, share: float, moved: bool
    ) -> None:
        by = share * statistics.stdev(GRID)

        shift = paired([value + by for value in GRID], GRID)

        assert shift.why == (("mean", "p5", "p50", "p95") if moved else ())
        assert shift.limit == pytest.approx(0.1 * statistics.stdev(GRID), rel=1e-12)

    @pytest.mark.parametrize(("factor", "moved"), [(1.09, False), (1.2, True), (0.8, True)])
    def test_a_dispersion_that_is_a_fifth_wider_moves(self, factor: float, moved: bool) -> None:
        shift = paired([50 + factor * (value - 50) for value in GRID], GRID)

        assert shift.sigma_shift == pytest.approx((factor - 1) * statistics.stdev(GRID), rel=1e-12)
        assert ("sigma" in shift.why) == moved
        assert shift.mean_shift == pytest.approx(0, abs=1e-9)

    @pytest.mark.parametrize(("spread", "verdict"), [(10.0, "moved"), (100.0, "changed")])
    def test_an_event_2_5_s_later_is_no_rounding_of_a_large_number(
        self, spread: float, verdict: str
    ) -> None:
        seconds = np.random.default_rng(2).normal(0, spread, 100)
        last = 31041.5 + seconds / 86400

        shift = paired(last + 2.5 / 86400, last, unit="d", name="Sat.A1ModJulian")

        assert shift.verdict == verdict
        assert shift.mean_shift is not None
        assert 86400 * shift.mean_shift == pytest.approx(2.5, abs=1e-5)

    def test_a_tail_alone_moves(self) -> None:
        by = [0.0] * 91 + [4.0] * 10

        shift = paired(np.array(GRID) + by, GRID)

        assert shift.why == ("p95",)

    def test_one_run_that_goes_astray_by_more_than_a_sigma_is_enough(self) -> None:
        last = [float(value) for value in range(1000)]
        tonight = [*last[:500], 800.0, *last[501:]]

        shift = paired(tonight, last)

        assert (shift.why, shift.largest_shift, shift.largest_run) == (("run",), 300.0, 510)
        assert shift.equal_runs == 999

    def test_scatter_within_the_spread_changed_but_did_not_move(self) -> None:
        assert paired([v + (-1) ** n for n, v in enumerate(GRID)], GRID).verdict == "changed"

    @pytest.mark.parametrize(
        ("unit", "floor"), [("km", 1e-6), ("km/s", 1e-9), ("deg", 1e-9), ("s", 1e-6)]
    )
    def test_what_has_no_spread_moves_beyond_rounding(self, unit: str, floor: float) -> None:
        assert paired([0.9 * floor] * 3, [0.0] * 3, unit=unit).verdict == "changed"
        assert paired([1.1 * floor] * 3, [0.0] * 3, unit=unit).verdict == "moved"
        assert paired([1.1 * floor], [0.0], unit=unit).verdict == "moved"

    def test_a_last_digit_of_a_number_without_a_unit_is_rounding(self) -> None:
        last = [850.0] * 3

        assert paired([math.nextafter(850.0, 900)] * 3, last).verdict == "changed"
        assert paired([850.0, 850.0, 850.0 + 1e-9], last).verdict == "moved"

    def test_a_quantitys_own_size_counts_for_its_figures_and_its_runs(self) -> None:
        rule = MaterialRule(quantities={"x": 40.0})

        assert paired([value + 35 for value in GRID], GRID, rule).verdict == "changed"
        assert paired([value + 41 for value in GRID], GRID, rule).verdict == "moved"
        assert paired([value + 35 for value in GRID], GRID).verdict == "moved"

    def test_a_value_that_only_one_night_has_is_a_move(self) -> None:
        shift = paired([1.0, math.nan, math.inf], [1.0, 2.0, math.nan])

        assert (shift.verdict, shift.pairs, shift.one_sided) == ("moved", 1, 1)
        assert shift.why == ("one night",)

    def test_values_that_neither_night_has_are_no_data(self) -> None:
        shift = paired([math.nan, math.inf], [math.nan, math.nan])

        assert (shift.verdict, shift.pairs, shift.mean_shift) == ("no data", 0, None)

    @given(whole_pairs, st.integers(0, 40))
    def test_how_large_the_values_are_does_not_matter(
        self, values: list[tuple[float, float]], power: int
    ) -> None:
        """Whole numbers and a power of two: the sums are exact."""
        tonight, last = (np.array(each) for each in zip(*values, strict=True))

        here, there = paired(tonight, last), paired(tonight + 2.0**power, last + 2.0**power)

        assert here.largest_shift == there.largest_shift
        assert here.why == there.why or any(
            abs(abs(by) / limit - 1) < 1e-9 for by, limit in _judged(here) if limit
        )

    @given(whole_pairs, st.integers(-300, 300))
    def test_the_unit_of_the_values_does_not_matter(
        self, values: list[tuple[float, float]], power: int
    ) -> None:
        tonight, last = (np.array(each) for each in zip(*values, strict=True))

        shift = paired(np.ldexp(tonight, power), np.ldexp(last, power))

        assert shift.why == paired(tonight, last).why


def _judged(shift: QuantityShift) -> list[tuple[float, float]]:
    """Return each shift with its limit."""
    found = [(getattr(shift, f"{name}_shift"), shift.limit) for name in FIGURES]
    found.append((shift.largest_shift, shift.run_limit))
    return [(by, limit) for by, limit in found if by is not None and limit is not None]


class TestNumbers:
    def test_figures_are_those_of_the_standard_library(self) -> None:
        random = np.random.default_rng(3)
        tonight, last = random.normal(7000, 5, (2, 41))

        shift = paired(tonight, last)

        def figures(values: Any) -> list[float]:
            cuts = statistics.quantiles(values, n=20, method="inclusive")
            mean, sigma = statistics.mean(values), statistics.stdev(values)
            return [mean, cuts[0], statistics.median(values), cuts[-1], sigma]

        expected = [a - b for a, b in zip(figures(tonight), figures(last), strict=True)]
        told = [getattr(shift, f"{name}_shift") for name in FIGURES]
        assert told == pytest.approx(expected, rel=1e-9)
        assert shift.mean_last == pytest.approx(statistics.mean(last), rel=1e-15)
        assert shift.sigma_tonight == pytest.approx(statistics.stdev(tonight), rel=1e-9)

    def test_the_shift_that_is_nearest_to_its_limit_is_told(self) -> None:
        shift = paired([*GRID[:-1], 110.0], GRID)

        told = shift.largest()
        assert told is not None
        assert (told[0], told[1]) == ("run", 10.0)
        assert told[2] == pytest.approx(10 / statistics.stdev(GRID))
        assert paired(GRID, GRID).largest() is None

    @given(st.lists(finite, min_size=1, max_size=12), st.data())
    def test_a_shift_of_exactly_zero_never_moved_whatever_the_rule(
        self, values: list[float], data: st.DataObject
    ) -> None:
        factor = st.floats(0, 1e3)
        own = data.draw(st.dictionaries(st.just("x"), factor))
        rule = MaterialRule(data.draw(factor), data.draw(factor), own)

        shift = paired(values, values, rule)

        assert shift.verdict == "equal"
        assert shift.mean_shift == shift.largest_shift == 0

    @given(pairs)
    def test_turning_the_nights_around_turns_the_shift_around(
        self, values: list[tuple[float, float]]
    ) -> None:
        tonight, last = (list(each) for each in zip(*values, strict=True))

        there, back = paired(tonight, last), paired(last, tonight)

        assert there.equal_runs == back.equal_runs
        for name in (*(f"{each}_shift" for each in FIGURES), "largest_shift"):
            by, again = getattr(there, name), getattr(back, name)
            assert (by is None and again is None) or again == -by

    @given(whole_pairs, st.randoms(use_true_random=False))
    def test_the_order_of_the_runs_does_not_matter_to_the_verdict(
        self, values: list[tuple[float, float]], random: Any
    ) -> None:
        shuffled = random.sample(values, len(values))

        there, back = (
            paired([tonight for tonight, _ in some], [last for _, last in some])
            for some in (values, shuffled)
        )

        near = any(abs(abs(by) / limit - 1) < 1e-9 for by, limit in _judged(there) if limit)
        assert there.why == back.why or near

    @given(pairs)
    def test_every_number_told_is_finite_also_where_squares_overflow(
        self, values: list[tuple[float, float]]
    ) -> None:
        tonight, last = (list(each) for each in zip(*values, strict=True))

        shift = paired(tonight, last)
        with_size = paired(tonight, last, MaterialRule(quantities={"x": 1.0}))

        for each in (shift, with_size):
            json.dumps({name: getattr(each, name) for name in each.__slots__}, allow_nan=False)
        assert (shift.verdict == "equal") == (tonight == last)


class TestAngles:
    def test_a_node_that_steps_over_zero_moved_by_the_way_on_the_circle(self) -> None:
        last = np.array([359.9999, 359.9998])

        moved = paired([0.0001, 359.9999], last, unit="deg", name=NODE)

        assert moved.largest_shift == pytest.approx(2e-4, abs=1e-12)
        assert moved.mean_shift == pytest.approx(1.5e-4, abs=1e-12)
        assert moved.mean_last == pytest.approx(circmean(last, high=360), abs=1e-12)
        assert moved.sigma_last == pytest.approx(np.std(last, ddof=1), rel=1e-9)

    def test_a_turn_is_no_shift_and_rounding_around_zero_is_rounding(self) -> None:
        turned = paired([360.0, 0.0], [0.0, 360.0], unit="deg", name=NODE)
        rounded = paired([4e-10, 0.0], [0.0, 360 - 4e-10], unit="deg", name=NODE)

        assert (turned.verdict, turned.largest_shift) == ("changed", 0.0)
        assert rounded.verdict == "changed"

    @given(
        st.lists(st.tuples(st.integers(-300, 300), st.integers(-40, 40)), min_size=2, max_size=12),
        st.integers(0, 2879),
    )
    def test_where_on_the_circle_it_is_does_not_matter(
        self, values: list[tuple[int, int]], start: int
    ) -> None:
        """In eighths of a degree, so that turning is exact."""
        last = np.array([each for each, _ in values]) / 8
        tonight = last + np.array([by for _, by in values]) / 8
        turn = start / 8

        flat = paired(tonight, last, unit="deg")
        around = paired((tonight + turn) % 360, (last + turn) % 360, unit="deg", name=NODE)

        told = [getattr(around, f"{name}_shift") for name in FIGURES]
        assert told == pytest.approx([getattr(flat, f"{name}_shift") for name in FIGURES], abs=1e-9)
        assert around.largest_shift == flat.largest_shift

    def test_runs_all_around_the_circle_do_not_jump_where_it_is_cut(self) -> None:
        last = np.arange(20) * 18.0 + 0.005

        shift = paired((last + 0.01) % 360, last, unit="deg", name=NODE)

        assert shift.verdict == "changed"
        assert [getattr(shift, f"{name}_shift") for name in FIGURES] == pytest.approx(
            [0.01, 0.01, 0.01, 0.01, 0.0], abs=1e-9
        )


class TestGoals:
    def test_what_a_solver_leaves_of_its_goal_moves_nothing(self) -> None:
        random = np.random.default_rng(5)
        tonight, last = 12000 + random.uniform(-0.01, 0.01, (2, 30))
        goal = np.full(30, 12000.0)
        ids = np.arange(30)

        def judged(*goals: Any) -> QuantityShift:
            return paired_shift("R", "x", "km", ids, tonight, last, DEFAULT, goals=goals or None)

        assert judged().verdict == "moved"
        assert (judged(goal, goal).verdict, judged(goal, goal).at_goal) == ("changed", 30)
        assert judged(goal + 0.001, goal).verdict == "moved", "another goal is news"
        missed = np.where(ids == 3, np.nan, goal)
        assert judged(missed, goal).at_goal == 29
        assert "run" in judged(missed, goal).why, "a run that missed its goal is news"
