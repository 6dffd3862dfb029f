"""Runs a notebook kept as a program whose cells begin with ``# %%``.

As a program: ``python notebook.py PROGRAM DISPLAYS`` runs all cells in the folder it is started in,
as a kernel would, and writes what the cells displayed, in order, to the pickle file DISPLAYS.
"""

from __future__ import annotations

import ast
import pickle
import sys
from pathlib import Path
from typing import Any

CELL = "# %%\n"


def cells(program: Path) -> list[str]:
    """Return the cells, each after as many newlines as put it on its lines of the file."""
    head, *bodies = program.read_text(encoding="utf-8").split(CELL)
    lines = head.count("\n") + 1
    placed = []
    for body in bodies:
        placed.append("\n" * lines + body)
        lines += body.count("\n") + 1
    return placed


def run_cell(cell: str, names: dict[str, Any], path: str = "cell") -> Any:
    """Run a cell in a namespace and return what it displays: its last line, if an expression."""
    tree = ast.parse(cell, path)
    shown = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        shown = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
    exec(compile(tree, path, "exec"), names)
    return None if shown is None else eval(compile(shown, path, "eval"), names)


def main(program: str, displays: str) -> None:
    """Run every cell of `program` and pickle what they displayed to `displays`."""
    sys.path[0] = ""
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = [run_cell(cell, names, program) for cell in cells(Path(program))]
    values = [value for value in shown if value is not None]
    Path(displays).write_bytes(pickle.dumps(values))


if __name__ == "__main__":
    main(*sys.argv[1:])
