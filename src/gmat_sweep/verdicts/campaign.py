"""One verdict on several requirements.

A campaign passes where every requirement passes. That needs no correction: if requirement j does
not hold, all of them pass no more often than j does, at most ``alpha_j`` of the time (intersection
and union; R. L. Berger, Technometrics 24, 1982). It fails where one of k requirements fails at
``alpha / k``: of twenty requirements that are met exactly, at least one fails at 0.1 in 64 % of
campaigns by the number of draws alone. Which of them fail together is told by S. Holm, "A simple
sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from gmat_sweep.verdicts.binomial import at_most

__all__ = ["campaign_verdict", "holm"]


def holm(p_values: Sequence[float], alpha: float) -> list[int]:
    """Return which hypotheses are rejected together by Holm's step-down procedure.

    Parameters
    ----------
    p_values : sequence of float
        The p value of each hypothesis. Of the plan ``anytime``: one over the highest evidence.
    alpha : float
        The probability of rejecting any that is true, at most.

    Returns
    -------
    list of int
        Places in `p_values`, ascending from 0.
    """
    rejected = []
    for step, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if not at_most(p_values[place], alpha / (len(p_values) - step)):
            break
        rejected.append(place)
    return sorted(rejected)


def campaign_verdict(
    verdicts: Sequence[str], against: Sequence[float], alphas: Sequence[float]
) -> Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT APPLICABLE"]:
    """Return the verdict on all requirements.

    Parameters
    ----------
    verdicts : sequence of str
        The verdict on each.
    against : sequence of float
        What speaks against each: `p_fail` in the plan ``fixed``, one over the highest evidence for
        FAIL in ``anytime``; 1 where there is nothing.
    alphas : sequence of float
        One minus the confidence of each.

    Returns
    -------
    str
        "FAIL" if one of the k requirements fails at its alpha divided by k; else "PASS" if every
        one passes; else "NOT APPLICABLE" if one is; else, and without requirements,
        "INCONCLUSIVE".
    """
    k = len(verdicts)
    if any(at_most(p, alpha / k) for p, alpha in zip(against, alphas, strict=True)):
        return "FAIL"
    if verdicts and all(verdict == "PASS" for verdict in verdicts):
        return "PASS"
    return "NOT APPLICABLE" if "NOT APPLICABLE" in verdicts else "INCONCLUSIVE"
