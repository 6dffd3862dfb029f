"""GMAT's reports are read with what the script declares, whatever their format.

Every script flies on the engine. The expected values are read from the text of GMAT's own report by
the simplest means that fit the one file: a line's number, and words or fixed places.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gmat_sweep.backends.process.worker_process import WorkerProcess
from gmat_sweep.folder.run_seal import read_seal
from gmat_sweep.mission.report_layout import ReportLayout, report_layouts
from gmat_sweep.mission.statements import ScriptText
from gmat_sweep.spec import RunOutcome, RunSpec
from gmat_sweep.worker.report_tables import read_report
from worker_runs import log_of

HEAD = """\
Create Spacecraft Sat;
Sat.DateFormat = UTCGregorian;
Sat.Epoch = '01 Jan 2026 00:00:00.000';
Sat.DisplayStateType = Keplerian;
Sat.SMA = 7000;
Sat.ECC = 0.01;
Sat.INC = 50;
Create ForceModel FM;
FM.PointMasses = {Earth};
Create Propagator P;
P.FM = FM;
P.InitialStepSize = 60;
P.MaxStep = 300;
Create Variable n;
"""
FLY = "Propagate P(Sat) {Sat.ElapsedSecs = 600};\n"
ADD = "Create ReportFile R;\nR.Filename = 'r.txt';\n"
THREE = "R.Add = {Sat.UTCGregorian, Sat.Earth.SMA, Sat.Earth.Altitude};\n"
BEGIN = "BeginMissionSequence;\n"


@pytest.fixture(scope="module")
def engine_worker() -> Iterator[WorkerProcess]:
    process = WorkerProcess()
    yield process
    process.close()


class Flown:
    """A run of a script: its outcome, its tables and GMAT's own texts."""

    def __init__(self, outcome: RunOutcome, folder: Path) -> None:
        self.outcome = outcome
        self.folder = folder

    def lines(self, file: str = "r.txt") -> list[str]:
        """The lines of GMAT's report."""
        return (self.folder / file).read_text().splitlines()

    def table(self, name: str = "R") -> pd.DataFrame:
        """The table of a report, without the copy of its epoch."""
        frame = pd.read_parquet(self.outcome.output_paths[f"report__{name}"])
        return frame.drop(columns="time", errors="ignore")


type Fly = Callable[[str], Flown]


@pytest.fixture
def fly(engine_worker: WorkerProcess, tmp_path: Path) -> Fly:
    def run(body: str) -> Flown:
        script = tmp_path / "own.script"
        script.write_text(HEAD + body)
        spec = RunSpec(script, {}, tmp_path / "run-0", 0, None, {})
        outcome = engine_worker.run(spec, timeout_s=60)
        assert outcome.status == "ok", outcome.stderr
        return Flown(outcome, spec.output_dir)

    return run


def epoch(text: str) -> pd.Timestamp:
    return pd.to_datetime(text.strip(), format="%d %b %Y %H:%M:%S.%f")


def words(line: str) -> tuple[pd.Timestamp, list[float]]:
    """The epoch that a line starts with, and the numbers after it."""
    return epoch(line[:24]), [float(word) for word in line[24:].replace(",", " ").split()]


def same_rows(frame: pd.DataFrame, lines: list[str]) -> None:
    """Check that a frame has the epochs and numbers of `lines`, to the last bit."""
    assert len(frame) == len(lines)
    for (_, row), line in zip(frame.iterrows(), lines, strict=True):
        at, numbers = words(line)
        assert row.iloc[0] == at
        assert row.dropna().iloc[1:].tolist() == numbers


# --- several blocks ------------------------------------------------------------------------------


def test_add_and_a_report_command_of_the_same_quantities_make_one_table(fly: Fly) -> None:
    same = "Report R Sat.UTCGregorian Sat.Earth.SMA Sat.Earth.Altitude;\n"
    flown = fly(ADD + THREE + BEGIN + FLY + same)

    frame, lines = flown.table(), flown.lines()
    assert list(frame) == ["Sat.UTCGregorian", "Sat.Earth.SMA", "Sat.Earth.Altitude"]
    # Two headers, which differ in their blanks.
    assert [at for at, line in enumerate(lines) if line.startswith("Sat")] == [0, len(lines) - 2]
    same_rows(frame, [*lines[1:-2], lines[-1]])
    assert flown.outcome.notes == ()


def test_a_report_command_of_fewer_quantities_leaves_the_others_missing(fly: Fly) -> None:
    flown = fly(ADD + THREE + BEGIN + FLY + "Report R Sat.UTCGregorian Sat.Earth.SMA;\n")

    frame, lines = flown.table(), flown.lines()
    same_rows(frame, [*lines[1:-2], lines[-1]])
    assert frame["Sat.Earth.Altitude"].isna().tolist() == [False] * (len(frame) - 1) + [True]


def test_reports_of_other_quantities_never_share_a_column(fly: Fly) -> None:
    flown = fly(ADD + BEGIN + "Report R Sat.X;\n" + FLY + "Report R Sat.Y;\n")

    frame, lines = flown.table(), flown.lines()
    assert frame["Sat.X"].iloc[0] == float(lines[1])
    assert frame["Sat.Y"].iloc[1] == float(lines[3])
    assert frame.isna().to_numpy().tolist() == [[False, True], [True, False]]


def test_rows_of_alternating_reports_in_a_loop_are_told_apart_by_their_order(fly: Fly) -> None:
    """Only the first row of each has a header, and both have the same widths."""
    loop = (
        f"For n = 1:3;\n{FLY}Report R Sat.UTCGregorian Sat.X;\nReport R Sat.UTCGregorian Sat.Y;\n"
    )
    flown = fly(ADD + BEGIN + loop + "EndFor;\nReport R Sat.UTCGregorian Sat.Z;\n")

    frame, lines = flown.table(), flown.lines()
    rows = [line for line in lines if not line.startswith("Sat")]
    assert list(frame) == ["Sat.UTCGregorian", "Sat.X", "Sat.Y", "Sat.Z"]
    assert [frame.iloc[at].dropna().index[1] for at in range(7)] == [
        "Sat.X", "Sat.Y", "Sat.X", "Sat.Y", "Sat.X", "Sat.Y", "Sat.Z",
    ]  # fmt: skip
    same_rows(frame, rows)


def test_columns_in_doubt_are_named_by_their_position_and_said(fly: Fly) -> None:
    """In the second turn nothing tells a row of Add from one of Report."""
    add = "R.Add = {Sat.UTCGregorian, Sat.X};\n"
    loop = f"For n = 1:3;\n{FLY}Report R Sat.UTCGregorian Sat.Y;\nEndFor;\n"
    flown = fly(ADD + add + BEGIN + loop)

    frame = flown.table()
    assert list(frame) == ["Sat.UTCGregorian", "column_2"]
    same_rows(frame, [line for line in flown.lines() if not line.startswith("Sat")])
    (note,) = flown.outcome.notes
    assert note == (
        "ReportFile R: the rows of lines 17, 21 of the script cannot be told apart in r.txt; the "
        "columns in doubt are named column_1, column_2... by their position"
    )


def test_the_epoch_of_each_row_is_that_of_its_own_block(fly: Fly) -> None:
    other = "Create Spacecraft Other;\nOther.Epoch = '21545';\n"
    flown = fly(
        other + ADD + BEGIN + "Report R Sat.UTCGregorian Sat.X;\nReport R Other.UTCGregorian;\n"
    )

    frame = pd.read_parquet(flown.outcome.output_paths["report__R"])
    lines = flown.lines()
    assert frame["time"].tolist() == [epoch(lines[1][:24]), epoch(lines[3][:24])]


def test_a_script_may_change_the_format_while_it_flies(fly: Fly) -> None:
    changes = (
        f"R.ColumnWidth = 40;\n{FLY}R.WriteHeaders = false;\n{FLY}R.FixedWidth = false;\n{FLY}"
    )
    flown = fly(ADD + THREE + BEGIN + FLY + changes)

    same_rows(flown.table(), [line for line in flown.lines() if not line.startswith("Sat")])


# --- delimiters ----------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t", " "])
def test_any_delimiter_separates(fly: Fly, delimiter: str) -> None:
    fields = f"R.FixedWidth = false;\nR.Delimiter = '{delimiter}';\n"
    flown = fly(ADD + THREE + fields + BEGIN + FLY + "Report R Sat.UTCGregorian Sat.X;\n")

    frame, lines = flown.table(), flown.lines()
    assert list(frame) == ["Sat.UTCGregorian", "Sat.Earth.SMA", "Sat.Earth.Altitude", "Sat.X"]
    same_rows(frame, [line.replace(delimiter, " ") for line in [*lines[1:-2], lines[-1]]])


@pytest.mark.parametrize("delimiter", [":", "-", "x"])
def test_a_delimiter_that_values_may_hold_separates(fly: Fly, delimiter: str) -> None:
    fields = f"R.FixedWidth = false;\nR.Delimiter = '{delimiter}';\n"
    three = "R.Add = {Sat.UTCGregorian, Sat.VX, Sat.Z};\n"
    flown = fly(
        ADD
        + three
        + fields
        + BEGIN
        + FLY
        + "n = -9.5367431640625e-07;\nReport R n Sat.UTCGregorian;\n"
    )
    frame = flown.table()

    for line, row in zip(flown.lines()[1:-2], frame.to_numpy()[:-1], strict=True):
        when, velocity, height = row[:3]
        assert velocity < 0
        assert when == epoch(line[:24])
        assert line[24:] == f"{delimiter}{velocity:.16g}{delimiter}{height:.16g}"
    assert list(frame.columns) == ["Sat.UTCGregorian", "Sat.VX", "Sat.Z", "n"]
    assert flown.lines()[-1] == f"-9.5367431640625e-07{delimiter}01 Jan 2026 00:10:00.000"
    assert frame["n"].to_list()[-1] == -(2.0**-20)
    assert frame["Sat.UTCGregorian"].to_list()[-1] == epoch("01 Jan 2026 00:10:00.000")


@pytest.mark.parametrize("delimiter", [":", "x"])
def test_a_padding_that_no_value_begins_or_ends_with_is_cut_off(fly: Fly, delimiter: str) -> None:
    flown = fly(ADD + THREE + f"R.Delimiter = '{delimiter}';\n" + BEGIN + FLY)

    # The colons of an epoch stand in its first 24 characters.
    lines = [line[:24] + line[24:].replace(delimiter, " ") for line in flown.lines()[1:]]
    same_rows(flown.table(), lines)


def test_a_delimiter_that_pads_columns_of_fixed_width_is_no_value(fly: Fly) -> None:
    flown = fly(ADD + THREE + "R.Delimiter = ',';\n" + BEGIN + FLY)

    assert ",,," in flown.lines()[1]
    same_rows(flown.table(), flown.lines()[1:])


def test_a_padding_that_may_be_a_part_of_a_number_makes_no_table(fly: Fly) -> None:
    flown = fly(ADD + THREE + "R.Delimiter = '-';\n" + BEGIN + FLY)

    assert "---" in flown.lines()[1]
    (note,) = flown.outcome.notes
    assert note == (
        "ReportFile R is no table: R.Delimiter = '-' pads its columns and cannot be told from "
        "values"
    )


def test_without_add_columns_of_fixed_width_are_padded_with_blanks(fly: Fly) -> None:
    text = "Create String S;\nS = 'a,';\n"
    flown = fly(text + ADD + "R.Delimiter = ',';\n" + BEGIN + "Report R S Sat.X;\n")

    assert flown.lines()[1].startswith("a,   ")
    assert flown.table()["S"].tolist() == ["a,"]


def test_text_may_hold_the_delimiter(fly: Fly) -> None:
    text = "Create String S;\nS = 'a, b, c';\n"
    fields = "R.FixedWidth = false;\nR.Delimiter = ',';\n"
    flown = fly(text + ADD + fields + BEGIN + "Report R Sat.UTCGregorian S Sat.X;\n")

    frame = flown.table()
    assert frame["S"].tolist() == ["a, b, c"]
    assert frame["Sat.X"].tolist() == [float(flown.lines()[1].rpartition(",")[2])]


# --- without headers -----------------------------------------------------------------------------


def test_without_headers_no_row_becomes_the_names(fly: Fly) -> None:
    """An epoch of 24 characters in a column of 23 touches the next value."""
    flown = fly(ADD + THREE + "R.WriteHeaders = false;\n" + BEGIN + FLY)

    frame, lines = flown.table(), flown.lines()
    assert "000.000" not in lines[0].split()[-1]
    assert list(frame) == ["Sat.UTCGregorian", "Sat.Earth.SMA", "Sat.Earth.Altitude"]
    same_rows(frame, lines)


def test_without_headers_reports_are_told_apart_by_their_order(fly: Fly) -> None:
    loop = f"For n = 1:3;\n{FLY}Report R Sat.UTCGregorian Sat.X;\nEndFor;\n"
    last = "Report R Sat.UTCGregorian Sat.Y;\n"
    flown = fly(ADD + "R.WriteHeaders = false;\n" + BEGIN + loop + last)

    frame, lines = flown.table(), flown.lines()
    assert frame["Sat.X"].notna().tolist() == [True, True, True, False]
    same_rows(frame, lines)


def test_without_headers_a_branch_leaves_the_names_in_doubt(fly: Fly) -> None:
    branch = "If n == 1;\nReport R Sat.X;\nElse;\nReport R Sat.Y;\nEndIf;\n"
    flown = fly(ADD + "R.WriteHeaders = false;\n" + BEGIN + branch)

    assert flown.table()["column_1"].tolist() == [float(flown.lines()[0])]
    assert "cannot be told apart" in flown.outcome.notes[0]


# --- narrow columns ------------------------------------------------------------------------------


def test_values_that_touch_in_more_than_one_way_are_no_table(fly: Fly) -> None:
    """1234567.5 beside 12345.25 could be 1234567.51 beside 2345.25 as well."""
    values = "Create Variable a b;\na = 1234567.5;\nb = 12345.25;\n"
    flown = fly(values + ADD + "R.ColumnWidth = 4;\n" + BEGIN + "Report R a b;\n")

    assert flown.lines()[1].strip() == "1234567.512345.25"
    assert flown.outcome.output_paths == {}
    (note,) = flown.outcome.notes
    assert note == (
        "ReportFile R is no table: values touch each other on line 2 of r.txt, because "
        "R.ColumnWidth = 4 is narrower than they are; make it wider"
    )
    assert note in log_of(flown.folder.parent)


def test_values_that_touch_are_read_where_the_padding_proves_where_they_do(fly: Fly) -> None:
    """2.5 beside 1234567.51 would have one blank more after it."""
    values = "Create Variable a b;\na = 1234567.5;\nb = 12.5;\n"
    flown = fly(values + ADD + "R.ColumnWidth = 4;\n" + BEGIN + "Report R a b;\n")

    assert flown.lines()[1] == "1234567.512.5   "
    assert flown.table().iloc[0].tolist() == [1234567.5, 12.5]


def test_values_that_touch_in_one_way_only_are_read(fly: Fly) -> None:
    """With ZeroFill every number has as many digits as Precision says."""
    fields = "R.ColumnWidth = 4;\nR.ZeroFill = On;\nR.WriteHeaders = false;\n"
    flown = fly(ADD + "R.Add = {Sat.UTCGregorian, Sat.Z, Sat.VX};\n" + fields + BEGIN + FLY)

    frame, lines = flown.table(), flown.lines()
    assert len(lines) > 5
    for (_, row), line in zip(frame.iterrows(), lines, strict=True):
        assert row.iloc[0] == epoch(line[:24])
        assert line[24:] == "".join(f"{value:#.16g}" for value in row.iloc[1:])


def test_a_last_value_that_is_wider_than_its_column_is_read(fly: Fly) -> None:
    flown = fly(ADD + "R.ColumnWidth = 6;\n" + BEGIN + FLY + "Report R Sat.UTCGregorian Sat.X;\n")

    same_rows(flown.table(), flown.lines()[1:])


# --- arrays and text -----------------------------------------------------------------------------

ARRAY = "Create Array A[2,2] column[3,1];\nA(1,1) = 1.5;\nA(2,2) = -4e30;\ncolumn(2,1) = 7.25;\n"
ELEMENTS = ["A(1,1)", "A(1,2)", "A(2,1)", "A(2,2)"]


@pytest.mark.parametrize(
    "fields",
    ["", "R.WriteHeaders = false;\n", "R.FixedWidth = false;\nR.Delimiter = ',';\n",
     "R.FixedWidth = false;\n", "R.ZeroFill = On;\n"],
)  # fmt: skip
def test_an_array_has_a_column_for_each_element(fly: Fly, fields: str) -> None:
    report = "Report R Sat.UTCGregorian A Sat.X;\n"
    flown = fly(ARRAY + ADD + fields + BEGIN + report + FLY + report)

    frame = flown.table()
    assert list(frame) == ["Sat.UTCGregorian", *ELEMENTS, "Sat.X"]
    np.testing.assert_array_equal(frame[ELEMENTS], [[1.5, 0.0, 0.0, -4e30]] * 2)
    assert f" {frame['Sat.X'].iloc[1]:.10g}" in " ".join(flown.lines()).replace(",", " ")
    (note,) = flown.outcome.notes
    assert note == (
        "ReportFile R: GMAT writes A over several lines of r.txt; the table has a column for each "
        "element, A(1,1) to A(2,2)"
    )


def test_arrays_and_text_stand_beside_each_other(fly: Fly) -> None:
    text = "Create String S none;\nS = 'two  blanks';\n"
    flown = fly(ARRAY + text + ADD + BEGIN + "none = '';\nReport R S column A(2,2) none A Sat.X;\n")

    frame = flown.table()
    assert frame.iloc[0, :6].tolist() == ["two  blanks", 0.0, 7.25, 0.0, -4e30, ""]
    assert frame.iloc[0, 6:10].tolist() == [1.5, 0.0, 0.0, -4e30]


def test_lines_that_cannot_be_read_never_pass_for_the_text_of_another_report(fly: Fly) -> None:
    """An epoch touches the number before it, so the lines with A have no reading of their own."""
    text = "Create String S;\nS = 'two  blanks';\n"
    fields = "R.WriteHeaders = false;\nR.LeftJustify = Off;\nR.ColumnWidth = 15;\n"
    reports = ("Report R S;", "Report R A n Sat.UTCGregorian;")
    loops = "".join(f"For n = 1:2;\n{report}\nEndFor;\n" for report in reports)
    flown = fly(ARRAY + text + ADD + fields + BEGIN + loops)

    assert flown.lines()[2].endswith("101 Jan 2026 00:00:00.000")
    assert flown.outcome.output_paths == {}
    assert "ReportFile R is no table" in flown.outcome.notes[0]


@pytest.mark.parametrize("justified", ["", "R.LeftJustify = Off;\n"])
def test_a_row_of_others_never_passes_for_text_that_ends_in_padding(
    fly: Fly, justified: str
) -> None:
    text = "Create String s;\ns = 'one two';\n"
    three = "R.Add = {Sat.X, Sat.Y, Sat.Z};\n"
    loop = f"For n = 1:3;\nReport R n s;\n{FLY}If n > 0\nReport R s;\nEndIf;\n{FLY}EndFor;\n"
    flown = fly(text + ADD + three + justified + BEGIN + loop)
    frame = flown.table()

    lines = [line.split() for line in flown.lines()]
    rows = [words for words in lines if words[0] not in ("s", "n", "Sat.X")]
    assert len(frame) == len(rows)
    assert frame["s"].dropna().to_list() == ["one two"] * 6
    assert frame["n"].dropna().to_list() == [1, 2, 3]
    added = [list(map(float, words)) for words in rows if words[-1] != "two"]
    assert frame[["Sat.X", "Sat.Y", "Sat.Z"]].dropna().to_numpy().tolist() == added


def test_text_in_its_column_is_read_once_beside_a_number_that_is_wider(fly: Fly) -> None:
    """ZeroFill writes more characters than the narrow columns have."""
    text = "Create String s;\ns = 'one two';\n"
    fields = "R.ColumnWidth = 12;\nR.ZeroFill = On;\n"
    flown = fly(text + ADD + fields + BEGIN + "n = 4000.5;\nReport R s n s;\nReport R n n;\n")

    frame = flown.table()
    assert flown.lines()[1] == "one two        4000.500000000000one two        "
    assert flown.lines()[3] == "4000.5000000000004000.500000000000"
    assert frame["s"].dropna().to_list() == ["one two"]
    assert frame["n"].to_list() == [4000.5, 4000.5]


def test_a_line_that_is_longer_than_a_row_is_not_that_row(fly: Fly) -> None:
    """A delimiter pads the rows of Add, which are one character longer."""
    text = "Create String s;\ns = 'one';\n"
    fields = "R.Delimiter = ';';\n"
    three = "R.Add = {Sat.UTCGregorian, Sat.X, Sat.Y};\n"
    flown = fly(
        text + ADD + three + fields + BEGIN + "For n = 1:2;\nReport R s n n;\nEndFor;\n" + FLY
    )

    frame = flown.table()
    assert frame["s"].dropna().to_list() == ["one"] * 2
    lines = [line for line in flown.lines() if line[:2].isdecimal()]
    assert frame["Sat.X"].dropna().to_list() == [float(line[27:].split(";")[0]) for line in lines]


def test_text_that_is_wider_than_its_column_may_end_in_blanks(tmp_path: Path) -> None:
    script = "Create String s;\nCreate ReportFile R;\nR.ColumnWidth = 5;\nR.Add = {s};\n"

    frame, notes = read(tmp_path, script, "s       \nlonger text   \n")

    assert frame is not None
    assert (frame["s"].to_list(), notes) == (["longer text"], ())


def test_add_may_write_no_header_after_a_command_within_a_solver(fly: Fly) -> None:
    solver = "Create DifferentialCorrector DC;\nCreate ImpulsiveBurn B;\nB.Axes = VNB;\n"
    target = (
        "Target DC;\nVary DC(B.Element1 = 0.1, {Perturbation = 0.001, MaxStep = 0.2});\n"
        "Maneuver B(Sat);\nReport R Sat.UTCGregorian B.Element1;\n"
        f"{FLY}Achieve DC(Sat.SMA = 7200, {{Tolerance = 0.1}});\nEndTarget;\n"
    )
    flown = fly(solver + ADD + THREE + "R.SolverIterations = None;\n" + BEGIN + target + FLY)
    frame = flown.table()

    rows = [words(line) for line in flown.lines()[1:]]
    added = [numbers for _, numbers in rows if len(numbers) == 2]
    assert "Altitude" not in flown.lines()[0]
    assert len(added) > 3
    kept = frame[["Sat.Earth.SMA", "Sat.Earth.Altitude"]].dropna()
    assert kept.to_numpy().tolist() == added
    assert frame["B.Element1"].dropna().to_list() == [n[0] for _, n in rows if len(n) == 1]


def test_text_keeps_its_blanks_and_its_digits(fly: Fly) -> None:
    text = "Create String S T;\nS = 'two  blanks';\nT = '007';\n"
    flown = fly(text + ADD + BEGIN + "Report R Sat.UTCGregorian S T Sat.X;\n")

    frame = flown.table()
    assert (frame["S"].iloc[0], frame["T"].iloc[0]) == ("two  blanks", "007")


def test_a_report_that_text_is_written_into_costs_itself_only(fly: Fly) -> None:
    """Write, that is; another report of the run is whole."""
    other = "Create ReportFile R2;\nR2.Filename = 'text.txt';\nCreate String S;\nS = 'hello';\n"
    write = "Write S {Style = Script, MessageWindow = false, ReportFile = R2};\n"
    flown = fly(other + ADD + THREE + BEGIN + FLY + write + "Report R2 Sat.X;\n")

    same_rows(flown.table(), flown.lines()[1:])
    assert list(flown.outcome.output_paths) == ["report__R"]
    assert "hello" in (flown.folder / "text.txt").read_text()
    assert flown.outcome.notes == (
        "ReportFile R2 is no table: the script's Write (line 24) puts text in it",
    )


# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", ["", "R.Precision = 30;\n", "R.LeftJustify = Off;\n"])
def test_numbers_of_any_size_keep_all_bits(fly: Fly, fields: str) -> None:
    values = ["1e+300", "-1e-20", "123456789012345678", "0.1", "-12.5"]
    names = [f"v{at}" for at in range(len(values))]
    given = "".join(f"{name} = {value};\n" for name, value in zip(names, values, strict=True))
    more = f"Create Variable {' '.join(names)} zero huge;\n"
    sequence = "zero = 0;\nzero = -1*zero;\nhuge = 1e308;\nhuge = huge*10;\n"
    report = f"Report R {' '.join(names)} zero huge;\n"
    flown = fly(more + given + ADD + fields + "R.ColumnWidth = 50;\n" + BEGIN + sequence + report)

    row = flown.table().iloc[0]
    expected = [float(word) for word in flown.lines()[1].split()]
    assert [value.hex() for value in row.astype(float)] == [value.hex() for value in expected]
    assert str(row["zero"]) == "-0.0"


# --- no rows, no file ----------------------------------------------------------------------------


def test_a_report_that_is_not_to_be_written_is_not_read(fly: Fly) -> None:
    off = "Create ReportFile Off;\nOff.Add = {Sat.X};\nOff.WriteReport = false;\n"
    off += "Create EphemerisFile E;\nE.Spacecraft = Sat;\nE.WriteEphemeris = false;\n"
    # Beside it is one whose epochs are not in UTC.
    scaled = "Create ReportFile T;\nT.Add = {Sat.A1ModJulian, Sat.UTCGregorian, Sat.X};\n"
    flown = fly(off + ADD + THREE + scaled + BEGIN + FLY)

    assert list(flown.outcome.output_paths) == ["report__R", "report__T"]
    assert flown.outcome.notes == (
        "ReportFile T: time is Sat.A1ModJulian, in the A.1 scale and not in UTC",
    )
    times = pd.read_parquet(flown.outcome.output_paths["report__T"])
    ahead = (times["time"] - times["Sat.UTCGregorian"]).dt.total_seconds()
    # A.1 is 0.0343817 s ahead of TAI, which is 37 s ahead of UTC.
    assert ahead.to_numpy() == pytest.approx(37.0343817, abs=1e-3)


def test_a_report_command_writes_though_the_report_is_off(fly: Fly) -> None:
    flown = fly(ADD + THREE + "R.WriteReport = false;\n" + BEGIN + FLY + "Report R Sat.X;\n")

    assert flown.table()["Sat.X"].tolist() == [float(flown.lines()[1])]


def test_a_report_that_nobody_fills_is_a_table_without_rows(fly: Fly) -> None:
    flown = fly(ADD + BEGIN + "If n == 1;\nReport R Sat.UTCGregorian Sat.X;\nEndIf;\n")

    frame = flown.table()
    assert (len(frame), list(frame)) == (0, ["Sat.UTCGregorian", "Sat.X"])
    assert flown.outcome.notes == ("ReportFile R has no row: r.txt was not written",)


# --- ephemerides ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "file", "why"),
    [
        ("SPK", "e.bsp", "SPK parsing requires the 'spiceypy' extra"),
        ("Code-500", "e.eph", "it is a binary file"),
    ],
)
def test_an_ephemeris_that_cannot_be_parsed_is_kept_and_said(
    fly: Fly, form: str, file: str, why: str
) -> None:
    ephemeris = (
        f"Create EphemerisFile E;\nE.Spacecraft = Sat;\nE.Filename = '{file}';\n"
        f"E.FileFormat = {form};\n" + ("E.StepSize = 60;\n" if form == "Code-500" else "")
    )
    flown = fly(ephemeris + ADD + THREE + BEGIN + FLY * 3)

    same_rows(flown.table(), flown.lines()[1:])
    assert list(flown.outcome.output_paths) == ["report__R"]
    assert (flown.folder / file).stat().st_size > 0
    (note,) = flown.outcome.notes
    assert note.startswith(f"EphemerisFile E is no table and is kept as GMAT wrote it, {file}: ")
    assert why in note
    assert read_seal(flown.folder).entry.notes == flown.outcome.notes


# --- without an engine ---------------------------------------------------------------------------


def layout(script: str) -> ReportLayout:
    return report_layouts(ScriptText(Path("m.script"), script.encode()).statements)["R"]


def read(tmp_path: Path, script: str, text: str) -> tuple[pd.DataFrame | None, tuple[str, ...]]:
    path = tmp_path / "r.txt"
    path.write_text(text)
    table = read_report(path, layout("Create ReportFile R;\n" + script))
    return table.frame, table.notes


def test_a_malformed_epoch_costs_its_column_the_promotion_only(tmp_path: Path) -> None:
    text = "Sat.UTCGregorian  Sat.X\n".replace("  ", "           ") + "".join(
        f"{at:<27}{x:<26}\n" for at, x in [("01 Jan 2026 00:00:00.000", "1.5"), ("-", "2.5")]
    )
    frame, notes = read(tmp_path, "R.Add = {Sat.UTCGregorian, Sat.X};", text)

    assert frame is not None
    assert frame["Sat.UTCGregorian"].tolist() == ["01 Jan 2026 00:00:00.000", "-"]
    assert frame["Sat.X"].tolist() == [1.5, 2.5]
    assert notes[0].startswith("ReportFile R: column Sat.UTCGregorian has a value that is no epoch")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1.5  2.5  3.5", "line 3 of r.txt has 3 of 2 columns"),
        ("1.5", "line 3 of r.txt has 1 of 2 columns"),
        ("Sat.Q                     Sat.R                     ", "line 3 of r.txt has 'Sat.Q'"),
    ],
)
def test_a_line_that_is_no_row_makes_the_file_no_table(tmp_path: Path, line: str, why: str) -> None:
    row = f"{'1.5':<26}{'2.5':<26}\n"
    header = f"{'Sat.X':<26}{'Sat.Y':<26}\n"
    frame, notes = read(tmp_path, "R.Add = {Sat.X, Sat.Y};", header + row + line + "\n" + row)

    assert frame is None
    assert notes[0].startswith(f"ReportFile R is no table: {why}")


def test_text_that_looks_like_a_header_is_a_row_where_only_a_row_can_be(tmp_path: Path) -> None:
    script = "Create String S;\nBeginMissionSequence;\nReport R S;"
    frame, _ = read(tmp_path, script, "S                         \n" * 2)

    assert frame is not None
    assert frame["S"].tolist() == ["S"]


def test_the_log_of_the_reader_is_quiet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        read(tmp_path, "R.Add = {Sat.X};", "Sat.X\n1.5\n")

    assert caplog.records == []
