"""GMAT scripts are read statement by statement, and nothing of them is lost."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep.mission.statements import ScriptText, Statement, masked

HERE = Path("mission.script")


def read(content: str) -> list[Statement]:
    return ScriptText(HERE, content.encode()).statements


def codes(content: str) -> list[str]:
    return [statement.code for statement in read(content)]


@given(
    st.binary(max_size=80)
    | st.lists(st.sampled_from([b"\r", b"\n", b"...", b"\xe9", b"a"])).map(b"".join)
)
def test_a_file_of_any_bytes_is_written_back_unchanged(content: bytes) -> None:
    assert ScriptText(HERE, content).with_lines({}) == content


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_ends_a_statement(end: str) -> None:
    statements = read(end.join(["Create Spacecraft Sat;", "", "Sat.SMA = 7000", ""]))

    assert [(item.code, item.line_number) for item in statements] == [
        ("Create Spacecraft Sat", 1),
        ("Sat.SMA = 7000", 3),
    ]


def test_a_form_feed_or_a_next_line_character_ends_no_line() -> None:
    assert codes("Sat.Id = 'a\x0cb\x85c'") == ["Sat.Id = 'a\x0cb\x85c'"]


def test_a_byte_order_mark_is_no_part_of_the_first_statement() -> None:
    assert codes("\ufeffCreate Spacecraft Sat") == ["Create Spacecraft Sat"]


def test_prefix_label_comment_and_semicolon_are_not_code() -> None:
    assert codes("\t GMAT 'label' Sat.SMA = 7000 ; % km") == ["Sat.SMA = 7000"]


def test_comments_are_no_statements_and_there_are_no_block_comments() -> None:
    assert codes("% one\n  %{ two\nSat.SMA = 1\n%}\n") == ["Sat.SMA = 1"]


def test_a_percent_sign_between_quotes_starts_no_comment() -> None:
    assert codes("S = sprintf('%8.3f', X); % 'note'") == ["S = sprintf('%8.3f', X)"]


def test_a_quote_without_a_partner_opens_no_string() -> None:
    assert codes("B = A' + C; % transposed") == ["B = A' + C"]


def test_masking_keeps_every_position() -> None:
    assert masked("S = 'V1'; % V1") == "S = '''';     "


@given(st.text(alphabet="a'% .;={}", max_size=40))
def test_masked_text_is_as_long_as_the_text(text: str) -> None:
    assert len(masked(text)) == len(text)


def test_a_line_ending_in_three_dots_goes_on_in_the_next_line_that_is_not_blank() -> None:
    statement, after = read("RF.Add = {Sat.X, ...  \n\n   Sat.Y};\nSat.SMA = 1")

    assert statement.code.split() == ["RF.Add", "=", "{Sat.X,", "Sat.Y}"]
    assert statement.line_numbers == (1, 3)
    assert after.line_number == 4


def test_three_dots_in_a_comment_line_continue_nothing() -> None:
    assert codes("% and so on ...\nSat.SMA = 1") == ["Sat.SMA = 1"]


def test_three_dots_ending_a_trailing_comment_swallow_the_next_line_as_gmat_does() -> None:
    (statement,) = read("Sat.SMA = 1 % and so on ...\nSat.ECC = 0")

    assert (statement.code, statement.line_numbers) == ("Sat.SMA = 1", (1, 2))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Report R a ...\n b ... c d\n e;", "Report R a b e"),
        ("v = 1 + ...\n 2 + ... 40 + ...\n 3;", "v = 1 + 2 + 3"),
        ("v = 1 + ...\n 2 + ... % 40 +\n\n 3;", "v = 1 + 2 + 3"),
        ("v = 1 + ...\n ... 2 +\n 3;", "v = 1 + 3"),
    ],
)
def test_from_the_second_line_on_gmat_passes_over_what_follows_three_dots(
    text: str, code: str
) -> None:
    (statement,) = read(text)

    assert statement.code.split() == code.split()


def test_three_dots_within_the_first_line_continue_nothing() -> None:
    assert codes("S = 'a ... b'\nSat.SMA = 1") == ["S = 'a ... b'", "Sat.SMA = 1"]


def test_a_continuation_at_the_end_of_the_file_is_still_a_statement() -> None:
    assert codes("Sat.SMA = 1 ...") == ["Sat.SMA = 1"]


@pytest.mark.parametrize(
    ("text", "created"),
    [
        ("Create Spacecraft Sat;", ("Spacecraft", ("Sat",))),
        ("GMAT Create XYPlot A, B,C D % E", ("XYPlot", ("A", "B", "C", "D"))),
        ("\tCreate\tArray A[3,3] B[2], C[ 1, 2 ]", ("Array", ("A", "B", "C"))),
        ("Create String ...\n  S", ("String", ("S",))),
        ("Created = 3", None),
        ("Write 'Create Variable X'", None),
    ],
)
def test_a_create_statement_gives_type_and_names(
    text: str, created: tuple[str, tuple[str, ...]] | None
) -> None:
    assert read(text)[0].created == created


@pytest.mark.parametrize(
    ("text", "assigned"),
    [
        ("Sat.SMA = 7000", ("Sat", "SMA")),
        ("GMAT FM.GravityField.Earth.PotentialFile='a.cof'", ("FM", "PotentialFile")),
        ("A(1, 2) = 3", ("A", "")),
        ("View1.Eye(1) = 3", ("View1", "Eye")),
        ("'label' Sat = Other", ("Sat", "")),
        ("If Sat.X == 5", None),
        ("For I = 1:3", None),
        ("Vary DC(Sat.SMA = 1)", None),
        ("Sat.X == 5", None),
    ],
)
def test_an_assignment_gives_name_and_last_field(
    text: str, assigned: tuple[str, str] | None
) -> None:
    assert read(text)[0].assigned == assigned


@pytest.mark.parametrize(
    "text",
    [
        "#Include 'inc/a b.txt'",
        "  #Include 'inc/a b.txt'; % views",
        "#Include inc/a b.txt ;",
        "#Include ...\n'inc/a b.txt'",
    ],
)
def test_an_include_gives_its_path(text: str) -> None:
    assert read(text)[0].included == "inc/a b.txt"
