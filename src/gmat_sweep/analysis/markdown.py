"""Tables and numbers in Markdown that also reads well as plain text."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence

from gmat_sweep.printable import one_line

__all__ = ["LONGEST_CAUSE", "narrow_tables", "number", "percent", "plain", "table"]

_LONGEST = 300
LONGEST_CAUSE = 3000
"""How many characters of a cause of failure are shown where lines are wrapped."""

# What a page of Prefect's UI shows of a table at 1,400 px, in characters; it cuts off the rest.
# Measured in both UIs: 690 and 830 px, 7 to 8 px a character and 19 to 24 px a column.
_PAGE = 92
_MARGIN = 3


def plain(text: str, longest: int = _LONGEST) -> str:
    """Return `text` on one line, so that Markdown shows its characters as they are.

    Text of more than `longest` characters ends in three dots.
    """
    line = one_line(" ".join(text.split()))
    if len(line) > longest:
        line = line[: longest - 3] + "..."
    line = line.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*|\[])", r"\\\1", line)


def number(value: float | None, spread: float | None = None) -> str:
    """Return a number with six digits, or as many as show a tenth of a percent of `spread`.

    Empty for None.
    """
    if value is None:
        return ""
    digits = 6
    # A tiny part of a large spread is rounded to 0.
    ratio = abs(value / spread) if spread else 0.0
    if ratio and math.isfinite(ratio):
        digits = min(15, max(digits, math.ceil(math.log10(ratio) + 3)))
    return f"{value:.{digits}g}"


def percent(share: float | None) -> str:
    """Return a share between -1 and 1 in percent; empty for None."""
    return "" if share is None else f"{100 * share:.3g} %"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], numeric: Collection[str]) -> str:
    """Return a table, its columns padded; the columns named in `numeric` are right-aligned.

    Cells are Markdown: text that is not goes through `plain` first.
    """
    lines = [list(heads), *(list(row) for row in rows)]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(heads))]
    right = [head in numeric for head in heads]
    rule = [
        "-" * (width - 1) + (":" if is_right else "-")
        for width, is_right in zip(widths, right, strict=True)
    ]
    padded = [
        [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(line, widths, right, strict=True)
        ]
        for line in lines
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [padded[0], rule, *padded[1:]])


def narrow_tables(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    numeric: Collection[str],
    groups: Sequence[Collection[str]],
) -> str:
    """Return a table that a page of Prefect's UI shows whole, or several if it is too wide.

    Parameters
    ----------
    heads, rows, numeric
        As for `table`.
    groups : sequence of collections of str
        Columns that stay together, such as percentiles. Columns in no group are in every table.
    """
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) + _MARGIN for column in range(len(heads))]
    grouped = [[column for column, head in enumerate(heads) if head in group] for group in groups]
    names = [column for column in range(len(heads)) if not any(column in each for each in grouped)]
    tables: list[list[int]] = []
    for group in filter(None, grouped):
        together = [*tables[-1], *group] if tables else [*names, *group]
        if not tables or sum(widths[column] for column in together) > _PAGE:
            tables.append([*names, *group])
        else:
            tables[-1] = together
    return "\n\n".join(
        table(
            [heads[column] for column in columns],
            [[row[column] for column in columns] for row in rows],
            numeric,
        )
        for columns in tables
    )
