"""From the rows of runs to one number per run, many runs at a time.

Rows stand in the order in which GMAT wrote them, which is not that of time where a mission
propagates backwards. Between two rows a quantity is taken to be linear. An angle that goes around
takes the short way. At a jump (two rows of the same epoch, as before and after a burn) there is
nothing between the rows: the later row is the value from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gmat_sweep.verdicts.conditions import Condition

__all__ = [
    "NEVER",
    "Rows",
    "at_event",
    "at_time",
    "duration",
    "extremes",
    "final",
    "first",
    "largest_step",
    "spread",
    "time_of",
]

NEVER = float("inf")
"""What the time of an event is in a run in which it does not happen."""

_AT_A_ROW_S = 1e-6
_HALF_TURN = 180.0
_TURN = 360.0


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of several runs on top of each other, those of a run as they were written.

    Attributes
    ----------
    counts : ndarray of int64
        Rows of each run.
    time : ndarray of float64
        Seconds after the run's first epoch; negative before it. NaN in a row without an epoch.
    value : ndarray of float64
        The quantity.
    tested : ndarray of float64
        The quantity of a condition.
    value_turns, tested_turns : bool
        Whether each is an angle that GMAT writes anew from 0 or -180 after a turn, in degrees.
    """

    counts: NDArray[np.int64]
    time: NDArray[np.float64]
    value: NDArray[np.float64]
    tested: NDArray[np.float64]
    value_turns: bool = False
    tested_turns: bool = False

    @property
    def ends(self) -> NDArray[np.int64]:
        """The position after the last row of each run."""
        import numpy as np

        return np.cumsum(self.counts)

    @property
    def starts(self) -> NDArray[np.int64]:
        """The position of the first row of each run; that of the next run if it has none."""
        return self.ends - self.counts

    @property
    def runs(self) -> NDArray[np.int64]:
        """The run of each row, as a position in `counts`."""
        import numpy as np

        return np.repeat(np.arange(len(self.counts)), self.counts)

    def where(self, kept: NDArray[np.bool_]) -> Rows:
        """Return the rows that are kept."""
        import numpy as np

        before = np.concatenate(([0], np.cumsum(kept)))
        return Rows(
            counts=before[self.ends] - before[self.starts],
            time=self.time[kept],
            value=self.value[kept],
            tested=self.tested[kept],
            value_turns=self.value_turns,
            tested_turns=self.tested_turns,
        )

    def followed(self) -> NDArray[np.int64]:
        """Return the positions of the rows that have another row of their run after them."""
        import numpy as np

        runs = self.runs
        return np.flatnonzero(runs[:-1] == runs[1:])


def final(rows: Rows) -> NDArray[np.float64]:
    """Return the value in the last row of each run, NaN if it has no row."""
    import numpy as np

    found = np.full(len(rows.counts), np.nan)
    has = rows.counts > 0
    found[has] = rows.value[rows.ends[has] - 1]
    return found


def first(rows: Rows) -> NDArray[np.float64]:
    """Return the value in the first row of each run, NaN if it has no row."""
    import numpy as np

    found = np.full(len(rows.counts), np.nan)
    has = rows.counts > 0
    found[has] = rows.value[rows.starts[has]]
    return found


def extremes(rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the greatest value of each run; NaN rows are left out."""
    import numpy as np

    kept = rows.where(~np.isnan(rows.value))
    least, greatest = (np.full(len(rows.counts), np.nan) for _ in range(2))
    has = kept.counts > 0
    if has.any():
        starts = kept.starts[has]
        least[has] = np.minimum.reduceat(kept.value, starts)
        greatest[has] = np.maximum.reduceat(kept.value, starts)
    return least, greatest


def spread(rows: Rows) -> NDArray[np.float64]:
    """Return how far the value ranges in each run; that of an angle counts on over a turn."""
    import numpy as np

    kept = rows.where(~np.isnan(rows.value))
    if kept.value_turns:
        turns = np.zeros(len(kept.value), dtype=np.int64)
        left = kept.followed()
        steps = kept.value[left + 1] - kept.value[left]
        turns[left + 1] = np.where(np.abs(steps) > _HALF_TURN, -np.sign(steps), 0)
        turns = np.cumsum(turns)
        has = kept.counts > 0
        # From the first row of each run on, so that no run's angles are rounded for another's.
        turns -= np.repeat(turns[kept.starts[has]], kept.counts[has])
        kept = replace(kept, value=kept.value + _TURN * turns)
    least, greatest = extremes(kept)
    with np.errstate(invalid="ignore"):
        return greatest - least


def largest_step(rows: Rows) -> tuple[float, int]:
    """Return the most seconds between two rows of a run that have epochs, and that run.

    The run is a position in `Rows.counts`; without two such rows it is -1 and the step NaN.
    """
    import numpy as np

    kept = rows.where(~np.isnan(rows.time))
    left = kept.followed()
    if not len(left):
        return float("nan"), -1
    steps = np.abs(kept.time[left + 1] - kept.time[left])
    most = int(np.argmax(steps))
    return float(steps[most]), int(kept.runs[left[most]])


def at_time(rows: Rows, moments: NDArray[np.float64], *, at_a_row: bool) -> NDArray[np.float64]:
    """Return the value of each run at its moment.

    Rows without an epoch or a value are left out. A mission that comes by a moment several times
    has the value of the first; of rows with the same epoch, that of the last.

    Parameters
    ----------
    rows : Rows
        The rows.
    moments : ndarray of float64
        Seconds after the first epoch of each run.
    at_a_row : bool
        Whether a row within a microsecond is demanded.

    Returns
    -------
    ndarray of float64
        NaN for a run whose rows do not reach the moment.
    """
    import numpy as np

    kept = rows.where(~(np.isnan(rows.time) | np.isnan(rows.value)))
    found = np.full(len(rows.counts), np.nan)
    off = np.abs(kept.time - moments[kept.runs])
    last_of_epoch = _last_of_epoch(kept)
    near, near_runs = _first_of_each_run(np.flatnonzero(off <= _AT_A_ROW_S), kept.runs)
    found[near_runs] = kept.value[last_of_epoch[near]]
    if at_a_row:
        return found
    # A row that is exactly there comes before one that is only next to it.
    there, there_runs = _first_of_each_run(np.flatnonzero(off == 0), kept.runs)
    reached = np.full(len(rows.counts), len(kept.time))
    reached[there_runs] = there
    left = kept.followed()
    ahead = moments[kept.runs[left]]
    before, after = kept.time[left], kept.time[left + 1]
    inside = ((before < ahead) & (ahead < after)) | ((after < ahead) & (ahead < before))
    crossed, crossed_runs = _first_of_each_run(left[inside], kept.runs)
    found[there_runs] = kept.value[last_of_epoch[there]]
    earlier = crossed < reached[crossed_runs]
    crossed, crossed_runs = crossed[earlier], crossed_runs[earlier]
    share = (moments[crossed_runs] - kept.time[crossed]) / (
        kept.time[crossed + 1] - kept.time[crossed]
    )
    found[crossed_runs] = _between(
        kept.value[crossed], kept.value[crossed + 1], share, turns=kept.value_turns
    )
    return found


def time_of(rows: Rows, condition: Condition, *, last: bool = False) -> NDArray[np.float64]:
    """Return the seconds after which a condition holds for the first time in each run.

    With `last`, those of the last change from not holding to holding. A condition that holds in
    the first row begins to hold there. `NEVER` for a run in which it does not hold; NaN for a run
    without a row.
    """
    import numpy as np

    kept = _tested(rows)
    begins, share = _beginnings(kept, condition)
    if last:
        flipped, runs = _first_of_each_run(begins[::-1], kept.runs)
        chosen, share = flipped, share[::-1][_places(begins[::-1], flipped)]
    else:
        chosen, runs = _first_of_each_run(begins, kept.runs)
        share = share[_places(begins, chosen)]
    found = np.where(kept.counts > 0, NEVER, np.nan)
    before = np.maximum(chosen - 1, 0)
    found[runs] = np.where(
        share >= 1,
        kept.time[chosen],
        kept.time[before] + share * (kept.time[chosen] - kept.time[before]),
    )
    return found


def at_event(rows: Rows, condition: Condition) -> NDArray[np.float64]:
    """Return the value of each run when a condition holds for the first time.

    `NEVER` for a run in which it does not hold; NaN where there is no value then.
    """
    import numpy as np

    kept = _tested(rows)
    begins, shares = _beginnings(kept, condition)
    chosen, runs = _first_of_each_run(begins, kept.runs)
    share = shares[_places(begins, chosen)]
    before = np.maximum(chosen - 1, 0)
    # Nothing lies between two rows of one epoch, whatever the condition's quantity does there.
    share = np.where(kept.time[before] == kept.time[chosen], 1.0, share)
    found = np.where(kept.counts > 0, NEVER, np.nan)
    value = np.where(
        share >= 1,
        kept.value[chosen],
        _between(kept.value[before], kept.value[chosen], share, turns=kept.value_turns),
    )
    found[runs] = np.where(np.isfinite(value), value, np.nan)
    return found


def duration(rows: Rows, condition: Condition) -> NDArray[np.float64]:
    """Return for how many seconds a condition holds in each run; NaN for a run without a row.

    Seconds count however time runs: those of a mission that propagates backwards are positive.
    """
    import numpy as np

    kept = _tested(rows)
    holds = condition.holds(kept.tested)
    left = kept.followed()
    held, holds_after = holds[left], holds[left + 1]
    share = np.where(held & holds_after, 1.0, 0.0)
    changes = held != holds_after
    crossing = _crossing(kept.tested[left[changes]], kept.tested[left[changes] + 1], condition)
    share[changes] = np.where(held[changes], crossing, 1 - crossing)
    seconds = np.abs(kept.time[left + 1] - kept.time[left]) * share
    total = np.bincount(kept.runs[left], weights=seconds, minlength=len(rows.counts))
    result: NDArray[np.float64] = np.where(kept.counts > 0, total, np.nan)
    return result


def _tested(rows: Rows) -> Rows:
    """Return the rows in which a condition can be tested, with a row at each turn of an angle."""
    import numpy as np

    kept = rows.where(~(np.isnan(rows.time) | np.isnan(rows.tested)))
    return _with_turns(kept) if kept.tested_turns else kept


def _with_turns(rows: Rows) -> Rows:
    """Return `rows` with two more, of one epoch, wherever the tested angle begins a new turn."""
    import numpy as np

    left = rows.followed()
    before, after = rows.tested[left], rows.tested[left + 1]
    turning = np.abs(after - before) > _HALF_TURN
    left, before, after = left[turning], before[turning], after[turning]
    if not len(left):
        return rows
    # GMAT writes angles from 0 to 360, or from -180 to 180.
    top = np.where(np.minimum(before, after) < 0, _HALF_TURN, _TURN)
    leaves = np.where(before > after, top, top - _TURN)
    enters = np.where(before > after, top - _TURN, top)
    ahead, behind = np.abs(leaves - before), np.abs(after - enters)
    share = ahead / np.maximum(ahead + behind, np.finfo(np.float64).tiny)
    time = rows.time[left] + share * (rows.time[left + 1] - rows.time[left])
    value = _between(rows.value[left], rows.value[left + 1], share, turns=rows.value_turns)
    places = np.repeat(left + 1, 2)

    def pairs(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([one, other], axis=1).ravel()

    return Rows(
        counts=rows.counts
        + 2 * np.bincount(rows.runs[left], minlength=len(rows.counts)).astype(np.int64),
        time=np.insert(rows.time, places, pairs(time, time)),
        value=np.insert(rows.value, places, pairs(value, value)),
        tested=np.insert(rows.tested, places, pairs(leaves, enters)),
        value_turns=rows.value_turns,
    )


def _beginnings(rows: Rows, condition: Condition) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows at which a condition has begun to hold, and the share of the step to there.

    The share is 1 where it holds from a row on, as from the first one of a run.
    """
    import numpy as np

    holds = condition.holds(rows.tested)
    runs = rows.runs
    begins = holds.copy()
    begins[1:] &= ~holds[:-1] | (runs[1:] != runs[:-1])
    places = np.flatnonzero(begins)
    share = np.ones(len(places))
    inner = (places > 0) & (runs[places] == runs[places - 1])
    share[inner] = _crossing(rows.tested[places[inner] - 1], rows.tested[places[inner]], condition)
    return places, share


def _crossing(
    before: NDArray[np.float64], after: NDArray[np.float64], condition: Condition
) -> NDArray[np.float64]:
    """Return the share of the way between two values at which the bound lies, from 0 to 1."""
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share = (condition.bound - before) / (after - before)
    return np.clip(np.where(np.isnan(share), 1.0, share), 0.0, 1.0)


def _between(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    share: NDArray[np.float64],
    *,
    turns: bool,
) -> NDArray[np.float64]:
    import numpy as np

    with np.errstate(invalid="ignore", over="ignore"):
        change = after - before
        if not turns:
            return before + share * change
    low = np.where(np.minimum(before, after) < 0, -_HALF_TURN, 0.0)
    short = change - _TURN * np.sign(change) * (np.abs(change) > _HALF_TURN)
    angle = before + share * short
    angle = np.where(angle < low, angle + _TURN, angle)
    return np.where(angle >= low + _TURN, angle - _TURN, angle)


def _last_of_epoch(rows: Rows) -> NDArray[np.int64]:
    """Return for each row the last one of those next to it with the same run and epoch."""
    import numpy as np

    runs = rows.runs
    changes = np.ones(len(runs), dtype=np.bool_)
    changes[:-1] = (runs[1:] != runs[:-1]) | (rows.time[1:] != rows.time[:-1])
    lasts = np.flatnonzero(changes)
    return lasts[np.searchsorted(lasts, np.arange(len(runs)))]


def _first_of_each_run(
    places: NDArray[np.int64], runs: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first of `places` in each run that has one, and these runs; runs are together."""
    import numpy as np

    of = runs[places]
    leads = np.ones(len(of), dtype=np.bool_)
    leads[1:] = of[1:] != of[:-1]
    return places[leads], of[leads]


def _places(among: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of `chosen` is in `among`, both in the same order."""
    import numpy as np

    return np.flatnonzero(np.isin(among, chosen))
