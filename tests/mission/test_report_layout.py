"""What a script declares of its reports is read from its statements."""

from pathlib import Path

import pytest

from gmat_sweep.mission.editing import EditableScript
from gmat_sweep.mission.report_layout import (
    Quantity,
    ReportFormat,
    ReportLayout,
    outputs_off,
    report_layouts,
)
from gmat_sweep.mission.statements import ScriptText
from gmat_sweep.worker.report_tables import off_in


def layout(script: str) -> ReportLayout:
    statements = ScriptText(Path("m.script"), ("Create ReportFile R;\n" + script).encode())
    return report_layouts(statements.statements)["R"]


def names(script: str) -> list[tuple[str, ...]]:
    return [block.names for block in layout(script).blocks]


@pytest.mark.parametrize(
    "script",
    [
        "R.Add = {Sat.X, Sat.Y};",
        "GMAT R.Add = { Sat.X Sat.Y }; % comment",
        "R.Add = {Sat.X, ...\n  Sat.Y};",
        "R.Add = Sat.X;\nR.Add = {Sat.X, Sat.Y, Sat.Y};",
    ],
)
def test_add_adds_each_quantity_once(script: str) -> None:
    assert names(script) == [("Sat.X", "Sat.Y")]


@pytest.mark.parametrize(
    "command",
    [
        "Report R Sat.X A(1, 2) Sat.X;",
        "Report 'a label' R Sat.X A(1, 2) Sat.X;",
        "GMAT Report 'R' R Sat.X ...\n A(1, 2)  Sat.X % R Sat.Z",
        "While n < 2;\n  If 'x' n == 1;\n    Report R Sat.X A(1, 2) Sat.X;\n  EndIf;\nEndWhile;",
    ],
)
def test_a_report_command_has_its_quantities_in_order(command: str) -> None:
    assert names("BeginMissionSequence;\n" + command) == [("Sat.X", "A(1, 2)", "Sat.X")]


def test_another_report_and_other_commands_are_no_block() -> None:
    assert names("Report Q Sat.X;\nPropagate P(Sat);\nReporter = 1;\nToggle R Off;") == []


def test_kinds_follow_from_names_and_from_what_the_script_creates() -> None:
    script = (
        "Create Array A[2,3] B[3] C;\nCreate String S;\nCreate Variable v;\n"
        "R.Add = {Sat.UTCGregorian, Sat.A1ModJulian, S, v, A, B, C, A(1,2), Sat.OrbitSTM, "
        "Sat.Quaternion};"
    )
    assert layout(script).blocks[0].quantities == (
        Quantity("Sat.UTCGregorian", "epoch"),
        Quantity("Sat.A1ModJulian"),
        Quantity("S", "text"),
        Quantity("v"),
        Quantity("A", "matrix", 2, 3),
        Quantity("B", "matrix", 1, 3),
        Quantity("C", "matrix", 1, 1),
        Quantity("A(1,2)"),
        Quantity("Sat.OrbitSTM", "matrix", 6, 6),
        Quantity("Sat.Quaternion", "matrix", 1, 4),
    )


def test_a_matrix_has_the_labels_of_its_elements_row_by_row() -> None:
    assert Quantity("A", "matrix", 2, 2).labels == ("A(1,1)", "A(1,2)", "A(2,1)", "A(2,2)")


def test_the_format_is_what_the_last_assignments_say() -> None:
    script = (
        "R.WriteHeaders = Off;\nR.FixedWidth = false;\nR.Delimiter = ';';\nR.ColumnWidth = 12;\n"
        "R.ColumnWidth = 14;\nR.Precision = 9;\nR.LeftJustify = Off;\nR.ZeroFill = On;\n"
        "R.Filename = 'x.txt';"
    )
    assert layout(script).formats == (ReportFormat(False, False, False, True, ";", 14, 9),)
    assert layout("").formats == (ReportFormat(),)


@pytest.mark.parametrize(
    ("value", "delimiter"), [("' '", " "), ("''", " "), ("','", ","), ("'||'", "|"), (";", " ")]
)
def test_the_delimiter_is_one_character(value: str, delimiter: str) -> None:
    """As GMAT R2026a takes it: the first one, a blank if there is none."""
    assert layout(f"R.Add = a;\nR.Delimiter = {value};").formats[0].delimiter == delimiter


def test_without_add_nothing_is_padded_with_the_delimiter() -> None:
    assert layout("R.Delimiter = ',';").formats[0].delimiter == " "
    assert layout("R.Delimiter = ',';\nR.FixedWidth = false;").formats[0].delimiter == ","


def test_assignments_of_the_sequence_add_formats() -> None:
    found = layout("BeginMissionSequence;\nR.ColumnWidth = 30;\nR.Precision = 4;").formats

    assert {(form.column_width, form.precision) for form in found} == {
        (23, 16), (30, 16), (30, 4), (23, 4),
    }  # fmt: skip


def test_a_report_that_is_off_is_expected_to_have_rows_of_commands_only() -> None:
    off = "R.Add = {Sat.X};\nR.WriteReport = false;\nBeginMissionSequence;\n"

    assert not layout(off).expects_rows
    assert layout(off + "Report R Sat.Y;").expects_rows
    assert layout(off + "R.WriteReport = true;").expects_rows
    assert not layout("BeginMissionSequence;").expects_rows


@pytest.mark.parametrize(
    ("script", "off"),
    [
        ("E.WriteEphemeris = false;", {"E"}),
        ("GMAT E.WriteEphemeris = Off", {"E"}),
        ("E.WriteEphemeris = 'false' ; % not now", {"E"}),
        ("C.WriteReport = false;\nE.WriteEphemeris = false;", {"C", "E"}),
        ("E.WriteEphemeris = false;\nE.WriteEphemeris = true;", set()),
        ("E.WriteEphemeris = false;\nBeginMissionSequence;\nToggle E On;", set()),
        ("E.WriteEphemeris = false;\nBeginMissionSequence;\nToggle F E On;", set()),
        ("E.WriteEphemeris = false;\nBeginMissionSequence;\nToggle E Off;", {"E"}),
        ("BeginMissionSequence;\nE.WriteEphemeris = false;", set()),
        ("E.WriteReport = false;\nR.WriteReport = false;\nC.WriteEphemeris = false;", set()),
    ],
)
def test_outputs_that_the_script_keeps_gmat_from_writing_are_known(
    script: str, off: set[str]
) -> None:
    made = "Create EphemerisFile E F;\nCreate ContactLocator C;\nCreate ReportFile R;\n"

    assert outputs_off(ScriptText(Path("m.script"), (made + script).encode()).statements) == off


def test_an_override_switches_an_output_off_or_on(tmp_path: Path) -> None:
    path = tmp_path / "mission.script"
    path.write_text("Create EphemerisFile E;\nE.WriteEphemeris = true;\nBeginMissionSequence;\n")
    script = EditableScript(path)

    assert off_in(script, {"Sat.SMA": 7000}) == set()
    assert off_in(script, {"E.WriteEphemeris": False}) == {"E"}


def test_write_commands_and_global_reports_are_seen() -> None:
    assert layout("Write S {LogFile = true, ReportFile = R};").text_lines == (2,)
    assert layout("Global R;").flow is None
    assert layout("Write S {ReportFile = Q};\nGlobal Q;") == layout("")


def test_the_flow_has_the_loops_and_branches_around_the_commands() -> None:
    branch = "If n == 1;\nReport R a;\nElse;\nReport R b;\nEndIf;\n"
    script = f"R.Add = {{Sat.X}};\nTarget DC;\n{branch}EndTarget;"
    assert layout(script).flow == (
        ("solver", 0), ("if", 0), ("report", 1), ("else", 1), ("report", 2), ("end", 0), ("end", 0),
    )  # fmt: skip
