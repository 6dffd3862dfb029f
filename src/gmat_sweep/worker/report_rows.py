"""Cut the lines of a GMAT report into values, where that can be proven.

GMAT pads each value of a fixed-width report to a width that follows from the script, and never cuts
one. So a line that is as long as its widths together has every value at its place. A longer line
holds a value that is wider than its column and may touch the next. `cut` then tries every way to
cut the line into values of the kinds that the script declares. It returns all ways it finds, two at
the most, so a caller accepts a line only if there is exactly one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from gmat_sweep.mission.report_layout import Quantity, ReportBlock, ReportFormat

__all__ = ["Cells", "Shape", "cut", "is_in_values", "is_number", "shape_of"]

Cells = tuple[str, ...]
"""The values of one row, matrices element by element."""

Way = list[list[str]]
"""The values of one line by quantity: those of a matrix's row, else one; none where it has none."""

# What C++ streams write with a precision and no fixed form: no zeros that mean nothing.
_NUMBER = re.compile(
    r"-?(?:(?:0|[1-9]\d*)(?:\.\d*[1-9])?|[1-9](?:\.\d*[1-9])?e[+-]\d{2,3}|inf|nan|NaN)"
)
_ANY_NUMBER = re.compile(r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|inf|nan)", re.IGNORECASE)
_FILLED = re.compile(r"-?(?:(?:0|[1-9]\d*)\.\d*(?:e[+-]\d{2,3})?|inf|nan|NaN)")
_EPOCH = re.compile(r"\d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2}\.\d{3}")
_EPOCH_LENGTH = 24
_EPOCH_PIECES = 4
_ENOUGH = 2
"""Two ways to cut a line are as bad as more."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a block's lines look in one format.

    Attributes
    ----------
    quantities : tuple of Quantity
        Those of the block.
    format : ReportFormat
        The format.
    widths : tuple of int
        Characters of each column of a fixed-width line, at the least.
    starts : tuple of int
        Where the columns start if no value is wider than its column, and the length of the line.
    fill : str
        The characters that GMAT may pad with.
    is_spaced : bool
        Whether GMAT leaves three blanks after each column.
    """

    quantities: tuple[Quantity, ...]
    format: ReportFormat
    widths: tuple[int, ...]
    starts: tuple[int, ...]
    fill: str
    is_spaced: bool

    @property
    def lines(self) -> int:
        """Lines of one row."""
        return max(quantity.rows for quantity in self.quantities)

    @property
    def look(self) -> tuple[object, ...]:
        """All that matters for cutting a line; the names do not."""
        kinds = tuple((item.kind, item.rows, item.columns) for item in self.quantities)
        return kinds, self.widths, self.format, self.is_spaced

    @property
    def is_plain(self) -> bool:
        """Whether each row is one line of single values."""
        return all(quantity.kind != "matrix" for quantity in self.quantities)


@functools.lru_cache(maxsize=256)
def shape_of(block: ReportBlock, form: ReportFormat) -> Shape:
    """Return how GMAT lays out the lines of `block` in the format `form`."""
    widths = []
    for quantity in block.quantities:
        width = form.column_width
        if form.headers:
            width = max(width, len(quantity.name))
            if "Gregorian" in quantity.name:
                width = max(width, _EPOCH_LENGTH)
        width = width + 3 if form.headers or block.by_command else width
        # No Gregorian epoch is shorter, so a narrower column has this width in every line.
        widths.append(max(width, _EPOCH_LENGTH) if quantity.kind == "epoch" else width)
    starts = [0]
    for width in widths:
        starts.append(starts[-1] + width)
    # The header of Add makes the delimiter GMAT's padding, even where columns have a fixed width.
    fill = " " if form.delimiter == " " or not form.headers else " " + form.delimiter
    is_spaced = form.headers or block.by_command
    return Shape(block.quantities, form, tuple(widths), tuple(starts), fill, is_spaced)


def is_in_values(character: str) -> bool:
    """Say whether a delimiter may be a part of a number or an epoch."""
    return character.isalnum() or character in "+-.:"


def is_number(text: str, form: ReportFormat) -> bool:
    """Say whether GMAT may have written `text` for a number in the format `form`."""
    pattern = _FILLED if form.zero_fill else _NUMBER
    if pattern.fullmatch(text) is None:
        return False
    if len(text) <= form.precision and not form.zero_fill:
        return True
    mantissa = text.partition("e")[0].lstrip("-")
    if not mantissa[0].isdecimal():
        return True
    digits = len(mantissa.replace(".", "").lstrip("0"))
    return digits in {0, form.precision} if form.zero_fill else digits <= form.precision


def cut(
    lines: Sequence[str], shape: Shape, *, wide_text: bool = True, padded: bool = False
) -> list[Cells]:
    """Find the ways to read one row of `shape`.

    Parameters
    ----------
    lines : sequence of str
        As many lines as `shape` has for a row, without line ends.
    shape : Shape
        What the script declares.
    wide_text : bool
        Whether text of a fixed-width line may be wider than its column. Such text can be anything,
        so a line of another block would pass for it.
    padded : bool
        Whether a value that is wider than its column may end in padding. GMAT adds none to it, so
        it would be a String's own blanks.

    Returns
    -------
    list of tuple of str
        None, one, or two different rows. A number is exactly what GMAT wrote; text lacks the blanks
        at its ends.
    """
    rows: list[Way] = []
    for number, line in enumerate(lines):
        # A quantity has nothing on the lines after its last row.
        here = [number < quantity.rows for quantity in shape.quantities]
        ways = _cut_line(line, shape, here, padded=padded)
        if len(ways) != 1:
            return [] if not ways else [_flat([*rows, way], shape) for way in ways]
        rows.append(ways[0])
    if shape.format.fixed_width and any(quantity.kind == "text" for quantity in shape.quantities):
        exact = all(len(line) == shape.starts[-1] for line in lines)
        if shape.is_plain and not (exact or wide_text):
            return []
        # Words say where text ends only if GMAT would write the same lines for them.
        if not (shape.is_plain or exact) and _as_written(rows, shape, wide_text) != list(lines):
            return []
    return [_flat(rows, shape)]


def _as_written(rows: Sequence[Way], shape: Shape, wide_text: bool) -> list[str] | None:
    """Return the lines that GMAT writes for a row of fixed width, None if a text is too wide."""
    form = shape.format
    pad = str.ljust if form.left_justify else str.rjust
    lines = [""] * len(rows)
    for column, (quantity, least) in enumerate(zip(shape.quantities, shape.widths, strict=True)):
        texts = [" ".join([*row[column], ""]) if row[column] else "  " for row in rows]
        width = least
        if quantity.kind == "matrix":
            # A matrix has the width of its longest line, and of its header where there is one.
            width = max(map(len, texts[: quantity.rows])) + 3 * shape.is_spaced
            width = max(width, least) if form.headers else width
        else:
            texts = [row[column][0] if row[column] else "  " for row in rows]
        if quantity.kind == "text" and len(texts[0]) > width and not wide_text:
            return None
        lines = [line + pad(text, width) for line, text in zip(lines, texts, strict=True)]
    return lines


def _flat(rows: Sequence[Sequence[Sequence[str]]], shape: Shape) -> Cells:
    """Return the cells of a row, each quantity's lines after each other."""
    return tuple(
        cell for column in range(len(shape.quantities)) for row in rows for cell in row[column]
    )


def _cut_line(line: str, shape: Shape, here: Sequence[bool], *, padded: bool) -> list[Way]:
    found: Iterable[Way]
    if not shape.format.fixed_width:
        found = _cut_pieces(line, shape, here)
    elif shape.is_plain:
        found = _cut_places(line, shape, padded=padded)
        # Lines that lack their padding, or have a width that the script does not say.
        if not found and all(quantity.kind != "text" for quantity in shape.quantities):
            found = _cut_tokens(line, shape, here)
    else:
        found = _cut_whole(line, shape, here) or _cut_tokens(line, shape, here)
    return _different(found)


def _different(found: Iterable[Way]) -> list[Way]:
    kept: list[Way] = []
    for way in found:
        if way not in kept:
            kept.append(way)
        if len(kept) == _ENOUGH:
            break
    return kept


def _fits(text: str, quantity: Quantity) -> bool:
    """Say whether `text`, whose ends are known, may stand for a quantity."""
    if quantity.kind == "text":
        return True
    pattern = _EPOCH if quantity.kind == "epoch" else _ANY_NUMBER
    return pattern.fullmatch(text) is not None


def _cut_places(line: str, shape: Shape, *, padded: bool) -> list[Way]:
    """Cut a fixed-width line of single values by places, and where they touch by kinds."""
    if len(line) == shape.starts[-1]:
        way = []
        for quantity, start, end in zip(
            shape.quantities, shape.starts, shape.starts[1:], strict=False
        ):
            cell = line[start:end].strip(shape.fill)
            if not _fits(cell, quantity):
                return []
            way.append([cell])
        return [way]
    if len(line) < shape.starts[-1]:
        return []
    return _different(_ways_from(line, shape, 0, 0, set(), padded=padded))


def _ways_from(
    line: str, shape: Shape, column: int, place: int, dead: set[tuple[int, int]], *, padded: bool
) -> Iterator[Way]:
    if (column, place) in dead:
        return
    last = column == len(shape.widths) - 1
    alive = False
    for text, end in _values_at(line, shape, column, place, last=last):
        is_wide = end - place > shape.widths[column]
        if is_wide and not padded and _is_padded(line[place:end], shape):
            continue
        quantity = shape.quantities[column]
        fits = is_number(text, shape.format) if quantity.kind == "number" else _fits(text, quantity)
        if not fits:
            continue
        rests: Iterable[Way] = (
            [[]] if last else _ways_from(line, shape, column + 1, end, dead, padded=padded)
        )
        for rest in rests:
            alive = True
            yield [[text], *rest]
    if not alive:
        dead.add((column, place))


def _is_padded(text: str, shape: Shape) -> bool:
    return (text[-1] if shape.format.left_justify else text[0]) in shape.fill


def _values_at(
    line: str, shape: Shape, column: int, place: int, *, last: bool
) -> Iterator[tuple[str, int]]:
    """Yield the values that a column may have from `place` on, and where the next one starts."""
    width = shape.widths[column]
    if last:
        if len(line) - place >= width:
            yield line[place:].strip(shape.fill), len(line)
        return
    if len(line) < place + width:
        return
    padded = line[place : place + width]
    bare = padded.strip(shape.fill)
    if len(bare) < width:
        yield bare, place + width
        if shape.quantities[column].kind != "text":
            return
        width += 1
    if shape.quantities[column].kind == "epoch":
        if width <= _EPOCH_LENGTH:
            yield line[place : place + _EPOCH_LENGTH], place + _EPOCH_LENGTH
        return
    for end in range(place + width, len(line) + 1):
        text = line[place:end]
        if shape.quantities[column].kind != "text" and text[-1] in shape.fill:
            return
        yield text, end


def _cut_whole(line: str, shape: Shape, here: Sequence[bool]) -> list[Way]:
    """Cut a line with matrices by places, if no matrix is wider than its column."""
    if not shape.format.headers or len(line) != shape.starts[-1]:
        return []
    cells: list[list[str]] = []
    for position, quantity in enumerate(shape.quantities):
        text = line[shape.starts[position] : shape.starts[position + 1]].strip(shape.fill)
        if not here[position]:
            if text:
                return []
            cells.append([])
            continue
        values = text.split() if quantity.kind == "matrix" else [text]
        if len(values) != quantity.columns or not all(_fits(value, quantity) for value in values):
            return []
        cells.append(values)
    return [cells]


def _cut_tokens(line: str, shape: Shape, here: Sequence[bool]) -> Iterable[Way]:
    """Cut a fixed-width line at its blanks, by the number of words that each kind has."""
    texts = sum(quantity.kind == "text" for quantity in shape.quantities)
    # Two texts next to each other could share their words in several ways.
    if texts > 1:
        return []
    if len(shape.fill) > 1:
        line = line.replace(shape.fill[1], " ")
    if not texts and len(line.split()) != sum(
        _EPOCH_PIECES if quantity.kind == "epoch" else quantity.columns
        for quantity, is_here in zip(shape.quantities, here, strict=True)
        if is_here
    ):
        return []
    spans = [match.span() for match in re.finditer(r"\S+", line)]

    def counts(column: int, left: int) -> Iterable[int]:
        quantity = shape.quantities[column]
        if not here[column]:
            return (0,)
        if quantity.kind == "text":
            return range(left + 1)
        return (_EPOCH_PIECES if quantity.kind == "epoch" else quantity.columns,)

    def values(column: int, start: int, end: int) -> list[str] | None:
        words = spans[start:end]
        if shape.quantities[column].kind == "matrix" or not here[column]:
            return [line[first:last] for first, last in words]
        return [line[words[0][0] : words[-1][1]] if words else ""]

    return _shared_out(len(spans), shape, counts, values)


def _cut_pieces(line: str, shape: Shape, here: Sequence[bool]) -> Iterable[Way]:
    """Cut a line at the delimiters that stand between its values."""
    delimiter = shape.format.delimiter
    pieces = line.split(delimiter)

    def counts(column: int, left: int) -> Iterable[int]:
        quantity = shape.quantities[column]
        if not here[column]:
            return (1,)
        if quantity.kind == "text" or is_in_values(delimiter):
            return range(1, left + 1)
        if delimiter != " ":
            return (1,)
        # GMAT writes a blank after each element of a matrix, the last one, too.
        return ({"epoch": _EPOCH_PIECES, "matrix": quantity.columns + 1}.get(quantity.kind, 1),)

    def values(column: int, start: int, end: int) -> list[str] | None:
        quantity = shape.quantities[column]
        text = delimiter.join(pieces[start:end])
        if not here[column]:
            return None if text else []
        if quantity.kind != "matrix":
            return [text.strip(" ")]
        elements = text.split()
        return elements if len(elements) == quantity.columns else None

    return _shared_out(len(pieces), shape, counts, values)


def _shared_out(
    total: int,
    shape: Shape,
    counts: Callable[[int, int], Iterable[int]],
    values: Callable[[int, int, int], list[str] | None],
) -> Iterator[Way]:
    """Yield the ways to share out the pieces of a line among its quantities, in order."""
    dead: set[tuple[int, int]] = set()

    def ways(column: int, start: int) -> Iterator[Way]:
        if column == len(shape.quantities):
            if start == total:
                yield []
            return
        if (column, start) in dead:
            return
        alive = False
        for count in counts(column, total - start):
            end = start + count
            cells = values(column, start, end) if end <= total else None
            if cells is None or not all(_fits(cell, shape.quantities[column]) for cell in cells):
                continue
            for rest in ways(column + 1, end):
                alive = True
                yield [cells, *rest]
        if not alive:
            dead.add((column, start))

    return ways(0, 0)
