"""Arrow tables out of the columns of a report, without pandas.

`arrow_table` makes the table that pandas and Arrow make of the same columns: the same values, types
and metadata, so that the Parquet file is equal byte for byte. It takes the common reports only:
numbers written out, Gregorian epochs and text, in columns of different names. For all others, and
for releases of pandas and Arrow that were not compared, it returns None, and the caller goes
through pandas.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from gmat_sweep.mission.report_layout import QuantityKind

__all__ = [
    "COMPARED_RELEASES",
    "EPOCH_SCALES",
    "arrow_table",
    "is_compared",
    "numbers_of",
    "table_of",
    "text_of",
]

COMPARED_RELEASES = {("pandas", "3"), ("pyarrow", "26")}
"""Major releases whose tables are known to be equal."""

EPOCH_SCALES = {
    "A1Gregorian": "A1",
    "TAIGregorian": "TAI",
    "UTCGregorian": "UTC",
    "TTGregorian": "TT",
    "TDBGregorian": "TDB",
}
"""Time scales by the end of a column's name, as gmat-run tells them."""

_EPOCH_NAME = re.compile(r"(?:.*\.)?\w*(?:Gregorian|ModJulian)", re.DOTALL)
_INTEGERS = re.compile(r"(?:(?:-?[1-9]\d{0,17}|0)\n)*", re.ASCII)
# At most 17 digits that count, and an exponent of two: there pandas and Python read alike.
_NUMBERS = re.compile(
    r"(?:(?!-0\n)-?(?:0\.0{0,5}\d{1,17}|(?=[\d.]{1,18}[e\n])\d{1,17}(?:\.\d{0,16})?)"
    r"(?:e[+-]\d\d)?\n)*",
    re.ASCII,
)
_EPOCH = re.compile(
    r"(?P<date>\d\d [A-Z][a-z][a-z] \d{4}) (?P<h>[01]\d|2[0-3]):(?P<m>[0-5]\d):(?P<s>[0-5]\d)"
    r"\.(?P<ms>\d{3})",
    re.ASCII,
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# datetime64[ns] has no others.
_YEARS = range(1678, 2262)
_MS = 1_000_000
_DAY_MS = 86_400_000


class _Column(Protocol):
    @property
    def label(self) -> str: ...
    @property
    def kind(self) -> QuantityKind | None: ...
    @property
    def texts(self) -> Sequence[str | None]: ...


class _UncommonError(Exception):
    """The columns are to go through pandas."""


def arrow_table(columns: Sequence[_Column]) -> pa.Table | None:
    """Return the table of a report's columns, with its ``time``; None if they are uncommon.

    Parameters
    ----------
    columns : sequence
        Label, kind and texts of each.
    """
    labels = [column.label for column in columns]
    rows = len(columns[0].texts) if columns else 0
    if not rows or len({*labels, "time"}) <= len(labels) or not is_compared():
        return None
    try:
        made = [(label, *_made(column)) for label, column in zip(labels, columns, strict=True)]
    except _UncommonError:
        return None
    scales = {
        label: EPOCH_SCALES[_suffix(label)] for label, kind, _ in made if kind == "datetime64[ns]"
    }
    if scales:
        first = next(iter(scales))
        made.append(("time", *next(rest for label, *rest in made if label == first)))
    return table_of(made, rows, {"epoch_scales": scales} if scales else {})


@functools.cache
def is_compared() -> bool:
    """Whether the releases of pandas and Arrow here are `COMPARED_RELEASES`."""
    return {(name, _release(name).partition(".")[0]) for name in ("pandas", "pyarrow")} == (
        COMPARED_RELEASES
    )


@functools.cache
def _release(name: str) -> str:
    return importlib.metadata.version(name)


def _made(column: _Column) -> tuple[str, pa.Array]:
    """Return the type of a column, as NumPy or pandas names it, and its values."""
    texts = column.texts
    if None in texts:
        raise _UncommonError
    if column.kind == "epoch":
        return "datetime64[ns]", _epochs(column.label, texts)
    if _EPOCH_NAME.fullmatch(column.label):
        raise _UncommonError
    if column.kind == "text":
        return "str", text_of(texts)
    if column.kind == "number":
        return _numbers(texts)
    raise _UncommonError


def _numbers(texts: Sequence[str | None]) -> tuple[str, pa.Array]:
    # No text holds a line end: the report was cut at those.
    joined = "".join([f"{text}\n" for text in texts])
    if _INTEGERS.fullmatch(joined):
        return "int64", numbers_of("int64", map(int, texts))  # type: ignore[arg-type]
    # Numbers like 007 are integers to pandas.
    if _NUMBERS.fullmatch(joined) and ("." in joined or "e" in joined):
        return "float64", numbers_of("float64", map(float, texts))  # type: ignore[arg-type]
    raise _UncommonError


def _epochs(label: str, texts: Sequence[str | None]) -> pa.Array:
    import pyarrow as pa

    if _suffix(label) not in EPOCH_SCALES:
        raise _UncommonError
    days: dict[str, int] = {}
    values = array("q")
    for text in texts:
        found = _EPOCH.fullmatch(text or "")
        if found is None:
            raise _UncommonError
        day, hours, minutes, seconds, ms = found.groups()
        if day not in days:
            days[day] = _day(day)
        of_day = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(ms)
        values.append((days[day] * _DAY_MS + of_day) * _MS)
    return _of(pa.timestamp("ns"), values)


def _day(text: str) -> int:
    """Return days since 1970-01-01."""
    day, month, year = text.split(" ")
    if month not in _MONTHS or int(year) not in _YEARS:
        raise _UncommonError
    try:
        found = date(int(year), _MONTHS.index(month) + 1, int(day))
    except ValueError:
        raise _UncommonError from None
    return found.toordinal() - date(1970, 1, 1).toordinal()


def text_of(texts: Sequence[str | None]) -> pa.Array:
    """Return an array of text, as pandas' own text becomes one."""
    import pyarrow as pa

    encoded = [(text or "").encode() for text in texts]
    offsets = array("q", accumulate(map(len, encoded), initial=0))
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.large_string(), len(texts), buffers)


def numbers_of(kind: str, values: Iterable[float]) -> pa.Array:
    """Return an array of ``int64`` or ``float64``."""
    import pyarrow as pa

    if kind == "int64":
        return _of(pa.int64(), array("q", values))
    return _of(pa.float64(), array("d", values))


def _of(kind: pa.DataType, values: array[Any]) -> pa.Array:
    """Return an array of these values; `pyarrow.array` would import pandas."""
    import pyarrow as pa

    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _suffix(label: str) -> str:
    return label.rpartition(".")[2] or label


def table_of(
    made: Sequence[tuple[str, str, pa.Array]], rows: int, attributes: Mapping[str, Any]
) -> pa.Table:
    """Put arrays together, with the metadata by which pandas knows its own frames again.

    Parameters
    ----------
    made : sequence of tuple
        Label, type as pandas names it, and values of each column.
    rows : int
        How many each has.
    attributes : mapping
        The ``attrs`` of the frame.
    """
    import pyarrow as pa

    of_pandas = {"datetime64[ns]": "datetime", "str": "object", "string": "object"}
    index = {"kind": "range", "name": None, "start": 0, "stop": rows, "step": 1}
    names = {
        "name": None,
        "field_name": None,
        "pandas_type": "unicode",
        "numpy_type": "str",
        "metadata": {"encoding": "UTF-8"},
    }
    described = {
        "index_columns": [index],
        "column_indexes": [names],
        "columns": [
            {
                "name": label,
                "field_name": label,
                "pandas_type": of_pandas.get(kind, kind),
                "numpy_type": kind,
                "metadata": None,
            }
            for label, kind, _ in made
        ],
        "attributes": dict(attributes),
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": _release("pandas"),
    }
    schema = pa.schema(
        [(label, values.type) for label, _, values in made],
        metadata={b"pandas": json.dumps(described).encode()},
    )
    return pa.Table.from_arrays([values for _, _, values in made], schema=schema)
