"""What `make deploy` keeps of a person's choices, and whom automations tell. No server."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prefect.automations import AutomationCore
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule

from repository import PROJECT

DEPLOYMENTS = PROJECT / "deployments"


def program(name: str) -> Any:
    """Import a program of `deployments/`."""
    path = DEPLOYMENTS / f"{name}.py"
    found = importlib.util.spec_from_file_location(f"deployments_{name}", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


REGISTER = program("register")
AUTOMATIONS = program("automations")
IN_FILE = yaml.safe_load((DEPLOYMENTS / "automations.yaml").read_text(encoding="utf-8"))
NIGHTLY = next(
    each
    for each in yaml.safe_load((DEPLOYMENTS / "prefect.yaml").read_text())["deployments"]
    if each["name"] == "nightly"
)


def on_the_server(cron: str, timezone: str | None, *, active: bool) -> DeploymentResponse:
    """Return a deployment with a schedule as a client reads it."""
    schedule = DeploymentSchedule(
        deployment_id=uuid4(), schedule=CronSchedule(cron=cron, timezone=timezone), active=active
    )
    return DeploymentResponse(
        id=uuid4(), name="nightly", flow_id=uuid4(), schedules=[schedule], labels={}
    )


class TestSchedules:
    def test_the_shipped_one_is_off_until_a_person_turns_it_on(self) -> None:
        [shipped] = REGISTER.schedules(NIGHTLY["schedules"], None, None)

        assert shipped["active"] is False
        assert shipped["timezone"] == "UTC"

    @pytest.mark.parametrize("active", [True, False])
    def test_deploying_again_leaves_it_as_a_person_left_it(self, active: bool) -> None:
        known = on_the_server("15 5 * * *", "Asia/Tokyo", active=active)

        kept = REGISTER.schedules(NIGHTLY["schedules"], known, None)
        moved = REGISTER.schedules(NIGHTLY["schedules"], known, "Africa/Nairobi")

        assert kept == [{"cron": "15 5 * * *", "timezone": "Asia/Tokyo", "active": active}]
        assert moved == [{**kept[0], "timezone": "Africa/Nairobi"}]

    def test_a_new_one_is_in_the_time_zone_that_is_asked_for(self) -> None:
        [asked] = REGISTER.schedules(NIGHTLY["schedules"], None, "America/New_York")

        assert asked == {**NIGHTLY["schedules"][0], "timezone": "America/New_York"}

    @pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "Europe", "\0"])
    def test_what_is_no_time_zone_is_refused(self, name: str) -> None:
        assert not REGISTER.is_timezone(name)
        assert REGISTER.is_timezone("Europe/Paris")

    def test_make_deploy_hands_the_time_zone_on(self) -> None:
        told = subprocess.run(
            ["make", "--dry-run", "deploy", "TIMEZONE=Europe/Paris"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHON": sys.executable},
        )

        assert "TIMEZONE='Europe/Paris'" in told.stdout


class TestNotifications:
    @pytest.mark.parametrize("automation", IN_FILE, ids=lambda each: each["name"])
    def test_with_a_webhook_each_automation_tells_somebody(
        self, automation: dict[str, Any]
    ) -> None:
        block = uuid4()

        told = AUTOMATIONS.with_notification(automation, block)
        alone = AUTOMATIONS.with_notification(automation, None)

        # It is valid with and without, and what the automation did besides it does still.
        kinds = [each.type for each in AutomationCore.model_validate(told).actions]
        others = [each.type for each in AutomationCore.model_validate(alone).actions]
        assert kinds == [*(each for each in others if each != "do-nothing"), "send-notification"]
        assert told["actions"][-1]["block_document_id"] == str(block)
        assert "send-notification" not in others

    def test_the_address_is_a_secret_of_the_block(self) -> None:
        block = AUTOMATIONS.webhook_block("https://chat.example/hooks/very-secret")

        assert "very-secret" not in repr(block)
        assert "very-secret" not in block.model_dump_json()
        sent = block._build_request_args("what", "who")
        assert sent["url"] == "https://chat.example/hooks/very-secret"
        assert sent["json"] == {"text": "who\nwhat"}

    @pytest.mark.parametrize("text", ["chat.example", "ftp://chat.example/x", "https://", "http:x"])
    def test_what_is_no_address_is_refused(self, text: str) -> None:
        assert not AUTOMATIONS.is_address(text)
        assert AUTOMATIONS.is_address("http://127.0.0.1:8000/x")

    def test_a_night_is_missing_only_after_one_has_ended(self) -> None:
        [missing] = [each for each in IN_FILE if each["name"] == "gmat-sweep nightly missing"]

        assert missing["trigger"]["after"] == missing["trigger"]["expect"]
        assert missing["trigger"]["for_each"] == ["prefect.resource.id"]
