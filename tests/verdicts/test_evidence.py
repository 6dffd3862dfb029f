"""Evidence that may be looked at after every run: its values, first crossings and bounds."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gmat_sweep.verdicts.evidence import (
    FirstCrossings,
    first_crossings,
    highest_evidence,
    log_evidence_fail,
    log_evidence_pass,
    runs_that_pass,
    violation_lower,
    violation_upper,
    violation_upper_at,
)
from oracles import ORACLES, alpha_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHARES = st.sampled_from([0.01, 0.05, 0.2, 0.5, 0.8])
_RISKS = st.sampled_from([0.05, 0.1, 0.4, 0.8])
# What each run is for PASS and for FAIL: holds, violates, unknown.
_OUTCOMES = st.lists(
    st.sampled_from([(False, False)] * 4 + [(True, True), (True, False)]), max_size=60
)


def _by_quadrature(x: int, n: int, q: float) -> tuple[float, float]:
    """Both evidences from their definition: under Jeffreys' prior asin(sqrt(p)) is uniform."""
    found = []
    end = math.asin(math.sqrt(q))
    for low, high in ((0.0, end), (end, math.pi / 2)):
        width = (high - low) / 200_000
        p = np.sin(low + width * (np.arange(200_000) + 0.5)) ** 2
        ratio = np.exp(x * np.log(p / q) + (n - x) * np.log((1 - p) / (1 - q)))
        found.append(float(np.log(ratio.mean())))
    return found[0], found[1]


def _run_by_run(most: NDArray[np.bool_], least: NDArray[np.bool_], q: float, alpha: float) -> Any:
    """First crossings by the definition: every look, one by one."""
    n = np.arange(1, len(most) + 1)
    enough = -math.log(alpha)
    found = [
        np.flatnonzero(log_evidence_pass(most.cumsum(), n, q) >= enough),
        np.flatnonzero(log_evidence_fail(least.cumsum(), n, q) >= enough),
    ]
    return FirstCrossings(*(int(each[0]) + 1 if len(each) else None for each in found))


@pytest.mark.parametrize("oracle", ORACLES["anytime_log_e"])
def test_logarithms_are_those_of_the_oracles(oracle: dict[str, Any]) -> None:
    x, n, q = oracle["x"], oracle["n"], float(oracle["q"])

    assert log_evidence_pass(x, n, q) == pytest.approx(oracle["ln_e_pass"], abs=1e-7)
    assert log_evidence_fail(x, n, q) == pytest.approx(oracle["ln_e_fail"], abs=1e-7)


@pytest.mark.parametrize(("x", "n", "q"), [(0, 30, 0.05), (4, 40, 0.05), (20, 30, 0.5)])
def test_logarithms_are_those_of_a_quadrature_of_the_definition(x: int, n: int, q: float) -> None:
    found = log_evidence_pass(x, n, q), log_evidence_fail(x, n, q)

    assert found == pytest.approx(_by_quadrature(x, n, q), abs=1e-6)


@given(x=st.integers(0, 300), n=st.integers(0, 300), q=_SHARES)
@example(x=221, n=221, q=0.05)
@settings(max_examples=30, deadline=None)
def test_evidence_is_a_fair_game_where_exactly_the_allowed_share_violates(
    x: int, n: int, q: float
) -> None:
    x = min(x, n)
    for log_evidence in (log_evidence_pass, log_evidence_fail):
        now = log_evidence(x, n, q)
        one, none = log_evidence(x + 1, n + 1, q), log_evidence(x, n + 1, q)
        # Where the mass of the prior's part is no float, the evidence is taken as none.
        if math.inf in (-now, -one, -none):
            continue
        then = q * math.exp(one - now) + (1 - q) * math.exp(none - now)
        assert then == pytest.approx(1, abs=1e-8)
    # What is evidence for one is evidence against the other, with violations and q turned round.
    assert log_evidence_fail(x, n, q) == pytest.approx(log_evidence_pass(n - x, n, 1 - q), abs=1e-7)


def test_evidence_too_small_for_a_float_is_none() -> None:
    assert log_evidence_pass(5000, 5000, 0.01) == -math.inf
    assert log_evidence_fail(0, 10_000, 0.5) == -math.inf
    # The other one stays finite, and has no warning.
    assert log_evidence_fail(5000, 5000, 0.01) == pytest.approx(5000 * math.log(100), abs=10)


@pytest.mark.parametrize("oracle", ORACLES["anytime_pass_boundary"])
def test_numbers_of_runs_that_pass_are_those_of_the_oracles(oracle: dict[str, Any]) -> None:
    wanted = oracle["n_for_violations"]

    found = runs_that_pass(np.arange(len(wanted)), float(oracle["q"]), alpha_of(oracle))

    assert found.tolist() == wanted


@pytest.mark.parametrize("oracle", ORACLES["anytime_fail_boundary"])
def test_violations_that_fail_are_those_of_the_oracles(oracle: dict[str, Any]) -> None:
    n, q, alpha = oracle["n"], float(oracle["q"]), alpha_of(oracle)

    enough = np.flatnonzero(log_evidence_fail(np.arange(n + 1), n, q) >= -math.log(alpha))

    assert (int(enough[0]) if len(enough) else None) == oracle["least_violations_for_fail"]


@pytest.mark.parametrize("oracle", ORACLES["anytime_violation_upper"])
def test_upper_bounds_are_those_of_the_oracles(oracle: dict[str, Any]) -> None:
    found = violation_upper_at(oracle["x"], oracle["n"], alpha_of(oracle))

    assert found == pytest.approx(oracle["violation_upper"], rel=1e-9)


@pytest.mark.parametrize("oracle", ORACLES["anytime_sequences"], ids=lambda oracle: oracle["name"])
def test_sequences_end_as_those_of_the_oracles_whichever_run_is_the_latest(
    oracle: dict[str, Any],
) -> None:
    flags = np.zeros(oracle["runs"], dtype=bool)
    flags[oracle["violating_run_ids"]] = True
    flags = flags[: oracle["prefix"]]
    q, alpha = float(oracle["q"]), alpha_of(oracle)
    wanted = FirstCrossings(oracle["pass_at"], oracle["fail_at"])

    assert first_crossings(flags, flags, q, alpha) == wanted
    assert wanted.verdict == oracle["verdict"]
    # Looked at on the way: what was reached by then, and never another number.
    ends = {at + k for at in (wanted.pass_at, wanted.fail_at) if at is not None for k in (-1, 0)}
    for m in {*range(0, len(flags) + 1, 13), *ends}:
        reached = [
            at if at is not None and at <= m else None for at in (wanted.pass_at, wanted.fail_at)
        ]
        assert first_crossings(flags[:m], flags[:m], q, alpha) == FirstCrossings(*reached)


@given(outcomes=_OUTCOMES, q=_SHARES, alpha=_RISKS)
@settings(max_examples=40, deadline=None)
def test_first_crossings_and_bounds_are_those_of_looking_at_every_run(
    outcomes: list[tuple[bool, bool]], q: float, alpha: float
) -> None:
    most, least = (np.array([each[k] for each in outcomes], dtype=bool) for k in (0, 1))
    looks = range(len(outcomes) + 1)

    found = first_crossings(most, least, q, alpha)
    assert found == _run_by_run(most, least, q, alpha)

    peaks = highest_evidence(most, least, q)
    assert peaks == pytest.approx(
        (
            max(log_evidence_pass(most[:m].sum(), m, q) for m in looks),
            max(log_evidence_fail(least[:m].sum(), m, q) for m in looks),
        ),
        abs=1e-12,
    )
    upper, lower = violation_upper(most, alpha), violation_lower(least, alpha)
    uppers = [violation_upper_at(int(most[:m].sum()), m, alpha) for m in looks]
    # Jeffreys' prior is symmetric: what bounds the runs that hold bounds those that do not.
    lowers = [1 - violation_upper_at(int((~least[:m]).sum()), m, alpha) for m in looks]
    assert upper == pytest.approx(min(uppers), rel=1e-12)
    assert lower == pytest.approx(max(lowers), rel=1e-12)
    # One and the same: evidence enough against q, and a bound on the right side of q.
    assert (found.pass_at is not None) == (upper <= q)
    assert (found.fail_at is not None) == (lower >= q)


@pytest.mark.parametrize(
    ("violations", "runs", "bounds"), [(0, 0, (0.0, 1.0)), (3, 3, (None, 1.0)), (0, 3, (0.0, None))]
)
def test_nothing_bounds_what_no_run_speaks_against(
    violations: int, runs: int, bounds: tuple[float | None, float | None]
) -> None:
    lower = 1 - violation_upper_at(runs - violations, runs, 0.1)
    found = lower, violation_upper_at(violations, runs, 0.1)

    for each, wanted in zip(found, bounds, strict=True):
        assert (0 < each < 1) if wanted is None else each == wanted


@pytest.mark.parametrize(("q", "p"), [(0.003, 0.003), (0.5, 0.5), (0.999, 0.999)])
def test_a_hundred_thousand_runs_take_well_under_a_second(q: float, p: float) -> None:
    flags = np.random.default_rng(20261129).random(100_000) < p

    start = time.perf_counter()
    found = first_crossings(flags, flags, q, 0.001)
    upper = violation_upper(flags, 0.001)
    took = time.perf_counter() - start

    assert found == FirstCrossings(None, None)
    assert q < upper < 1
    assert took < 0.5
