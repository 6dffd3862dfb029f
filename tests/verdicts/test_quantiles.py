"""Order-statistic bounds, and that they say the same as the exact test on violations."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gmat_sweep.verdicts.binomial import at_most, complement, p_fail, p_pass
from gmat_sweep.verdicts.quantiles import lower_rank, quantile_bounds, upper_rank
from oracles import ORACLES

_VALUES = st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, math.inf])


@pytest.mark.parametrize("oracle", ORACLES["quantile_bound_ranks"])
def test_ranks_are_those_of_the_oracles(oracle: dict[str, Any]) -> None:
    sample = oracle["n"], float(oracle["level"]), float(oracle["conf"])

    assert upper_rank(*sample) == oracle["upper_rank"]
    assert lower_rank(*sample) == oracle["lower_rank"]


def test_bounds_are_the_values_of_those_ranks_or_none() -> None:
    assert quantile_bounds([float(k) for k in range(1, 101)], 0.95, 0.95) == (91.0, 99.0)
    assert quantile_bounds([1.0, 2.0, 3.0, 4.0], 0.95, 0.95) == (3.0, None)
    assert quantile_bounds([1.0], 0.95, 0.95) == (1.0, None)
    assert quantile_bounds([1.0], 0.5, 0.9) == (None, None)
    assert quantile_bounds([], 0.5, 0.9) == (None, None)


@given(
    values=st.lists(_VALUES, min_size=1, max_size=40),
    limit=_VALUES.filter(math.isfinite),
    level=st.sampled_from([0.05, 0.5, 0.8, 0.9, 0.95]),
    confidence=st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]),
)
@example(values=[0.5], limit=0.5, level=0.05, confidence=0.95)
@example(values=[math.inf], limit=0.5, level=0.9, confidence=0.9)
@example(values=[1.0, 1.0], limit=1.0, level=0.1, confidence=0.99)
@settings(max_examples=60, deadline=None)
def test_a_requirement_passes_exactly_where_the_bound_of_the_quantile_meets_the_limit(
    values: list[float], limit: float, level: float, confidence: float
) -> None:
    n, q, alpha = len(values), complement(level), complement(confidence)
    lower, upper = quantile_bounds(sorted(values), level, confidence)

    # A limit `<= limit`, and one `< limit`.
    for violations, is_met in (
        (sum(value > limit for value in values), limit.__ge__),
        (sum(value >= limit for value in values), limit.__gt__),
    ):
        passes = at_most(p_pass(violations, n, q), alpha)
        fails = at_most(p_fail(violations, n, q), alpha)
        assert passes == (upper is not None and is_met(upper))
        assert fails == (lower is not None and not is_met(lower))

    # A limit from below, `>= limit`: the quantile at the other end, and its other bound.
    violations = sum(value < limit for value in values)
    lower, upper = quantile_bounds(sorted(values), q, confidence)
    assert at_most(p_pass(violations, n, q), alpha) == (lower is not None and lower >= limit)
    assert at_most(p_fail(violations, n, q), alpha) == (upper is not None and upper < limit)
