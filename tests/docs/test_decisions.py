"""Every decision has a page of the same form."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from repository import PROJECT

PAGES = sorted({*(PROJECT / "docs" / "decisions").glob("*.md")})
FORM = re.compile(
    r"# (?P<title>.+)\n\n"
    r"\*\*Status:\*\* (accepted|replaced by \[.+\]\(.+\)) · \*\*Date:\*\* (?P<date>[\d-]+)\n\n"
)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "index.md"])
def test_a_decision_has_a_title_a_status_a_date_and_a_line_in_the_index(page: Path) -> None:
    found = FORM.match(page.read_text(encoding="utf-8"))
    index = (page.parent / "index.md").read_text(encoding="utf-8")

    assert found is not None
    assert date.fromisoformat(found["date"]) >= date(2026, 11, 20)
    assert f"| [{found['title']}]({page.name}) | " in index
