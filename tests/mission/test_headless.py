"""A headless copy is the user's mission without the views that the engine lacks."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep.errors import MissionScriptError, NotPlainFileError
from gmat_sweep.mission.headless import HeadlessScript, headless_copy
from gmat_sweep.mission.script import DISPLAY_ONLY_TYPES
from gmat_sweep.mission.statements import ScriptText
from repository import DATA

LACKING = {"OpenFramesInterface", "OpenFramesView", "OpenFramesVector", "ContactLocator"}
HEAD = "Create OpenFramesInterface V1;\nCreate OrbitView O1 O2 V10;\n"


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def copied(folder: Path, content: str | bytes) -> HeadlessScript:
    return headless_copy(write(folder / "m.script", content), LACKING)


def left(folder: Path, statement: str) -> str:
    """What a statement after `HEAD` becomes."""
    return copied(folder, HEAD + statement).text.decode().split("\n", 2)[2]


def codes(content: bytes) -> list[str]:
    return [item.code for item in ScriptText(Path("copy"), content).statements]


def test_a_copy_of_a_gui_mission_is_the_mission_saved_without_views() -> None:
    copy = headless_copy(DATA / "gui_saved.script", DISPLAY_ONLY_TYPES)

    assert codes(copy.text) == codes((DATA / "gui_saved_no_views.script").read_bytes())


def test_views_the_engine_has_stay_with_their_commands() -> None:
    copy = headless_copy(str(DATA / "gui_saved.script"), LACKING)

    assert [(item.name, item.type) for item in copy.dropped] == [
        ("View1", "OpenFramesInterface"),
        ("CoordinateSystemView1", "OpenFramesView"),
        ("EarthView1", "OpenFramesView"),
        ("Velocity1", "OpenFramesVector"),
    ]
    assert [code for code in codes(copy.text) if re.match("Toggle|Pen|Mark", code)] == [
        "Toggle 'Views off' Orbit1 Off",
        "PenUp 'Lift' Orbit1",
        "PenDown Orbit1",
        "Toggle 'Views on' Orbit1 On",
    ]


def test_every_statement_keeps_its_line_number_and_every_other_line_its_bytes() -> None:
    source = DATA / "gui_saved.script"

    copy = headless_copy(source, LACKING)

    before = source.read_bytes().split(b"\n")
    after = copy.text.split(b"\n")
    pairs = enumerate(zip(before, after, strict=True), start=1)
    changed = {number: new for number, (old, new) in pairs if old != new}
    assert {item.line_number for item in copy.changes} <= changed.keys()
    assert [new for new in changed.values() if new] == [
        item.after.encode() for item in copy.changes if item.after
    ]


def test_comments_on_lines_of_their_own_stay() -> None:
    copy = headless_copy(DATA / "gui_saved.script", LACKING)

    assert b"\n% Where the spacecraft is heading\n" in copy.text
    assert b"\n% Draw View1 again from here\n" in copy.text
    assert b"only the view that may be left out" not in copy.text


def test_without_anything_to_leave_out_no_copy_is_needed(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbfCreate OrbitView O1;\r\n#Include 'x.txt'\rToggle O1 On % caf\xe9 "
    write(tmp_path / "x.txt", "Create ContactLocator CL")

    copy = copied(tmp_path, content)

    assert not copy.is_needed
    assert (copy.text, copy.dropped, copy.changes, copy.files) == (content, (), (), {})
    assert copy.write(tmp_path / "copy") == tmp_path / "m.script"
    assert not (tmp_path / "copy").exists()


def test_what_the_engine_lacks_may_be_a_function(tmp_path: Path) -> None:
    script = write(tmp_path / "m.script", HEAD)

    assert headless_copy(script, lambda name: name == "OpenFramesInterface").is_needed
    assert not headless_copy(script, lambda name: name == "OpenFramesView").is_needed


def test_encoding_marks_and_line_ends_stay(tmp_path: Path) -> None:
    content = (
        b"\xef\xbb\xbfCreate OpenFramesView V;\r\n% caf\xe9 \r\rV.A = 1\nSat.Id = '\xe9'  \r\n"
    )

    copy = copied(tmp_path, content)

    assert copy.text == b"\xef\xbb\xbf\r\n% caf\xe9 \r\r\nSat.Id = '\xe9'  \r\n"


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=12).filter(lambda line: b"V1" not in line), max_size=6))
def test_a_script_of_any_other_bytes_loses_only_its_view(
    tmp_path_factory: pytest.TempPathFactory, others: list[bytes]
) -> None:
    rest = b"\n% \n".join([b"", *(line.rstrip(b". \t") for line in others), b""])

    copy = copied(tmp_path_factory.mktemp("any"), b"Create OpenFramesView V1;" + rest)

    assert copy.text == rest


@pytest.mark.parametrize(
    "statement",
    [
        "GMAT V1.Add = {Sat, Earth};",
        "V1.Add = {Sat};",
        "\t V1.Eye(1) = 3 % V1",
        "GMAT 'label' V1.View.Eye = [1 2 3]",
        "V1 = Other;",
        "Toggle V1 On;",
        "GMAT Toggle 'all' V1 Off % O1",
        "  PenUp V1;",
        "PenDown 'On' V1",
        "MarkPoint V1",
        "ClearPlot V1;",
        "UpdateDynamicData V1 O1",
    ],
)
def test_statements_about_a_dropped_view_alone_are_left_out(statement: str, tmp_path: Path) -> None:
    assert left(tmp_path, f"{statement}\nSat.SMA = 1\n") == "\nSat.SMA = 1\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Toggle 'V1' V1 O1 Off; % V1", "Toggle 'V1' O1 Off; % V1"),
        ("  Toggle O1 V1 O2 On", "  Toggle O1 O2 On"),
        ("PenUp O1\tV1;", "PenUp O1;"),
        ("PenDown V1  V10", "PenDown  V10"),
        ("Toggle 'x'V1 O1 On", "Toggle 'x' O1 On"),
        ("O1.Add = {Sat, V1, Earth};", "O1.Add = {Sat, Earth};"),
        ("O1.Add = {V1, Sat};", "O1.Add = {Sat};"),
        ("O1.Add = {Sat, V1};", "O1.Add = {Sat};"),
        ("O1.Add = { V1 };", "O1.Add = { };"),
        ("O1.Add = {V1,V1,Sat,V1}", "O1.Add = {Sat}"),
        ("O1.Add = {Sat V1 Earth}", "O1.Add = {Sat Earth}"),
    ],
)
def test_a_dropped_name_leaves_a_statement_that_has_others(
    before: str, after: str, tmp_path: Path
) -> None:
    assert left(tmp_path, before) == after


@pytest.mark.parametrize(
    "statement",
    [
        "Toggle V10 O1 On;",
        "O1.Add = {V10, Sat};",
        "V10.Add = {Sat}",
        "Sat.Id = 'V1';",
        "Sat.SMA = 7000; % V1.Add",
        "Sat.V1 = 3;",
        "V1x = 2",
        "Write 'V1' S",
        "Toggle 'V1' O1 Off",
        "UpdateDynamicData O1 V10",
    ],
)
def test_other_names_strings_and_comments_are_never_matched(statement: str, tmp_path: Path) -> None:
    assert left(tmp_path, statement) == statement


def test_a_statement_over_several_lines_is_left_out_whole(tmp_path: Path) -> None:
    text = "V1.Add = {Sat, ...\n\n  Earth, ... \n  Luna}; % V1\nSat.SMA = 1"

    assert left(tmp_path, text) == "\n\n\n\nSat.SMA = 1"


def test_a_statement_over_several_lines_loses_a_name_and_stays_one_statement(
    tmp_path: Path,
) -> None:
    text = "Toggle 'all' O1 ...\n   V1 ...\n   On;\nPenUp O1 ...\n  V1\nSat.SMA = 1"

    after = left(tmp_path, text)

    assert codes(after.encode()) == ["Toggle 'all' O1     On", "PenUp O1", "Sat.SMA = 1"]
    assert after.split("\n").index("Sat.SMA = 1") == 5


def test_a_view_may_bear_the_name_of_a_type(tmp_path: Path) -> None:
    copy = copied(tmp_path, "Create OpenFramesView OrbitView\nCreate OrbitView O1\n")

    assert copy.text == b"\nCreate OrbitView O1\n"


@pytest.mark.parametrize(
    "statement",
    [
        "Report RF V1.ShowPlot Sat.X",
        "RF.Add = {Sat.X, V1.ShowPlot}",
        "Sat.Id = V1.Name",
        "If V1.ShowPlot == 1",
        "Create OrbitView V1",
    ],
)
def test_a_statement_that_needs_a_dropped_view_is_refused_by_its_line(
    statement: str, tmp_path: Path
) -> None:
    with pytest.raises(
        MissionScriptError, match=r"line 4: .* V1, an OpenFramesInterface"
    ) as caught:
        copied(tmp_path, f"{HEAD}\n{statement}\n")

    assert (caught.value.path, caught.value.line_number) == (tmp_path / "m.script", 4)


def test_the_user_is_told_the_file_of_an_included_statement(tmp_path: Path) -> None:
    include = write(tmp_path / "inc.txt", "\nReport RF V1.X\n")

    with pytest.raises(MissionScriptError) as caught:
        copied(tmp_path, HEAD + "#Include 'inc.txt'")

    assert (caught.value.path, caught.value.line_number) == (include, 2)


def test_an_include_that_need_not_change_is_named_by_its_absolute_path(tmp_path: Path) -> None:
    include = write(tmp_path / "inc" / "a.txt", "Create String S")

    assert left(tmp_path, "  #Include 'inc/a.txt'; % S") == f"  #Include '{include}'; % S"
    assert left(tmp_path, f"#Include {include} % S") == f"#Include {include} % S"
    assert left(tmp_path, "#Include 'gone.txt'") == "#Include 'gone.txt'"


def test_an_include_that_must_change_is_copied_and_the_users_file_is_not_touched(
    tmp_path: Path,
) -> None:
    content = "Create OpenFramesView V2;\r\nCreate String S\r\n"
    views = write(tmp_path / "inc" / "views.txt", content)
    outer = write(tmp_path / "inc" / "outer.txt", "#Include 'inc/views.txt'\nV1.View = {V2}\n")
    plain = write(tmp_path / "plain.txt", "Create String T")
    lines = [
        "#Include 'inc/outer.txt'",
        "#Include plain.txt",
        f"#Include '{views}'",
        "Toggle V2 On",
    ]

    copy = copied(tmp_path, HEAD + "\n".join(lines))
    script = copy.write(tmp_path / "copy")

    assert copy.files == {
        "m.script": copy.text,
        "include-1-views.txt": b"\r\nCreate String S\r\n",
        "include-2-outer.txt": b"#Include 'include-1-views.txt'\n\n",
    }
    assert script == tmp_path / "copy" / "m.script"
    assert script.read_text().split("\n")[2:-1] == [
        "#Include 'include-2-outer.txt'",
        f"#Include '{plain}'",
        "#Include 'include-1-views.txt'",
        "",
        f"% A copy made by gmat-sweep; the script lies in {tmp_path}",
    ]
    assert (script.parent / "include-1-views.txt").read_bytes() == b"\r\nCreate String S\r\n"
    assert views.read_bytes() == content.encode()
    assert outer.read_text().startswith("#Include 'inc/views.txt'")
    assert {item.path for item in copy.changes} == {tmp_path / "m.script", outer, views}


def test_an_include_of_views_alone_is_empty_in_the_copy(tmp_path: Path) -> None:
    # GMAT takes an empty file, and refuses to include one of blank lines or comments only.
    write(tmp_path / "views.txt", "% Views\nCreate OpenFramesView V2;\n\n")

    copy = copied(tmp_path, HEAD + "#Include 'views.txt'\nToggle V2 On;\n")

    assert copy.files["include-1-views.txt"] == b""


def test_a_file_that_includes_itself_is_left_for_gmat_to_refuse(tmp_path: Path) -> None:
    include = write(tmp_path / "a.txt", "#Include 'a.txt'\nCreate OpenFramesView V2\n")

    copy = copied(tmp_path, "#Include 'a.txt'\n")

    assert copy.files["include-1-a.txt"] == f"#Include '{include}'\n\n".encode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Sat.AttitudeFileName = 'att.aem';", "Sat.AttitudeFileName = '{}/att.aem';"),
        ("Sat.AttitudeFileName = './att.aem'", "Sat.AttitudeFileName = '{}/att.aem'"),
        ("FM.G.PotentialFile = sub/g.cof; % g", "FM.G.PotentialFile = '{}/sub/g.cof'; % g"),
        (r"FM.G.Earth.PotentialFile='sub\g.cof'", "FM.G.Earth.PotentialFile='{}/sub/g.cof'"),
        (
            "Sat.OrbitSpiceKernelName = {'a.bsp', 'att.aem'}",
            "Sat.OrbitSpiceKernelName = {'a.bsp', '{}/att.aem'}",
        ),
        ("Sat.SPADSRPFile = 'noext'", "Sat.SPADSRPFile = '{}/noext'"),
        ("FI.Filename = 'att.aem'", "FI.Filename = '{}/att.aem'"),
    ],
)
def test_an_input_file_beside_the_script_is_named_by_its_absolute_path(
    before: str, after: str, tmp_path: Path
) -> None:
    for name in ("att.aem", "sub/g.cof", "noext"):
        write(tmp_path / name, "")

    text = left(tmp_path, f"Create FileInterface FI\n{before}")

    assert text == f"Create FileInterface FI\n{after.replace('{}', str(tmp_path))}"


@pytest.mark.parametrize(
    "statement",
    [
        "RF.Filename = 'att.aem'",
        "EF.Filename = 'att.aem'",
        "DC.ReportFile = 'att.aem'",
        "GmatGlobal.LogFile = 'att.aem'",
        "S = 'att.aem'",
        "Sat.Id = 'noext'",
        "Sat.AttitudeFileName = 'gone.aem'",
        "Sat.AttitudeFileName = 'sub'",
        "Sat.SMA = Sat.X + 1.5",
        "Sat.AttitudeFileName = '" + "x" * 300 + "'",
    ],
)
def test_outputs_and_names_of_no_file_beside_the_script_stay(
    statement: str, tmp_path: Path
) -> None:
    for name in ("att.aem", "sub/g.cof", "noext"):
        write(tmp_path / name, "")
    text = f"Create ReportFile RF; \nCreate EphemerisFile EF; \n{statement}"

    assert left(tmp_path, text) == text


def test_an_input_file_named_by_an_absolute_path_stays_as_it_is_written(tmp_path: Path) -> None:
    statement = f"Sat.AttitudeFileName = {write(tmp_path / 'att.aem', '')}; % bare"

    assert left(tmp_path, statement) == statement


@pytest.mark.parametrize("folder", ["Bahnhöfe", "it's", "100% done"])
def test_a_folder_whose_name_no_script_can_hold_is_refused_only_where_it_is_needed(
    folder: str, tmp_path: Path
) -> None:
    write(tmp_path / folder / "att.aem", "")

    assert left(tmp_path / folder, "Sat.SMA = 1") == "Sat.SMA = 1"
    with pytest.raises(MissionScriptError, match=r"line 3: .* Move the mission") as caught:
        left(tmp_path / folder, "Sat.AttitudeFileName = 'att.aem'")

    assert caught.value.line_number == 3


def test_a_copy_never_replaces_the_users_script(tmp_path: Path) -> None:
    copy = copied(tmp_path, HEAD)

    with pytest.raises(ValueError, match="another folder"):
        copy.write(tmp_path)

    assert (tmp_path / "m.script").read_text() == HEAD


# --- what would spoil an output, or only writes to a window ---------------------------------------


PLOT = "Create GroundTrackPlot T1 T2;\nT1.Add = {Sat};\n"
REPORT = "Create ReportFile R;\nR.Add = {Sat.X};\n"


def whole(folder: Path, text: str, *lacking: str, end_state: bool = False) -> HeadlessScript:
    return headless_copy(write(folder / "m.script", text), lacking, end_state=end_state)


@pytest.mark.parametrize("output", ["ReportFile", "EphemerisFile", "ContactLocator"])
def test_a_ground_track_before_an_output_is_left_out(output: str, tmp_path: Path) -> None:
    """GMAT leaves such an output empty or short."""
    outputs = f"{PLOT}Create {output} R;\n"
    text = f"Create Spacecraft Sat;\n{outputs}BeginMissionSequence;\nToggle T1 R On;\n"

    copy = whole(tmp_path, text)

    assert codes(copy.text) == [
        "Create Spacecraft Sat", f"Create {output} R", "BeginMissionSequence", "Toggle R On",
    ]  # fmt: skip
    assert [each.name for each in copy.dropped] == ["T1", "T2"]


def test_a_ground_track_after_every_output_stays(tmp_path: Path) -> None:
    assert not whole(
        tmp_path, f"Create Spacecraft Sat;\n{REPORT}{PLOT}BeginMissionSequence;"
    ).is_needed
    assert not whole(tmp_path, f"Create Spacecraft Sat;\n{PLOT}BeginMissionSequence;").is_needed


def test_of_two_ground_tracks_the_one_after_the_last_output_stays(tmp_path: Path) -> None:
    text = f"{PLOT}{REPORT}Create GroundTrackPlot T3;\nT3.Add = {{Sat}};\nBeginMissionSequence;"

    copy = whole(tmp_path, text)

    assert [each.name for each in copy.dropped] == ["T1", "T2"]
    assert "Create GroundTrackPlot T3" in codes(copy.text)


def test_a_ground_track_goes_if_the_end_state_is_reported_after_it(tmp_path: Path) -> None:
    text = f"Create Spacecraft Sat;\n{PLOT}BeginMissionSequence;"

    copy = whole(tmp_path, text, end_state=True)

    assert copy.end_state == "EndState"
    assert [each.name for each in copy.dropped] == ["T1", "T2"]


def test_a_command_echo_is_left_out_where_the_engine_lacks_it(tmp_path: Path) -> None:
    text = "BeginMissionSequence;\nCommandEcho On;\nIf x == 1\n  CommandEcho Off % enough\nEndIf;\n"

    copy = whole(tmp_path, text, "CommandEcho")

    assert codes(copy.text) == ["BeginMissionSequence", "If x == 1", "EndIf"]
    assert [change.line_number for change in copy.echoes_left_out] == [2, 4]
    assert not whole(tmp_path, text).is_needed


@pytest.mark.parametrize(
    ("command", "flown"),
    [
        ("Propagate P(F)", "Propagate P(A, B)"),
        ("Propagate P(F) {A.ElapsedSecs = 60}", "Propagate P(A, B) {A.ElapsedSecs = 60}"),
        ("Propagate 'F' P(F) Q(C, F)", "Propagate 'F' P(A, B) Q(C, A, B)"),
        ("Propagate BackProp P( F , C)", "Propagate BackProp P(A, B, C)"),
        ("Propagate P(F, 'STM') {A.Periapsis}", "Propagate P(A, B, 'STM') {A.Periapsis}"),
    ],
)
def test_a_formation_flies_as_its_members(command: str, flown: str, tmp_path: Path) -> None:
    text = f"Create Spacecraft A B C;\nCreate Formation F;\nF.Add = {{A, B}};\n{command};\n"

    copy = whole(tmp_path, text, "Formation")

    assert codes(copy.text) == ["Create Spacecraft A B C", flown]


def test_a_formation_that_is_used_otherwise_is_refused(tmp_path: Path) -> None:
    text = "Create Spacecraft A;\nCreate Formation F;\nF.Add = {A};\nReport R F.X;\n"

    with pytest.raises(MissionScriptError, match=r"line 4: 'Report R F\.X' uses F, a Formation"):
        whole(tmp_path, text, "Formation")


def test_pictures_of_bodies_are_left_out_where_the_engine_has_no_views(tmp_path: Path) -> None:
    text = (
        "Create Moon Phobos;\nPhobos.TextureMapFileName = 'p.jpg';\n"
        "GMAT Earth.3DModelFile = '../e.3ds';\nEarth.3DModelScale = 2;\nBeginMissionSequence;\n"
        "Luna.TextureMapFileName = 'l.jpg';\n"
    )

    copy = whole(tmp_path, text, "OpenFramesInterface")

    assert codes(copy.text) == [
        "Create Moon Phobos",
        "Earth.3DModelScale = 2",
        "BeginMissionSequence",
    ]
    assert [change.line_number for change in copy.pictures_left_out] == [2, 3, 6]
    assert not whole(tmp_path, text).is_needed


# --- the end state -------------------------------------------------------------------------------


def test_the_report_of_the_end_state_changes_no_line_before_the_sequence(tmp_path: Path) -> None:
    text = "Create Spacecraft Sat;\n% here\nBeginMissionSequence;\nStop;  % enough"

    lines = whole(tmp_path, text, end_state=True).text.decode().splitlines()

    assert lines[:3] == ["Create Spacecraft Sat;", "% here", "Create ReportFile EndState;"]
    assert lines[lines.index("BeginMissionSequence;") + 1 :][0] == "Stop;  % enough"
    assert lines[-1].startswith("Report EndState Sat.UTCGregorian Sat.EarthMJ2000Eq.X ")


def test_a_begin_in_an_included_file_does_too(tmp_path: Path) -> None:
    write(tmp_path / "begin.inc", "BeginMissionSequence;\n")

    copy = whole(tmp_path, "Create Spacecraft Sat;\n#Include 'begin.inc'\n", end_state=True)

    found = codes(copy.text)
    assert found[0] == "Create ReportFile EndState"
    assert found[-1].startswith("Report EndState ")


@pytest.mark.promise("folders from somebody else", "a headless copy in a linked place")
def test_a_copy_in_a_sweep_folder_is_written_through_no_link(tmp_path: Path) -> None:
    """The folder of the copy, and the copy itself."""
    source = write(tmp_path / "m.script", "Create GroundTrackPlot G;\nCreate Spacecraft Sat;\n")
    copy = headless_copy(source, lambda name: name == "GroundTrackPlot")
    outside, sweep = tmp_path / "outside", tmp_path / "sweep"
    outside.mkdir()
    sweep.mkdir()
    write(outside / "mine", "mine")
    (sweep / "headless").symlink_to(outside)
    with pytest.raises(NotPlainFileError, match="headless is a symbolic link"):
        copy.write(sweep / "headless", within=sweep)
    (sweep / "headless").unlink()
    (sweep / "headless").mkdir()
    (sweep / "headless" / "m.script").symlink_to(outside / "mine")
    with pytest.raises(NotPlainFileError, match=r"m\.script is a symbolic link"):
        copy.write(sweep / "headless", within=sweep)

    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("mine", "mine")]
