"""Random missions out of parts, each with random overrides: `random_mission` of a seed.

A mission's script has one statement a line and flies in a fraction of a second. GMAT accepts it,
and accepts it edited by the overrides of each `Overridden`, but for those marked as refused.
Nothing here asks the engine: `tests/worker/test_edited_script.py` does, and checks the marks.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from mission_draft import SCALES, Choice, Draft
from plain_gmat import Value
from plain_report import DeclaredReport
from random_spacecraft import add_spacecraft, random_epoch

__all__ = ["Mission", "Overridden", "random_mission"]

_ATMOSPHERES = ("JacchiaRoberts", "MSISE90", "Exponential")
_INTEGRATORS = (
    "RungeKutta89",
    "PrinceDormand78",
    "PrinceDormand45",
    "RungeKutta56",
    "RungeKutta68",
    "AdamsBashforthMoulton",
)
_AXES = ("MJ2000Ec", "MODEq", "TODEq", "TODEc", "TOEEq", "BodyInertial", "Equator", "ICRF", "TEME")

_DECLARED = {
    "Filename": "file",
    "Add": "columns",
    "WriteHeaders": "headers",
    "FixedWidth": "fixed",
    "ColumnWidth": "width",
    "Precision": "precision",
    "Delimiter": "delimiter",
}


@dataclass(frozen=True, slots=True)
class Overridden:
    """One run of a mission.

    Attributes
    ----------
    overrides : dict of str to value
        Dotted path to value; at most three, none for the script as it stands.
    refused : bool
        Whether GMAT refuses the script edited so.
    """

    overrides: dict[str, Value]
    refused: bool = False

    def declared(self, report: DeclaredReport) -> DeclaredReport:
        """Return the report as the script with these overrides declares it."""
        changed: dict[str, Any] = {
            attribute: self.overrides[f"{report.name}.{field}"]
            for field, attribute in _DECLARED.items()
            if f"{report.name}.{field}" in self.overrides
        }
        if "columns" in changed:
            changed["columns"] = tuple(changed["columns"])
        return replace(report, **changed)


@dataclass(frozen=True, slots=True)
class Mission:
    """A random mission.

    Attributes
    ----------
    seed : int
        Of `random_mission`.
    script : str
        Its text.
    reports : tuple of DeclaredReport
        Its ReportFiles, in the order of the script.
    ephemeris : str or None
        The file of its EphemerisFile, which is named ``Eph``.
    runs : tuple of Overridden
        Runs of it, the first without overrides. As in a sweep, some in a row override the same
        fields.
    """

    seed: int
    script: str
    reports: tuple[DeclaredReport, ...]
    ephemeris: str | None
    runs: tuple[Overridden, ...]


def random_mission(seed: int, runs: int = 6) -> Mission:
    """Make a mission.

    Parameters
    ----------
    seed : int
        The same seed gives the same mission.
    runs : int
        How many runs it gets.
    """
    draft = Draft(random.Random(seed))
    draft.has_air = draft.maybe(0.4)
    tank = _tank_and_thruster(draft)
    frames = _frames(draft)
    craft = ["Sat", *(["Other"] if draft.maybe(0.25) else [])]
    # Spacecraft that fly in one Propagate command have one epoch, which no run overrides.
    epoch = random_epoch(draft) if draft.maybe(0.5) and len(craft) > 1 else None
    for name in craft:
        add_spacecraft(draft, name, frames, tank if name == "Sat" else None, epoch)
    _forces_and_propagator(draft, tank)
    burn = _burn(draft, tank)
    _names(draft)
    _sequence(draft, [", ".join(craft)] if epoch else craft, tank, burn)
    _reports(draft)
    ephemeris = _ephemeris(draft)
    script = "\n".join([*draft.setup, "BeginMissionSequence;", *draft.sequence, ""])
    return Mission(seed, script, tuple(draft.reports), ephemeris, tuple(_runs(draft, runs)))


# --- resources -----------------------------------------------------------------------------------


def _tank_and_thruster(draft: Draft) -> str | None:
    if not draft.maybe(0.4):
        return None
    number = draft.number
    draft.create(
        "ChemicalTank",
        "Tank",
        FuelMass=number(50, 120),
        Volume=0.2,
        Pressure=1500,
        # A solver that does not converge may ask for any burn.
        AllowNegativeFuelMass="true",
    )
    draft.create(
        "ChemicalThruster",
        "Thruster",
        CoordinateSystem="Local",
        Origin="Earth",
        Axes=draft.rng.choice(["VNB", "LVLH"]),
        DecrementMass=draft.rng.choice(["true", "false"]),
        Tank="{Tank}",
        C1=number(5, 30),
    )
    draft.create("FiniteBurn", "Long", Thrusters="{Thruster}")
    draft.overridable |= {
        "Tank.FuelMass": lambda: number(50, 120),
        "Tank.Pressure": lambda: number(1200, 1800),
        "Tank.Temperature": lambda: number(10, 30),
        "Tank.PressureModel": lambda: draft.rng.choice(["BlowDown", "PressureRegulated"]),
        "Thruster.C1": lambda: number(5, 30),
        "Thruster.K1": lambda: number(200, 320),
        "Thruster.DutyCycle": lambda: number(0.5, 1.0),
        "Thruster.ThrustScaleFactor": lambda: number(0.5, 1.5),
        "Thruster.DecrementMass": lambda: draft.maybe(0.5),
        "Thruster.ThrustDirection1": lambda: number(-1, -0.1),
        "Thruster.ThrustDirection2": lambda: number(0.1, 1),
        "Thruster.Axes": lambda: draft.rng.choice(["VNB", "LVLH", "MJ2000Eq"]),
    }
    return "Tank"


def _frames(draft: Draft) -> list[str]:
    frames = ["EarthMJ2000Eq", "EarthMJ2000Ec"]
    # A retrograde orbit that turns with the Earth comes down, to where models of air end.
    frames += [] if draft.has_air else ["EarthFixed"]
    if draft.maybe(0.5):
        draft.create("CoordinateSystem", "Frame", Origin="Earth", Axes=draft.rng.choice(_AXES))
        draft.overridable["Frame.Axes"] = lambda: draft.rng.choice(_AXES)
        draft.quantities += ["Sat.Frame.X", "Sat.Frame.VZ", "Sat.Frame.INC"]
        frames.append("Frame")
    return frames


def _forces_and_propagator(draft: Draft, tank: str | None) -> None:
    rng, number = draft.rng, draft.number
    # The last two, of Nystrom's kind and with several steps, cannot deplete masses.
    integrators = _INTEGRATORS[:-2] if tank else _INTEGRATORS
    forces: dict[str, object] = {"CentralBody": "Earth"}
    bodies = rng.choice([[], ["Luna"], ["Luna", "Sun"], ["Sun", "Jupiter"]])
    if not draft.has_air and draft.maybe(0.4):
        forces["PointMasses"] = "{" + ", ".join(["Earth", *bodies]) + "}"
        draft.overridable["Forces.PointMasses"] = lambda: rng.choice(["{Earth}", "{Earth, Sun}"])
    else:
        _gravity(draft, forces, bodies)
    positions: list[Value] = [True, False, "On", "Off"]
    for switch in ("SRP", "RelativisticCorrection"):
        standing = rng.choice([None, "On", "Off"])
        if standing:
            forces[switch] = standing
        draft.overridable[f"Forces.{switch}"] = lambda: rng.choice(positions)
    if draft.maybe(0.3):
        forces["ErrorControl"] = rng.choice(["RSSStep", "RSSState"])
    draft.create("ForceModel", "Forces", **forces)
    draft.create("ForceModel", "Plain", CentralBody="Earth", PointMasses="{Earth}")
    draft.create(
        "Propagator",
        "Prop",
        FM="Forces",
        Type=rng.choice(integrators),
        InitialStepSize=rng.choice([10, 30, 60]),
        Accuracy=rng.choice(["1e-9", "1e-10"]),
        MinStep=0.001,
        MaxStep=rng.choice([60, 300]),
    )
    draft.overridable |= {
        "Prop.FM": lambda: rng.choice(["Plain", "Forces"]),
        "Prop.Type": lambda: rng.choice(integrators),
        "Prop.InitialStepSize": lambda: number(5, 60),
        "Prop.MaxStep": lambda: number(60, 300),
        "Prop.Accuracy": lambda: rng.choice([1e-8, 1e-10, 3.5e-11]),
        "Prop.StopIfAccuracyIsViolated": lambda: draft.maybe(0.5),
        "Forces.ErrorControl": lambda: rng.choice(["RSSStep", "RSSState"]),
        "SolarSystem.EphemerisUpdateInterval": lambda: rng.choice([0.0, 50.0, 500.0]),
        "SolarSystem.UseTTForEphemeris": lambda: draft.maybe(0.5),
        "SolarSystem.EphemerisSource": lambda: rng.choice(["SPICE", "DE405"]),
        "Earth.Mu": lambda: number(398500, 398700),
        "Luna.Mu": lambda: number(4800, 5000),
        "Earth.NutationUpdateInterval": lambda: rng.choice([60.0, 86400.0]),
    }
    draft.refused += [("Prop.Type", "NoSuchType"), ("Prop.FM", "NoSuchModel")]


def _gravity(draft: Draft, forces: dict[str, object], bodies: list[str]) -> None:
    rng = draft.rng
    degree = rng.randrange(2, 9)
    forces["PrimaryBodies"] = "{Earth}"
    if bodies:
        forces["PointMasses"] = "{" + ", ".join(bodies) + "}"
        draft.overridable["Forces.PointMasses"] = lambda: rng.choice(["{Sun}", "{Luna, Jupiter}"])
    forces |= {"GravityField__Earth__Degree": degree, "GravityField__Earth__Order": degree}
    if draft.maybe(0.6):
        forces["GravityField__Earth__PotentialFile"] = rng.choice(["'JGM2.cof'", "'JGM3.cof'"])
    draft.overridable |= {
        "Forces.GravityField.Earth.Degree": lambda: rng.randrange(degree, 12),
        "Forces.GravityField.Earth.Order": lambda: rng.randrange(0, degree + 1),
        "Forces.GravityField.Earth.PotentialFile": lambda: rng.choice(["JGM2.cof", "JGM3.cof"]),
    }
    if not draft.has_air:
        return
    forces["Drag__AtmosphereModel"] = rng.choice(_ATMOSPHERES)
    draft.overridable["Forces.Drag.AtmosphereModel"] = lambda: rng.choice(_ATMOSPHERES)
    if draft.maybe(0.5):
        forces["Drag__F107"] = draft.number(100, 200)
    draft.overridable["Forces.Drag.F107"] = lambda: draft.number(100, 200)
    draft.overridable["Forces.Drag.MagneticIndex"] = lambda: draft.number(1, 5)
    draft.refused.append(("Forces.Drag.AtmosphereModel", "NoSuchAir"))


def _burn(draft: Draft, tank: str | None) -> str | None:
    if not draft.maybe(0.5):
        return None
    fields: dict[str, object] = {"CoordinateSystem": "Local", "Origin": "Earth"}
    fields["Axes"] = draft.rng.choice(["VNB", "LVLH", "MJ2000Eq"])
    for element in ("Element1", "Element2", "Element3"):
        if draft.maybe(0.7):
            fields[element] = draft.number(-0.05, 0.05)
        draft.overridable[f"Burn.{element}"] = lambda: draft.number(-0.05, 0.05)
    if tank:
        fields |= {"DecrementMass": draft.rng.choice(["true", "false"]), "Tank": "{Tank}"}
        draft.overridable["Burn.DecrementMass"] = lambda: draft.maybe(0.5)
        draft.overridable["Burn.Isp"] = lambda: draft.number(200, 350)
    draft.create("ImpulsiveBurn", "Burn", **fields)
    draft.overridable["Burn.Axes"] = lambda: draft.rng.choice(["VNB", "LVLH", "MJ2000Eq"])
    draft.quantities += ["Burn.Element1", "Burn.Element2"]
    return "Burn"


def _names(draft: Draft) -> None:
    """Variables, an Array and a String."""
    rng, number = draft.rng, draft.number
    draft.setup += ["Create Variable gain offset count;", f"GMAT gain = {number(-5, 5)!r};"]
    draft.setup += ["Create Array A[2,3];", f"A(1,2) = {number(0, 9)!r};", "GMAT A(2, 3) = 4;"]
    draft.setup += ["Create String note;", f"note = '{rng.choice(['early', 'late'])}';"]
    draft.overridable |= {
        "gain.Value": lambda: number(-5, 5),
        "offset.Value": lambda: rng.choice([7, number(-5, 5), 1e-300]),
        "A(1,2)": lambda: number(0, 9),
        "A(2,1)": lambda: rng.choice([3, number(0, 9)]),
        "note.Value": lambda: rng.choice(["short", "late", "x-1", "gain"]),
    }
    draft.quantities += ["gain", "offset", "A(1,2)", "A(2,1)", "A(2,3)", "note"]
    draft.refused.append(("A(3,1)", 1.0))


# --- the mission sequence ------------------------------------------------------------------------


def _sequence(draft: Draft, craft: list[str], tank: str | None, burn: str | None) -> None:
    rng, add = draft.rng, draft.sequence.append

    def fly(seconds: int, flown: str = craft[0]) -> str:
        return f"Propagate Prop({flown}) {{{flown.partition(',')[0]}.ElapsedSecs = {seconds}}};"

    add(fly(rng.choice([60, 120, 300])))
    draft.sequence += [fly(90, other) for other in craft[1:]]
    parts: list[str] = [part for part in ("math", "if", "for", "strings") if draft.maybe(0.35)]
    parts += ["burn"] if burn and draft.maybe(0.7) else []
    parts += ["target"] if burn and draft.maybe(0.6) else []
    parts += ["finite"] if tank and "," not in craft[0] and draft.maybe(0.7) else []
    rng.shuffle(parts)
    for part in parts:
        if part == "math":
            add("gain = gain * 2 + sqrt(Sat.Earth.SMA) / 3;")
            add("A(2,1) = sin(gain) + A(1,2);")
        elif part == "if":
            draft.sequence += ["If Sat.Earth.RMAG > 7000", "   offset = offset + 1;"]
            draft.sequence += ["Else", "   offset = A(1,2);", "EndIf;"]
        elif part == "for":
            draft.sequence += ["For count = 1:1:3", f"   {fly(30)}", "EndFor;"]
        elif part == "strings":
            add("note = strcat(note, '-more');")
        elif part == "burn":
            add("Maneuver Burn(Sat);")
        elif part == "finite":
            draft.sequence += ["BeginFiniteBurn Long(Sat);", fly(30), "EndFiniteBurn Long(Sat);"]
        elif part == "target":
            _targeter(draft)
    add(fly(rng.choice([60, 200])))


def _targeter(draft: Draft) -> None:
    """A solver whose goal is near, or out of reach within its iterations."""
    reached = draft.maybe(0.6)
    draft.create("DifferentialCorrector", "DC", MaximumIterations=25 if reached else 2)
    draft.setup += ["Create Variable goal;", f"goal = {draft.number(7100, 7300)!r};"]
    draft.overridable |= {
        "goal.Value": lambda: draft.number(7100, 7300),
        "DC.MaximumIterations": lambda: draft.rng.choice([1, 3, 20]),
        "DC.DerivativeMethod": lambda: draft.rng.choice(["CentralDifference", "ForwardDifference"]),
    }
    tolerance = "0.001" if reached else "1e-12"
    draft.sequence += [
        "Target DC;",
        "   Vary DC(Burn.Element1 = 0.01, {Perturbation = 0.0001, MaxStep = 0.2});",
        "   Maneuver Burn(Sat);",
        f"   Achieve DC(Sat.Earth.SMA = goal, {{Tolerance = {tolerance}}});",
        "EndTarget;",
    ]


# --- reports -------------------------------------------------------------------------------------


def _reports(draft: Draft) -> None:
    for number in range(1, draft.rng.choice([1, 1, 2, 3]) + 1):
        report = _report(draft, f"R{number}")
        draft.reports.append(report)
        fields: dict[str, object] = {"Filename": f"'{report.file}'"}
        defaults = DeclaredReport("", "")
        # A script is often silent where GMAT's default is meant.
        if report.precision != defaults.precision or draft.maybe(0.5):
            fields["Precision"] = report.precision
        if report.columns:
            fields["Add"] = "{" + ", ".join(report.columns) + "}"
        if not report.headers or draft.maybe(0.5):
            fields["WriteHeaders"] = str(report.headers).lower()
        if not report.fixed:
            fields["FixedWidth"] = "false"
        if report.width != defaults.width:
            fields["ColumnWidth"] = report.width
        if report.delimiter != defaults.delimiter:
            fields["Delimiter"] = f"'{report.delimiter}'"
        if draft.maybe(0.2):
            fields["LeftJustify"] = "Off"
        if draft.maybe(0.1):
            fields["ZeroFill"] = "On"
        draft.create("ReportFile", report.name, **fields)
        for listed in report.commands:
            _put_in(draft, f"Report {report.name} {' '.join(listed)};")
        draft.overridable |= _declarations(draft, report)
        draft.overridable[f"{report.name}.LeftJustify"] = lambda: draft.maybe(0.5)
        draft.overridable[f"{report.name}.ZeroFill"] = lambda: draft.maybe(0.5)
        draft.overridable[f"{report.name}.Precision"] = _at_most(draft, report.precision)
        draft.refused.append((f"{report.name}.Precision", -1))


def _declarations(draft: Draft, report: DeclaredReport) -> dict[str, Choice]:
    """Overrides of what `DeclaredReport` says."""
    rng, name = draft.rng, report.name
    listed: dict[str, Choice] = {}
    if report.columns:
        listed[f"{name}.Add"] = lambda: rng.sample(draft.quantities, 3)
    return listed | {
        f"{name}.Filename": lambda: f"{name}-{rng.randrange(10)}.txt",
        f"{name}.WriteHeaders": lambda: draft.maybe(0.5),
        f"{name}.FixedWidth": lambda: draft.maybe(0.5),
        f"{name}.ColumnWidth": lambda: rng.choice([23, 25, 40]),
        f"{name}.Delimiter": lambda: rng.choice([",", ";", " "]),
    }


def _ephemeris(draft: Draft) -> str | None:
    if not draft.maybe(0.2):
        return None
    draft.create(
        "EphemerisFile",
        "Eph",
        Spacecraft="Sat",
        Filename="'track.eph'",
        FileFormat=draft.rng.choice(["CCSDS-OEM", "STK-TimePosVel"]),
    )
    draft.overridable |= {
        "Eph.StepSize": lambda: draft.rng.choice([20, 60]),
        "Eph.InterpolationOrder": lambda: draft.rng.choice([5, 7]),
        "Eph.CoordinateSystem": lambda: draft.rng.choice(["EarthMJ2000Ec", "EarthMJ2000Eq"]),
        "Eph.WriteEphemeris": lambda: draft.maybe(0.8),
    }
    return "track.eph"


def _at_most(draft: Draft, precision: int) -> Choice:
    return lambda: draft.rng.randrange(4, precision + 1)


def _report(draft: Draft, name: str) -> DeclaredReport:
    rng = draft.rng
    epochs = [f"Sat.{scale}{form}" for scale in SCALES for form in ("Gregorian", "ModJulian")]

    def some(least: int, most: int) -> tuple[str, ...]:
        return tuple(rng.sample(draft.quantities, rng.randrange(least, most + 1)))

    shape = rng.choice(["add", "add", "add", "commands", "both"])
    columns: tuple[str, ...] = ()
    if shape != "commands":
        columns = some(1, 6)
        if draft.maybe(0.75):
            epoch = "Sat.UTCGregorian" if draft.maybe(0.6) else rng.choice(epochs)
            columns = (epoch, *columns) if draft.maybe(0.8) else (*columns, epoch)
    commands: list[tuple[str, ...]] = []
    if shape != "add":
        listed = some(1, 4)
        commands = [listed] * rng.choice([1, 2])
        if draft.maybe(0.4):
            commands.append(some(1, 3))
        if draft.maybe(0.2):
            commands.append((*some(1, 2), "A"))
    fixed = draft.maybe(0.75)
    precision = rng.choice([16, 16, 16, 12, 8])
    width = rng.choice([23, 23, 30, 12]) if fixed else 23
    delimiter = rng.choice([",", ";", " "]) if not fixed or draft.maybe(0.1) else " "
    return DeclaredReport(
        name=name,
        file=f"{name}{rng.choice(['.txt', '.csv', '.report'])}",
        columns=columns,
        commands=tuple(commands),
        headers=draft.maybe(0.75),
        fixed=fixed,
        width=width,
        precision=precision,
        delimiter=delimiter,
    )


def _put_in(draft: Draft, command: str) -> None:
    """Put a command at the top level of the sequence, but not into a solver's block."""
    places, depth = [], 0
    for number, line in enumerate(draft.sequence):
        if line.startswith(("If ", "For ", "Target ", "BeginFiniteBurn")):
            depth += 1
        if line.startswith(("EndIf", "EndFor", "EndTarget", "EndFiniteBurn")):
            depth -= 1
        if depth == 0:
            places.append(number + 1)
    draft.sequence.insert(draft.rng.choice(places), command)


# --- runs ----------------------------------------------------------------------------------------


def _runs(draft: Draft, count: int) -> Iterable[Overridden]:
    yield Overridden({})
    paths = sorted(draft.overridable)
    chosen, left = _likely(draft, paths), 0
    for _ in range(count - 1):
        if draft.maybe(0.06):
            path, value = draft.rng.choice(draft.refused)
            yield Overridden({path: value}, refused=True)
            continue
        if left == 0:
            chosen, left = _likely(draft, paths), draft.rng.choice([1, 2, 5])
        left -= 1
        yield Overridden({path: draft.overridable[path]() for path in chosen})


def _likely(draft: Draft, paths: list[str]) -> list[str]:
    """Choose up to three paths; the state of a spacecraft as often as all else."""
    state = [path for path in paths if path.startswith(("Sat.", "Other."))]
    chosen: list[str] = []
    for _ in range(draft.rng.choice([1, 1, 2, 3])):
        path = draft.rng.choice(state if draft.maybe(0.5) else paths)
        if path not in chosen:
            chosen.append(path)
    return chosen
