"""The goals that solvers brought reported values to: what is left of a goal is chance, and no news.

A targeter that achieves 42,164 km within 0.1 km leaves a residual, which any change of the mission
turns into another one. Where a value lies within the tolerance of a converged solver, two nights
are compared by the goal.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.aggregate.entries import anchors_of
from gmat_sweep.aggregate.fragments import Fragment, read_fragment
from gmat_sweep.analysis.angles import is_angle, shift

if TYPE_CHECKING:
    import pandas as pd

    from gmat_sweep.analysis.recorded import RecordedSweep
    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = ["goals_met"]

_GOAL, _TOLERANCE = "_desired", "_tolerance"
# A residual that is as large as the tolerance may be larger by rounding.
_ROUNDING = 1e-9


def goals_met(sweep: RecordedSweep, ends: pd.DataFrame) -> pd.DataFrame:
    """Return the goal of each value that a solver of its run brought to within its tolerance.

    Parameters
    ----------
    sweep : RecordedSweep
        The sweep.
    ends : pandas.DataFrame
        Its values, as `final_values` gives them.

    Returns
    -------
    pandas.DataFrame
        The columns of `ends` that some solver has a goal for, with a row per run; NaN where no
        solver of the run converged, and where the value is not at its goal: after the mission has
        flown on from there it is a quantity like others. A solver's file that cannot be read has no
        goals.
    """
    import numpy as np
    import pandas as pd

    by_key: dict[tuple[str, str], list[int]] = {}
    quantities = [str(name) for name in ends.columns.get_level_values("quantity")]
    for place, quantity in enumerate(quantities):
        by_key.setdefault(_key(quantity), []).append(place)
    rows = {run_id: row for row, run_id in enumerate(ends.index.tolist())}
    values = ends.to_numpy()
    found = np.full(values.shape, np.nan)
    anchors = anchors_of(sweep.manifest, sweep.folder)
    for entry in sweep.entries:
        if entry.status != "ok" or entry.run_id not in rows:
            continue
        row = rows[entry.run_id]
        for goal_of, goal, tolerance in _goals(entry, anchors):
            for place in by_key.get(_key(goal_of), ()):
                quantity = quantities[place]
                if not _is_same(goal_of, quantity):
                    continue
                by = values[row, place] - goal
                if is_angle(quantity):
                    by = float(shift(by, 0.0))
                if abs(by) <= tolerance * (1 + _ROUNDING):
                    found[row, place] = goal
    has_goals = np.isfinite(found).any(axis=0)
    return pd.DataFrame(found, index=ends.index, columns=ends.columns).loc[:, has_goals]


def _goals(entry: ManifestEntry, anchors: Sequence[Path]) -> list[tuple[str, float, float]]:
    """Return quantity, goal and tolerance of what the run's solvers reached, in their last step."""
    found = []
    for solver, path in sorted(entry.solver_paths.items()):
        if not entry.converged.get(solver):
            continue
        fragment = Fragment(entry.run_id, "solver output", solver, path, entry)
        try:
            table = read_fragment(
                fragment, anchors, spool=False, reserved=frozenset(), chosen=_of_goals
            )
        except (OSError, ValueError):
            continue
        if not table.num_rows:
            continue
        last = table.slice(table.num_rows - 1).to_pylist()[0]
        for name, goal in last.items():
            quantity = name.removesuffix(_GOAL)
            tolerance = last.get(f"{quantity}{_TOLERANCE}")
            if name != quantity and isinstance(goal, float) and isinstance(tolerance, float):
                found.append((quantity, goal, tolerance))
    return found


def _of_goals(names: Sequence[str]) -> list[str]:
    return [name for name in names if name.endswith((_GOAL, _TOLERANCE))]


def _key(quantity: str) -> tuple[str, str]:
    """Return owner and parameter; a report and a solver may name the body or the axes, or not."""
    owner, _, rest = quantity.partition(".")
    return owner, rest.rpartition(".")[2]


def _is_same(one: str, other: str) -> bool:
    return one == other or min(one.count("."), other.count(".")) == 1
