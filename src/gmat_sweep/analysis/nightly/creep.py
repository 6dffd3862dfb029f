"""Creep: how far each quantity of each night is from the baseline's.

A shift of a fiftieth of sigma a night is nothing against last night. Against the baseline it adds
up, and is said once it is material.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.angles import circular_mean, shift, unwrapped, wraps
from gmat_sweep.analysis.final_values import final_values
from gmat_sweep.analysis.nightly.cohorts import sweeps_of
from gmat_sweep.analysis.nightly.rules import FLOORS
from gmat_sweep.analysis.recorded import RecordedSweep
from gmat_sweep.analysis.units import unit_of
from gmat_sweep.plans.independence import are_independent, design_name

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["creeping", "drift_over"]

_SURE = 4.0


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
        baseline's), ``shift_sigma`` and ``spread`` (sigma of the night, divided by the
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
    on the circle. A value is that of the last row written.
    """
    import pandas as pd

    base = _Ends(_cohort(Path(baseline)))
    rows: list[dict[str, Any]] = []
    for night in map(Path, nights):
        other = _Ends(_cohort(night))
        common = sorted(base.overrides.keys() & other.overrides.keys())
        paired = bool(common) and all(
            _same(base.overrides[run_id], other.overrides[run_id]) for run_id in common
        )
        for column in base.frame.columns.to_list():
            report, quantity = map(str, column)
            row: dict[str, Any] = {"night": night.name, "report": report, "quantity": quantity}
            row |= {"unit": unit_of(quantity), "paired": paired}
            rows.append(row | _shift_of(base, other, (report, quantity), paired=paired))
    columns = ["night", "report", "quantity", "unit", "runs", "paired", "shift", "sigma"]
    columns += ["shift_sigma", "spread", "error_sigma"]
    return pd.DataFrame(rows, columns=columns)


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
        The rows of the last night that are material, with ``since``: the first of the nights from
        which on the shift was material each night, and ``per_night``: the median change of the
        shift from one night to the next, in sigma.
    """
    import numpy as np

    limits = material if isinstance(material, Mapping) else {}
    usual = 0.1 if isinstance(material, Mapping) else float(material)
    found = []
    for (_, quantity), rows in drift.groupby(["report", "quantity"], sort=False):
        size = rows["shift_sigma"].abs()
        is_far = (size > limits.get(str(quantity), usual)) & ~(size <= sure * rows["error_sigma"])
        if not len(rows) or not is_far.iloc[-1]:
            continue
        near = np.flatnonzero(~is_far.to_numpy())
        first = int(near[-1]) + 1 if len(near) else 0
        steps = np.diff(rows["shift_sigma"].to_numpy(dtype=float))
        told = steps[np.isfinite(steps)]
        last = rows.iloc[[-1]].assign(
            since=rows["night"].iloc[first],
            per_night=float(np.median(told)) if len(told) else float("nan"),
        )
        found.append(last)
    import pandas as pd

    if not found:
        return drift.iloc[:0].assign(since=[], per_night=[])
    return pd.concat(found, ignore_index=True)


class _Ends:
    """The last values of a sweep, and what each run was given."""

    def __init__(self, folder: Path) -> None:
        recorded = RecordedSweep.of(folder)
        self.frame = final_values(recorded.manifest)
        self.overrides = {
            entry.run_id: entry.overrides
            for entry in recorded.entries
            if entry.status in {"ok", "failed"}
        }
        self.independent = are_independent(design_name(recorded.manifest.parameter_spec))


def _cohort(night: Path) -> Path:
    """Return the sweep of a night that is compared: the frozen one, where it has two."""
    found = sweeps_of(night)
    return found[0] if found else night


def _same(now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    # NaN is the same override as NaN, although it does not equal itself.
    return now == before or repr(sorted(now.items())) == repr(sorted(before.items()))


def _shift_of(
    base: _Ends, other: _Ends, column: tuple[str, str], *, paired: bool
) -> dict[str, float | int]:
    import numpy as np

    nothing = {"runs": 0, "shift": np.nan, "sigma": np.nan, "shift_sigma": np.nan}
    nothing |= {"spread": np.nan, "error_sigma": np.nan}
    if column not in other.frame.columns:
        return nothing
    old, new = base.frame[column], other.frame[column]
    old, new = old[np.isfinite(old)], new[np.isfinite(new)]
    if paired:
        both = old.index.intersection(new.index)
        old, new = old.loc[both], new.loc[both]
    before, after = old.to_numpy(dtype=float), new.to_numpy(dtype=float)
    if not len(before) or not len(after):
        return nothing
    if wraps(column[1], before, after):
        centre = circular_mean(before)
        before = unwrapped(before, centre)
        after = before + shift(after, before) if paired else unwrapped(after, centre)
    moved = float(np.mean(after - before)) if paired else float(after.mean() - before.mean())
    if abs(moved) <= FLOORS.get(unit_of(column[1]), 0.0):
        moved = 0.0
    sigma, now = _sigma(before), _sigma(after)
    error = 0.0
    if not paired:
        error = float("nan")
        if base.independent and other.independent:
            error = float(np.sqrt(sigma**2 / len(before) + now**2 / len(after)))
    return {
        "runs": len(after),
        "shift": moved,
        "sigma": sigma,
        "shift_sigma": _in_sigma(moved, sigma),
        "spread": now / sigma if sigma > 0 else float("nan"),
        "error_sigma": error if paired else _in_sigma(error, sigma),
    }


def _sigma(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _in_sigma(value: float, sigma: float) -> float:
    if value == 0:
        return 0.0
    return value / sigma if sigma != 0 else float("inf") if value > 0 else float("-inf")
