"""The quantities that pictures of a sweep show, and the inputs each hangs on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.angles import circular_mean, unwrapped, wraps
from gmat_sweep.analysis.clustering import varied_values
from gmat_sweep.analysis.pictures.sample import REQUIRED, Column, SampledRun, columns_of
from gmat_sweep.analysis.units import unit_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gmat_sweep.analysis.pictures.wanted import Wanted
    from gmat_sweep.manifest.entry import ManifestEntry
    from gmat_sweep.verdicts.requirement import Requirement

__all__ = ["MOST_QUANTITIES", "Quantity", "inputs_of", "limits_of", "quantities_of", "strongest"]

MOST_QUANTITIES = 4
"""How many quantities are drawn."""

# Numbers beyond this belong to missions that failed to fail; their squares overflow.
_LARGEST = 1e150
_ROUNDING = 1e-12
_LEAST_FOR_RANKS = 5


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of each run.

    Attributes
    ----------
    name : str
        What it is called: the column, or what a requirement measures.
    unit : str
        Empty if it has none or it is not known.
    values : ndarray of float64
        One per run, NaN where a run has none; an angle in the turn about its mean.
    column : (str, str) or None
        Report and column, if the number is one of the values there, as the last one is.
    nominal : float
        That of the nominal run, NaN without one.
    limits : (float, float)
        What a requirement allows; infinite where it does not say.
    requirement : Requirement or None
        The requirement.
    """

    name: str
    unit: str
    values: NDArray[np.float64]
    column: Column | None = None
    nominal: float = math.nan
    limits: tuple[float, float] = (-math.inf, math.inf)
    requirement: Requirement | None = field(default=None, compare=False)


def limits_of(each: Requirement) -> tuple[float, float]:
    """Return the lowest and the highest number that a requirement allows."""
    if each.within is not None:
        return each.within
    if each.target is not None and each.tolerance is not None and each.wrap is None:
        return each.target - each.tolerance, each.target + each.tolerance
    if each.limit is None:
        return -math.inf, math.inf
    value = float(each.limit.lstrip("<>= "))
    return (-math.inf, value) if each.limit.startswith("<") else (value, math.inf)


def quantities_of(
    runs: Sequence[SampledRun],
    nominal: SampledRun | None,
    about: Wanted,
    most: int = MOST_QUANTITIES,
) -> list[Quantity]:
    """Return what is drawn of runs: required, then chosen quantities, then those that spread most.

    Parameters
    ----------
    runs : sequence of SampledRun
        Runs that are ok and were read.
    nominal : SampledRun or None
        The nominal run.
    about : Wanted
        What comes first.
    most : int
        How many are returned at most.
    """
    own = {} if nominal is None or nominal.values is None else _numbers(nominal)
    columns = columns_of(runs)
    found = _required(runs, columns, own, about.requirements)[:most]
    taken = {
        (each.requirement.report, each.requirement.column)
        for each in found
        if each.requirement is not None and each.requirement.reduce == "final"
    }
    ranked = []
    for number, ((report, name), values) in enumerate(columns.items()):
        if report == REQUIRED or (report, name) in taken or (None, name) in taken:
            continue
        each = _quantity(name, unit_of(name), values, own.get((report, name), math.nan))
        spread = _spread(each.values)
        is_chosen = name in about.names or f"{report}.{name}" in about.names
        if spread > _ROUNDING or (is_chosen and math.isfinite(spread)):
            ranked.append((not is_chosen, -spread, number, (report, name), each))
    several = len({report for report, _ in columns if report != REQUIRED}) > 1
    for *_, column, each in sorted(ranked, key=lambda item: item[:3])[: most - len(found)]:
        shown = f"{column[0]}: {each.name}" if several else each.name
        found.append(Quantity(shown, each.unit, each.values, column=column, nominal=each.nominal))
    return found


def _numbers(run: SampledRun) -> dict[Column, float]:
    return dict(zip(run.names, run.values or (), strict=True))


def _quantity(name: str, unit: str, values: NDArray[np.float64], nominal: float) -> Quantity:
    import numpy as np

    told, kept = _told(values), _kept(values)
    if wraps(name, kept[told]):
        centre = circular_mean(kept[told])
        if math.isfinite(centre):
            kept[told] = unwrapped(kept[told], centre)
            if math.isfinite(nominal):
                nominal = float(unwrapped(np.array([nominal]), centre)[0])
    return Quantity(name, unit, kept, nominal=nominal)


def _spread(values: NDArray[np.float64]) -> float:
    """Return the range of values beside their size, or minus infinity without two of them."""
    import numpy as np

    told = values[np.isfinite(values)]
    if len(told) < 2:
        return -math.inf
    size = float(np.abs(told).max())
    return float(np.ptp(told)) / size if size else 0.0


def _required(
    runs: Sequence[SampledRun],
    columns: Mapping[Column, NDArray[np.float64]],
    own: Mapping[Column, float],
    requirements: Sequence[Requirement],
) -> list[Quantity]:
    found = []
    for each in requirements:
        key = (REQUIRED, each.name)
        if key not in columns or not _told(columns[key]).any():
            continue
        column = None
        # The limits of these hold for the column itself, at the end or all the time.
        if each.reduce in ("final", "min", "max") and each.column and each.extra is None:
            column = _place_of(runs, each)
        found.append(
            Quantity(
                f"{each.name}: {each.quantity}",
                each.unit or unit_of(each.column or ""),
                _kept(columns[key]),
                column=column,
                nominal=own.get(key, math.nan),
                limits=limits_of(each),
                requirement=each,
            )
        )
    return found


def _told(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    import numpy as np

    told: NDArray[np.bool_] = np.isfinite(values) & (np.abs(values) < _LARGEST)
    return told


def _kept(values: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return np.where(_told(values), values, np.nan)


def _place_of(runs: Sequence[SampledRun], each: Requirement) -> Column | None:
    for report, name in runs[0].names:
        is_there = name == each.column and each.report in (None, report)
        # What is reported over time is in the column's own unit.
        if is_there and each.unit in (None, unit_of(name)):
            return report, name
    return None


def inputs_of(entries: Sequence[ManifestEntry]) -> dict[str, NDArray[np.float64]]:
    """Return the fields of numbers, and epochs in days, that vary over runs, by GMAT's name.

    Angles are in the turn about their mean.
    """
    import numpy as np

    _, fields = varied_values(entries)
    found = {}
    for name, values in fields.items():
        if values.dtype.kind == "f":
            found[name] = _quantity(name, "", values, math.nan).values
        elif values.dtype.kind == "M":
            moments = values.astype("datetime64[ms]")
            first = moments[~np.isnat(moments)].min()
            days = (moments - first) / np.timedelta64(86_400_000, "ms")
            found[f"{name}, days after {first}"] = days.astype(np.float64)
    return found


def strongest(
    values: NDArray[np.float64], inputs: Mapping[str, NDArray[np.float64]]
) -> list[tuple[str, float]]:
    """Return the inputs and their rank correlation to values, the strongest first.

    An input is left out that is equal in all runs with a value, or known in too few of them.

    Parameters
    ----------
    values : ndarray of float64
        A number per run.
    inputs : mapping of str to ndarray of float64
        The inputs of the same runs.

    Notes
    -----
    Spearman's coefficient: Pearson's of the ranks, equal values with the mean of their ranks.
    """
    import numpy as np

    found = []
    for name, given in inputs.items():
        told = np.isfinite(values) & np.isfinite(given)
        if told.sum() < _LEAST_FOR_RANKS:
            continue
        one, other = _ranks(values[told]), _ranks(given[told])
        if np.ptp(one) == 0 or np.ptp(other) == 0:
            continue
        found.append((name, float(np.corrcoef(one, other)[0, 1])))
    return sorted(found, key=lambda each: -abs(each[1]))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends: NDArray[Any] = np.cumsum(counts)
    ranks: NDArray[np.float64] = (ends - (counts - 1) / 2)[places]
    return ranks
