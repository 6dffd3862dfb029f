"""The pictures of one quantity, and of where runs fail."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gmat_sweep.analysis.angles import circular_mean, unwrapped, wraps
from gmat_sweep.analysis.percentiles import tells
from gmat_sweep.analysis.pictures.svg import BLUE, GREY, INK, ORANGE, RED, Panel
from gmat_sweep.analysis.units import unit_of
from gmat_sweep.plans.independence import are_independent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gmat_sweep.analysis.pictures.quantities import Quantity
    from gmat_sweep.analysis.pictures.sample import Curve

__all__ = [
    "LEVELS",
    "convergence",
    "distribution",
    "failures",
    "scatter",
    "strongest_fields",
    "trajectories",
]

LEVELS = (0.05, 0.5, 0.95)
"""The percentiles that are drawn, where there are enough runs for them."""

_MOST_BINS = 40
_POINTS_OF_A_CURVE = 120
_MOST_DOTS = 500
# Two runs settle nothing, and their interval would be all that is seen.
_FIRST_SHOWN = 5
# From which length on time is told in which unit.
_UNITS = (
    (2 * 86400.0, 86400.0, "days"),
    (2 * 3600.0, 3600.0, "h"),
    (600.0, 60.0, "min"),
    (0.0, 1.0, "s"),
)


def distribution(each: Quantity, design: str) -> Panel:
    """Return histogram and empirical distribution, with limits, percentiles and the nominal run."""
    import numpy as np

    told = np.sort(each.values[np.isfinite(each.values)])
    marks = [*told[[0, -1]], *(end for end in (*each.limits, each.nominal) if math.isfinite(end))]
    low, high = float(told[0]), float(told[-1])
    # A limit far away would leave nothing to see of the runs.
    room = 1.5 * (high - low) or abs(high) * 1e-6 or 1.0
    near = [float(mark) for mark in marks if low - room <= mark <= high + room]
    margin = 0.04 * (max(near) - min(near)) or room
    counts, edges = np.histogram(told, _bins(told)) if low < high else ([len(told)], [low, high])
    most = max(counts)
    panel = Panel(
        f"Distribution of {len(told)} runs",
        (min(near) - margin, max(near) + margin),
        (0.0, 1.05 * float(most)),
        x_label=_labelled(each),
        y_label="runs",
        counts=True,
    )
    if low < high:
        panel.bars([float(edge) for edge in edges], [float(count) for count in counts], BLUE)
    else:
        panel.upright(low, BLUE)
    steps = np.unique(np.linspace(0, len(told) - 1, min(len(told), 150)).astype(np.int64))
    curve = [(float(told[0]), 0.0)]
    for step in steps:
        # It is constant up to the next run.
        curve.append((float(told[step]), curve[-1][1]))
        curve.append((float(told[step]), float(most) * (step + 1) / len(told)))
    panel.line(curve, INK, width=1.2)
    panel.explain("—", INK, "cumulative")
    if design != "grid":
        levels = [level for level in LEVELS if tells(len(told), level, design)]
        for level in levels:
            panel.upright(float(np.quantile(told, level)), ORANGE, "2 3")
        if levels:
            panel.explain("┊", ORANGE, ", ".join(f"{100 * level:g}" for level in levels) + " %")
    if any(math.isfinite(end) for end in each.limits):
        for end in each.limits:
            panel.upright(end, RED, "6 3")
        beyond = [math.isfinite(end) and end not in near for end in each.limits]
        panel.explain("╎", RED, "limit outside the picture" if any(beyond) else "limit")
    if math.isfinite(each.nominal):
        panel.upright(each.nominal, INK, "6 3")
        panel.explain("╎", INK, "nominal")
    return panel


def _bins(values: NDArray[np.float64]) -> int:
    """Return how many bins a histogram has: Freedman and Diaconis, within reason."""
    import numpy as np

    quarter, three = np.quantile(values, (0.25, 0.75))
    width = 2.0 * float(three - quarter) / len(values) ** (1 / 3)
    wanted = math.ceil(float(np.ptp(values)) / width) if width > 0 else 1
    return int(min(_MOST_BINS, max(5, wanted)))


def convergence(each: Quantity, design: str) -> Panel | None:
    """Return how the mean settles, with its 95 % interval; None of a grid, or of too few runs.

    Notes
    -----
    The interval is Student's, of independent draws alone.
    """
    import numpy as np

    told = each.values[np.isfinite(each.values)]
    if design == "grid" or len(told) <= _FIRST_SHOWN:
        return None
    means, half = running_mean(told)
    n = np.arange(1, len(told) + 1)
    last = len(told) - 1
    shown = np.unique(np.geomspace(_FIRST_SHOWN, len(told), _POINTS_OF_A_CURVE).astype(int) - 1)
    independent = are_independent(design)
    spread = half[shown] if independent else np.zeros(len(shown))
    low = float((means[shown] - spread).min())
    high = float((means[shown] + spread).max())
    margin = 0.05 * (high - low)
    panel = Panel(
        "How the mean settles",
        (float(_FIRST_SHOWN), float(len(told))),
        (low - margin, high + margin),
        x_label="runs, by their number",
        y_label=each.unit,
    )
    line = [(float(n[at]), float(means[at])) for at in shown]
    if independent:
        panel.area(
            [(x, y - float(half[at])) for (x, y), at in zip(line, shown, strict=True)],
            [(x, y + float(half[at])) for (x, y), at in zip(line, shown, strict=True)],
        )
    panel.line(line, ORANGE)
    panel.level(float(means[last]), GREY, "3 3")
    panel.explain("—", ORANGE, "mean")
    if independent:
        panel.explain("■", ORANGE, "its 95 % interval")
    return panel


def running_mean(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of the first 1, 2, ... values, and half its 95 % interval, Student's.

    The interval of one value is NaN.
    """
    import numpy as np
    from scipy.special import stdtrit

    # About one of the values: the squares of large numbers with a small spread would be rounding.
    centre = float(np.median(values))
    rest = values - centre
    n = np.arange(1, len(values) + 1)
    means = np.cumsum(rest) / n
    squares = np.maximum(0.0, np.cumsum(rest**2) - n * means**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = stdtrit(n - 1, 0.975) * np.sqrt(squares / (n - 1) / n)
    return means + centre, np.asarray(half, dtype=np.float64)


def scatter(
    each: Quantity,
    name: str,
    correlation: float,
    given: NDArray[np.float64],
    failed: NDArray[np.float64],
) -> Panel:
    """Return the quantity over the input it hangs on most, and where runs failed.

    Parameters
    ----------
    each : Quantity
        The quantity.
    name : str
        The input.
    correlation : float
        Their rank correlation.
    given : ndarray of float64
        The input, of the same runs.
    failed : ndarray of float64
        The input of runs that failed.
    """
    import numpy as np

    told = np.flatnonzero(np.isfinite(each.values) & np.isfinite(given))[:_MOST_DOTS]
    x, y = given[told], each.values[told]
    beside = failed[np.isfinite(failed)][:_MOST_DOTS]
    ends = _with_room(np.concatenate([x, beside]))
    bottom, top = _with_room(y)
    panel = Panel(
        f"Over {name}: rank correlation {correlation:+.2f}",
        ends,
        (bottom, top),
        x_label=_with_unit(name),
        y_label=each.unit,
    )
    violates = (y < each.limits[0]) | (y > each.limits[1])
    if each.requirement is not None:
        violates = np.array([not each.requirement.holds(float(value)) for value in y])
    for end in each.limits:
        if bottom <= end <= top:
            panel.level(end, RED, "6 3")
    panel.dots(_pairs(x[~violates], y[~violates]), BLUE)
    if violates.any():
        panel.dots(_pairs(x[violates], y[violates]), RED)
        panel.explain("●", RED, "violates")
    if len(beside):
        # At the bottom: a run that failed has no value.
        panel.dots([(float(at), bottom + 0.02 * (top - bottom)) for at in beside], INK, 4.0)
        panel.explain("●", INK, "failed (no value)")
    return panel


def trajectories(each: Quantity, curves: Sequence[Curve], nominal: Curve | None) -> Panel | None:
    """Return the quantity over time in some runs, the nominal run on top; None without any."""
    import numpy as np

    assert each.column is not None
    name = each.column[1]
    drawn = [(curve, curve.columns[name]) for curve in curves if name in curve.columns]
    told = [values[np.isfinite(values)] for _, (_, values) in drawn]
    listed = np.concatenate(told) if told else np.array([])
    if not len(listed):
        return None
    turns = wraps(name, listed)
    centre = circular_mean(listed) if turns else math.nan

    def turned(values: NDArray[np.float64]) -> NDArray[np.float64]:
        if not (turns and math.isfinite(centre)):
            return values
        kept = values.copy()
        known = np.isfinite(kept)
        kept[known] = unwrapped(kept[known], centre)
        # A jump by a turn is no motion: the line has a gap there.
        kept[1:][np.abs(np.diff(kept)) > 180.0] = np.nan
        return kept

    last = max(curve.seconds for curve, _ in drawn)
    scale, unit = next((scale, unit) for least, scale, unit in _UNITS if last >= least)
    panel = Panel(
        f"Over time in {len(drawn)} runs",
        (0.0, last / scale),
        _with_room(np.concatenate([turned(values) for _, (_, values) in drawn])),
        x_label=f"time after the first row, {unit}",
        y_label=each.unit,
    )
    for _, (seconds, values) in drawn:
        panel.line(_pairs(seconds / scale, turned(values)), BLUE, width=0.9, opacity=0.55)
    for end in each.limits:
        panel.level(end, RED, "6 3")
    if nominal is not None and name in nominal.columns:
        seconds, values = nominal.columns[name]
        panel.line(_pairs(seconds / scale, turned(values)), INK, width=2.0, dashes="6 3")
        panel.explain("╎", INK, "nominal")
    return panel


def failures(
    name: str, ok: NDArray[np.float64], failed: NDArray[np.float64], said: str = ""
) -> Panel:
    """Return how one input is spread over the runs that are ok, and over those that failed."""
    import numpy as np

    one, other = ok[np.isfinite(ok)], failed[np.isfinite(failed)]
    every = np.concatenate([one, other])
    ends = _with_room(every)
    edges = np.linspace(
        float(every.min()), float(every.max()), 1 + min(24, max(6, len(every) // 6))
    )
    shares = [np.histogram(values, edges)[0] / max(1, len(values)) for values in (one, other)]
    most = max(float(share.max()) for share in shares)
    panel = Panel(
        said or f"{name}: where runs fail",
        ends,
        (0.0, 1.05 * 100 * most),
        x_label=_with_unit(name),
        y_label="% of each",
    )
    drawn = ((shares[0], BLUE, f"{len(one)} ok"), (shares[1], RED, f"{len(other)} failed"))
    for share, colour, text in drawn:
        panel.bars([float(edge) for edge in edges], [100 * float(each) for each in share], colour)
        panel.explain("■", colour, text)
    return panel


def strongest_fields(
    ok: Mapping[str, NDArray[np.float64]], failed: Mapping[str, NDArray[np.float64]]
) -> list[str]:
    """Return the inputs in which failed runs differ most from others, the clearest first.

    Notes
    -----
    By how far the share of pairs in which the failed run has the higher value is from one half:
    the statistic of Mann and Whitney.
    """
    import numpy as np

    found = []
    for name, values in ok.items():
        one, other = np.sort(values[np.isfinite(values)]), failed[name][np.isfinite(failed[name])]
        if len(one) and len(other):
            below = np.searchsorted(one, other, "left") + np.searchsorted(one, other, "right")
            found.append((-abs(float(below.mean()) / (2 * len(one)) - 0.5), name))
    return [name for _, name in sorted(found)]


def _pairs(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[float, float]]:
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _with_room(values: NDArray[np.float64]) -> tuple[float, float]:
    import numpy as np

    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.04 * (high - low) or abs(high) * 1e-6 or 1.0
    return low - margin, high + margin


def _labelled(each: Quantity) -> str:
    return ", ".join(filter(None, (each.name, each.unit)))


def _with_unit(name: str) -> str:
    return ", ".join(filter(None, (name, unit_of(name))))
