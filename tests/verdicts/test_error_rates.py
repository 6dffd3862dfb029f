"""How often verdicts are wrong, looking after every run: by exact sums, and by flying dice."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from gmat_sweep.verdicts.evidence import (
    first_crossings,
    log_evidence_fail,
    runs_that_pass,
    violation_upper,
)
from gmat_sweep.verdicts.outcomes import HOLDS, VIOLATES
from gmat_sweep.verdicts.ruling import fixed_ruling
from oracles import ORACLES, alpha_of

_RATES = ORACLES["anytime_operating_characteristics"]
_SEED = 20261129


def _last_that_fail(q: float, alpha: float, most: int, runs: int) -> list[int]:
    """For 0, 1, ... `most` violations the largest number of runs that fails; fewer: none does."""
    x = np.arange(most + 1)
    low, high = x - 1, np.full(len(x), runs + 1)
    while (high - low > 1).any():
        middle = (low + high) // 2
        fails = log_evidence_fail(x, np.maximum(middle, x), q) >= -math.log(alpha)
        low, high = np.where(fails, middle, low), np.where(fails, high, middle)
    return [int(each) for each in low]


def _exact(oracle: dict[str, Any]) -> tuple[float, float, float]:
    """P(PASS), P(FAIL) and the mean number of runs until one of them, by summing over all ways."""
    q, p, alpha = float(oracle["q"]), oracle["true_violation"], alpha_of(oracle)
    runs = oracle["max_runs"]
    # So many that every further one fails.
    most = next(x for x in range(50, runs, 50) if log_evidence_fail(x, runs, q) > -math.log(alpha))
    passes = runs_that_pass(np.arange(most + 1), q, alpha)
    fails = np.array(_last_that_fail(q, alpha, most, runs))
    alive = np.zeros(most + 1)
    alive[0], p_pass, p_fail, mean = 1.0, 0.0, 0.0, 0.0
    for n in range(1, runs + 1):
        then = alive * (1 - p)
        then[1:] += alive[:-1] * p
        passed, failed = passes <= n, fails >= n
        mean += n * float(then[passed | failed].sum())
        p_pass += float(then[passed].sum())
        p_fail += float(then[failed].sum())
        alive = np.where(passed | failed, 0.0, then)
    return p_pass, p_fail, mean + runs * float(alive.sum())


def _three_sigma(p: float, studies: int) -> float:
    return 3 * math.sqrt(p * (1 - p) / studies)


def _fly(oracle: dict[str, Any], studies: int) -> None:
    """Let the product judge studies whose runs violate with the true probability."""
    q, p, alpha = float(oracle["q"]), oracle["true_violation"], alpha_of(oracle)
    runs = oracle["max_runs"]
    dice = np.random.default_rng([_SEED, round(1e6 * p)])
    passed = failed = first_pass = first_fail = 0
    ends, covered = [], []
    for study in range(studies):
        violates = dice.random(runs) < p
        found = first_crossings(violates, violates, q, alpha)
        passed += found.pass_at is not None
        failed += found.fail_at is not None
        never = runs + 1
        at = [never if each is None else each for each in (found.pass_at, found.fail_at)]
        first_pass += at[0] < at[1]
        first_fail += at[1] < at[0]
        ends.append(min(*at, runs))
        if study < 200:
            covered.append(violation_upper(violates, alpha) >= p)
    # Wrong verdicts are within their bound, whatever else is in the study.
    if p >= q:
        assert passed / studies <= alpha + _three_sigma(alpha, studies)
    if p <= q:
        assert failed / studies <= alpha + _three_sigma(alpha, studies)
    assert np.mean(covered) >= 1 - alpha - _three_sigma(alpha, len(covered))
    # What comes first comes as often, and as early, as the exact sum says.
    for count, wanted in ((first_pass, oracle["p_pass"]), (first_fail, oracle["p_fail"])):
        assert count / studies == pytest.approx(wanted, abs=_three_sigma(wanted, studies) + 1e-3)
    slack = 3 * float(np.std(ends)) / math.sqrt(studies)
    assert np.mean(ends) == pytest.approx(oracle["expected_runs"], abs=slack)


def _name(oracle: dict[str, Any]) -> str:
    return f"{oracle['q']} allowed, {oracle['true_violation']:.4f} true"


@pytest.mark.parametrize("oracle", _RATES, ids=_name)
def test_error_rates_and_numbers_of_runs_are_those_of_the_oracles(oracle: dict[str, Any]) -> None:
    p_pass, p_fail, mean = _exact(oracle)

    assert p_pass == pytest.approx(oracle["p_pass"], abs=1e-3)
    assert p_fail == pytest.approx(oracle["p_fail"], abs=1e-3)
    assert mean == pytest.approx(oracle["expected_runs"], rel=1e-3)


@pytest.mark.parametrize("oracle", _RATES[4:6], ids=_name)
def test_studies_looked_at_after_every_run_are_rarely_wrong(oracle: dict[str, Any]) -> None:
    _fly(oracle, 250)


@pytest.mark.parametrize(("q", "alpha", "runs"), [(0.05, 0.1, 77), (0.1, 0.05, 46)])
def test_a_fixed_plan_is_as_rarely_wrong_if_looked_at_after_every_run(
    q: float, alpha: float, runs: int
) -> None:
    """Summed exactly over all ways: what is reached at any look is what the last one says."""
    verdicts = [
        [
            fixed_ruling(np.repeat([VIOLATES, HOLDS], [x, n - x]), runs - n, q, alpha).verdict
            for x in range(n + 1)
        ]
        for n in range(runs + 1)
    ]
    for p in (0.5 * q, q, 2 * q):
        alive = {0: 1.0}
        reached = {"PASS": 0.0, "FAIL": 0.0}
        for n in range(1, runs + 1):
            then: dict[int, float] = {}
            for x, weight in alive.items():
                for violates, chance in ((0, 1 - p), (1, p)):
                    verdict = verdicts[n][x + violates]
                    if verdict in reached:
                        reached[verdict] += weight * chance
                    else:
                        then[x + violates] = then.get(x + violates, 0.0) + weight * chance
            alive = then
        last = {
            verdict: sum(
                binom.pmf(x, runs, p) for x in range(runs + 1) if verdicts[runs][x] == verdict
            )
            for verdict in reached
        }
        assert reached == pytest.approx(last)
        if p >= q:
            assert reached["PASS"] <= alpha
        if p <= q:
            assert reached["FAIL"] <= alpha


@pytest.mark.soak
@pytest.mark.parametrize("oracle", _RATES, ids=_name)
def test_two_thousand_studies_are_wrong_as_rarely_as_promised(oracle: dict[str, Any]) -> None:
    _fly(oracle, 2000)
