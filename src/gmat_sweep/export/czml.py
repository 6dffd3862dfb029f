"""`export_czml`: trajectories of many runs as one file for Cesium.

CZML is JSON that CesiumJS, Cesium ion and other globes read. Positions are in metres in Cesium's
``INERTIAL`` frame, which is ICRF, or its ``FIXED`` one, which is Earth's; times are UTC.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.analysis.recorded import RecordedSweep
from gmat_sweep.disk.files import write_file
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.export.choosing import Flown, choose
from gmat_sweep.export.curves import left_out, thinned
from gmat_sweep.export.engine_data import leap_seconds
from gmat_sweep.export.packets import MARK, Line, check_library, document, violations_in
from gmat_sweep.export.places import Exported, checked_file
from gmat_sweep.export.trajectory import pieces_of

if TYPE_CHECKING:
    from gmat_sweep.analysis.recorded import SweepSource
    from gmat_sweep.export.sources import Source
    from gmat_sweep.export.trajectory import Trajectory

__all__ = ["MOST_BYTES", "export_czml"]

MOST_BYTES = 40_000_000
"""About the most that a file may have."""

_BYTES_A_STATE = 100
_COARSER = 4.0
_MOST_TOLERANCE_M = 10_000.0


def export_czml(
    source: SweepSource,
    path: str | Path,
    *,
    runs: str | Iterable[int] | None = None,
    sample: int | None = None,
    output: str | None = None,
    system: str | None = None,
    tolerance_m: float = 10.0,
    script: str | Path | None = None,
) -> Exported:
    """Write trajectories of a sweep's runs as one CZML file, for Cesium.

    The nominal run is a broad yellow line, others are thin and blue, orange if they violate a
    requirement (by ``verdicts.json`` beside the manifest), red if they failed, which end where they
    came to. A click shows a run's inputs and outcome.

    Parameters
    ----------
    source : str, Path, Manifest or Sweep
        A sweep folder, its manifest, or a sweep that has run, finished or not.
    path : str or Path
        The ``.czml`` file to write. A file that this package wrote is replaced, any other is not.
    runs : str or iterable of int, optional
        The runs: ``"nominal,0,7-9"``, or their numbers.
    sample : int, optional
        How many runs beside the nominal one, drawn from all recorded ones (or from `runs`) by a
        fixed seed. By default 50, or all of `runs`.
    output : str, optional
        The ReportFile or EphemerisFile to take; by default the most exact one for each Spacecraft.
    system : str, optional
        The coordinate system to take, such as ``EarthFixed``; by default an inertial one.
    tolerance_m : float
        States are left out where the curve through the others is this near to them, in metres.
    script : str or Path, optional
        The mission script, where it is no longer at its recorded place.

    Returns
    -------
    Exported
        The file, its runs and what to know of them.

    Raises
    ------
    SweepConfigError
        No output has a trajectory that CZML can hold (the message says what to add to the mission),
        runs are not recorded, the file would be too large or cannot be written there.
    FileNotFoundError, ManifestCorruptError
        The manifest, or a file of a run, cannot be read.
    DurabilityError
        The file could not be written.
    ImportError
        The extra ``[export]`` is not installed.

    Notes
    -----
    Between states Cesium takes Hermite's polynomial of degree 7 where velocities are reported, else
    Lagrange's of degree 5. States in axes of the type MJ2000Eq are turned into ICRF as GMAT does
    it. The states that stay are GMAT's, to 0.1 mm.
    """
    base = RecordedSweep.outline(source).path.parent
    target = checked_file(path, "path", ".czml", MARK, base)
    if not 0.0 < tolerance_m <= _MOST_TOLERANCE_M:
        raise SweepConfigError(
            f"tolerance_m={tolerance_m} must be a number of metres, above 0 and at most "
            f"{_MOST_TOLERANCE_M:.0f}."
        )
    check_library()
    chosen = choose(
        source,
        runs=runs,
        sample=sample,
        output=output,
        system=system,
        script=script,
        refusal=_refusal,
    )
    flown = [
        (each, tuple(pieces_of(each.trajectory.in_tai(leap_seconds), joined=True)))
        for each in chosen.flown()
    ]
    # A line takes two states that differ in time.
    flown = [(each, pieces) for each, pieces in flown if max(map(len, pieces)) > 1]
    if not flown:
        raise SweepConfigError("no chosen run has states at two epochs. Choose others.")
    lines, used = _within_size(flown, tolerance_m)
    content = document(chosen, lines, violations_in(base))
    target.parent.mkdir(parents=True, exist_ok=True)
    write_file(target, content)
    run_ids = tuple(dict.fromkeys(each.flown.entry.run_id for each in lines))
    lacking = tuple(each.run_id for each in chosen.entries if each.run_id not in run_ids)
    notes = [*chosen.notes(), _accuracy(lines, tolerance_m, used)]
    return Exported((target,), run_ids, lacking, tuple(notes))


def _refusal(source: Source) -> str:
    if source.system.suits_czml:
        return ""
    return (
        f"CZML has no coordinate system with axes of the type {source.system.axes} at "
        f"{source.system.origin}. Report in EarthMJ2000Eq or EarthFixed, or export with --oem"
    )


def _within_size(
    flown: Sequence[tuple[Flown, tuple[Trajectory, ...]]], tolerance_m: float
) -> tuple[list[Line], float]:
    """Return the lines with as few states as the tolerance allows, and the tolerance.

    It grows until the file has a size that a browser loads.
    """
    while True:
        lines = [
            Line(
                each,
                pieces,
                tuple(
                    thinned(piece.seconds, piece.positions, piece.velocities, tolerance_m / 1e3)
                    for piece in pieces
                ),
            )
            for each, pieces in flown
        ]
        size = _BYTES_A_STATE * sum(line.states for line in lines)
        if size <= MOST_BYTES:
            return lines, tolerance_m
        tolerance_m *= _COARSER
        if tolerance_m > _MOST_TOLERANCE_M:
            raise SweepConfigError(
                f"the file would have some {size // 1_000_000} MB, more than a browser shows. "
                "Choose fewer runs, with --sample or --runs (sample=, runs=)."
            )


def _accuracy(lines: Sequence[Line], asked_m: float, used_m: float) -> str:
    """Say how near the lines are to GMAT's rows, and to what lies between these."""
    import numpy as np

    rows = sum(len(piece) for line in lines for piece in line.pieces)
    states = sum(line.states for line in lines)
    told = f"{states:,} of {rows:,} states stay"
    if states < rows:
        error = max(line.error_m for line in lines)
        told += f"; the curves through them are at most {_metres(error)} from those left out"
    if used_m > asked_m:
        told += f" (the tolerance had to grow to {_metres(used_m)} for the size of the file)"
    missed = 1e3 * max(
        float(np.nan_to_num(left_out(piece.seconds, piece.positions, piece.velocities)).max())
        for line in lines
        for piece in line.pieces
    )
    if missed > used_m:
        told += (
            "; GMAT's rows are far apart: without each, the curve through its neighbours is up to "
            f"{_metres(missed)} from it: between rows the lines are for the look only"
        )
    return told


def _metres(value: float) -> str:
    if value >= 1000.0:
        return f"{value / 1000.0:.3g} km"
    # Rounded up, as befits a bound.
    digits = max(0, 1 - math.floor(math.log10(value))) if value > 0.0 else 0
    scale = 10.0**digits
    return f"{math.ceil(value * scale) / scale:g} m"
