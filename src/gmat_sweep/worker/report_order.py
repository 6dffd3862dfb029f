"""Say which block of a report each row belongs to, from the order that the script allows.

A row does not name its quantities. After a ``Report`` command has written its header once, its rows
come without one, between those of other commands. `ordered_rows` follows the mission sequence:
commands one after the other, again in loops, or not in branches, and rows of ``Add`` where the
spacecraft fly. It finds the rows that every reading of the file agrees on, and says if readings
differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gmat_sweep.mission.report_layout import FlowStep, ReportBlock, ReportLayout
from gmat_sweep.worker.report_rows import Cells

__all__ = ["Candidate", "NoReadingError", "OrderedRows", "ordered_rows"]

_MOST_STEPS = 1000
_MOST_MOVES = 200_000
"""Of steps and lines together, so that a long report takes no more time than a second."""


class NoReadingError(ValueError):
    """No single reading of the file fits the script.

    Attributes
    ----------
    line : int
        0-based line up to which the file could be read.
    several : bool
        Whether there are several readings with other values, instead of none.
    """

    def __init__(self, line: int, *, several: bool = False) -> None:
        super().__init__(f"line {line}")
        self.line = line
        self.several = several


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to read what stands at a line.

    Attributes
    ----------
    block : int
        Position of the block in the layout.
    cells : tuple of str
        The row.
    end : int
        The line after the row.
    """

    block: int
    cells: Cells
    end: int


@dataclass(frozen=True, slots=True)
class OrderedRows:
    """The rows of a file, in order.

    Attributes
    ----------
    rows : list of Candidate
        One per row; if the names of its columns are in doubt, any of the blocks it may belong to.
    is_certain : bool
        Whether the names of all columns are known.
    """

    rows: list[Candidate]
    is_certain: bool


@dataclass(slots=True)
class _Automaton:
    """The mission sequence as states; rows lead from one to the next."""

    edges: list[list[tuple[int, int]]] = field(default_factory=list)
    silent: list[list[int]] = field(default_factory=list)

    def state(self) -> int:
        self.edges.append([])
        self.silent.append([])
        return len(self.edges) - 1

    def reached(self, states: Iterable[int]) -> frozenset[int]:
        """Return the states that can be had from `states` without a row."""
        found = set(states)
        waiting = list(found)
        while waiting:
            for target in self.silent[waiting.pop()]:
                if target not in found:
                    found.add(target)
                    waiting.append(target)
        return frozenset(found)


@dataclass(slots=True)
class _Open:
    """A loop or branch whose end has not come yet."""

    kind: str
    first: int
    ends: list[int] = field(default_factory=list)
    is_complete: bool = False
    """Whether there is an Else, so that one of the branches is flown."""


def _unrolled(flow: Sequence[FlowStep], most: int) -> list[FlowStep]:
    """Write out loops that are flown a known number of times, those of at most `most` steps."""
    opened: list[tuple[FlowStep, list[FlowStep]]] = []
    steps: list[FlowStep] = []
    for step in flow:
        if step[0] in {"turns", "loop", "solver", "if"}:
            opened.append((step, steps))
            steps = []
        elif step[0] == "end" and opened:
            (kind, turns), body, steps = opened[-1][0], steps, opened.pop()[1]
            if kind != "turns":
                steps += [(kind, turns), *body, step]
            elif any(inner[0] in {"report", "fly"} for inner in body):
                if len(body) * turns <= most:
                    steps += body * turns
                else:
                    steps += [("loop", 0), *body, step]
        else:
            steps.append(step)
    return steps


def _sequence(layout: ReportLayout, lines: int) -> tuple[_Automaton, int]:
    """Return the automaton of a layout's mission sequence, and its last state."""
    automaton = _Automaton()
    here = automaton.state()
    over = automaton.state()
    opened: list[_Open] = []
    for kind, block in _unrolled(layout.flow or (), min(_MOST_STEPS, _MOST_MOVES // max(lines, 1))):
        if kind == "report":
            after = automaton.state()
            automaton.edges[here].append((block, after))
            here = after
        elif kind == "stop":
            automaton.silent[here].append(over)
        elif kind == "fly":
            during = automaton.state()
            automaton.silent[here].append(during)
            # The block of Add is the first.
            automaton.edges[during].append((0, during))
            here = during
        elif kind in {"loop", "solver", "if"}:
            first = automaton.state()
            automaton.silent[here].append(first)
            opened.append(_Open(kind, first))
            here = first
        elif kind == "else" and opened:
            opened[-1].ends.append(here)
            opened[-1].is_complete = bool(block)
            here = automaton.state()
            automaton.silent[opened[-1].first].append(here)
        elif kind == "end" and opened:
            closed = opened.pop()
            after = automaton.state()
            if closed.kind != "if":
                automaton.silent[here].append(closed.first)
            # A solver flies its commands once at least.
            ends = [closed.first] if closed.kind == "loop" else [*closed.ends, here]
            if closed.kind == "if" and not closed.is_complete:
                ends.append(closed.first)
            for end in ends:
                automaton.silent[end].append(after)
            here = after
    automaton.silent[here].append(over)
    return automaton, over


def _any_order(layout: ReportLayout) -> tuple[_Automaton, int]:
    automaton = _Automaton()
    here = automaton.state()
    automaton.edges[here] = [(position, here) for position in range(len(layout.blocks))]
    return automaton, here


def ordered_rows(
    layout: ReportLayout,
    candidates: Sequence[Sequence[Candidate]],
    headers: Sequence[frozenset[tuple[str, ...]]],
) -> OrderedRows:
    """Read a whole file.

    Parameters
    ----------
    layout : ReportLayout
        What the script declares.
    candidates : sequence of sequences of Candidate
        For each line, the rows that may start there.
    headers : sequence of frozenset
        For each line, the names of the blocks whose header it may be.

    Raises
    ------
    NoReadingError
        The file cannot be read, or in ways that differ in the values.
    """
    if layout.flow is not None:
        try:
            return _read(layout, candidates, headers, *_sequence(layout, len(candidates)))
        except NoReadingError as error:
            if error.several:
                raise
    # A solver that writes over its own rows, or a function that reports, leaves another order.
    return _read(layout, candidates, headers, *_any_order(layout))


@dataclass(frozen=True, slots=True)
class _Move:
    source: int
    row: Candidate
    target: int


def _read(
    layout: ReportLayout,
    candidates: Sequence[Sequence[Candidate]],
    headers: Sequence[frozenset[tuple[str, ...]]],
    automaton: _Automaton,
    last: int,
) -> OrderedRows:
    total = len(candidates)
    closures = [automaton.reached([state]) for state in range(len(automaton.edges))]
    is_strict = all(form.headers for form in layout.formats)
    first_header = _first_headers(headers) if is_strict else None
    states: list[set[int]] = [set() for _ in range(total + 1)]
    states[0] |= closures[0]
    moves: list[list[_Move]] = [[] for _ in range(total)]
    furthest = 0
    for line in range(total):
        if not states[line]:
            continue
        furthest = line
        for row in _rows_at(line, layout.blocks, candidates, headers, first_header):
            for source in states[line]:
                for target in _targets(automaton, source, row.block):
                    moves[line].append(_Move(source, row, target))
                    states[row.end] |= closures[target]
    # From the end: the moves from which the rest of the file can be read.
    sources: list[set[int]] = [set() for _ in range(total)]
    for line in range(total - 1, -1, -1):
        moves[line] = [
            move
            for move in moves[line]
            if (
                last in closures[move.target]
                if move.row.end == total
                else closures[move.target] & sources[move.row.end]
            )
        ]
        sources[line] = {move.source for move in moves[line]}
    if not moves[0]:
        raise NoReadingError(furthest)
    return _agreed(layout.blocks, moves)


def _first_headers(headers: Sequence[frozenset[tuple[str, ...]]]) -> dict[tuple[str, ...], int]:
    found: dict[tuple[str, ...], int] = {}
    for line, names in enumerate(headers):
        for name in names:
            found.setdefault(name, line)
    return found


def _rows_at(
    line: int,
    blocks: Sequence[ReportBlock],
    candidates: Sequence[Sequence[Candidate]],
    headers: Sequence[frozenset[tuple[str, ...]]],
    first_header: Mapping[tuple[str, ...], int] | None,
) -> Iterator[Candidate]:
    """Yield the rows that may come next: that of a header, or one without a header of its own."""
    if headers[line] and line + 1 < len(candidates):
        for row in candidates[line + 1]:
            if blocks[row.block].names in headers[line]:
                yield row
    for row in candidates[line]:
        block = blocks[row.block]
        # With headers on throughout, no command writes a row before its header. That of Add is left
        # out for good if a command within a solver has written first.
        before = -1 if not block.by_command else line
        if first_header is None or first_header.get(block.names, before) < line:
            yield row


def _targets(automaton: _Automaton, source: int, position: int) -> Iterator[int]:
    for wanted, target in automaton.edges[source]:
        if wanted == position:
            yield target


def _agreed(blocks: Sequence[ReportBlock], moves: Sequence[Sequence[_Move]]) -> OrderedRows:
    """Walk through the file along all readings at once."""
    rows: list[Candidate] = []
    is_certain = True
    line = 0
    while line < len(moves):
        found = {(move.row.cells, move.row.end): move.row for move in moves[line]}
        if len(found) != 1:
            raise NoReadingError(line, several=True)
        names = {blocks[move.row.block].labels for move in moves[line]}
        is_certain = is_certain and len(names) == 1
        row = next(iter(found.values()))
        rows.append(row)
        line = row.end
    return OrderedRows(rows, is_certain)
