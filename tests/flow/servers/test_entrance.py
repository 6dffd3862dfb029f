"""The printed link in headless Chromium: both UIs open at once, and nobody gets in without it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Browser, expect
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Running

from chromium import LOOK_MS
from gmat_sweep.flow.server import recorded_on, shared_server

pytestmark = pytest.mark.browser


@flow(name="probe")
def probe() -> None:
    """Do nothing."""


@pytest.fixture(scope="module")
def flow_run() -> UUID:
    """A flow run that is under way."""
    with recorded_on(), get_client(sync_client=True) as client:
        made = client.create_flow_run(probe, name="a sweep that flies", state=Running())
        return made.id


@pytest.mark.parametrize("ui", ["", "v2/"])
def test_the_link_opens_the_page_of_the_flow_run_without_a_question(
    ui: str, browser: Browser, flow_run: UUID
) -> None:
    record = shared_server().record
    page = browser.new_context().new_page()
    refused: list[str] = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status == 401 else None)
    path = f"{ui}runs/flow-run/{flow_run}"
    page.goto(record.link(path))

    expect(page.get_by_text("a sweep that flies").first).to_be_visible()
    expect(page.get_by_text("Running").first).to_be_visible()
    assert page.url.startswith(f"{record.url}/{path}")
    assert record.auth.partition(":")[2] not in page.url
    assert refused == []
    # The key stays in this browser: pages may be kept and opened as usual.
    page.goto(f"{record.url}/runs")
    expect(page.get_by_text("a sweep that flies").first).to_be_visible()
    page.close()


def test_without_the_key_there_is_nothing_to_see(browser: Browser, flow_run: UUID) -> None:
    record = shared_server().record
    page = browser.new_context().new_page()
    page.goto(f"{record.url}/gmat-sweep#of-another-server/runs/flow-run/{flow_run}")
    expect(page.get_by_text("This link is of a server that has ended")).to_be_visible()
    assert page.evaluate("localStorage.length") == 0
    page.goto(f"{record.url}/runs/flow-run/{flow_run}")
    page.wait_for_url("**/login**", timeout=LOOK_MS)
    expect(page.get_by_text("a sweep that flies")).to_have_count(0)
    page.close()


GMAT_SWEEP = Path(sys.executable).with_name("gmat-sweep")


def test_who_is_new_here_watches_runs_and_pictures_while_they_fly(
    browser: Browser, tmp_path: Path
) -> None:
    """Nothing but `init`, one command and the link that it prints before the first run."""
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path / "prefect")}
    environment["GMAT_SWEEP_SERVER_IDLE"] = "5min"
    subprocess.run([GMAT_SWEEP, "init", "tour"], cwd=tmp_path, env=environment, check=True)
    study = ("study", "run", "tour/study.toml", "--n", "2000", "--workers", "1")
    manifest = tmp_path / "tour" / "dispersion" / "manifest.jsonl"
    try:
        with subprocess.Popen(
            [GMAT_SWEEP, *study], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
        ) as sweep:
            assert sweep.stderr is not None
            said = iter(sweep.stderr.readline, "")
            link = next(found[0] for line in said if (found := re.search(r"http://\S+", line)))
            assert not manifest.exists() or manifest.read_bytes().count(b"\n") < 20
            # A terminal would show what comes later.
            rest = threading.Thread(target=sweep.stderr.read)
            rest.start()
            page = browser.new_context(viewport={"width": 1400, "height": 1300}).new_page()
            page.goto(link)
            expect(page.get_by_text("injection run monte-carlo n=2000").first).to_be_visible()
            page.get_by_text("Task Runs", exact=True).first.click()
            expect(page.get_by_text("Completed").first).to_be_visible()
            page.get_by_text("Artifacts", exact=True).first.click()
            page.get_by_text(re.compile("-monte-carlo-pictures")).first.click()
            picture = page.locator('img[src^="data:image/svg"]').first
            expect(picture).to_be_visible()
            assert picture.evaluate("each => each.naturalWidth") > 400
            folder = Path(os.environ.get("UI_PICTURES", str(tmp_path)))
            page.screenshot(path=folder / "watched-while-it-flies.png")
            assert sweep.poll() is None, "all runs have ended"
            assert manifest.read_bytes().count(b"\n") < 2000
            page.close()
            sweep.send_signal(signal.SIGINT)
            rest.join()
    finally:
        subprocess.run([GMAT_SWEEP, "ui", "--stop"], env=environment, check=True)
