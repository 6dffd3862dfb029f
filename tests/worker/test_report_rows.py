"""A line is cut into the values that were written, or not at all."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep.mission.report_layout import (
    Quantity,
    QuantityKind,
    ReportBlock,
    ReportFormat,
)
from gmat_sweep.worker.report_rows import cut, is_number, shape_of

EPOCH = "01 Jan 2026 00:02:31.055"

kinds: st.SearchStrategy[QuantityKind] = st.sampled_from(["number", "epoch", "text"])


@st.composite
def rows(draw: st.DrawFn) -> tuple[ReportBlock, ReportFormat, list[str]]:
    """A block, a format, and the values of a row as GMAT writes them."""
    precision = draw(st.integers(1, 17))
    form = ReportFormat(
        headers=draw(st.booleans()),
        fixed_width=draw(st.booleans()),
        left_justify=draw(st.booleans()),
        delimiter=draw(st.sampled_from(" ,;|\t")),
        column_width=draw(st.integers(1, 30)),
        precision=precision,
    )
    quantities = tuple(
        Quantity("Sat.UTCGregorian" if kind == "epoch" else f"Sat.X{at}", kind)
        for at, kind in enumerate(draw(st.lists(kinds, min_size=1, max_size=4)))
    )
    number = st.floats(allow_nan=False).map(lambda value: f"{value:.{precision}g}")
    text = st.text("ab 1.-,", max_size=6).map(str.strip)
    values = [
        EPOCH if quantity.kind == "epoch" else draw(number if quantity.kind == "number" else text)
        for quantity in quantities
    ]
    return ReportBlock(quantities, 1, draw(st.booleans())), form, values


@given(rows())
@settings(max_examples=500)
def test_the_written_row_is_among_the_ways_to_cut_its_line(
    row: tuple[ReportBlock, ReportFormat, list[str]],
) -> None:
    """So a line with one way to cut it is read as it was written."""
    block, form, values = row
    shape = shape_of(block, form)
    if form.fixed_width:
        pad = str.ljust if form.left_justify else str.rjust
        line = "".join(
            pad(value, width, shape.fill[-1])
            for value, width in zip(values, shape.widths, strict=True)
        )
    else:
        line = form.delimiter.join(values)
    ways = cut([line], shape)

    if len(ways) == 1:
        stripped = tuple(value.strip(shape.fill if form.fixed_width else " ") for value in values)
        assert ways == [stripped]
    elif form.fixed_width and len(line) == shape.starts[-1]:
        raise AssertionError("every value is at its place")


def test_a_number_is_what_a_stream_of_that_precision_writes() -> None:
    form = ReportFormat(precision=4)
    zeros = ReportFormat(precision=4, zero_fill=True)

    assert all(is_number(text, form) for text in ("0", "-0", "12.5", "1e+300", "-1.25e-07", "inf"))
    assert not any(is_number(text, form) for text in ("", "1.50", "012", "12.345", "1 2", "Sat.X"))
    assert is_number("7000.", zeros)
    assert is_number("0.000", zeros)
    assert not is_number("7000.0", zeros)


def test_values_wider_than_their_columns_are_cut_where_only_one_way_fits() -> None:
    block = ReportBlock((Quantity("a"), Quantity("b")), 1, by_command=False)
    shape = shape_of(block, ReportFormat(headers=False, column_width=3))

    assert cut(["1234.5-6.5"], shape) == [("1234.5", "-6.5")]
    assert len(cut(["1234.516.5"], shape)) == 2
    assert cut(["1234.5.6.5"], shape) == []


def test_an_epoch_wider_than_its_column_leaves_all_others_at_their_places() -> None:
    """Every Gregorian epoch has 24 characters: no text after one puts its place in doubt."""
    quantities = (Quantity("Sat.UTCGregorian", "epoch"), Quantity("note", "text"), Quantity("x"))
    shape = shape_of(
        ReportBlock(quantities, 1, by_command=False),
        ReportFormat(headers=False, column_width=23, left_justify=False),
    )

    line = f"{EPOCH}{'late more':>23}{'-0.25':>23}"

    assert cut([line], shape) == [(EPOCH, "late more", "-0.25")]
