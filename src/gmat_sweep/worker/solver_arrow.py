"""The iterations of a solver as gmat-run's parser reads them, without pandas.

The parser makes a pandas Series of each column and a frame of these. `SolverColumns` takes the
columns instead, while the parser runs, and makes an Arrow table of them: the one that Arrow makes
of the frame.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gmat_sweep.worker.report_arrow import is_compared, numbers_of, table_of, text_of

if TYPE_CHECKING:
    import gmat_run
    import pandas as pd
    import pyarrow as pa

__all__ = ["SolverColumns", "solver_columns"]

type _Series = tuple[str, Sequence[Any]]


class SolverColumns:
    """A table of iterations.

    Parameters
    ----------
    columns : mapping of str to tuple
        Type, as pandas names it, and values of each column.

    Attributes
    ----------
    attrs : dict
        What gmat-run's parser says of the table, such as ``converged``.
    """

    def __init__(self, columns: Mapping[str, _Series]) -> None:
        self._columns = dict(columns)
        self.attrs: dict[str, Any] = {}

    def frame(self) -> pd.DataFrame:
        """Return the frame that gmat-run would make."""
        import pandas as pd

        series = {
            label: pd.Series(values, dtype=kind) for label, (kind, values) in self._columns.items()
        }
        frame = pd.DataFrame(series)
        frame.attrs.update(self.attrs)
        return frame

    def arrow(self) -> pa.Table:
        """Return the table that Arrow makes of the frame."""
        import pyarrow as pa

        made = []
        for label, (kind, values) in self._columns.items():
            if kind == "string":
                made.append((label, kind, text_of(values)))
            elif kind in {"int64", "float64"} and all(map(math.isfinite, values)):
                made.append((label, kind, numbers_of(kind, values)))
            else:
                return pa.Table.from_pandas(self.frame())
        rows = len(next(iter(self._columns.values()))[1])
        return table_of(made, rows, self.attrs)


class _ColumnsInstead:
    """What the parser uses of pandas."""

    DataFrame = SolverColumns

    @staticmethod
    def Series(values: Sequence[Any], dtype: str, **_: object) -> _Series:  # noqa: N802
        """Return the column itself; a frame names it."""
        return dtype, values


def solver_columns(results: gmat_run.Results, name: str) -> SolverColumns | pd.DataFrame:
    """Return the iterations of a solver.

    Parameters
    ----------
    results : gmat_run.Results
        The return value of one `Mission.run`.
    name : str
        The solver.

    Raises
    ------
    GmatOutputParseError
        Its file cannot be read as a table of iterations.
    """
    if not is_compared():
        return results.solver_runs[name]
    parser: Any = importlib.import_module("gmat_run.parsers.solver_log")
    pandas = parser.pd
    parser.pd = _ColumnsInstead
    try:
        return results.solver_runs[name]
    finally:
        parser.pd = pandas
