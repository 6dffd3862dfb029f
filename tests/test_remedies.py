"""GMAT's words on something that is not installed become a sentence with the remedy.

The words are those that GMAT R2026a logged.
"""

import pytest

from gmat_sweep.full_gmat import DATA_FILES
from gmat_sweep.remedies import Lack, explained, lack_in, quoted_line, remedy_of

ROOT = "/home/user/.cache/gmat-sweep/engine/R2026a-7a023f9edbb733e0/data"
NO_PLUGIN = (
    ": the plugin is not part of it. Set GMAT_ROOT to the folder of a full GMAT installation."
)
NO_DATA = (
    ". Put the data file into a folder, under this name, and name that folder with GMAT_SWEEP_DATA."
)
NO_FILE = (
    ", which the script names{place}. Mend the path (GMAT finds a file by its full path), or put "
    "the file there."
)

SAID = {
    "a propagator": (
        (
            '"SPK" is an invalid value for field "Type" on Propagator "P". in line: '
            '"19: P.Type = SPK;"'
        ),
        "this GMAT engine has no propagator of type SPK for P (line 19)" + NO_PLUGIN,
    ),
    "an atmosphere": (
        (
            'Unable to create AtmosphereModel "NRLMSISE00" for drag force in line: '
            '"5: GMAT FM.Drag.AtmosphereModel = NRLMSISE00;"'
        ),
        "this GMAT engine has no atmosphere model NRLMSISE00 for FM (line 5)" + NO_PLUGIN,
    ),
    "a command": (
        (
            'The function "RunEstimatorE" is not available; if it is a GmatFunction, you may need '
            'to enable the GmatFunction plugin (libGmatFunction) in line: "13: RunEstimator E;"'
        ),
        "this GMAT engine has no command RunEstimator (line 13)" + NO_PLUGIN,
    ),
    "a quantity": (
        '"Acceleration" is not a valid Parameter Type',
        "this GMAT engine has no parameter Acceleration" + NO_PLUGIN,
    ),
    "a resource": (
        (
            'Cannot create an object "Z". The "Yukon" is an unknown object type or invalid object '
            'name or dimension in line: "10: Create Yukon Z;"'
        ),
        "this GMAT engine cannot create Yukon Z (line 10)" + NO_PLUGIN,
    ),
    "a field, with its path": (
        (
            f'The file name "{ROOT}/gravity/luna/LP165P.cof" does not exist in line: '
            '"5: FM.PrimaryBodies={Luna};"'
        ),
        "the engine's data has no gravity/luna/LP165P.cof (line 5)" + NO_DATA,
    ),
    "a field of the user's, by its name": (
        (
            'The file name "own.cof" does not exist in line: '
            "\"5: FM.GravityField.Eros.PotentialFile='own.cof';\""
        ),
        "the engine's data has no gravity/other/own.cof (line 5)" + NO_DATA,
    ),
    "space weather": (
        (
            "Cannot open the CSSI space weather file SpaceWeather-All-v1.2.txt, nor the file at "
            f"the location {ROOT}/atmosphere/earth/SpaceWeather-All-v1.2.txt"
        ),
        "the engine's data has no atmosphere/earth/SpaceWeather-All-v1.2.txt" + NO_DATA,
    ),
    "space weather of the user's": (
        (
            "Cannot open the CSSI space weather file ./w/mine.txt, nor the file at the location "
            f"{ROOT}/atmosphere/earth/./w/mine.txt"
        ),
        "there is no file ./w/mine.txt" + NO_FILE.format(place=""),
    ),
    "an ephemeris that no startup key names": (
        'Error opening the DE file "UNSET" in line: "9: SolarSystem.EphemerisSource = \'DE421\';"',
        "the engine's data has no planetary_ephem/de/unxp1900.421 (line 9)" + NO_DATA,
    ),
    "Earth orientation": (
        "Error opening EopFile nope.eop (line 13)",
        "there is no file nope.eop" + NO_FILE.format(place=" (needed on line 13)"),
    ),
    "plates of a spacecraft": (
        (
            "SPAD SRP data requested for Spacecraft Sat but no SPAD file has been provided. "
            "(line 15)"
        ),
        (
            "the SPAD file of Sat is not there, or the script names none for Sat (needed on line "
            "15). Mend the path (GMAT finds a file by its full path), or put the file there."
        ),
    ),
    "an ephemeris of a spacecraft": (
        "Failed to open STK ephemeris file: 'foo.e'",
        "there is no file foo.e" + NO_FILE.format(place=""),
    ),
    "a picture of a body": (
        "Cannot open input 'p.jpg' texture map file in line: \"5: Io.TextureMapFileName='p.jpg';\"",
        "the engine's data has no graphics/texture/p.jpg (line 5)" + NO_DATA,
    ),
    "a picture of the user's": (
        "Cannot open input '../p.3ds' 3d model file in line: \"5: Luna.3DModelFile='../p.3ds';\"",
        "there is no file ../p.3ds" + NO_FILE.format(place=" (line 5)"),
    ),
    "a kernel": (
        (
            'The value of "x.bsp" for field "OrbitSpiceKernelName" on object "Sat" is not an '
            "allowed value. The allowed values are: [File must exist] in line: "
            "\"10: Sat.OrbitSpiceKernelName={'x.bsp'};\""
        ),
        "there is no file x.bsp" + NO_FILE.format(place=" (line 10)"),
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_what_is_lacking_is_said_with_the_line_and_the_remedy(case: str) -> None:
    said, expected = SAID[case]

    assert explained(said) == expected


@pytest.mark.parametrize(
    "said",
    [
        '"Cowell" is an invalid value for field "Type" on Propagator "P".',
        (
            'The function "PropagatP" is not available; if it is a GmatFunction, you may need to '
            'enable the GmatFunction plugin (libGmatFunction) in line: "12: Propagat P(Sat);"'
        ),
        '"Foo" is not a valid Parameter Type',
        'Nonexistent Solver "Foo" referenced in the Vary in line: "12: Vary Foo(V=1);"',
        'The CoordinateSystem "Nope" set on Spacecraft Sat does not exist.',
        "the worker ran out of memory",
        "",
    ],
)
def test_a_mistake_in_the_script_stays_in_gmats_words(said: str) -> None:
    assert explained(said) == said


def test_what_the_engine_has_it_does_not_lack() -> None:
    said = '"SolverStatus" is not a valid Parameter Type'

    assert lack_in(said) == Lack(
        "plugin", "this GMAT engine has no parameter SolverStatus", "SolverStatus"
    )
    assert lack_in(said, has={"SolverStatus"}) is None


def test_an_installed_gmat_is_not_told_of_a_data_folder_that_it_does_not_take() -> None:
    lack = Lack("data", "the engine's data has no gravity/luna/LP165P.cof", DATA_FILES[2])

    assert "GMAT_SWEEP_DATA" in remedy_of([lack])
    assert "GMAT_SWEEP_DATA" not in remedy_of([lack], installed=True)


def test_a_line_is_read_off_a_quotation_and_off_an_occurrence() -> None:
    assert quoted_line('No. in line: "7: A = \'in line: "\';"') == ("No.", 7, "A = 'in line: \"';")
    assert quoted_line("No. (line 12)") == ("No.", 12, "")
    assert quoted_line("No.") == ("No.", None, "")
