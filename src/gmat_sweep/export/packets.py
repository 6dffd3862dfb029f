"""Packets of CZML: how each run looks, where it is when, and what a click says of it.

All text is escaped: Cesium shows a description as HTML.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.causes import headline
from gmat_sweep.disk.held import read_plain
from gmat_sweep.export.choosing import Chosen, Flown, run_name
from gmat_sweep.export.curves import DEGREES, Thinned
from gmat_sweep.export.engine_data import icrf_turn, leap_seconds
from gmat_sweep.export.scales import iso_text
from gmat_sweep.folder.layout import VERDICTS_DATA_NAME
from gmat_sweep.printable import one_line
from gmat_sweep.spec import NOMINAL_RUN_ID

if TYPE_CHECKING:
    import numpy as np
    from czml3 import Packet
    from czml3.properties import Position
    from numpy.typing import NDArray

    from gmat_sweep.export.scales import Epochs
    from gmat_sweep.export.trajectory import Trajectory

__all__ = ["MARK", "Line", "check_library", "document", "violations_in"]

MARK = '"name":"gmat-sweep: '
"""What the first packet of a file has."""

_PLAYED_IN_S = 60.0
_EARTH_MU = 398600.4415
_MOST_LABELS = 8
_LONGEST = 300
# Colours of lines on Cesium's dark sky and blue globe: red, green, blue, opacity; and their width.
_LOOKS: Mapping[str, tuple[list[float], float]] = {
    "nominal": ([255.0, 214.0, 64.0, 255.0], 4.0),
    "ok": ([120.0, 190.0, 255.0, 130.0], 1.5),
    "violates": ([255.0, 140.0, 0.0, 210.0], 2.0),
    "failed": ([255.0, 80.0, 80.0, 230.0], 2.0),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A trajectory as CZML has it.

    Attributes
    ----------
    flown : Flown
        The run and its trajectory.
    pieces : tuple of Trajectory
        The trajectory in TAI, cut where no smooth curve goes through.
    kept : tuple of Thinned
        The states of each piece that stay.
    """

    flown: Flown
    pieces: tuple[Trajectory, ...]
    kept: tuple[Thinned, ...]

    @property
    def states(self) -> int:
        """How many states stay."""
        return sum(len(each.rows) for each in self.kept)

    @property
    def error_m(self) -> float:
        """The most that the curves are away from a state that is left out, in metres."""
        return 1e3 * max((each.error_km for each in self.kept), default=0.0)


def check_library() -> None:
    """Raise ImportError, with what to install, where czml3 is not installed."""
    try:
        import czml3  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "CZML needs the package czml3. Install it with: pip install gmat-sweep[export]"
        ) from error


def violations_in(folder: Path) -> dict[int, list[str]] | None:
    """Return which requirements each run violates, by ``verdicts.json`` of a sweep folder.

    None stands for a sweep that was not judged. A file that cannot be read counts as that: it tells
    of the sweep and is no part of it.
    """
    try:
        told = json.loads(read_plain(folder / VERDICTS_DATA_NAME))
        found: dict[int, list[str]] = {}
        for each in told["requirements"]:
            for run_id in each["violating_runs"]:
                found.setdefault(int(run_id), []).append(str(each["name"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return found


def document(
    chosen: Chosen, lines: Sequence[Line], violations: Mapping[int, Sequence[str]] | None
) -> bytes:
    """Return the file.

    Parameters
    ----------
    chosen : Chosen
        The sweep.
    lines : sequence of Line
        The trajectories, those of the nominal run first.
    violations : mapping of int to sequence of str, or None
        The requirements that each run violates, if it was judged.
    """
    from czml3 import Document, Packet
    from czml3.enums import ClockRanges, ClockSteps
    from czml3.properties import Clock
    from czml3.types import TimeInterval

    spans = [_span(line) for line in lines]
    start, end = min(first for first, _ in spans), max(last for _, last in spans)
    seconds = float((end - start).astype("int64")) / 1e9
    first, last = _utc_texts([start, end])
    runs = {line.flown.entry.run_id for line in lines}
    told = f"{len(runs - {NOMINAL_RUN_ID})} of {chosen.recorded} runs"
    if NOMINAL_RUN_ID in runs:
        told = f"nominal and {told}"
    mission = chosen.mission.script.source.name
    head = Packet(
        id="document",
        name=f"gmat-sweep: {one_line(mission)}, {told}",
        version="1.0",
        clock=Clock(
            currentTime=first,
            interval=TimeInterval(start=first, end=last),
            multiplier=max(1.0, round(seconds / _PLAYED_IN_S)),
            range=ClockRanges.LOOP_STOP,
            step=ClockSteps.SYSTEM_CLOCK_MULTIPLIER,
        ),
    )
    labels = len(lines) <= _MOST_LABELS
    # Cesium draws later packets above earlier ones.
    ordered = [(line, span) for line, span in zip(lines, spans, strict=True)][::-1]
    packets = [_packet(line, span, chosen, violations, with_label=labels) for line, span in ordered]
    return Document(packets=[head, *packets]).dumps().encode("utf-8", "backslashreplace")


def _span(line: Line) -> tuple[np.datetime64, np.datetime64]:
    """Return the first and the last epoch, in TAI."""
    return line.pieces[0].epochs[0], line.pieces[-1].epochs[-1]


def _utc_texts(tai: Sequence[np.datetime64]) -> list[str]:
    import numpy as np

    utc, _ = leap_seconds().utc_of_tai(np.array(tai, dtype="datetime64[ns]"))
    # Within a leap second this is a second early: no reader of CZML has to know second 60.
    return [f"{text}Z" for text in iso_text(utc)]


def _packet(
    line: Line,
    span: tuple[np.datetime64, np.datetime64],
    chosen: Chosen,
    violations: Mapping[int, Sequence[str]] | None,
    *,
    with_label: bool,
) -> Packet:
    from czml3 import Packet
    from czml3.properties import Color, Label, Path, Point, PolylineMaterial, SolidColorMaterial
    from czml3.types import Cartesian2Value, TimeInterval

    entry, craft = line.flown.entry, line.flown.source.spacecraft
    is_nominal = entry.run_id == chosen.nominal_id
    violated = (violations or {}).get(entry.run_id, ())
    look = "ok"
    if entry.status != "ok":
        look = "failed"
    elif is_nominal:
        look = "nominal"
    elif violated:
        look = "violates"
    colour, width = _LOOKS[look]
    name = run_name(entry.run_id)
    if len(chosen.sources) > 1:
        name = f"{name}, {craft}"
    first, last = _utc_texts(span)
    seconds = float((span[1] - span[0]).astype("int64")) / 1e9
    round_s = _revolution_s(line.flown.trajectory)
    trail = seconds if round_s is None else min(seconds, round_s)
    label = None
    if with_label or is_nominal:
        label = Label(
            text=name,
            font="12pt sans-serif",
            fillColor=Color(rgba=colour),
            pixelOffset=Cartesian2Value(values=[14.0, -14.0]),
        )
    material = PolylineMaterial(solidColor=SolidColorMaterial(color=Color(rgba=colour)))
    return Packet(
        id=f"{run_name(entry.run_id)}/{craft}",
        name=name,
        description=_description(line, violations),
        availability=TimeInterval(start=first, end=last),
        position=_position(line),
        point=Point(
            pixelSize=10.0 if is_nominal else 6.0,
            color=Color(rgba=[*colour[:3], 255.0]),
            outlineColor=Color(rgba=[0.0, 0.0, 0.0, 255.0]),
            outlineWidth=1.0,
        ),
        path=Path(
            leadTime=0.0,
            trailTime=trail,
            resolution=max(1.0, (round_s or seconds) / 120.0),
            width=width,
            material=material,
        ),
        label=label,
    )


def _position(line: Line) -> Any:
    """Return the position of a packet: one curve, or one for each piece."""
    from czml3.types import IntervalValue, TimeIntervalCollection

    made = [
        (piece, kept)
        for piece, kept in zip(line.pieces, line.kept, strict=True)
        if len(kept.rows) > 1
    ]
    if len(made) == 1:
        return _curve(*made[0])
    values = []
    for piece, kept in made:
        start, end = _utc_texts([piece.epochs[0], piece.epochs[-1]])
        values.append(IntervalValue(start=start, end=end, value=_curve(piece, kept)))
    return TimeIntervalCollection(values=values)


def _curve(piece: Trajectory, kept: Thinned) -> Position:
    import numpy as np
    from czml3.enums import InterpolationAlgorithms, ReferenceFrames
    from czml3.properties import Position

    rows = piece.rows(kept.rows)
    positions, velocities = rows.positions, rows.velocities
    if rows.system.axes == "MJ2000Eq":
        turn = icrf_turn().matrices(rows.epochs)
        positions = np.einsum("nij,nj->ni", turn, positions)
        if velocities is not None:
            velocities = np.einsum("nij,nj->ni", turn, velocities)
    epoch, seconds = _anchored(rows.epochs)
    # Tenths of a millimetre; velocities so that they hold over the time between states.
    columns = [seconds[:, None], np.round(positions * 1e3, 4)]
    method = "LAGRANGE"
    if velocities is not None:
        method = "HERMITE"
        columns.append(np.round(velocities * 1e3, 7))
    numbers: list[float] = np.concatenate(columns, axis=1).ravel().tolist()
    frame = ReferenceFrames.FIXED if rows.system.is_fixed_to_earth else ReferenceFrames.INERTIAL
    return Position(
        epoch=epoch,
        referenceFrame=frame.value,
        interpolationAlgorithm=InterpolationAlgorithms[method],
        interpolationDegree=DEGREES[method],
        cartesian=numbers if velocities is None else None,
        cartesianVelocity=None if velocities is None else numbers,
    )


def _anchored(tai: Epochs) -> tuple[str, NDArray[np.float64]]:
    """Return a full hour of UTC before all epochs, and the seconds from there, of TAI.

    Cesium counts seconds from an epoch without a look at UTC, so leap seconds are among them.
    """
    import numpy as np

    leaps = leap_seconds()
    utc, _ = leaps.utc_of_tai(tai[:1])
    hour = utc.astype("datetime64[h]").astype("datetime64[ns]")
    seconds = (tai - leaps.tai_of_utc(hour)).astype("int64") / 1e9
    return f"{iso_text(hour, 3)[0]}Z", np.round(seconds, 9)


def _revolution_s(rows: Trajectory) -> float | None:
    """Return the time of a revolution about Earth at the first state; None if there is none."""
    import numpy as np

    if rows.velocities is None or rows.system.is_fixed_to_earth:
        return None
    radius = float(np.linalg.norm(rows.positions[0]))
    speed = float(np.linalg.norm(rows.velocities[0]))
    if radius == 0.0:
        return None
    energy = speed**2 / 2.0 - _EARTH_MU / radius
    if energy >= 0.0:
        return None
    return 2.0 * math.pi * math.sqrt((-_EARTH_MU / (2.0 * energy)) ** 3 / _EARTH_MU)


def _description(line: Line, violations: Mapping[int, Sequence[str]] | None) -> str:
    """Return what Cesium shows of a run that is clicked on: a table, as HTML."""
    entry = line.flown.entry
    rows: list[tuple[str, object]] = [("outcome", entry.status)]
    if entry.status != "ok":
        rows.append(("cause", headline(entry.stderr or "")))
        rows.append(("flown until", f"{_utc_texts([_span(line)[1]])[0][:23]} UTC"))
    if violations is not None:
        rows.append(("violates", ", ".join(violations.get(entry.run_id, ())) or "no requirement"))
    rows += [
        (f"{name} converged", reached) for name, reached in entry.converged.items() if not reached
    ]
    rows += list(entry.overrides.items())
    rows.append(("states", line.flown.source.text()))
    listed = "".join(
        f"<tr><th>{_escaped(name)}</th><td>{_escaped(value)}</td></tr>" for name, value in rows
    )
    return f'<table class="cesium-infoBox-defaultTable">{listed}</table>'


def _escaped(value: object) -> str:
    text = one_line(value)
    return html.escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}...")
