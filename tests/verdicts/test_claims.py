"""One claim: the bound of its quantile and its p value are two ways to one answer."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from gmat_sweep.verdicts.binomial import most_that_pass
from gmat_sweep.verdicts.claims import judged
from gmat_sweep.verdicts.numbers import Numbers
from gmat_sweep.verdicts.outcomes import HOLDS, LEFT_OUT, UNKNOWN, VIOLATES, Outcomes
from gmat_sweep.verdicts.requirement import Requirement

# What a run is, and its number: also of unknown runs (flown again), and of events that never were.
RUNS = st.sampled_from(
    [
        (HOLDS, 1.0), (HOLDS, 1.5), (HOLDS, 1.75), (HOLDS, math.inf), (VIOLATES, 3.0),
        (VIOLATES, math.nan), (VIOLATES, math.inf), (UNKNOWN, 1.0), (UNKNOWN, math.nan),
        (LEFT_OUT, 1.0),
    ]
)  # fmt: skip


@example([(HOLDS, 1.0)] * 5 + [(UNKNOWN, 1.0)], 0, True)
@example([(HOLDS, 1.0)] * 5 + [(HOLDS, math.inf)], 0, False)
@given(st.lists(RUNS, min_size=1, max_size=40), st.integers(0, 3), st.booleans())
def test_where_there_is_a_bound_it_meets_the_limit_exactly_if_the_claim_passes(
    runs: list[tuple[int, float]], to_come: int, is_upper: bool
) -> None:
    sign = 1.0 if is_upper else -1.0
    codes = np.array([code for code, _ in runs], np.int8)
    values = np.array([sign * value for _, value in runs])
    requirement = Requirement(
        "event", column="Sat.X", reduce="at_event", when="Sat.Y < 0", never="satisfies",
        limit="< 2" if is_upper else "> -2", quantile=0.8, confidence=0.7,
    )  # fmt: skip
    found = Outcomes(np.arange(len(runs)), codes)

    claim = judged(
        requirement, found, Numbers(values, 2 - sign * values), "fixed",
        to_come=to_come, random=True,
    )  # fmt: skip

    bound = claim.verdict.value_bound
    if bound is not None:
        assert requirement.holds(bound) == (claim.verdict.verdict == "PASS")
    elif claim.verdict.verdict == "PASS":
        # The run that would be the bound has an event that never was.
        total = np.count_nonzero(codes != LEFT_OUT) + to_come
        without = np.count_nonzero((codes == HOLDS) & ~np.isfinite(values))
        assert total - without <= most_that_pass(int(total), 0.2, 0.3)
