"""What a script declares of its reports: columns, format, and the order in which rows may come.

Nothing here needs an engine. `report_layouts` reads the statements of a mission. Per ReportFile it
collects the quantities of ``Add`` and of each ``Report`` command, the fields that decide how GMAT
writes a line, and the control flow around the commands. `gmat_sweep.worker.report_tables` reads
GMAT's text with that.

The defaults and the rules are those of GMAT R2026a (NASA's ``ReportFile.cpp`` and ``Report.cpp``),
and were seen in what the engine writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gmat_sweep.mission.statements import Statement, masked

__all__ = [
    "SWITCHES",
    "FlowStep",
    "Quantity",
    "QuantityKind",
    "ReportBlock",
    "ReportFormat",
    "ReportLayout",
    "outputs_off",
    "report_layouts",
    "stops_at_end",
]

QuantityKind = Literal["number", "epoch", "text", "matrix"]
"""What GMAT writes for a quantity; ``epoch`` is a Gregorian date of 24 characters."""

FlowStep = tuple[
    Literal["report", "fly", "turns", "loop", "solver", "if", "else", "end", "stop"], int
]
"""A command of the sequence: its kind, and a number.

``fly`` is a command during which GMAT may write rows of ``Add``, ``turns`` a loop that is flown a
known number of times, and ``stop`` the end of a solver after which the mission may be over. The
number is the position of the block for ``report``, how many times for ``turns``, 1 for an ``Else``
and 0 for an ``ElseIf``.
"""

# GMAT's matrix and vector parameters, by the last part of their names: rows and columns.
_MATRICES = {
    "DirectionCosineMatrix": (3, 3),
    "OrbitErrorCovariance": (6, 6),
    "OrbitSTM": (6, 6),
    "OrbitSTMA": (3, 3),
    "OrbitSTMB": (3, 3),
    "OrbitSTMC": (3, 3),
    "OrbitSTMD": (3, 3),
    "Quaternion": (1, 4),
}
_OPENING: dict[str, Literal["loop", "solver", "if"]] = {
    "While": "loop",
    "For": "loop",
    "Target": "solver",
    "Optimize": "solver",
    "If": "if",
}
_CLOSING = frozenset({"EndWhile", "EndFor", "EndTarget", "EndOptimize", "EndIf"})
# Commands during which GMAT writes no row of Add, as measured; any other may fly.
_QUIET = frozenset(
    {
        *_OPENING,
        *_CLOSING,
        "",
        "Achieve",
        "BeginFiniteBurn",
        "BeginMissionSequence",
        "BeginScript",
        "ClearPlot",
        "Else",
        "ElseIf",
        "EndFiniteBurn",
        "EndScript",
        "Global",
        "Maneuver",
        "MarkPoint",
        "Minimize",
        "NonlinearConstraint",
        "PenDown",
        "PenUp",
        "Report",
        "Toggle",
        "Vary",
        "Write",
    }
)
_SOLVERS = frozenset({"Target", "Optimize"})
_STOPS = re.compile(r"\bExitMode[ \t]*=[ \t]*Stop\b", re.ASCII)
_TURNS = re.compile(
    r"For[ \t]*\(?[ \t]*(\w+)[ \t]*=[ \t]*(-?\d+)[ \t]*:[ \t]*(-?\d+)"
    r"(?:[ \t]*:[ \t]*(-?\d+))?[ \t]*\)?[ \t]*",
    re.ASCII,
)
_FIELDS = {
    "WriteHeaders": "headers",
    "FixedWidth": "fixed_width",
    "LeftJustify": "left_justify",
    "ZeroFill": "zero_fill",
    "Delimiter": "delimiter",
    "ColumnWidth": "column_width",
    "Precision": "precision",
}
_SIZE = re.compile(r"([A-Za-z_]\w*)[ \t]*(?:\[[ \t]*(\d+)[ \t]*(?:,[ \t]*(\d+)[ \t]*)?\])?")
_REPORT = re.compile(r"Report[ \t]*(?:'+[ \t]*|[ \t])([A-Za-z_]\w*)", re.ASCII)
_QUANTITY = re.compile(r"[A-Za-z_][\w.]*(?:[ \t]*\([^()]*\))?", re.ASCII)
_WRITTEN_TO = re.compile(r"ReportFile[ \t]*=[ \t]*([A-Za-z_]\w*)", re.ASCII)
_MOST_FORMATS = 16

SWITCHES = {"EphemerisFile": "WriteEphemeris", "ContactLocator": "WriteReport"}
"""The field with which a script keeps GMAT from writing an output of a type."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One quantity of a report.

    Attributes
    ----------
    name : str
        As the script writes it: ``Sat.UTCGregorian``, ``A(1,2)``, ``A``.
    kind : {"number", "epoch", "text", "matrix"}
        What GMAT writes for it.
    rows, columns : int
        Size of a matrix, which GMAT writes over `rows` lines; 1 for anything else.
    """

    name: str
    kind: QuantityKind = "number"
    rows: int = 1
    columns: int = 1

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns of a table: the name, or ``A(1,1)``, ``A(1,2)``... of a matrix."""
        if self.kind != "matrix":
            return (self.name,)
        return tuple(
            f"{self.name}({row},{column})"
            for row in range(1, self.rows + 1)
            for column in range(1, self.columns + 1)
        )


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """The quantities of ``Add``, or of one ``Report`` command.

    Attributes
    ----------
    quantities : tuple of Quantity
        At least one.
    line_number : int
        1-based line of the command, or of the first ``Add``.
    by_command : bool
        Whether a ``Report`` command writes it.
    """

    quantities: tuple[Quantity, ...]
    line_number: int
    by_command: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the quantities."""
        return tuple(quantity.name for quantity in self.quantities)

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns of its table, matrices element by element."""
        return tuple(label for quantity in self.quantities for label in quantity.labels)

    @property
    def lines(self) -> int:
        """Lines of the file that one row takes."""
        return max(quantity.rows for quantity in self.quantities)


@dataclass(frozen=True, slots=True)
class ReportFormat:
    """The fields of a ReportFile that decide how GMAT writes a line, with GMAT's defaults.

    Attributes
    ----------
    headers, fixed_width, left_justify, zero_fill : bool
        ``WriteHeaders``, ``FixedWidth``, ``LeftJustify``, ``ZeroFill``.
    delimiter : str
        The one character of ``Delimiter``. In a layout without ``Add``, a format of fixed width has
        a blank, because only the header of ``Add`` makes the delimiter GMAT's padding.
    column_width, precision : int
        ``ColumnWidth`` in characters, ``Precision`` in significant digits.
    """

    headers: bool = True
    fixed_width: bool = True
    left_justify: bool = True
    zero_fill: bool = False
    delimiter: str = " "
    column_width: int = 23
    precision: int = 16


@dataclass(frozen=True, slots=True)
class ReportLayout:
    """All that a script says of one ReportFile.

    Attributes
    ----------
    name : str
        The ReportFile.
    blocks : tuple of ReportBlock
        That of ``Add`` first, if there is one, then one per ``Report`` command in the order of the
        script.
    formats : tuple of ReportFormat
        The format at the start, and those that assignments of the mission sequence make of it.
    flow : tuple of FlowStep or None
        The commands that report to it and the loops and branches around them; None if a GMAT
        function may report to it, too.
    write_report : bool
        ``WriteReport``. False keeps GMAT from writing the rows of ``Add``, as
        ``Toggle`` does before the first command that flies. ``Report`` commands write nevertheless.
    text_lines : tuple of int
        Lines of the ``Write`` commands that write text into the file.
    """

    name: str
    blocks: tuple[ReportBlock, ...] = ()
    formats: tuple[ReportFormat, ...] = (ReportFormat(),)
    flow: tuple[FlowStep, ...] | None = ()
    write_report: bool = True
    text_lines: tuple[int, ...] = ()

    @property
    def may_be_table(self) -> bool:
        """Whether no command puts text in it that is no row of its own."""
        return not self.text_lines

    @property
    def expects_rows(self) -> bool:
        """Whether the script asks GMAT to write rows."""
        return any(block.by_command or self.write_report for block in self.blocks)


@dataclass(slots=True)
class _Draft:
    """A layout in the making."""

    added: list[str] = field(default_factory=list)
    added_line: int = 0
    commands: list[tuple[list[str], int]] = field(default_factory=list)
    formats: list[ReportFormat] = field(default_factory=lambda: [ReportFormat()])
    flow: list[tuple[str, int]] = field(default_factory=list)
    is_global: bool = False
    write_report: bool = True
    text_lines: list[int] = field(default_factory=list)
    iterates: bool = False


def _own_line(statement: Statement) -> int:
    return statement.line_number


def report_layouts(
    statements: Iterable[Statement], line_of: Callable[[Statement], int] = _own_line
) -> dict[str, ReportLayout]:
    """Read what a mission declares of its reports.

    Parameters
    ----------
    statements : iterable of Statement
        The statements of the mission in the order in which GMAT reads them, such as
        `gmat_sweep.mission.script.statements_of` gives.
    line_of : callable
        Returns the line to name for a statement.

    Returns
    -------
    dict of str to ReportLayout
        By the name of the ReportFile, in the order of their ``Create`` statements.
    """
    drafts: dict[str, _Draft] = {}
    kinds: dict[str, str] = {}
    sizes: dict[str, tuple[int, int]] = {}
    in_sequence = False
    statements = list(statements)
    off = _toggled_off(statements)
    stops: list[bool] = []
    turns = _known_turns(statements)
    for position, statement in enumerate(statements):
        created = statement.created
        if created is not None:
            kind, names = created
            kinds.update(dict.fromkeys(names, kind))
            if kind == "ReportFile":
                drafts.update((name, _Draft()) for name in names if name not in drafts)
            elif kind == "Array":
                sizes.update(_sizes(statement))
        elif statement.word == "BeginMissionSequence":
            in_sequence = True
        elif (assigned := statement.assigned) is not None and assigned[0] in drafts:
            draft = drafts[assigned[0]]
            if assigned[1] == "Add":
                draft.added_line = draft.added_line or line_of(statement)
            _assign(draft, assigned[1], statement, in_sequence=in_sequence)
        else:
            if in_sequence and _may_fly(statement, kinds):
                for draft in drafts.values():
                    draft.flow.append(("fly", 0))
            _read_command(statement, drafts, turns.get(position), line_of(statement))
            if statement.word in _SOLVERS:
                stops.append(stops_at_end(statement))
            elif statement.word in {"EndTarget", "EndOptimize"} and stops and stops.pop():
                for draft in drafts.values():
                    draft.flow.append(("stop", 0))
    for name, draft in drafts.items():
        draft.write_report = draft.write_report and name not in off
    return {name: _layout(name, draft, kinds, sizes) for name, draft in drafts.items()}


def stops_at_end(statement: Statement) -> bool:
    """Say whether a solver ends the mission when it ends: its ``ExitMode`` is ``Stop``."""
    return statement.word in _SOLVERS and _STOPS.search(statement.code) is not None


def _may_fly(statement: Statement, kinds: Mapping[str, str]) -> bool:
    """Say whether GMAT may write rows of ``Add`` during a command of the sequence."""
    if statement.assigned is not None:
        # The script's own functions may fly.
        return any(kind.endswith("Function") for kind in kinds.values())
    # Only a call has no name before its first bracket.
    return statement.word not in _QUIET or statement.code[:1] == "["


def _toggled_off(statements: Iterable[Statement]) -> set[str]:
    """Return the outputs that the sequence toggles off before it flies, and never on."""
    kinds: dict[str, str] = {}
    off: set[str] = set()
    on: set[str] = set()
    in_sequence = is_at_start = False
    for statement in statements:
        if statement.created is not None:
            kinds.update(dict.fromkeys(statement.created[1], statement.created[0]))
        elif statement.word == "BeginMissionSequence":
            in_sequence = is_at_start = True
        elif statement.word == "Toggle":
            words = statement.code.split()
            if words[-1] == "On":
                on.update(words)
            elif words[-1] == "Off" and is_at_start:
                off.update(words[1:-1])
        elif (assigned := statement.assigned) is not None:
            if in_sequence:
                # A switch that the sequence assigns may be on again.
                on.add(assigned[0])
                is_at_start = is_at_start and not _may_fly(statement, kinds)
        elif statement.word in _OPENING or _may_fly(statement, kinds):
            is_at_start = False
    return off - on


def outputs_off(statements: Iterable[Statement]) -> frozenset[str]:
    """Return the ephemeris files and contact locators that a mission never lets GMAT write.

    Parameters
    ----------
    statements : iterable of Statement
        As for `report_layouts`.
    """
    kinds: dict[str, str] = {}
    off: set[str] = set()
    in_sequence = False
    statements = list(statements)
    toggled = _toggled_off(statements)
    for statement in statements:
        if statement.created is not None:
            kind, names = statement.created
            kinds.update(dict.fromkeys(names, kind))
        elif statement.word == "BeginMissionSequence":
            in_sequence = True
        elif statement.word == "Toggle":
            words = statement.code.split()
            if words[-1] == "On":
                off -= set(words)
        elif (assigned := statement.assigned) is not None:
            name, field_name = assigned
            if SWITCHES.get(kinds.get(name, "")) == field_name:
                value = statement.code[statement.value_start - statement.start :]
                if _is_true(value.strip(" \t")):
                    off.discard(name)
                elif not in_sequence:
                    off.add(name)
    return frozenset(off | {name for name in toggled if kinds.get(name) in SWITCHES})


def _sizes(statement: Statement) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the arrays of a ``Create Array``: ``A[3]`` is a row of three, ``A`` a single number."""
    for match in _SIZE.finditer(statement.code.partition("Array")[2]):
        name, first, second = match.groups()
        yield name, (int(first), int(second)) if second else (1, int(first or 1))


def _assign(draft: _Draft, name: str, statement: Statement, *, in_sequence: bool) -> None:
    value = statement.code[statement.value_start - statement.start :].strip(" \t")
    if name == "Add":
        found = _quantities(value)
        # GMAT adds to what it has, and adds no quantity twice.
        draft.added += [item for item in dict.fromkeys(found) if item not in draft.added]
    elif name == "SolverIterations":
        draft.iterates = draft.iterates or value.strip("'").lower() != "current"
    elif name == "WriteReport":
        # A sequence that switches the report off may have it on for a part.
        draft.write_report = _is_true(value) or (in_sequence and draft.write_report)
    elif name in _FIELDS:
        changed = _changed(draft.formats[-1], _FIELDS[name], value)
        if not in_sequence:
            draft.formats[-1] = changed
        elif len(draft.formats) < _MOST_FORMATS:
            # In a loop or after a branch, the field may stand with any earlier value of another.
            more = [_changed(known, _FIELDS[name], value) for known in draft.formats]
            others = [item for item in dict.fromkeys([*draft.formats, *more]) if item != changed]
            draft.formats = [*others, changed]


def _changed(known: ReportFormat, name: str, value: str) -> ReportFormat:
    """Return the format with one field assigned; with a value that is no constant, unchanged."""
    if name == "delimiter":
        bare = value[1:-1] if value[:1] == "'" == value[-1:] and len(value) > 1 else value
        return replace(known, delimiter=bare[:1] or " ")
    if name in {"column_width", "precision"}:
        number: dict[str, Any] = {name: int(value)} if value.isdecimal() else {}
        return replace(known, **number)
    flag: dict[str, Any] = {name: _is_true(value)}
    return replace(known, **flag)


def _is_true(value: str) -> bool:
    return value.strip("'").lower() in {"true", "on"}


def _quantities(text: str) -> list[str]:
    return [match.strip(" \t") for match in _QUANTITY.findall(text)]


def _read_command(
    statement: Statement, drafts: Mapping[str, _Draft], turns: int | None, line: int
) -> None:
    word = statement.word
    if word in _OPENING:
        step = (_OPENING[word], 0) if turns is None else ("turns", turns)
        for draft in drafts.values():
            draft.flow.append(step)
    elif word in {"Else", "ElseIf"}:
        for draft in drafts.values():
            draft.flow.append(("else", int(word == "Else")))
    elif word in _CLOSING:
        for draft in drafts.values():
            draft.flow.append(("end", 0))
    elif word == "Report":
        code = masked(statement.code)
        match = _REPORT.match(code)
        names = _quantities(code[match.end() :]) if match is not None else []
        if match is not None and match[1] in drafts and names:
            draft = drafts[match[1]]
            draft.flow.append(("report", len(draft.commands)))
            draft.commands.append((names, line))
    elif word == "Write":
        for name in _WRITTEN_TO.findall(masked(statement.code)):
            if name in drafts:
                drafts[name].text_lines.append(line)
    elif word == "Global":
        for name in _quantities(statement.code):
            if name in drafts:
                drafts[name].is_global = True


def _known_turns(statements: Sequence[Statement]) -> dict[int, int]:
    """Return how often each ``For`` is flown, by its position, if its bounds are whole numbers."""
    found: dict[int, int] = {}
    opened: list[tuple[int, str]] = []
    for position, statement in enumerate(statements):
        if statement.word == "For":
            match = _TURNS.fullmatch(masked(statement.code))
            opened.append((position, "" if match is None else match[1]))
            if match is not None:
                first, second, third = int(match[2]), int(match[3]), match[4]
                step, last = (1, second) if third is None else (second, int(third))
                if step:
                    found[position] = max(0, (last - first) // step + 1)
        elif statement.word == "EndFor" and opened:
            opened.pop()
        elif opened and statement.word not in {"If", "Report", "While", "Write"}:
            # A loop whose counter something else may set ends when it will.
            for start, counter in opened:
                if counter in statement.names:
                    found.pop(start, None)
    return found


def _with_rows_of_add(flow: Sequence[tuple[str, int]], *, anywhere: bool) -> list[tuple[str, int]]:
    """Let rows of ``Add`` stand anywhere in a solver, or anywhere at all."""
    found: list[tuple[str, int]] = [("fly", 0)] if anywhere else []
    opened: list[str] = []
    for step in flow:
        if step[0] == "end":
            if opened:
                opened.pop()
        elif step[0] in {"turns", "loop", "solver", "if"}:
            opened.append(step[0])
        found.append(step)
        if anywhere or step[0] == "fly" or "solver" in opened:
            found.append(("fly", 0))
    return [
        step for at, step in enumerate(found) if step[0] != "fly" or found[at - 1 : at] != [step]
    ]


def _layout(
    name: str,
    draft: _Draft,
    kinds: Mapping[str, str],
    sizes: Mapping[str, tuple[int, int]],
) -> ReportLayout:
    def block(names: list[str], line_number: int, *, by_command: bool) -> ReportBlock:
        quantities = tuple(_quantity(item, kinds, sizes) for item in names)
        return ReportBlock(quantities, line_number, by_command)

    blocks = [block(draft.added, draft.added_line, by_command=False)] if draft.added else []
    first = len(blocks)
    formats = [
        replace(form, delimiter=" ") if form.fixed_width and not draft.added else form
        for form in draft.formats
    ]
    blocks += [block(names, line, by_command=True) for names, line in draft.commands]
    steps = [step for step in draft.flow if step[0] != "fly"]
    if draft.added and steps != draft.flow:
        steps = _with_rows_of_add(draft.flow, anywhere=draft.iterates)
    flow = tuple(
        (kind, position + first if kind == "report" else position) for kind, position in steps
    )
    return ReportLayout(
        name,
        tuple(blocks),
        tuple(dict.fromkeys(formats)),
        None if draft.is_global else flow,  # type: ignore[arg-type]
        draft.write_report,
        tuple(draft.text_lines),
    )


def _quantity(
    name: str, kinds: Mapping[str, str], sizes: Mapping[str, tuple[int, int]]
) -> Quantity:
    if "." in name:
        last = name.rpartition(".")[2]
        if last in _MATRICES:
            return Quantity(name, "matrix", *_MATRICES[last])
        return Quantity(name, "epoch" if last.endswith("Gregorian") else "number")
    if kinds.get(name) == "Array":
        return Quantity(name, "matrix", *sizes.get(name, (1, 1)))
    if kinds.get(name) == "Variable" or name.endswith(")"):
        return Quantity(name)
    return Quantity(name, "text")
