"""`export_oem`: a CCSDS Orbit Ephemeris Message for each run and Spacecraft.

The messages are in key-value notation, version 1.0 of CCSDS 502.0-B, as GMAT itself writes them and
reads them. They hold all digits of GMAT's states, and epochs to a nanosecond.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.analysis.recorded import RecordedSweep
from gmat_sweep.causes import headline
from gmat_sweep.disk.files import write_file
from gmat_sweep.export.choosing import Chosen, Flown, choose, run_name
from gmat_sweep.export.curves import DEGREES
from gmat_sweep.export.engine_data import leap_seconds
from gmat_sweep.export.places import Exported, checked_file, checked_folder
from gmat_sweep.export.scales import iso_text
from gmat_sweep.export.trajectory import pieces_of
from gmat_sweep.folder.layout import run_folder_name
from gmat_sweep.printable import one_line

if TYPE_CHECKING:
    from gmat_sweep.analysis.recorded import SweepSource
    from gmat_sweep.export.scales import Epochs, Scale
    from gmat_sweep.export.sources import Source

__all__ = ["export_oem"]

_MARK = "ORIGINATOR     = gmat-sweep"
_LONGEST_COMMENT = 200


def export_oem(
    source: SweepSource,
    folder: str | Path,
    *,
    runs: str | Iterable[int] | None = None,
    sample: int | None = None,
    output: str | None = None,
    system: str | None = None,
    script: str | Path | None = None,
) -> Exported:
    """Write trajectories of a sweep's runs as CCSDS Orbit Ephemeris Messages.

    Parameters
    ----------
    source : str, Path, Manifest or Sweep
        A sweep folder, its manifest, or a sweep that has run, finished or not.
    folder : str or Path
        The folder, which is made, for the files ``run-<id>-<Spacecraft>.oem``. Messages that this
        package wrote are replaced, any other file is not.
    runs : str or iterable of int, optional
        The runs: ``"nominal,0,7-9"``, or their numbers.
    sample : int, optional
        How many runs beside the nominal one, drawn from all recorded ones (or from `runs`) by a
        fixed seed. By default 50, or all of `runs`.
    output : str, optional
        The ReportFile or EphemerisFile to take; by default the most exact one for each Spacecraft.
    system : str, optional
        The coordinate system to take, such as ``EarthFixed``; by default an inertial one.
    script : str or Path, optional
        The mission script, where it is no longer at its recorded place.

    Returns
    -------
    Exported
        The files, their runs and what to know of them.

    Raises
    ------
    SweepConfigError
        No output has a trajectory that an OEM can hold (the message says what to add to the
        mission), runs are not recorded, or a file cannot be written there.
    FileNotFoundError, ManifestCorruptError
        The manifest, or a file of a run, cannot be read.
    DurabilityError
        A file could not be written.

    Notes
    -----
    States are GMAT's, in km and km/s. ``TIME_SYSTEM`` is that of the epochs reported: UTC, TAI, TT
    or TDB; A.1 becomes TAI. ``REF_FRAME`` is EME2000 for axes of the type MJ2000Eq, ICRF, TOD, or
    ITRF for those fixed to Earth; ``CENTER_NAME`` is the origin. Where an epoch comes twice or the
    velocity jumps, a new segment begins, so that no reader interpolates across. A run that failed
    has what GMAT's report holds up to there.
    """
    base = RecordedSweep.outline(source).path.parent
    target = checked_folder(folder, "folder", base)
    chosen = choose(
        source,
        runs=runs,
        sample=sample,
        output=output,
        system=system,
        script=script,
        refusal=_refusal,
    )
    paths = {
        (entry.run_id, each): checked_file(
            target / f"{run_folder_name(entry.run_id)}-{each.spacecraft}.oem",
            "file",
            ".oem",
            _MARK,
            base,
        )
        for entry in chosen.entries
        for each in chosen.sources
    }
    target.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    run_ids: list[int] = []
    for flown in chosen.flown():
        path = paths[flown.entry.run_id, flown.source]
        write_file(path, "".join(_message(flown, chosen)).encode("ascii", "backslashreplace"))
        files.append(path)
        run_ids.append(flown.entry.run_id)
    unique = tuple(dict.fromkeys(run_ids))
    lacking = tuple(each.run_id for each in chosen.entries if each.run_id not in unique)
    return Exported(tuple(files), unique, lacking, tuple(chosen.notes()))


def _refusal(source: Source) -> str:
    if not source.velocity:
        stem = source.position[0].removesuffix("X")
        listed = ", ".join(f"{stem}V{axis}" for axis in "XYZ")
        return f"an OEM has velocities, which are not reported. Add {listed} to {source.output}"
    if source.system.oem_frame is None:
        return (
            f"an OEM has no name for axes of the type {source.system.axes} at "
            f"{source.system.origin}. Report in axes of the type MJ2000Eq or ICRF"
        )
    return ""


def _message(flown: Flown, chosen: Chosen) -> Iterator[str]:
    """Yield the text of a message."""
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    yield f"CCSDS_OEM_VERS = 1.0\nCREATION_DATE  = {created}\n{_MARK}\n"
    entry, source = flown.entry, flown.source
    comments = [
        f"{chosen.mission.script.source.name}, {run_name(entry.run_id)} ({entry.status})",
        source.text(),
        *(f"{name} = {value}" for name, value in entry.overrides.items()),
    ]
    if entry.status != "ok":
        comments.append(f"failed: {headline(entry.stderr or '')}")
    rows = flown.trajectory
    scale = "TAI" if rows.scale == "A1" else rows.scale
    if rows.scale in ("A1", "UTC"):
        rows = rows.in_tai(leap_seconds)
    pieces = pieces_of(rows, joined=False)
    craft = source.spacecraft
    for place, piece in enumerate(pieces):
        texts = _texts(piece.epochs, scale)
        meta = {
            "OBJECT_NAME": craft,
            "OBJECT_ID": chosen.mission.object_id(craft),
            "CENTER_NAME": source.system.oem_center,
            "REF_FRAME": source.system.oem_frame,
            "TIME_SYSTEM": scale,
            "START_TIME": texts[0],
            "STOP_TIME": texts[-1],
        }
        if len(piece) > 1:
            degree = min(DEGREES["HERMITE"], 2 * len(piece) - 1)
            meta |= {"INTERPOLATION": "HERMITE", "INTERPOLATION_DEGREE": str(degree)}
        yield "\nMETA_START\n"
        for comment in comments if place == 0 else ():
            yield f"COMMENT {_plain(comment)}\n"
        yield from (f"{key:<20} = {value}\n" for key, value in meta.items())
        yield "META_STOP\n\n"
        assert piece.velocities is not None
        for text, position, velocity in zip(
            texts, piece.positions.tolist(), piece.velocities.tolist(), strict=True
        ):
            numbers = "  ".join(f"{number: .15e}" for number in (*position, *velocity))
            yield f"{text}  {numbers}\n"


def _texts(epochs: Epochs, scale: Scale) -> list[str]:
    """Return epochs as a message has them; those of UTC are given in TAI."""
    if scale != "UTC":
        return iso_text(epochs)
    utc, within_leap = leap_seconds().utc_of_tai(epochs)
    return iso_text(utc, within_leap=within_leap)


def _plain(text: str) -> str:
    """Return a comment: one line of printable ASCII."""
    plain = re.sub(r"[^\x20-\x7e]", "?", one_line(text))
    return plain if len(plain) <= _LONGEST_COMMENT else f"{plain[: _LONGEST_COMMENT - 3]}..."
