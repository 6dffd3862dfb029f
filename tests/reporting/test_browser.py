"""The page of a report as a reader meets it, in headless Chromium, opened as a file.

The pictures are kept in the folder that ``REPORT_PICTURES`` names, or else with the test's files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Request, expect

from chromium import LOOK_MS
from gmat_sweep.manifest import Manifest
from gmat_sweep.reporting import html, html_report
from gmat_sweep.reporting.collected import Content, collect
from gmat_sweep.reporting.columns import PageColumn, packed
from reported_sweep import REQUIRED, reported_sweep

pytestmark = pytest.mark.browser

_DESKTOP: Any = {"width": 1280, "height": 900}
_NARROW: Any = {"width": 390, "height": 844}
HOSTILE = "</script><img src=http://127.0.0.1:9/x onerror='window.hacked=1'><b>no</b> orbit"

# Where a run's point is on the screen, by what Plotly says of its axes.
_POINT = """run => {
    const plot = document.getElementById("scatter");
    const table = JSON.parse(document.getElementById("data").textContent);
    for (const trace of plot._fullData) for (let at = 0; at < trace.x.length; at += 1) {
        const runs = new Int32Array(Uint8Array.from(atob(table.runs), c => c.charCodeAt(0)).buffer);
        if (runs[trace.customdata[at]] !== run) continue;
        const {xaxis, yaxis} = plot._fullLayout;
        const box = plot.getBoundingClientRect();
        return [box.left + xaxis._offset + xaxis.c2p(trace.x[at]),
                box.top + yaxis._offset + yaxis.c2p(trace.y[at])];
    }
}"""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reported_sweep(tmp_path_factory.mktemp("sweep") / "mc", 300, more=3, cause=HOSTILE)


@pytest.fixture(scope="module")
def report(sweep: Path) -> Path:
    return html_report(sweep, sweep.parent / "report.html", REQUIRED["requirement"])


class Watched:
    """A page with all that it said and asked for."""

    def __init__(self, browser: Browser, path: Path, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": _DESKTOP, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(LOOK_MS)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda each: self.said.append(f"{each.type}: {each.text}"))
        self.page.on("pageerror", lambda each: self.said.append(f"thrown: {each}"))
        self.page.on("request", self._note)
        self.address = path.as_uri()
        self.page.goto(self.address)
        self.page.wait_for_function("document.documentElement.dataset.readyAfter")

    def _note(self, request: Request) -> None:
        # A blob is the page's own memory, as is a picture that it makes to be saved.
        if not request.url.startswith(("blob:", "data:")):
            self.asked.append(request.url)


@pytest.fixture
def watched(browser: Browser, report: Path) -> Iterator[Watched]:
    """The page, which may not have said or asked for anything when the test is over."""
    opened = Watched(browser, report)
    yield opened
    opened.context.close()
    assert opened.said == []
    assert opened.asked == [opened.address]


def hover(page: Page, run_id: int) -> Any:
    """Move the mouse onto the point of a run, and return what shows."""
    page.locator("#scatter").scroll_into_view_if_needed()
    x, y = page.evaluate(_POINT, run_id)
    page.mouse.move(x + 2, y + 2)
    page.mouse.move(x, y)
    return page.locator("#hover")


def shown_runs(page: Page) -> list[str]:
    return page.locator("#table tbody th").all_inner_texts()


def test_hover_shows_the_run_with_its_inputs_and_a_click_opens_it(
    watched: Watched, sweep: Path
) -> None:
    entries = Manifest.load(sweep).latest()
    values = {run: e.overrides["Injection.Element1"] for run, e in entries.items() if e.overrides}
    outermost = max((run for run in values if entries[run].status == "ok"), key=values.__getitem__)
    page = watched.page

    box = hover(page, outermost)
    expect(box).to_contain_text(f"run {outermost}")
    for value in entries[outermost].overrides.values():
        expect(box).to_contain_text(f"{value:.9g}")

    page.mouse.down()
    page.mouse.up()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"gmat-sweep replay {sweep} --run {outermost}")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()


def test_failed_runs_are_filtered_by_choice_and_by_a_comparison(
    watched: Watched, sweep: Path
) -> None:
    entries = Manifest.load(sweep).latest()
    failed = sorted(run for run, each in entries.items() if each.status == "failed")
    page = watched.page

    page.locator("#which").select_option(f"failed ({len(failed)})")
    expect(page.locator("#count")).to_have_text(f"{len(failed)} of 301 runs")
    page.locator("#size").select_option("200")
    assert shown_runs(page) == [str(run) for run in failed]
    expect(page.locator("#table tbody")).to_contain_text(HOSTILE)
    expect(page.locator("#spread-note")).to_contain_text("0 of the shown runs")

    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#count")).to_have_text("301 of 301 runs")
    page.get_by_label("Search").fill("DryMass < 600")
    expect(page.locator("#count")).to_have_text(f"{len(failed)} of 301 runs")
    page.get_by_label("Search").fill("run 7")
    expect(page.locator("#count")).to_have_text("1 of 301 runs")


def test_axes_are_picked_and_zoomed_and_a_box_selects_runs(watched: Watched) -> None:
    page = watched.page
    page.locator("#x").select_option("Sat.DryMass")
    page.locator("#y").select_option("Sat.RAAN")
    title = page.locator("#scatter .xtitle")
    expect(title).to_have_text("Sat.DryMass (kg)")
    expect(page.locator("#scatter .legend")).to_contain_text("failed (")
    page.get_by_role("button", name="Swap axes").click()
    expect(title).to_have_text("Sat.RAAN (deg)")

    reach = "document.getElementById('scatter')._fullLayout.xaxis.range"
    before = page.evaluate(reach)
    assert before[0] < 0 < before[1] < 10, "0.1 and 359.9 degrees are neighbours"
    page.locator("#scatter").scroll_into_view_if_needed()
    box = page.locator("#scatter .nsewdrag").first.bounding_box()
    assert box is not None
    corners = [(box["x"] + box["width"] * at, box["y"] + box["height"] * at) for at in (0.3, 0.7)]

    def drag() -> None:
        page.mouse.move(*corners[0])
        page.mouse.down()
        page.mouse.move(*corners[1], steps=4)
        page.mouse.up()

    drag()
    page.wait_for_function(f"{reach}[1] - {reach}[0] < {0.6 * (before[1] - before[0])}")
    page.evaluate("Plotly.relayout('scatter', {dragmode: 'select'})")
    drag()
    expect(page.locator("#count")).to_contain_text("selected in the plot")


def test_the_table_is_sorted_and_paged_with_the_keyboard_alone(
    watched: Watched, sweep: Path
) -> None:
    masses = {
        r: e.overrides["Sat.DryMass"] for r, e in Manifest.load(sweep).latest().items() if r >= 0
    }
    page = watched.page
    head = page.locator("#table thead button", has_text=re.compile("DryMass"))

    head.focus()
    page.keyboard.press("Enter")
    assert shown_runs(page)[0] == str(min(masses, key=masses.__getitem__))
    expect(page.locator("#table th[aria-sort=ascending]")).to_contain_text("DryMass")
    page.keyboard.press("Enter")
    assert shown_runs(page)[0] == str(max(masses, key=masses.__getitem__))
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#page")).to_have_text("51 to 100 of 301")
    page.locator("#table tbody button").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_colours_of_numbers_and_shares_of_runs_are_drawn(watched: Watched) -> None:
    page = watched.page
    page.locator("#colour").select_option("Injection.Element2")
    expect(page.locator("#scatter .cbtitle")).to_have_text("Injection.Element2 (km/s)")
    page.locator("#colour").select_option("status")
    page.locator("#as").select_option("share")
    page.locator("#quantity").select_option("Final.V01")
    expect(page.locator("#spread .xtitle")).to_have_text("Final.V01")
    expect(page.locator("#settling .ytitle")).to_have_text("Final.V01")


def test_text_of_the_sweep_stays_text_and_nothing_leaves_the_page(
    browser: Browser, report: Path
) -> None:
    opened = Watched(browser, report)
    page = opened.page

    assert page.evaluate("window.hacked") is None
    expect(page.locator("#failures")).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0
    assert opened.said == []
    # Even a program that got in could not call anywhere.
    blocked = "fetch('http://127.0.0.1:9/').then(() => 'sent', error => error.name)"
    assert page.evaluate(blocked) == "TypeError"
    assert any("Content Security Policy" in each for each in opened.said)
    opened.context.close()


def test_no_tool_of_a_plot_sends_it_anywhere(watched: Watched) -> None:
    """Plotly's own choice of tools has one that uploads the plot, through a window of its own."""
    page = watched.page
    known = {
        "Download plot as a PNG", "Zoom", "Pan", "Box Select", "Lasso Select", "Zoom in",
        "Zoom out", "Reset axes",
    }  # fmt: skip
    for plot in ("scatter", "spread", "settling"):
        tools = page.locator(f"#{plot} .modebar-btn")
        assert {tool.get_attribute("data-title") for tool in tools.all()} == known
    with page.expect_download() as download:
        page.locator("#spread .modebar-btn").first.dispatch_event("click")
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("size", "name"), [(_DESKTOP, ""), (_NARROW, "-narrow")])
def test_the_page_fits_each_width_and_takes_light_and_dark_from_the_reader(
    browser: Browser, report: Path, scheme: Any, size: Any, name: str, tmp_path: Path
) -> None:
    opened = Watched(browser, report, viewport=size, color_scheme=scheme)
    page = opened.page
    paper = "getComputedStyle(document.body).backgroundColor"
    drawn = "document.getElementById('scatter')._fullLayout.paper_bgcolor"

    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    was = page.evaluate(paper), page.evaluate(drawn)
    folder = Path(os.environ.get("UI_PICTURES", str(tmp_path)))
    page.screenshot(path=folder / f"ui-report{name}-{scheme}.png")
    page.screenshot(path=tmp_path / f"report{name}-{scheme}.png", full_page=True)
    page.get_by_role("button", name="page", exact=False).first.click()
    assert (page.evaluate(paper), page.evaluate(drawn)) != was
    assert opened.said == []
    opened.context.close()


def test_print_is_light_and_has_no_controls(browser: Browser, report: Path, tmp_path: Path) -> None:
    opened = Watched(browser, report, color_scheme="dark")
    page = opened.page

    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for hidden in ("#filter", "nav", "#theme", "#scatter .modebar-container"):
        expect(page.locator(hidden).first).not_to_be_visible()
    page.set_viewport_size({"width": 720, "height": 1000})
    page.screenshot(path=tmp_path / "report-print.png", full_page=True)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert opened.said == []
    opened.context.close()


def test_ten_thousand_runs_open_at_once_in_under_15_mb(
    browser: Browser, sweep: Path, tmp_path: Path
) -> None:
    """Sixty columns of numbers; the time is the processor's, whatever else the machine does."""
    small = collect(sweep)
    draw = np.random.default_rng(1)
    count = 10_000
    rows = np.arange(count)
    columns = [
        PageColumn("status", "run", "text", ["failed" if at % 50 == 0 else "ok" for at in rows]),
        PageColumn("cause", "run", "text", ["broken" if at % 50 == 0 else None for at in rows]),
        *(PageColumn(f"Sat.I{at}", "input", "number", draw.normal(size=count)) for at in range(20)),
        *(PageColumn(f"R.O{at}", "output", "number", draw.normal(size=count)) for at in range(40)),
    ]
    data = {
        **small.data,
        "runs": packed(rows.astype("<i4")),
        "columns": [each.to_dict(rows) for each in columns],
        "start": {"x": "Sat.I0", "y": "R.O0", "quantity": "R.O0"},
        "recorded": count,
    }
    path = tmp_path / "large.html"
    programs = html._programs()
    path.write_text(html._page(Content(small.said, data), programs), encoding="utf-8")
    context = browser.new_context(viewport=_DESKTOP)
    page = context.new_page()
    measured = context.new_cdp_session(page)
    measured.send("Performance.enable", {"timeDomain": "threadTicks"})

    page.goto(path.as_uri())
    page.wait_for_function("document.documentElement.dataset.readyAfter")
    metrics = {e["name"]: e["value"] for e in measured.send("Performance.getMetrics")["metrics"]}
    print(page.evaluate("document.documentElement.dataset.readyAfter"), "ms;", metrics)

    assert path.stat().st_size < 15e6
    assert metrics["TaskDuration"] < 4
    expect(page.locator("#count")).to_have_text("10,000 of 10,000 runs")
    page.get_by_label("Search").fill("Sat.I3 > 2, R.O5 < 0")
    inside = (columns[5].by_row > 2) & (columns[27].by_row < 0)
    expect(page.locator("#count")).to_have_text(f"{int(inside.sum())} of 10,000 runs")
    context.close()
