"""Rows get their block from the order that the script allows, and only where that is certain."""

from pathlib import Path

import pytest

from gmat_sweep.mission.report_layout import report_layouts
from gmat_sweep.mission.statements import ScriptText
from gmat_sweep.worker.report_order import Candidate, NoReadingError, ordered_rows

NO_HEADERS = "Create ReportFile R;\nR.WriteHeaders = false;\nBeginMissionSequence;\n"

ADD = "R.Add = {x};\n"


def blocks_of(script: str, rows: int) -> tuple[list[int], bool]:
    """The blocks of rows that look as if they could be of any block, and whether they are sure."""
    layout = report_layouts(ScriptText(Path("m"), (NO_HEADERS + script).encode()).statements)["R"]
    candidates = [
        [Candidate(block, ("1",), line + 1) for block in range(len(layout.blocks))]
        for line in range(rows)
    ]
    read = ordered_rows(layout, candidates, [frozenset()] * rows)
    return [row.block for row in read.rows], read.is_certain


@pytest.mark.parametrize(
    ("script", "blocks"),
    [
        ("Report R a;\nReport R b;\n", [0, 1]),
        ("While n;\nReport R a;\nReport R b;\nEndWhile;\n", [0, 1, 0, 1]),
        ("For n = 1:3;\nReport R a;\nEndFor;\nReport R b;\n", [0, 0, 0, 1]),
        ("Target DC;\nReport R a;\nReport R b;\nEndTarget;\nReport R c;\n", [0, 1, 0, 1, 2]),
        ("If n;\nReport R a;\nEndIf;\nReport R b;\n", [0, 1]),
        ("If n;\nReport R a;\nElse;\nPropagate P(S);\nEndIf;\nReport R b;\n", [1]),
        (f"{ADD}Propagate P(S);\nReport R a;\n", [0, 0, 1]),
        (f"{ADD}Report R a;\nPropagate P(S);\nManeuver B(S);\nReport R b;\n", [1, 0, 0, 2]),
        (f"{ADD}For n = 1:3;\nReport R a;\nEndFor;\nPropagate P(S);\n", [1, 1, 1, 0, 0]),
        (f"{ADD}For n = 3:-2:1;\nReport R a;\nReport R b;\nEndFor;\nF(n);\n", [1, 2, 1, 2, 0]),
        (f"Create GmatFunction F;\n{ADD}Report R a;\nn = F(2);\nReport R b;\n", [1, 0, 2]),
        (f"{ADD}Report R a;\n[n] = F(2);\nReport R b;\n", [1, 0, 2]),
        (f"{ADD}For n = 1:0;\nReport R a;\nEndFor;\nPropagate P(S);\n", [0, 0]),
    ],
)  # fmt: skip
def test_order_tells_rows_apart(script: str, blocks: list[int]) -> None:
    assert blocks_of(script, len(blocks)) == (blocks, True)


@pytest.mark.parametrize(
    ("script", "rows"),
    [
        ("If n;\nReport R a;\nElse;\nReport R b;\nEndIf;\n", 1),
        ("While n;\nReport R a;\nEndWhile;\nWhile n;\nReport R b;\nEndWhile;\n", 2),
        (f"{ADD}Propagate P(S);\nReport R a;\nPropagate P(S);\nReport R b;\n", 5),
        (f"{ADD}While n;\nPropagate P(S);\nReport R a;\nEndWhile;\n", 4),
        (f"{ADD}For n = 1:k;\nReport R a;\nEndFor;\nPropagate P(S);\n", 4),
        (f"{ADD}For n = 1:3;\nn = 3;\nReport R a;\nEndFor;\nPropagate P(S);\n", 4),
        (f"{ADD}R.SolverIterations = None;\nReport R a;\nPropagate P(S);\n", 2),
        # The script allows two rows only: another order than thought, so nothing is certain.
        ("Report R a;\nReport R b;\n", 3),
    ],
)
def test_order_that_leaves_a_doubt_says_so(script: str, rows: int) -> None:
    assert not blocks_of(script, rows)[1]


def test_a_line_that_no_block_has_ends_the_reading() -> None:
    layout = report_layouts(
        ScriptText(Path("m"), (NO_HEADERS + "Report R a;\nReport R b;").encode()).statements
    )["R"]

    with pytest.raises(NoReadingError) as caught:
        ordered_rows(layout, [[Candidate(0, ("1",), 1)], []], [frozenset()] * 2)
    assert (caught.value.line, caught.value.several) == (1, False)
