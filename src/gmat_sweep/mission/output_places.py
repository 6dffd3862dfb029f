"""Places of a mission's outputs: each in the run folder, and each in a file of its own.

GMAT refuses to load a script that names an output in a folder that is not there, and lets two
outputs write over each other. So the script that is loaded has a plain name for such an output, and
the run puts it where the script wanted it, inside of the run folder.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from gmat_sweep.mission.script import SOLVER_TYPES
from gmat_sweep.mission.statements import Statement, bare_value

__all__ = ["OutputPlace", "output_places", "own_place", "plain_name", "writes_file"]

_FIELDS: Mapping[str, str] = {
    "ContactLocator": "Filename",
    "EclipseLocator": "Filename",
    "EphemerisFile": "Filename",
    "IntrusionLocator": "Filename",
    "ReportFile": "Filename",
    **dict.fromkeys(SOLVER_TYPES, "ReportFile"),
}

# GMAT takes no longer name of a file.
_LONGEST_NAME = 232
# What a run calls the tables that it makes of outputs.
_TABLE = re.compile(r"(contact|ephemeris|report|solver)__.*\.parquet")


@dataclass(frozen=True, slots=True)
class OutputPlace:
    """Where an output goes.

    Attributes
    ----------
    declared : str
        Its name in the script.
    loaded : str
        Its name in the script that GMAT loads: without a folder, and no other output's.
    place : str
        Its path in the run folder, no other output's.
    """

    declared: str
    loaded: str
    place: str


def writes_file(target: str, types: Mapping[str, str]) -> bool:
    """Whether an assignment's target names a file that GMAT writes and a sweep reads."""
    owner, _, field = target.partition(".")
    return _FIELDS.get(types.get(owner, "")) == field


def output_places(
    statements: Iterable[Statement],
    types: Mapping[str, str],
    reserved: Collection[str] = (),
) -> dict[str, OutputPlace]:
    """Give each output that the script names its place.

    Parameters
    ----------
    statements : iterable of Statement
        The statements of a mission.
    types : mapping
        Type of each resource by its name.
    reserved : collection of str
        Names in the run folder that no output may have.

    Returns
    -------
    dict
        By target (``R.Filename``), in the order of the script.
    """
    declared = {
        statement.target: bare_value(statement)
        for statement in statements
        if statement.assigned and writes_file(statement.target, types)
    }
    found: dict[str, OutputPlace] = {}
    loaded_names, places = set(reserved), set(reserved)
    for target, name in declared.items():
        owner = target.partition(".")[0]
        path = PurePosixPath(plain_name(name).replace("\\", "/"))
        loaded = own_place(PurePosixPath(path.name), owner, loaded_names)
        place = own_place(path, owner, places)
        found[target] = OutputPlace(name, str(loaded), str(place))
    return found


def plain_name(name: str) -> str:
    """Return `name` itself if it stays in the folder it is relative to, else its last part.

    `name` may be a path in the form of Windows or in that of all other systems.
    """
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if posix.is_absolute() or windows.anchor or ".." in windows.parts:
        return windows.name if windows.name not in ("", "..") else "output.txt"
    return name


def own_place(path: PurePosixPath, owner: str, taken: set[str]) -> PurePosixPath:
    """Return a path that nothing else has, and note it.

    It is no folder of another path, nor has it one as a folder.
    """
    if path.name in ("", "."):
        path = PurePosixPath("output.txt")
    if any(str(folder) in taken or _TABLE.fullmatch(str(folder)) for folder in path.parents):
        path = PurePosixPath(path.name)
    folders = {str(folder) for each in taken for folder in PurePosixPath(each).parents}
    number = 1
    own = path
    while str(own) in taken | folders or _TABLE.fullmatch(str(own)):
        prefix = f"{owner}-" if number == 1 else f"{owner}-{number}-"
        stem = path.stem[: max(_LONGEST_NAME - len(prefix) - len(path.suffix), 0)]
        own = path.with_name(f"{prefix}{stem}{path.suffix}")
        number += 1
    taken.add(str(own))
    return own
