"""The exact arithmetic of the fixed plan: how many violations a given number of runs may have.

Notation of all modules of this package: a run *violates* a requirement with the probability p;
the requirement allows ``q``, that is 1 - its probability; ``alpha`` is 1 - the confidence. The
runs are independent, so the number of violations in n of them is binomial.

Sources: C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in
the case of the binomial", Biometrika 26 (1934); J. M. Hanson and B. B. Beard, "Applying Monte
Carlo simulation to launch vehicle design and requirements verification", NASA/TP-2010-216447.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "FixedLook",
    "at_most",
    "complement",
    "fewest_that_fail",
    "fixed_look",
    "lower_bound",
    "most_that_pass",
    "p_fail",
    "p_pass",
    "two_sided_interval",
    "upper_bound",
]

# Tails between 1e-4 and 1/2 are exact to 1e-13 of their values. A decimal that is met exactly
# counts as met: two violations in two runs at q = 0.1 have the probability 0.01, and floats give
# 0.010000000000000002.
_ROUNDING = 1e-12


def complement(share: float) -> float:
    """Return 1 - `share` as one writes it: 0.1 for 0.9, where floats give 0.09999999999999998.

    Parameters
    ----------
    share : float
        A probability or a confidence, taken as the decimal that Python prints for it.

    Returns
    -------
    float
        The float nearest to the exact difference.
    """
    return float(1 - Decimal(repr(float(share))))


@overload
def at_most(probability: float, alpha: float) -> bool: ...
@overload
def at_most(probability: NDArray[np.float64], alpha: float) -> NDArray[np.bool_]: ...
def at_most(probability: float | NDArray[np.float64], alpha: float) -> bool | NDArray[np.bool_]:
    """Return whether a tail probability is at most `alpha`, equality included despite rounding."""
    return probability <= alpha * (1 + _ROUNDING)


def p_pass(violations: int, runs: int, q: float) -> float:
    """Return the probability of no more than this many violations if exactly `q` violate.

    The requirement is shown to hold at confidence 1 - alpha where this is at most alpha.

    Parameters
    ----------
    violations, runs : int
        Violations counted, in how many runs.
    q : float
        The probability of a violation that the requirement allows.

    Returns
    -------
    float
        ``P(Bin(runs, q) <= violations)``.
    """
    from scipy import special

    if violations < 0:
        return 0.0
    if violations >= runs:
        return 1.0
    return float(special.betaincc(violations + 1, runs - violations, q))


def p_fail(violations: int, runs: int, q: float) -> float:
    """Return the probability of this many violations or more if exactly `q` violate.

    The requirement is shown not to hold at confidence 1 - alpha where this is at most alpha. It is
    1 without a violation.

    Parameters
    ----------
    violations, runs : int
        Violations counted, in how many runs.
    q : float
        The probability of a violation that the requirement allows.

    Returns
    -------
    float
        ``P(Bin(runs, q) >= violations)``.
    """
    from scipy import special

    if violations <= 0:
        return 1.0
    if violations > runs:
        return 0.0
    return float(special.betainc(violations, runs - violations + 1, q))


def upper_bound(violations: int, runs: int, confidence: float) -> float:
    """Return the one-sided upper bound of the probability of a violation (Clopper-Pearson).

    It is 1 where every run violates, and where there is no run. It is at most q exactly where
    `p_pass` is at most alpha.

    Parameters
    ----------
    violations, runs : int
        Violations counted, in how many runs.
    confidence : float
        The bound is at or above the true probability in at least this share of samples.

    Returns
    -------
    float
        The largest probability p with ``P(Bin(runs, p) <= violations) >= 1 - confidence``.
    """
    return _upper(violations, runs, complement(confidence))


def lower_bound(violations: int, runs: int, confidence: float) -> float:
    """Return the one-sided lower bound of the probability of a violation (Clopper-Pearson).

    It is 0 without a violation.

    Parameters
    ----------
    violations, runs : int
        Violations counted, in how many runs.
    confidence : float
        The bound is at or below the true probability in at least this share of samples.

    Returns
    -------
    float
        The smallest probability p with ``P(Bin(runs, p) >= violations) >= 1 - confidence``.
    """
    return _lower(violations, runs, complement(confidence))


def two_sided_interval(violations: int, runs: int, confidence: float) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a probability, half of the error on either side.

    For rates that are shown, such as that of failed runs; verdicts use the one-sided bounds. The
    runs must be independent draws: of a grid or a Latin hypercube it means nothing.

    Parameters
    ----------
    violations, runs : int
        Events counted, in how many runs.
    confidence : float
        The interval holds the true probability in at least this share of samples.

    Returns
    -------
    tuple of float
        Lower and upper end; 0 and 1 where there is no run.
    """
    half = complement(confidence) / 2
    return _lower(violations, runs, half), _upper(violations, runs, half)


def most_that_pass(runs: int, q: float, alpha: float) -> int:
    """Return the largest number of violations with which `runs` runs pass; -1: none does."""
    low, high = -1, max(runs, 0)
    while high - low > 1:
        middle = (low + high) // 2
        if at_most(p_pass(middle, runs, q), alpha):
            low = middle
        else:
            high = middle
    return low


def fewest_that_fail(runs: int, q: float, alpha: float) -> int | None:
    """Return the smallest number of violations with which `runs` runs fail; None: none does."""
    low, high = 0, runs + 1
    while high - low > 1:
        middle = (low + high) // 2
        if at_most(p_fail(middle, runs, q), alpha):
            high = middle
        else:
            low = middle
    return high if 0 < high <= runs else None


class FixedLook(NamedTuple):
    """What the runs so far say of a sample of fixed size.

    Attributes
    ----------
    verdict : str
        "PASS" or "FAIL" as soon as no further run can change it, "INCONCLUSIVE" otherwise.
    to_come : int
        Runs of the sample that are not judged yet.
    can_pass, can_fail : bool
        Whether runs to come, and unknown runs that become known, can still make it so.
    """

    verdict: Literal["PASS", "FAIL", "INCONCLUSIVE"]
    to_come: int
    can_pass: bool
    can_fail: bool


def fixed_look(
    violations_most: int, violations_least: int, judged: int, runs: int, q: float, alpha: float
) -> FixedLook:
    """Judge a sample of fixed size by the runs that it has so far (curtailed sampling).

    Looking early costs nothing: a verdict is given only where every outcome of the runs to come
    gives the same one.

    Parameters
    ----------
    violations_most, violations_least : int
        Violations among the judged runs, with every unknown run counted as one and as none.
    judged : int
        Runs so far, at most `runs`.
    runs : int
        The size of the sample, chosen before it was drawn.
    q : float
        The probability of a violation that the requirement allows.
    alpha : float
        The risk of a wrong verdict, at most 0.5: then no sample passes and fails.

    Returns
    -------
    FixedLook
        The verdict, and what is still open.
    """
    most = most_that_pass(runs, q, alpha)
    fewest = fewest_that_fail(runs, q, alpha)
    to_come = runs - judged
    verdict: Literal["PASS", "FAIL", "INCONCLUSIVE"] = "INCONCLUSIVE"
    if runs > 0 and violations_most + to_come <= most:
        verdict = "PASS"
    elif fewest is not None and violations_least >= fewest:
        verdict = "FAIL"
    return FixedLook(
        verdict,
        to_come,
        can_pass=violations_least <= most,
        can_fail=fewest is not None and violations_most + to_come >= fewest,
    )


def _upper(violations: int, runs: int, alpha: float) -> float:
    from scipy import special

    if violations >= runs:
        return 1.0
    return float(special.betainccinv(violations + 1, runs - violations, alpha))


def _lower(violations: int, runs: int, alpha: float) -> float:
    from scipy import special

    if violations <= 0:
        return 0.0
    return float(special.betaincinv(violations, runs - violations + 1, alpha))
