"""How one reported quantity differs between two nights: the record, and the figures in it.

`paired_shift` makes it of the same runs, `drawn_shift` of two sets of draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FIGURES", "Figures", "QuantityShift", "Verdict", "figures", "sigma_of"]

type Verdict = Literal["moved", "changed", "equal", "not moved", "not judged", "no data"]

FIGURES = {
    "mean": "the mean", "p5": "5 %", "p50": "50 %", "p95": "95 %", "sigma": "sigma",
}  # fmt: skip
"""The figures of a distribution whose shifts are told, and their names in a text."""


@dataclass(frozen=True, slots=True)
class QuantityShift:
    """One reported quantity at the end of the run, tonight and in the other night.

    Differences are tonight minus the other night, in the unit of the quantity. An attribute is None
    if it cannot be told: there are too few values, or it belongs to the other way of comparing.

    Attributes
    ----------
    report, quantity, unit : str
        GMAT's names, and the unit if it is known.
    verdict : Verdict
        ``"moved"``: see `MaterialRule`; for the same runs also if `one_sided` is not 0. For the
        same runs further ``"changed"`` (by less than matters) and ``"equal"`` (bit for bit, but 0.0
        equals -0.0). For independent draws ``"not moved"``; for two sets of runs of another design
        ``"not judged"``. Without anything to compare ``"no data"``.
    runs_tonight, runs_last : int
        Runs with a finite value.
    why : tuple of str
        What moved. Of the same runs: ``mean``, ``p5``, ``p50``, ``p95``, ``sigma``, ``run``,
        ``one night``. Of draws: ``mean``, ``sigma``, ``distribution``, ``missing``.
    mean_shift, p5_shift, p50_shift, p95_shift, sigma_shift : float or None
        Shifts of the mean, of percentiles and of the standard deviation. Angles differ on the
        circle.
    mean_last, sigma_last, sigma_tonight : float or None
        Mean and standard deviation over the runs that are compared, for scale.
    limit, run_limit : float or None
        Same runs: what those five shifts have to exceed to matter, and what a single run has to.
    pairs, equal_runs : int or None
        Same runs: how many, and how many of them are equal bit for bit.
    largest_shift, largest_run : float or None, int or None
        The largest difference of one run, by absolute value and with its sign; the id of that run.
    one_sided : int or None
        Runs that are ok in both nights and have a finite value in only one.
    at_goal : int or None
        Runs whose values lie within the tolerance of the goal of a solver that converged, in both
        nights: of these the goals are compared. Of draws: values of both nights together.
    standard_error : float or None
        Draws: standard error of the difference of the means (Welch).
    t_statistic, t_degrees, t_pvalue : float or None
        Draws: Welch's t-test of the means, and its degrees of freedom.
    spread_pvalue : float or None
        Draws: test of Brown and Forsythe, with Welch's degrees of freedom, whether they are spread
        alike.
    ks_statistic, ks_pvalue : float or None
        Draws: two-sample Kolmogorov-Smirnov test.
    missing_pvalue : float or None
        Draws: Fisher's exact test of how many runs have no value, if some have none.
    adjusted_pvalue : float or None
        Draws: the smallest of these p values, adjusted by Holm for all tests of the night.
    """

    report: str
    quantity: str
    unit: str
    verdict: Verdict
    runs_tonight: int
    runs_last: int
    why: tuple[str, ...] = ()
    mean_shift: float | None = None
    p5_shift: float | None = None
    p50_shift: float | None = None
    p95_shift: float | None = None
    sigma_shift: float | None = None
    mean_last: float | None = None
    sigma_last: float | None = None
    sigma_tonight: float | None = None
    limit: float | None = None
    run_limit: float | None = None
    pairs: int | None = None
    equal_runs: int | None = None
    largest_shift: float | None = None
    largest_run: int | None = None
    one_sided: int | None = None
    at_goal: int | None = None
    standard_error: float | None = None
    t_statistic: float | None = None
    t_degrees: float | None = None
    t_pvalue: float | None = None
    spread_pvalue: float | None = None
    ks_statistic: float | None = None
    ks_pvalue: float | None = None
    missing_pvalue: float | None = None
    adjusted_pvalue: float | None = None

    def largest(self) -> tuple[str, float, float] | None:
        """Return which shift comes nearest to what matters: name, shift, and share of its limit.

        Of the same runs only; the name is one of `FIGURES`, or ``run``. None if nothing shifted.
        """
        shifts = {name: getattr(self, f"{name}_shift") for name in FIGURES}
        told = [
            (name, shift, abs(shift) / limit if limit else math.inf)
            for name, shift, limit in (
                *((name, shift, self.limit) for name, shift in shifts.items()),
                ("run", self.largest_shift, self.run_limit),
            )
            if shift and limit is not None
        ]
        return max(told, key=lambda each: each[2], default=None)


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one set of values; `sigma` is None of fewer than two."""

    mean: float
    p5: float
    p50: float
    p95: float
    sigma: float | None


def figures(values: NDArray[np.float64]) -> Figures:
    """Return the figures of finite values, of which there is at least one."""
    import numpy as np

    if values.min() == values.max():
        # The mean of equal values may differ from them by rounding, which is no shift.
        value = float(values[0])
        return Figures(value, value, value, value, sigma_of(values))
    p5, p50, p95 = (float(each) for each in np.percentile(values, [5, 50, 95]))
    return Figures(float(values.mean()), p5, p50, p95, sigma_of(values))


def sigma_of(values: NDArray[np.float64]) -> float | None:
    """Return the standard deviation of finite values; None of fewer than two."""
    if len(values) < 2:
        return None
    return 0.0 if values.min() == values.max() else float(values.std(ddof=1))
