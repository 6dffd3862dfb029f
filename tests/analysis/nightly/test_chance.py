"""Two sets of draws: tests of each quantity, and one judgement over all tests of a night."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import circmean, levene, permutation_test

from gmat_sweep.analysis import QuantityShift
from gmat_sweep.analysis.nightly.chance import (
    adjusted,
    drawn_shift,
    fisher,
    judged_together,
    kolmogorov_smirnov,
    of_similar_sizes,
    welch,
)
from gmat_sweep.verdicts.campaign import holm
from oracles import ORACLES

NODE = "Sat.EarthMJ2000Eq.RAAN"
ALARMS = 0.01
finite = st.floats(allow_nan=False, allow_infinity=False)


def draws(rng: int, n: int, shift: float = 0.0) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(rng).normal(size=n) + shift


def drawn(tonight: Any, last: Any, **options: Any) -> QuantityShift:
    """Return a quantity judged by itself."""
    name, unit = options.pop("name", "x"), options.pop("unit", "")
    shift = drawn_shift("R", name, unit, np.array(tonight), np.array(last), **options)
    (judged,), _, _ = judged_together([shift], [], ALARMS)
    return judged


class TestTests:
    @pytest.mark.parametrize("oracle", ORACLES["welch_t"], ids=str)
    def test_welch_is_that_of_the_oracles(self, oracle: dict[str, Any]) -> None:
        found = welch(np.array(oracle["tonight"], float), np.array(oracle["last"], float))

        told = [float(found.statistic), float(found.degrees), float(found.pvalue)]
        assert told == pytest.approx([oracle["t"], oracle["df"], oracle["p"]], rel=1e-9)

    @pytest.mark.parametrize("oracle", ORACLES["fisher_exact_two_sided"], ids=str)
    def test_fisher_is_that_of_the_oracles(self, oracle: dict[str, Any]) -> None:
        found = fisher(
            (oracle["n_tonight"], oracle["failed_tonight"]),
            (oracle["n_last"], oracle["failed_last"]),
        )

        assert found == pytest.approx(oracle["p"], rel=1e-9)

    def test_the_degrees_of_freedom_are_welchs(self) -> None:
        """By Satterthwaite's formula, written out."""
        tonight, last = draws(1, 9), 3 * draws(2, 11)
        a, b = (values.var(ddof=1) / len(values) for values in (tonight, last))

        found = drawn(tonight, last)

        assert found.t_degrees == pytest.approx((a + b) ** 2 / (a**2 / 8 + b**2 / 10), rel=1e-12)
        assert found.standard_error == pytest.approx(math.sqrt(a + b), rel=1e-12)
        assert found.t_statistic == pytest.approx(
            (tonight.mean() - last.mean()) / math.sqrt(a + b), rel=1e-12
        )

    def test_kolmogorov_smirnov_is_exact(self) -> None:
        """By counting over all ways to share the ten values out."""
        tonight, last = draws(3, 5, 1.0), draws(4, 5)

        def statistic(one: Any, other: Any) -> float:
            places = np.concatenate([one, other])
            return max(abs(float(np.mean(one <= at) - np.mean(other <= at))) for at in places)

        every = [
            statistic(*(np.concatenate([tonight, last])[list(part)] for part in (some, rest)))
            for some in itertools.combinations(range(10), 5)
            for rest in [[place for place in range(10) if place not in some]]
        ]
        found, pvalue = kolmogorov_smirnov(tonight, last)
        assert found == pytest.approx(statistic(tonight, last))
        assert pvalue == pytest.approx(np.mean(np.array(every) >= found - 1e-12), rel=1e-9)

    def test_welchs_p_is_that_of_permutations(self) -> None:
        tonight, last = draws(5, 30, 0.6), draws(6, 30)
        by_chance = permutation_test(
            (tonight, last), lambda a, b, axis: a.mean(axis) - b.mean(axis),
            vectorized=True, n_resamples=9999, rng=1,
        )  # fmt: skip

        found = drawn(tonight, last)
        assert found.t_pvalue == pytest.approx(by_chance.pvalue, abs=0.01)

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.5))
    def test_adjusted_p_values_reject_what_holms_procedure_rejects(
        self, pvalues: list[float], alpha: float
    ) -> None:
        told = adjusted(np.array(pvalues))

        near = np.any(np.abs(told - alpha) < 1e-9)
        assert np.flatnonzero(told <= alpha).tolist() == holm(pvalues, alpha) or near
        assert (told >= pvalues).all()
        assert (adjusted(np.array([pvalues, pvalues])) == told).all(), "row by row"

    @pytest.mark.parametrize("oracle", ORACLES["holm_fail"], ids=str)
    def test_holm_is_that_of_the_oracles(self, oracle: dict[str, Any]) -> None:
        told = adjusted(np.array(oracle["p_fail"]))

        rejected = np.flatnonzero(told <= oracle["alpha"] * (1 + 1e-12)).tolist()
        assert rejected == oracle["fail_indices"]


class TestDrawnShift:
    def test_two_samples_of_one_distribution_did_not_move(self) -> None:
        shift = drawn(draws(1, 200), draws(2, 200))

        assert (shift.verdict, shift.runs_tonight, shift.runs_last) == ("not moved", 200, 200)
        assert shift.standard_error == pytest.approx(0.1, rel=0.1)
        assert (shift.pairs, shift.why) == (None, ())

    def test_a_mean_that_is_far_off_moved(self) -> None:
        shift = drawn(draws(1, 200, shift=1.0), draws(2, 200))

        assert (shift.verdict, shift.why) == ("moved", ("mean", "distribution"))
        assert shift.mean_shift == pytest.approx(1.0, abs=0.3)

    def test_a_wider_spread_about_the_same_mean_moved_too(self) -> None:
        assert drawn(2 * draws(1, 400), draws(2, 400)).why == ("sigma", "distribution")

    def test_spreads_are_tested_as_brown_and_forsythe_do(self) -> None:
        """SciPy has their test with Student's degrees of freedom: of equal numbers the same F."""
        tonight, last = 1.8 * draws(1, 100), draws(2, 100)
        found = drawn(tonight, last)

        student = levene(tonight, last, center="median")
        assert found.spread_pvalue == pytest.approx(student.pvalue, rel=0.1)
        assert found.why == ("sigma",), "which the other two tests do not see"

    def test_the_spreads_of_fewer_than_twenty_runs_are_not_tested(self) -> None:
        assert drawn(9 * draws(1, 19), draws(2, 24)).spread_pvalue is None
        assert drawn(9 * draws(1, 20), draws(2, 24)).spread_pvalue == pytest.approx(0, abs=1e-3)
        sides = np.tile([-1.0, 1.0], 20)
        assert drawn(sides, 2 * sides).spread_pvalue is None, "no distance differs from another"

    def test_the_means_of_fewer_than_eight_runs_are_not_tested(self) -> None:
        seven, eight = drawn(draws(1, 7), draws(2, 9)), drawn(draws(1, 8), draws(2, 9))

        assert (seven.t_pvalue, seven.t_degrees) == (None, None)
        assert seven.ks_pvalue is not None
        assert eight.t_pvalue is not None

    def test_of_very_different_numbers_a_part_is_tested(self) -> None:
        """Welch's test of 20 and 500 exponential draws is wrong in 5 % of cases at 1 %."""
        one, other = draws(1, 20), draws(2, 500)

        assert [len(each) for each in of_similar_sizes(one, other)] == [20, 25]
        assert [len(each) for each in of_similar_sizes(other, one)] == [25, 20]
        assert drawn(one, other).t_pvalue == float(welch(one, other[:25]).pvalue)

    def test_a_quantity_that_only_one_night_has_moved(self) -> None:
        gone = drawn([math.nan] * 20, draws(1, 20))
        some = drawn(np.where(np.arange(20) < 2, np.nan, draws(1, 20)), draws(2, 20))
        few = drawn([math.nan] * 2, [1.0, 2.0])
        none = drawn([math.nan] * 20, [math.inf] * 20)

        assert (gone.verdict, gone.why) == ("moved", ("missing",))
        assert some.verdict == "not moved"
        assert some.missing_pvalue == pytest.approx(fisher((20, 2), (20, 0)))
        assert few.verdict == none.verdict == "no data"
        assert none.missing_pvalue is None

    @pytest.mark.parametrize("unit", ["", "km"])
    def test_rounding_of_a_constant_is_not_tested(self, unit: str) -> None:
        by = 9e-7 if unit else 9e-13
        rounded = drawn([7000.0 + by] * 50, [7000.0] * 50, unit=unit)
        other = drawn([7000.0 + 1e-3] * 50, [7000.0] * 50, unit=unit)

        assert (rounded.verdict, rounded.ks_pvalue) == ("not moved", None)
        assert (other.verdict, other.why, other.t_pvalue) == ("moved", ("distribution",), None)

    def test_single_draws_say_nothing_of_a_move(self) -> None:
        assert drawn([1.0], [2.0]).verdict == "not moved"

    def test_of_other_designs_nothing_is_tested(self) -> None:
        shift = drawn(draws(1, 20, 9.0), draws(2, 20), independent=False)

        assert (shift.verdict, shift.ks_pvalue) == ("not judged", None)
        assert shift.mean_shift == pytest.approx(9, abs=1)

    def test_what_a_solver_leaves_of_its_goal_is_not_tested(self) -> None:
        goal = np.full(40, 12000.0)
        tonight, last = goal + 1e-3 * draws(1, 40, 5.0), goal + 1e-3 * draws(2, 40)

        assert drawn(tonight, last, unit="km").verdict == "moved"
        assert drawn(tonight, last, unit="km", goals=(goal, goal)).verdict == "not moved"
        assert drawn(tonight, last, unit="km", goals=(goal + 1, goal)).verdict == "moved"

    def test_angles_around_zero_have_the_tests_of_those_elsewhere(self) -> None:
        tonight, last = draws(1, 60, 0.2), draws(2, 60)

        around = drawn(tonight % 360, last % 360, name=NODE, unit="deg")
        elsewhere = drawn(tonight, last, unit="deg")

        assert around.ks_pvalue == elsewhere.ks_pvalue
        assert around.t_pvalue == pytest.approx(elsewhere.t_pvalue, rel=1e-9)
        assert around.p95_shift == pytest.approx(elsewhere.p95_shift, rel=1e-9)
        means = [circmean(each, high=360) for each in (tonight, last)]
        expected = (means[0] - means[1] + 180) % 360 - 180
        assert around.mean_shift == pytest.approx(expected, abs=1e-9)

    # SciPy's exact p value of this one is not between 0 and 1, of which it warns.
    @example(tonight=[0.0] * 5, last=[0.0] * 4 + [1.0])
    @given(
        tonight=st.lists(finite, min_size=1, max_size=12),
        last=st.lists(finite, min_size=1, max_size=12),
    )
    def test_every_number_told_is_finite_and_few_draws_of_the_same_did_not_move(
        self, tonight: list[float], last: list[float]
    ) -> None:
        shift, same = drawn(tonight, last), drawn(last, last)

        json.dumps({name: getattr(shift, name) for name in shift.__slots__}, allow_nan=False)
        assert (same.verdict, same.mean_shift) == ("not moved", 0)


class TestTogether:
    def test_one_of_many_quantities_has_to_be_clearer_than_one_alone(self) -> None:
        last, tonight = draws(2, 100), draws(1, 100, 0.55)
        one = drawn_shift("R", "x", "", tonight, last)
        calm = [
            drawn_shift("R", f"x{n}", "", draws(2 * n, 100), draws(2 * n + 1, 100))
            for n in range(10, 60)
        ]

        (alone,), _, few = judged_together([one], [], ALARMS)
        (among, *others), _, many = judged_together([one, *calm], [0.5, None], ALARMS)

        assert (few, many) == (3, 154)
        assert alone.adjusted_pvalue == pytest.approx(3 * min(_pvalues(one)), rel=1e-12)
        assert among.adjusted_pvalue == pytest.approx(154 * min(_pvalues(one)), rel=1e-12)
        assert (alone.verdict, among.verdict) == ("moved", "not moved")
        assert {each.verdict for each in others} == {"not moved"}

    def test_failures_are_judged_with_the_quantities(self) -> None:
        calm = drawn_shift("R", "x", "", draws(1, 20), draws(2, 20))
        pvalue = fisher((20, 0), (20, 20))

        _, (told, nothing), tests = judged_together([calm], [pvalue, None], ALARMS)

        assert told == pytest.approx(4 * pvalue)
        assert (nothing, tests) == (None, 4)

    def test_without_tests_nothing_is_judged(self) -> None:
        calm = drawn_shift("R", "x", "", np.ones(5), np.ones(5))

        assert judged_together([calm], [None], ALARMS) == ([calm], [None], 0)


def _pvalues(shift: QuantityShift) -> list[float]:
    return [
        each for each in (shift.t_pvalue, shift.spread_pvalue, shift.ks_pvalue) if each is not None
    ]


def test_angles_all_around_the_circle_are_cut_the_same_way_whichever_night_is_first() -> None:
    """Cut at the mean of one night, the other one's values spread farther from it."""
    for seed in range(10):
        one, other = np.random.default_rng(seed).uniform(0, 360, (2, 40))

        there = drawn(one, other, name=NODE, unit="deg")
        back = drawn(other, one, name=NODE, unit="deg")

        assert there.ks_pvalue == back.ks_pvalue
        assert there.t_pvalue == pytest.approx(back.t_pvalue, rel=1e-9)
        assert there.verdict == "not moved"
