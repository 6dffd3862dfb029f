"""One table of inputs and outputs: a row for each run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.angles import TURN, circular_mean, wraps
from gmat_sweep.analysis.final_values import UNREADABLE, FinalValues, last_rows, report_tables
from gmat_sweep.analysis.recorded import SweepSource, folders_of, latest_entries
from gmat_sweep.analysis.units import unit_of
from gmat_sweep.causes import headline
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.spec import NOMINAL_RUN_ID

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = ["REDUCTIONS", "UNITS", "runs_and_final_values", "runs_table"]

UNITS = "units"
"""Key in the table's ``attrs``: the unit of each column that has one, by the column's name."""

_LONGEST_CAUSE = 200


REDUCTIONS = ("first", "min", "max", "mean", "range")
"""What a run's column can be reduced to beside its last value; missing values are left out, except
that the first value is that of the first row. An angle that goes around has its circular mean, and
its range counts on over a turn."""


def _reduced(reduction: str, name: str, values: pa.ChunkedArray) -> Any:
    """Return what a column of a run is reduced to; None without a value."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if reduction == "first":
        return values[0].as_py() if len(values) else None
    if not _is_number(values.type):
        if reduction in ("mean", "range"):
            raise SweepConfigError(
                f"reductions: {name} holds no numbers, so it has no {reduction}. "
                "Take 'first', 'min' or 'max' of it."
            )
        return pc.min_max(values)[reduction].as_py()
    numbers = values.cast(pa.float64()).to_numpy()
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return None
    turns = wraps(name.partition(".")[2], numbers)
    if reduction == "mean":
        return circular_mean(numbers) if turns else float(numbers.mean())
    if reduction == "range":
        return float(np.ptp(np.unwrap(numbers, period=TURN) if turns else numbers))
    return float(numbers.min() if reduction == "min" else numbers.max())


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return bool(types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind))


def runs_table(
    source: SweepSource, reductions: Mapping[str, str | list[str]] | None = None
) -> pd.DataFrame:
    """Return a row per run of a sweep: how it ended, what was varied, and what came out.

    Parameters
    ----------
    source : str, Path, Manifest or Sweep
        A sweep folder, its manifest, or a sweep that has run.
    reductions : mapping, optional
        What else is wanted of a reported quantity, by its column in the table, such as
        ``{"RF.Sat.Earth.Altitude": "min"}``: one or several of `REDUCTIONS`. Each is a column
        ``"min RF.Sat.Earth.Altitude"``.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``run_id`` in ascending order; every recorded run, whatever its status. The
        nominal run, if there is one, is run -1 and comes first:

        * ``status``, and ``cause`` in a line where a run failed;
        * every varied field by GMAT's name, in GMAT's units;
        * the last value of every reported quantity, ``<ReportFile>.<quantity>``: that of the last
          row that GMAT wrote, missing where a run has none;
        * the reductions that were asked for;
        * ``converged.<solver>``, and ``duration_s`` in seconds of wall-clock time.

        ``attrs["units"]`` has the unit of each column that is known to have one, and
        ``attrs["unreadable"]`` says which runs' files could not be read, and why.

    Raises
    ------
    FileNotFoundError, ManifestCorruptError
        The manifest cannot be read.
    SweepConfigError
        A reduction is unknown, or no run has the column that it is of.
    """
    return _table(source, _checked(reductions or {}), None)


def runs_and_final_values(source: SweepSource) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what `runs_table` and `final_values` return, and read each file once.

    Raises
    ------
    FileNotFoundError, ManifestCorruptError
        The manifest cannot be read.
    """
    ends = FinalValues()
    table = _table(source, {}, ends)
    unreadable = dict(table.attrs[UNREADABLE])
    unreadable.pop(NOMINAL_RUN_ID, None)
    return table, ends.frame(unreadable)


def _table(
    source: SweepSource, wanted: Mapping[str, list[str]], ends: FinalValues | None
) -> pd.DataFrame:
    """Return the table of runs; give `ends` the reports of each but the nominal one, too."""
    import pandas as pd

    anchors = folders_of(source)
    # Values on the way need whole reports; else their last rows do.
    is_whole = ends is not None or bool(wanted)
    unreadable: dict[int, str] = {}
    rows: dict[int, dict[str, Any]] = {}
    # Only the names count, in the order in which they come.
    parts: tuple[dict[str, Any], ...] = ({}, {}, {}, {})
    for entry in latest_entries(source, nominal=True):
        is_flown = entry.status == "ok"
        reports, rows_only = [], []
        if is_flown and is_whole:
            reports = list(report_tables(entry, anchors, unreadable))
        elif is_flown:
            rows_only = list(last_rows(entry, anchors, unreadable))
        if ends is not None and is_flown and entry.run_id != NOMINAL_RUN_ID:
            ends.add(entry.run_id, reports)
        groups = _groups_of(entry, reports, rows_only, wanted)
        for names, group in zip(parts, groups, strict=True):
            names.update(group)
        rows[entry.run_id] = {
            "status": entry.status,
            "cause": _cause(entry),
            **{name: value for group in groups for name, value in group.items()},
            "duration_s": entry.duration_s,
        }
    varied, final, reduced, solvers = parts
    if missing := [name for name in wanted if rows and name not in final]:
        known = ", ".join(final) or "none"
        raise SweepConfigError(
            f"reductions: no run has the quantity {missing[0]!r}; there are: {known}. Name one as "
            "ReportFile.quantity."
        )
    columns = ["status", "cause", *varied, *final, *reduced, *solvers, "duration_s"]
    run_ids = sorted(rows)
    table = pd.DataFrame(
        {name: [rows[run_id].get(name) for run_id in run_ids] for name in columns},
        index=pd.Index(run_ids, name="run_id", dtype="int64"),
    )
    table = table.astype(dict.fromkeys(solvers, "boolean"))
    table.attrs[UNITS] = _units(varied, final, reduced)
    table.attrs[UNREADABLE] = dict(sorted(unreadable.items()))
    return table


def _checked(reductions: Mapping[str, str | list[str]]) -> dict[str, list[str]]:
    wanted = {}
    for column, names in reductions.items():
        listed = [names] if isinstance(names, str) else list(names)
        if unknown := [name for name in listed if name not in REDUCTIONS]:
            raise SweepConfigError(
                f"reductions[{column!r}]: unknown reduction {unknown[0]!r}. Use one of "
                f"{', '.join(REDUCTIONS)}; the last value is there anyway."
            )
        wanted[column] = listed
    return wanted


def _groups_of(
    entry: ManifestEntry,
    reports: Iterable[tuple[str, pa.Table]],
    rows_only: Iterable[tuple[str, tuple[Sequence[str], Sequence[Any]]]],
    wanted: Mapping[str, list[str]],
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the varied fields, the last values, the reductions and the solvers of a run."""
    final: dict[str, Any] = {}
    reduced: dict[str, Any] = {}
    for report, (names, last) in rows_only:
        final.update(zip((f"{report}.{name}" for name in names), last, strict=True))
    for report, table in reports:
        for name in table.column_names:
            column, values = f"{report}.{name}", table.column(name)
            final[column] = values[-1].as_py() if len(values) else None
            for reduction in wanted.get(column, ()):
                reduced[f"{reduction} {column}"] = _reduced(reduction, column, values)
    solvers = {f"converged.{name}": done for name, done in entry.converged.items()}
    return dict(entry.overrides), final, reduced, solvers


def _cause(entry: ManifestEntry) -> str | None:
    if entry.status != "failed":
        return None
    text = headline(entry.stderr or "")
    return text if len(text) <= _LONGEST_CAUSE else f"{text[: _LONGEST_CAUSE - 3]}..."


def _units(*groups: Mapping[str, Any]) -> dict[str, str]:
    varied, final, reduced = groups
    units = {name: unit_of(name) for name in varied}
    units |= {name: unit_of(name.partition(".")[2]) for name in final}
    units |= {name: unit_of(name.partition(" ")[2].partition(".")[2]) for name in reduced}
    return {name: unit for name, unit in {**units, "duration_s": "s"}.items() if unit}
