"""An override means the script with this assignment in it, for every kind of field.

What is right comes from `PlainGmat`: GMAT's bare API loads the mission with its text edited by an
editor that shares no code with the product. The bytes of GMAT's report must be the same, and other
than without the override where that moves a number.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gmat_sweep.backends.process.worker_process import WorkerProcess
from gmat_sweep.causes import headline
from gmat_sweep.spec import RunOutcome, RunSpec
from plain_gmat import PlainGmat

MISSION = """\
Create Spacecraft Sat;
GMAT Sat.DateFormat = TAIModJulian;
Sat.Epoch = '31041.0';
Sat.CoordinateSystem = EarthMJ2000Eq;
Sat.DisplayStateType = Keplerian;
Sat.SMA = 6800;
Sat.ECC = 0.01;
Sat.INC = 50;
Sat.RAAN = 10;
Sat.AOP = 20;
Sat.TA = 30;
Create ForceModel FM;
FM.CentralBody = Earth;
FM.PrimaryBodies = {Earth};
FM.GravityField.Earth.Degree = 4;
FM.GravityField.Earth.Order = 4;
FM.Drag.AtmosphereModel = JacchiaRoberts;
FM.Drag.F107 = 150;
FM.SRP = Off;
Create Propagator P;
P.FM = FM;
P.Type = PrinceDormand78;
P.InitialStepSize = 60;
P.MaxStep = 300;
P.Accuracy = 1e-9;
Create ForceModel FM2;
FM2.PointMasses = {Earth};
Create CoordinateSystem Own;
Own.Origin = Earth;
Own.Axes = MJ2000Ec;
Create ImpulsiveBurn B;
B.CoordinateSystem = Local;
B.Origin = Earth;
B.Axes = VNB;
B.Element1 = 0.01;
Create Variable v w;
v = 1;
Create Array A[2,2];
A(1,2) = 7;
Create String S;
S = 'x';
Create ReportFile R;
R.Filename = 'r.txt';
R.Precision = 16;
R.WriteHeaders = true;
BeginMissionSequence;
Maneuver B(Sat);
Propagate P(Sat) {Sat.ElapsedSecs = 1800};
Report R Sat.UTCGregorian Sat.X Sat.Y Sat.Z Sat.VX Sat.VY Sat.VZ Sat.TotalMass v w A(1,2) A(2,1) S;
"""

MOVING: list[dict[str, Any]] = [
    {"Sat.SMA": 6810.25},
    {"Sat.ECC": 1e-9},
    {"Sat.AOP": 180, "Sat.TA": 180, "Sat.ECC": 0.02},
    {"Sat.INC": 1e-9, "Sat.RAAN": 359.999},
    {"Sat.X": 6700.5},
    {"Sat.Z": 4100.25, "Sat.SMA": 6805.5, "Sat.VX": -6.4},
    {"Sat.CoordinateSystem": "EarthMJ2000Ec"},
    {"Sat.CoordinateSystem": "Own", "Sat.INC": 51},
    {"Sat.CoordinateSystem": "EarthFixed"},
    {"Sat.Epoch": 31042.25},
    {"Sat.Epoch": "31042.25"},
    {"Sat.DateFormat": "UTCModJulian"},
    {"Sat.DateFormat": "UTCGregorian", "Sat.Epoch": "02 Jan 2026 00:00:00.000"},
    {"Sat.DryMass": 900, "Sat.DragArea": 22.5},
    {"P.Type": "RungeKutta89"},
    {"P.Type": "RungeKutta56"},
    {"P.FM": "FM2"},
    {"P.Accuracy": 1e-12},
    {"P.MaxStep": 45},
    {"FM.Drag.AtmosphereModel": "MSISE90"},
    {"FM.Drag.F107": 180.5},
    {"FM.SRP": True},
    {"FM.SRP": "On"},
    {"FM.RelativisticCorrection": True},
    {"FM.GravityField.Earth.Degree": 2, "FM.GravityField.Earth.Order": 0},
    {"FM.GravityField.Earth.PotentialFile": "EGM96.cof"},
    {"FM.PointMasses": ["Luna", "Sun"]},
    {"FM.PointMasses": "{Luna}"},
    {"B.Element1": 0.02},
    {"B.Axes": "LVLH"},
    {"B.Element2": -0.005},
    {"v.Value": 2.5},
    {"w.Value": 1e-17},
    {"A(1,2)": 8},
    {"A(2, 1)": -0.125},
    {"S.Value": "y z"},
    {"S.Value": "5"},
    {"SolarSystem.EphemerisSource": "SPICE"},
    {"SolarSystem.EphemerisUpdateInterval": 60},
    {"Earth.Mu": 398600.0},
    {"Own.Axes": "MJ2000Eq", "Sat.CoordinateSystem": "Own", "Sat.TA": 31},
    {"R.Precision": 10},
    {"R.ColumnWidth": 40},
    {"R.WriteHeaders": False},
    {"R.Filename": "other.txt", "Sat.SMA": 6790},
]
STILL: list[dict[str, Any]] = [
    {},
    {"FM.SRP": False},
    {"FM.SRP": "Off"},
    {"FM.RelativisticCorrection": False},
    {"Sat.Cr": 1.5},
    {"P.FM": "FM"},
    {"Sat.DisplayStateType": "Cartesian"},
    {"SolarSystem.EphemerisSource": "DE405"},
]
REFUSED: list[tuple[dict[str, Any], str, int]] = [
    ({"Sat.SMA": -7000}, "The value of '0.01' for field 'ECC' on object 'Sat'", 7),
    ({"Sat.ECC": 1.5}, "The value of '1.5' for field 'ECC' on object 'Sat'", 7),
    ({"Sat.DateFormat": "UTCGregorian"}, "Gregorian date '31041.0' is not valid", 3),
    ({"A(3,3)": 1}, "Index exceeds matrix dimensions", 46),
    ({"P.FM": "Nope"}, "Nope", 0),
    ({"Sat.Nope": 1}, "The field name 'Nope' on object 'Sat' is not permitted", 46),
    ({"v.Value": "w"}, "Setting 'v' to 'w' is not allowed", 37),
]


@pytest.fixture(scope="module")
def mission(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One script for all runs, so that they fly one after the other on a kept mission."""
    script = tmp_path_factory.mktemp("mission") / "mission.script"
    script.write_text(MISSION)
    return script


def flown(worker: WorkerProcess, mission: Path, overrides: dict[str, Any], out: Path) -> RunOutcome:
    return worker.run(RunSpec(mission, overrides, out, 0, None, {}))


def report(out: Path) -> bytes:
    (file,) = (path for path in out.glob("*.txt") if path.name in {"r.txt", "other.txt"})
    return file.read_bytes()


@pytest.mark.parametrize("overrides", [*MOVING, *STILL], ids=str)
def test_a_run_writes_what_gmat_writes_for_the_edited_script(
    overrides: dict[str, Any],
    worker: WorkerProcess,
    plain: PlainGmat,
    mission: Path,
    tmp_path: Path,
) -> None:
    right = plain.run(MISSION, overrides)
    unedited = plain.run(MISSION, {}).files["R"]
    assert right.ran, right.log

    outcome = flown(worker, mission, overrides, tmp_path)

    assert outcome.status == "ok", outcome.stderr
    assert report(tmp_path) == right.files["R"]
    assert (report(tmp_path) != unedited) == (overrides in MOVING)


@pytest.mark.parametrize(("overrides", "said", "line"), REFUSED, ids=str)
def test_what_gmat_refuses_in_the_edited_script_is_refused_with_its_line(
    overrides: dict[str, Any],
    said: str,
    line: int,
    worker: WorkerProcess,
    plain: PlainGmat,
    mission: Path,
    tmp_path: Path,
) -> None:
    assert not plain.run(MISSION, overrides).ran

    outcome = flown(worker, mission, overrides, tmp_path)

    assert outcome.status == "failed"
    cause = headline(outcome.stderr)
    assert said in cause.replace('"', "'")
    if line:
        assert re.search(rf'in line:\s+" *{line}: ', outcome.stderr or "")
    assert "edited-" not in cause
    assert flown(worker, mission, {}, tmp_path / "next").status == "ok"
