"""Whether two sets of draws differ by more than chance: tests, and one judgement over all of them.

`drawn_shift` tests a quantity. `judged_together` then judges all tests of a night at once, so that
a night in which nothing changed is called moved as rarely as the rule says, however many
quantities there are.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.angles import circular_mean, shift, unwrapped, wraps
from gmat_sweep.analysis.nightly.rules import rounding
from gmat_sweep.analysis.nightly.shifts import FIGURES, Figures, QuantityShift, figures
from gmat_sweep.analysis.scaling import common_exponent, scaled, unscaled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "LEAST_RUNS",
    "LEAST_RUNS_OF_SPREAD",
    "Welch",
    "adjusted",
    "drawn_shift",
    "fisher",
    "from_median",
    "judged_together",
    "kolmogorov_smirnov",
    "of_similar_sizes",
    "welch",
]

LEAST_RUNS = 8
"""The means of fewer runs are not tested: the t-test needs them to be nearly normal."""

LEAST_RUNS_OF_SPREAD = 20
"""The spreads of fewer runs are not tested: of values in two clusters, 8 runs raise up to fourteen
times as many false alarms as are due; 20 raise none too many, as simulated."""

# Of samples of very different sizes and a skewed distribution, Welch's test is wrong far more often
# than it says: in every second night of 100 exponential quantities, 8 runs against 100. Of sizes
# up to this ratio it is not, whatever the distribution, as simulated.
_SIZES_APART = 1.25

_TESTS = {
    "mean": "t_pvalue",
    "sigma": "spread_pvalue",
    "distribution": "ks_pvalue",
    "missing": "missing_pvalue",
}


@dataclass(frozen=True, slots=True)
class Welch:
    """Welch's t-tests of the means of two sets of columns, one result per column."""

    statistic: NDArray[np.float64]
    degrees: NDArray[np.float64]
    pvalue: NDArray[np.float64]


def welch(tonight: NDArray[np.float64], last: NDArray[np.float64]) -> Welch:
    """Test whether the means of two sets of draws differ, without assuming equal variances.

    Parameters
    ----------
    tonight, last : ndarray of float64
        Draws along the first axis, any number of columns; not both of a column constant.

    Notes
    -----
    B. L. Welch, "The generalization of 'Student's' problem when several different population
    variances are involved", Biometrika 34 (1947), by `scipy.stats.ttest_ind`.
    """
    import numpy as np
    from scipy.stats import ttest_ind

    with warnings.catch_warnings():
        # SciPy warns of values that are equal but for rounding. These are left out before.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        test = ttest_ind(tonight, last, axis=0, equal_var=False)
    return Welch(np.asarray(test.statistic), np.asarray(test.df), np.asarray(test.pvalue))


def from_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far draws are from their median; whose mean is larger is spread wider.

    Parameters
    ----------
    values : ndarray of float64
        Draws along the first axis, any number of columns.

    Notes
    -----
    M. B. Brown and A. B. Forsythe, "Robust tests for the equality of variances", Journal of the
    American Statistical Association 69 (1974). They test these distances by Student's test, this
    package by Welch's. Tests of the variances themselves take a long tail for a wider spread.
    """
    import numpy as np

    distances: NDArray[np.float64] = np.abs(values - np.median(values, axis=0))
    return distances


def kolmogorov_smirnov(
    tonight: NDArray[np.float64], last: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return statistic and p value of the two-sample test, one per column.

    Exact up to 10,000 runs.

    Parameters
    ----------
    tonight, last : ndarray of float64
        Draws along the first axis, any number of columns.
    """
    import numpy as np
    from scipy.stats import ks_2samp

    with warnings.catch_warnings():
        # If rounding pushes an exact p value above 1, SciPy warns and takes the asymptotic one.
        warnings.filterwarnings("ignore", "ks_2samp: Exact calculation", RuntimeWarning)
        test = ks_2samp(tonight, last, axis=0)
    return np.asarray(test.statistic), np.asarray(test.pvalue)


def fisher(some: tuple[int, int], others: tuple[int, int]) -> float:
    """Return the two-sided p value of Fisher's exact test of two shares.

    Parameters
    ----------
    some, others : tuple of int
        For tonight and for the other night: how many runs, and how many of them are counted.
    """
    from scipy.stats import fisher_exact

    (runs, counted), (runs_last, counted_last) = some, others
    table = [[counted, runs - counted], [counted_last, runs_last - counted_last]]
    return float(fisher_exact(table).pvalue)


def adjusted(pvalues: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p values adjusted by Holm for all tests along the last axis.

    Whoever takes those of at most alpha for differences is wrong about any of them with a
    probability of at most alpha, however the tests depend on each other.

    Notes
    -----
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979). `gmat_sweep.verdicts.campaign.holm` says which ones a given alpha rejects.
    """
    import numpy as np

    order = np.argsort(pvalues, axis=-1, kind="stable")
    count = pvalues.shape[-1]
    steps = np.take_along_axis(pvalues, order, axis=-1) * np.arange(count, 0, -1)
    in_order = np.minimum(np.maximum.accumulate(steps, axis=-1), 1.0)
    result = np.empty_like(in_order)
    np.put_along_axis(result, order, in_order, axis=-1)
    return result


def of_similar_sizes(
    tonight: NDArray[np.float64], last: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the draws whose means are tested: of the larger set the first, up to a quarter more.

    Of skewed distributions the t-test holds for sets of about one size alone.
    """
    most = int(_SIZES_APART * min(len(tonight), len(last)))
    return tonight[:most], last[:most]


def drawn_shift(
    report: str,
    quantity: str,
    unit: str,
    tonight: NDArray[np.float64],
    last: NDArray[np.float64],
    *,
    goals: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    independent: bool = True,
) -> QuantityShift:
    """Compare the distributions of two sets of draws, and test whether they differ.

    Parameters
    ----------
    report, quantity, unit : str
        Which quantity it is.
    tonight, last : ndarray of float64
        The values of the runs that are ok, in the order of their ids; one that is not finite is
        missing.
    goals : tuple of two ndarrays of float64, optional
        As for `paired_shift`: the goals are tested, not what is left of them.
    independent : bool
        Whether the runs are independent draws; if not, nothing is tested.

    Returns
    -------
    QuantityShift
        With the p value of each test that applies, and not judged yet: `judged_together` does
        that. Values that differ by rounding alone are not tested.
    """
    import numpy as np

    has_now, has_before = np.isfinite(tonight), np.isfinite(last)
    counts = int(has_now.sum()), int(has_before.sum())
    missing = None
    if independent and (has_now.any() or has_before.any()):
        missing = _missing(has_now, has_before)
    if not (has_now.any() and has_before.any()):
        return QuantityShift(report, quantity, unit, "no data", *counts, missing_pvalue=missing)
    now, before = tonight[has_now], last[has_before]
    at_goal = None
    tested = (now, before)
    if goals is not None:
        settled = (goals[0][has_now], goals[1][has_before])
        is_met = [np.isfinite(each) for each in settled]
        at_goal = int(sum(each.sum() for each in is_met))
        tested = (np.where(is_met[0], settled[0], now), np.where(is_met[1], settled[1], before))
    shown = _Draws.of(quantity, now, before)
    result = QuantityShift(
        report,
        quantity,
        unit,
        "not moved" if independent else "not judged",
        *counts,
        **{f"{name}_shift": by for name, by in shown.shifts().items()},
        mean_last=shown.mean_last(),
        sigma_last=shown.unscaled(shown.then.sigma),
        sigma_tonight=shown.unscaled(shown.there.sigma),
        at_goal=at_goal,
        missing_pvalue=missing,
    )
    if not independent:
        return result
    draws = shown if goals is None else _Draws.of(quantity, *tested)
    return replace(result, standard_error=shown.standard_error(), **draws.tests(unit))


def judged_together(
    quantities: Sequence[QuantityShift], others: Sequence[float | None], false_alarms: float
) -> tuple[list[QuantityShift], list[float | None], int]:
    """Judge all tests of a night at once.

    Parameters
    ----------
    quantities : sequence of QuantityShift
        As `drawn_shift` gives them.
    others : sequence of float or None
        The p values of what else was tested, such as of the failures; None where nothing was.
    false_alarms : float
        How often any of them may be called moved although nothing changed.

    Returns
    -------
    quantities, others, tests
        The quantities with their verdicts and adjusted p values; the adjusted p values of the
        others; and how many tests there were.
    """
    import numpy as np

    places = [
        (number, reason)
        for number, each in enumerate(quantities)
        for reason, name in _TESTS.items()
        if getattr(each, name) is not None
    ]
    found = [getattr(quantities[number], _TESTS[reason]) for number, reason in places]
    found += [each for each in others if each is not None]
    if not found:
        return list(quantities), list(others), 0
    told = iter(adjusted(np.array(found, dtype=np.float64)).tolist())
    by_quantity: dict[int, dict[str, float]] = {}
    for number, reason in places:
        by_quantity.setdefault(number, {})[reason] = next(told)
    result = []
    for number, each in enumerate(quantities):
        tests = by_quantity.get(number, {})
        why = tuple(reason for reason, pvalue in tests.items() if pvalue <= false_alarms)
        result.append(
            replace(
                each,
                verdict="moved" if why else each.verdict,
                why=why,
                adjusted_pvalue=min(tests.values(), default=None),
            )
        )
    rest = [None if each is None else next(told) for each in others]
    return result, rest, len(found)


def _missing(has_now: NDArray[np.bool_], has_before: NDArray[np.bool_]) -> float | None:
    """Return the p value of how many values are missing; None if none is."""
    missing, missing_last = int((~has_now).sum()), int((~has_before).sum())
    if not (missing or missing_last):
        return None
    return fisher((len(has_now), missing), (len(has_before), missing_last))


@dataclass(frozen=True, slots=True)
class _Draws:
    """Two sets of draws divided by 2**`exponent`, angles in one turn about their common mean."""

    now: NDArray[np.float64]
    before: NDArray[np.float64]
    exponent: int
    there: Figures
    then: Figures
    middles: tuple[float, float] | None

    @classmethod
    def of(cls, quantity: str, now: NDArray[np.float64], before: NDArray[np.float64]) -> _Draws:
        import numpy as np

        middles = None
        if wraps(quantity, now, before):
            middles = (circular_mean(now), circular_mean(before))
            # The mean of both nights, so that neither is told from the other by where it is cut.
            centre = circular_mean(np.concatenate([now, before]))
            now, before = unwrapped(now, centre), unwrapped(before, centre)
        exponent = common_exponent(now, before)
        now, before = scaled(now, exponent), scaled(before, exponent)
        return cls(now, before, exponent, figures(now), figures(before), middles)

    def unscaled(self, value: float | None) -> float | None:
        return None if value is None else unscaled(value, self.exponent)

    def mean_last(self) -> float | None:
        if self.middles is None:
            return self.unscaled(self.then.mean)
        return None if math.isnan(self.middles[1]) else self.middles[1]

    def shifts(self) -> dict[str, Any]:
        if self.there.sigma is None or self.then.sigma is None:
            found: dict[str, Any] = dict.fromkeys(FIGURES)
            found["mean"] = self.unscaled(self.there.mean - self.then.mean)
        else:
            found = {
                name: self.unscaled(getattr(self.there, name) - getattr(self.then, name))
                for name in FIGURES
            }
        if self.middles is not None and not any(map(math.isnan, self.middles)):
            found["mean"] = float(shift(*self.middles))
        return found

    def standard_error(self) -> float | None:
        now, before = self.there.sigma, self.then.sigma
        if now is None or before is None:
            return None
        return self.unscaled(
            math.hypot(now / math.sqrt(len(self.now)), before / math.sqrt(len(self.before)))
        )

    def tests(self, unit: str) -> dict[str, Any]:
        """Return the tests that apply, by the names of a `QuantityShift`."""
        ends = [each for values in (self.now, self.before) for each in (values.min(), values.max())]
        span = float(max(ends) - min(ends))
        whole = self.unscaled(span)
        is_rounding = whole is not None and whole <= rounding(unit, 0.0)
        if is_rounding or span <= rounding("", 0.0, self.now, self.before):
            return {}
        statistic, pvalue = kolmogorov_smirnov(self.now, self.before)
        found: dict[str, Any] = {"ks_statistic": float(statistic), "ks_pvalue": float(pvalue)}
        now, before = of_similar_sizes(self.now, self.before)
        runs = min(len(now), len(before))
        if runs >= LEAST_RUNS and not _are_constant(now, before):
            mean = welch(now, before)
            found |= {
                "t_statistic": float(mean.statistic),
                "t_degrees": float(mean.degrees),
                "t_pvalue": float(mean.pvalue),
            }
        distances = from_median(now), from_median(before)
        if runs >= LEAST_RUNS_OF_SPREAD and not _are_constant(*distances):
            found["spread_pvalue"] = float(welch(*distances).pvalue)
        return found


def _are_constant(*samples: NDArray[np.float64]) -> bool:
    return all(each.min() == each.max() for each in samples)
