"""Where a sweep has trajectories: reports over time, and ephemerides, of each Spacecraft."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from gmat_sweep.aggregate.fragments import Fragment, read_fragment
from gmat_sweep.aggregate.reports import RESERVED
from gmat_sweep.export.partial import rows_so_far
from gmat_sweep.export.systems import DEFAULT_SYSTEM, System, systems_in
from gmat_sweep.export.trajectory import Trajectory, in_order
from gmat_sweep.mission.assignments import root_of
from gmat_sweep.mission.editing import EditableScript
from gmat_sweep.mission.statements import bare_value

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from gmat_sweep.export.scales import Scale
    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = ["Mission", "Source", "read_trajectory"]

_EPOCH = re.compile(r"(?P<craft>\w+)\.(?P<scale>A1|TAI|UTC|TT|TDB)(?P<form>ModJulian|Gregorian)")
_FIRST = re.compile(r"(?P<craft>\w+)\.(?:(?P<system>\w+)\.)?X")
_POSITION = ("X", "Y", "Z")
_VELOCITY = ("VX", "VY", "VZ")
_ORDER = ("TAI", "A1", "TT", "UTC", "TDB")


@dataclass(frozen=True, slots=True)
class Source:
    """Columns of an output that say where a Spacecraft is.

    Attributes
    ----------
    kind : {"report", "ephemeris"}
        What kind of output.
    output : str
        Name of the ReportFile or EphemerisFile.
    spacecraft : str
        Its name.
    system : System
        The coordinate system.
    epoch : str
        The column of epochs.
    scale : {"A1", "TAI", "UTC", "TT", "TDB"}
        Their time scale.
    position, velocity : tuple of str
        The columns; without any of the velocity, none.
    """

    kind: Literal["report", "ephemeris"]
    output: str
    spacecraft: str
    system: System
    epoch: str
    scale: Scale
    position: tuple[str, ...]
    velocity: tuple[str, ...]

    @property
    def key(self) -> str:
        """The output's key in a manifest entry."""
        return f"{self.kind}__{self.output}"

    @property
    def columns(self) -> tuple[str, ...]:
        """All its columns."""
        return (self.epoch, *self.position, *self.velocity)

    @property
    def is_exact(self) -> bool:
        """Whether its epochs have more than GMAT's three digits of a second."""
        return self.kind == "report" and self.epoch.endswith("ModJulian")

    def text(self) -> str:
        """Return what it is, in a few words."""
        what = "ReportFile" if self.kind == "report" else "EphemerisFile"
        return f"{what} {self.output}: {self.spacecraft} in {self.system.name}, epochs {self.epoch}"


class Mission:
    """What a mission script says of its trajectories.

    Parameters
    ----------
    script : Path
        The script that was flown.

    Raises
    ------
    OSError, MissionScriptError
        It cannot be read.
    """

    def __init__(self, script: Path) -> None:
        self.script = EditableScript(script)
        self.types = self.script.types
        self.spacecraft = [name for name, kind in self.types.items() if kind == "Spacecraft"]
        self._statements = self.script.plain.statements
        self.systems = systems_in(self._statements, self.types)
        self._fields: dict[str, dict[str, str]] = {}
        for statement in self._statements:
            if statement.assigned is not None:
                owner, field = statement.assigned
                self._fields.setdefault(owner, {})[field] = bare_value(statement)

    def object_id(self, spacecraft: str) -> str:
        """Return the ``Id`` of a Spacecraft."""
        return self._fields.get(spacecraft, {}).get("Id", "SatId")

    def sources(self, outputs: Mapping[str, Sequence[str]]) -> list[Source]:
        """Return what outputs say where a Spacecraft is.

        Parameters
        ----------
        outputs : mapping of str to sequence of str
            The columns of each output, by its key (``report__R``).
        """
        found: list[Source] = []
        for key, columns in outputs.items():
            kind, _, name = key.partition("__")
            if kind == "report":
                found += self._in_report(name, columns)
            elif kind == "ephemeris":
                found += self._in_ephemeris(name, columns)
        return found

    def _in_report(self, name: str, columns: Sequence[str]) -> list[Source]:
        epochs: dict[str, list[re.Match[str]]] = {}
        for column in columns:
            if match := _EPOCH.fullmatch(column):
                epochs.setdefault(match["craft"], []).append(match)
        found = []
        for column in columns:
            match = _FIRST.fullmatch(column)
            if match is None or match["craft"] not in epochs:
                continue
            system = self.systems.get(match["system"] or DEFAULT_SYSTEM)
            stem = column.removesuffix("X")
            position = tuple(f"{stem}{each}" for each in _POSITION)
            if system is None or not {*position} <= {*columns}:
                continue
            velocity = tuple(f"{stem}{each}" for each in _VELOCITY)
            best = min(
                epochs[match["craft"]],
                key=lambda each: (each["form"] != "ModJulian", _ORDER.index(each["scale"])),
            )
            found.append(
                Source(
                    "report",
                    name,
                    match["craft"],
                    system,
                    best.group(),
                    cast("Scale", best["scale"]),
                    position,
                    velocity if {*velocity} <= {*columns} else (),
                )
            )
        return found

    def _in_ephemeris(self, name: str, columns: Sequence[str]) -> list[Source]:
        fields = self._fields.get(name, {})
        system = self.systems.get(fields.get("CoordinateSystem", DEFAULT_SYSTEM))
        craft = fields.get("Spacecraft", "")
        # Of an SPK gmat-run reads the ends of segments only; it takes the epochs of STK for UTC.
        form = fields.get("FileFormat", "CCSDS-OEM")
        is_utc = form == "CCSDS-OEM" or fields.get("EpochFormat", "UTCGregorian").startswith("UTC")
        wanted = ("Epoch", *_POSITION, *_VELOCITY)
        if system is None or form == "SPK" or not is_utc or not {*wanted} <= {*columns}:
            return []
        source = Source("ephemeris", name, craft, system, "Epoch", "UTC", _POSITION, _VELOCITY)
        return [source] if craft in self.spacecraft else []

    def varied_system(self, source: Source, entries: Iterable[ManifestEntry]) -> str | None:
        """Return a field of a run's that makes its coordinate system another one, if there is."""
        names = {source.system.name, source.output} - {DEFAULT_SYSTEM}
        for entry in entries:
            for path in entry.overrides:
                last = path.rpartition(".")[2]
                if root_of(path) in names and last in {"Origin", "Axes", "CoordinateSystem"}:
                    return path
        return None

    def how_to_report(self) -> str:
        """Return the lines of a script that report a trajectory."""
        craft = (self.spacecraft or ["Sat"])[0]
        wanted = ["UTCModJulian", *_POSITION, *_VELOCITY]
        listed = ", ".join(f"{craft}.{each}" for each in wanted)
        return (
            "Create ReportFile Path; then Path.Filename = 'path.txt'; Path.Precision = 16; "
            f"Path.Add = {{{listed}}}; or Create EphemerisFile Eph; then Eph.Spacecraft = {craft}; "
            "Eph.Filename = 'eph.oem'; Eph.FileFormat = CCSDS-OEM; each as a line of its own "
            "before BeginMissionSequence"
        )


def read_trajectory(
    source: Source, entry: ManifestEntry, mission: Mission, anchors: Sequence[Path]
) -> Trajectory | None:
    """Return what a run has of a trajectory, None if it has none.

    A run that failed has what GMAT's report holds up to where it came.

    Raises
    ------
    FileNotFoundError, ValueError
        A file of a run that is ok is missing or damaged.
    """
    if entry.status == "ok":
        if source.key not in entry.output_paths:
            return None
        fragment = Fragment(
            entry.run_id,
            f"{source.kind} output",
            source.key,
            entry.output_paths[source.key],
            entry,
        )
        table = read_fragment(
            fragment,
            anchors,
            spool=False,
            reserved=RESERVED,
            chosen=lambda names: [name for name in source.columns if name in names],
        )
        frame = table.to_pandas()
    elif source.kind == "report":
        found = rows_so_far(source.output, entry, mission.script, anchors)
        if found is None:
            return None
        frame = found
    else:
        return None
    if not {*source.columns} <= {*frame.columns} or not len(frame):
        return None
    try:
        rows = _trajectory(source, frame)
    except (TypeError, ValueError):
        # GMAT wrote a value that is no number, or no epoch: a note of the run says so.
        return None
    return in_order(rows) if len(rows) else None


def _trajectory(source: Source, frame: pd.DataFrame) -> Trajectory:
    import numpy as np

    def numbers(names: Sequence[str]) -> NDArray[np.float64]:
        return frame.loc[:, list(names)].to_numpy(dtype=np.float64)

    epochs: Any = frame[source.epoch].to_numpy(dtype="datetime64[ns]")
    return Trajectory(
        source.spacecraft,
        source.system,
        source.scale,
        epochs,
        numbers(source.position),
        numbers(source.velocity) if source.velocity else None,
    )
