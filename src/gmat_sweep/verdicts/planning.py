"""How many runs it takes to show that a requirement holds, before any is flown.

Sources: J. M. Hanson and B. B. Beard, "Applying Monte Carlo simulation to launch vehicle design
and requirements verification", NASA/TP-2010-216447, whose tables of sample sizes this reproduces;
with no violation allowed, S. S. Wilks, Annals of Mathematical Statistics 12 (1941).
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Literal, NamedTuple, SupportsIndex, overload

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.limits import MOST_RUNS, shown
from gmat_sweep.verdicts.binomial import at_most, complement
from gmat_sweep.verdicts.shares import percent, share_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Sample", "more_runs", "passing_sample", "runs_needed"]

type Plan = Literal["fixed", "anytime"]

# How many numbers of violations are tried at once.
_AT_ONCE = 256


class Sample(NamedTuple):
    """A sample that may be flown, and its chance to pass.

    Attributes
    ----------
    runs : int
        How many runs it has.
    allowed : int
        With how many violations it still passes.
    pass_probability : float
        The probability that it passes, at the expected share of violations.
    """

    runs: int
    allowed: int
    pass_probability: float


@overload
def runs_needed(
    probability: float | str,
    confidence: float | str,
    allowed: int = 0,
    *,
    expect: None = None,
    power: float | str = 0.9,
    plan: Plan = "fixed",
) -> int: ...
@overload
def runs_needed(
    probability: float | str,
    confidence: float | str,
    allowed: int = 0,
    *,
    expect: float | str,
    power: float | str = 0.9,
    plan: Plan = "fixed",
) -> Sample: ...
def runs_needed(
    probability: float | str,
    confidence: float | str,
    allowed: int = 0,
    *,
    expect: float | str | None = None,
    power: float | str = 0.9,
    plan: Plan = "fixed",
) -> int | Sample:
    """Return how many independent runs show that a requirement holds.

    Parameters
    ----------
    probability : float or str
        The share of runs that must meet the requirement, such as 0.997 or ``"99.7%"``. "3 sigma"
        is not taken: it means 0.9973 (two-sided) or 0.99865 (one-sided).
    confidence : float or str
        How surely it must be shown: a requirement that does not hold passes with a probability of
        at most ``1 - confidence``.
    allowed : int
        How many of the runs may violate the requirement. Without `expect`, or 0.
    expect : float or str, optional
        The share of violations that is expected: then the result is the smallest sample, over all
        numbers of allowed violations, that passes with the probability `power`. Of the fixed plan
        only.
    power : float or str
        With `expect`: the chance to pass, 0.9 by default.
    plan : {"fixed", "anytime"}
        ``fixed``: the number of runs is chosen before, and judged as a whole. ``anytime``: one may
        look after every run; it takes some 30 to 50 % more runs for the same number of violations.

    Returns
    -------
    int or Sample
        The least number of runs with which `allowed` violations pass; with `expect`, the number of
        runs, the violations allowed, and the probability to pass.

    Raises
    ------
    SweepConfigError
        An argument is no share or no count, or the expected violations are as many as the
        requirement allows, or so nearly that more runs were needed than a sweep may have.

    Notes
    -----
    Fixed: the least n with ``P(Bin(n, 1 - probability) <= allowed) <= 1 - confidence`` (Clopper
    and Pearson, Biometrika 26, 1934; Wilks 1941; Hanson and Beard, NASA/TP-2010-216447). Anytime:
    the least n at which the mixture likelihood ratio of n runs with `allowed` violations is
    ``1 / (1 - confidence)`` (Ville 1939; Robbins 1970).

    Examples
    --------
    >>> runs_needed("99.7%", "90%"), runs_needed(0.997, 0.90, allowed=1)
    (767, 1296)
    >>> runs_needed(0.997, 0.90, plan="anytime")
    994
    >>> runs_needed(0.997, 0.90, expect=0.0003).runs
    1296
    """
    q = complement(share_of(probability, "probability"))
    alpha = complement(share_of(confidence, "confidence"))
    count = _count(allowed)
    if plan not in {"fixed", "anytime"}:
        raise SweepConfigError(f"plan {shown(plan)} is none. Write 'fixed' or 'anytime'.")
    if expect is None:
        return _runs_for(count, q, alpha, plan)
    if plan != "fixed" or count:
        raise SweepConfigError(
            "expect chooses the number of violations of a fixed plan. Leave out allowed and plan, "
            "or leave out expect."
        )
    p = _expected(expect, q)
    sample = passing_sample(p, q, alpha, share_of(power, "power"))
    if sample is None:
        raise SweepConfigError(
            f"To tell {percent(p)} violations from {percent(q)} takes more runs than the "
            f"{MOST_RUNS:,} that a sweep may have. Expect fewer, or require less."
        )
    return sample


def passing_sample(expected: float, q: float, alpha: float, power: float = 0.9) -> Sample | None:
    """Return the smallest sample that passes with a given probability, over violations allowed.

    Parameters
    ----------
    expected : float
        The probability of a violation, from 0.
    q : float
        The probability of a violation that the requirement allows.
    alpha : float
        The risk of a wrong PASS.
    power : float
        The probability to pass.

    Returns
    -------
    Sample or None
        None where none of at most `MOST_RUNS` runs has that probability: `expected` is too near to
        `q`, or above it.
    """
    import numpy as np

    if expected >= q:
        return None
    begin, is_far = 0, False
    while True:
        allowed = np.arange(begin, begin + _AT_ONCE)
        runs = _fixed_runs(allowed, q, alpha)
        chances = _chances(allowed, runs, expected)
        found = np.flatnonzero((chances >= power) & (runs <= MOST_RUNS))
        if len(found):
            at = int(found[0])
            return Sample(int(runs[at]), int(allowed[at]), float(chances[at]))
        if runs[-1] > MOST_RUNS:
            return None
        begin += _AT_ONCE
        if not is_far:
            begin, is_far = _nearer(begin, expected, q, alpha, power), True


def more_runs(violations: int, runs: int, q: float, alpha: float, plan: Plan) -> tuple[int, int]:
    """Return how many more runs pass if none of them violates the requirement, and if one does.

    Of the plan ``fixed`` only for a new choice of its size: a sample that was judged already
    cannot be made larger and judged again.

    Parameters
    ----------
    violations, runs : int
        Violations so far, with unknown runs among them, in how many runs.
    q : float
        The probability of a violation that the requirement allows.
    alpha : float
        The risk of a wrong PASS.
    plan : {"fixed", "anytime"}
        The plan.

    Returns
    -------
    tuple of int
        Further runs, 0 where there are enough.
    """
    none, one = (_runs_for(violations + k, q, alpha, plan) - runs for k in (0, 1))
    return max(none, 0), max(one, 0)


def _runs_for(allowed: int, q: float, alpha: float, plan: Plan) -> int:
    import numpy as np

    from gmat_sweep.verdicts.evidence import runs_that_pass

    enough = _fixed_runs if plan == "fixed" else runs_that_pass
    return int(enough(np.array([allowed]), q, alpha)[0])


def _fixed_runs(allowed: NDArray[np.int64], q: float, alpha: float) -> NDArray[np.int64]:
    """Return the least numbers of runs that pass with so many violations."""
    import numpy as np

    low, high = allowed, allowed + 1
    while (is_short := ~at_most(_chances(allowed, high, q), alpha)).any():
        low, high = np.where(is_short, high, low), np.where(is_short, 2 * high, high)
    while (high - low > 1).any():
        middle = (low + high) // 2
        is_short = ~at_most(_chances(allowed, middle, q), alpha)
        low, high = np.where(is_short, middle, low), np.where(is_short, high, middle)
    return high


def _chances(allowed: NDArray[np.int64], runs: NDArray[np.int64], p: float) -> NDArray[np.float64]:
    """Return the probabilities of at most so many violations."""
    import numpy as np
    from scipy import special

    return np.asarray(special.betaincc(allowed + 1, runs - allowed, p), dtype=np.float64)


def _nearer(begin: int, expected: float, q: float, alpha: float, power: float) -> int:
    """Return a number of violations not far below the first that is enough, at least `begin`.

    The chance rises with the violations allowed but for steps of rounding, and these are small
    where many are allowed.
    """
    import numpy as np

    def is_enough(number: int) -> bool:
        allowed = np.array([number])
        runs = _fixed_runs(allowed, q, alpha)
        return bool(runs[0] > MOST_RUNS or _chances(allowed, runs, expected)[0] >= power)

    low, high = begin, 2 * begin
    while not is_enough(high):
        low, high = high, 2 * high
    while high - low > _AT_ONCE // 4:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return max(begin, low - _AT_ONCE // 2)


def _expected(given: float | str, q: float) -> float:
    p = share_of(given, "expect", or_none=True)
    if p >= q:
        raise SweepConfigError(
            f"expect {shown(given)}: a requirement of {percent(complement(q))} allows {percent(q)} "
            f"violations, and no sample shows it where {percent(p)} violate. Expect fewer."
        )
    return p


def _count(allowed: SupportsIndex) -> int:
    try:
        count = -1 if isinstance(allowed, bool) else operator.index(allowed)
    except TypeError:
        count = -1
    if not 0 <= count <= MOST_RUNS:
        raise SweepConfigError(
            f"allowed {shown(allowed)} is no number of violations. Write a whole number from 0 to "
            f"{MOST_RUNS:,}."
        )
    return count
