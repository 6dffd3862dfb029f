"""How far one reported quantity went from one night to the next.

`paired_shift` compares, one by one, runs with the same overrides in both nights. `drawn_shift`
compares two independent sets of draws.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gmat_sweep.analysis.angles import TURN, circular_mean, shift, unwrapped, wraps
from gmat_sweep.analysis.scaling import common_exponent, scaled, unscaled
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MoveRule", "QuantityShift", "Verdict", "drawn_shift", "paired_shift"]

type Verdict = Literal[
    "moved", "changed", "within tolerance", "equal", "not moved", "not judged", "no data"
]

# For more values the asymptotic distribution is as good as the exact one, and much faster.
_EXACT_UP_TO = 50


@dataclass(frozen=True, slots=True)
class MoveRule:
    """When a quantity counts as moved.

    Attributes
    ----------
    standard_errors : float
        A mean has moved if it shifted by more than this many standard errors.
    relative_tolerance : float
        Shifts up to this fraction of the quantity's root mean square of last night are rounding,
        and never count.
    run_sigmas : float
        One run is enough when its own shift is more than this many standard deviations of the
        quantity over last night's runs.

    Raises
    ------
    SweepConfigError
        One of the attributes is negative or not finite.
    """

    standard_errors: float = 4.0
    relative_tolerance: float = 1e-9
    run_sigmas: float = 1.0

    def __post_init__(self) -> None:
        for name in ("standard_errors", "relative_tolerance", "run_sigmas"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise SweepConfigError(f"{name} must be a number of at least 0, got {value!r}.")

    @property
    def false_alarm(self) -> float:
        """Probability that a normal mean strays beyond `standard_errors` by chance."""
        return math.erfc(self.standard_errors / math.sqrt(2))


@dataclass(frozen=True, slots=True)
class QuantityShift:
    """One reported quantity at the end of the run, tonight and last night.

    Differences are tonight minus last night, in the unit of the quantity. An attribute is None if
    it cannot be told: there are too few values, or it belongs to the other way of comparing.

    Attributes
    ----------
    report, quantity, unit : str
        GMAT's names, and the unit if it is known.
    verdict : Verdict
        ``"moved"``: see `MoveRule`; for paired runs also if `one_sided` is not 0. For paired runs
        further ``"changed"`` (some run shifted beyond rounding, but not enough to move),
        ``"within tolerance"`` (rounding only) and ``"equal"`` (bit for bit, but 0.0 equals -0.0).
        For independent draws ``"not moved"``; for two sets of runs of another design ``"not
        judged"``. Without anything to compare ``"no data"``.
    runs_tonight, runs_last : int
        Runs with a finite value.
    mean_shift, standard_error : float or None
        Mean difference, and its standard error: of the paired differences, or of the difference
        of two means (Welch); None if the runs are no independent draws. Angles differ on the
        circle.
    mean_last, sigma_last, sigma_tonight : float or None
        Mean and standard deviation over the runs that are compared, for scale.
    pairs, equal_runs : int or None
        Runs compared one by one, and how many of them are equal bit for bit.
    largest_shift : float or None
        The largest difference of one run, by absolute value and with its sign.
    largest_run : int or None
        The id of that run.
    one_sided : int or None
        Runs that are ok in both nights and have a finite value in only one.
    ks_statistic, ks_pvalue : float or None
        Two-sample Kolmogorov-Smirnov test, of independent draws.
    """

    report: str
    quantity: str
    unit: str
    verdict: Verdict
    runs_tonight: int
    runs_last: int
    mean_shift: float | None = None
    standard_error: float | None = None
    mean_last: float | None = None
    sigma_last: float | None = None
    sigma_tonight: float | None = None
    pairs: int | None = None
    equal_runs: int | None = None
    largest_shift: float | None = None
    largest_run: int | None = None
    one_sided: int | None = None
    ks_statistic: float | None = None
    ks_pvalue: float | None = None


def paired_shift(
    report: str,
    quantity: str,
    unit: str,
    run_ids: NDArray[np.int64],
    tonight: NDArray[np.float64],
    last: NDArray[np.float64],
    rule: MoveRule,
    *,
    independent: bool = True,
) -> QuantityShift:
    """Compare the values of the same runs.

    Parameters
    ----------
    report, quantity, unit : str
        Which quantity it is.
    run_ids : ndarray of int64
        The runs, ``ok`` in both nights.
    tonight, last : ndarray of float64
        The value of each run; a value that is not finite does not count.
    rule : MoveRule
        When the quantity counts as moved.
    independent : bool
        Whether the runs are independent draws. If not, the standard error is a part of the rule
        only, and not told.
    """
    import numpy as np

    has_tonight, has_last = np.isfinite(tonight), np.isfinite(last)
    both = has_tonight & has_last
    one_sided = int((has_tonight != has_last).sum())
    counts = {"runs_tonight": int(has_tonight.sum()), "runs_last": int(has_last.sum())}
    if not both.any():
        return QuantityShift(
            report, quantity, unit, "moved" if one_sided else "no data", **counts,
            pairs=0, one_sided=one_sided,
        )  # fmt: skip
    ids, now, before = run_ids[both], tonight[both], last[both]
    # Adding 0.0 turns -0.0 into 0.0: both are the same value here, although their bits differ.
    equal = int(((now + 0.0).view(np.int64) == (before + 0.0).view(np.int64)).sum())
    turns = wraps(quantity, now, before)
    # Rounding is that of half a turn, however close to zero the angle is.
    size = np.full(1, TURN / 2) if turns else before
    changes = shift(now, before) if turns else None
    middle = circular_mean(before) if turns else None
    now, before = _about_one_mean(now, before) if turns else (now, before)
    exponent = common_exponent(now, before)
    now, before, size = (scaled(each, exponent) for each in (now, before, size))
    moves = now - before if changes is None else scaled(changes, exponent)
    mean, error = _mean(moves), _standard_error(moves)
    largest = int(np.abs(moves).argmax())
    sigma = _sigma(before)
    tolerance = rule.relative_tolerance * float(np.sqrt((size**2).mean()))
    beyond_rounding = abs(float(moves[largest])) > tolerance
    mean_moved = abs(mean) > tolerance and abs(mean) > rule.standard_errors * (error or 0.0)
    run_moved = abs(float(moves[largest])) > rule.run_sigmas * (sigma or 0.0)
    verdict: Verdict
    if one_sided or (beyond_rounding and (mean_moved or run_moved)):
        verdict = "moved"
    elif equal == len(ids):
        verdict = "equal"
    else:
        verdict = "changed" if beyond_rounding else "within tolerance"
    return QuantityShift(
        report,
        quantity,
        unit,
        verdict,
        **counts,
        mean_shift=unscaled(mean, exponent),
        standard_error=_unscaled(error if independent else None, exponent),
        mean_last=_mean_of(before, exponent, middle),
        sigma_last=_unscaled(sigma, exponent),
        sigma_tonight=_unscaled(_sigma(now), exponent),
        pairs=len(ids),
        equal_runs=equal,
        largest_shift=unscaled(float(moves[largest]), exponent),
        largest_run=int(ids[largest]),
        one_sided=one_sided,
    )


def drawn_shift(
    report: str,
    quantity: str,
    unit: str,
    tonight: NDArray[np.float64],
    last: NDArray[np.float64],
    rule: MoveRule,
    *,
    independent: bool = True,
) -> QuantityShift:
    """Compare the distributions of independent draws.

    Parameters
    ----------
    report, quantity, unit : str
        Which quantity it is.
    tonight, last : ndarray of float64
        The values of the runs that are ok; a value that is not finite does not count.
    rule : MoveRule
        When the quantity counts as moved: by the mean, or by a Kolmogorov-Smirnov test that is as
        sure.
    independent : bool
        Whether the runs are independent draws; if not, nothing is judged.
    """
    import numpy as np

    now, before = tonight[np.isfinite(tonight)], last[np.isfinite(last)]
    counts = {"runs_tonight": len(now), "runs_last": len(before)}
    if not (len(now) and len(before)):
        return QuantityShift(report, quantity, unit, "no data", **counts)
    size, middle, turned = before, None, None
    if wraps(quantity, now, before):
        size, middle = np.full(1, TURN / 2), circular_mean(before)
        turned = float(shift(circular_mean(now), middle))
        now, before = _about_one_mean(now, before)
    exponent = common_exponent(now, before)
    now, before, size = (scaled(each, exponent) for each in (now, before, size))
    mean = _mean(now) - _mean(before)
    if turned is not None and not math.isnan(turned):
        mean = math.ldexp(turned, -exponent)
    if not independent:
        return QuantityShift(
            report,
            quantity,
            unit,
            "not judged",
            **counts,
            mean_shift=unscaled(mean, exponent),
            mean_last=_mean_of(before, exponent, middle),
            sigma_last=_unscaled(_sigma(before), exponent),
            sigma_tonight=_unscaled(_sigma(now), exponent),
        )
    errors = (_standard_error(now), _standard_error(before))
    error = None if None in errors else math.hypot(*(each or 0.0 for each in errors))
    statistic, pvalue = _kolmogorov_smirnov(now, before)
    tolerance = rule.relative_tolerance * float(np.sqrt((size**2).mean()))
    pooled = np.concatenate([now, before])
    beyond_rounding = float(pooled.max() - pooled.min()) > tolerance
    mean_moved = (
        error is not None and abs(mean) > tolerance and abs(mean) > rule.standard_errors * error
    )
    shape_moved = beyond_rounding and pvalue < rule.false_alarm
    return QuantityShift(
        report,
        quantity,
        unit,
        "moved" if mean_moved or shape_moved else "not moved",
        **counts,
        mean_shift=unscaled(mean, exponent),
        standard_error=_unscaled(error, exponent),
        mean_last=_mean_of(before, exponent, middle),
        sigma_last=_unscaled(_sigma(before), exponent),
        sigma_tonight=_unscaled(_sigma(now), exponent),
        ks_statistic=statistic,
        ks_pvalue=pvalue,
    )


def _about_one_mean(
    now: NDArray[np.float64], before: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the angles of both nights in the turn about last night's mean."""
    import numpy as np

    centre = circular_mean(before)
    if math.isnan(centre):
        centre = circular_mean(np.concatenate([now, before]))
    return unwrapped(now, centre), unwrapped(before, centre)


def _kolmogorov_smirnov(
    now: NDArray[np.float64], before: NDArray[np.float64]
) -> tuple[float, float]:
    """Return statistic and p-value of the two-sample test."""
    from scipy.stats import ks_2samp

    exact = min(len(now), len(before)) <= _EXACT_UP_TO
    with warnings.catch_warnings():
        # If rounding pushes an exact p-value above 1, SciPy warns and takes the asymptotic one.
        warnings.filterwarnings("ignore", "ks_2samp: Exact calculation", RuntimeWarning)
        test = ks_2samp(now, before, method="exact" if exact else "asymp")
    return float(test.statistic), float(test.pvalue)


def _mean(values: NDArray[np.float64]) -> float:
    # The mean of equal values may differ from them by rounding, which is no shift.
    return float(values[0] if values.min() == values.max() else values.mean())


def _mean_of(values: NDArray[np.float64], exponent: int, circular: float | None) -> float | None:
    """Return the mean of scaled values: of an angle the circular one, None if its values cancel."""
    if circular is None:
        return unscaled(_mean(values), exponent)
    return None if math.isnan(circular) else circular


def _sigma(values: NDArray[np.float64]) -> float | None:
    if len(values) < 2:
        return None
    return 0.0 if values.min() == values.max() else float(values.std(ddof=1))


def _standard_error(values: NDArray[np.float64]) -> float | None:
    sigma = _sigma(values)
    return None if sigma is None else sigma / math.sqrt(len(values))


def _unscaled(value: float | None, exponent: int) -> float | None:
    return None if value is None else unscaled(value, exponent)
