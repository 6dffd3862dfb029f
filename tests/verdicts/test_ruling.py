"""The rule of each plan: by the oracles, in any order of completion, and with unknown runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep.verdicts.binomial import p_fail, p_pass
from gmat_sweep.verdicts.outcomes import HOLDS, LEFT_OUT, UNKNOWN, VIOLATES
from gmat_sweep.verdicts.ruling import anytime_ruling, every_ruling, fixed_ruling
from oracles import ORACLES, alpha_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

CODES = st.lists(st.sampled_from([HOLDS, HOLDS, HOLDS, VIOLATES, UNKNOWN, LEFT_OUT]), max_size=60)


def codes_of(runs: int, violating: list[int]) -> NDArray[np.int8]:
    codes = np.full(runs, HOLDS, np.int8)
    codes[violating] = VIOLATES
    return codes


@pytest.mark.parametrize("oracle", ORACLES["fixed_verdicts"])
def test_a_fixed_plan_that_is_finished_is_judged_as_the_oracle_says(oracle: dict[str, Any]) -> None:
    runs, violations, q = oracle["n"], oracle["violations"], float(oracle["q"])

    ruling = fixed_ruling(codes_of(runs, list(range(violations))), 0, q, alpha_of(oracle))

    assert ruling.verdict == oracle["verdict"]
    assert ruling.p_pass == pytest.approx(oracle["p_pass"], rel=1e-9)
    assert ruling.p_fail == pytest.approx(oracle["p_fail"], rel=1e-9)


@pytest.mark.parametrize("oracle", ORACLES["clopper_pearson_one_sided"])
def test_the_bounds_of_a_fixed_plan_are_those_of_the_oracle(oracle: dict[str, Any]) -> None:
    codes = codes_of(oracle["n"], list(range(oracle["violations"])))

    ruling = fixed_ruling(codes, 0, 0.01, alpha_of(oracle))

    assert ruling.violation_upper == pytest.approx(oracle["violation_upper"], rel=1e-9)
    assert ruling.violation_lower == pytest.approx(oracle["violation_lower"], rel=1e-9)


@pytest.mark.parametrize("oracle", ORACLES["curtailment"])
def test_a_fixed_plan_is_decided_at_the_run_of_the_oracle_and_not_before(
    oracle: dict[str, Any],
) -> None:
    codes = codes_of(oracle["n"], oracle["violating_run_ids"])
    q, alpha, at = float(oracle["q"]), alpha_of(oracle), oracle["decided_at_run_count"]

    def after(runs: int) -> Any:
        return fixed_ruling(codes[:runs], oracle["n"] - runs, q, alpha)

    if oracle["verdict"] == "PASS":
        assert (after(at).verdict, after(at - 1).verdict) == ("PASS", "INCONCLUSIVE")
        assert after(at).reached_at == after(oracle["n"]).reached_at == at
    else:
        assert "more than" in after(at).reason or after(at).reason == "neither is shown"
        assert "more than" not in after(at - 1).reason
        assert after(oracle["n"]).verdict == "INCONCLUSIVE"


@given(
    st.lists(st.booleans(), min_size=1, max_size=80),
    st.sampled_from([0.01, 0.05, 0.3]),
    st.sampled_from([0.05, 0.1]),
)
def test_no_outcome_of_the_runs_to_come_takes_a_verdict_of_a_fixed_plan_back(
    violates: list[bool], q: float, alpha: float
) -> None:
    codes = np.where(violates, VIOLATES, HOLDS).astype(np.int8)
    last = fixed_ruling(codes, 0, q, alpha)

    for runs in range(len(codes)):
        early = fixed_ruling(codes[:runs], len(codes) - runs, q, alpha)
        assert early.verdict in ("INCONCLUSIVE", last.verdict)
        # The bounds hold however the rest ends.
        assert early.violation_upper is not None
        assert early.violation_lower is not None
        assert last.violation_upper is not None
        assert last.violation_lower is not None
        assert early.violation_lower <= last.violation_lower
        assert last.violation_upper <= early.violation_upper


def test_runs_that_are_too_few_are_told_at_the_start() -> None:
    ruling = fixed_ruling(codes_of(3, []), 97, 0.003, 0.1)

    assert ruling.verdict == "INCONCLUSIVE"
    assert ruling.reason == (
        "100 runs cannot show this, however they end: it takes 767 or more; 97 runs to come"
    )


def test_without_a_run_nothing_is_shown() -> None:
    none = np.empty(0, np.int8)

    for ruling in (
        fixed_ruling(none, 0, 0.01, 0.1),
        anytime_ruling(none, 0.01, 0.1),
        every_ruling(none, 0, 0.1, random=False, anytime=False),
        fixed_ruling(np.full(5, LEFT_OUT, np.int8), 0, 0.01, 0.1),
    ):
        assert (ruling.verdict, ruling.n, ruling.reason) == ("INCONCLUSIVE", 0, "no run counts")


@pytest.mark.parametrize("oracle", ORACLES["anytime_sequences"], ids=lambda each: each["name"])
def test_the_anytime_plan_reaches_its_verdict_at_the_run_of_the_oracle(
    oracle: dict[str, Any],
) -> None:
    codes = codes_of(oracle["runs"], oracle["violating_run_ids"])[: oracle["prefix"]]

    ruling = anytime_ruling(codes, float(oracle["q"]), alpha_of(oracle))

    assert ruling.verdict == oracle["verdict"]
    expected = oracle["pass_at"] if oracle["fail_at"] is None else oracle["fail_at"]
    assert ruling.reached_at == expected


@given(CODES, st.sampled_from([0.05, 0.2]), st.sampled_from([0.05, 0.2]))
@settings(max_examples=40)
def test_an_anytime_verdict_is_that_of_the_bounds_and_of_the_highest_evidence(
    outcomes: list[int], q: float, alpha: float
) -> None:
    ruling = anytime_ruling(np.array(outcomes, np.int8), q, alpha)

    fails = ruling.against <= alpha
    assert fails == (ruling.verdict == "FAIL")
    if ruling.n:
        assert ruling.violation_lower is not None
        assert ruling.violation_upper is not None
        assert (ruling.violation_lower >= q) == fails
        if not fails:
            assert (ruling.violation_upper <= q) == (ruling.verdict == "PASS")


@given(CODES, st.integers(0, 20), st.booleans())
@settings(max_examples=60)
def test_an_unknown_run_counts_as_a_violation_for_pass_and_as_none_for_fail(
    outcomes: list[int], to_come: int, fixed: bool
) -> None:
    codes = np.array(outcomes, np.int8)

    def verdict(unknown_as: int) -> str:
        told = np.where(codes == UNKNOWN, unknown_as, codes).astype(np.int8)
        if fixed:
            return fixed_ruling(told, to_come, 0.2, 0.2).verdict
        return anytime_ruling(told, 0.2, 0.2).verdict

    found = verdict(UNKNOWN)

    if found == "PASS":
        assert verdict(VIOLATES) == verdict(HOLDS) == "PASS"
    if found == "FAIL":
        assert verdict(VIOLATES) == verdict(HOLDS) == "FAIL"
    if not fixed:
        return
    counted = codes[codes != LEFT_OUT]
    low, unknown = int(sum(counted == VIOLATES)), int(sum(counted == UNKNOWN))
    ruling, total = fixed_ruling(codes, to_come, 0.2, 0.2), len(counted) + to_come
    assert ruling.p_pass == pytest.approx(p_pass(low + unknown + to_come, total, 0.2))
    assert ruling.p_fail == pytest.approx(p_fail(low, total, 0.2))


@pytest.mark.parametrize(
    ("outcomes", "to_come", "random", "verdict", "reason"),
    [
        ([HOLDS] * 4, 0, False, "PASS", ""),
        ([HOLDS] * 4, 1, False, "INCONCLUSIVE", "1 run to come"),
        ([HOLDS] * 3 + [UNKNOWN], 0, False, "INCONCLUSIVE", "1 run is unknown"),
        ([HOLDS] * 4, 0, True, "INCONCLUSIVE", "random draws never show that every run holds; "),
        ([HOLDS, VIOLATES, UNKNOWN], 5, False, "FAIL", ""),
        ([HOLDS, VIOLATES], 0, True, "FAIL", ""),
        ([HOLDS, LEFT_OUT], 0, False, "PASS", ""),
    ],
)
def test_every_run_must_hold(
    outcomes: list[int], to_come: int, random: bool, verdict: str, reason: str
) -> None:
    ruling = every_ruling(np.array(outcomes, np.int8), to_come, 0.1, random=random, anytime=False)

    assert ruling.verdict == verdict
    assert ruling.reason.startswith(reason)
    assert (ruling.reason == "") == (reason == "")
    assert (ruling.violation_upper is None) == (not random)
    if verdict == "FAIL":
        assert ruling.reached_at == 2
