"""What of verdicts goes to the Prefect server: artifacts, events, how near a campaign is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.flow import judgement
from gmat_sweep.flow.artifacts import slug
from gmat_sweep.flow.judgement import publish_verdicts, share_decided, worst_rows
from gmat_sweep.verdicts.judging import Judge
from gmat_sweep.verdicts.results import Verdicts
from judged_sweeps import COLUMN, JudgedSweep

OK: dict[str, Any] = {"reduce": "ok", "probability": 0.99, "confidence": 0.9}
RADIUS: dict[str, Any] = {"column": COLUMN, "unit": "km", "probability": 0.8, "confidence": 0.9}


def judged(sweep: JudgedSweep, *requirements: dict[str, Any], plan: Any = "anytime") -> Verdicts:
    """Return the verdicts on a sweep as it is now."""
    listed = [{"name": f"r{number}", **each} for number, each in enumerate(requirements)]
    return Judge(listed, plan).look(sweep.folder)


class TestShareDecided:
    # The specification's least numbers of runs for a PASS of 99 %, with 0 and 1 violations.
    @pytest.mark.parametrize(("violating", "least"), [((), 297), ((5,), 573)])
    def test_it_is_whole_with_the_run_that_decides_and_not_before(
        self, tmp_path: Path, violating: tuple[int, ...], least: int
    ) -> None:
        sweep = JudgedSweep(tmp_path, 1000).fly(least - 1, violating)

        assert 0.99 < share_decided(judged(sweep, OK)) < 1
        assert share_decided(judged(sweep.fly(least, begin=least - 1), OK)) == 1

    def test_a_campaign_is_as_near_to_pass_as_its_last_requirement(self, tmp_path: Path) -> None:
        sweep = JudgedSweep(tmp_path, 1000).fly(300)
        strict = {**OK, "probability": 0.997}

        alone = share_decided(judged(sweep, strict))
        assert 0 < alone < 1
        # The other one has passed.
        assert share_decided(judged(sweep, OK, strict)) == alone

    def test_or_as_near_to_fail_as_its_first_at_its_share_of_alpha(self, tmp_path: Path) -> None:
        half = {**OK, "probability": 0.5}
        sweep = JudgedSweep(tmp_path, 100).fly(2, {0, 1})
        alone = share_decided(judged(sweep, half))
        of_ten = share_decided(judged(sweep, *[half] * 10))

        assert 0 < alone < 1
        # ln E / ln(1 / 0.1) and ln E / ln(10 / 0.1): half of it.
        assert of_ten == pytest.approx(alone / 2)

    def test_random_draws_never_show_that_every_run_holds(self, tmp_path: Path) -> None:
        every = {"reduce": "ok", "every": True}
        sweep = JudgedSweep(tmp_path, 100).fly(50)

        assert share_decided(judged(sweep, every)) == 0
        assert share_decided(judged(sweep.fly(51, {50}, begin=50), every)) == 1


class Server:
    """Takes artifacts and events in place of a server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.artifacts: dict[str, tuple[str, str, str]] = {}
        self.events: list[tuple[str, dict[str, str], dict[str, Any]]] = []

        def publish(_: UUID, artifacts: dict[str, tuple[str, str, str]]) -> None:
            self.artifacts |= artifacts

        def emit(event: str, resource: dict[str, str], payload: dict[str, Any]) -> None:
            self.events.append((event, resource, payload))

        # In a home of its own a mission's key is its name.
        monkeypatch.setattr(judgement, "mission_key", lambda mission: slug(mission.stem))
        monkeypatch.setattr(judgement, "publish", publish)
        monkeypatch.setattr(judgement, "emit_event", emit)


@pytest.fixture
def sweep(tmp_path: Path) -> JudgedSweep:
    """Thirty runs between 7000 and 7029 km, the last of which failed in the mission."""
    made = JudgedSweep(tmp_path, 30)
    for run_id in range(29):
        made.add(run_id, 7000.0 + run_id)
    return made.fail(29)


def test_each_requirement_sends_the_event_of_its_verdict(
    sweep: JudgedSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(monkeypatch)
    limits = {"passes": "< 7029", "fails": "< 7015", "neither": "< 7026"}
    required = [{**RADIUS, "name": name, "limit": limit} for name, limit in limits.items()]
    required.append({**RADIUS, "name": "refused", "limit": "< 1", "failed": "refuse"})
    verdicts = Judge(required).look(sweep.folder)

    publish_verdicts(uuid4(), Path("missions/GTO (v2).script"), verdicts)

    told = {
        resource["prefect.resource.id"]: event.removeprefix("gmat-sweep.requirement.")
        for event, resource, _ in server.events
    }
    assert told == {
        "gmat-sweep.requirement.gto-v2.passes": "passed",
        "gmat-sweep.requirement.gto-v2.fails": "failed",
        "gmat-sweep.requirement.gto-v2.neither": "inconclusive",
        "gmat-sweep.requirement.gto-v2.refused": "not-applicable",
    }
    for _, _, payload in server.events:
        assert payload["campaign"] == verdicts.verdict == "FAIL"
        assert json.loads(json.dumps(payload, allow_nan=False)) == payload
        # Lists of runs may be longer than a server takes.
        assert not any(isinstance(value, list | dict) for value in payload.values())


def test_the_artifacts_say_what_verdicts_md_says_and_which_runs_are_worst(
    sweep: JudgedSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(monkeypatch)
    # Most runs are ties for the worst: the first ten count.
    verdicts = judged(sweep, {**RADIUS, "limit": "< 7015"}, plan="fixed")

    publish_verdicts(uuid4(), Path("leo.script"), verdicts)

    assert server.artifacts.keys() == {"leo-verdicts", "leo-worst"}
    kind, markdown, _ = server.artifacts["leo-verdicts"]
    assert kind == "markdown"
    assert "**FAIL**: the requirement is not met" in markdown
    assert "r0, run 29: Sat.SMA = 7029.0" in markdown
    assert "--worst 5 --requirement r0`" in markdown
    # 92 characters are what a page shows of a table, by gmat_sweep.analysis.markdown.
    assert [line for line in markdown.splitlines() if line[:1] == "|" and len(line) > 95] == []
    kind, rows, described = server.artifacts["leo-worst"]
    assert kind == "table"
    assert "r0, run 28: Sat.SMA = 7028.0" in described
    listed = json.loads(rows)
    assert [row["run"] for row in listed] == list(range(28, 18, -1))
    assert listed[0] == {
        "requirement": "r0", "run": 28, "value": 7028.0, "unit": "km", "margin": -13.0,
        "holds": "no", "values": "Sat.SMA = 7028.0",
    }  # fmt: skip


def test_without_a_number_there_is_no_worst_run(
    sweep: JudgedSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(monkeypatch)
    verdicts = judged(sweep, OK, plan="fixed")

    publish_verdicts(uuid4(), Path("leo.script"), verdicts)

    assert worst_rows(verdicts) == []
    assert server.artifacts.keys() == {"leo-verdicts"}


def test_a_column_that_no_run_has_is_no_verdict(sweep: JudgedSweep) -> None:
    with pytest.raises(SweepConfigError, match=r"Sat\.NoSuch"):
        judged(sweep, {**RADIUS, "column": "Sat.NoSuch", "limit": "< 1"})
