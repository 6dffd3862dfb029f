"""Evidence that may be looked at after every run: the arithmetic of the plan ``anytime``.

The evidence for PASS is a likelihood ratio: of probabilities of a violation below ``q``, averaged
with Jeffreys' prior cut off at ``q``, against ``q`` itself. For a mission that violates more often
than ``q`` allows it is a supermartingale that begins at 1, so by Ville's inequality the
probability that it *ever* reaches ``1 / alpha`` is at most alpha, however often one looks. The
evidence for FAIL is the same with the prior above ``q``.

A run that holds never lowers the evidence for PASS, and one that violates never raises it; for
FAIL it is the other way round. The evidence for PASS is therefore highest just before a violation
or at the end, that for FAIL just after a violation. `first_crossings` computes it only there.

Sources: J. Ville, "Etude critique de la notion de collectif" (1939); H. Robbins, "Statistical
methods related to the law of the iterated logarithm", Annals of Mathematical Statistics 41 (1970).
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FirstCrossings",
    "first_crossings",
    "highest_evidence",
    "log_evidence_fail",
    "log_evidence_pass",
    "runs_that_pass",
    "violation_lower",
    "violation_upper",
    "violation_upper_at",
]

# Jeffreys' prior of a probability is Beta(1/2, 1/2).
_PRIOR = 0.5
# Below this share of the prior's mass floats lose digits. The evidence there is far below any
# 1 / alpha and counts as 0.
_LEAST_MASS = 1e-290
# How many looks are computed at once: a crossing mostly comes early.
_FIRST_CHUNK = 512


@overload
def log_evidence_pass(x: float, n: float, q: float) -> float: ...
@overload
def log_evidence_pass(x: ArrayLike, n: ArrayLike, q: ArrayLike) -> NDArray[np.float64]: ...
def log_evidence_pass(x: ArrayLike, n: ArrayLike, q: ArrayLike) -> float | NDArray[np.float64]:
    """Return the natural logarithm of the evidence that violations are rarer than `q`.

    PASS is reached when it is at least ``ln(1 / alpha)`` after any number of runs.

    Parameters
    ----------
    x, n : int or array of int
        Violations, with unknown runs counted as such, and runs.
    q : float or array of float
        The probability of a violation that the requirement allows, in (0, 1).

    Returns
    -------
    float or array
        0 without a run; ``-inf`` where the evidence is too small for a float.
    """
    from scipy import special

    return _log_evidence(x, n, q, special.betainc)


@overload
def log_evidence_fail(x: float, n: float, q: float) -> float: ...
@overload
def log_evidence_fail(x: ArrayLike, n: ArrayLike, q: ArrayLike) -> NDArray[np.float64]: ...
def log_evidence_fail(x: ArrayLike, n: ArrayLike, q: ArrayLike) -> float | NDArray[np.float64]:
    """Return the natural logarithm of the evidence that violations are more frequent than `q`.

    FAIL is reached when it is at least ``ln(1 / alpha)`` after any number of runs.

    Parameters
    ----------
    x, n : int or array of int
        Violations, with unknown runs not counted as such, and runs.
    q : float or array of float
        The probability of a violation that the requirement allows, in (0, 1).

    Returns
    -------
    float or array
        0 without a run; ``-inf`` where the evidence is too small for a float.
    """
    from scipy import special

    return _log_evidence(x, n, q, special.betaincc)


def runs_that_pass(violations: NDArray[np.int64], q: float, alpha: float) -> NDArray[np.int64]:
    """Return how many runs it takes to PASS with each of these numbers of violations.

    Parameters
    ----------
    violations : array of int
        Numbers of violations.
    q : float
        The probability of a violation that the requirement allows.
    alpha : float
        The risk of a wrong PASS.

    Returns
    -------
    array of int
        The least number of runs for each number of violations; every larger number does, too.
    """
    import numpy as np

    enough = -math.log(alpha)
    low, high = violations.astype(np.int64), violations.astype(np.int64) + 1
    while (is_short := log_evidence_pass(violations, high, q) < enough).any():
        low, high = np.where(is_short, high, low), np.where(is_short, 2 * high, high)
    # `low` is too few everywhere, and `high` is enough.
    while (high - low > 1).any():
        middle = (low + high) // 2
        is_short = log_evidence_pass(violations, middle, q) < enough
        low, high = np.where(is_short, middle, low), np.where(is_short, high, middle)
    return high


@dataclass(frozen=True, slots=True)
class FirstCrossings:
    """After how many runs the evidence for PASS and for FAIL was first enough.

    Attributes
    ----------
    pass_at, fail_at : int or None
        Number of runs, 1 for the first; None where it never was.
    """

    pass_at: int | None
    fail_at: int | None

    @property
    def verdict(self) -> Literal["PASS", "FAIL", "INCONCLUSIVE"]:
        """The verdict on these runs: FAIL overrides PASS, whichever came first."""
        if self.fail_at is not None:
            return "FAIL"
        return "INCONCLUSIVE" if self.pass_at is None else "PASS"


def first_crossings(
    violates_most: ArrayLike, violates_least: ArrayLike, q: float, alpha: float
) -> FirstCrossings:
    """Return after how many runs PASS and FAIL were first reached, as if looked at every run.

    Parameters
    ----------
    violates_most, violates_least : array of bool
        Whether each run violates the requirement, in the order of run ids, with every unknown run
        counted as a violation and as none.
    q : float
        The probability of a violation that the requirement allows.
    alpha : float
        The risk of a wrong verdict of either kind.
    """
    enough = -math.log(alpha)
    x, n = _ends_of_blocks(violates_most)
    can_pass = (x < q * n) & (_most_evidence(x, n, q) >= enough)
    x, n = x[can_pass], n[can_pass]
    pass_at = None
    found = _first_at_least(enough, x, n, q, log_evidence_pass)
    if found is not None:
        # Up to the violation that ends the block, the evidence only rises.
        violations = int(x[found])
        pass_at = violations + bisect.bisect_left(
            range(violations, int(n[found])),
            enough,
            key=lambda runs: log_evidence_pass(violations, runs, q),
        )
    x, n = _violations(violates_least)
    can_fail = (x > q * n) & (_most_evidence(x, n, q) >= enough)
    x, n = x[can_fail], n[can_fail]
    found = _first_at_least(enough, x, n, q, log_evidence_fail)
    return FirstCrossings(pass_at, None if found is None else int(n[found]))


def highest_evidence(
    violates_most: ArrayLike, violates_least: ArrayLike, q: float
) -> tuple[float, float]:
    """Return the highest evidence for PASS and for FAIL after any number of these runs.

    A campaign compares the second with ``ln(k / alpha)`` (see `campaign`).

    Parameters
    ----------
    violates_most, violates_least, q
        As for `first_crossings`.

    Returns
    -------
    tuple of float
        Natural logarithms, at least 0: without a run the evidence is 1.
    """
    x, n = _ends_of_blocks(violates_most)
    is_rarer = x < q * n
    rare = _highest(x[is_rarer], n[is_rarer], q, log_evidence_pass)
    x, n = _violations(violates_least)
    is_more_frequent = x > q * n
    return rare, _highest(x[is_more_frequent], n[is_more_frequent], q, log_evidence_fail)


def violation_upper_at(violations: int, runs: int, alpha: float) -> float:
    """Return the anytime upper bound of the probability of a violation, from one look.

    Parameters
    ----------
    violations, runs : int
        Violations counted, with unknown runs among them, in how many runs.
    alpha : float
        The bounds of all looks together hold in at least ``1 - alpha`` of samples.

    Returns
    -------
    float
        The probability above the observed rate at which the evidence for PASS is ``1 / alpha``; 1
        where there is none.
    """
    from scipy import optimize

    if violations >= runs:
        return 1.0

    def excess(q: float) -> float:
        return log_evidence_pass(violations, runs, q) + math.log(alpha)

    rate, step, most = violations / runs, 1 / runs, math.nextafter(1.0, 0.0)
    while excess(min(rate + step, most)) < 0:
        if rate + step >= most:
            return 1.0
        step *= 2
    low = rate + step / 2 if step > 1 / runs else max(rate, step * 1e-9)
    return float(optimize.brentq(excess, low, min(rate + step, most), xtol=1e-300, rtol=1e-14))


def violation_upper(violates_most: ArrayLike, alpha: float) -> float:
    """Return the least anytime upper bound of the probability of a violation over all looks.

    It is at most q exactly where PASS was reached for q after any number of these runs.

    Parameters
    ----------
    violates_most : array of bool
        Whether each run violates the requirement, in the order of run ids, with every unknown run
        counted as a violation.
    alpha : float
        The bound holds in at least ``1 - alpha`` of samples.
    """
    x, n = _ends_of_blocks(violates_most)
    least = violation_upper_at(int(x[-1]), int(n[-1]), alpha)
    while True:
        # Each look with more evidence at the bound so far has a lower bound. That with the most
        # comes first, and leaves few others.
        can_pass = (x < least * n) & (_most_evidence(x, n, least) > -math.log(alpha))
        x, n = x[can_pass], n[can_pass]
        found = log_evidence_pass(x, n, least)
        is_more = found > -math.log(alpha)
        if not is_more.any():
            return least
        x, n = x[is_more], n[is_more]
        best = int(found[is_more].argmax())
        bound = violation_upper_at(int(x[best]), int(n[best]), alpha)
        if bound >= least:
            return least
        least = bound


def violation_lower(violates_least: ArrayLike, alpha: float) -> float:
    """Return the greatest anytime lower bound of the probability of a violation over all looks.

    It is at least q exactly where FAIL was reached for q after any number of these runs.

    Parameters
    ----------
    violates_least : array of bool
        Whether each run violates the requirement, in the order of run ids, with every unknown run
        counted as one that holds.
    alpha : float
        The bound holds in at least ``1 - alpha`` of samples.
    """
    import numpy as np

    return 1.0 - violation_upper(~np.asarray(violates_least, dtype=bool), alpha)


def _log_evidence(
    x: ArrayLike, n: ArrayLike, q: ArrayLike, mass: Callable[..., Any]
) -> float | NDArray[np.float64]:
    """Return ln of the averaged likelihood ratio; `mass` is that of a beta distribution to q."""
    import numpy as np
    from scipy import special

    x, n, q = (np.asarray(each, dtype=np.float64) for each in (x, n, q))
    a, b = x + _PRIOR, n - x + _PRIOR
    share = mass(a, b, q)
    is_told = share >= _LEAST_MASS
    log_share = np.log(np.where(is_told, share, 1.0)) - np.log(mass(_PRIOR, _PRIOR, q))
    log_ratio = special.betaln(a, b) - special.betaln(_PRIOR, _PRIOR) + log_share
    log_ratio -= special.xlogy(x, q) + special.xlog1py(n - x, -q)
    found = np.where(is_told, log_ratio, -np.inf)
    return found if found.ndim else float(found)


def _ends_of_blocks(violates: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return violations and runs just before each violation, and at the end."""
    import numpy as np

    flags = np.asarray(violates, dtype=bool)
    n = np.append(np.flatnonzero(flags), len(flags))
    return np.arange(len(n)), n


def _violations(violates: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return violations and runs just after each violation."""
    import numpy as np

    n = np.flatnonzero(np.asarray(violates, dtype=bool)) + 1
    return np.arange(1, len(n) + 1), n


def _most_evidence(x: NDArray[np.int64], n: NDArray[np.int64], q: float) -> NDArray[np.float64]:
    """Return what no evidence exceeds: ln of the greatest likelihood ratio against `q`.

    An average of likelihood ratios is at most the greatest one, that at the observed rate. It is
    a fiftieth of the work, and few looks come near ``ln(1 / alpha)`` by it.
    """
    import numpy as np
    from scipy import special

    parts = special.rel_entr(x, n * q), special.rel_entr(n - x, n - n * q)
    return np.asarray(parts[0] + parts[1], dtype=np.float64)


def _highest(
    x: NDArray[np.int64],
    n: NDArray[np.int64],
    q: float,
    log_evidence: Callable[..., NDArray[np.float64]],
) -> float:
    """Return the highest evidence of the looks, and 0 if none has as much."""
    most = _most_evidence(x, n, q)
    highest = 0.0
    in_turn = (-most).argsort()
    for begin in range(0, len(x), _FIRST_CHUNK):
        chunk = in_turn[begin : begin + _FIRST_CHUNK]
        if most[chunk[0]] <= highest:
            break
        highest = max(highest, float(log_evidence(x[chunk], n[chunk], q).max()))
    return highest


def _first_at_least(
    enough: float,
    x: NDArray[np.int64],
    n: NDArray[np.int64],
    q: float,
    log_evidence: Callable[..., NDArray[np.float64]],
) -> int | None:
    """Return the index of the first of the looks with enough evidence."""
    import numpy as np

    begin, size = 0, _FIRST_CHUNK
    while begin < len(x):
        chunk = slice(begin, begin + size)
        found = np.flatnonzero(log_evidence(x[chunk], n[chunk], q) >= enough)
        if len(found):
            return begin + int(found[0])
        begin, size = begin + size, 2 * size
    return None
