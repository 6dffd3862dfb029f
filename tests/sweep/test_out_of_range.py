"""Values that GMAT refuses are counted; which those are was tried on the engine itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gmat_sweep.sweep.out_of_range import _LIMITS, OutOfRange
from plain_gmat import PlainGmat

TYPES = {"Sat": "Spacecraft", "Tank": "ChemicalTank", "V": "Variable"}


def warned(*runs: dict[str, Any]) -> list[str]:
    counted = OutOfRange()
    for run in runs:
        counted.add(run)
    return counted.warnings(TYPES)


def test_each_field_is_told_once_with_its_count() -> None:
    said = warned(
        {"Sat.ECC": -0.01, "Sat.INC": 180.5},
        {"Sat.ECC": 0.01, "Sat.INC": 180.0},
        {"Sat.ECC": -0.02, "Tank.Temperature": -273.15},
    )
    assert [line.partition(",")[0] for line in said] == [
        "2 of 3 runs have Sat.ECC below 0",
        "1 of 3 runs have Sat.INC above 180",
        "1 of 3 runs have Tank.Temperature not above -273.15",
    ]


def test_others_are_no_matter() -> None:
    assert warned({"Sat.ECC": 0.0, "Sat.SMA": -7000.0, "V.ECC": -1.0, "Sat.DryMass": "x"}) == []


MISSION = """\
Create Spacecraft Sat;
Sat.SMA = 7000;
Sat.ECC = 0.01;
Sat.INC = 51;
Sat.RAAN = 10;
Sat.AOP = 20;
Sat.TA = 30;
Create ChemicalTank Tank;
Create ReportFile R;
R.Add = {Sat.A1ModJulian, Sat.SMA};
BeginMissionSequence;
"""


@pytest.mark.parametrize(("kind", "name"), _LIMITS)
def test_the_engine_refuses_what_is_out_of_range_and_takes_what_is_not(
    kind: str, name: str, tmp_path: Path, plain: PlainGmat
) -> None:
    least, most, counts = _LIMITS[kind, name]
    path = f"{'Sat' if kind == 'Spacecraft' else 'Tank'}.{name}"
    wrong = [least - 1e-3, *([] if counts else [least]), *([most + 1e-3] if most < 1e9 else [])]
    right = [least + 1e-3, *([least] if counts else []), *([most] if most < 1e9 else [])]
    for value, is_taken in [*((v, False) for v in wrong), *((v, True) for v in right)]:
        run = plain.run(MISSION, {path: value})
        assert run.loaded is is_taken, (value, run)
