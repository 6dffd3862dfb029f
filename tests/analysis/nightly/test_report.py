"""night_report, night_page and the pictures: what is news, what is told, and how large it gets."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from drifting_nights import COLUMN, DRAWS, RUNS, night
from gmat_sweep.analysis.nightly import accept
from gmat_sweep.analysis.nightly.drift_picture import MOST_BYTES, MOST_NIGHTS, drift_picture
from gmat_sweep.analysis.nightly.page import night_page, worst_of_nights
from gmat_sweep.analysis.nightly.report import NightReport, night_before, night_report
from gmat_sweep.analysis.nightly.rules import MaterialRule

REQUIRED = [
    {"name": "low", "column": COLUMN, "limit": "< 42300", "unit": "km", "probability": 0.9,
     "confidence": 0.9}
]  # fmt: skip


def test_creep_is_news_once_and_then_told_as_what_it_is(tmp_path: Path) -> None:
    """0.03 sigma a night, exactly: against last night nothing; the fourth is beyond 0.1 sigma."""
    nights = [night(tmp_path, day, 0.03 * (day - 1)) for day in range(1, 7)]
    accept(nights[0])
    told = [night_report(each) for each in nights[3:]]

    assert [report.moved for report in told] == [False, True, False]
    assert told[1].comparison is not None
    assert not told[1].comparison.moved
    assert told[1].newly_away == (COLUMN,)
    assert f"Newly away from the baseline: {COLUMN} (1 away" in told[1].headline()
    still = f"Still 1 away from the baseline {nights[0].name}: {COLUMN}."
    assert told[2].headline().endswith(still)
    [line] = told[2].drift
    assert line.shifts == pytest.approx([0.03 * each for each in range(1, 6)])
    assert line.limit == pytest.approx(0.1)
    # A size of its own, and nothing is away.
    rule = MaterialRule(quantities={COLUMN: "1 sigma"})
    wide = night_report(nights[5], rule=rule)
    assert wide.newly_away == ()
    assert wide.drift[0].limit == pytest.approx(1.0)


def test_two_comparisons_share_the_false_alarms_of_a_night(tmp_path: Path) -> None:
    nights = [night(tmp_path, day) for day in range(1, 4)]
    alone = night_report(nights[1]).comparison
    accept(nights[0])
    same = night_report(nights[1]).comparison
    both = night_report(nights[2], rule=MaterialRule(false_alarms=0.04))

    for one in (alone, same):
        assert one is not None
        assert one.rule.false_alarms == 0.01
    for each in (both.comparison, both.against_baseline):
        assert each is not None
        assert each.rule.false_alarms == 0.02


def test_a_night_that_was_stopped_is_nobodys_last_night(tmp_path: Path) -> None:
    """Nor one whose new draws are missing."""
    first = night(tmp_path, 1)
    night(tmp_path, 2, flown=5)
    third = night(tmp_path, 3, new_draws=4)
    (third / "rotating" / "manifest.jsonl").write_text("")
    tonight = night(tmp_path, 4)

    assert night_before(tonight) == first
    assert night_report(tonight).last_night == first


def test_a_baseline_that_is_gone_costs_no_night(tmp_path: Path) -> None:
    first = night(tmp_path, 1)
    accept(first)
    night(tmp_path, 2)
    with (first / "manifest.jsonl").open("a") as manifest:
        manifest.write("\n")

    report = night_report(night(tmp_path, 3))

    assert report.baseline is None
    assert "Not compared with a baseline: the baseline" in report.headline()
    assert "gmat-sweep baseline accept" in report.headline()
    assert not report.moved


def test_the_page_has_verdicts_drift_what_changed_and_the_command_of_a_replay(
    tmp_path: Path,
) -> None:
    """New draws add up; the page stays small."""
    accept(night(tmp_path, 1, new_draws=6))
    night(tmp_path, 2, 0.01, new_draws=6)
    report = night_report(night(tmp_path, 3, 0.5, new_draws=6), requirements=REQUIRED)
    report.write()
    page = night_page(report)

    assert report.accumulation is not None
    assert report.accumulation.verdicts.requirements[0].n == RUNS + 3 * 6
    places = [page.index(each) for each in (
        "**Moved: 1 of 1 quantity.", "## Requirements", "## Runs to look at",
        "## Drift over nights", "# Tonight against last night", "# Tonight against the baseline",
    )]  # fmt: skip
    assert places == sorted(places)
    assert "3 nights, 30 runs count." in page
    [*commands] = re.findall(r"`gmat-sweep replay (\S+) --run (\d+)`", page)
    assert len(commands) == 3 + 1
    assert all(Path(manifest).is_file() for manifest, _ in commands)
    # The worst run by hand: the largest of all that count.
    ends = [DRAWS, *(np.random.default_rng(day).normal(42164, 30, 6) for day in (1, 2, 3))]
    rows = worst_of_nights(report)
    assert rows[0]["value"] == pytest.approx(max(map(np.max, ends)))
    assert len(rows) == 10
    json.dumps(rows, allow_nan=False)
    assert len(page) < 20_000
    assert "data:image" not in night_page(report, pictures=False)
    names = {path.name for path in report.tonight.iterdir() if path.is_file()}
    assert names >= {
        "comparison.md", "comparison.json", "baseline-comparison.json", "accumulated.json",
        "accumulated.md",
    }  # fmt: skip


def test_a_first_night_is_told_and_is_no_news(tmp_path: Path) -> None:
    report = night_report(night(tmp_path, 1))

    assert (report.headline(), report.moved, report.drift) == ("The first night.", False, ())
    assert night_page(report) == "**The first night.**\n"
    assert worst_of_nights(NightReport(tonight=tmp_path)) == []


def test_drift_of_a_quantity_without_spread_is_in_its_own_unit(tmp_path: Path) -> None:
    """Of a sigma that is rounding, half a kilometre was +9.4e+10 sigma."""
    constant = np.full(len(DRAWS), 7000.0)
    constant[::2] += 1e-9
    for day, by in ((1, 0.0), (2, 0.2), (3, 0.5)):
        tonight = night(tmp_path, day, values=constant + by)

    [line] = night_report(tonight).drift
    assert (line.unit, line.title) == ("km", f"{COLUMN}: +0.5 km")
    assert line.shifts == pytest.approx([0, 0.2, 0.5])
    # A millimetre.
    assert line.limit == 1e-6


def test_a_picture_is_an_svg_that_is_small_whatever_is_drawn() -> None:
    """Of a hundred nights the latest; gaps and infinities leave it whole; names are no markup."""
    names = [f"night {number} <&>" for number in range(100)]
    shifts = [float("nan") if each % 7 == 3 else 1e3 * each for each in range(100)]
    shifts[50] = float("inf")
    picture = drift_picture("<script>&" * 20, names, shifts, 0.1, changed=names)

    head, _, body = picture.partition(",")
    assert head == "data:image/svg+xml;base64"
    assert len(picture) <= MOST_BYTES
    root = ET.fromstring(base64.b64decode(body))
    kinds = [each.tag.rpartition("}")[2] for each in root]
    assert kinds.count("circle") == sum(np.isfinite(shifts[-MOST_NIGHTS:]))
    assert "script" not in kinds
    # Nothing to draw is a picture, too.
    for nights, values in (([], []), (["a"], [float("nan")]), (["a"], [0.0])):
        assert drift_picture("x", nights, values, float("inf")).startswith("data:image/svg+xml")


def test_a_picture_shows_where_the_line_is() -> None:
    """Half way between zero and the limit is half way up, by the ordinates of the circles."""
    body = drift_picture("x", ["a", "b", "c"], [0.0, 0.05, 0.1], 0.1).partition(",")[2]
    svg = base64.b64decode(body).decode()
    heights = [float(each) for each in re.findall(r'<circle cx="[\d.]+" cy="([\d.]+)"', svg)]

    assert heights[0] > heights[1] > heights[2]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
