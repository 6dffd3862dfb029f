"""data_used: only the data on which a number can depend decide whether evidence goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gmat_sweep.analysis.nightly.data_used import data_used, names_file
from gmat_sweep.mission.statements import ScriptText

DATA = (
    "gravity/earth/JGM2.cof",
    "gravity/earth/EGM96.cof",
    "gravity/luna/LP165P.cof",
    "gravity/luna/grgm900c.cof",
    "atmosphere/earth/SpaceWeather-All-v1.2.txt",
    "atmosphere/earth/SchattenPredict.txt",
    "planetary_ephem/de/leDE1941.405",
    "planetary_ephem/de/leDE-1900.430",
    "vehicle/ephem/spk/probe.bsp",
)
# GMAT opens these for every mission, as `strace` shows.
ALWAYS = (
    "time/tai-utc.dat",
    "planetary_coeff/eopc04_08.62-now",
    "planetary_coeff/earth_latest_high_prec.bpc",
)
MODEL = "Create ForceModel FM;\nCreate Propagator P;\nP.FM = FM;\n"
EMPTY_JGM2 = """
import sys
from gmat_sweep.engine.finding import activate

activate()
from gmat_run import GmatRunError, Mission

for script in sys.argv[1:]:
    try:
        Mission.load(script).run()
        print("flew")
    except GmatRunError:
        print("refused")
"""


def used(text: str) -> set[str]:
    statements = ScriptText(Path("m.script"), text.encode()).statements
    found = data_used(statements, (*DATA, *ALWAYS))
    assert set(ALWAYS) <= set(found)
    return set(found) - set(ALWAYS) - {"planetary_ephem/de/leDE1941.405"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MODEL + "FM.PointMasses = {Earth, Luna};\n", set()),
        (MODEL, {"gravity/earth/JGM2.cof"}),
        ("Create Propagator P;\n", {"gravity/earth/JGM2.cof"}),
        (MODEL + "FM.PrimaryBodies = {Earth};\n", {"gravity/earth/JGM2.cof"}),
        (
            MODEL + "FM.PrimaryBodies = {Earth};\n"
            "FM.GravityField.Earth.PotentialFile = 'egm96.cof'; % not 'JGM2.cof'\n",
            {"gravity/earth/EGM96.cof"},
        ),
        (
            MODEL + "FM.PrimaryBodies = {Luna};\nFM.PointMasses = {Earth};\n",
            {"gravity/luna/LP165P.cof"},
        ),
        (
            MODEL + "FM.PointMasses = {Earth};\nFM.Drag.AtmosphereModel = MSISE90;\n"
            "FM.Drag.HistoricWeatherSource = 'CSSISpaceWeatherFile';\n",
            {"atmosphere/earth/SpaceWeather-All-v1.2.txt"},
        ),
        (MODEL + "FM.PointMasses = {Earth};\nFM.Drag.AtmosphereModel = MSISE90;\n", set()),
        (
            MODEL + "FM.PointMasses = {Earth};\n"
            "Create Spacecraft S;\nS.OrbitSpiceKernelName = {'vehicle/ephem/spk/probe.bsp'};\n"
            "SolarSystem.EphemerisSource = 'DE430';\n",
            {"vehicle/ephem/spk/probe.bsp", "planetary_ephem/de/leDE-1900.430"},
        ),
    ],
    ids=["points", "default", "no model", "default of a body", "named", "Moon", "flux", "constant",
         "kernel"],
)  # fmt: skip
def test_a_file_counts_if_the_mission_names_it_or_gets_it_by_default(
    text: str, expected: set[str]
) -> None:
    assert used(text) == expected


def test_a_name_is_a_word_of_its_own() -> None:
    assert names_file("choice: 'egm96.cof'", "gravity/earth/EGM96.cof")
    assert names_file("['egm96']", "gravity/earth/EGM96.cof")
    assert not names_file("egm96b.cof my-egm96.cof", "gravity/earth/EGM96.cof")


def test_the_engine_itself_flies_without_a_gravity_file_that_is_not_used(tmp_path: Path) -> None:
    """The other way: R2026a with an empty JGM2.cof. What does not fly then has used it."""
    empty = tmp_path / "data" / "gravity" / "earth" / "JGM2.cof"
    empty.parent.mkdir(parents=True)
    empty.touch()
    texts = {
        "points": MODEL + "FM.PointMasses = {Earth};\n",
        "named": MODEL + "FM.PrimaryBodies = {Earth};\n"
        "FM.GravityField.Earth.PotentialFile = 'EGM96.cof';\n",
        "default": MODEL,
        "no model": "Create Propagator P;\n",
        "body": MODEL + "FM.PrimaryBodies = {Earth};\n",
    }
    end = "BeginMissionSequence;\nPropagate P(Sat) {Sat.ElapsedSecs = 60};\n"
    for name, text in texts.items():
        (tmp_path / f"{name}.script").write_text(f"Create Spacecraft Sat;\n{text}{end}")
    scripts = [f"{name}.script" for name in texts]
    ended = subprocess.run(
        [sys.executable, "-c", EMPTY_JGM2, *scripts],
        cwd=tmp_path,
        env={
            **{key: value for key, value in os.environ.items() if key != "GMAT_ROOT"},
            "GMAT_SWEEP_DATA": str(tmp_path / "data"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        },
        capture_output=True,
        text=True,
        check=True,
    )

    flew = [line for line in ended.stdout.splitlines() if line in ("flew", "refused")]
    needs = ["gravity/earth/JGM2.cof" in used(text) for text in texts.values()]
    assert flew == ["refused" if needed else "flew" for needed in needs]
    assert needs == [False, False, True, True, True]
