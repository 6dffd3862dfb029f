"""Creep: how far each quantity of each night is from the baseline's.

A shift of a fiftieth of sigma a night is nothing against last night. Against the baseline it adds
up, and is said once it is material.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.angles import circular_mean, shift, unwrapped, wraps
from gmat_sweep.analysis.nightly.cohorts import sweeps_of
from gmat_sweep.analysis.nightly.ends import NightEnds, column_of, same_overrides, unit_at_end
from gmat_sweep.analysis.nightly.rules import FLOORS
from gmat_sweep.analysis.nightly.shifts import figures
from gmat_sweep.plans.independence import are_independent

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["creeping", "drift_over"]

_SURE = 4.0
_WHICH = ("night", "report", "quantity", "unit")
_TOLD = (
    "runs", "paired", "shift", "sigma", "shift_sigma", "p5_sigma", "p50_sigma", "p95_sigma",
    "spread", "error_sigma",
)  # fmt: skip


def drift_over(nights: Iterable[str | Path], baseline: str | Path) -> pd.DataFrame:
    """Return the shift of each quantity of each night from the baseline, in the baseline's sigma.

    Parameters
    ----------
    nights : iterable of str or Path
        Folders of nights, in the order in which they are to be shown.
    baseline : str or Path
        The folder of the night that was accepted.

    Returns
    -------
    pandas.DataFrame
        A row per night, report and quantity, in this order; only quantities of the baseline.
        Columns: ``night`` (its name), ``report``, ``quantity``, ``unit``, ``runs``, ``paired``
        (whether the runs are compared one by one), ``shift`` (of the mean, in the quantity's own
        unit; 0 up to 1 mm, 1 um/s, 1 us, 1e-9 deg, which is rounding), ``sigma`` (the
        baseline's), ``shift_sigma``, ``p5_sigma``, ``p50_sigma``, ``p95_sigma`` (shifts of the
        mean and of percentiles, divided by it) and ``spread`` (sigma of the night, divided by the
        baseline's), ``error_sigma`` (the standard error of ``shift_sigma``; 0 for paired runs,
        whose shift is not by chance; NaN if it cannot be told). Where the baseline's sigma is 0,
        ``shift_sigma`` is 0 without a shift and infinite with one.

    Raises
    ------
    FileNotFoundError, ManifestCorruptError
        A manifest cannot be read.

    Notes
    -----
    Runs are paired where both nights gave the same values to every run that both have. Angles shift
    on the circle, and Gregorian epochs in seconds. A value is that of the last row written; one
    that a solver brought to its goal, within the tolerance, is the goal: what is left of it is
    chance.
    """
    import pandas as pd

    base = NightEnds(_cohort(Path(baseline)))
    rows: list[dict[str, Any]] = []
    for night in map(Path, nights):
        other = NightEnds(_cohort(night))
        common = sorted(base.ran.keys() & other.ran.keys())
        paired = bool(common) and all(
            same_overrides(base.ran[run_id].overrides, other.ran[run_id].overrides)
            for run_id in common
        )
        for column in base.last_values.columns.to_list():
            report, quantity = map(str, column)
            row: dict[str, Any] = {"night": night.name, "report": report, "quantity": quantity}
            row |= {"unit": unit_at_end(quantity), "paired": paired}
            rows.append(row | _shift_of(base, other, (report, quantity), paired=paired))
    return pd.DataFrame(rows, columns=[*_WHICH, *_TOLD])


def creeping(
    drift: pd.DataFrame, material: float | Mapping[str, float] = 0.1, sure: float = _SURE
) -> pd.DataFrame:
    """Return the quantities whose last night is a material shift away from the baseline.

    Parameters
    ----------
    drift : DataFrame
        As `drift_over` returns it.
    material : float or mapping of str to float
        From how many of the baseline's sigma on a shift is material; or by quantity, 0.1 for those
        that are not named.
    sure : float
        By how many standard errors a shift of different draws must exceed zero, to be no chance.

    Returns
    -------
    pandas.DataFrame
        The rows of the last night that are material, with ``figure``: which one is, ``mean``,
        ``p5``, ``p50``, ``p95`` or ``sigma``, the farthest of these; ``away``: its shift, in the
        baseline's sigma; ``since``: the first of the nights from which on it was material each
        night; and ``per_night``: the median change of the shift from one night to the next, in
        sigma. Of different draws the mean alone is judged.
    """
    import pandas as pd

    limits = material if isinstance(material, Mapping) else {}
    usual = 0.1 if isinstance(material, Mapping) else float(material)
    found = []
    for (_, quantity), rows in drift.groupby(["report", "quantity"], sort=False):
        limit = limits.get(str(quantity), usual)
        away = [
            told
            for figure, shifts in _figures_of(rows).items()
            if (told := _away(figure, shifts, rows, limit, sure)) is not None
        ]
        if away:
            # Up to rounding, with which a shift of all runs alike would be told of a percentile.
            farthest = max(away, key=lambda told: float(f"{abs(told['away']):.9g}"))
            found.append(rows.iloc[[-1]].assign(**farthest))
    if not found:
        return drift.iloc[:0].assign(figure=[], away=[], since=[], per_night=[])
    return pd.concat(found, ignore_index=True)


def _figures_of(rows: pd.DataFrame) -> dict[str, pd.Series[float]]:
    """Return the shifts of each figure, in the baseline's sigma; only the mean's of draws."""
    paired = rows["paired"].astype(bool)
    others = {name: rows[f"{name}_sigma"] for name in ("p5", "p50", "p95")}
    others["sigma"] = rows["spread"] - 1
    return {"mean": rows["shift_sigma"]} | {
        name: shifts.where(paired) for name, shifts in others.items()
    }


def _away(
    figure: str, shifts: pd.Series[float], rows: pd.DataFrame, limit: float, sure: float
) -> dict[str, Any] | None:
    """Return what is told of a figure that is away from the baseline's in the last night."""
    import numpy as np

    size = shifts.abs()
    is_far = (size > limit) & ~(size <= sure * rows["error_sigma"])
    if not len(rows) or not is_far.iloc[-1]:
        return None
    near = np.flatnonzero(~is_far.to_numpy())
    steps = np.diff(shifts.to_numpy(dtype=float))
    steps = steps[np.isfinite(steps)]
    return {
        "figure": figure,
        "away": float(shifts.iloc[-1]),
        "since": rows["night"].iloc[int(near[-1]) + 1 if len(near) else 0],
        "per_night": float(np.median(steps)) if len(steps) else float("nan"),
    }


def _cohort(night: Path) -> Path:
    """Return the sweep of a night that is compared: the frozen one, where it has two."""
    found = sweeps_of(night)
    return found[0] if found else night


def _shift_of(
    base: NightEnds, other: NightEnds, column: tuple[str, str], *, paired: bool
) -> dict[str, float | int]:
    import numpy as np

    unit = unit_at_end(column[1])
    before, after = _values(base, other, column, paired=paired)
    if not len(before) or not len(after):
        return {"runs": 0} | {name: np.nan for name in _TOLD if name not in {"runs", "paired"}}
    if wraps(column[1], before, after):
        centre = circular_mean(before)
        before = unwrapped(before, centre)
        after = before + shift(after, before) if paired else unwrapped(after, centre)
    then, now = figures(before), figures(after)
    sigma = float("nan") if then.sigma is None else then.sigma
    sigma_now = float("nan") if now.sigma is None else now.sigma
    by = {name: getattr(now, name) - getattr(then, name) for name in ("mean", "p5", "p50", "p95")}
    if paired:
        by["mean"] = float(np.mean(after - before))
    floor = FLOORS.get(unit, 0.0)
    by = {name: 0.0 if abs(size) <= floor else float(size) for name, size in by.items()}
    error = 0.0
    if not paired:
        error = float("nan")
        if all(are_independent(night.design) for night in (base, other)):
            error = float(np.sqrt(sigma**2 / len(before) + sigma_now**2 / len(after)))
    return {
        "runs": len(after),
        "shift": by["mean"],
        "sigma": sigma,
        "shift_sigma": _in_sigma(by["mean"], sigma),
        **{f"{name}_sigma": _in_sigma(by[name], sigma) for name in ("p5", "p50", "p95")},
        "spread": _spread(sigma_now, sigma, floor),
        "error_sigma": error if paired else _in_sigma(error, sigma),
    }


def _values(
    base: NightEnds, other: NightEnds, column: tuple[str, str], *, paired: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the values that are compared; of paired runs those of the same runs in one order."""
    import numpy as np

    frames = [base.last_values, other.last_values]
    goals = [base.goals, other.goals]
    if paired:
        both = frames[0].index.intersection(frames[1].index)
        frames, goals = ([each.loc[both] for each in them] for them in (frames, goals))
    found = [column_of(frame, column) for frame in frames]
    settled = [column_of(frame, column) for frame in goals]
    met = [np.isfinite(each) for each in settled]
    told = [np.isfinite(each) for each in found]
    if paired:
        met = [met[0] & met[1]] * 2
        told = [told[0] & told[1]] * 2
    before, after = (
        np.where(is_met, goal, values)[is_told]
        for is_met, goal, values, is_told in zip(met, settled, found, told, strict=True)
    )
    return before, after


def _in_sigma(value: float, sigma: float) -> float:
    if value == 0:
        return 0.0
    return value / sigma if sigma != 0 else float("inf") if value > 0 else float("-inf")


def _spread(now: float, then: float, floor: float) -> float:
    if abs(now - then) <= floor:
        return 1.0
    return now / then if then > 0 else float("nan")
