"""What a person sees in the Prefect UI, in headless Chromium.

The pictures are kept in the folder that ``UI_PICTURES`` names, or else with the test's other files;
those of the documentation are made by
``UI_PICTURES=docs/pictures UI_HOME=/srv/missions make pages``. ``UI_HOME`` names the folder, not
there yet, that shows in them as GMAT_SWEEP_HOME.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from chromium import LOOK_MS
from drifting_nights import COLUMN, night
from gmat_sweep.analysis.nightly import accept, night_page, night_report
from local_server import LocalServer, wait_for

pytestmark = pytest.mark.browser

_TABLES_CUT_OFF = """() => [...document.querySelectorAll("table")].filter(table =>
    table.getBoundingClientRect().right > table.parentElement.getBoundingClientRect().right + 1
).map(table => table.innerText)"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server with deployments and a worker."""
    home = os.environ.get("UI_HOME")
    local = LocalServer(tmp_path_factory.mktemp("server"), Path(home) if home else None)
    try:
        local.make("up")
        local.make("deploy")
        yield local
    finally:
        local.make("down")
        local.client.close()


@pytest.fixture(scope="module")
def flow_run(server: LocalServer) -> str:
    """A sweep of 40 runs, some of which GMAT refuses."""
    flow_run_id = server.start(
        "monte-carlo",
        vary=[
            "Injection.Element1=normal:2.4257:0.006",
            "Injection.Element2=normal:0:0.004",
            "Sat.DryMass=normal:1200:800",
        ],
        n=40,
        seed=42,
    )
    assert server.ended(flow_run_id)["state_name"] == "CompletedWithFailures"
    wait_for(lambda: len(server.task_runs(flow_run_id)) == 40)
    return flow_run_id


@pytest.fixture(scope="module")
def judged(server: LocalServer) -> str:
    """A sweep that is shown not to meet one requirement of three, and undecided in another."""
    required: list[dict[str, Any]] = [
        {"name": "perigee", "column": "Sat.Earth.RadPer", "limit": "> 6628"},
        {"name": "apogee", "column": "Sat.Earth.RadApo", "within": [41164, 43164]},
        {"name": "no-trim-burn", "column": "Sat.Earth.RadApo", "target": 42164, "tolerance": 300},
    ]
    flow_run_id = server.start(
        "verify",
        requirements=[{**each, "unit": "km", "probability": 0.9} for each in required],
        n=30,
        max_runs=30,
        seed=42,
    )
    assert server.ended(flow_run_id)["state_name"] == "RequirementFailed"
    return flow_run_id


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    """A page of the browser."""
    opened = browser.new_page(viewport={"width": 1280, "height": 1000})
    opened.set_default_timeout(LOOK_MS)
    return opened


def picture(page: Page, name: str, tmp_path: Path) -> None:
    """Keep what the page shows."""
    folder = Path(os.environ.get("UI_PICTURES", str(tmp_path)))
    page.wait_for_timeout(1500)
    page.screenshot(path=folder / f"{name}.png")


def test_the_flow_runs_page_shows_the_runs_and_how_they_ended(
    server: LocalServer, flow_run: str, page: Page, tmp_path: Path
) -> None:
    """Name, state and count at the head; the task runs by run id, failed ones with their state."""
    page.goto(f"{server.root}/runs/flow-run/{flow_run}")
    expect(page.get_by_text("injection monte-carlo n=40").first).to_be_visible()
    expect(page.get_by_text("CompletedWithFailures").first).to_be_visible()
    expect(page.get_by_text("40 Task runs").first).to_be_visible()
    picture(page, "ui-flow-run", tmp_path)
    page.get_by_text("Task Runs", exact=True).first.click()
    expect(page.get_by_text("run-39").first).to_be_visible()
    expect(page.get_by_text("RunFailed").first).to_be_visible()
    picture(page, "ui-task-runs", tmp_path)


def test_a_failed_runs_page_shows_gmats_cause(
    server: LocalServer, flow_run: str, page: Page, tmp_path: Path
) -> None:
    """The state's message is the reason, in GMAT's words."""
    failed = next(task for task in server.task_runs(flow_run) if task["state_type"] == "FAILED")
    page.goto(f"{server.root}/runs/task-run/{failed['id']}")
    expect(page.get_by_text(failed["name"]).first).to_be_visible()
    expect(page.get_by_text('for field "DryMass" on object "Sat"').first).to_be_visible()
    picture(page, "ui-failed-run", tmp_path)


def test_the_artifact_pages_show_the_summary_and_the_failures(
    server: LocalServer, flow_run: str, page: Page, tmp_path: Path
) -> None:
    """The Markdown is a page with a table of quantities; the failures are grouped by cause."""
    artifacts = server.artifacts(flow_run)
    page.set_viewport_size({"width": 1400, "height": 1300})
    page.goto(
        f"{server.root}/artifacts/artifact/{artifacts['injection-monte-carlo-summary']['id']}"
    )
    expect(page.get_by_role("cell", name="Sat.Earth.SMA").first).to_be_visible()
    expect(page.get_by_text("gmat-sweep resume").first).to_be_visible()
    picture(page, "ui-summary", tmp_path)
    page.set_viewport_size({"width": 1280, "height": 700})
    page.goto(
        f"{server.root}/artifacts/artifact/{artifacts['injection-monte-carlo-failures']['id']}"
    )
    expect(page.get_by_text('for field "DryMass" on object "Sat"').first).to_be_visible()
    picture(page, "ui-failures", tmp_path)


@pytest.mark.parametrize("ui", ["", "/v2"], ids=["first UI", "second UI"])
def test_the_pictures_of_a_sweep_are_shown(
    server: LocalServer, flow_run: str, page: Page, ui: str, tmp_path: Path
) -> None:
    """Every picture is loaded and as wide as the page lets it be, in light and in dark."""
    artifact = server.artifacts(flow_run)["injection-monte-carlo-pictures"]
    cards = artifact["data"].count("(data:image/svg+xml;base64,")
    assert cards == 5
    assert len(artifact["data"]) <= 300_000
    page.set_viewport_size({"width": 1400, "height": 1500})
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{server.root}{ui}/artifacts/artifact/{artifact['id']}")
        expect(page.get_by_text("40 of 40 runs have ended").first).to_be_visible()
        shown = page.locator('img[src^="data:image/svg"]')
        expect(shown).to_have_count(cards)
        picture(page, "ui-pictures" if not ui else "pictures-v2", tmp_path)
        sizes = [
            (each.evaluate("i => i.naturalWidth"), each.bounding_box()) for each in shown.all()
        ]
        assert all(width > 400 for width, _ in sizes)
        assert all(box is not None and box["width"] > 400 for _, box in sizes)
    expect(page.get_by_role("heading", name="Where runs fail")).to_be_visible()


@pytest.mark.parametrize("ui", ["", "/v2"], ids=["first UI", "second UI"])
def test_at_1400_px_no_table_of_the_summary_is_cut_off_and_causes_can_be_read_whole(
    server: LocalServer, flow_run: str, page: Page, ui: str, tmp_path: Path
) -> None:
    """In both UIs, of which the first puts no line break into a table, and the second scrolls."""
    artifacts = server.artifacts(flow_run)
    [failures] = json.loads(artifacts["injection-monte-carlo-failures"]["data"])
    page.set_viewport_size({"width": 1400, "height": 1300})
    for kind in ("summary", "failures"):
        artifact = artifacts[f"injection-monte-carlo-{kind}"]["id"]
        page.goto(f"{server.root}{ui}/artifacts/artifact/{artifact}")
        whole = page.locator("li").filter(has_text=failures["cause"]).first
        expect(whole).to_be_visible()
        # Meanwhile the page comes to rest: an element of a page that is drawn anew has no place.
        picture(page, f"{kind}{ui.replace('/', '-')}-at-1400", tmp_path)
        box = whole.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 1400
        # Several lines: it is wrapped, not cut off.
        assert box["height"] > 30
        if kind == "summary":
            expect(page.get_by_role("columnheader", name="50 %")).to_be_visible()
            assert page.evaluate(_TABLES_CUT_OFF) == []


@pytest.mark.parametrize("ui", ["", "/v2"], ids=["first UI", "second UI"])
def test_the_pages_of_a_verdict_say_which_requirement_failed_and_by_which_runs(
    server: LocalServer, judged: str, page: Page, ui: str, tmp_path: Path
) -> None:
    """Flow run, verdicts, worst runs and evidence, in both UIs at 1400 px."""
    artifacts = server.artifacts(judged)
    shown = {
        "verdicts": ("1 of 3 requirements is not met: no-trim-burn", "no-trim-burn, run 13:"),
        "worst": ("no-trim-burn, run 13:", "-0.0015027916844593903"),
        "evidence": ("Evidence for a verdict. FAIL after 30 runs", "100%"),
    }
    page.set_viewport_size({"width": 1400, "height": 1300})
    page.goto(f"{server.root}{ui}/runs/flow-run/{judged}")
    expect(page.get_by_text("RequirementFailed").first).to_be_visible()
    expect(page.get_by_text("injection until decided, 30 runs at most").first).to_be_visible()
    picture(page, f"verdict-run{ui.replace('/', '-')}", tmp_path)
    for kind, texts in shown.items():
        page.goto(f"{server.root}{ui}/artifacts/artifact/{artifacts[f'injection-{kind}']['id']}")
        for said in texts:
            expect(page.get_by_text(said).first).to_be_visible()
        # Meanwhile the page comes to rest.
        picture(page, f"{kind}{ui.replace('/', '-')}", tmp_path)
        if kind == "worst":
            expect(page.get_by_role("cell", name="6672.61838").first).to_be_visible()
        if kind == "verdicts":
            expect(page.get_by_role("columnheader", name="bound of p")).to_be_visible()
            assert page.evaluate(_TABLES_CUT_OFF) == []
    found = server.client.get("/deployments/name/gmat-sweep/verify").json()
    page.goto(f"{server.root}{ui}/deployments/deployment/{found['id']}/run")
    for said in ("What the mission must do", "How requirements are judged", "Fly until the"):
        expect(page.get_by_text(said).first).to_be_visible()
    # A field for a path, and no editor of JSON.
    fields = [each.input_value() for each in page.locator("textarea").all()]
    assert "examples/requirements.toml" in fields


@pytest.mark.parametrize("ui", ["", "/v2"], ids=["first UI", "second UI"])
def test_the_page_of_a_night_shows_verdicts_and_pictures_of_drift(
    server: LocalServer, page: Page, ui: str, tmp_path: Path
) -> None:
    """Every picture is drawn, in the light and in the dark, and no table is cut off."""
    nights = server.home / "nights" / f"drifting{ui.replace('/', '-')}"
    nights.mkdir(parents=True)
    accept(night(nights, 1, new_draws=6))
    for day in range(2, 9):
        tonight = night(nights, day, 0.03 * day, new_draws=6)
    required = {"name": "low", "column": COLUMN, "limit": "< 42300", "unit": "km"}
    report = night_report(tonight, requirements=[{**required, "probability": 0.9}])
    body = {"key": "drifting-nightly", "type": "markdown", "data": night_page(report)}
    artifact = server.post("/artifacts/", body)["id"]
    page.set_viewport_size({"width": 1400, "height": 1300})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{server.root}{ui}/artifacts/artifact/{artifact}")
        for said in ("Still 1 away from the baseline", "8 nights, 60 runs count", "--run "):
            expect(page.get_by_text(said).first).to_be_visible()
        drawn = page.locator('img[src^="data:image/svg"]')
        expect(drawn).to_have_count(1)
        drawn.first.scroll_into_view_if_needed()
        picture(page, f"ui-night{ui.replace('/', '-')}-{scheme}", tmp_path)
        assert drawn.first.evaluate("each => [each.naturalWidth, each.width]") == [560, 560]
        assert page.evaluate(_TABLES_CUT_OFF) == []
    page.emulate_media(color_scheme="light")
    # Whoever starts a night sees how to have both of it.
    found = server.client.get("/deployments/name/nightly-dispersion/nightly").json()
    page.goto(f"{server.root}{ui}/deployments/deployment/{found['id']}/run")
    for said in ("such as examples/requirements.toml", "new evidence for the requirements"):
        expect(page.get_by_text(said).first).to_be_visible()
    fields = [each.input_value() for each in page.locator("textarea").all()]
    assert "examples/requirements.toml" in fields
    picture(page, f"ui-night-form{ui.replace('/', '-')}", tmp_path)


@pytest.mark.parametrize("ui", ["/v2", ""], ids=["second UI", "first UI"])
def test_the_deployments_form_shows_the_parameters_with_their_descriptions(
    server: LocalServer, page: Page, ui: str, tmp_path: Path
) -> None:
    """The form can be filled in by hand, and who uses no Dask sees nothing of it."""
    found = server.client.get("/deployments/name/gmat-sweep/monte-carlo").json()
    page.set_viewport_size({"width": 1280, "height": 2300})
    page.goto(f"{server.root}{ui}/deployments/deployment/{found['id']}/run")
    for said in (
        "GMAT script, as a path on the machine that runs the flow.",
        "One field to a line, in GMAT's units",
        "The kinds that draw: how many runs.",
        "Run only what is missing, failed or damaged",
        "Seconds that a run may take before its worker is killed",
        "The flow run fails when more runs than this have failed",
    ):
        expect(page.get_by_text(said).first).to_be_visible()
    assert page.get_by_text("Injection.Element1=normal:2.4257:0.006").count() or (
        page.locator("textarea").nth(1).input_value() == "Injection.Element1=normal:2.4257:0.006"
    )
    picture(page, "ui-form" if not ui else "form-v2", tmp_path)
    expect(page.get_by_text("Dask scheduler")).to_have_count(0)
    page.get_by_text("Dask cluster", exact=True).first.click()
    expect(page.get_by_text("Dask scheduler").first).to_be_visible()
    page.locator("input[type=number]").first.fill("2")
    with page.expect_response(lambda each: "create_flow_run" in each.url) as sent:
        page.get_by_role("button", name="Submit").first.click()
    started = sent.value.json()
    assert started["parameters"]["settings"]["backend"] == "dask"
    # The form makes up a name: this is none that somebody gave.
    ended = server.ended(started["id"])
    assert ended["state"]["message"] == "2 of 2 runs ok"
    assert ended["name"] == "injection monte-carlo n=2"
