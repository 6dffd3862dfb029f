"""What notebooks show of a sweep, an outcome and a manifest entry."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep.manifest import ManifestEntry
from gmat_sweep.notebook import entry_html, outcome_html, sweep_html
from gmat_sweep.spec import RunOutcome

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOSTILE = "<script>alert('&\"')</script>"


class Table(HTMLParser):
    """The tags that open and close in a text, and the rows of its table as text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.caption = ""
        self.rows: dict[str, str] = {}
        self._cells: list[str] = []
        self._in = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append(tag)
        if tag == "br":
            self._cells[-1] += "\n"
            return
        self._in = tag
        if tag == "tr":
            self._cells = []
        elif tag in ("th", "td"):
            self._cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in = ""
        if tag == "tr":
            name, value = self._cells
            self.rows[name] = value

    def handle_data(self, data: str) -> None:
        if self._in == "caption":
            self.caption += data
        else:
            self._cells[-1] += data


def outcome(**changes: Any) -> RunOutcome:
    """Return the outcome of a run that left one file of each kind."""
    ok = RunOutcome.ok(
        run_id=3,
        output_paths={"report__R": Path("run-3/report__R.parquet")},
        extra_outputs={"metrics": Path("run-3/metrics.parquet")},
        solver_paths={"DC": Path("run-3/solver__DC.parquet")},
        converged={"DC": False},
        postprocess_status="ok",
        started_at=NOON,
        ended_at=NOON.replace(minute=1),
        duration_s=59.999,
    )
    return replace(ok, **changes)


def entry(**changes: Any) -> ManifestEntry:
    """Return the manifest entry of `outcome`."""
    recorded = ManifestEntry.from_outcome(
        outcome(),
        overrides={"Sat.SMA": 7000.5, "Sat.Epoch": "01 Jan 2026"},
        context={"truth": [1, 2]},
        log_path=Path("run-3/worker.log"),
    )
    return replace(recorded, **changes)


def view_of_sweep(**changes: Any) -> Table:
    facts: dict[str, Any] = {
        "script_path": Path("leo.script"),
        "script_sha256": "0123456789abcdef" * 4,
        "run_count": 4,
        "kind": "grid",
        "backend": "LocalJoblibPool",
        "sweep_seed": None,
        "statuses": None,
    }
    return Table(sweep_html(**{**facts, **changes}))


@pytest.mark.parametrize(
    "text", [outcome()._repr_html_(), entry()._repr_html_(), outcome_html(outcome())]
)
def test_a_view_is_one_table_and_nothing_else(text: str) -> None:
    assert text.startswith("<table")
    assert text.endswith("</table>")
    assert Table(text).opened.count("table") == 1
    assert set(Table(text).opened) - {"br"} == {"table", "caption", "tbody", "tr", "th", "td"}


def test_an_outcome_shows_what_came_of_the_run() -> None:
    table = Table(outcome()._repr_html_())

    assert table.caption == "RunOutcome"
    assert table.rows == {
        "run_id": "3",
        "status": "ok",
        "duration": "60.00 s",
        "started_at": "2026-01-01T12:00:00+00:00",
        "ended_at": "2026-01-01T12:01:00+00:00",
        "output_paths": "report__R: run-3/report__R.parquet",
        "extra_outputs": "metrics: run-3/metrics.parquet",
        "solver_paths": "DC: run-3/solver__DC.parquet",
        "converged": "DC: False",
        "postprocess_status": "ok",
        "stderr": "(no stderr)",
    }


def test_an_entry_also_shows_what_the_run_was_given_and_its_log() -> None:
    table = Table(entry()._repr_html_())
    more = {name: table.rows[name] for name in table.rows.keys() - outcome_rows()}

    assert table.caption == "ManifestEntry"
    assert outcome_rows() <= table.rows.keys()
    assert more == {
        "log_path": "run-3/worker.log",
        "overrides": "Sat.SMA: 7000.5\nSat.Epoch: 01 Jan 2026",
        "context": "truth: [1, 2]",
    }


def outcome_rows() -> set[str]:
    return set(Table(outcome_html(outcome())).rows)


def test_empty_maps_and_a_missing_log_are_none() -> None:
    empty = entry(
        output_paths={}, extra_outputs={}, solver_paths={}, converged={}, overrides={}, context={},
        log_path=None,
    )  # fmt: skip
    rows = Table(entry_html(empty)).rows

    assert sorted(name for name, value in rows.items() if value == "(none)") == [
        "context", "converged", "extra_outputs", "log_path", "output_paths", "overrides",
        "solver_paths",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stderr", "shown"),
    [
        (None, "(no stderr)"),
        (" \n", "(no stderr)"),
        ("disk full\nsecond line", "disk full"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 77 + "..."),
        (
            'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: too low\n',
            "ValueError: too low",
        ),
    ],
)
def test_of_the_stderr_the_cause_is_shown_cut_to_80_characters(
    stderr: str | None, shown: str
) -> None:
    assert Table(outcome_html(outcome(stderr=stderr))).rows["stderr"] == shown
    assert Table(entry_html(entry(stderr=stderr))).rows["stderr"] == shown


@settings(max_examples=30)
@given(st.text(alphabet=st.sampled_from("<>&\"' ab/="), min_size=1, max_size=12))
def test_whatever_a_record_holds_stays_text(text: str) -> None:
    hostile = entry(
        overrides={text: text}, output_paths={text: Path("a")}, converged={text: True},
        context={"note": text}, stderr=f"x{text}", log_path=Path(f"x{text}"),
    )  # fmt: skip
    table = Table(entry_html(hostile))

    assert set(table.opened) == {"table", "caption", "tbody", "tr", "th", "td"}
    assert table.rows["overrides"] == f"{text}: {text}"
    assert table.rows["context"] == f"note: {text}"


def test_a_sweep_that_has_not_run_says_so() -> None:
    table = view_of_sweep()

    assert table.caption == "Sweep"
    assert table.rows == {
        "script": "leo.script",
        "script_sha256": "0123456789ab",
        "run_count": "4",
        "parameter_spec._kind": "grid",
        "backend": "LocalJoblibPool",
        "status": "not yet executed",
    }


@pytest.mark.parametrize(
    ("statuses", "outcomes"),
    [
        ([], "0 ok, 0 failed, 0 skipped"),
        (["ok", "failed", "ok"], "2 ok, 1 failed, 0 skipped"),
        (["skipped", "banana"], "0 ok, 0 failed, 1 skipped, 1 other"),
    ],
)
def test_a_sweep_that_has_run_counts_its_outcomes(statuses: list[str], outcomes: str) -> None:
    rows = view_of_sweep(statuses=statuses).rows

    assert rows["outcomes"] == outcomes
    assert "status" not in rows


def test_a_sweep_shows_a_seed_of_zero() -> None:
    assert view_of_sweep(sweep_seed=0).rows["sweep_seed"] == "0"


def test_a_script_that_cannot_be_read_has_no_hash() -> None:
    assert view_of_sweep(script_sha256=None).rows["script_sha256"] == "(script not readable)"


def test_the_facts_of_a_sweep_stay_text() -> None:
    table = view_of_sweep(script_path=Path(HOSTILE), kind=HOSTILE, backend=HOSTILE)

    assert "script" not in table.opened
    assert table.rows["script"] == HOSTILE


def test_the_records_do_not_load_the_views_until_they_are_shown() -> None:
    check = "import sys, gmat_sweep.manifest; sys.exit('gmat_sweep.notebook' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_a_sweep_says_where_its_failures_lie() -> None:
    note = "23 of 40 failed, all with Sat.INC < 0 (p = 1e-11)"

    text = sweep_html(
        script_path=Path("m.script"), script_sha256=None, run_count=40, kind="monte_carlo",
        backend="LocalJoblibPool", sweep_seed=1, statuses=["ok"], notes=[note],
    )  # fmt: skip

    assert Table(text).rows["failures"] == note
