"""How many runs a requirement takes."""

from __future__ import annotations

import math
import re
import time
from typing import Any

import numpy as np
import pytest

import gmat_sweep
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.verdicts.binomial import at_most, complement, p_pass
from gmat_sweep.verdicts.evidence import runs_that_pass
from gmat_sweep.verdicts.planning import Sample, more_runs, passing_sample, runs_needed
from oracles import ORACLES, alpha_of


def _probability(oracle: dict[str, Any]) -> float:
    return complement(float(oracle["q"]))


@pytest.mark.parametrize("oracle", ORACLES["planner_fixed"])
def test_numbers_of_runs_are_those_of_the_oracles(oracle: dict[str, Any]) -> None:
    probability = _probability(oracle)

    assert runs_needed(probability, oracle["conf"], oracle["allowed"]) == oracle["n"]


@pytest.mark.parametrize("oracle", ORACLES["anytime_pass_boundary"])
def test_numbers_of_runs_to_look_at_anytime_are_those_of_the_oracles(
    oracle: dict[str, Any],
) -> None:
    confidence = complement(alpha_of(oracle))

    found = [
        runs_needed(_probability(oracle), confidence, allowed, plan="anytime")
        for allowed in range(len(oracle["n_for_violations"]))
    ]

    assert found == oracle["n_for_violations"]


@pytest.mark.parametrize("oracle", ORACLES["planner_power"])
def test_samples_that_pass_as_expected_are_those_of_the_oracles(oracle: dict[str, Any]) -> None:
    sample = runs_needed(
        _probability(oracle),
        oracle["conf"],
        expect=float(oracle["true_violation"]),
        power=oracle["power"],
    )

    assert (sample.runs, sample.allowed) == (oracle["n"], oracle["allowed"])
    assert sample.pass_probability == pytest.approx(oracle["pass_probability"], rel=1e-9)


@pytest.mark.parametrize("oracle", ORACLES["more_runs_fixed"])
def test_further_runs_are_those_of_the_oracles(oracle: dict[str, Any]) -> None:
    x, n, q, alpha = oracle["violations"], oracle["n"], float(oracle["q"]), alpha_of(oracle)

    without, with_one = more_runs(x, n, q, alpha, "fixed")

    assert without == oracle["needed_if_no_further_violation"]
    assert n + with_one == runs_needed(complement(q), complement(alpha), x + 1)


def test_further_runs_to_look_at_anytime_end_where_the_evidence_is_enough() -> None:
    boundary = runs_that_pass(np.arange(4), 0.01, 0.1).tolist()

    assert more_runs(2, 600, 0.01, 0.1, "anytime") == (boundary[2] - 600, boundary[3] - 600)
    assert more_runs(2, 900, 0.01, 0.1, "anytime") == (0, boundary[3] - 900)


@pytest.mark.parametrize(
    ("expected", "q", "alpha"), [(0.0095, 0.01, 0.1), (0.48, 0.5, 0.1), (0.29, 0.3, 0.05)]
)
def test_the_smallest_of_all_samples_is_found_where_many_violations_are_allowed(
    expected: float, q: float, alpha: float
) -> None:
    found = passing_sample(expected, q, alpha)

    assert found is not None
    assert at_most(p_pass(found.allowed, found.runs, q), alpha)
    assert not at_most(p_pass(found.allowed, found.runs - 1, q), alpha)
    assert found.pass_probability == pytest.approx(p_pass(found.allowed, found.runs, expected))
    # Each smaller number of violations, with the least runs that pass with it, falls short.
    for allowed in {*range(0, found.allowed, 97), *range(found.allowed - 40, found.allowed)}:
        runs = runs_needed(complement(q), complement(alpha), allowed)
        assert p_pass(allowed, runs, expected) < 0.9


def test_shares_near_each_other_are_told_to_be_so_at_once() -> None:
    start = time.perf_counter()

    assert passing_sample(0.0099999, 0.01, 0.1) is None
    assert passing_sample(0.01, 0.01, 0.1) is None
    assert passing_sample(0.02, 0.01, 0.1) is None

    assert time.perf_counter() - start < 3


def test_without_a_violation_expected_none_is_allowed() -> None:
    assert runs_needed(0.99, 0.9, expect=0) == Sample(230, 0, 1.0)
    assert passing_sample(0.0, 0.05, 0.05) == Sample(59, 0, 1.0)


def test_large_samples_are_found_at_once() -> None:
    start = time.perf_counter()

    assert runs_needed(0.999999, 0.9) == math.ceil(math.log(0.1) / math.log1p(-1e-6))
    assert runs_needed(0.5, 0.9, 100_000) > 200_000
    assert runs_needed(0.5, 0.9, 100_000, plan="anytime") > 200_000

    assert time.perf_counter() - start < 2


def test_a_passing_sample_passes_as_often_as_it_says() -> None:
    sample = runs_needed("95%", "95%", expect="1%")
    dice = np.random.default_rng(20261129)

    passed = (dice.binomial(sample.runs, 0.01, 10_000) <= sample.allowed).mean()

    assert passed == pytest.approx(sample.pass_probability, abs=0.01)


def test_it_is_public() -> None:
    assert gmat_sweep.runs_needed is runs_needed
    assert gmat_sweep.runs_needed("99.7%", "90%") == gmat_sweep.runs_needed(0.997, 0.9) == 767


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("3 sigma", 0.9), {}, "probability '3 sigma' means two things"),
        ((0.997, 90), {}, "confidence 90 is not between 0 and 1"),
        ((0.997, 0.9, -1), {}, "allowed -1 is no number of violations"),
        ((0.997, 0.9, 1.5), {}, "allowed 1.5 is no number of violations"),
        ((0.997, 0.9, True), {}, "allowed True is no number of violations"),
        ((0.997, 0.9), {"plan": "looks"}, "plan 'looks' is none. Write 'fixed' or 'anytime'."),
        ((0.997, 0.9), {"expect": "0.3%"}, "allows 0.3 % violations, and no sample shows it"),
        ((0.997, 0.9), {"expect": 0.5}, "where 50 % violate"),
        ((0.997, 0.9), {"expect": -0.1}, "expect -0.1"),
        ((0.99, 0.9), {"expect": 0.0099999}, "takes more runs than the 10,000,000"),
        ((0.997, 0.9, 1), {"expect": 0.001}, "expect chooses the number of violations"),
        ((0.997, 0.9), {"expect": 0.001, "plan": "anytime"}, "of a fixed plan"),
        ((0.997, 0.9), {"expect": 0.001, "power": 1}, "power 1 is not between 0 and 1"),
    ],
)
def test_mistakes_are_told(
    arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SweepConfigError, match=re.escape(message)):
        runs_needed(*arguments, **options)
