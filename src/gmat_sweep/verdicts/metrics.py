"""One number of each run for each requirement, from the files that the runs left.

Each file is read once, whatever the number of requirements, and only the columns that are needed.
A number is NaN where a run has none. No function here writes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gmat_sweep.aggregate.entries import anchors_of
from gmat_sweep.analysis.angles import wraps
from gmat_sweep.analysis.recorded import RecordedSweep
from gmat_sweep.analysis.units import unit_of
from gmat_sweep.errors import RequirementError, SweepConfigError
from gmat_sweep.verdicts import reductions
from gmat_sweep.verdicts.conditions import parse_condition
from gmat_sweep.verdicts.run_tables import RunTable, Source, read_tables, source_of, table_of
from gmat_sweep.verdicts.times import Elapsed, parse_epoch, parse_time
from gmat_sweep.verdicts.units import converted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from gmat_sweep.analysis.recorded import SweepSource
    from gmat_sweep.manifest.entry import ManifestEntry
    from gmat_sweep.verdicts.conditions import Condition
    from gmat_sweep.verdicts.requirement import Requirement

__all__ = ["Metrics", "metric_of", "metrics", "metrics_of", "never_happened"]

_ENDS = frozenset({"final", "first"})
_EVENTS = frozenset({"time_of", "last_time_of", "at_event"})
_TIMES = frozenset({"time_of", "last_time_of", "duration"})
_OF_THE_ENTRY = frozenset({"ok", "converged"})
# Rows that are reduced together; more take more memory and no less time.
_ROWS_AT_A_TIME = 2_000_000


@dataclass(frozen=True, slots=True)
class Metrics:
    """The numbers of the runs.

    Attributes
    ----------
    run_ids : ndarray of int64
        The runs, in the order in which they were asked for.
    numbers : dict of str to ndarray of float64
        By the requirement's name, in the requirement's unit, a number per run. NaN: missing.
        Positive infinity for the time of an event and for the value at it, where the event never
        happened (`never_happened`).
    notes : dict of str to list of str
        By the requirement's name, what is to be said with its verdict.
    unreadable : dict of int to str
        The runs of which a file could not be read, and why. Their numbers are NaN.
    """

    run_ids: NDArray[np.int64]
    numbers: dict[str, NDArray[np.float64]]
    notes: dict[str, list[str]] = field(default_factory=dict)
    unreadable: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Found:
    """What is known of a requirement's columns so far: if a run has all, and which any has."""

    is_there: bool = False
    seen: set[str] = field(default_factory=set)
    step: float = math.nan
    step_run: int = -1
    has_clock: bool = False


def metrics(
    requirements: Iterable[Requirement],
    source: SweepSource | RecordedSweep,
    run_ids: Sequence[int] | None = None,
) -> Metrics:
    """Return the numbers of a sweep's runs.

    Parameters
    ----------
    requirements : iterable of Requirement
        What is to be measured. One of `all_of` has no number.
    source : str, Path, Manifest, Sweep or RecordedSweep
        A sweep folder, its manifest, or a sweep that has run.
    run_ids : sequence of int, optional
        The runs, which need an entry; by default all, in ascending order.

    Raises
    ------
    FileNotFoundError, ManifestCorruptError
        The manifest cannot be read.
    SweepConfigError
        No run has a column, a report, a file of the hook or a solver that a requirement names; or
        several reports have the column; or a column is no number, or has no epochs beside it where
        they are needed. The message names the requirement.
    """
    sweep = source if isinstance(source, RecordedSweep) else RecordedSweep.of(source)
    entries: Sequence[ManifestEntry] = sweep.entries
    if run_ids is not None:
        by_id = {entry.run_id: entry for entry in entries}
        if unknown := [run_id for run_id in run_ids if run_id not in by_id]:
            raise SweepConfigError(
                f"the manifest has no entry for run {unknown[0]}. Ask for runs that it has."
            )
        entries = [by_id[run_id] for run_id in run_ids]
    return metrics_of(requirements, entries, anchors_of(sweep.manifest, sweep.folder))


def metrics_of(
    requirements: Iterable[Requirement],
    entries: Sequence[ManifestEntry],
    anchors: tuple[Path, ...],
) -> Metrics:
    """Return the numbers of the runs of `entries`, whose files are below one of `anchors`.

    Raises
    ------
    SweepConfigError
        As `metrics`.
    """
    import numpy as np

    asked = [each for each in requirements if not each.all_of]
    result = Metrics(
        run_ids=np.array([entry.run_id for entry in entries], dtype=np.int64),
        numbers={each.name: np.full(len(entries), np.nan) for each in asked},
        notes={each.name: [] for each in asked},
    )
    by_source: dict[Source, list[Requirement]] = defaultdict(list)
    for each in asked:
        if each.reduce in _OF_THE_ENTRY:
            result.numbers[each.name][:] = _of_entries(each, entries)
        elif (source := source_of(each, _columns_of(each), entries, anchors)) is not None:
            by_source[source].append(each)
    found = {each.name: _Found() for each in asked}
    for source, group in by_source.items():
        columns = tuple(dict.fromkeys(name for each in group for name in _columns_of(each)))
        positions: list[int] = []
        tables: list[RunTable] = []
        rows = 0
        has_file = False
        for position, read in read_tables(source, columns, entries, anchors):
            if isinstance(read, str):
                result.unreadable[entries[position].run_id] = read
                continue
            has_file = True
            positions.append(position)
            tables.append(read)
            rows += read.rows
            if rows >= _ROWS_AT_A_TIME:
                _reduce(group, positions, tables, result, found)
                positions, tables, rows = [], [], 0
        if tables:
            _reduce(group, positions, tables, result, found)
        if has_file:
            _check(group, source, found)
    for each in asked:
        _say_step(each, found[each.name], result)
    return result


def metric_of(requirement: Requirement, table: pa.Table, entry: ManifestEntry) -> float:
    """Return the number of one run.

    Parameters
    ----------
    requirement : Requirement
        What is to be measured.
    table : pyarrow.Table
        The rows of the run's report or of its hook's file, as written.
    entry : ManifestEntry
        The run's entry, for ``ok`` and ``converged``.

    Returns
    -------
    float
        In the requirement's unit; NaN if the run has none, infinity if the event never happened.

    Raises
    ------
    SweepConfigError
        The table lacks a column; a column is no number, or has no epochs beside it where they are
        needed.
    """
    import numpy as np

    if requirement.reduce in _OF_THE_ENTRY:
        return float(_of_entries(requirement, [entry])[0])
    result = Metrics(np.array([entry.run_id]), {requirement.name: np.full(1, np.nan)})
    found = {requirement.name: _Found()}
    if entry.status == "ok":
        _reduce([requirement], [0], [table_of(table, _columns_of(requirement))], result, found)
        _check([requirement], Source("the table", ""), found)
    return float(result.numbers[requirement.name][0])


def never_happened(requirement: Requirement, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return in which runs the event of a requirement never happened, from its numbers."""
    import numpy as np

    if requirement.reduce not in _EVENTS:
        return np.zeros(len(values), dtype=np.bool_)
    return np.isposinf(values)


def _columns_of(requirement: Requirement) -> tuple[str, ...]:
    columns = [requirement.column] if requirement.reduce not in _TIMES else []
    if requirement.when is not None:
        columns.append(parse_condition(requirement.when).column)
    return tuple(name for name in columns if name is not None)


def _of_entries(requirement: Requirement, entries: Sequence[ManifestEntry]) -> NDArray[np.float64]:
    """Return 1 or 0 for each run, which its entry tells."""
    import numpy as np

    if requirement.reduce == "ok":
        return np.array([float(entry.status == "ok") for entry in entries])
    flown = [entry for entry in entries if entry.status == "ok"]
    known = sorted({name for entry in flown for name in entry.converged})
    if flown and requirement.solver not in known:
        raise RequirementError(
            requirement.name,
            "solver",
            f"no run has a solver {requirement.solver!r}; there are: "
            f"{', '.join(known) or 'none'}. Name one of these.",
        )
    return np.array(
        [
            float(entry.converged.get(requirement.solver or "", math.nan))
            if entry.status == "ok"
            else math.nan
            for entry in entries
        ]
    )


def _reduce(
    requirements: Sequence[Requirement],
    positions: Sequence[int],
    tables: Sequence[RunTable],
    result: Metrics,
    found: Mapping[str, _Found],
) -> None:
    """Fill in the numbers of some runs."""
    import numpy as np

    places = np.array(positions)
    for each in requirements:
        names = _columns_of(each)
        state = found[each.name]
        _refuse_texts(each, names, positions, tables, result)
        for table in tables if not state.is_there else ():
            having = [name for name in names if name in table.columns]
            state.seen.update(having)
            state.is_there = state.is_there or len(having) == len(names)
        condition = None if each.when is None else parse_condition(each.when)
        rows = _rows_of(each, condition, tables)
        numbers = _numbers_of(each, condition, rows, tables)
        result.numbers[each.name][places] = _in_unit(each, numbers, tables)
        if each.reduce in _ENDS:
            continue
        state.has_clock = state.has_clock or any(table.has_clock for table in tables)
        step, run = reductions.largest_step(rows)
        if run >= 0 and not step <= state.step:
            state.step, state.step_run = step, int(result.run_ids[positions[run]])


def _refuse_texts(
    requirement: Requirement,
    names: Sequence[str],
    positions: Sequence[int],
    tables: Sequence[RunTable],
    result: Metrics,
) -> None:
    """Refuse a requirement of which a column holds no numbers in some run."""
    for position, table in zip(positions, tables, strict=True):
        # Seldom any: the loop over the names is not entered for each of 100,000 runs.
        for name in names if table.texts else ():
            if name in table.texts:
                raise RequirementError(
                    requirement.name,
                    _key_of(requirement, name),
                    f"in run {result.run_ids[position]} the column {name} holds "
                    f"{table.texts[name]}, not numbers. Take another column.",
                )


def _key_of(requirement: Requirement, column: str) -> str:
    """Return the key by which a requirement names a column."""
    is_value = column == requirement.column and requirement.reduce not in _TIMES
    return "column" if is_value else "when"


def _rows_of(
    requirement: Requirement, condition: Condition | None, tables: Sequence[RunTable]
) -> reductions.Rows:
    import numpy as np

    value = requirement.column if requirement.reduce not in _TIMES else None
    tested = None if condition is None else condition.column
    since = None if requirement.since is None else parse_epoch(requirement.since)

    def of(name: str | None) -> NDArray[np.float64]:
        if name is None:
            return np.full(sum(table.rows for table in tables), np.nan)
        return np.concatenate([table.numbers(name, since) for table in tables])

    values, tests = of(value), of(tested)
    return reductions.Rows(
        counts=np.array([table.rows for table in tables], dtype=np.int64),
        time=np.concatenate([table.elapsed for table in tables])
        if requirement.reduce not in _ENDS
        else np.full(len(values), np.nan),
        value=values,
        tested=tests,
        value_turns=value is not None and wraps(value, values),
        tested_turns=tested is not None and wraps(tested, tests),
    )


def _numbers_of(
    requirement: Requirement,
    condition: Condition | None,
    rows: reductions.Rows,
    tables: Sequence[RunTable],
) -> NDArray[np.float64]:
    import numpy as np

    if condition is not None:
        if requirement.reduce == "at_event":
            return reductions.at_event(rows, condition)
        if requirement.reduce == "duration":
            return reductions.duration(rows, condition)
        return reductions.time_of(rows, condition, last=requirement.reduce == "last_time_of")
    if requirement.reduce == "at":
        moment = parse_time(requirement.at or "")
        moments = np.array(
            [
                moment.seconds
                if isinstance(moment, Elapsed)
                else table.seconds_to(moment.nanoseconds)
                for table in tables
            ]
        )
        return reductions.at_time(rows, moments, at_a_row=requirement.between == "never")
    if requirement.reduce in _ENDS:
        return (reductions.final if requirement.reduce == "final" else reductions.first)(rows)
    if requirement.reduce == "range":
        return reductions.spread(rows)
    return reductions.extremes(rows)[requirement.reduce == "max"]


def _in_unit(
    requirement: Requirement, numbers: NDArray[np.float64], tables: Sequence[RunTable]
) -> NDArray[np.float64]:
    """Return numbers in the unit that the requirement states, where the column's is known."""
    column = requirement.column
    if requirement.reduce in _TIMES or any(column in table.epochs for table in tables):
        own = "s"
    else:
        own = "" if requirement.extra is not None or column is None else unit_of(column)
    if not own or requirement.unit is None:
        return numbers
    try:
        return converted(numbers, own, requirement.unit)
    except SweepConfigError as error:
        # Of a hook's column only the run shows that it is an epoch.
        raise RequirementError(requirement.name, "unit", str(error)) from None


def _check(
    requirements: Sequence[Requirement], source: Source, found: Mapping[str, _Found]
) -> None:
    """Refuse a requirement whose columns no run has, or that lacks epochs."""
    for each in requirements:
        state = found[each.name]
        if not state.is_there:
            names = _columns_of(each)
            missing = [name for name in names if name not in state.seen] or list(names)
            raise RequirementError(
                each.name,
                _key_of(each, missing[0]),
                f"no run has the column {' and '.join(missing)} in {source}. Correct the name; it "
                "is that in the file.",
            )
        if not state.has_clock and (each.when is not None or each.reduce == "at"):
            raise RequirementError(
                each.name,
                "reduce" if each.when is None else "when",
                f"{source} has no epochs, and {each.reduce} needs the time of each row. Report an "
                "epoch such as <spacecraft>.UTCGregorian, or <spacecraft>.ElapsedSecs.",
            )


def _say_step(requirement: Requirement, state: _Found, result: Metrics) -> None:
    if requirement.reduce in _ENDS | _OF_THE_ENTRY or not state.is_there:
        return
    if math.isnan(state.step):
        if not state.has_clock:
            result.notes[requirement.name].append(
                "the rows have no epochs: how far apart they are is not known, and what happens "
                "between them is not seen"
            )
        return
    result.notes[requirement.name].append(
        f"the largest step between rows is {state.step:.10g} s (run {state.step_run}): what "
        "happens between rows is not seen"
    )
