"""Tables in Markdown that a page of Prefect's UI shows whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep.analysis import markdown
from gmat_sweep.analysis.markdown import narrow_tables, number, table

HEADS = ["quantity", "unit", "runs", "mean", "sigma", "5 %", "50 %", "95 %"]
NUMBERS = HEADS[-6:]
GROUPS = [("unit", "runs", "mean", "sigma"), ("5 %", "50 %", "95 %")]


def heads_of(text: str) -> list[list[str]]:
    """Return the cells of the first line of each table."""
    firsts = [part.splitlines()[0] for part in text.split("\n\n")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in firsts]


def test_a_table_that_fits_is_one_table() -> None:
    rows = [["Sat.Earth.SMA", "km", "38", "24374.1", "182.76", "24157.8", "24323.1", "24650.5"]]

    assert narrow_tables(HEADS, rows, NUMBERS, GROUPS) == table(HEADS, rows, NUMBERS)


def test_a_wide_one_is_several_each_with_the_names_and_percentiles_stay_together() -> None:
    mean = "28.47729946123"
    rows = [["Sat.EarthMJ2000Eq.INC", "deg", "38", mean, "5.3244e-06", mean, mean, mean]]

    text = narrow_tables(HEADS, rows, NUMBERS, GROUPS)

    assert heads_of(text) == [
        ["quantity", "unit", "runs", "mean", "sigma"],
        ["quantity", "5 %", "50 %", "95 %"],
    ]


@given(
    widths=st.lists(st.integers(1, 17), min_size=8, max_size=8),
    name=st.integers(1, 24),
)
def test_no_table_is_wider_than_a_page_and_no_column_is_lost(widths: list[int], name: int) -> None:
    rows = [["n" * name, *("9" * width for width in widths[1:])]]

    text = narrow_tables(HEADS, rows, NUMBERS, GROUPS)

    shown = heads_of(text)
    assert [head for heads in shown for head in heads if head != "quantity"] == HEADS[1:]
    assert all(heads[0] == "quantity" for heads in shown)
    for part in text.split("\n\n"):
        # A column is padded by three characters, and the line begins with one more.
        assert len(part.splitlines()[0]) <= markdown._PAGE + 1 + 2 * len(HEADS)


def test_a_number_that_is_nothing_beside_its_spread_has_six_digits() -> None:
    assert number(2.225073858507203e-309, 9e14) == "2.22507e-309"
