"""What is written in `deployments/` fits the flows and is safe to use as it stands. No server."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import cloudpickle
import pytest
import yaml
from prefect.automations import AutomationCore
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.server.events.schemas.automations import EventTrigger
from prefect.server.events.schemas.events import RelatedResource, Resource
from prefect.settings.models.flows import FlowsSettings
from prefect.utilities.callables import parameter_schema

from gmat_sweep.cli import prefect_worker
from gmat_sweep.cli.parser import make_parser
from gmat_sweep.flow import final_state, interruption, judgement
from gmat_sweep.flows import accept_baseline, gmat_sweep_flow, nightly, nightly_dispersion
from gmat_sweep.flows.parameters import DEFAULT_SETTINGS
from gmat_sweep.plans.notation import parse_grid, parse_perturb
from gmat_sweep.study import read_study
from gmat_sweep.study.starting import begin
from gmat_sweep.sweep.settings import RunSettings
from gmat_sweep.sweep.until import least_runs
from gmat_sweep.verdicts.declared import refuse_undeclared
from gmat_sweep.verdicts.reading import load_requirements
from repository import PROJECT

FLOWS: list[Flow[Any, Any]] = [gmat_sweep_flow, nightly_dispersion]


def read(name: str) -> Any:
    """Return what a file of `deployments/` holds, anchors and all resolved."""
    return yaml.safe_load((PROJECT / "deployments" / name).read_text(encoding="utf-8"))


PREFECT_FILE = read("prefect.yaml")
DEPLOYMENTS = {each["name"]: each for each in PREFECT_FILE["deployments"]}
# These have a file that says what is varied, or vary nothing.
BY_FILE = ("resume", "study", "accept-baseline")
AUTOMATIONS = {each["name"]: each for each in read("automations.yaml")}
SERVICES = read("compose.yaml")["services"]


class TestDeployments:
    @pytest.mark.parametrize("name", DEPLOYMENTS)
    def test_its_entrypoint_is_a_flow_that_takes_its_parameters(self, name: str) -> None:
        deployment = DEPLOYMENTS[name]
        flow: Flow[Any, Any] = load_flow_from_entrypoint(deployment["entrypoint"])

        taken = flow.validate_parameters(deployment["parameters"])

        assert any(flow is each for each in (*FLOWS, accept_baseline))
        assert taken.keys() >= deployment["parameters"].keys()

    @pytest.mark.parametrize("name", [name for name in DEPLOYMENTS if name not in BY_FILE])
    def test_what_it_varies_is_written_in_the_notation(self, name: str) -> None:
        parameters = DEPLOYMENTS[name]["parameters"]
        parse = parse_grid if parameters.get("kind") == "grid" else parse_perturb

        assert len(parse(parameters["vary"], "vary")) == len(parameters["vary"]) > 0

    def test_each_way_to_draw_has_one_and_resume_says_nothing_of_it(self) -> None:
        kinds = {each["parameters"].get("kind") for each in DEPLOYMENTS.values()}

        assert kinds >= {"grid", "monte_carlo", "latin_hypercube"}
        # The mission is that of the sweep folder, whichever it is.
        assert DEPLOYMENTS["resume"]["parameters"].keys() == {"resume"}

    @pytest.mark.parametrize("name", [name for name in DEPLOYMENTS if name not in BY_FILE])
    def test_its_mission_is_there_and_its_path_relative(self, name: str) -> None:
        mission = Path(DEPLOYMENTS[name]["parameters"]["mission"])

        assert not mission.is_absolute()
        assert (PROJECT / mission).is_file()

    def test_a_study_is_there_its_path_relative_and_it_is_that_of_a_new_user(
        self, tmp_path: Path
    ) -> None:
        parameters = DEPLOYMENTS["study"]["parameters"]
        begin(tmp_path)

        assert parameters.keys() == {"study"}
        assert not Path(parameters["study"]).is_absolute()
        assert read_study(PROJECT / parameters["study"]) == read_study(tmp_path / "study.toml")

    def test_verify_flies_until_requirements_are_decided_that_its_mission_can_answer(self) -> None:
        parameters = DEPLOYMENTS["verify"]["parameters"]
        required = load_requirements(PROJECT / parameters["requirements"])

        assert parameters["max_runs"] > least_runs(required)
        refuse_undeclared(required, PROJECT / parameters["mission"], end_state=True, hook=None)

    def test_nightly_shows_new_draws_and_requirements_that_its_mission_can_answer(self) -> None:
        """Whoever deploys it sees both in the form, with what they mean."""
        flown = {**DEPLOYMENTS["nightly"]["parameters"]}
        rotating, required = flown.pop("rotating"), PROJECT / flown["requirements"]
        flown |= {"mission": PROJECT / flown["mission"], "requirements": required}
        nothing = dict.fromkeys(("study", "plan", "max_failed")) | {"settings": DEFAULT_SETTINGS}

        night = nightly._with_rotating(nightly._flown({**nothing, **flown}), rotating)

        assert night.required is not None
        assert len(night.cohorts(Path("nights/injection/2026-11-20T033000Z"))) == 2
        # New draws of a month are enough for a PASS, and those of a night are not.
        assert rotating < least_runs(night.required) < 30 * rotating
        form = parameter_schema(nightly_dispersion).properties
        assert "such as examples/requirements.toml" in form["requirements"]["description"]
        assert "new evidence for the requirements" in form["rotating"]["description"]

    def test_nothing_is_pulled(self) -> None:
        assert PREFECT_FILE["pull"] == []
        assert [name for name, each in DEPLOYMENTS.items() if "pull" in each] == []

    def test_schedules_have_a_timezone_and_no_time_at_which_clocks_change(self) -> None:
        schedules = [
            schedule for each in DEPLOYMENTS.values() for schedule in each.get("schedules", [])
        ]

        for schedule in schedules:
            assert ZoneInfo(schedule["timezone"])
            CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
            _, hour, *_ = schedule["cron"].split()
            # A fixed hour, given as one number.
            assert int(hour) not in range(1, 3)
        assert len(schedules) == 1

    def test_a_night_is_not_begun_while_another_is_under_way(self) -> None:
        limit = {"limit": 1, "collision_strategy": "CANCEL_NEW"}

        assert DEPLOYMENTS["nightly"]["concurrency_limit"] == limit


class TestServing:
    @pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: str(flow.name))
    def test_a_flow_that_was_sent_to_a_process_knows_its_parameters(
        self, flow: Flow[Any, Any]
    ) -> None:
        parameters = {"mission": "leo.script", "vary": ["Sat.SMA=normal:7000:1"], "n": 5}

        sent: Flow[Any, Any] = cloudpickle.loads(cloudpickle.dumps(flow))

        assert sent.validate_parameters(parameters) == flow.validate_parameters(parameters)

    def test_it_takes_with_it_who_makes_sweeps_of_parameters(self) -> None:
        sent = cloudpickle.loads(cloudpickle.dumps(gmat_sweep_flow))

        assert sent.fn.__globals__ is not gmat_sweep_flow.fn.__globals__
        assert sent.fn.__globals__["_run"] is gmat_sweep_flow.fn.__globals__["_run"]


class TestForm:
    @pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: str(flow.name))
    def test_every_parameter_says_what_it_means(self, flow: Flow[Any, Any]) -> None:
        schema = parameter_schema(flow)
        parameters: dict[str, Any] = dict(schema.properties)
        for form in ("LocalSettings", "DaskSettings"):
            parameters |= schema.definitions[form]["properties"]

        undescribed = [name for name, each in parameters.items() if not each.get("description")]
        assert undescribed == []
        assert len(parameters) > 10

    @pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: str(flow.name))
    def test_bounds_are_in_the_schema_so_that_the_server_can_refuse(
        self, flow: Flow[Any, Any]
    ) -> None:
        definitions = parameter_schema(flow).definitions
        settings = definitions["LocalSettings"]["properties"]

        assert {"minimum": 1, "maximum": 10_000_000}.items() <= definitions["RunCount"].items()
        assert {"minimum": 0, "exclusiveMaximum": 2**63}.items() <= definitions["Seed"].items()
        assert re.fullmatch(definitions["MaxFailed"]["pattern"], "5%")
        assert not re.fullmatch(definitions["MaxFailed"]["pattern"], "-1")
        assert {"minimum": 0, "maximum": 100}.items() <= settings["retries"].items()
        assert {"minimum": 1, "maximum": 4096}.items() <= settings["workers"]["anyOf"][0].items()
        assert settings["timeout_s"]["anyOf"][0]["exclusiveMinimum"] == 0
        for form in ("LocalSettings", "DaskSettings"):
            assert definitions[form]["additionalProperties"] is False

    @pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: str(flow.name))
    def test_who_uses_no_dask_sees_nothing_of_it_and_no_setting_is_lost(
        self, flow: Flow[Any, Any]
    ) -> None:
        """The form has two groups of settings; what a flow gets is the same as ever."""
        schema = parameter_schema(flow)
        local, dask = (schema.definitions[f"{name}Settings"] for name in ("Local", "Dask"))
        assert [name for name in local["properties"] if "dask" in name] == []
        assert set(dask["properties"]) == set(RunSettings.model_fields)
        assert (local["title"], dask["title"]) == ("This machine", "Dask cluster")
        # The form sends back what it shows at first: it must fit the group that is shown first.
        shown = schema.properties["settings"]["default"]
        assert set(shown) == set(local["properties"])

        def got(given: Any) -> Any:
            named = {"mission": "x.script", "settings": given}
            return flow.validate_parameters(named)["settings"].model_dump()

        assert got(shown) == got({}) == RunSettings().model_dump()
        everything = {
            name: each["default"] for name, each in dask["properties"].items() if "default" in each
        } | {"dask_address": "tcp://10.0.0.1:8786"}
        expected = RunSettings(backend="dask", dask_address="tcp://10.0.0.1:8786")
        assert got(everything) == expected.model_dump()
        assert got({"dask_address": "tcp://10.0.0.1:8786"}) == expected.model_dump()
        assert got(expected) == expected.model_dump()
        assert got({"backend": "dask"})["backend"] == "dask"

    @pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: str(flow.name))
    def test_fields_that_belong_together_stand_together(self, flow: Flow[Any, Any]) -> None:
        schema = parameter_schema(flow)
        heads = [
            re.findall("^[A-Z ]{10,}(?=\\. )", each["description"])
            for each in sorted(schema.properties.values(), key=lambda each: each["position"])
        ]
        named = [head[0] for head in heads if head]
        assert named[0] == "WHAT IS FLOWN"
        assert named[-3:] == ["HOW IT IS JUDGED", "WHERE IT IS KEPT", "HOW RUNS ARE RUN"]
        assert len(named) == len(set(named)) == 5

    def test_the_page_on_deployments_has_every_parameter(self) -> None:
        page = (PROJECT / "docs" / "deployments.md").read_text(encoding="utf-8")
        schema = parameter_schema(gmat_sweep_flow)
        nested = schema.definitions["DaskSettings"]["properties"]

        names = {*schema.properties, *(f"settings.{name}" for name in nested)} - {"settings"}
        assert sorted(re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE)) == sorted(names)


class TestAutomations:
    @pytest.mark.parametrize("name", AUTOMATIONS)
    def test_prefect_takes_it(self, name: str) -> None:
        automation = AutomationCore.model_validate(AUTOMATIONS[name])

        assert automation.enabled
        assert automation.actions

    def test_a_flow_run_that_has_ended_is_no_zombie_whatever_its_state_is_called(self) -> None:
        expected = set(AUTOMATIONS["gmat-sweep zombie"]["trigger"]["expect"])
        sources = [Path(module.__file__ or "") for module in (final_state, interruption, nightly)]
        named = {
            name
            for source in sources
            for name in re.findall(
                r'(?:Completed|Crashed|Failed)\(\s*name="(\w+)"', source.read_text(encoding="utf-8")
            )
        }
        assert named >= {
            "CompletedWithFailures",
            "TooManyFailedRuns",
            "Incomplete",
            "Inconclusive",
            "RequirementFailed",
            "NotApplicable",
            "Interrupted",
            "Moved",
        }

        of_prefect = {"Completed", "Failed", "TimedOut", "Cancelled", "Crashed"}
        assert expected >= {f"prefect.flow-run.{name}" for name in named | of_prefect}

    def test_a_flow_run_may_miss_a_heartbeat_or_two_of_a_worker_that_nobody_has_configured(
        self,
    ) -> None:
        every_s = FlowsSettings.model_fields["heartbeat_frequency"].default

        assert AUTOMATIONS["gmat-sweep zombie"]["trigger"]["within"] >= 3 * every_s

    @pytest.mark.parametrize("name", AUTOMATIONS)
    def test_other_teams_flow_runs_are_none_of_its_business(self, name: str) -> None:
        trigger = EventTrigger.model_validate(AUTOMATIONS[name]["trigger"])
        resource = Resource({"prefect.resource.id": f"prefect.flow-run.{uuid4()}"})

        own = ("gmat-sweep.nightly.m", "gmat-sweep.requirement.m.apogee")
        if any(
            trigger.covers_resources(Resource({"prefect.resource.id": each}), []) for each in own
        ):
            assert not trigger.covers_resources(resource, [])
            return
        for flow in FLOWS:
            assert trigger.covers_resources(resource, related_to(flow.name, deployed_as="theirs"))
            assert trigger.covers_resources(resource, related_to(flow.name))
        for other in ("etl", "my-gmat-sweep", "gmat-sweep-report"):
            assert not trigger.covers_resources(resource, related_to(other, deployed_as="nightly"))

    def test_the_events_waited_for_are_those_that_nights_and_verdicts_send(self) -> None:
        expected = {
            event
            for each in AUTOMATIONS.values()
            for event in each["trigger"]["expect"]
            if not event.startswith("prefect.")
        }

        assert expected == {
            nightly.FINISHED_EVENT,
            nightly.MOVED_EVENT,
            judgement.EVENTS["FAIL"],
        }


class TestCompose:
    @pytest.mark.parametrize("service", SERVICES)
    def test_every_service_that_stays_has_a_health_check(self, service: str) -> None:
        if SERVICES[service]["restart"] == "unless-stopped":
            assert SERVICES[service]["healthcheck"]["test"]
        else:
            assert service == "deployments"

    def test_the_deployments_and_the_automations_are_registered_from_files_in_the_image(
        self,
    ) -> None:
        *_, command = SERVICES["deployments"]["command"]
        image = (PROJECT / "deployments" / "Dockerfile").read_text(encoding="utf-8")

        named = re.findall(r"deployments/\S+\.(?:yaml|py)", command)
        assert named == ["deployments/register.py"]
        assert all((PROJECT / each).is_file() for each in named)
        assert "COPY deployments deployments" in image
        assert f"WORKDIR {SERVICES['deployments']['working_dir']}" in image
        syntax = subprocess.run(["sh", "-n", "-c", command], check=False)
        assert syntax.returncode == 0

    def test_who_asks_the_server_has_the_password_that_it_wants(self) -> None:
        wanted = SERVICES["server"]["environment"]["PREFECT_SERVER_API_AUTH_STRING"]
        environments = {name: SERVICES[name].get("environment", {}) for name in SERVICES}

        asking = {name for name, each in environments.items() if "PREFECT_API_URL" in each}
        assert asking == {"deployments", "worker"}
        assert {environments[name]["PREFECT_API_AUTH_STRING"] for name in asking} == {wanted}

    def test_the_worker_lets_its_flow_runs_end_before_docker_kills_them(self) -> None:
        worker = SERVICES["worker"]

        assert worker["command"][:2] == ["gmat-sweep", "worker"]
        arguments = make_parser().parse_args(worker["command"][1:])
        assert arguments.pool == DEPLOYMENTS["nightly"]["work_pool"]["name"]
        grace_s = float(worker["stop_grace_period"].removesuffix("s"))
        assert grace_s >= 1.5 * prefect_worker.LONGEST_STOP_S

    def test_what_is_reachable_is_reachable_from_this_machine_only(self) -> None:
        ports = [port for each in SERVICES.values() for port in each.get("ports", [])]

        assert ports
        assert [port for port in ports if not port.startswith("127.0.0.1:")] == []

    def test_passwords_have_no_default(self) -> None:
        assert _variables(SERVICES, "PASSWORD") == {"${POSTGRES_PASSWORD:?choose a password}"}
        assert _variables(SERVICES, "AUTH") == {"${PREFECT_AUTH_STRING:?choose user:password}"}

    def test_a_service_starts_when_what_it_needs_is_healthy(self) -> None:
        waits = {
            name: {other: need["condition"] for other, need in each["depends_on"].items()}
            for name, each in SERVICES.items()
            if "depends_on" in each
        }

        assert waits == {
            "server": {"database": "service_healthy"},
            "deployments": {"server": "service_healthy"},
            "worker": {"server": "service_healthy"},
        }


def related_to(flow: str, deployed_as: str | None = None) -> list[RelatedResource]:
    """Return what the events of a flow run name besides it, as the server writes that."""
    named = {"flow": flow, "work-pool": "gmat-pool", "deployment": deployed_as}
    related = [
        RelatedResource(
            {
                "prefect.resource.id": f"prefect.{kind}.{uuid4()}",
                "prefect.resource.role": kind,
                "prefect.resource.name": name,
            }
        )
        for kind, name in named.items()
        if name is not None
    ]
    tag = {"prefect.resource.id": "prefect.tag.nightly", "prefect.resource.role": "tag"}
    return [*related, RelatedResource(tag)]


def _variables(value: object, part: str) -> set[str]:
    """Return the references to variables with `part` in their name."""
    return {found for found in _texts(value) if part in found}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield from re.findall(r"\$\{[^}]*\}", value)
