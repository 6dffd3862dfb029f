"""Deployments on a real Prefect server with a real process worker, from deploying to cancelling."""

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from pandas.testing import assert_frame_equal
from prefect.settings import PREFECT_API_URL, temporary_settings

from doc_pages import BESIDE_A_WORKER, page_program
from gmat_sweep import LocalJoblibPool, Manifest, Sweep, lazy_multiindex
from gmat_sweep.analysis.nightly import accepted as accepted_night
from gmat_sweep.cli import main
from gmat_sweep.errors import BackendError
from gmat_sweep.flow.server import start_local_server
from gmat_sweep.flow.server_rows import MORE_IN_A_DEPLOYMENT, ROWS_OF_RUN
from gmat_sweep.folder.last_pass import LastPass
from gmat_sweep.study import fly_study
from local_server import LocalServer, entry_lines, wait_for
from opm_study import write_opm_study
from prefect_records import rows_of
from receiver import Receiver
from repository import DATA, PROJECT

pytestmark = pytest.mark.services

SMA = ["Sat.SMA=normal:7100:50"]
# What the shipped nightly deployment asks for besides a mission of one's own.
FROZEN_ALONE: dict[str, Any] = {"rotating": None, "requirements": None}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """Up, deployed, and down again with nothing left."""
    local = LocalServer(tmp_path_factory.mktemp("server"))
    try:
        local.make("up")
        local.make("deploy")
        yield local
    finally:
        pids = [local.process_of(name) for name in ("worker", "server")]
        family = [
            child
            for pid in pids
            if psutil.pid_exists(pid)
            for child in psutil.Process(pid).children(recursive=True)
        ]
        local.make("down")
        local.client.close()
    assert [each for each in family if each.is_running()] == []
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []


@pytest.fixture
def slow_mission(tmp_path: Path) -> Path:
    """A mission that takes a second or two a run."""
    return of_days(15, tmp_path / "slow.script")


def of_days(days: float, script: Path) -> Path:
    """Write a mission of so many days, each of which takes 0.07 s of a fast machine."""
    text = (DATA / "leo_basic.script").read_text()
    assert "Sat.ElapsedSecs = 60" in text
    script.write_text(text.replace("Sat.ElapsedSecs = 60", f"Sat.ElapsedDays = {days}"))
    return script


def test_a_deployed_monte_carlo_runs_from_the_command_line_and_shows_itself_in_the_ui(
    server: LocalServer,
) -> None:
    """`prefect deployment run --watch` ends well; manifest, names, tags and artifacts are there."""
    ran = server.prefect(
        *("deployment", "run", "gmat-sweep/monte-carlo"),
        *("--param", "n=6", "--param", "seed=42", "--watch"),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr

    [folder] = (server.home / "sweeps").iterdir()
    manifest = Manifest.load(folder / "manifest.jsonl")
    assert (manifest.run_count, manifest.sweep_seed) == (6, 42)
    assert sorted(entry.run_id for entry in manifest.entries) == list(range(6))
    assert {entry.status for entry in manifest.entries} == {"ok"}

    last = LastPass.of(folder)
    assert last is not None
    assert last.state == "finished"
    flow_run = server.flow_run(last.flow_run)
    assert flow_run["name"] == "injection monte-carlo n=6"
    assert {"gmat-sweep", "monte-carlo"} <= set(flow_run["tags"])
    assert flow_run["state"]["message"] == "6 of 6 runs ok"
    wait_for(lambda: len(server.task_runs(last.flow_run)) == 6)
    assert [task["name"] for task in server.task_runs(last.flow_run)] == [
        f"run-{run_id}" for run_id in range(6)
    ]
    artifacts = server.artifacts(last.flow_run)
    kinds = ("progress", "summary", "pictures")
    assert set(artifacts) == {f"injection-monte-carlo-{kind}" for kind in kinds}
    assert artifacts["injection-monte-carlo-progress"]["data"] == 100
    summary = artifacts["injection-monte-carlo-summary"]["data"]
    assert "6 of 6 runs ok" in summary
    assert "| Sat.Earth.SMA         | km " in summary
    assert "gmat-sweep resume" not in summary, "nothing is left to fly"

    # What `--dry-run` says of the server, counted in its database.
    expected = {table: 6 * count for table, count in ROWS_OF_RUN[True].items()}
    expected["event resources"] += 6 * MORE_IN_A_DEPLOYMENT
    wait_for(lambda: server.rows_of_task_runs(last.flow_run)["events"] == expected["events"], 60)
    assert server.rows_of_task_runs(last.flow_run) == expected


def test_the_page_on_deployments_runs_as_it_stands(server: LocalServer) -> None:
    """Its commands and its program, one after another: deployed, resumed, called by a flow."""
    ran = page_program(BESIDE_A_WORKER, server.home, f"{server.root}/api", None)
    assert ran.returncode == 0, ran.stdout + ran.stderr

    deployed, resumed, _ = json.loads(ran.stdout)
    assert "finished successfully in 'Completed'" in deployed
    assert "finished successfully in 'Completed'" in resumed
    assert "20 runs (20 ok)" in resumed
    assert len(entry_lines(server.home / "campaign" / "injection")) == 4


def test_a_served_flow_runs_without_a_work_pool(server: LocalServer) -> None:
    """`python flows/sweep.py` takes flow runs as long as it runs, and ends with Ctrl-C."""
    served = subprocess.Popen(
        [sys.executable, PROJECT / "flows" / "sweep.py"],
        env=server.environment,
        cwd=server.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        found = "/deployments/name/gmat-sweep/served-here"
        wait_for(lambda: server.client.get(found).status_code == 200)
        flow_run = server.ended(server.start("served-here", n=3, seed=1, out="served"))
    finally:
        served.send_signal(signal.SIGINT)
        said, _ = served.communicate(timeout=60)
    assert flow_run["state"]["message"] == "3 of 3 runs ok", said
    assert served.returncode == 0, said


def test_the_same_deployment_runs_on_dask_workers(server: LocalServer) -> None:
    """A choice of the form: the manifest names the back end, and the draws are the same."""
    parameters: dict[str, Any] = {
        "mission": str(DATA / "leo_basic.script"),
        "vary": SMA,
        "n": 4,
        "seed": 42,
    }
    started = {
        backend: server.start(
            "monte-carlo", **parameters, out=backend, settings={"backend": backend, "workers": 2}
        )
        for backend in ("dask", "local")
    }
    found = {}
    for backend, flow_run_id in started.items():
        flow_run = server.ended(flow_run_id)
        assert flow_run["state"]["message"] == "4 of 4 runs ok"
        manifest = Manifest.load(server.home / backend / "manifest.jsonl")
        found[backend] = (manifest.backend, {e.run_id: e.overrides for e in manifest.entries})
    assert [found[backend][0] for backend in started] == ["DaskPool", "LocalJoblibPool"]
    assert found["dask"][1] == found["local"][1]


def test_nothing_of_the_deployer_is_baked_into_deployments(server: LocalServer) -> None:
    """A worker elsewhere needs the package only: no pull step, no path of this machine."""
    for deployment in server.post("/deployments/filter", {}):
        if deployment["work_pool_name"] is None:
            continue  # Served by a process, and of no use without it.
        assert deployment["pull_steps"] == []
        assert deployment["entrypoint"].startswith("gmat_sweep.flows.")
        assert str(Path.cwd()) not in json.dumps(deployment)
        assert str(server.home) not in json.dumps(deployment)


@pytest.mark.promise("6", "Retry in the UI")
def test_failed_runs_are_red_with_gmats_cause_and_retry_means_resume(server: LocalServer) -> None:
    """Failures beyond max_failed fail the flow run; Retry runs the failed ones again, only them."""
    folder = server.home / "some-fail"
    flow_run_id = server.start(
        "grid",
        mission=str(DATA / "leo_basic.script"),
        vary=["Sat.ECC=0.001,0.002,-1"],
        out="some-fail",
        max_failed="0",
        flow_run_name="night shift 7",
    )
    flow_run = server.ended(flow_run_id)
    assert flow_run["name"] == "night shift 7"
    assert flow_run["state_name"] == "TooManyFailedRuns", flow_run["state"]["message"]
    assert flow_run["state"]["message"] == "2 of 3 runs ok, 1 failed; at most 0 may"
    tasks = {task["name"]: task for task in wait_for(lambda: server.task_runs(flow_run_id))}
    assert tasks["run-2"]["state_type"] == "FAILED"
    assert "ECC" in tasks["run-2"]["state"]["message"]
    said = wait_for(
        lambda: server.post(
            "/logs/filter", {"logs": {"task_run_id": {"any_": [tasks["run-2"]["id"]]}}}
        )
    )
    assert [line["message"] for line in said] == [tasks["run-2"]["state"]["message"]]
    failures = json.loads(server.artifacts(flow_run_id)["leo-basic-grid-failures"]["data"])
    assert [(row["runs"], row["examples"]) for row in failures] == [(1, "2")]
    assert "ECC" in failures[0]["cause"]
    assert [line["run_id"] for line in entry_lines(folder)].count(2) == 1

    server.retry(flow_run_id)
    wait_for(lambda: len(entry_lines(folder)) == 4)
    ended = server.ended(flow_run_id)
    assert Counter(line["run_id"] for line in entry_lines(folder)) == {0: 1, 1: 1, 2: 2}
    assert ended["name"] == "night shift 7"
    # Of all runs, in the artifacts that the flow run had before it was retried.
    kept = server.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [flow_run_id]}}})
    found = Counter(artifact["key"] for artifact in kept)
    assert (found["leo-basic-grid-progress"], found["leo-basic-grid-pictures"]) == (1, 1)
    [progress] = [each for each in kept if each["key"] == "leo-basic-grid-progress"]
    assert progress["description"] == "3 of 3 runs done, 1 failed"


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("monte-carlo", {"mission": "nowhere.script"}, "mission: "),
    ("monte-carlo", {"vary": ["Sat.SMA=normal:7100"]}, "vary 'Sat.SMA=normal:7100' must have"),
    ("monte-carlo", {"n": None}, "n: a monte_carlo sweep needs"),
    ("monte-carlo", {"vary": ["Sat.NoSuchField=normal:1:1"]}, "NoSuchField"),
    ("grid", {"kind": "explicit"}, "rows: "),
    ("resume", {"out": "empty"}, "out: "),
    (
        "grid",
        {"settings": {"dask_address": "tcp://127.0.0.1:1", "workers": 2}},
        "settings.workers: it is given together with settings.dask_address",
    ),
]


def test_wrong_parameters_fail_the_flow_run_at_once(server: LocalServer) -> None:
    """The state's message names the parameter; no run is begun and no task run made."""
    started = [server.start(deployment, **parameters) for deployment, parameters, _ in WRONG]
    for flow_run_id, (_, _, said) in zip(started, WRONG, strict=True):
        flow_run = server.ended(flow_run_id, 240)
        assert flow_run["state_type"] == "FAILED"
        assert said in flow_run["state"]["message"]
        assert server.task_runs(flow_run_id) == []


def test_values_out_of_bounds_are_refused_before_a_flow_run_exists(server: LocalServer) -> None:
    """The bounds are in the form's schema, so the server itself says which parameter is wrong."""
    ran = server.prefect("deployment", "run", "gmat-sweep/monte-carlo", "--param", "n=0")
    assert ran.returncode != 0
    assert "n" in ran.stdout + ran.stderr
    assert "minimum" in (ran.stdout + ran.stderr).lower()


def test_an_address_of_the_ui_is_no_api(server: LocalServer) -> None:
    """The UI answers every path with its page: the message says what is missing."""
    with (
        temporary_settings({PREFECT_API_URL: server.root}),
        pytest.raises(BackendError, match=rf"Set PREFECT_API_URL={server.root}/api\."),
    ):
        start_local_server()


@pytest.mark.promise("6", "cancelled in the UI")
def test_cancelling_stops_the_workers_and_the_resume_deployment_runs_the_rest(
    server: LocalServer, slow_mission: Path
) -> None:
    """Within 30 s nothing runs, the manifest says so, and resume runs what is missing, once."""
    folder = server.home / "cancelled"
    flow_run_id = server.start(
        "monte-carlo",
        mission=str(slow_mission),
        vary=SMA,
        n=30,
        seed=1,
        out="cancelled",
        settings={"workers": 2},
    )
    wait_for(lambda: len(entry_lines(folder)) >= 3, 120)
    drawn = wait_for(lambda: server.artifacts(flow_run_id).get("slow-monte-carlo-pictures"))
    assert "while it flies" in drawn["data"][:100]
    last = LastPass.of(folder)
    assert last is not None
    assert last.state == "running"
    process = psutil.Process(last.process)
    family = [process, *process.children(recursive=True)]
    assert any("worker_main" in " ".join(each.cmdline()) for each in family)

    server.set_state(flow_run_id, type="CANCELLING", name="Cancelling")
    wait_for(lambda: not any(each.is_running() for each in family), 30)
    assert server.ended(flow_run_id)["state_type"] == "CANCELLED"
    last = LastPass.of(folder)
    assert last is not None
    assert last.state == "interrupted"
    assert "cancelled" in last.reason
    # Its page names the folder and how to go on.
    said = server.post("/logs/filter", {"logs": {"flow_run_id": {"any_": [flow_run_id]}}})
    how = f"the sweep is in {folder}; if it is interrupted, it goes on where it was with: "
    assert any(line["message"].startswith(f"{how}gmat-sweep resume {folder}/") for line in said)
    recorded = len(entry_lines(folder))
    assert 3 <= recorded < 30

    # Which mission it is, the manifest says.
    resumed = server.start("resume", out="cancelled")
    other = server.start("resume", out="cancelled")
    ends = sorted(
        (server.ended(each, 180) for each in (resumed, other)), key=lambda end: end["state_type"]
    )
    # Two flow runs on one folder: one of them runs it, the other says who holds it.
    assert [end["state_type"] for end in ends] == ["COMPLETED", "FAILED"]
    assert f"process {LastPass.of(folder).process}" in ends[1]["state"]["message"]  # type: ignore[union-attr]
    assert Counter(line["run_id"] for line in entry_lines(folder)) == dict.fromkeys(range(30), 1)
    assert len(server.task_runs(ends[0]["id"])) == 30 - recorded


def test_a_night_is_compared_with_the_night_before(server: LocalServer, tmp_path: Path) -> None:
    """An edited mission moves the numbers: artifact, event and state say so; a retry resumes."""
    mission = tmp_path / "leo.script"
    text = (DATA / "leo_basic.script").read_text()
    mission.write_text(text)
    parameters: dict[str, Any] = {
        "mission": str(mission),
        "vary": ["Sat.ECC=normal:0.002:0.0005"],
        "n": 6,
        **FROZEN_ALONE,
    }

    first = server.ended(server.start("nightly", "nightly-dispersion", **parameters))
    assert first["state_name"] == "Completed", first["state"]["message"]
    assert "first night" in first["state"]["message"]

    mission.write_text(text.replace("GMAT Sat.SMA = 7000", "GMAT Sat.SMA = 7010"))
    second_id = server.start("nightly", "nightly-dispersion", **parameters)
    second = server.ended(second_id)
    assert second["state_name"] == "Moved", second["state"]["message"]
    nights = sorted((server.home / "nights" / "leo").glob("2*"))
    assert len(nights) == 2
    comparison = json.loads((nights[1] / "comparison.json").read_text())
    assert comparison["moved"]
    moved = {shift["quantity"] for shift in comparison["quantities"] if shift["verdict"] == "moved"}
    assert "Sat.Earth.SMA" in moved
    assert [change["name"] for change in comparison["inputs"]] == ["leo.script"]
    markdown = server.artifacts(second_id)["leo-nightly"]["data"]
    first_line = (nights[1] / "comparison.md").read_text().splitlines()[0]
    assert markdown.splitlines()[0] == first_line
    assert "Moved" in first_line
    events = wait_for(
        lambda: server.post(
            "/events/filter",
            {"filter": {"event": {"name": ["gmat-sweep.nightly.moved"]}}},
        )["events"]
    )
    assert [event["payload"]["folder"] for event in events] == [str(nights[1])]

    server.retry(second_id)
    again = server.ended(second_id)
    assert again["state_name"] == "Moved", again["state"]["message"]
    assert len(entry_lines(nights[1])) == 6
    assert sorted((server.home / "nights" / "leo").glob("2*")) == nights


REQUIRED = """
[[requirement]]
name = "perigee"
column = "Sat.Earth.RadPer"
limit = "> 6628"
unit = "km"
probability = 0.9

[[requirement]]
name = "apogee"
column = "Sat.Earth.RadApo"
within = [41164.0, 43164.0]
unit = "km"
probability = 0.9

[[requirement]]
name = "no-trim-burn"
column = "Sat.Earth.RadApo"
target = 42164.0
tolerance = 300.0
unit = "km"
probability = 0.9
"""


def test_verdicts_of_a_study_are_its_state_its_artifacts_and_its_events(
    server: LocalServer,
) -> None:
    """One requirement passes, one fails, one is undecided; a retry flies nothing and says so."""
    study = server.home / "judged.toml"
    text = (server.home / "examples" / "injection.toml").read_text()
    for was, is_now in (("injection.script", "examples/injection.script"), ("n = 50", "n = 30")):
        assert was in text
        text = text.replace(was, is_now)
    # Without the epoch, which is dispersed in the example: these are the draws of the docs.
    lines = [line for line in text.splitlines() if "Sat.Epoch" not in line]
    study.write_text("\n".join(lines) + REQUIRED)

    flow_run_id = server.start("study", study="judged.toml")
    flow_run = server.ended(flow_run_id)
    [folder] = (server.home / "sweeps").glob("judged-study-*")
    verdicts = json.loads((folder / "verdicts.json").read_text())
    assert {each["name"]: each["verdict"] for each in verdicts["requirements"]} == {
        "perigee": "PASS",
        "apogee": "INCONCLUSIVE",
        "no-trim-burn": "FAIL",
    }
    assert (flow_run["state_type"], flow_run["state_name"]) == ("FAILED", "RequirementFailed")
    assert flow_run["state"]["message"] == (
        "FAIL: 1 of 3 requirements is not met: no-trim-burn (15 of 30 violate; at least 36.9 % do, "
        "with 90 % confidence (p_fail 3.56e-08)). 30 of 30 runs ok"
    )
    artifacts = server.artifacts(flow_run_id)
    markdown = artifacts["injection-verdicts"]["data"]
    for said in ("**FAIL**: 1 of 3", "91 new runs", "apogee, run 13:", f"replay {folder}"):
        assert said in markdown
    worst = json.loads(artifacts["injection-worst"]["data"])
    assert [(row["requirement"], row["run"]) for row in worst[10:21:10]] == [
        ("apogee", 13),
        ("no-trim-burn", 13),
    ]
    wanted = {"filter": {"event": {"prefix": ["gmat-sweep.requirement."]}}}
    events = wait_for(
        lambda: (
            found if len(found := server.post("/events/filter", wanted)["events"]) == 3 else None
        )
    )
    assert {each["resource"]["prefect.resource.id"]: each["event"] for each in events} == {
        f"gmat-sweep.requirement.injection.{name}": f"gmat-sweep.requirement.{event}"
        for name, event in (
            ("perigee", "passed"),
            ("apogee", "inconclusive"),
            ("no-trim-burn", "failed"),
        )
    }
    for event in events:
        related = {each["prefect.resource.id"] for each in event["related"]}
        assert f"prefect.flow-run.{flow_run_id}" in related
        assert event["payload"]["manifest"] == str(folder / "manifest.jsonl")

    flown = entry_lines(folder)
    server.retry(flow_run_id)
    assert server.ended(flow_run_id)["state_name"] == "RequirementFailed"
    assert entry_lines(folder) == flown


def test_verify_flies_until_it_is_decided_and_goes_on_when_it_is_retried(
    server: LocalServer,
) -> None:
    """`prefect deployment run gmat-sweep/verify`; stopped in the middle and retried; mistakes."""
    folder = server.home / "verified"
    requirements = server.home / "requirements.toml"
    requirements.write_text(REQUIRED.split("\n\n", maxsplit=1)[0])
    flow_run_id = server.start(
        "verify",
        requirements="requirements.toml",
        seed=42,
        batch=10,
        out="verified",
        settings={"workers": 1},
    )
    wait_for(lambda: len(entry_lines(folder)) >= 12, 120)
    last = LastPass.of(folder)
    assert last is not None
    psutil.Process(last.process).terminate()
    assert server.ended(flow_run_id)["state_type"] != "COMPLETED"
    recorded = len(entry_lines(folder))
    assert recorded < 30

    server.retry(flow_run_id)
    ended = server.ended(flow_run_id)
    # The least number for a PASS of 90 % is 29, so the third batch decides.
    assert ended["state"]["message"] == "PASS: the requirement is met. 30 of 30 runs ok"
    assert ended["name"] == "injection until decided, 10000 runs at most"
    assert Counter(line["run_id"] for line in entry_lines(folder)) == dict.fromkeys(range(30), 1)
    artifacts = server.artifacts(flow_run_id)
    assert artifacts["injection-evidence"]["data"] == 100
    assert "PASS after 30 runs" in artifacts["injection-evidence"]["description"]
    assert "(reached after 29 runs)" in artifacts["injection-verdicts"]["data"]

    requirements.write_text(requirements.read_text().replace("Sat.Earth.RadPer", "Sat.RadPer"))
    ran = server.prefect(
        *("deployment", "run", "gmat-sweep/verify"),
        *("--param", "requirements=requirements.toml", "--watch"),
    )
    assert ran.returncode != 0
    assert "Failed" in ran.stdout + ran.stderr


VARIED = [
    "Sat: covariance of cartesian in RIC from state.opm",
    "Sat.DryMass: truncnorm 850, 20, 800, 860",
    "Sat.Epoch: normal_seconds 30, about 01 Jan 2026 00:00:00.000",
]


def said_of(server: LocalServer, flow_run_id: str, mission: str) -> tuple[dict[str, Any], str]:
    """Return the parameters of a flow run, and its log and its summary without Markdown's marks."""
    asked = {"flow_run_id": {"any_": [flow_run_id]}, "task_run_id": {"is_null_": True}}

    def logged() -> str | None:
        """Return the log once the last of it has arrived: Prefect sends it in batches."""
        lines = server.post("/logs/filter", {"logs": asked, "limit": 200})
        text = "\n".join(line["message"] for line in lines)
        return text if "flown with GMAT R20" in text else None

    log = wait_for(logged)
    # Another mission of this name may have been first, or there is no GMAT_SWEEP_HOME.
    key = re.compile(rf"{mission}(-[0-9a-f]{{8}})?-monte-carlo-summary")
    artifacts = server.artifacts(flow_run_id)
    [summary] = [
        each["data"].replace("\\", "") for name, each in artifacts.items() if key.match(name)
    ]
    for said in (log, summary):
        assert "flown with GMAT R20" in said
        assert "tai-utc.dat" in said
    return server.flow_run(flow_run_id)["parameters"], f"{log}\n{summary}"


def test_a_study_flies_alike_by_a_deployment_and_from_python_and_says_what_it_varied(
    server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Covariance in RIC from an OPM, epoch, truncnorm: equal frames; what was varied is told."""
    studies = server.home / "studies"
    studies.mkdir()
    study = write_opm_study(studies)
    ran = server.prefect(
        *("deployment", "run", "gmat-sweep/study"),
        *("--param", "study=studies/study.toml", "--watch"),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    [folder] = (server.home / "sweeps").glob("study-study-*")
    with temporary_settings({PREFECT_API_URL: f"{server.root}/api"}), LocalJoblibPool(1) as pool:
        flown = fly_study(study, out=tmp_path / "python", n=2, progress=False)
        extended = Sweep.from_manifest(flown.manifest_path, backend=pool, progress=False).extend(
            n=1
        )
    deployed = Manifest.load(folder / "manifest.jsonl")
    frame = lazy_multiindex(deployed, folder)
    assert list(frame.index.unique("run_id")) == [-1, 0, 1, 2]
    assert_frame_equal(frame, extended.to_dataframe())

    last = LastPass.of(folder)
    assert last is not None
    assert flown.last_pass is not None
    assert extended.last_pass is not None
    asked, told = said_of(server, last.flow_run, "leo-basic")
    assert asked == {"study": "studies/study.toml", "n": 3, "seed": 11}
    for flow_run_id, n in ((flown.last_pass.flow_run_id, 2), (extended.last_pass.flow_run_id, 3)):
        parameters, said = said_of(server, str(flow_run_id), "leo-basic")
        assert (parameters["n"], parameters["seed"]) == (n, "11")
        assert [f"{name}: {text}" for name, text in parameters["varied"].items()] == VARIED
        assert parameters["versions"]["GMAT"] == deployed.gmat_install_version
        assert said.count(f"monte carlo, n = {n} and the nominal run, seed 11") == 2
        told += said
    assert main(["show", str(folder)]) == 0
    assert main(["report", str(folder)]) == 0
    told += "".join(capsys.readouterr()).replace("\\", "")
    assert [told.count(line) for line in VARIED] == [8, 8, 8]

    of_runs = last.flow_run
    wait_for(lambda: len(server.task_runs(of_runs)) == 4)
    tasks = {
        task["name"]: task["task_inputs"]["values"][0]["type"] for task in server.task_runs(of_runs)
    }
    assert tasks.pop("run-nominal") == "nothing is varied"
    overrides = {entry.run_id: entry.overrides for entry in deployed.entries}
    for name, values in tasks.items():
        drawn = overrides[int(name.removeprefix("run-"))]
        assert sorted(values.split("; ")) == sorted(f"{name} = {drawn[name]}" for name in drawn)


def test_a_drawn_seed_is_told_by_every_front_and_by_a_resume(
    server: LocalServer, tmp_path: Path
) -> None:
    """In the parameters of the flow run, too, digit by digit."""
    folder = tmp_path / "shell"
    words = [sys.executable, "-c", "from gmat_sweep.cli import main; raise SystemExit(main())"]
    drawn: list[str | Path] = [
        "monte-carlo",
        DATA / "leo_short.script",
        "--n",
        "2",
        "--perturb",
        *SMA,
    ]
    for command in ([*drawn, "--out", folder], ["resume", folder]):
        subprocess.run(
            [*words, *command, "--quiet", "--workers", "1"],
            env=server.environment,
            check=True,
            capture_output=True,
        )
        seed = Manifest.load(folder / "manifest.jsonl").sweep_seed
        last = LastPass.of(folder)
        assert last is not None
        parameters, said = said_of(server, last.flow_run, "leo-short")
        assert (parameters["n"], parameters["seed"]) == (2, str(seed))
        assert parameters["varied"] == {"Sat.SMA": "normal 7100, 50"}
        assert said.count(f"n = 2, seed {seed}") == 2
        for lost in (folder / "run-1").glob("*.parquet"):
            lost.unlink()

    flow_run_id = server.start(
        "monte-carlo",
        mission=str(DATA / "leo_short.script"),
        vary=SMA,
        n=2,
        out="drawn",
        settings={"workers": 1},
    )
    assert server.ended(flow_run_id)["state_type"] == "COMPLETED"
    seed = Manifest.load(server.home / "drawn" / "manifest.jsonl").sweep_seed
    parameters, said = said_of(server, flow_run_id, "leo-short")
    assert parameters["seed"] == seed
    assert f"seed {seed}" in said


def test_nights_of_a_study_are_compared_without_their_nominal_run(server: LocalServer) -> None:
    """The same draws every night, in a folder that the mission and the study name.

    On the second night new draws are flown besides, and what the study requires is judged once.
    """
    folder = server.home / "nightly"
    folder.mkdir()
    study = write_opm_study(folder)
    whole = study.read_text()
    asked: dict[str, Any] = {"mission": None, "vary": [], "n": None, "seed": 0}
    for rotating, text, name in (
        (None, whole.partition("[[requirement]]")[0], "Completed"),
        (2, whole, "Inconclusive"),
    ):
        (folder / "mass.toml").write_text(text)
        told = {**asked, **FROZEN_ALONE, "rotating": rotating, "study": "nightly/mass.toml"}
        night = server.start("nightly", "nightly-dispersion", **told)
        ended = server.ended(night)
        assert ended["state_name"] == name, ended["state"]["message"]
    assert ended["name"].startswith("mass night of ")
    assert ended["state"]["message"].startswith("Nothing moved: all quantities are equal bit for")
    nights = sorted((server.home / "nights" / "leo-basic-mass").glob("2*"))
    assert len(nights) == 2
    comparison = json.loads((nights[1] / "comparison.json").read_text())
    assert (comparison["paired"], comparison["common_runs"]) == (True, 3)
    assert {each["pairs"] for each in comparison["quantities"]} == {3}
    assert Manifest.load(nights[1] / "manifest.jsonl").sweep_seed == 11
    assert (nights[1] / "run-nominal").is_dir()
    assert "leo-basic-mass-nightly" in server.artifacts(night)
    for cohort in ("", "-rotating"):
        # Another mission of this name may have been first.
        key = f"leo-basic%-monte-carlo{cohort}-summary"
        versions = server.post("/artifacts/filter", {"artifacts": {"key": {"like_": key}}})
        assert any(f"{nights[1]}/" in str(each["data"]) for each in versions), key
    # For the same reason not by the whole id.
    of_requirement = {
        "filter": {
            "resource": {"id_prefix": ["gmat-sweep.requirement.leo-basic"]},
            "related": {"id": [f"prefect.flow-run.{night}"]},
        }
    }
    events = wait_for(lambda: server.post("/events/filter", of_requirement)["events"])
    assert [each["payload"]["n"] for each in events] == [3 + 2]


def test_a_night_that_moved_tells_a_webhook_and_a_button_accepts_one(
    server: LocalServer,
) -> None:
    """A schedule that a person turned on stays on; verdicts, drift and replays on the page.

    Three nights in a row, late: undecided, PASS by both nights, and FAIL with an edited mission.
    """
    of_nights = "/deployments/name/nightly-dispersion/nightly"
    [shipped] = server.client.get(of_nights).json()["schedules"]
    assert (shipped["active"], shipped["schedule"]["timezone"]) == (False, "UTC")
    schedules = f"/deployments/{server.client.get(of_nights).json()['id']}/schedules"
    server.client.patch(f"{schedules}/{shipped['id']}", json={"active": True}).raise_for_status()
    with Receiver() as receiver:
        told = {"GMAT_SWEEP_WEBHOOK": receiver.address, "TIMEZONE": "Asia/Tokyo"}
        server.environment |= told
        server.make("deploy")
        [kept] = server.client.get(of_nights).json()["schedules"]
        server.client.patch(f"{schedules}/{kept['id']}", json={"active": False}).raise_for_status()
        assert (kept["active"], kept["schedule"]["timezone"]) == (True, "Asia/Tokyo")
        for name in told:
            del server.environment[name]

        mission = server.home / "watched.script"
        text = (DATA / "leo_short.script").read_text()
        mission.write_text(text)
        required = {"name": "x", "column": "Sat.X", "limit": "> 6900", "unit": "km"}
        parameters: dict[str, Any] = {
            "mission": "watched.script",
            "vary": ["Sat.SMA=normal:7000:1"],
            "n": 4,
            "rotating": 5,
            "requirements": [{**required, "probability": 0.8, "confidence": 0.9}],
            "settings": {"workers": 1},
        }
        now = datetime.now(UTC)

        def night(days_ago: int) -> tuple[str, dict[str, Any]]:
            # New draws are those of a date, so each night needs its own.
            when = now - timedelta(days=days_ago)
            flow_run = server.start(
                "nightly", "nightly-dispersion", scheduled_for=when, **parameters
            )
            return flow_run, server.ended(flow_run)

        _, first = night(2)
        assert first["state_name"] == "Inconclusive", first["state"]["message"]
        button = server.ended(
            server.start(
                "accept-baseline", "accept-baseline", mission="watched.script", note="looked at"
            )
        )
        assert button["state_name"] == "Completed", button["state"]["message"]
        assert button["state"]["message"].endswith(": looked at")
        [accepted] = (server.home / "nights" / "watched").glob("2*")
        assert accepted_night(accepted.parent) == accepted
        _, second = night(1)
        assert (second["state_type"], second["state_name"]) == ("COMPLETED", "Completed")
        assert second["state"]["message"].startswith("Nothing moved: all quantities are equal bit")
        assert "By the evidence of 2 nights, PASS" in second["state"]["message"]
        mission.write_text(text.replace("ElapsedSecs = 60", "ElapsedSecs = 300"))
        flow_run, third = night(0)
        assert (third["state_type"], third["state_name"]) == ("FAILED", "RequirementFailed")
        assert third["state"]["message"].startswith("Moved: ")
        assert "Newly away from the baseline" in third["state"]["message"]
        assert "By the evidence of 1 night, FAIL" in third["state"]["message"]
        said = wait_for(lambda: sorted(receiver.said, key=str) if receiver.said[1:] else None)
    moved, failed = (each["text"] for each in said)
    assert moved.startswith("gmat-sweep: watched moved\nMoved: ")
    assert "1 input changed: script watched.script." in moved
    assert str(max(accepted.parent.glob("2*"))) in moved
    assert failed.startswith("gmat-sweep: watched: x: requirement failed\n")

    artifacts = server.artifacts(flow_run)
    assert artifacts.keys() == {"watched-nightly", "watched-worst-of-nights", "watched-verdicts"}
    page = artifacts["watched-nightly"]["data"]
    assert "Evidence since" in page
    assert "because inputs changed then: script watched.script" in page
    assert "(data:image/svg+xml;base64," in page
    assert "/rotating/manifest.jsonl --run " in page
    assert len(page) < 120_000
    # Of the third night: the four frozen runs were flown with another script before.
    assert "5 of 5 violate" in artifacts["watched-verdicts"]["data"]
    of_requirement = {"filter": {"resource": {"id": ["gmat-sweep.requirement.watched.x"]}}}

    def events() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = server.post("/events/filter", of_requirement)["events"]
        return found

    # One for each night; the server writes them a little later.
    wait_for(lambda: len(events()) == 3)
    assert sorted(each["event"].rpartition(".")[2] for each in events()) == [
        "failed",
        "inconclusive",
        "passed",
    ]


def test_a_server_that_goes_away_in_the_middle_costs_no_run_and_no_line(
    server: LocalServer, tmp_path: Path
) -> None:
    """Stopped and started again during a sweep of 200 runs: 200 lines, all accounted for."""
    folder = server.home / "through"
    flow_run_id = server.start(
        "monte-carlo",
        mission=str(of_days(0.7, tmp_path / "leo_basic.script")),
        vary=SMA,
        n=200,
        seed=1,
        out="through",
        # One worker, so that the sweep is still under way when the server is gone.
        settings={"workers": 1},
    )
    wait_for(lambda: len(entry_lines(folder)) >= 20, 120)
    stopped = psutil.Process(server.process_of("server"))
    stopped.kill()
    stopped.wait(30)
    assert len(entry_lines(folder)) < 200
    wait_for(lambda: len(entry_lines(folder)) >= 150, 120)
    server.make("up")
    assert server.ended(flow_run_id, 180)["state_type"] == "COMPLETED"
    assert Counter(line["run_id"] for line in entry_lines(folder)) == dict.fromkeys(range(200), 1)
    assert {line["status"] for line in entry_lines(folder)} == {"ok"}


@pytest.mark.promise("8", "a Prefect worker, or all of it, stopped during a night")
def test_a_night_that_is_stopped_says_so_and_does_not_keep_the_next_one_from_flying(
    server: LocalServer, slow_mission: Path
) -> None:
    """Killed by Prefect's own worker on SIGTERM, then ended by `make down`: final both times."""
    # A name that no other mission of this server has.
    mission = slow_mission.rename(slow_mission.with_name("stopped.script"))
    place = server.home / "nights" / mission.stem
    parameters: dict[str, Any] = {
        "mission": str(mission),
        "vary": SMA,
        "n": 100,
        "settings": {"workers": 1},
        **FROZEN_ALONE,
    }

    def night_under_way(number: int) -> tuple[str, Path]:
        flow_run = server.start("nightly", "nightly-dispersion", **parameters)
        wait_for(lambda: len(list(place.glob("2*"))) == number, 60)
        folder = max(place.glob("2*"))
        wait_for(lambda: len(entry_lines(folder)) >= 2, 60)
        return flow_run, folder

    killed, first = night_under_way(1)
    children = psutil.Process(server.process_of("worker")).children()
    [prefects_own] = [each for each in children if "prefect" in each.cmdline()]
    prefects_own.terminate()
    state = server.ended(killed, 60)["state"]
    assert (state["type"], state["name"]) == ("CRASHED", "Interrupted")
    assert state["message"].startswith("interrupted: its process was killed")
    assert f"gmat-sweep resume {first}/manifest.jsonl" in state["message"]
    last = LastPass.of(first)
    assert last is not None
    assert (last.state, last.reason) == ("interrupted", "its process was killed")
    assert server.ended(last.flow_run, 60)["state_name"] == "Interrupted"

    server.make("up")
    stopped, second = night_under_way(2)
    under_way = LastPass.of(second)
    assert under_way is not None
    server.make("down")
    ends = rows_of(
        Path(server.environment["PREFECT_HOME"]), "SELECT id, state_type, state_name FROM flow_run"
    )
    assert [end for end in ends if end[1] in ("RUNNING", "PENDING", "CANCELLING")] == []
    named = {end[0].replace("-", ""): end[2] for end in ends}
    for flow_run in (stopped, under_way.flow_run):
        assert named[flow_run.replace("-", "")] == "Interrupted"
    last = LastPass.of(second)
    assert last is not None
    assert last.state == "interrupted"
    assert "signal" in last.reason
    server.make("up")
