"""A hook of `mkdocs build`, which adds the table of tests to the page on reliability.

A test says which promise it guards: ``@pytest.mark.promise("1", "a flipped bit")``. The hook finds
these marks in every file below ``tests/``, without importing one, and writes the table in place of
`PLACEHOLDER`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
PAGE = "reliability.md"
PLACEHOLDER = "<!-- tests of the promises -->"

# The parts of the table, in order, and the promises whose tests stand in each. The ten promises
# have numbers on the page. The three that follow from them have the names of their sections.
PARTS = {
    "the manifest": ("1", "3", "4"),
    "sealed run folders and the doctor": ("2", "5"),
    "runs": ("7", "9", "kept workers", "short of disk"),
    "the driver and the server": ("6", "8", "10"),
    "somebody else's folders": ("folders from somebody else",),
}


@dataclass(frozen=True)
class Guard:
    """A test that fails if a promise is broken."""

    promise: str
    what: str
    file: str
    test: str
    is_soak: bool

    @property
    def row(self) -> str:
        """The test's row of the table."""
        soak = " (soak)" if self.is_soak else ""
        section = f"[{self.promise}](#{self.promise.replace(' ', '-')})"
        promise = self.promise if self.promise.isdigit() else section
        return f"| {promise} | {self.what}{soak} | `{self.file}::{self.test}` |"


def guards(root: Path = ROOT) -> list[Guard]:
    """Return every test that has the mark, by file and line."""
    return [guard for path in sorted((root / "tests").rglob("*.py")) for guard in _in(path, root)]


def _in(path: Path, root: Path) -> Iterator[Guard]:
    file = path.relative_to(root).as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef):
            continue
        marks = {ast.unparse(mark) for mark in node.decorator_list}
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.promise":
                promise, what = (str(ast.literal_eval(word)) for word in mark.args)
                yield Guard(promise, what, file, node.name, "pytest.mark.soak" in marks)


def table(found: list[Guard]) -> str:
    """Return the table of the tests.

    Raises
    ------
    ValueError
        A mark names a promise that the page does not give.
    """
    lines = ["| promise | what happens | test |", "|---|---|---|"]
    known = [promise for promises in PARTS.values() for promise in promises]
    for guard in found:
        if guard.promise not in known:
            raise ValueError(f"{guard.file}: {guard.test} guards {guard.promise!r}, no promise.")
    for part, promises in PARTS.items():
        lines.append(f"| | **{part}** | |")
        lines += [guard.row for promise in promises for guard in found if guard.promise == promise]
    return "\n".join(lines)


def promises_of(markdown: str) -> list[str]:
    """Return the numbers of the promises that the page gives."""
    return re.findall(r"^(\d+)\. \*\*", markdown, re.MULTILINE)


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Put the table of tests into its page."""
    if page.file.src_uri != PAGE:
        return markdown
    if PLACEHOLDER not in markdown:
        raise ValueError(f"docs/{PAGE} has no {PLACEHOLDER}, where the table of tests belongs.")
    return markdown.replace(PLACEHOLDER, table(guards()))
