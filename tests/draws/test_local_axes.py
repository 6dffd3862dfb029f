"""The local frames against GMAT's own: each axis is the change of velocity of a burn along it."""

from __future__ import annotations

import pytest

from gmat_sweep.draws.local_axes import local_axes
from gmat_sweep.errors import SweepConfigError
from plain_gmat import PlainGmat

MISSION = """\
Create Spacecraft Sat;
Sat.SMA = 9000;
Sat.ECC = 0.2;
Sat.INC = 51;
Sat.RAAN = 40;
Sat.AOP = 30;
Sat.TA = 75;
Create ImpulsiveBurn Burn;
Burn.CoordinateSystem = Local;
Burn.Origin = Earth;
Burn.Axes = {axes};
Burn.Element{number} = 1;
Create ReportFile R;
R.WriteHeaders = false;
R.Precision = 16;
BeginMissionSequence;
Report R {state};
Maneuver Burn(Sat);
Report R {state};
"""
STATE = " ".join(f"Sat.EarthMJ2000Eq.{name}" for name in ("X", "Y", "Z", "VX", "VY", "VZ"))


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("axes", ["VNB", "LVLH"])
def test_they_are_those_of_gmats_burns(axes: str, number: int, plain: PlainGmat) -> None:
    ran = plain.run(MISSION.format(axes=axes, number=number, state=STATE))
    before, after = ([float(x) for x in line.split()] for line in ran.files["R"].splitlines())
    along = [b - a for a, b in zip(before[3:], after[3:], strict=True)]
    assert local_axes(axes, before)[number - 1] == pytest.approx(along, abs=1e-12)


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(SweepConfigError, match="unknown axes 'ECI'"):
        local_axes("ECI", [7000.0, 0.0, 0.0, 0.0, 7.5, 1.0])
