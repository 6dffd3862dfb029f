"""What is said of a script that GMAT refuses: what is lacking, where, and what helps.

Every message is that of the real engine of the wheel, which lacks plugins and data files. The lines
that a test expects are counted in its own script, by the text of the line.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gmat_sweep.backends.process.worker_process import WorkerProcess
from gmat_sweep.causes import headline
from gmat_sweep.cli import main
from gmat_sweep.engine import find_engine
from gmat_sweep.errors import MissionScriptError
from gmat_sweep.flow.server import recorded_on
from gmat_sweep.flows import gmat_sweep_flow
from gmat_sweep.mission.script import output_names
from gmat_sweep.spec import RunSpec
from gmat_sweep.sweep.preflight import prepare_mission
from repository import DATA

PLUGIN = "Set GMAT_ROOT to the folder of a full GMAT installation."
DATA_FOLDER = "name that folder with GMAT_SWEEP_DATA"
MEND = "Mend the script where GMAT says."

MISSION = """\
% A small mission with places for what is refused.
Create Spacecraft Craft;
Craft.SMA = 7200;
Create ForceModel Near;
{forces}
Create Propagator Flier;
{flier}
Create Variable count limit;
Create DifferentialCorrector Aim;
Create ReportFile Ends;
Ends.Add = {{Craft.UTCGregorian, Craft.X{added}}};
{resources}
BeginMissionSequence;
{commands}
Propagate Flier(Craft) {{Craft.ElapsedSecs = 600}};
"""
PLAIN = {
    "forces": "Near.CentralBody = Earth;",
    "flier": "Flier.FM = Near;",
    "added": "",
    "resources": "Craft.DryMass = 90;",
    "commands": "count = 1;",
}


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerProcess]:
    process = WorkerProcess()
    yield process
    process.close()


def mission(folder: Path, **parts: str) -> Path:
    script = folder / "asked.script"
    script.write_text(MISSION.format(**PLAIN | parts))
    return script


def refused(script: Path, worker: WorkerProcess) -> MissionScriptError:
    """Return the preflight's error; whatever is refused, it names no copy and no machinery."""
    with pytest.raises(MissionScriptError) as caught:
        prepare_mission(script, (), script.parent / "out", worker)
    said = str(caught.value)
    assert "headless" not in said
    assert ".cache" not in said
    assert "has no parameter defined" not in said
    assert "libGmatFunction" not in said
    assert "Exception" not in said
    return caught.value


def one_run(script: Path) -> RunSpec:
    folder = script.parent / "runs" / "run-0"
    return RunSpec(
        script_path=script, overrides={}, output_dir=folder, run_id=0, seed=None, run_options={}
    )


def line_of(script: Path, text: str) -> int:
    """Return the number of the line that begins with a text."""
    lines = script.read_text().splitlines()
    [number] = [n for n, line in enumerate(lines, start=1) if line.lstrip().startswith(text)]
    return number


def bullets(error: MissionScriptError) -> list[str]:
    return [line.strip(" -") for line in str(error).splitlines() if line.startswith("  - ")]


LACKING_PLUGINS = {
    "SPK": ({"flier": "Flier.Type = SPK;\nFlier.StepSize = 300;\nFlier.CentralBody = Earth;"},
            "propagator of type SPK for Flier", "Flier.Type"),
    "STK, quoted": ({"flier": "GMAT Flier.Type = 'STK';\nFlier.EpochFormat = A1ModJulian;"},
                    "propagator of type STK for Flier", "GMAT Flier.Type"),
    "an OEM": ({"flier": "Flier.Type = CCSDS-OEM;\nFlier.StartEpoch = FromSpacecraft;"},
               "propagator of type CCSDS-OEM for Flier", "Flier.Type"),
    "TLE": ({"flier": "Flier.Type = SPICESGP4;"},
            "propagator of type SPICESGP4 for Flier", "Flier.Type"),
    "Code500": ({"flier": "Flier.Type = Code500;"},
                "propagator of type Code500 for Flier", "Flier.Type"),
    "an atmosphere": (
        {"forces": "Near.Drag.AtmosphereModel = NRLMSISE00;\nNear.Drag.F107 = 150;"},
        "atmosphere model NRLMSISE00 for Near", "Near.Drag.AtmosphereModel"),
    "an atmosphere of Mars": (
        {"forces": "Near.CentralBody = Mars;\nNear.Drag.AtmosphereModel = 'MarsGRAM2005';\n"
                   "Near.Drag.InputFile = 'inputs.txt';"},
        "atmosphere model MarsGRAM2005 for Near", "Near.Drag.AtmosphereModel"),
    "an external force": ({"forces": "Near.CentralBody = Earth;\nNear.External = Wind;"},
                          "external force for Near", "Near.External"),
    "an external force with its fields": (
        {"forces": "Near.CentralBody = Earth;\nNear.External = Wind;\n"
                   "Near.DerivativesFunction = 'Blow';\nNear.External.ExcludeOtherForces = true;"},
        "external force for Near", "Near.External = "),
    "an external force, named by a field only": (
        {"forces": "Near.CentralBody = Earth;\nNear.External.ExcludeOtherForces = True;\n"
                   "Near.DerivativesFunction = 'Blow';\nNear.External = 'Wind';"},
        "external force for Near", "Near.External = "),
    "Python": ({"commands": "[count] = Python.math.sqrt(2.0);"},
               "command CallPythonFunction to call Python with", "[count] ="),
    "Python without brackets": ({"commands": "count = Python.math.floor(2.5);"},
                                "command CallPythonFunction to call Python with", "count ="),
    "an estimator": ({"commands": "count = 2;\nRunEstimator Fit;"},
                     "command RunEstimator", "RunEstimator"),
    "a simulator, labelled": ({"commands": "'Simulate it' RunSimulator Sim;"},
                              "command RunSimulator", "'Simulate it'"),
    "an estimator with options": ({"commands": "RunEstimator Fit {SolveMode = Solve};"},
                                  "command RunEstimator", "RunEstimator"),
    "a command of files": ({"commands": "Set Craft Tracks;"}, "command Set", "Set"),
    "a thrust history": ({"commands": "BeginFileThrust History(Craft);"},
                         "command BeginFileThrust", "BeginFileThrust"),
    "a global": ({"commands": "Global count;"}, "command Global", "Global"),
    "an acceleration": ({"added": ", Craft.Near.Acceleration"},
                        "parameter Acceleration for Ends", "Ends.Add"),
    "a component": ({"commands": "count = Craft.Near.AccelerationX;"},
                    "parameter AccelerationX", "count ="),
    "a stop": ({"commands": "Propagate Flier(Craft) {Craft.Near.Acceleration = 1};"},
               "parameter Acceleration", "Propagate Flier(Craft) {Craft.Near"),
    "a solver's status": ({"commands": "If Aim.SolverStatus == 1\n  count = 2;\nEndIf;"},
                          "parameter SolverStatus", "If"),
    "a reported status": ({"commands": "Report Ends Craft.X Aim.SolverState;"},
                          "parameter SolverState", "Report"),
}  # fmt: skip


@pytest.mark.parametrize("case", LACKING_PLUGINS)
def test_a_missing_plugin_is_named_once_with_its_line_and_gmat_root(
    case: str, tmp_path: Path, worker: WorkerProcess
) -> None:
    parts, what, begins = LACKING_PLUGINS[case]
    script = mission(tmp_path, **parts)

    error = refused(script, worker)

    line = line_of(script, begins)
    assert bullets(error) == [
        f"this GMAT engine has no {what} (asked.script, line {line}): the plugin is not part of it"
    ]
    assert str(error).splitlines()[-1] == PLUGIN
    assert (error.path, error.line_number) == (script, line)


@pytest.mark.parametrize(
    ("body", "name", "place"),
    [
        ("Luna", "LP165P.cof", "gravity/luna/LP165P.cof"),
        ("Mars", "Mars50c.cof", "gravity/mars/Mars50c.cof"),
        ("Venus", "MGNP180U.cof", "gravity/venus/MGNP180U.cof"),
        ("Luna", "../data/gravity/luna/LP165P.cof", "gravity/luna/LP165P.cof"),
        ("Mars", "..\\data\\gravity\\mars\\Mars50c.cof", "gravity/mars/Mars50c.cof"),
    ],
)
def test_a_missing_gravity_field_is_named_by_its_place_with_both_lines(
    body: str, name: str, place: str, tmp_path: Path, worker: WorkerProcess
) -> None:
    script = mission(
        tmp_path,
        forces=f"Near.CentralBody = {body};\nNear.PrimaryBodies = {{{body}}};\n"
        f"Near.GravityField.{body}.PotentialFile = '{name}';",
    )

    error = refused(script, worker)

    line = line_of(script, "Near.PrimaryBodies")
    assert bullets(error) == [
        f"the engine's data has no {place} (asked.script, lines {line} and {line + 1})"
    ]
    assert DATA_FOLDER in str(error).splitlines()[-1]
    assert "GMAT_ROOT" not in str(error)


def test_a_field_that_gmat_opens_by_itself_is_named_beside_the_one_that_is_asked_for(
    tmp_path: Path, worker: WorkerProcess
) -> None:
    # GMAT opens the default field of a body as soon as the body is primary (measured).
    script = mission(
        tmp_path,
        forces="Near.CentralBody = Luna;\nNear.PrimaryBodies = {Luna};\n"
        "Near.GravityField.Luna.PotentialFile = 'grgm900c.cof';",
    )

    assert bullets(refused(script, worker)) == [
        "the engine's data has no gravity/luna/LP165P.cof (asked.script, line 6)",
        "the engine's data has no gravity/luna/grgm900c.cof (asked.script, line 7)",
    ]


@pytest.mark.parametrize("source", ["DE421", "DE424"])
def test_a_missing_ephemeris_is_a_data_file(
    source: str, tmp_path: Path, worker: WorkerProcess
) -> None:
    script = mission(tmp_path, resources=f"SolarSystem.EphemerisSource = '{source}';")

    error = refused(script, worker)

    assert bullets(error) == [
        (
            f"the engine's data has no planetary_ephem/spk/{source}AllPlanets.bsp "
            f"(asked.script, line {line_of(script, 'SolarSystem.Eph')})"
        )
    ]
    assert DATA_FOLDER in str(error)


@pytest.mark.parametrize(
    ("parts", "name", "begins"),
    [
        ({"forces": "Near.GravityField.Earth.PotentialFile = './fields/own.cof';"},
         "./fields/own.cof", "Near.Grav"),
        ({"forces": "Near.GravityField.Earth.PotentialFile = '/no/where/own.cof';"},
         "/no/where/own.cof", "Near.Grav"),
        ({"resources": "Luna.OrbitSpiceKernelName = {'moon.bsp'};"}, "moon.bsp", "Luna."),
        # GMAT finds neither in its data folder, wherever that is (measured).
        ({"resources": "SolarSystem.DEFilename = 'unxp1900.421';"}, "unxp1900.421", "SolarSystem."),
        ({"resources": "SolarSystem.SPKFilename = '../data/planetary_ephem/spk/de421.bsp';"},
         "../data/planetary_ephem/spk/de421.bsp", "SolarSystem."),
        ({"resources": "Craft.Attitude = CCSDS-AEM;\nCraft.AttitudeFileName = 'own.aem';"},
         "own.aem", "Craft.AttitudeF"),
    ],
)  # fmt: skip
def test_a_path_of_the_users_own_that_is_not_there_is_said_to_be_that(
    parts: dict[str, str], name: str, begins: str, tmp_path: Path, worker: WorkerProcess
) -> None:
    script = mission(tmp_path, **parts)

    error = refused(script, worker)

    line = line_of(script, begins)
    assert bullets(error) == [
        f"there is no file {name}, which the script names (asked.script, line {line})"
    ]
    assert str(error).splitlines()[-1].startswith("Mend the path")


@pytest.mark.parametrize("place", ["gravity/luna/LP165P.cof", "gravity/mars/Mars50c.cof"])
def test_the_advice_about_a_data_file_works(
    place: str, tmp_path: Path, worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, body, name = place.split("/")
    script = mission(
        tmp_path,
        forces=f"Near.CentralBody = {body.title()};\nNear.PrimaryBodies = {{{body.title()}}};\n"
        f"Near.GravityField.{body.title()}.PotentialFile = '{name}';",
    )
    assert f"no {place}" in str(refused(script, worker))
    own = tmp_path / "own" / place
    own.parent.mkdir(parents=True)
    # The coefficients of another body will do to see where GMAT looks for the file.
    shutil.copy(find_engine().root / "data/gravity/earth/JGM2.cof", own)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GMAT_SWEEP_DATA", str(tmp_path / "own"))

    with_data = WorkerProcess()
    try:
        assert prepare_mission(script, (), tmp_path / "out", with_data).runnable == script
        assert with_data.run(one_run(script)).status == "ok"
    finally:
        with_data.close()


@pytest.mark.parametrize("place", ["LP165P.cof", "gravity/luna/lp165p.cof"])
def test_a_data_file_that_is_elsewhere_in_the_users_data_folder_is_told_so(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = mission(
        tmp_path,
        forces="Near.PrimaryBodies = {Earth};\nNear.GravityField.Earth.PotentialFile = "
        "'../data/gravity/luna/LP165P.cof';",
    )
    own = tmp_path / "own" / place
    own.parent.mkdir(parents=True)
    own.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GMAT_SWEEP_DATA", str(tmp_path / "own"))

    with_data = WorkerProcess()
    try:
        error = refused(script, with_data)
    finally:
        with_data.close()

    assert bullets(error) == [
        (
            "the engine's data has no gravity/luna/LP165P.cof (asked.script, line 6); the folder "
            f"of GMAT_SWEEP_DATA has it as {place}"
        )
    ]


def test_a_copy_and_an_include_are_told_by_the_users_own_files_and_lines(
    tmp_path: Path, worker: WorkerProcess
) -> None:
    (tmp_path / "parts").mkdir()
    part = tmp_path / "parts" / "fliers.script"
    part.write_text(
        "% Read by the mission.\nCreate OpenFramesInterface Show;\n"
        "Create Propagator Reader;\nReader.Type = 'STK';\nReader.StepSize = 60;\n"
    )
    script = mission(
        tmp_path,
        resources="Create OpenFramesInterface View;\n#Include 'parts/fliers.script'\n"
        "View.Add = {Craft};",
        commands="RunEstimator Fit;",
    )

    error = refused(script, worker)

    assert bullets(error) == [
        (
            "this GMAT engine has no propagator of type STK for Reader (fliers.script, line 4): "
            "the plugin is not part of it"
        ),
        (
            f"this GMAT engine has no command RunEstimator (asked.script, "
            f"line {line_of(script, 'RunEstimator')}): the plugin is not part of it"
        ),
    ]
    assert (error.path, error.line_number) == (part, 4)


def test_an_include_that_is_not_there_is_told_and_not_what_it_would_have_made(
    tmp_path: Path, worker: WorkerProcess
) -> None:
    script = mission(tmp_path, commands="count = Lander.X;\nPropagate Flier(Lander);")
    text = script.read_text().replace("Create Spacecraft Craft;", "#Include 'parts/craft.script'")
    script.write_text(text)

    error = refused(script, worker)

    assert bullets(error)[0] == (
        "there is no file parts/craft.script, which the script includes (asked.script, line 2)"
    )
    assert "Lander" not in str(error)
    assert error.line_number == 2


def test_a_quantity_of_a_resource_that_is_not_made_is_a_mistake(
    tmp_path: Path, worker: WorkerProcess
) -> None:
    script = mission(tmp_path, commands="count = Aims.SolverStatus;")

    assert '"Aims.SolverStatus"' in bullets(refused(script, worker))[0]


def test_a_statement_over_several_lines_is_told_by_a_line_of_it(
    tmp_path: Path, worker: WorkerProcess
) -> None:
    script = mission(tmp_path, commands="[count] = ...\n   Python.math.sqrt(2.0);")

    error = refused(script, worker)

    # GMAT names the last of the lines.
    assert error.line_number == line_of(script, "Python.math")


def test_several_lacks_and_a_mistake_are_told_together_each_with_its_remedy(
    tmp_path: Path, worker: WorkerProcess
) -> None:
    script = mission(
        tmp_path,
        forces="Near.CentralBody = Luna;\nNear.PrimaryBodies = {Luna};",
        flier="Flier.Type = SPK;\nFlier.StepSize = 60;",
        commands="Propagat Flier(Craft);",
    )

    error = refused(script, worker)

    assert bullets(error) == [
        "the engine's data has no gravity/luna/LP165P.cof (asked.script, line 6)",
        (
            "this GMAT engine has no propagator of type SPK for Flier (asked.script, line 8): the "
            "plugin is not part of it"
        ),
        (
            "GMAT has no command or function Propagat; did you mean Propagate? (asked.script, "
            "line 16: Propagat Flier(Craft);)"
        ),
    ]
    ending = str(error).splitlines()[-1]
    assert ending.startswith(PLUGIN)
    assert DATA_FOLDER in ending
    assert ending.endswith(MEND)


MISTAKES = {
    "a command": ({"commands": "Maneuvre Kick(Craft);"}, "did you mean Maneuver?", "Maneuvre"),
    "a propagator": ({"flier": "Flier.Type = RungeKuta89;"}, "did you mean RungeKutta89?",
                     "Flier.Type"),
    "an atmosphere": ({"forces": "Near.Drag.AtmosphereModel = JachiaRoberts;"},
                      "did you mean JacchiaRoberts?", "Near.Drag"),
    "a parameter": ({"added": ", Craft.Earth.Altitud"}, "did you mean Altitude?", "Ends.Add"),
    "a field": ({"resources": "Craft.SMAA = 7000;"},
                'The field name "SMAA" on object "Craft" is not permitted', "Craft.SMAA"),
    "a reference": ({"resources": "Craft.CoordinateSystem = Nowhere;"},
                    'Nonexistent CoordinateSystem "Nowhere"', "Craft.Coord"),
    "a function": ({"commands": "count = Twice(limit);"}, '"Twice(limit)"', "count ="),
    "a value": ({"resources": "Craft.SMA = wide;"}, 'The value of "wide"', "Craft.SMA = wide"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_once_in_gmats_words_with_its_line_and_what_was_meant(
    case: str, tmp_path: Path, worker: WorkerProcess
) -> None:
    parts, said, begins = MISTAKES[case]
    script = mission(tmp_path, **parts)

    error = refused(script, worker)

    [told] = bullets(error)
    assert said in told
    assert f"(asked.script, line {line_of(script, begins)}: " in told
    assert str(error).splitlines()[-1] == MEND
    assert "GMAT_ROOT" not in str(error)


def test_a_resource_type_that_no_gmat_has_is_a_mistake_and_not_a_plugin(
    tmp_path: Path, worker: WorkerProcess
) -> None:
    script = mission(tmp_path, resources="Create Spacecrft Other;")

    error = refused(script, worker)

    said = str(error)
    assert f"Spacecrft Other ({script}, line 12)" in said
    assert "Did you mean Spacecraft for Spacecrft?" in said
    assert "the plugin is not part of it" not in said


def test_a_resource_type_of_a_plugin_is_not_taken_for_a_mistake(
    tmp_path: Path, worker: WorkerProcess
) -> None:
    script = mission(tmp_path, resources="Create GroundStation Site;\nSite.Latitude = 3;")

    said = str(refused(script, worker))

    assert f"GroundStation Site ({script}, line 12): the plugin is not part of it" in said
    assert "GMAT_ROOT" in said
    assert "Latitude" not in said


ENCODINGS = {
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "utf-32-le": "UTF-32",
    "utf-32-be": "UTF-32",
}


class TestWideText:
    """A script in UTF-16 or UTF-32 is said to be that, before anything else is."""

    @pytest.fixture(params=ENCODINGS)
    def wide(self, request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
        script = tmp_path / "wide.script"
        text = (DATA / "leo_short.script").read_text()
        script.write_bytes(text.encode(request.param))
        return script, ENCODINGS[request.param]

    def test_from_python(self, wide: tuple[Path, str]) -> None:
        script, name = wide

        with pytest.raises(MissionScriptError, match=f"is {name} text.*Save it as ASCII"):
            output_names(script)

    @pytest.mark.parametrize("frame", [(), ("--frame", "frame.csv")])
    def test_from_the_shell(
        self,
        wide: tuple[Path, str],
        frame: tuple[str, ...],
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        script, name = wide
        monkeypatch.chdir(script.parent)

        code = main(["run", str(script), "--grid", "Sat.SMA=7000,7010", "--out", "out", *frame])

        assert code == 2
        assert f"{script} is {name} text" in capsys.readouterr().err
        assert not Path("out").exists()

    def test_from_the_flow(self, tmp_path: Path) -> None:
        script = tmp_path / "wide.script"
        script.write_bytes((DATA / "leo_short.script").read_text().encode("utf-16"))

        with recorded_on(), pytest.raises(MissionScriptError, match="is UTF-16 text"):
            gmat_sweep_flow(
                mission=script, kind="grid", vary=["Sat.SMA=7000,7010"], out=tmp_path / "out"
            )


def test_an_included_file_in_utf_16_is_named(tmp_path: Path, worker: WorkerProcess) -> None:
    part = tmp_path / "part.script"
    part.write_bytes("Create Variable other;\n".encode("utf-16-le"))
    script = mission(tmp_path, resources="#Include 'part.script'")

    error = refused(script, worker)

    assert str(error).startswith(f"{part} is UTF-16 text")


@pytest.mark.parametrize("is_included", [False, True])
@pytest.mark.parametrize("first", ["", "% caf\xe9\n"])
def test_a_byte_order_mark_of_utf_8_is_named_as_what_to_take_away(
    first: str, is_included: bool, tmp_path: Path, worker: WorkerProcess
) -> None:
    """GMAT speaks of characters that no editor shows."""
    script = mission(tmp_path, resources="#Include 'part.script'" if is_included else "")
    marked = tmp_path / "part.script" if is_included else script
    text = "Create Variable other;\n" if is_included else script.read_text()
    marked.write_text(f"{first}{text}", encoding="utf-8-sig")

    error = refused(script, worker)

    assert str(error) == (
        f"{marked} begins with a byte order mark, which GMAT does not read. Save it as ASCII, or "
        "as UTF-8 without a mark."
    )
    assert (error.path, error.line_number) == (marked, 1)


@pytest.mark.parametrize("is_included", [False, True])
@pytest.mark.parametrize("line", ["% caf\xe9 \u2014", "Create String s; s = '\xe9';"])
def test_a_character_that_gmat_does_not_take_is_named_with_its_line(
    line: str, is_included: bool, tmp_path: Path, worker: WorkerProcess
) -> None:
    """GMAT names the columns of its bytes, and no line."""
    script = mission(tmp_path, resources="#Include 'part.script'" if is_included else "")
    other = tmp_path / "part.script" if is_included else script
    text = "Create Variable other;\n" if is_included else script.read_text()
    first, _, rest = text.partition("\n")
    other.write_text(f"{first}\n{line}\n{rest}", encoding="utf-8")

    error = refused(script, worker)

    assert str(error) == (
        f"line 2 of {other} has the character '\xe9'. GMAT takes ASCII characters only, in "
        "comments as well; replace the others."
    )
    assert (error.path, error.line_number) == (other, 2)


@pytest.mark.parametrize(
    ("source", "name"),
    [("Historic", "SpaceWeather-All-v1.2.txt"), ("Predicted", "SchattenPredict.txt")],
)
def test_a_data_file_that_is_opened_only_in_flight_gets_the_same_words(
    source: str, name: str, tmp_path: Path, worker: WorkerProcess
) -> None:
    value = "CSSISpaceWeatherFile" if source == "Historic" else "SchattenFile"
    script = mission(
        tmp_path,
        forces="Near.Drag.AtmosphereModel = JacchiaRoberts;\n"
        f"Near.Drag.{source}WeatherSource = '{value}';",
    )
    prepare_mission(script, (), tmp_path / "out", worker)

    outcome = worker.run(one_run(script))

    assert outcome.status == "failed"
    said = headline(outcome.stderr)
    assert said.startswith(f"the engine's data has no atmosphere/earth/{name}. ")
    assert DATA_FOLDER in said
    assert not re.search(r"/R20\d\d", said)
