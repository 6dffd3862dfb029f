"""Folders of nights without GMAT, whose runs shift as a test says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from judged_nights import inputs
from judged_sweeps import COLUMN, JudgedSweep

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["COLUMN", "DRAWS", "RUNS", "night"]

RUNS = 12
DRAWS: NDArray[np.float64] = np.random.default_rng(5).normal(42164, 30, RUNS)
SIGMA = float(np.std(DRAWS, ddof=1))


def night(
    place: Path,
    day: int,
    shift: float = 0.0,
    *,
    flown: int = RUNS,
    new_draws: int = 0,
    values: NDArray[np.float64] = DRAWS,
) -> Path:
    """Fly a night without GMAT: the same draws every night, `shift` sigma away; and new ones."""
    folder = place / f"2026-11-{day:02d}T033000Z"
    cohorts = [(folder, 0, (values + shift * SIGMA)[:flown])]
    if new_draws:
        drawn = np.random.default_rng(day).normal(42164, 30, new_draws)
        cohorts.append((folder / "rotating", 1000 * day, drawn))
    for place_of_it, seed, ends in cohorts:
        sweep = JudgedSweep(place_of_it, RUNS if not seed else new_draws, sweep_seed=seed)
        for run_id, value in enumerate(ends):
            path = sweep.report(run_id, [value])
            given = {"Sat.SMA": 7000.0 + run_id + seed}
            sweep.add(run_id, output_paths={"report__R": path}, overrides=given, seed=seed + run_id)
        sweep.manifest.close()
    inputs().write(folder)
    return folder
