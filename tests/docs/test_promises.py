"""Every promise of the page on reliability has tests, and the page shows them all."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from repository import PROJECT


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    """Return the hooks of the documentation's build."""
    found = importlib.util.spec_from_file_location(
        "docs_hooks", PROJECT / "tools" / "docs_hooks.py"
    )
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["docs_hooks"] = module
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(hooks: ModuleType) -> str:
    """Return the page on reliability as it is written."""
    path: Path = PROJECT / "docs" / hooks.PAGE
    return path.read_text(encoding="utf-8")


def test_the_page_gives_ten_promises_and_a_place_for_the_table(
    hooks: ModuleType, page: str
) -> None:
    assert hooks.promises_of(page) == [str(number) for number in range(1, 11)]
    assert page.count(hooks.PLACEHOLDER) == 1


def test_every_promise_has_tests(hooks: ModuleType, page: str) -> None:
    guarded = {guard.promise for guard in hooks.guards(PROJECT)}

    assert {promise for part in hooks.PARTS.values() for promise in part} == guarded
    assert set(hooks.promises_of(page)) < guarded


def test_the_table_has_a_row_for_every_mark(hooks: ModuleType) -> None:
    found = hooks.guards(PROJECT)
    lines = hooks.table(found).splitlines()

    assert len({guard.what for guard in found}) == len(found) > 70, "no fault is named twice"
    assert {guard.row for guard in found} <= set(lines)
    assert len(lines) == 2 + len(hooks.PARTS) + len(found)


def test_the_table_says_which_tests_are_soaks(hooks: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "manifest"
    folder.mkdir(parents=True)
    (folder / "test_log.py").write_text(
        '@pytest.mark.soak\n@pytest.mark.promise("1", "kills")\ndef test_kills(): ...\n'
        'class TestTails:\n    @pytest.mark.promise("short of disk", "a tail")\n'
        "    def test_tail(self): ...\n",
        encoding="utf-8",
    )

    assert [guard.row for guard in hooks.guards(tmp_path)] == [
        "| 1 | kills (soak) | `tests/manifest/test_log.py::test_kills` |",
        "| [short of disk](#short-of-disk) | a tail | `tests/manifest/test_log.py::test_tail` |",
    ]


def test_a_mark_for_a_promise_that_the_page_does_not_give_is_refused(hooks: ModuleType) -> None:
    stray = hooks.Guard("11", "rain", "tests/test_x.py", "test_x", is_soak=False)

    with pytest.raises(ValueError, match="test_x guards '11'"):
        hooks.table([stray])
