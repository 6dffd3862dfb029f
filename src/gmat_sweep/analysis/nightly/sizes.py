"""How far one quantity went between two nights that flew the same runs.

GMAT gives the same numbers for the same inputs, so any difference is real. `paired_shift` asks how
large it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmat_sweep.analysis.angles import circular_mean, shift, unwrapped, wraps
from gmat_sweep.analysis.nightly.rules import MaterialRule, rounding
from gmat_sweep.analysis.nightly.shifts import FIGURES, QuantityShift, Verdict, figures
from gmat_sweep.analysis.scaling import common_exponent, scaled, unscaled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["paired_shift"]


def paired_shift(
    report: str,
    quantity: str,
    unit: str,
    run_ids: NDArray[np.int64],
    tonight: NDArray[np.float64],
    last: NDArray[np.float64],
    rule: MaterialRule,
    *,
    goals: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> QuantityShift:
    """Compare the values of the same runs in two nights.

    Parameters
    ----------
    report, quantity, unit : str
        Which quantity it is.
    run_ids : ndarray of int64
        The runs, ``ok`` in both nights.
    tonight, last : ndarray of float64
        The value of each run; a value that is not finite does not count.
    rule : MaterialRule
        When the quantity has moved.
    goals : tuple of two ndarrays of float64, optional
        For tonight and for the other night, the goal that a solver brought the value of each run
        to, within its tolerance; NaN where none did. What is left of the goal is chance, and moves
        nothing.

    Raises
    ------
    SweepConfigError
        The rule has a size for the quantity in a unit that is none of its own.

    Notes
    -----
    Angles of the same run differ by the shorter way on the circle. The other night's are taken in
    the turn about their mean, and tonight's as they lie beside them, so that no run seems to jump
    because it crossed the end of that turn.
    """
    import numpy as np

    has_tonight, has_last = np.isfinite(tonight), np.isfinite(last)
    both = has_tonight & has_last
    one_sided = int((has_tonight != has_last).sum())
    counts = {"runs_tonight": int(has_tonight.sum()), "runs_last": int(has_last.sum())}
    if not both.any():
        return QuantityShift(
            report, quantity, unit, "moved" if one_sided else "no data", **counts,
            why=("one night",) if one_sided else (), pairs=0, one_sided=one_sided,
        )  # fmt: skip
    ids, now, before = run_ids[both], tonight[both], last[both]
    # Adding 0.0 turns -0.0 into 0.0: both are the same value here, although their bits differ.
    equal = int(((now + 0.0).view(np.int64) == (before + 0.0).view(np.int64)).sum())
    turns = wraps(quantity, now, before)
    told = _sizes(quantity, unit, now, before, rule, turns=turns)
    judged, at_goal = told, None
    if goals is not None:
        for_now, for_before = (each[both] for each in goals)
        is_met = np.isfinite(for_now) & np.isfinite(for_before)
        at_goal = int(is_met.sum())
        if at_goal:
            judged = _sizes(
                quantity,
                unit,
                np.where(is_met, for_now, now),
                np.where(is_met, for_before, before),
                rule,
                turns=turns,
            )
    why = (*judged.why, *(("one night",) if one_sided else ()))
    verdict: Verdict = "moved" if why else "equal" if equal == len(ids) else "changed"
    middle = circular_mean(before) if turns else None
    return QuantityShift(
        report,
        quantity,
        unit,
        verdict,
        **counts,
        why=why,
        mean_shift=told.unscaled("mean"),
        p5_shift=told.unscaled("p5"),
        p50_shift=told.unscaled("p50"),
        p95_shift=told.unscaled("p95"),
        sigma_shift=told.unscaled("sigma"),
        mean_last=_finite(middle) if turns else unscaled(told.mean_last, told.exponent),
        sigma_last=_unscaled(told.sigma_last, told.exponent),
        sigma_tonight=_unscaled(told.sigma_tonight, told.exponent),
        limit=unscaled(judged.limit, judged.exponent),
        run_limit=unscaled(judged.run_limit, judged.exponent),
        pairs=len(ids),
        equal_runs=equal,
        largest_shift=unscaled(told.largest, told.exponent),
        largest_run=int(ids[told.largest_at]),
        one_sided=one_sided,
        at_goal=at_goal,
    )


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Shifts and limits, divided by 2**`exponent` so that no square overflows."""

    exponent: int
    shifts: dict[str, float | None]
    largest: float
    largest_at: int
    mean_last: float
    sigma_last: float | None
    sigma_tonight: float | None
    limit: float
    run_limit: float

    @property
    def why(self) -> tuple[str, ...]:
        """The shifts that matter."""
        moved = [name for name, by in self.shifts.items() if by and abs(by) > self.limit]
        return (*moved, *(("run",) if abs(self.largest) > self.run_limit else ()))

    def unscaled(self, name: str) -> float | None:
        """Return a shift in the unit of the quantity."""
        return _unscaled(self.shifts[name], self.exponent)


def _sizes(
    quantity: str,
    unit: str,
    now: NDArray[np.float64],
    before: NDArray[np.float64],
    rule: MaterialRule,
    *,
    turns: bool,
) -> _Sizes:
    import numpy as np

    changes = None
    if turns:
        changes = shift(now, before)
        before = unwrapped(before)
        now = before + changes
    exponent = common_exponent(now, before)
    now, before = scaled(now, exponent), scaled(before, exponent)
    moves = now - before if changes is None else scaled(changes, exponent)
    there, then = figures(now), figures(before)
    shifts: dict[str, float | None] = {
        name: None if then.sigma is None else getattr(there, name) - getattr(then, name)
        for name in FIGURES
    }
    mean = float(moves[0] if moves.min() == moves.max() else moves.mean())
    shifts["mean"] = mean
    if then.sigma is None:
        shifts |= dict.fromkeys(("p5", "p50", "p95"), mean)
    sigma = then.sigma or 0.0
    if quantity in rule.quantities:
        whole = unscaled(sigma, exponent)
        limit = _ldexp(
            rule.size_of(quantity, unit, math.inf if whole is None else whole), -exponent
        )
    else:
        floor = max(_ldexp(rounding(unit, 0.0), -exponent), rounding("", sigma, now, before))
        limit = max(rule.material * sigma, floor)
    largest = int(np.abs(moves).argmax())
    return _Sizes(
        exponent=exponent,
        shifts=shifts,
        largest=float(moves[largest]),
        largest_at=largest,
        mean_last=then.mean,
        sigma_last=then.sigma,
        sigma_tonight=there.sigma,
        limit=limit,
        run_limit=max(rule.run_sigmas * sigma, limit),
    )


def _ldexp(value: float, exponent: int) -> float:
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.inf


def _unscaled(value: float | None, exponent: int) -> float | None:
    return None if value is None else unscaled(value, exponent)


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
