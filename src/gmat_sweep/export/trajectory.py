"""A trajectory: states at epochs, in pieces through each of which a smooth curve can be laid.

GMAT writes one row where an impulsive burn is: the state before it. A curve through the rows on
both sides would be wrong there by as much as the burn times the step, so a piece ends there, and
another begins.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gmat_sweep.export.curves import gains_ahead, left_out, velocities_ahead, velocity_at
from gmat_sweep.export.scales import to_tai

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from gmat_sweep.export.scales import Epochs, LeapSeconds, Scale
    from gmat_sweep.export.systems import System

__all__ = ["Trajectory", "in_order", "pieces_of"]

# Epochs as close as this are one: GMAT's modified Julian dates have a step of 0.3 microseconds.
_SAME_NS = 20_000
_KINK_KM = 1e-3
_KINK_TIMES = 20.0
_NEAR = 5.0
_AGREE = 0.4
_UNEVEN = 6.0


@dataclass(frozen=True, slots=True)
class Trajectory:
    """States of a Spacecraft in a run, by ascending epoch.

    Attributes
    ----------
    spacecraft : str
        Its name.
    system : System
        The coordinate system of the states.
    scale : {"A1", "TAI", "UTC", "TT", "TDB"}
        The time scale of the epochs.
    epochs : ndarray of datetime64[ns]
        The epochs.
    positions : ndarray, shape (n, 3)
        In km.
    velocities : ndarray, shape (n, 3), or None
        In km/s, if they are known.
    """

    spacecraft: str
    system: System
    scale: Scale
    epochs: Epochs
    positions: NDArray[np.float64]
    velocities: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.epochs)

    @property
    def seconds(self) -> NDArray[np.float64]:
        """Seconds from the first epoch."""
        return _seconds(self.epochs)

    def in_tai(self, leaps: Callable[[], LeapSeconds]) -> Trajectory:
        """Return it with its epochs in TAI, in which all seconds count; `leaps` as for `to_tai`."""
        return replace(self, epochs=to_tai(self.epochs, self.scale, leaps), scale="TAI")

    def rows(self, which: slice | NDArray[np.intp] | NDArray[np.bool_]) -> Trajectory:
        """Return some of its rows."""
        velocities = None if self.velocities is None else self.velocities[which]
        return replace(
            self,
            epochs=self.epochs[which],
            positions=self.positions[which],
            velocities=velocities,
        )


def in_order(trajectory: Trajectory) -> Trajectory:
    """Return a trajectory as it was in the end, by ascending epoch.

    Where GMAT's rows go back in time, the later rows count: a solver's last iteration replaces
    those before it, and what is propagated backwards takes the place of what was there. Rows with
    values missing are left out. Of rows with one epoch, all stay, in GMAT's order.
    """
    import numpy as np

    finite = np.isfinite(trajectory.positions).all(axis=1) & ~np.isnat(trajectory.epochs)
    if trajectory.velocities is not None:
        finite &= np.isfinite(trajectory.velocities).all(axis=1)
    rows = trajectory.rows(finite)
    ns = rows.epochs.astype("int64")
    steps = np.diff(ns)
    if (steps >= -_SAME_NS).all():
        return rows
    kept: list[int] = []
    for start, stop in _runs(steps):
        span = range(start, stop)
        low, high = min(ns[start], ns[stop - 1]), max(ns[start], ns[stop - 1])
        backwards = ns[stop - 1] < ns[start]
        first = low - _SAME_NS
        # Forwards again, everything later belongs to an iteration that is no more.
        kept = [each for each in kept if ns[each] < first or (backwards and ns[each] > high)]
        kept += reversed(span) if backwards else span
    return rows.rows(np.array(sorted(kept, key=lambda each: int(ns[each])), dtype=np.intp))


def _runs(steps: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield the runs of rows that go one way in time, as start and stop."""
    start = 0
    ahead = 0
    for at, step in enumerate(steps.tolist()):
        way = 0 if abs(step) <= _SAME_NS else 1 if step > 0 else -1
        if way and ahead and way != ahead:
            yield start, at + 1
            start, ahead = at + 1, 0
        elif way:
            ahead = way
    yield start, len(steps) + 1


def pieces_of(trajectory: Trajectory, *, joined: bool) -> list[Trajectory]:
    """Cut a trajectory where an epoch comes twice, its velocity jumps, or its step changes much.

    Parameters
    ----------
    trajectory : Trajectory
        By ascending epoch; not in UTC, which stands still in a leap second.
    joined : bool
        Whether the piece after a jump begins at its epoch, with the velocity that the rows after it
        have there by a polynomial; else it begins with the row after it, and holds GMAT's rows
        only.

    Notes
    -----
    A jump shows where the velocity of a row is not that of the polynomial through the states after
    it. One that rows a metre off would explain is not looked for, nor one that is hidden by how
    much the rows beside it are off. So a burn in the last three rows is not found.
    """
    import numpy as np

    steps = np.diff(trajectory.epochs.astype("int64"))
    found: list[Trajectory] = []
    bounds = [0, *(np.flatnonzero(steps <= _SAME_NS) + 1).tolist(), len(trajectory)]
    for start, stop in itertools.pairwise(bounds):
        piece = trajectory.rows(slice(start, stop))
        if found and _same_state(found[-1], piece):
            piece = piece.rows(slice(1, None))
            if not len(piece):
                continue
            found[-1:] = [_put_together(found[-1], piece)]
            continue
        found.append(piece)
    smooth = [each for piece in found if len(piece) for each in _smooth(piece, joined=joined)]
    return [even for piece in smooth for even in _evenly(piece)]


def _same_state(before: Trajectory, after: Trajectory) -> bool:
    """Whether a piece begins with the very state with which the one before it ends."""
    import numpy as np

    if not len(after) or not np.array_equal(before.positions[-1], after.positions[0]):
        return False
    if before.velocities is None or after.velocities is None:
        return True
    return bool(np.array_equal(before.velocities[-1], after.velocities[0]))


def _put_together(before: Trajectory, after: Trajectory) -> Trajectory:
    import numpy as np

    velocities = None
    if before.velocities is not None and after.velocities is not None:
        velocities = np.concatenate([before.velocities, after.velocities])
    return replace(
        before,
        epochs=np.concatenate([before.epochs, after.epochs]),
        positions=np.concatenate([before.positions, after.positions]),
        velocities=velocities,
    )


def _smooth(piece: Trajectory, *, joined: bool) -> list[Trajectory]:
    parts: list[Trajectory] = []
    start = 0
    for last in _jumps(piece):
        if start <= last < len(piece) - 1:
            parts.append(piece.rows(slice(start, last + 1)))
            start = last if piece.velocities is None else last + 1
    parts.append(piece.rows(slice(start, None)))
    if not joined or piece.velocities is None:
        return parts
    return [parts[0], *(_begun(before, each) for before, each in itertools.pairwise(parts))]


def _jumps(piece: Trajectory) -> list[int]:
    """Return the rows at which the velocity jumps, each with the state before its jump."""
    import numpy as np

    seconds = piece.seconds
    if piece.velocities is None:
        # Rows up to two from a jump are off their neighbours' curve: the middle one counts.
        off = left_out(seconds, piece.positions, None)
        return [int(group[0] + group[-1]) // 2 for group in _groups(off)]
    # The rows before a jump are off, too: the curve from there on goes across it. At its own row
    # fewer states tell the same velocity; where the steps are too long for the curve, they do not.
    ahead, near = (
        velocities_ahead(seconds, piece.positions, piece.velocities, count) - piece.velocities
        for count in (3, 2)
    )
    jumps = np.linalg.norm(ahead, axis=1)
    is_sure = np.linalg.norm(near - ahead, axis=1) < _AGREE * jumps
    # How far off the rows would have to be to make as much: rounded epochs put them off by metres.
    groups = _groups(jumps / gains_ahead(seconds))
    sure = [[at for at in group.tolist() if is_sure[at]] for group in groups]
    return [int(each[-1]) for each in sure if each]


def _groups(off: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Return the groups of rows that are off by far more than is usual beside them."""
    import numpy as np

    if not np.isfinite(off).any():
        return []
    told = np.nan_to_num(off)
    # How far each row is beyond what may be; those that are near it belong to a group, too.
    beyond = np.zeros(len(off))
    for at in np.flatnonzero(told > _KINK_KM / _NEAR).tolist():
        before, after = off[max(0, at - 16) : max(0, at - 4)], off[at + 5 : at + 17]
        usual = max(_usual(before), _usual(after))
        beyond[at] = told[at] / max(_KINK_KM, _KINK_TIMES * usual)
    near = np.flatnonzero(beyond > 1.0 / _NEAR)
    if not len(near):
        return []
    groups = np.split(near, np.flatnonzero(np.diff(near) > 1) + 1)
    return [group for group in groups if beyond[group].max() > 1.0]


def _usual(off: NDArray[np.float64]) -> float:
    import numpy as np

    told = off[np.isfinite(off)]
    return float(np.median(told)) if len(told) else 0.0


def _evenly(piece: Trajectory) -> list[Trajectory]:
    """Cut a piece at the rows where the step changes much; both parts have that row.

    Before a burn GMAT's last step is short, often by a lot. A polynomial through velocities 0.4 s
    apart, and others 100 s away, makes kilometres of the 0.3 microseconds that epochs are off.
    """
    import numpy as np

    if piece.velocities is None:
        # Positions alone magnify it by the ratio of the steps only.
        return [piece]
    steps = np.diff(piece.seconds)
    ratio = steps[1:] / steps[:-1]
    cuts = (np.flatnonzero((ratio > _UNEVEN) | (ratio < 1.0 / _UNEVEN)) + 1).tolist()
    bounds = [0, *cuts, len(piece) - 1]
    if len(piece) < 2:
        return [piece]
    return [piece.rows(slice(first, last + 1)) for first, last in itertools.pairwise(bounds)]


def _begun(before: Trajectory, piece: Trajectory) -> Trajectory:
    """Return a piece that begins where the one before it ends, with its own velocity there."""
    import numpy as np

    assert piece.velocities is not None
    epoch, position = before.epochs[-1:], before.positions[-1:]
    count = min(3, len(piece))
    times = (piece.epochs[:count] - epoch[0]).astype("int64") / 1e9
    velocity = velocity_at(position[0], times, piece.positions[:count], piece.velocities[:count])
    return replace(
        piece,
        epochs=np.concatenate([epoch, piece.epochs]),
        positions=np.concatenate([position, piece.positions]),
        velocities=np.concatenate([velocity[None, :], piece.velocities]),
    )


def _seconds(epochs: Epochs) -> NDArray[np.float64]:
    return (epochs - epochs[:1]).astype("int64") / 1e9
