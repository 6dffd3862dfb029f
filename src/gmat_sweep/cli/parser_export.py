"""The grammar of the command that writes trajectories for other programs."""

from __future__ import annotations

from gmat_sweep.cli.inputs import manifest_in
from gmat_sweep.cli.parser_parts import Commands, command_of, whole_number

__all__ = ["add_export"]


def add_export(commands: Commands) -> None:
    """Add the command ``export``."""
    export = command_of(
        commands, "export", "write trajectories of runs for a globe (CZML) or as CCSDS OEM"
    )
    export.add_argument(
        "manifest",
        type=manifest_in,
        metavar="MANIFEST",
        help="the sweep's manifest.jsonl, or the folder that it is in",
    )
    export.add_argument(
        "--czml",
        metavar="FILE",
        help="write one .czml file for Cesium; an earlier one is replaced, any other file is not",
    )
    export.add_argument(
        "--oem",
        metavar="FOLDER",
        help="write a CCSDS Orbit Ephemeris Message per run and Spacecraft into a folder",
    )
    which = export.add_mutually_exclusive_group()
    which.add_argument(
        "--runs", metavar="LIST", help="the runs, such as nominal,0,5,7-9; by default a sample"
    )
    which.add_argument(
        "--sample",
        type=whole_number,
        metavar="N",
        help="how many runs beside the nominal one, drawn by a fixed seed (default 50)",
    )
    export.add_argument(
        "--output",
        metavar="NAME",
        help="the ReportFile or EphemerisFile to take; by default the most exact one",
    )
    export.add_argument(
        "--system",
        metavar="NAME",
        help="the coordinate system to take, such as EarthFixed; by default an inertial one",
    )
    export.add_argument(
        "--tolerance",
        type=float,
        metavar="METRES",
        help="with --czml: leave out states that the curve is this near to (default 10)",
    )
    export.add_argument(
        "--script",
        metavar="SCRIPT",
        help="the mission script, where it is no longer where the manifest says",
    )
