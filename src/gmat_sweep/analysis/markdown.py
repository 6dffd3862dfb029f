"""Tables and numbers in Markdown that also reads well as plain text."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence

from gmat_sweep.printable import one_line

__all__ = ["number", "percent", "plain", "table"]

_LONGEST = 300


def plain(text: str) -> str:
    """Return `text` on one line, so that Markdown shows its characters as they are."""
    line = one_line(" ".join(text.split()))
    if len(line) > _LONGEST:
        line = line[: _LONGEST - 3] + "..."
    line = line.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*|\[])", r"\\\1", line)


def number(value: float | None, spread: float | None = None) -> str:
    """Return a number with six digits, or as many as show a tenth of a percent of `spread`.

    Empty for None.
    """
    if value is None:
        return ""
    digits = 6
    if spread and value and math.isfinite(value / spread):
        digits = min(15, max(digits, math.ceil(math.log10(abs(value / spread)) + 3)))
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
