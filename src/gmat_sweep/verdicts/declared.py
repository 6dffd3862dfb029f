"""Requirements against what a mission declares: refused before a run, not after the last."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.mission.end_state import layouts_flown
from gmat_sweep.mission.report_layout import ReportLayout
from gmat_sweep.mission.script import SOLVER_TYPES, output_names
from gmat_sweep.verdicts.conditions import parse_condition
from gmat_sweep.verdicts.requirement import Requirement, Requirements
from gmat_sweep.verdicts.rules import Mistake
from gmat_sweep.verdicts.units import is_epoch_name

__all__ = ["refuse_undeclared"]

_MOST_NAMES = 12
_ELAPSED = (".ElapsedSecs", ".ElapsedDays")
# Of these a row's time is needed, not only its values.
_IN_TIME = frozenset({"at", "time_of", "last_time_of", "at_event", "duration"})


class _Mission(NamedTuple):
    """What a mission declares.

    Attributes
    ----------
    name : str
        Its script.
    columns : mapping of str to tuple of str
        The columns of each report that gets rows.
    texts : frozenset of str
        The columns that GMAT fills with text.
    in_doubt : frozenset of str
        The reports whose columns only a run shows.
    solvers : list of str
        The solvers.
    """

    name: str
    columns: Mapping[str, tuple[str, ...]]
    texts: frozenset[str]
    in_doubt: frozenset[str]
    solvers: list[str]


def refuse_undeclared(
    requirements: Requirements, script: Path, *, end_state: bool, hook: str | None
) -> None:
    """Refuse requirements on what no run of a mission will have.

    Parameters
    ----------
    requirements : Requirements
        The requirements.
    script : Path
        The mission script.
    end_state : bool
        Whether a mission that reports nothing gets a report of its end state.
    hook : str or None
        The postprocess hook.

    Raises
    ------
    SweepConfigError
        No report has a column, several have it, or the named one does not; a condition needs the
        time of rows that have none; there is no such solver; or a file of a hook is named, and
        there is no hook. The message has every such place.
    OSError
        The script cannot be read.
    """
    mission = _declared(script, end_state=end_state)
    found = [
        f"{requirements.place(each.name, mistake.key)}: {mistake.said}"
        for each in requirements.requirements
        for mistake in _mistakes(each, mission, hook)
    ]
    if found:
        listed = "".join(f"\n  - {each}" for each in found)
        raise SweepConfigError(f"{mission.name} has not what is required of it:{listed}")


def _declared(script: Path, *, end_state: bool) -> _Mission:
    layouts = layouts_flown(script, end_state=end_state)
    columns = {name: _labels(layout) for name, layout in layouts.items() if layout.expects_rows}
    texts = {
        label
        for layout in layouts.values()
        for block in layout.blocks
        for quantity in block.quantities
        if quantity.kind == "text"
        for label in quantity.labels
    }
    outputs = output_names(script)
    solvers = [name for kind in SOLVER_TYPES for name in outputs.get(kind, ())]
    # Where commands of several kinds write to a report, a run may have columns by their position.
    in_doubt = frozenset(name for name in columns if len(layouts[name].blocks) > 1)
    return _Mission(script.name, columns, frozenset(texts), in_doubt, solvers)


def _labels(layout: ReportLayout) -> tuple[str, ...]:
    blocks = [block for block in layout.blocks if block.by_command or layout.write_report]
    return tuple(dict.fromkeys(label for block in blocks for label in block.labels))


def _mistakes(required: Requirement, mission: _Mission, hook: str | None) -> Iterator[Mistake]:
    if required.solver is not None and required.solver not in mission.solvers:
        known = _known(required.solver, mission.solvers)
        yield Mistake("solver", f"the mission has no solver {required.solver!r}{known}")
    if required.extra is not None and hook is None:
        yield Mistake(
            "extra", "no postprocess hook writes it; name the hook, as run.postprocess in a study"
        )
    if required.all_of or required.extra is not None or required.reduce in ("ok", "converged"):
        return
    if required.report is not None and required.report not in mission.columns:
        known = _known(required.report, list(mission.columns))
        yield Mistake("report", f"no report {required.report!r} gets rows{known}")
        return
    named = {"column": required.column}
    if required.when is not None:
        named["when"] = parse_condition(required.when).column
    reports = list(mission.columns) if required.report is None else [required.report]
    having = {
        key: [report for report in reports if _has(mission, report, column)]
        for key, column in named.items()
        if column is not None
    }
    for key, found in having.items():
        column = named[key]
        assert column is not None
        if not found:
            where = "no report" if required.report is None else f"report {required.report}"
            labels = [label for report in reports for label in mission.columns[report]]
            no = "has" if required.report is None else "does not have"
            yield Mistake(key, f"{where} {no} the column {column}{_known(column, labels)}")
        elif key == "column" and column in mission.texts:
            yield Mistake(key, f"{column} is text; name a column of numbers")
    if not all(having.values()):
        return
    both = [report for report in reports if all(report in found for found in having.values())]
    if not both:
        columns = " and ".join(filter(None, named.values()))
        yield Mistake("when", f"no report has {columns} together; report them in one")
    elif len(both) > 1:
        yield Mistake("report", f'{" and ".join(both)} have the column; write report = "{both[0]}"')
    elif required.reduce in _IN_TIME and not any(map(_tells_time, mission.columns[both[0]])):
        yield Mistake(
            "reduce",
            f'"{required.reduce}" needs the time of each row, and report {both[0]} has none; add '
            "an epoch to it, such as UTCGregorian of a Spacecraft, or its ElapsedSecs",
        )


def _has(mission: _Mission, report: str, column: str) -> bool:
    if column in mission.columns[report]:
        return True
    by_position = column.removeprefix("column_")
    return report in mission.in_doubt and by_position != column and by_position.isdecimal()


def _tells_time(column: str) -> bool:
    return is_epoch_name(column) or column.endswith(_ELAPSED)


def _known(name: str, known: Sequence[str]) -> str:
    """Return what there is instead, as the end of a sentence."""
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    if not names:
        return "; there is none"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"; there are: {', '.join(names[:_MOST_NAMES])}{more}"
