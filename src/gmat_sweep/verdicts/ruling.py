"""The rule of each plan, applied to the outcomes of one requirement: PASS, FAIL or neither.

``n`` runs are counted, and each holds, violates or is unknown. For PASS every unknown run counts
as a violation, for FAIL none does. A run that is still to come is unknown, too: so the p values of
a fixed plan that is not finished lead to the verdict of its curtailed test, and the bounds hold
however the rest ends. No function here knows when, or how often, somebody looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmat_sweep.verdicts.outcomes import HOLDS, LEFT_OUT, UNKNOWN, VIOLATES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gmat_sweep.verdicts.requirement import Verdict

__all__ = ["NOT_SHOWN", "Ruling", "anytime_ruling", "every_ruling", "fixed_ruling"]

NOT_SHOWN = "neither is shown"
"""Reason of an INCONCLUSIVE verdict where all runs have ended and are known."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the outcomes of one requirement show.

    Attributes
    ----------
    verdict : {"PASS", "FAIL", "INCONCLUSIVE"}
        Shown to hold, shown not to hold, neither.
    n : int
        Runs that are counted.
    violations, unknown : int
        How many of them violate the requirement, and how many do not tell.
    reason : str
        Why nothing is shown; empty for PASS and FAIL.
    p_pass, p_fail : float or None
        Fixed plan: the probability of at most as many violations, and of at least as many, if the
        allowed share violates.
    evidence_pass, evidence_fail : float or None
        Plan ``anytime``: natural logarithms of the evidence for PASS and for FAIL.
    reached_at : int or None
        How many runs were counted when the verdict was reached.
    violation_upper, violation_lower : float or None
        One-sided bounds of the probability of a violation.
    to_come : int
        Runs of a fixed plan, or points of a design, that have no entry yet.
    against : float
        What FAIL is reached at if it is alpha or less: `p_fail`, or one over the highest evidence.
    """

    verdict: Verdict
    n: int
    violations: int
    unknown: int
    reason: str = ""
    p_pass: float | None = None
    p_fail: float | None = None
    evidence_pass: float | None = None
    evidence_fail: float | None = None
    reached_at: int | None = None
    violation_upper: float | None = None
    violation_lower: float | None = None
    to_come: int = 0
    against: float = 1.0


def fixed_ruling(codes: NDArray[np.int8], to_come: int, q: float, alpha: float) -> Ruling:
    """Judge a sweep whose number of runs was chosen before it was flown.

    Exact and one-sided, by Clopper and Pearson: PASS if the probability of at most as many
    violations is `alpha` or less at ``p = q``, FAIL if that of at least as many is.

    Parameters
    ----------
    codes : array of int8
        Outcomes of the plan's runs that are recorded, in the order of their ids.
    to_come : int
        Runs of the plan that are not.
    q : float
        The share of violations that the requirement allows.
    alpha : float
        One minus the confidence.

    Notes
    -----
    The test is curtailed: once enough runs hold, or violate, the rest cannot change the verdict,
    and waiting for it would not make an error less probable.
    """
    import numpy as np

    from gmat_sweep.verdicts.binomial import (
        complement,
        fewest_that_fail,
        fixed_look,
        lower_bound,
        most_that_pass,
        p_fail,
        p_pass,
        upper_bound,
    )
    from gmat_sweep.verdicts.planning import more_runs

    counted = codes[codes != LEFT_OUT]
    n, low, unknown = len(counted), *_tally(counted)
    total = n + to_come
    if total == 0:
        return Ruling("INCONCLUSIVE", 0, 0, 0, "no run counts", 1.0, 1.0)
    high = low + unknown + to_come
    look = fixed_look(low + unknown, low, n, total, q, alpha)
    allowed, fails = most_that_pass(total, q, alpha), fewest_that_fail(total, q, alpha)
    reached_at, reason = None, ""
    if look.verdict == "PASS":
        reached_at = _first(np.cumsum(counted == HOLDS), total - allowed)
    elif look.verdict == "FAIL" and fails is not None:
        reached_at = _first(np.cumsum(counted == VIOLATES), fails)
    else:
        reason = _undecided(low, unknown, to_come, total, allowed)
        if allowed < 0:
            least = more_runs(0, 0, q, alpha, "fixed")[0]
            reason = (
                f"{total} runs cannot show this, however they end: it takes {least} or more"
                + (f"; {reason}" if reason != NOT_SHOWN else "")
            )
    confidence = complement(alpha)
    return Ruling(
        look.verdict,
        n,
        low,
        unknown,
        reason,
        p_pass=p_pass(high, total, q),
        p_fail=p_fail(low, total, q),
        reached_at=reached_at,
        violation_upper=upper_bound(high, total, confidence),
        violation_lower=lower_bound(low, total, confidence),
        to_come=to_come,
        against=p_fail(low, total, q),
    )


def anytime_ruling(codes: NDArray[np.int8], q: float, alpha: float) -> Ruling:
    """Judge a sweep that may be looked at, and extended, whenever and as often as one likes.

    Parameters
    ----------
    codes : array of int8
        Outcomes of all recorded runs, in the order of their ids.
    q, alpha : float
        As for `fixed_ruling`.

    Notes
    -----
    FAIL if the evidence for it reached ``1 / alpha`` after any number of runs, else PASS if that
    for PASS did. A verdict is reached at a number of runs, and no later look takes it back; only
    FAIL overrides PASS.
    """
    from gmat_sweep.verdicts.evidence import (
        first_crossings,
        highest_evidence,
        log_evidence_fail,
        log_evidence_pass,
        violation_lower,
        violation_upper,
    )

    counted = codes[codes != LEFT_OUT]
    n, low, unknown = len(counted), *_tally(counted)
    if n == 0:
        return Ruling(
            "INCONCLUSIVE", 0, 0, 0, "no run counts", evidence_pass=0.0, evidence_fail=0.0
        )
    most, least = counted != HOLDS, counted == VIOLATES
    crossed = first_crossings(most, least, q, alpha)
    undecided = crossed.verdict == "INCONCLUSIVE"
    return Ruling(
        crossed.verdict,
        n,
        low,
        unknown,
        _undecided(low, unknown, 0, n, n) if undecided else "",
        evidence_pass=float(log_evidence_pass(low + unknown, n, q)),
        evidence_fail=float(log_evidence_fail(low, n, q)),
        reached_at=crossed.pass_at if crossed.fail_at is None else crossed.fail_at,
        violation_upper=violation_upper(most, alpha),
        violation_lower=violation_lower(least, alpha),
        against=math.exp(-highest_evidence(most, least, q)[1]),
    )


def every_ruling(
    codes: NDArray[np.int8], to_come: int, alpha: float, *, random: bool, anytime: bool
) -> Ruling:
    """Judge a requirement that every run must meet.

    Parameters
    ----------
    codes : array of int8
        Outcomes of the recorded runs, in the order of their ids.
    to_come : int
        Points of the design, or runs of the plan, that are not recorded.
    alpha : float
        One minus the confidence of the bound that is told of random draws.
    random : bool
        Whether the runs are random draws: no number of them shows that every further one holds.
    anytime : bool
        Whether that bound must hold however often one looks.
    """
    import numpy as np

    counted = codes[codes != LEFT_OUT]
    n, low, unknown = len(counted), *_tally(counted)
    upper = None
    if random and n:
        upper = _upper(counted, to_come, alpha, anytime=anytime)
    verdict: Verdict = "INCONCLUSIVE"
    reached_at, reason = None, ""
    if low:
        verdict = "FAIL"
        reached_at = _first(np.cumsum(counted == VIOLATES), 1)
    elif n == 0:
        reason = "no run counts"
    elif unknown or to_come:
        reason = _undecided(low, unknown, to_come, n + to_come, 0)
    elif random:
        reason = "random draws never show that every run holds; require a probability"
    else:
        verdict, reached_at = "PASS", n
    return Ruling(
        verdict, n, low, unknown, reason, reached_at=reached_at, violation_upper=upper,
        to_come=to_come, against=0.0 if low else 1.0,
    )  # fmt: skip


def _tally(counted: NDArray[np.int8]) -> tuple[int, int]:
    """Return how many runs violate, and how many are unknown."""
    import numpy as np

    return (
        int(np.count_nonzero(counted == VIOLATES)),
        int(np.count_nonzero(counted == UNKNOWN)),
    )


def _first(counts: NDArray[np.int64], wanted: int) -> int:
    """Return after how many runs a count that never falls reaches `wanted`."""
    import numpy as np

    return int(np.searchsorted(counts, wanted)) + 1 if wanted > 0 else 0


def _upper(counted: NDArray[np.int8], to_come: int, alpha: float, *, anytime: bool) -> float:
    if anytime:
        from gmat_sweep.verdicts.evidence import violation_upper

        return violation_upper(counted != HOLDS, alpha)
    from gmat_sweep.verdicts.binomial import complement, upper_bound

    high = sum(_tally(counted)) + to_come
    return upper_bound(high, len(counted) + to_come, complement(alpha))


def _undecided(low: int, unknown: int, to_come: int, total: int, allowed: int) -> str:
    """Return what keeps the runs from showing anything."""
    parts = []
    if low > allowed >= 0:
        parts.append(f"{low} violations are more than the {allowed} with which {total} runs pass")
    if not unknown and not to_come:
        return NOT_SHOWN
    if unknown:
        are = "run is" if unknown == 1 else "runs are"
        parts.append(f"{unknown} {are} unknown")
    if to_come:
        parts.append(f"{to_come} run{'s' * (to_come != 1)} to come")
    return "; ".join(parts)
