"""A table made without pandas is the table that pandas makes, to the last byte of its Parquet file.

The other way is that of `read_report` without ``for_parquet``: a pandas frame, which Arrow turns
into a table.
"""

import importlib.metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep.mission.report_layout import QuantityKind
from gmat_sweep.worker import parquet_outputs, report_tables
from gmat_sweep.worker.report_arrow import COMPARED_RELEASES, EPOCH_SCALES, arrow_table

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_EPOCHS = st.builds(
    "{:02d} {} {:04d} {:02d}:{:02d}:{:02d}.{:03d}".format,
    st.integers(0, 32),
    st.sampled_from([*_MONTHS, "Sec", "jan"]),
    st.sampled_from([1500, 1677, 1678, 1969, 1970, 2000, 2026, 2261, 2262]),
    st.integers(0, 24),
    st.integers(0, 60),
    st.integers(0, 61),
    st.integers(0, 999),
)
_USUAL_EPOCHS = st.builds(
    "{:02d} {} {:04d} {:02d}:{:02d}:{:02d}.{:03d}".format,
    st.integers(1, 28),
    st.sampled_from(_MONTHS),
    st.integers(1700, 2250),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 999),
)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False).map("{:.16g}".format)
_INTEGERS = st.integers(-(10**19), 10**19).map(str)
_ODD = st.sampled_from(["-0", "0", "007", "1e400", "nan", "inf", "", "1_0", "+5", "1e5", ".5", "x"])
_TEXT = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=8)
_CELLS: dict[str, tuple[QuantityKind | None, st.SearchStrategy[str]]] = {
    "usual number": ("number", _FLOATS),
    "integer": ("number", _INTEGERS),
    "odd number": ("number", st.one_of(_FLOATS, _ODD, _INTEGERS)),
    "usual epoch": ("epoch", _USUAL_EPOCHS),
    "epoch": ("epoch", st.one_of(_USUAL_EPOCHS, _EPOCHS)),
    "text": ("text", _TEXT),
    "in doubt": (None, st.one_of(_TEXT, _FLOATS)),
}
_LABELS: dict[QuantityKind | None, list[str]] = {
    "epoch": [*(f"Sat.{name}" for name in EPOCH_SCALES), "UTCGregorian", "Sat.Gregorian"],
    "number": ["Sat.X", "Sat.Earth.SMA", "A(1,1)", "Sat.UTCModJulian", "n", "time"],
    "text": ["S", "Sat.Name", "Sat.TAIGregorian"],
    None: ["column_1", "Sat.Y"],
}


@st.composite
def _columns(draw: st.DrawFn) -> list[report_tables._Column]:
    rows = draw(st.integers(0, 4))
    columns = []
    for way in draw(st.lists(st.sampled_from(list(_CELLS)), min_size=1, max_size=4)):
        kind, cells = _CELLS[way]
        label = draw(st.sampled_from(_LABELS[kind]))
        texts: list[str | None] = [*draw(st.lists(cells, min_size=rows, max_size=rows))]
        columns.append(report_tables._Column(label, kind, texts))
    return columns


def _through_pandas(columns: list[report_tables._Column]) -> tuple[bytes, list[str]]:
    frame = report_tables._typed(columns, "r.txt")
    notes = report_tables._promote_epochs(frame, "R")
    notes += parquet_outputs._scale_note(frame, "R")
    table = parquet_outputs._as_arrow(parquet_outputs._with_time(frame))
    return parquet_outputs._as_parquet(table).to_pybytes(), notes


@pytest.mark.filterwarnings("ignore:Column .* has an unrecognised epoch suffix")
@given(columns=_columns())
def test_what_is_made_without_pandas_is_equal_byte_for_byte(
    columns: list[report_tables._Column],
) -> None:
    table = arrow_table(columns)

    if table is not None:
        made = parquet_outputs._as_parquet(table).to_pybytes()
        notes = parquet_outputs._arrow_scale_note(table, "R")
        assert (made, notes) == _through_pandas(columns)


def test_common_reports_need_no_pandas() -> None:
    """The releases installed here are among those compared, and each common kind is taken."""
    installed = {(name, importlib.metadata.version(name).split(".")[0]) for name in ("pandas",)}
    column = report_tables._Column
    columns = [
        column("Sat.TAIGregorian", "epoch", ["01 Jan 2026 00:00:00.000", "29 Feb 2028 23:59:59.9"]),
        column("Sat.X", "number", ["7000.123456789012", "-1e-05"]),
        column("n", "number", ["1", "-20"]),
        column("S", "text", ["ä b", ""]),
    ]
    columns[0].texts[1] = "29 Feb 2028 23:59:59.999"

    assert installed <= COMPARED_RELEASES
    table = arrow_table(columns)

    assert table is not None
    assert parquet_outputs._as_parquet(table).to_pybytes() == _through_pandas(columns)[0]
    assert parquet_outputs._arrow_scale_note(table, "R") == [
        "R: time is Sat.TAIGregorian, in the TAI scale and not in UTC"
    ]


@pytest.mark.parametrize(
    ("label", "kind", "texts"),
    [
        ("Sat.X", "number", ["1.5", None]),
        ("Sat.X", "number", ["007", "1"]),
        ("Sat.X", "number", ["-0", "1.5"]),
        ("Sat.X", "number", ["nan"]),
        ("Sat.X", "number", ["9223372036854775808"]),
        ("Sat.UTCModJulian", "number", ["31000.5"]),
        ("Sat.UTCGregorian", "epoch", ["31 Feb 2026 00:00:00.000"]),
        ("Sat.UTCGregorian", "epoch", ["31 Dec 2016 23:59:60.500"]),
        ("Sat.UTCGregorian", "epoch", ["01 Jan 1500 00:00:00.000"]),
        ("Sat.UTCGregorian", "text", ["a"]),
        ("column_1", None, ["1.5"]),
        ("time", "number", ["1.5"]),
    ],
)
def test_whatever_is_uncommon_goes_through_pandas(label: str, kind: str, texts: list[str]) -> None:
    assert arrow_table([report_tables._Column(label, kind, texts)]) is None  # type: ignore[arg-type]


def test_a_release_that_was_not_compared_goes_through_pandas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from gmat_sweep.worker import report_arrow

    columns = [report_tables._Column("Sat.X", "number", ["1.5"])]
    assert arrow_table(columns) is not None

    monkeypatch.setattr(report_arrow, "COMPARED_RELEASES", {("pandas", "2"), ("pyarrow", "26")})
    report_arrow.is_compared.cache_clear()
    try:
        assert arrow_table(columns) is None
    finally:
        report_arrow.is_compared.cache_clear()
