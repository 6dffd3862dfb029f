"""The fixed plan: exact tails, Clopper-Pearson bounds, and looks before all runs are there."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep.verdicts.binomial import (
    at_most,
    complement,
    fewest_that_fail,
    fixed_look,
    lower_bound,
    most_that_pass,
    p_fail,
    p_pass,
    two_sided_interval,
    upper_bound,
)
from oracles import ORACLES, alpha_of


def _close(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=0)


def _exact_tail(most: int, runs: int, q: Fraction) -> Fraction:
    """P(Bin(runs, q) <= most) by fractions, term by term."""
    terms = (math.comb(runs, k) * q**k * (1 - q) ** (runs - k) for k in range(most + 1))
    return sum(terms, Fraction(0))


@pytest.mark.parametrize("oracle", ORACLES["fixed_verdicts"])
def test_p_values_and_verdicts_are_those_of_the_oracles(oracle: dict[str, Any]) -> None:
    x, n, q, alpha = oracle["violations"], oracle["n"], float(oracle["q"]), alpha_of(oracle)

    assert p_pass(x, n, q) == _close(oracle["p_pass"])
    assert p_fail(x, n, q) == _close(oracle["p_fail"])
    assert fixed_look(x, x, n, n, q, alpha).verdict == oracle["verdict"]


@pytest.mark.parametrize("oracle", ORACLES["clopper_pearson_one_sided"])
def test_bounds_are_those_of_the_oracles(oracle: dict[str, Any]) -> None:
    x, n, confidence = oracle["violations"], oracle["n"], float(oracle["conf"])

    assert upper_bound(x, n, confidence) == _close(oracle["violation_upper"])
    assert lower_bound(x, n, confidence) == _close(oracle["violation_lower"])
    # The share of successes is that of n - x events.
    assert upper_bound(n - x, n, confidence) == _close(oracle["success_upper"])
    assert lower_bound(n - x, n, confidence) == _close(oracle["success_lower"])


def test_a_two_sided_interval_has_half_of_the_error_on_either_side() -> None:
    interval = two_sided_interval(3, 100, 0.90)

    assert interval == (lower_bound(3, 100, 0.95), upper_bound(3, 100, 0.95))
    assert two_sided_interval(0, 0, 0.95) == (0.0, 1.0)
    assert two_sided_interval(0, 20, 0.95)[0] == 0.0
    assert two_sided_interval(20, 20, 0.95)[1] == 1.0


@pytest.mark.parametrize("q", ["0.003", "0.1", "0.5"])
@pytest.mark.parametrize("runs", [1, 2, 59, 230])
def test_tails_are_those_of_exact_fractions(q: str, runs: int) -> None:
    for x in range(min(runs, 8) + 1):
        below = _exact_tail(x, runs, Fraction(q))
        above = 1 - _exact_tail(x - 1, runs, Fraction(q))
        assert p_pass(x, runs, float(q)) == pytest.approx(float(below), rel=1e-11)
        assert p_fail(x, runs, float(q)) == pytest.approx(float(above), rel=1e-11)


def test_a_decimal_that_is_met_exactly_counts_as_met() -> None:
    # Fractions: (1/10)^2 = 1/100 and (1/2)^3 = 1/8.
    assert complement(0.99) == 0.01
    assert at_most(p_fail(2, 2, 0.1), 0.01)
    assert fewest_that_fail(2, 0.1, 0.01) == 2
    assert fixed_look(2, 2, 2, 2, 0.1, complement(0.99)).verdict == "FAIL"
    assert most_that_pass(3, 0.5, 0.125) == 0
    assert not at_most(0.01 * (1 + 1e-10), 0.01)


@pytest.mark.parametrize(("share", "rest"), [(0.9, 0.1), (0.997, 0.003), (0.99865, 0.00135)])
def test_the_complement_is_the_decimal_that_one_writes(share: float, rest: float) -> None:
    assert complement(share) == rest


@given(
    runs=st.integers(0, 60),
    q=st.sampled_from([0.003, 0.05, 0.1, 0.5, 0.9]),
    alpha=st.sampled_from([0.01, 0.05, 0.1, 0.3]),
)
@settings(max_examples=60, deadline=None)
def test_counts_that_pass_and_fail_are_those_of_trying_each(
    runs: int, q: float, alpha: float
) -> None:
    passing = [x for x in range(runs + 1) if at_most(p_pass(x, runs, q), alpha)]
    failing = [x for x in range(runs + 1) if at_most(p_fail(x, runs, q), alpha)]

    assert most_that_pass(runs, q, alpha) == max(passing, default=-1)
    assert fewest_that_fail(runs, q, alpha) == min(failing, default=None)


@given(x=st.integers(0, 400), runs=st.integers(1, 400), confidence=st.floats(0.5, 0.999))
@settings(max_examples=60, deadline=None)
def test_a_sample_passes_exactly_where_its_upper_bound_is_within(
    x: int, runs: int, confidence: float
) -> None:
    x = min(x, runs)
    bound = upper_bound(x, runs, confidence)
    alpha = complement(confidence)

    for q in (bound * 0.999, min(bound * 1.001, 1 - 1e-9)):
        assert at_most(p_pass(x, runs, q), alpha) == (bound <= q)


@pytest.mark.parametrize("oracle", ORACLES["curtailment"])
def test_a_sample_is_decided_as_soon_as_no_run_can_change_it(oracle: dict[str, Any]) -> None:
    n, q, alpha = oracle["n"], float(oracle["q"]), alpha_of(oracle)
    assert most_that_pass(n, q, alpha) == oracle["allowed"]

    decided = None
    for judged in range(n + 1):
        x = sum(run_id < judged for run_id in oracle["violating_run_ids"])
        look = fixed_look(x, x, judged, n, q, alpha)
        if look.verdict == "PASS" or not look.can_pass:
            decided = (judged, "PASS" if look.verdict == "PASS" else "NOT PASS")
            break

    assert decided == (oracle["decided_at_run_count"], oracle["verdict"].partition(" (")[0])


@given(
    violates=st.lists(st.sampled_from([0, 0, 0, 1]), min_size=1, max_size=40),
    unknown=st.lists(st.integers(0, 39), max_size=4, unique=True),
    q=st.sampled_from([0.05, 0.2, 0.5]),
    alpha=st.sampled_from([0.05, 0.2, 0.5]),
)
@settings(max_examples=80, deadline=None)
def test_an_early_verdict_is_the_one_of_the_whole_sample(
    violates: list[int], unknown: list[int], q: float, alpha: float
) -> None:
    n, total = len(violates), sum(violates)
    whole = fixed_look(total, total, n, n, q, alpha)

    for judged in range(n + 1):
        hidden = [i for i in unknown if i < judged]
        known = sum(violates[i] for i in range(judged) if i not in hidden)
        look = fixed_look(known + len(hidden), known, judged, n, q, alpha)
        assert look.to_come == n - judged
        if look.verdict != "INCONCLUSIVE":
            assert look.verdict == whole.verdict
        assert look.can_pass or whole.verdict != "PASS"
        assert look.can_fail or whole.verdict != "FAIL"


def test_no_run_and_too_few_runs_are_inconclusive() -> None:
    assert fixed_look(0, 0, 0, 0, 0.01, 0.1) == ("INCONCLUSIVE", 0, False, False)
    assert fixed_look(0, 0, 229, 229, 0.01, 0.1).verdict == "INCONCLUSIVE"
    assert not fixed_look(0, 0, 0, 229, 0.01, 0.1).can_pass
    assert fixed_look(0, 0, 0, 230, 0.01, 0.1) == ("INCONCLUSIVE", 230, True, True)
