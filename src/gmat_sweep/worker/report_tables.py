"""Tables out of GMAT's reports, read with what the script declares of them.

`read_report` never guesses a name from a value, and never drops a row. A file that it cannot read
for certain is no table: it says why, and leaves the file as it is.

* A header line is one that equals the declared names of a block, where ``WriteHeaders`` is on.
* Several blocks with other quantities make one table: the union of their columns in the order of
  their first rows, with missing values where a row's block lacks the column.
* If the order of the script's commands leaves in doubt which block a row belongs to, the columns in
  doubt are called ``column_1``, ``column_2``... by their position.
* A matrix becomes one column per element: ``A(1,1)``, ``A(1,2)``...
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.mission.assignments import root_of
from gmat_sweep.mission.report_layout import (
    SWITCHES,
    Quantity,
    QuantityKind,
    ReportBlock,
    ReportFormat,
    ReportLayout,
    outputs_off,
    report_layouts,
)
from gmat_sweep.worker.report_arrow import arrow_table
from gmat_sweep.worker.report_order import Candidate, NoReadingError, OrderedRows, ordered_rows
from gmat_sweep.worker.report_rows import Shape, cut, is_in_values, shape_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from gmat_sweep.mission.editing import EditableScript

__all__ = ["ReportTable", "layouts_of", "off_in", "read_report"]

# Of "-inf", "nan" and "NaN", too.
_ENDS_OF_NUMBERS = frozenset("+-.infN")
_SEPARATOR = re.compile(r"\s{2,}")


@dataclass(frozen=True, slots=True)
class ReportTable:
    """What could be made of one report.

    Attributes
    ----------
    frame : pandas.DataFrame or None
        The rows, epochs as datetime64[ns], or None if the file is no table.
    notes : tuple of str
        What a user should know of the report.
    arrow : pyarrow.Table or None
        The rows with their ``time``, ready for Parquet, where they were asked for so and could be
        made without pandas. There is no frame then.
    """

    frame: pd.DataFrame | None
    notes: tuple[str, ...] = ()
    arrow: pa.Table | None = None


class _NoTableError(Exception):
    """The file is no table; the message says why."""


@dataclass(slots=True)
class _Column:
    """A column in the making.

    Attributes
    ----------
    label : str
        Its name.
    kind : str or None
        What GMAT writes there; None if that is in doubt.
    texts : list of str or None
        What the file has.
    lines : sequence of int
        The 0-based line of each value, if none has been checked yet.
    """

    label: str
    kind: QuantityKind | None
    texts: list[str | None] = field(default_factory=list)
    lines: Sequence[int] = ()


def layouts_of(script: EditableScript, overrides: Mapping[str, Any]) -> dict[str, ReportLayout]:
    """Return the layouts of the reports of a script with these overrides in it."""
    if any(script.types.get(root_of(path)) == "ReportFile" for path in overrides):
        return report_layouts(script.edited(overrides).statements, script.line_of)
    return _plain_layouts(script)


def off_in(script: EditableScript, overrides: Mapping[str, Any]) -> frozenset[str]:
    """Return `outputs_off` of a script with these overrides in it."""
    if any(script.types.get(root_of(path)) in SWITCHES for path in overrides):
        return outputs_off(script.edited(overrides).statements)
    return _plain_off(script)


@functools.lru_cache(maxsize=2)
def _plain_off(script: EditableScript) -> frozenset[str]:
    return outputs_off(script.plain.statements)


@functools.lru_cache(maxsize=2)
def _plain_layouts(script: EditableScript) -> dict[str, ReportLayout]:
    return report_layouts(script.plain.statements, script.line_of)


def read_report(path: Path, layout: ReportLayout, *, for_parquet: bool = False) -> ReportTable:
    """Read the file of one ReportFile.

    Parameters
    ----------
    path : Path
        The file that GMAT wrote; it may be missing.
    layout : ReportLayout
        What the script declares of it.
    for_parquet : bool
        Whether an Arrow table will do, which most reports give sooner than a frame.

    Returns
    -------
    ReportTable
        The table. A file without rows, or none, where the script asks for rows, gives a table
        without rows.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if layout.text_lines:
        lines = ", ".join(map(str, layout.text_lines))
        why = f"the script's Write ({_counted('line', layout.text_lines)} {lines}) puts text in it"
        return ReportTable(None, (f"ReportFile {layout.name} is no table: {why}",))
    try:
        lines_read = _lines_of(path)
    except FileNotFoundError:
        lines_read = []
    if not layout.blocks or (not lines_read and not layout.expects_rows):
        return ReportTable(None)
    try:
        _check_padding(layout)
        columns, notes = _columns_of(lines_read, layout, path.name)
        if for_parquet and (arrow := arrow_table(columns)) is not None:
            return ReportTable(None, tuple(notes), arrow)
        frame = _typed(columns, path.name)
    except _NoTableError as error:
        return ReportTable(None, (f"ReportFile {layout.name} is no table: {error}",))
    if not len(frame):
        found = "has no row" if lines_read else "is empty" if path.exists() else "was not written"
        notes.append(f"ReportFile {layout.name} has no row: {path.name} {found}")
    notes += _promote_epochs(frame, layout.name)
    return ReportTable(frame, tuple(notes))


def _check_padding(layout: ReportLayout) -> None:
    """Refuse a padding that may be a part of a value: a minus sign or a digit, for example."""
    has_text = any(q.kind == "text" for block in layout.blocks for q in block.quantities)
    for form in layout.formats:
        if not (form.fixed_width and form.headers and form.delimiter):
            continue
        # Padding is cut off at the ends of a value: epochs have digits there.
        if (
            form.delimiter.isdecimal()
            or form.delimiter in _ENDS_OF_NUMBERS
            or (has_text and is_in_values(form.delimiter))
        ):
            raise _NoTableError(
                f"{layout.name}.Delimiter = {form.delimiter!r} pads its columns and cannot be told "
                "from values"
            )


def _counted(noun: str, items: Sequence[object]) -> str:
    return noun if len(items) == 1 else f"{noun}s"


def _lines_of(path: Path) -> list[str]:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # GMAT takes ASCII only, but Strings of other engines may hold anything.
        text = content.decode("latin-1")
    lines = text.replace("\r\n", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _columns_of(
    lines: list[str], layout: ReportLayout, file: str
) -> tuple[list[_Column], list[str]]:
    blocks = layout.blocks
    if not lines:
        return _union([], blocks, blocks), []
    same = all(block.quantities == blocks[0].quantities for block in blocks)
    if same and len(layout.formats) == 1 and blocks[0].lines == 1:
        header_lines = _header_lines(lines, blocks[0], layout.formats[0])
        rows = [line for at, line in enumerate(lines) if at not in header_lines]
        shapes = list(dict.fromkeys(shape_of(block, layout.formats[0]) for block in blocks))
        numbers = [at for at in range(len(lines)) if at not in header_lines]
        return _read_plain(rows, numbers, shapes, layout, file), []
    read = _read_in_order(lines, layout, file)
    used = list(dict.fromkeys(row.block for row in read.rows))
    notes = []
    if any(blocks[position].lines > 1 for position in used):
        matrix = next(q for p in used for q in blocks[p].quantities if q.rows > 1)
        notes.append(
            f"ReportFile {layout.name}: GMAT writes {matrix.name} over several lines of {file}; "
            f"the table has a column for each element, {matrix.labels[0]} to {matrix.labels[-1]}"
        )
    if read.is_certain:
        return _union(read.rows, blocks, [blocks[position] for position in used]), notes
    listed = ", ".join(str(block.line_number) for block in blocks)
    notes.append(
        f"ReportFile {layout.name}: the rows of lines {listed} of the script cannot be told apart "
        f"in {file}; the columns in doubt are named column_1, column_2... by their position"
    )
    return _by_position(read.rows, blocks), notes


def _header_lines(lines: list[str], block: ReportBlock, form: ReportFormat) -> set[int]:
    """Find the header lines of a report whose blocks all have the same names."""
    if not form.headers:
        return set()
    removed = {" ", form.delimiter}
    wanted = _compact("".join(block.names), removed)
    first = block.names[0].partition("(")[0]
    found: set[int] = set()
    for at, line in enumerate(lines):
        # Each header has a row after it, which may be text that looks like a header.
        if first in line and at - 1 not in found and _compact(line, removed) == wanted:
            found.add(at)
    return found


def _compact(text: str, removed: Iterable[str]) -> str:
    for character in removed:
        text = text.replace(character, "")
    return text


def _read_plain(
    rows: list[str],
    numbers: list[int],
    shapes: list[Shape],
    layout: ReportLayout,
    file: str,
) -> list[_Column]:
    """Read rows of one line each, all with the same columns."""
    shape = shapes[0]
    columns = [
        _Column(label, quantity.kind) for quantity in shape.quantities for label in quantity.labels
    ]
    cells = _all_at_places(rows, shapes) if shape.is_plain else None
    if cells is not None:
        for column, values in zip(columns, cells, strict=True):
            column.texts, column.lines = values, numbers
        return columns
    found = []
    for line, number in zip(rows, numbers, strict=True):
        ways = {way for one in shapes for way in cut([line], one)}
        if not ways:
            ways = {way for one in shapes for way in cut([line], one, padded=True)}
        if len(ways) != 1:
            several = len(ways) > 1
            raise _NoTableError(_reason(line, number, shapes, layout, file, several=several))
        found.append(next(iter(ways)))
    for column, texts in zip(columns, zip(*found, strict=True) if found else [], strict=False):
        column.texts = list(texts)
    return columns


def _all_at_places(rows: list[str], shapes: list[Shape]) -> list[list[str | None]] | None:
    """Cut all rows at once if no value is wider than its column or holds a delimiter."""
    shape = shapes[0]
    form = shape.format
    if form.fixed_width:
        if len(shapes) > 1 or set(map(len, rows)) - {shape.starts[-1]}:
            return None
        spans = [slice(*span) for span in zip(shape.starts, shape.starts[1:], strict=False)]
        return [[row[span].strip(shape.fill) for row in rows] for span in spans]
    pieces = [row.split(form.delimiter) for row in rows]
    # A Gregorian epoch has three blanks of its own.
    taken = [4 if q.kind == "epoch" and form.delimiter == " " else 1 for q in shape.quantities]
    if any(len(piece) != sum(taken) for piece in pieces):
        return None
    columns: list[list[str | None]] = []
    start = 0
    for count in taken:
        end = start + count
        columns.append([form.delimiter.join(piece[start:end]).strip(" ") for piece in pieces])
        start = end
    return columns


def _read_in_order(lines: list[str], layout: ReportLayout, file: str) -> OrderedRows:
    """Read a file with rows of several lines, of several blocks or in several formats."""
    shapes = [
        list(dict.fromkeys(shape_of(block, form) for form in layout.formats))
        for block in layout.blocks
    ]
    headers: list[frozenset[tuple[str, ...]]] = [frozenset()] * len(lines)
    if any(form.headers for form in layout.formats):
        removed = {" ", *(form.delimiter for form in layout.formats)}
        names = {_compact("".join(block.names), removed): block.names for block in layout.blocks}
        for at, line in enumerate(lines):
            found = names.get(_compact(line, removed))
            if found is not None:
                headers[at] = frozenset({found})
    # Blocks that look alike are cut once.
    looks = [list(dict.fromkeys(shape.look for shape in some)) for some in shapes]
    one_of = {shape.look: shape for some in shapes for shape in some}
    # Beside a matrix, whose lines may be in doubt, nothing that can be anything is certain.
    wide_text = all(block.names == layout.blocks[0].names for block in layout.blocks) or not any(
        quantity.kind == "matrix" for block in layout.blocks for quantity in block.quantities
    )
    for padded in (False, True):
        candidates = _candidates(lines, looks, one_of, wide_text=wide_text, padded=padded)
        try:
            return ordered_rows(layout, candidates, headers)
        except NoReadingError as error:
            failed = error
        if failed.several:
            break
    flat = [shape for some in shapes for shape in some]
    at = failed.line
    raise _NoTableError(_reason(lines[at], at, flat, layout, file, several=failed.several))


def _candidates(
    lines: list[str],
    looks: Sequence[Sequence[tuple[object, ...]]],
    one_of: Mapping[tuple[object, ...], Shape],
    *,
    wide_text: bool,
    padded: bool,
) -> list[list[Candidate]]:
    """Return for each line the rows that may start there; `looks` has those of each block."""
    found: list[list[Candidate]] = []
    for at in range(len(lines)):
        ways = {
            look: cut(lines[at : at + shape.lines], shape, wide_text=wide_text, padded=padded)
            if at + shape.lines <= len(lines)
            else []
            for look, shape in one_of.items()
        }
        found.append(
            [
                Candidate(position, cells, at + one_of[some[0]].lines)
                for position, some in enumerate(looks)
                for cells in dict.fromkeys(way for look in some for way in ways[look])
            ]
        )
    return found


def _reason(
    line: str,
    number: int,
    shapes: Sequence[Shape],
    layout: ReportLayout,
    file: str,
    *,
    several: bool,
) -> str:
    """Say why a line is no row."""
    where = f"line {number + 1} of {file}"
    form = shapes[0].format
    counts = [sum(quantity.columns for quantity in shape.quantities) for shape in shapes]
    if form.fixed_width:
        found = len(_SEPARATOR.split(line.strip()))
        overfull = [shape for shape in shapes if shape.is_plain and shape.starts[-1] < len(line)]
        fits = any(shape.is_plain and shape.starts[-1] == len(line) for shape in shapes)
        if overfull and not fits and found <= max(counts):
            return (
                f"values touch each other on {where}, because {layout.name}.ColumnWidth = "
                f"{form.column_width} is narrower than they are; make it wider"
            )
    else:
        found = len(line.split(form.delimiter))
    if several:
        return f"{where} can be read in more than one way"
    wanted = min(counts, key=lambda count: (abs(count - found), count))
    if found != wanted:
        return f"{where} has {found} of {wanted} columns"
    return f"{where} holds other values than the script reports"


def _union(
    rows: Sequence[Candidate], blocks: Sequence[ReportBlock], used: Sequence[ReportBlock]
) -> list[_Column]:
    """Return the columns of all blocks that are used, with None where a row has none."""
    columns: dict[tuple[str, int], _Column] = {}
    places: dict[tuple[str, ...], list[tuple[str, int]]] = {}
    for block in used:
        keys: list[tuple[str, int]] = []
        for quantity in block.quantities:
            for label in quantity.labels:
                # A Report command may name a quantity twice.
                key = (label, sum(known == label for known, _ in keys))
                keys.append(key)
                columns.setdefault(key, _Column(label, _element_kind(quantity)))
        places[block.labels] = keys
    position_of = {
        labels: {key: position for position, key in enumerate(keys)}
        for labels, keys in places.items()
    }
    row_places = [position_of[blocks[row.block].labels] for row in rows]
    for key, column in columns.items():
        column.texts = [
            row.cells[place[key]] if key in place else None
            for row, place in zip(rows, row_places, strict=True)
        ]
    return list(columns.values())


def _by_position(rows: Sequence[Candidate], blocks: Sequence[ReportBlock]) -> list[_Column]:
    """Return the columns by position, named where all blocks have the same name there."""
    labels = [block.labels for block in blocks]
    columns = []
    for position in range(max(len(row.cells) for row in rows)):
        names = {label[position] for label in labels if position < len(label)}
        column = _Column(names.pop() if len(names) == 1 else f"column_{position + 1}", None)
        column.texts = [row.cells[position] if position < len(row.cells) else None for row in rows]
        columns.append(column)
    return columns


def _element_kind(quantity: Quantity) -> QuantityKind:
    return "number" if quantity.kind == "matrix" else quantity.kind


def _typed(columns: Sequence[_Column], file: str) -> pd.DataFrame:
    """Return the frame: numbers int64 or float64, text and epochs as text."""
    import pandas as pd

    frame = pd.DataFrame({at: _array(column, file) for at, column in enumerate(columns)})
    frame.columns = pd.Index([column.label for column in columns])
    return frame


def _array(column: _Column, file: str) -> Any:
    import numpy as np

    if not column.texts:
        return np.array([], dtype="float64" if column.kind == "number" else "object")
    if column.kind in {"text", "epoch"}:
        return column.texts
    numbers = _numbers(column.texts)
    if numbers is None and column.kind == "number" and column.lines:
        _refuse_mixture(column, file)
    return column.texts if numbers is None else numbers


def _numbers(values: Sequence[str | None]) -> NDArray[Any] | None:
    """Return the numbers that `values` are, None if one is no number."""
    import numpy as np
    import pandas as pd

    texts = np.array(values, dtype=object)
    try:
        numbers = pd.to_numeric(texts)
        # An integer has no negative zero, and int64 no room for all that GMAT writes without a dot.
        exact = numbers.dtype == "float64" or (numbers.dtype == "int64" and "-0" not in values)
        return numbers if exact else np.array([float(text) for text in texts])
    except (ValueError, TypeError):
        return None


def _refuse_mixture(column: _Column, file: str) -> None:
    """Refuse a column that holds numbers, and something else on some line."""
    found = [_numbers([value]) is not None for value in column.texts]
    if any(found):
        at = found.index(False)
        raise _NoTableError(
            f"line {column.lines[at] + 1} of {file} has {column.texts[at]!r} for {column.label}"
        )


def _promote_epochs(frame: pd.DataFrame, name: str) -> list[str]:
    """Turn epochs into datetime64[ns] in place; return a note for each column that has others."""
    from gmat_run import GmatOutputParseError
    from gmat_run.parsers.epoch import promote_epochs

    malformed = (GmatOutputParseError, ValueError, OverflowError)
    try:
        promote_epochs(frame)
    except malformed:
        notes = []
        scales: dict[str, str] = {}
        for position, label in enumerate(frame.columns):
            alone = frame.iloc[:, [position]].copy()
            alone.attrs = {}
            try:
                promote_epochs(alone)
            except malformed as error:
                why = str(error).partition(": ")[2].splitlines()[0] or str(error)
                notes.append(
                    f"ReportFile {name}: column {label} has a value that is no epoch and stays as "
                    f"GMAT wrote it ({why})"
                )
            else:
                frame.isetitem(position, alone.iloc[:, 0].array)
                scales.update(alone.attrs.get("epoch_scales", {}))
        frame.attrs["epoch_scales"] = scales
        return notes
    return []
