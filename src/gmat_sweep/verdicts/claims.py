"""From the outcomes of one requirement to its verdict: the rule, the bounds, the worst runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmat_sweep.verdicts.outcomes import HOLDS, LEFT_OUT, UNKNOWN, VIOLATES
from gmat_sweep.verdicts.results import RequirementVerdict
from gmat_sweep.verdicts.ruling import Ruling, anytime_ruling, every_ruling, fixed_ruling

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from gmat_sweep.verdicts.numbers import Numbers
    from gmat_sweep.verdicts.outcomes import Outcomes
    from gmat_sweep.verdicts.requirement import PlanName, Requirement

__all__ = ["Claim", "judged"]

_WORST_KEPT = 10
_PROMISE = 0.9


@dataclass(frozen=True, slots=True)
class Claim:
    """A requirement's verdict, and what weighs against it in the campaign.

    Attributes
    ----------
    verdict : RequirementVerdict
        The verdict.
    against : float
        As in `Ruling`: FAIL is reached where it is alpha or less.
    """

    verdict: RequirementVerdict
    against: float = 1.0


def judged(
    requirement: Requirement,
    found: Outcomes,
    numbers: Numbers | None,
    plan: PlanName,
    *,
    to_come: int,
    random: bool,
    notes: tuple[str, ...] = (),
) -> Claim:
    """Judge one requirement.

    Parameters
    ----------
    requirement : Requirement
        The requirement.
    found : Outcomes
        The outcome of each run that the plan takes.
    numbers : Numbers or None
        The numbers of these runs; None for a requirement without a number.
    plan : {"fixed", "anytime"}
        The rule.
    to_come : int
        Runs that the plan takes and that are not among them.
    random : bool
        Whether the runs are independent draws.
    notes : tuple of str
        What a reader must know.
    """
    codes = found.codes
    failed = {"mission": found.mission_failures, "unknown": found.unknown_failures}
    violating = tuple(found.runs(VIOLATES))
    bound = margin = None
    worst: tuple[tuple[int, float], ...] = ()
    if numbers is not None:
        margin, worst = _worst(found, numbers)
    if found.refused is not None:
        return Claim(
            RequirementVerdict(
                requirement,
                "NOT APPLICABLE",
                plan,
                found.refused,
                n=int(found.counted.sum()),
                violations=len(violating),
                unknown=len(found.runs(UNKNOWN)),
                margin=margin,
                worst_runs=worst,
                violating_runs=violating,
                failed=failed,
                notes=notes,
            )
        )
    if requirement.level is None:
        ruling = every_ruling(
            codes,
            0 if random and plan == "anytime" else to_come,
            requirement.alpha,
            random=random,
            anytime=plan == "anytime",
        )
    elif plan == "fixed":
        ruling = fixed_ruling(codes, to_come, requirement.allowed, requirement.alpha)
        if numbers is not None:
            bound = _value_bound(requirement, codes, numbers.values, to_come)
    else:
        ruling = anytime_ruling(codes, requirement.allowed, requirement.alpha)
    if ruling.verdict in ("PASS", "FAIL") and ruling.to_come:
        notes = (
            f"decided before the last run: the {ruling.to_come} to come cannot change it",
            *notes,
        )
    return Claim(
        RequirementVerdict(
            requirement=requirement,
            verdict=ruling.verdict,
            plan=plan,
            reason=ruling.reason,
            n=ruling.n,
            violations=ruling.violations,
            unknown=ruling.unknown,
            p_pass=ruling.p_pass,
            p_fail=ruling.p_fail,
            evidence_pass=ruling.evidence_pass,
            evidence_fail=ruling.evidence_fail,
            reached_at=ruling.reached_at,
            violation_upper=ruling.violation_upper,
            violation_lower=ruling.violation_lower,
            value_bound=bound,
            margin=margin,
            worst_runs=worst,
            violating_runs=violating,
            failed=failed,
            needed=_needed(requirement, ruling, plan),
            notes=notes,
        ),
        ruling.against,
    )


def _value_bound(
    requirement: Requirement, codes: NDArray[np.int8], values: NDArray[np.float64], to_come: int
) -> float | None:
    """Return the bound of the quantile that a limit is for; None if the runs are too few for one.

    Runs that violate without a number, unknown runs and runs to come are beyond every limit; those
    that hold without one, as an event that may never happen, are within every limit.
    """
    import numpy as np

    from gmat_sweep.verdicts.quantiles import quantile_bounds

    if requirement.limit is None or requirement.level is None:
        return None
    sign = 1.0 if requirement.limit.startswith("<") else -1.0
    told = codes[codes != LEFT_OUT]
    counted = sign * values[codes != LEFT_OUT]
    # An unknown run may have a number: one that was flown again.
    has_number = np.isfinite(counted) & (told != UNKNOWN)
    beyond = np.where(has_number, counted, np.where(told == HOLDS, -np.inf, np.inf))
    ordered = np.sort(np.append(beyond, np.full(to_come, np.inf)))
    _, upper = quantile_bounds(ordered, requirement.level, requirement.confidence)
    return None if upper is None or not np.isfinite(upper) else sign * float(upper)


def _worst(found: Outcomes, numbers: Numbers) -> tuple[float | None, tuple[tuple[int, float], ...]]:
    """Return the margin of the worst run, and the worst runs with their numbers."""
    import numpy as np

    told = np.flatnonzero(np.isfinite(numbers.margins) & found.counted)
    if not len(told):
        return None, ()
    margins = numbers.margins[told]
    most = min(_WORST_KEPT, len(told)) - 1
    # All that are as near to the limit as the tenth: of equal ones the first count.
    near = np.flatnonzero(margins <= np.partition(margins, most)[most])
    worst = told[near[np.argsort(margins[near], kind="stable")][:_WORST_KEPT]]
    return (
        float(margins.min()),
        tuple((int(found.run_ids[place]), float(numbers.values[place])) for place in worst),
    )


def _needed(
    requirement: Requirement, ruling: Ruling, plan: PlanName
) -> Mapping[str, int | float] | None:
    """Return what would show something that these runs do not."""
    from gmat_sweep.verdicts.planning import more_runs, passing_sample

    q, alpha, counted = requirement.allowed, requirement.alpha, ruling.violations + ruling.unknown
    is_complete = ruling.n > 0 and not ruling.to_come
    if ruling.verdict != "INCONCLUSIVE" or requirement.level is None or not is_complete:
        return None
    if plan == "anytime":
        none, one = more_runs(counted, ruling.n, q, alpha, plan)
        return {"without_violation": none, "with_one": one}
    rate = counted / ruling.n
    sample = passing_sample(rate, q, alpha, _PROMISE)
    if sample is None:
        return None
    return {
        "runs": sample.runs,
        "allowed": sample.allowed,
        "rate": rate,
        "power": _PROMISE,
        "pass_probability": sample.pass_probability,
    }
