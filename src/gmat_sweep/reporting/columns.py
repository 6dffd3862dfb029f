"""The table of runs as a page holds it: a block of bytes for each column.

A column of numbers is its float64 values, least significant byte first, in base64: exact, half as
long as decimals, and read by a browser in one call. Texts are numbered. A column whose runs all
have one value is that value.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

from gmat_sweep.analysis.angles import circular_mean, wraps
from gmat_sweep.printable import one_line

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Group", "PageColumn", "chosen_rows", "packed", "page_column", "ranked"]

type Group = Literal["input", "output", "requirement", "run"]
"""What a column is of: a varied field, a reported quantity, what a requirement measures, the run's
record."""

_LONGEST_TEXT = 300
# Whole numbers beyond this are not exact as float64.
_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class PageColumn:
    """A column of the page's table.

    Attributes
    ----------
    name, unit : str
        What the page calls it, and its unit; empty without one.
    group : {"input", "output", "requirement", "run"}
        What it is of.
    kind : {"number", "date", "text"}
        What its values are: float64; float64 of milliseconds since 1970 in UTC, as JavaScript
        counts; texts.
    by_row : ndarray of float64, or list of str or None
        The value of each run; NaN or None where a run has none.
    limits : tuple of (float or None)
        The lower and the upper limit of a requirement; both None for others.
    turn : float or None
        Of an angle that goes around, its circular mean: plots show the turn about it.
    requirement : str
        The name of the requirement; empty for others.
    """

    name: str
    group: Group
    kind: Literal["number", "date", "text"]
    by_row: Any
    unit: str = ""
    limits: tuple[float | None, float | None] = (None, None)
    turn: float | None = None
    requirement: str = ""

    @property
    def is_constant(self) -> bool:
        """Whether no two runs differ in it, but for runs without a value."""
        if self.kind == "text":
            return len({each for each in self.by_row if each is not None}) <= 1
        import numpy as np

        told = self.by_row[np.isfinite(self.by_row)]
        return not len(told) or bool(told.min() == told.max())

    @property
    def is_block(self) -> bool:
        """Whether it is numbers or dates that are not all the same, missing ones among them."""
        if self.kind == "text" or not len(self.by_row):
            return False
        import numpy as np

        first = self.by_row[0]
        same = np.isnan(self.by_row) if np.isnan(first) else self.by_row == first
        return not same.all()

    def to_dict(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """Return the column of some rows as JSON has it."""
        low, high = self.limits
        return {
            "name": self.name,
            "unit": self.unit,
            "group": self.group,
            "kind": self.kind,
            "limits": [low, high],
            "turn": self.turn,
            "requirement": self.requirement,
            "constant": self.is_constant,
            **(self._texts(rows) if self.kind == "text" else self._numbers(rows)),
        }

    def _numbers(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        import numpy as np

        values = self.by_row[rows]
        if len(values) and (values == values[0]).all():
            return {"same": float(values[0])} if math.isfinite(values[0]) else _block(values)
        if np.isnan(values).all():
            return {"same": None}
        return _block(values)

    def _texts(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        import numpy as np

        values = [self.by_row[row] for row in rows.tolist()]
        levels = list(dict.fromkeys(each for each in values if each is not None))
        numbers = {text: number for number, text in enumerate(levels, 1)}
        codes = np.array([0 if each is None else numbers[each] for each in values], dtype="<u4")
        return {"levels": levels, "codes": packed(codes)}


def _block(values: NDArray[np.float64]) -> dict[str, str]:
    return {"data": packed(values.astype("<f8", copy=False))}


def packed(values: NDArray[Any]) -> str:
    """Return the bytes of an array in base64."""
    return base64.b64encode(values.tobytes()).decode("ascii")


def page_column(
    name: str, group: Group, values: pd.Series[Any], unit: str = "", quantity: str | None = None
) -> PageColumn:
    """Return a column of the table of runs as the page has it.

    Parameters
    ----------
    name, group, unit
        As `PageColumn` has them.
    values : pandas.Series
        One per run. Numbers stay numbers, epochs become dates, all else is text.
    quantity : str, optional
        GMAT's name, by which an angle is told; by default `name`.
    """
    import numpy as np
    import pandas as pd

    shown = _cut(name)
    if isinstance(values.dtype, np.dtype) and values.dtype.kind == "M":
        moments = values.to_numpy().astype("datetime64[ns]")
        dates = np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 1e6)
        return PageColumn(shown, group, "date", dates)
    listed = values.tolist()
    if all(isinstance(each, pd.Timestamp) or _is_missing(each) for each in listed):
        stamps = (
            math.nan if _is_missing(each) else pd.Timestamp(each).value / 1e6 for each in listed
        )
        return PageColumn(shown, group, "date", np.fromiter(stamps, np.float64, len(listed)))
    if all(_is_number(each) or _is_missing(each) for each in listed):
        numbers = np.array(
            [math.nan if _is_missing(each) else float(each) for each in listed], dtype=np.float64
        )
        turn = None
        if wraps(quantity or name, numbers) and math.isfinite(mean := circular_mean(numbers)):
            turn = mean
        return PageColumn(shown, group, "number", numbers, unit, turn=turn)
    texts = [None if _is_missing(each) else _cut(_text(each)) for each in listed]
    return PageColumn(shown, group, "text", texts, unit)


def chosen_rows(
    run_ids: NDArray[np.int64], needed: Collection[int], most: int
) -> NDArray[np.int64]:
    """Return the rows that a page shows: all, or else the needed runs and others evenly.

    Parameters
    ----------
    run_ids : ndarray of int64
        The run of each row.
    needed : collection of int
        Runs that are shown whatever their number is, up to `most`.
    most : int
        The largest number of rows.
    """
    import numpy as np

    count = len(run_ids)
    if count <= most:
        return np.arange(count)
    wanted = np.flatnonzero(np.isin(run_ids, np.fromiter(needed, np.int64, len(needed))))
    if len(wanted) >= most:
        return wanted[_evenly(len(wanted), most)]
    others = np.setdiff1d(np.arange(count), wanted)
    return np.sort(np.concatenate([wanted, others[_evenly(len(others), most - len(wanted))]]))


def _evenly(count: int, chosen: int) -> NDArray[np.int64]:
    import numpy as np

    return np.linspace(0, count - 1, chosen).round().astype(np.int64)


def ranked(columns: Iterable[PageColumn]) -> Mapping[str, NDArray[np.float64]]:
    """Return the ranks of the values of each column of numbers that is not constant, by name."""
    import numpy as np

    ranks = {}
    for each in columns:
        if each.kind == "number" and not each.is_constant:
            order = np.argsort(each.by_row, kind="stable")
            rank = np.empty(len(order))
            rank[order] = np.arange(len(order))
            ranks[each.name] = np.where(np.isfinite(each.by_row), rank, np.nan)
    return ranks


def _is_missing(value: Any) -> bool:
    import pandas as pd

    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, float) and math.isnan(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, float) or (isinstance(value, Integral) and abs(int(value)) <= _EXACT)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _cut(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 3]}..."
