"""The page on reliability names tests that exist, and says which of them are soaks."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = re.findall(
    r"^\| (.+?) \| `(tests/\w+\.py)::(\w+)` \|$",
    (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_there_are_rows() -> None:
    assert len(ROWS) > 40


@pytest.mark.parametrize(("what", "file", "name"), ROWS)
def test_a_row_names_a_test_that_is_run_when_it_says(what: str, file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    found = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name
    ]

    assert len(found) == 1
    marks = {ast.unparse(mark) for mark in found[0].decorator_list}
    assert ("pytest.mark.soak" in marks) == what.endswith("(soak)")
