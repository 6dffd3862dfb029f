"""The columns of runs' files, as arrays: numbers, and the time of each row.

The time of a row is that of the column ``time``, else of the first epoch, else of the first of
``*.ModJulian``, ``*.ElapsedSecs`` and ``*.ElapsedDays``. It is counted from the first row that has
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmat_sweep.aggregate.fragments import Fragment, column_names, read_fragment
from gmat_sweep.aggregate.reports import RESERVED
from gmat_sweep.draws.epochs import START
from gmat_sweep.errors import RequirementError
from gmat_sweep.verdicts.units import is_epoch_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from gmat_sweep.manifest.entry import ManifestEntry
    from gmat_sweep.verdicts.requirement import Requirement
    from gmat_sweep.verdicts.times import Epoch

__all__ = ["RunTable", "Source", "read_tables", "source_of", "table_of"]

_REPORT = "report__"
_ELAPSED = {".ElapsedSecs": 1.0, ".ElapsedDays": 86400.0}
_DAYS = "ModJulian"
_DAY_NS = 86400 * 10**9
_START_NS = int(START.timestamp()) * 10**9


@dataclass(frozen=True, slots=True)
class Source:
    """A file that every run may have.

    Attributes
    ----------
    kind : str
        ``"report"``, or ``"extra"`` for a file of the postprocess hook.
    name : str
        The ReportFile, or the name that the hook gave.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        what = {"report": "report", "extra": "the hook's file"}.get(self.kind, self.kind)
        return f"{what} {self.name}".strip()

    def fragment(self, entry: ManifestEntry) -> Fragment | None:
        """Return the file of a run; None if the run has none."""
        if self.kind == "report":
            key = f"{_REPORT}{self.name}"
            path = entry.output_paths.get(key)
            kind = "report output"
            return None if path is None else Fragment(entry.run_id, kind, key, path, entry)
        path = entry.extra_outputs.get(self.name)
        kind = "extra output"
        return None if path is None else Fragment(entry.run_id, kind, self.name, path, entry)


@dataclass(frozen=True, slots=True)
class RunTable:
    """The rows of one file, in the order in which they were written.

    Attributes
    ----------
    rows : int
        How many.
    columns : dict of str to ndarray
        Numbers as float64; epochs as nanoseconds in int64.
    epochs : dict of str to ndarray of bool
        The columns that are epochs, and in which rows each has one.
    elapsed : ndarray of float64
        Seconds after the first row that has a time, NaN in a row without one.
    has_clock : bool
        Whether anything tells the time of the rows.
    origin : int or None
        The epoch from which `elapsed` counts, in nanoseconds after 1970; None if it is not known.
    texts : dict of str to str
        The columns that are neither numbers nor epochs, and what each holds.
    """

    rows: int
    columns: dict[str, NDArray[np.float64] | NDArray[np.int64]]
    epochs: dict[str, NDArray[np.bool_]]
    elapsed: NDArray[np.float64]
    has_clock: bool
    origin: int | None
    texts: dict[str, str]

    def numbers(self, name: str, since: Epoch | None) -> NDArray[np.float64]:
        """Return a column as numbers; an epoch as seconds after `since` or its first row.

        NaN in every row if there is no such column.
        """
        import numpy as np

        if name not in self.columns:
            return np.full(self.rows, np.nan)
        column = self.columns[name]
        if name not in self.epochs:
            return column.astype(np.float64, copy=False)
        has = self.epochs[name]
        if since is not None:
            return _seconds(column, has, since.nanoseconds)
        return _seconds(column, has, int(column[np.argmax(has)]) if has.any() else 0)

    def seconds_to(self, moment: int) -> float:
        """Return the seconds from the first row to an epoch; NaN if its epoch is not known."""
        return float("nan") if self.origin is None else (moment - self.origin) / 1e9


def source_of(
    requirement: Requirement,
    columns: Sequence[str],
    entries: Sequence[ManifestEntry],
    anchors: tuple[Path, ...],
) -> Source | None:
    """Return the file that has a requirement's columns; None if no run is ok.

    Raises
    ------
    RequirementError
        No ok run has such a file, or the requirement names no report and none or several have the
        columns.
    """
    wanted = " and ".join(columns)
    key = "column" if requirement.column is not None else "when"
    ok = [entry for entry in entries if entry.status == "ok"]
    if not ok:
        return None
    named = requirement.report or requirement.extra
    if named is not None:
        source = Source("extra" if requirement.extra else "report", named)
        if any(source.fragment(entry) for entry in ok):
            return source
        known = sorted({each.name for entry in ok for each in _sources(entry, source.kind)})
        raise RequirementError(
            requirement.name,
            source.kind,
            f"no run has {source}; there are: {', '.join(known) or 'none'}. Correct the name.",
        )
    for entry in ok:
        having = [
            source
            for source in _sources(entry, "report")
            if set(columns) <= _names_in(source.fragment(entry), anchors)
        ]
        if len(having) > 1:
            raise RequirementError(
                requirement.name,
                key,
                f"{len(having)} reports have the column {wanted}: "
                f"{', '.join(each.name for each in having)}. Name one of them in report.",
            )
        if having:
            return having[0]
    raise RequirementError(
        requirement.name,
        key,
        f"no run has a report with the column {wanted}. Correct the name; it is that in the "
        "report.",
    )


def read_tables(
    source: Source,
    columns: Sequence[str],
    entries: Sequence[ManifestEntry],
    anchors: tuple[Path, ...],
) -> Iterator[tuple[int, RunTable | str]]:
    """Yield the file of each ok run that has it, with the run's position in `entries`.

    Instead of a table there is a text: why the file cannot be read.
    """
    # One after the other: threads take longer for the small files of which sweeps consist.
    for position, entry in enumerate(entries):
        if entry.status == "ok" and (fragment := source.fragment(entry)) is not None:
            yield position, _read_table(fragment, columns, anchors)


def table_of(table: pa.Table, columns: Sequence[str]) -> RunTable:
    """Return columns of a table, and the time of its rows."""
    import numpy as np

    found: dict[str, NDArray[np.float64] | NDArray[np.int64]] = {}
    epochs: dict[str, NDArray[np.bool_]] = {}
    texts: dict[str, str] = {}
    for name in dict.fromkeys(columns):
        if name not in table.column_names:
            continue
        column = _array(table, name)
        kind = column.dtype.kind
        if kind == "M":
            found[name], epochs[name] = _nanoseconds(column)
        elif kind in "biuf":
            numbers = column.astype(np.float64, copy=False)
            if name.endswith(_DAYS):
                found[name], epochs[name] = _from_days(numbers)
            else:
                found[name] = numbers
        elif table.num_rows == table.column(name).null_count:
            found[name] = np.full(table.num_rows, np.nan)
        else:
            texts[name] = str(table.schema.field(name).type)
    elapsed, origin = _clock(table)
    return RunTable(
        rows=table.num_rows,
        columns=found,
        epochs=epochs,
        elapsed=np.full(table.num_rows, np.nan) if elapsed is None else elapsed,
        has_clock=elapsed is not None,
        origin=origin,
        texts=texts,
    )


def _read_table(
    fragment: Fragment, columns: Sequence[str], anchors: tuple[Path, ...]
) -> RunTable | str:
    try:
        table = read_fragment(
            fragment,
            anchors,
            spool=False,
            reserved=RESERVED,
            chosen=lambda names: _needed(names, columns),
        )
    except (OSError, ValueError) as error:
        return str(error)
    return table_of(table, columns)


def _needed(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return which of a file's columns are read: those asked for, and those that tell the time."""
    if "time" in names:
        clocks = {"time"}
    else:
        clocks = {name for name in names if is_epoch_name(name) or _elapsed_unit(name)}
    return [name for name in names if name in columns or name in clocks]


def _clock(table: pa.Table) -> tuple[NDArray[np.float64] | None, int | None]:
    """Return the seconds of each row after the first, and the epoch of that one."""
    import numpy as np
    import pyarrow as pa

    names = sorted(table.column_names, key=lambda name: name != "time")
    for name in names:
        if pa.types.is_timestamp(table.schema.field(name).type):
            moments, has = _nanoseconds(_array(table, name))
            origin = int(moments[np.argmax(has)]) if has.any() else None
            return _seconds(moments, has, origin or 0), origin
    for name in names:
        column = _array(table, name)
        if column.dtype.kind not in "iuf":
            continue
        numbers = column.astype(np.float64, copy=False)
        if name.endswith(_DAYS):
            moments, has = _from_days(numbers)
            origin = int(moments[np.argmax(has)]) if has.any() else None
            return _seconds(moments, has, origin or 0), origin
        if unit := _elapsed_unit(name):
            has = np.isfinite(numbers)
            start = numbers[np.argmax(has)] if has.any() else 0.0
            return (numbers - start) * unit, None
    return None, None


def _elapsed_unit(name: str) -> float | None:
    return next((unit for end, unit in _ELAPSED.items() if name.endswith(end)), None)


def _array(table: pa.Table, name: str) -> NDArray[Any]:
    column = table.column(name)
    array: NDArray[Any] = (
        column.chunk(0).to_numpy(zero_copy_only=False)
        if column.num_chunks == 1
        else column.to_numpy()
    )
    return array


def _nanoseconds(column: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    import numpy as np

    return column.astype("datetime64[ns]").view(np.int64), ~np.isnat(column)


def _from_days(days: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return GMAT's modified Julian dates as nanoseconds; a date has a few tenths of 1 us."""
    import numpy as np

    has = np.isfinite(days)
    filled = np.where(has, days, 0.0)
    whole = np.floor(filled)
    rest = np.round((filled - whole) * _DAY_NS).astype(np.int64)
    return _START_NS + whole.astype(np.int64) * _DAY_NS + rest, has


def _seconds(moments: NDArray[Any], has: NDArray[np.bool_], origin: int) -> NDArray[np.float64]:
    import numpy as np

    seconds: NDArray[np.float64] = np.where(has, (moments - origin) / 1e9, np.nan)
    return seconds


def _names_in(fragment: Fragment | None, anchors: tuple[Path, ...]) -> set[str]:
    """Return the columns of a file, none if it cannot be read: another run may tell."""
    if fragment is None:
        return set()
    try:
        return set(column_names(fragment, anchors))
    except (OSError, ValueError):
        return set()


def _sources(entry: ManifestEntry, kind: str) -> Iterator[Source]:
    keys: Iterable[str] = entry.output_paths if kind == "report" else entry.extra_outputs
    for key in keys:
        if kind != "report":
            yield Source(kind, key)
        elif key.startswith(_REPORT):
            yield Source(kind, key.removeprefix(_REPORT))
