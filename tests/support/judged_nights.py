"""Folders of nights without GMAT, whose runs hold or violate as a test says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis import InputHashes
from judged_sweeps import JudgedSweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

REQUIREMENTS = [{"name": "ok", "reduce": "ok", "probability": 0.95, "confidence": 0.9}]


def inputs(data: Mapping[str, str] | None = None, used: Iterable[str] = ()) -> InputHashes:
    """Return hashes of inputs with these data files, of which the mission uses some."""
    groups = {"script": {"m.script": "5c"}, "data": dict(data or {}), "packages": {"numpy": "2"}}
    return InputHashes(groups, tuple(used))


def night(
    place: Path,
    day: int,
    violating: Iterable[int] = (),
    *,
    runs: int = 10,
    seed: int | None = None,
    hashes: InputHashes | None = None,
    flown: int | None = None,
    cohort: str = "",
    **header: Any,
) -> Path:
    """Fly a night: run `i` of seed `s` has the run seed ``1000 s + i``, and fails if it violates.

    The seed is the day, unless it is given.
    """
    folder = place / f"2026-11-{day:02d}T033000Z"
    drawn = day if seed is None else seed
    sweep = JudgedSweep(folder / cohort, runs, sweep_seed=drawn, **header)
    bad = set(violating)
    for run_id in range(runs if flown is None else flown):
        add = sweep.fail if run_id in bad else sweep.add
        add(run_id, seed=1000 * drawn + run_id)
    sweep.manifest.close()
    (inputs() if hashes is None else hashes).write(folder)
    return folder
