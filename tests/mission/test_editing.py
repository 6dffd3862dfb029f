"""A script with assignments in it is the script that a user would have written.

What GMAT makes of such scripts is tested with the engine in tests/worker/test_edited_script.py;
here, where an assignment goes and how a value is written.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.mission.editing import EditableScript, set_again, starts_from_itself

SCRIPT = """\
Create Spacecraft Sat;
GMAT Sat.DateFormat = TAIModJulian;
Sat.Epoch = '31041.0'; % launch
Sat.SMA = 7000;
Sat.SMA = 7010;
Create ForceModel FM;
FM.SRP = On;
FM.PointMasses = {Earth, ...
   Luna};
Create Propagator P;
P.FM = FM;
P.Type = 'RungeKutta89';
Create Variable v w;
v = 1;
Create String S;
S = 'x';
Create Array A[2,2];
A(1, 2) = 7;
Create ReportFile R;
R.Filename = 'r.txt';
R.Add = {Sat.X};
R.Add = {Sat.Y};
BeginMissionSequence;
v = v + 1;
Propagate P(Sat) {Sat.ElapsedSecs = 60};
"""


def script(folder: Path, text: str = SCRIPT) -> Path:
    path = folder / "m.script"
    path.write_bytes(text.encode())
    return path


def changes(folder: Path, overrides: dict[str, Any], text: str = SCRIPT) -> list[str]:
    """The lines that an edit takes away and puts in, in the order of the script."""
    edited = EditableScript(script(folder, text)).edited(overrides).text
    compared = difflib.ndiff(text.splitlines(), edited.splitlines())
    return [line for line in compared if line[0] in "+-"]


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("Sat.SMA", 7020.5, "Sat.SMA = 7020.5;"),
        ("Sat.Epoch", 31042.25, "Sat.Epoch = 31042.25; % launch"),
        ("Sat.Epoch", "31042.25", "Sat.Epoch = '31042.25'; % launch"),
        ("Sat.DateFormat", "UTCModJulian", "GMAT Sat.DateFormat = UTCModJulian;"),
        ("FM.SRP", False, "FM.SRP = Off;"),
        ("FM.SRP", "Off", "FM.SRP = Off;"),
        ("P.Type", "PrinceDormand78", "P.Type = 'PrinceDormand78';"),
        ("P.FM", "FM2", "P.FM = FM2;"),
        ("v.Value", 2.0, "v = 2;"),
        ("v.Value", 0.1, "v = 0.1;"),
        ("v.Value", 1e-300, "v = 1e-300;"),
        ("v.Value", -0.0, "v = -0.0;"),
        ("S.Value", "two  blanks", "S = 'two  blanks';"),
        ("S.Value", 5, "S = '5';"),
        ("A(1,2)", 8, "A(1, 2) = 8;"),
        ("A( 1 ,2)", 8.5, "A(1, 2) = 8.5;"),
        ("R.Filename", "other.txt", "R.Filename = 'other.txt';"),
    ],
)
def test_a_field_that_the_script_assigns_gets_its_value_in_place(
    path: str, value: object, line: str, tmp_path: Path
) -> None:
    gone, put = changes(tmp_path, {path: value})

    assert put == f"+ {line}"
    assert gone.removeprefix("- ").partition("=")[0] == line.partition("=")[0]


def test_the_last_of_several_assignments_counts(tmp_path: Path) -> None:
    assert changes(tmp_path, {"Sat.SMA": 7020}) == ["- Sat.SMA = 7010;", "+ Sat.SMA = 7020;"]


def test_where_assignments_add_to_each_other_the_earlier_ones_go(tmp_path: Path) -> None:
    assert sorted(changes(tmp_path, {"R.Add": ["Sat.Z", "Sat.VX"]})) == [
        "+ ",
        "+ R.Add = {Sat.Z, Sat.VX};",
        "- R.Add = {Sat.X};",
        "- R.Add = {Sat.Y};",
    ]


def test_a_statement_over_several_lines_keeps_its_lines(tmp_path: Path) -> None:
    edited = EditableScript(script(tmp_path)).edited({"FM.PointMasses": ["Earth"]})

    assert edited.text.splitlines()[7:10] == [
        "FM.PointMasses = {Earth};",
        "",
        "Create Propagator P;",
    ]


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("Sat.Cd", 2.25, "Sat.Cd = 2.25;"),
        ("FM.RelativisticCorrection", True, "FM.RelativisticCorrection = On;"),
        ("FM.RelativisticCorrection", "true", "FM.RelativisticCorrection = On;"),
        ("R.WriteHeaders", False, "R.WriteHeaders = false;"),
        ("FM.GravityField.Earth.Degree", 4.0, "FM.GravityField.Earth.Degree = 4;"),
        ("A(2,1)", 3, "A(2,1) = 3;"),
        ("w.Value", 3, "w = 3;"),
        ("SolarSystem.EphemerisSource", "SPICE", "SolarSystem.EphemerisSource = SPICE;"),
        ("Luna.Mu", 4902.8, "Luna.Mu = 4902.8;"),
        ("Sat.Id", "two words", "Sat.Id = 'two words';"),
        ("Sat.OrbitColor", [255, 0, 0], "Sat.OrbitColor = [255 0 0];"),
        ("Sat.Tanks", "{T1, T2}", "Sat.Tanks = {T1, T2};"),
    ],
)
def test_any_other_field_is_assigned_before_the_mission_sequence(
    path: str, value: object, line: str, tmp_path: Path
) -> None:
    edited = EditableScript(script(tmp_path)).edited({path: value})

    lines = edited.text.splitlines()
    assert lines[lines.index("BeginMissionSequence;") - 1] == line
    assert [each for each in lines if each != line] == SCRIPT.splitlines()
    assert edited.assignments[path].text == line


def test_several_overrides_are_each_in_their_place(tmp_path: Path) -> None:
    assert changes(tmp_path, {"Sat.Cd": 2.5, "Sat.SMA": 7020, "Sat.Cr": 1.5}) == [
        "- Sat.SMA = 7010;",
        "+ Sat.SMA = 7020;",
        "+ Sat.Cd = 2.5;",
        "+ Sat.Cr = 1.5;",
    ]


def test_an_element_of_another_state_type_is_assigned_where_gmat_takes_it(tmp_path: Path) -> None:
    """GMAT refuses it before the mission sequence beside the script's own elements."""
    overrides = {"Sat.X": 7000, "Sat.Cd": 2, "Sat.ECC": 0.1, "Sat.VY": 7.5, "Sat.RadPer": 6900}
    editable = EditableScript(script(tmp_path))

    lines = editable.edited(overrides).text.splitlines()

    begin = lines.index("BeginMissionSequence;")
    assert lines[begin - 2 : begin] == ["Sat.Cd = 2;", "Sat.ECC = 0.1;"]
    late = ["Sat.X = 7000;", "Sat.VY = 7.5;", "Sat.RadPer = 6900;"]
    assert lines[begin + 1 : begin + 4] == late
    assert editable.late_fields_of("Sat", overrides) == {"X": 7000, "VY": 7.5, "RadPer": 6900}
    assert ("X", "7000") not in editable.fields_of("Sat", overrides)


def test_what_the_sequence_assigns_is_no_place_for_an_override(tmp_path: Path) -> None:
    text = SCRIPT.replace("\nv = 1;", "")

    assert changes(tmp_path, {"v.Value": 3}, text) == ["+ v = 3;"]


def test_a_second_statement_on_a_line_stays_for_gmat_to_refuse(tmp_path: Path) -> None:
    text = SCRIPT.replace("Sat.SMA = 7010;", "Sat.SMA = 7010; Sat.ECC = 0.1; % two")

    assert changes(tmp_path, {"Sat.SMA": 7020}, text) == [
        "- Sat.SMA = 7010; Sat.ECC = 0.1; % two",
        "+ Sat.SMA = 7020; Sat.ECC = 0.1; % two",
    ]


@pytest.mark.parametrize("before", ["[1 2; 3 4]", "[ 1, 2; ...\n  3 4 ]", "'a;b'"])
def test_a_semicolon_inside_of_a_value_goes_with_it(before: str, tmp_path: Path) -> None:
    text = SCRIPT.replace("A(1, 2) = 7;", f"A = {before}; % rows")

    edited = EditableScript(script(tmp_path, text)).edited({"A": [5, 6]}).text

    assert "A = [5 6]; % rows\n" in edited


def test_an_include_without_statements_left_is_empty_for_gmat_refuses_blank_ones(
    tmp_path: Path,
) -> None:
    (tmp_path / "added.inc").write_text("% what is reported\nR.Add = {Sat.Y};\n")
    text = SCRIPT.replace("R.Add = {Sat.Y};\n", "#Include 'added.inc'\nR.Add = {Sat.Z};\n")

    edited = EditableScript(script(tmp_path, text)).edited({"R.Add": ["Sat.VX"]})

    (name,) = edited.files.keys() - {"m.script"}
    assert edited.files[name] == b""


def test_without_a_begin_every_assignment_is_a_setting(tmp_path: Path) -> None:
    """GMAT takes them so, after commands as well (read back from a loaded script)."""
    text = SCRIPT.replace("BeginMissionSequence;\nv = v + 1;\n", "") + "v = 3;\n"

    assert changes(tmp_path, {"v.Value": 4}, text) == ["- v = 3;", "+ v = 4;"]
    edited = EditableScript(script(tmp_path, text)).edited({"w.Value": 4}).text.splitlines()
    assert edited[edited.index("w = 4;") + 1].startswith("Propagate")


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_added_lines_end_as_the_scripts_do(end: str, tmp_path: Path) -> None:
    text = SCRIPT.replace("\n", end)

    edited = EditableScript(script(tmp_path, text)).edited({"Sat.Cd": 2, "Sat.SMA": 1})

    content = edited.files["m.script"].decode()
    assert f"{end}Sat.Cd = 2;{end}BeginMissionSequence;{end}" in content
    assert content.count(end) == text.count(end) + 1


def test_an_assignment_in_an_included_file_is_edited_in_a_copy(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    included = tmp_path / "parts" / "orbit.inc"
    included.write_text("Sat.SMA = 7000;\n")
    path = script(
        tmp_path, "Create Spacecraft Sat;\n#Include 'parts/orbit.inc'\nBeginMissionSequence;\n"
    )
    editable = EditableScript(path)

    edited = editable.edited({"Sat.SMA": 7100, "Sat.ECC": 0.1})

    assert set(editable.watched_files) == {path.resolve(), included.resolve()}
    (name,) = edited.files.keys() - {"m.script"}
    assert f"#Include '{name}'" in edited.text
    assert edited.files[name] == b"Sat.SMA = 7100;\n"
    assert included.read_text() == "Sat.SMA = 7000;\n"
    written = edited.write(tmp_path / "parts")
    assert written.read_text() == edited.text


def test_an_input_file_beside_the_script_is_absolute_in_an_override_too(tmp_path: Path) -> None:
    (tmp_path / "mine.cof").touch()
    field = "FM.GravityField.Earth.PotentialFile"

    edited = EditableScript(script(tmp_path)).edited({field: "mine.cof"})

    assert f"{field} = '{tmp_path}/mine.cof';" in edited.text


def test_gmats_words_about_an_edited_script_name_the_lines_of_the_users(tmp_path: Path) -> None:
    path = script(tmp_path)
    edited = EditableScript(path).edited({"Sat.Cd": 2, "Sat.Cr": 3, "Sat.SMA": -1})
    log = 'm: **** in line:\n   "   5: Sat.SMA"\n in line:\n   "  24: Sat.Cr"\n in line:\n " 26: v"'

    told = edited.told_of_source(f"/x/m.script: {log}", Path("/x/m.script"))

    assert told == f"{path}: " + log.replace("  24:", "  23:").replace(" 26:", " 24:")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a\nb", "printable ASCII characters on one line"),
        ("caf\xe9", "printable ASCII characters"),
        ("it's 5 % off", "percent sign after a quote begins a comment"),
        (None, "cannot hold a NoneType"),
        (float("nan"), "missing value"),
        ({"a": 1}, "cannot hold a dict"),
    ],
)
def test_what_no_script_can_hold_is_refused(value: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(SweepConfigError, match=f"^S.Value is given .*{said}"):
        EditableScript(script(tmp_path)).edited({"S.Value": value})


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("S = 'a';", "it's", "S = 'it's';"),
        ("S = 'it's; so'; % c", "b", "S = 'b'; % c"),
        ("S = 'a;b' ;;", "'5 % off'", "S = '5 % off';;"),
        ("S = 'a'b' % c", "d'e'f", "S = 'd'e'f'; % c"),
    ],
)
def test_a_string_ends_with_the_last_quote_as_gmat_reads_it(
    before: str, value: str, after: str, tmp_path: Path
) -> None:
    text = SCRIPT.replace("BeginMissionSequence;", f"{before}\nBeginMissionSequence;", 1)
    edited = EditableScript(script(tmp_path, text)).edited({"S": value})

    assert after in edited.text.split("\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [(";;", ";;"), (" ;;;  % c", ";;;  % c"), ("", ";"), ("  % c", ";  % c"), (";% c", ";% c")],
)
def test_what_stands_after_a_value_stays_as_it_is(before: str, after: str, tmp_path: Path) -> None:
    """GMAT takes further semicolons, and refuses them after a blank."""
    text = SCRIPT.replace("Sat.SMA = 7010;", f"Sat.SMA = 7010{before}")
    edited = EditableScript(script(tmp_path, text)).edited({"Sat.SMA": 7020}).text

    assert f"\nSat.SMA = 7020{after}\n" in edited


def test_the_fields_of_a_resource_are_in_the_order_of_the_edited_script(tmp_path: Path) -> None:
    fields = EditableScript(script(tmp_path)).fields_of("Sat", {"Sat.ECC": 0.5, "Sat.SMA": 1.0})

    assert fields == [
        ("DateFormat", "TAIModJulian"),
        ("Epoch", "31041.0"),
        ("SMA", "7000"),
        ("SMA", "1"),
        ("ECC", "0.5"),
    ]


def test_fields_that_the_sequence_sets_again_are_found_with_their_line(tmp_path: Path) -> None:
    text = SCRIPT + (
        "Target DC;\n Vary 'Burn' DC(B.Element1 = 0.1, {MaxStep = 0.2});\n"
        " Vary DC(A(1, 2) = 3);\nEndTarget;\nIf Sat.SMA == 3\n  GMAT Sat.ECC = 0.2;\nEndIf;\n"
    )
    editable = EditableScript(script(tmp_path, text))
    paths = ["v.Value", "B.Element1", "B.Element2", "A(1,2)", "Sat.SMA", "Sat.ECC", "S.Value"]

    found = set_again(editable.plain.statements, editable.types, paths)

    assert {path: each.line_number for path, each in found.items()} == {
        "v.Value": 24, "B.Element1": 27, "A(1,2)": 28, "Sat.ECC": 31,
    }  # fmt: skip


SET_IN_ANOTHER_WAY = [
    ("For i = 1:2:1;", "i.Value"),
    ("For 'count' i = 1:2;", "i"),
    ("A = C;", "A(1,2)"),
    ("A(i, 2) = 3;", "A(1,2)"),
    ("Sat = Other;", "Sat.DryMass"),
    ("Sat.EarthFixed.X = 7000;", "Sat.X"),
    ("Sat.Earth.SMA = 7000;", "Sat.SMA"),
    ("Sat.UTCModJulian = 31050;", "Sat.Epoch"),
    ("Sat.Epoch.TAIGregorian = 'x';", "Sat.Epoch"),
    ("Sat.Tank.FuelMass = 5;", "Tank.FuelMass"),
    ("Vary DC(Sat.EarthMJ2000Eq.VX = 3);", "Sat.VX"),
]


@pytest.mark.parametrize(("command", "path"), SET_IN_ANOTHER_WAY)
def test_a_field_that_the_sequence_sets_in_another_way_is_found_too(
    command: str, path: str, tmp_path: Path
) -> None:
    text = SCRIPT + f"Create Variable i;\n{command}\n"
    editable = EditableScript(script(tmp_path, text))

    found = set_again(editable.plain.statements, editable.types, [path])

    assert [each.code for each in found.values()] == [command.rstrip(";")]


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("A(i, 1) = 3;", "A(1,2)"),
        ("A(1, 1) = 3;", "A(1,2)"),
        ("C = A;", "A(1,2)"),
        ("Other = Sat;", "Sat.SMA"),
        ("Sat.Earth.SMA = 7000;", "Sat.ECC"),
        ("Sat.SMA = 7000;", "SMA.Value"),
        ("Sat.Tank.FuelMass = 5;", "Tank2.FuelMass"),
        ("If i = 3;", "i.Value"),
    ],
)
def test_a_field_that_the_sequence_leaves_alone_is_not_found(
    command: str, path: str, tmp_path: Path
) -> None:
    text = SCRIPT + f"Create Variable i SMA;\n{command}\n"
    editable = EditableScript(script(tmp_path, text))

    assert set_again(editable.plain.statements, editable.types, [path]) == {}


def test_no_assignment_is_lost_in_a_script_without_any_command(tmp_path: Path) -> None:
    text = "Create Spacecraft Sat;\nSat.SMA = 7000;"

    lines = (
        EditableScript(script(tmp_path, text)).edited({"Sat.X": 1, "Sat.Cd": 2}).text.split("\n")
    )

    assert lines == [*text.split("\n"), "Sat.Cd = 2;", "Sat.X = 1;", ""]


@pytest.mark.parametrize(
    ("command", "path", "own"),
    [
        ("v = v + 1;", "v.Value", True),
        ("v = w + Sat.v + v2 - v(1);", "v", False),
        ("A(1, 2) = 2*A( 1,2 );", "A(2)", True),
        ("A(1, 2) = A(1,1);", "A(1,2)", False),
        ("Vary DC(B.Element1 = B.Element1, {MaxStep = 0.2});", "B.Element1", True),
        ("Vary DC(B.Element1 = 0.1, {MaxStep = B.Element1});", "B.Element1", False),
        ("Sat.SMA = 7000; % Sat.SMA", "Sat.SMA", False),
        ("For v = 1:3;", "v", False),
    ],
)
def test_a_command_that_starts_from_the_overridden_value_is_told_from_one_that_does_not(
    command: str, path: str, own: bool, tmp_path: Path
) -> None:
    text = SCRIPT.replace("v = v + 1;", command)
    editable = EditableScript(script(tmp_path, text))
    statement = set_again(editable.plain.statements, editable.types, [path])[path]

    assert starts_from_itself(statement, path, editable.types) is own
