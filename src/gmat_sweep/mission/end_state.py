"""A report of the end state, for a mission that reports nothing itself.

The report has one row: per Spacecraft its epoch (UTC), its Cartesian position (km) and velocity
(km/s), its Keplerian elements (km, degrees) and its total mass (kg), when the mission sequence has
ended. The state is relative to the origin of the Spacecraft's own coordinate system where that is
a celestial body, else to Earth, always in the axes ``MJ2000Eq``.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmat_sweep.mission.report_layout import (
    SWITCHES,
    ReportLayout,
    outputs_off,
    report_layouts,
)
from gmat_sweep.mission.script import Resource, resources_in, statements_of
from gmat_sweep.mission.statements import ScriptText, Statement, bare_value

__all__ = [
    "EndStateReport",
    "end_state_report",
    "layouts_flown",
    "report_names",
    "reports_something",
]

_BODY_TYPES = frozenset({"Asteroid", "Comet", "Moon", "Planet"})
_BUILT_IN_BODIES = frozenset(
    {
        "Earth",
        "Jupiter",
        "Luna",
        "Mars",
        "Mercury",
        "Neptune",
        "Pluto",
        "Saturn",
        "Sun",
        "Uranus",
        "Venus",
    }
)
# Formats of an EphemerisFile that are binary or need an extra.
_KEPT_FORMATS = frozenset({"CK", "Code-500", "SPK"})
_OF_A_SYSTEM = ("X", "Y", "Z", "VX", "VY", "VZ")
_ANGLES = ("INC", "RAAN", "AOP")


@dataclass(frozen=True, slots=True)
class EndStateReport:
    """Statements that make a mission report its end state.

    Attributes
    ----------
    name : str
        Name of the ReportFile.
    declarations : tuple of str
        For the part before ``BeginMissionSequence``.
    command : str
        The last command of the mission sequence.
    """

    name: str
    declarations: tuple[str, ...]
    command: str


def reports_something(statements: Sequence[Statement]) -> bool:
    """Whether a mission writes an output that a sweep reads.

    A ReportFile counts if something is added to it or a ``Report`` command names it, and no
    ``Write`` puts text in it, which makes it no table. What the script switches off does not count,
    nor an ephemeris that is kept as the file that it is.
    """
    if any(each.may_be_table and each.expects_rows for each in report_layouts(statements).values()):
        return True
    off = outputs_off(statements)
    return any(
        item.name not in off and _is_read(item, statements)
        for item in resources_in(statements)
        if item.type in SWITCHES
    )


def _is_read(output: Resource, statements: Sequence[Statement]) -> bool:
    return _last_value(statements, output.name, "FileFormat") not in _KEPT_FORMATS


def report_names(script: Path, *, end_state: bool) -> list[str]:
    """Name the reports of a mission's runs that may be tables, or all if none may.

    Parameters
    ----------
    script : Path
        The user's script.
    end_state : bool
        Whether a mission that reports nothing gets a report of its end state, which is then the
        only one.

    Raises
    ------
    OSError
        The script cannot be read.
    """
    statements = list(statements_of(script))
    resources = resources_in(statements)
    if end_state and not reports_something(statements):
        added = end_state_report(resources, statements)
        if added is not None:
            return [added.name]
    layouts = report_layouts(statements)
    return [name for name, each in layouts.items() if each.may_be_table] or list(layouts)


def layouts_flown(script: Path, *, end_state: bool) -> dict[str, ReportLayout]:
    """Return what the reports of a mission's runs have, as `report_names` names them.

    Parameters
    ----------
    script, end_state
        As for `report_names`.

    Raises
    ------
    OSError
        The script cannot be read.
    """
    statements = list(statements_of(script))
    if end_state and not reports_something(statements):
        added = end_state_report(resources_in(statements), statements)
        if added is not None:
            lines = "\n".join([*added.declarations, "BeginMissionSequence;", added.command])
            return report_layouts(ScriptText(script, lines.encode()).statements)
    return report_layouts(statements)


def end_state_report(
    resources: Sequence[Resource], statements: Sequence[Statement]
) -> EndStateReport | None:
    """Return the report of a mission's end state, None for a mission without a Spacecraft."""
    spacecraft = list(dict.fromkeys(each.name for each in resources if each.type == "Spacecraft"))
    if not spacecraft:
        return None
    taken = {each.name for each in resources}
    name = _free("EndState", taken)
    systems: dict[str, str] = {"Earth": "EarthMJ2000Eq"}
    declarations: list[str] = []
    quantities: list[str] = []
    for craft in spacecraft:
        body = _central_body(craft, resources, statements)
        if body not in systems:
            systems[body] = _free(f"{body}MJ2000Eq", taken)
            declarations += [
                f"Create CoordinateSystem {systems[body]};",
                f"{systems[body]}.Origin = {body};",
                f"{systems[body]}.Axes = MJ2000Eq;",
            ]
        system = systems[body]
        quantities += [
            f"{craft}.UTCGregorian",
            *(f"{craft}.{system}.{component}" for component in _OF_A_SYSTEM),
            f"{craft}.{body}.SMA",
            f"{craft}.{body}.ECC",
            *(f"{craft}.{system}.{angle}" for angle in _ANGLES),
            f"{craft}.{body}.TA",
            f"{craft}.TotalMass",
        ]
    declarations += [
        f"Create ReportFile {name};",
        f"{name}.Filename = '{name}.txt';",
        # Digits that give back every bit of a number.
        f"{name}.Precision = 17;",
        f"{name}.ColumnWidth = 30;",
    ]
    return EndStateReport(name, tuple(declarations), f"Report {name} {' '.join(quantities)};")


def _central_body(
    craft: str, resources: Sequence[Resource], statements: Sequence[Statement]
) -> str:
    system = _last_value(statements, craft, "CoordinateSystem")
    body = _last_value(statements, system, "Origin") if system else ""
    own = {each.name for each in resources if each.type in _BODY_TYPES}
    return body if body in _BUILT_IN_BODIES | own else "Earth"


def _last_value(statements: Sequence[Statement], owner: str, field: str) -> str:
    """Return the value that the part before the mission sequence leaves in a field, or ''."""
    value = ""
    for statement in statements:
        if statement.word == "BeginMissionSequence":
            break
        if statement.assigned == (owner, field):
            value = bare_value(statement)
    return value


def _free(wanted: str, taken: Collection[str]) -> str:
    numbered = itertools.chain([wanted], (f"{wanted}{number}" for number in itertools.count(2)))
    return next(name for name in numbered if name not in taken)
