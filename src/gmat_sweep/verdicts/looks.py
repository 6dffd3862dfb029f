"""A few looks that are declared before the first run, and no others (group-sequential plan).

For a review that wants the smallest maximum of runs and meets on fixed days. The risk ``alpha`` is
spent in proportion to the runs: after look k, passes have had a probability of at most
``alpha * n_k / n_K`` if exactly the allowed share violates. The sums are exact. Source: K. K. G.
Lan and D. L. DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983),
with the linear spending function and binomial counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.limits import MOST_RUNS, shown
from gmat_sweep.verdicts.binomial import at_most, most_that_pass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DeclaredLooks", "declared_looks"]


@dataclass(frozen=True, slots=True)
class DeclaredLooks:
    """With how many violations a sweep passes at each of the declared looks.

    Attributes
    ----------
    runs : tuple of int
        Numbers of runs at which one looks.
    accept_at_most : tuple of int
        The most violations with which it passes then; -1: it cannot pass at this look.
    size : float
        The probability to pass at any look if exactly the allowed share violates.
    """

    runs: tuple[int, ...]
    accept_at_most: tuple[int, ...]
    size: float

    def passed_at(self, violations: Sequence[int]) -> int | None:
        """Return the number of runs at which the sweep passed; None if it did not.

        Parameters
        ----------
        violations : sequence of int
            Violations, with unknown runs among them, up to each look so far.
        """
        # Looks are taken in turn: those to come have no number yet.
        for runs, most, found in zip(self.runs, self.accept_at_most, violations, strict=False):
            if found <= most:
                return runs
        return None

    def prospects(self, p: float) -> tuple[float, float]:
        """Return the probability to pass, and the mean number of runs, if a share `p` violates."""
        chance, mean = 0.0, 0.0
        for runs, passing in zip(self.runs, _passing(self, p), strict=True):
            chance += passing
            mean += runs * passing
        return chance, mean + self.runs[-1] * (1 - chance)


def declared_looks(runs: Sequence[int], q: float, alpha: float) -> DeclaredLooks:
    """Return with how many violations a sweep passes at looks that are declared before it begins.

    Parameters
    ----------
    runs : sequence of int
        Numbers of runs at which one looks, ascending.
    q : float
        The probability of a violation that the requirement allows.
    alpha : float
        The risk of a wrong PASS, over all looks.

    Raises
    ------
    SweepConfigError
        The numbers of runs are none, or do not ascend.
    """
    looks = tuple(runs)
    if not looks or not all(low < high for low, high in zip((0, *looks), looks, strict=False)):
        raise SweepConfigError(
            f"looks {shown(list(looks))} must be numbers of runs that ascend, such as [250, 500]."
        )
    if looks[-1] > MOST_RUNS:
        raise SweepConfigError(f"looks end at {looks[-1]:,} runs; a sweep may have {MOST_RUNS:,}.")
    most = max(most_that_pass(looks[-1], q, alpha), 0)
    spent, accepted, undecided, before = 0.0, [], _none(most), 0
    for look in looks:
        undecided = _later(undecided, look - before, q)
        before = look
        chances = spent + undecided.cumsum()
        allowed = int(at_most(chances, alpha * look / looks[-1]).sum()) - 1
        accepted.append(allowed)
        if allowed >= 0:
            spent = float(chances[allowed])
            undecided[: allowed + 1] = 0.0
    return DeclaredLooks(looks, tuple(accepted), spent)


def _passing(looks: DeclaredLooks, p: float) -> list[float]:
    """Return the probability to pass at each look if a share `p` violates."""
    undecided, before, passing = _none(max(*looks.accept_at_most, 0)), 0, []
    for runs, most in zip(looks.runs, looks.accept_at_most, strict=True):
        undecided = _later(undecided, runs - before, p)
        before = runs
        passing.append(float(undecided[: most + 1].sum()))
        undecided[: most + 1] = 0.0
    return passing


def _none(most: int) -> NDArray[np.float64]:
    """Return the distribution of violations before the first run; more than `most` never pass."""
    import numpy as np

    undecided = np.zeros(most + 1)
    undecided[0] = 1.0
    return undecided


def _later(undecided: NDArray[np.float64], runs: int, p: float) -> NDArray[np.float64]:
    """Return the distribution of violations after further runs."""
    import numpy as np
    from scipy import stats

    added = stats.binom.pmf(np.arange(len(undecided)), runs, p)
    return np.convolve(undecided, added)[: len(undecided)]
