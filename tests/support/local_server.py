"""A Prefect server and a Prefect worker as `make up` starts them, for tests that need both."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from prefect_records import rows_of
from repository import PROJECT

FINAL = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}


class LocalServer:
    """A Prefect server with deployments and a Prefect worker, in a folder and on a port of its own.

    Sweeps are in `home`, or by default in the same folder.
    """

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.root = f"http://127.0.0.1:{self.port}"
        self.home = home or folder / "home"
        self.home.mkdir()
        self._state = folder / "state"
        self.environment = {
            **os.environ,
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": f"{self.root}/api",
            "GMAT_SWEEP_HOME": str(self.home),
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(PROJECT / "tests"), os.environ.get("PYTHONPATH")])
            ),
        }
        shutil.copytree(PROJECT / "examples", self.home / "examples")
        self.client = httpx.Client(base_url=f"{self.root}/api", timeout=30, trust_env=False)

    def make(self, command: str) -> None:
        """Call the program that `make up`, `make deploy` or `make down` calls."""
        subprocess.run(
            [
                *(sys.executable, PROJECT / "tools" / "local_prefect.py", command),
                *("--port", str(self.port), "--state", self._state),
            ],
            env=self.environment,
            check=True,
            timeout=240,
        )

    def process_of(self, name: str) -> int:
        """Return the process id of the server or the Prefect worker."""
        return int(json.loads((self._state / f"{name}.json").read_text())["pid"])

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Prefect's command line, from another folder than the project's."""
        return subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=240,
        )

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Ask the API, again if the server answers that its SQLite database is busy."""
        replies: list[httpx.Response] = []

        def is_answered() -> bool:
            replies.append(self.client.post(path, json=body))
            return replies[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

        wait_for(is_answered)
        return replies[-1].raise_for_status().json()

    def start(
        self,
        deployment: str,
        flow: str = "gmat-sweep",
        *,
        scheduled_for: datetime | None = None,
        flow_run_name: str | None = None,
        **parameters: Any,
    ) -> str:
        """Create a flow run of a deployment, as the UI's form does; return its id."""
        found = self.client.get(f"/deployments/name/{flow}/{deployment}").raise_for_status()
        state: dict[str, Any] = {"type": "SCHEDULED"}
        if scheduled_for is not None:
            state["state_details"] = {"scheduled_time": scheduled_for.isoformat()}
        body: dict[str, Any] = {"parameters": parameters, "state": state}
        if flow_run_name is not None:
            body["name"] = flow_run_name
        return str(self.post(f"/deployments/{found.json()['id']}/create_flow_run", body)["id"])

    def flow_run(self, flow_run_id: str) -> dict[str, Any]:
        """Read a flow run."""
        found: dict[str, Any] = (
            self.client.get(f"/flow_runs/{flow_run_id}").raise_for_status().json()
        )
        return found

    def ended(self, flow_run_id: str, timeout_s: float = 120) -> dict[str, Any]:
        """Wait for the end of a flow run and return it."""
        return wait_for(
            lambda: found if (found := self.flow_run(flow_run_id))["state_type"] in FINAL else None,
            timeout_s,
        )

    def task_runs(self, flow_run_id: str) -> list[dict[str, Any]]:
        """Read the task runs of a flow run."""
        found: list[dict[str, Any]] = []
        while page := self.post(
            "/task_runs/filter",
            {
                "flow_runs": {"id": {"any_": [flow_run_id]}},
                "limit": 200,
                "offset": len(found),
                "sort": "NAME_ASC",
            },
        ):
            found += page
        return found

    def rows_of_task_runs(self, flow_run_id: str) -> dict[str, int]:
        """Count the rows that the task runs of a flow run have in the server's SQLite database."""
        of_task_runs = (
            "SELECT event_id FROM event_resources JOIN events ON events.id = event_id WHERE "
            "event_resources.resource_id = 'prefect.flow-run.' || ?1 AND event LIKE "
            "'prefect.task-run.%'"
        )
        counted = {
            "task run": "task_run WHERE flow_run_id = ?1",
            "states": "task_run_state JOIN task_run ON task_run.id = task_run_id "
            "WHERE flow_run_id = ?1",
            "events": f"events WHERE id IN ({of_task_runs})",
            "event resources": f"event_resources WHERE event_id IN ({of_task_runs})",
        }
        home = Path(self.environment["PREFECT_HOME"])
        return {
            what: rows_of(home, f"SELECT COUNT(*) FROM {rows}", flow_run_id)[0][0]
            for what, rows in counted.items()
        }

    def artifacts(self, flow_run_id: str) -> dict[str, dict[str, Any]]:
        """Read the artifacts of a flow run, by key; a flow run that was retried has newer ones."""
        found = self.post(
            "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [flow_run_id]}}}
        )
        found.sort(key=lambda artifact: artifact["created"])
        return {artifact["key"]: artifact for artifact in found}

    def set_state(self, flow_run_id: str, **state: Any) -> None:
        """Set the state of a flow run as the UI's buttons do."""
        self.post(f"/flow_runs/{flow_run_id}/set_state", {"state": state})

    def retry(self, flow_run_id: str) -> None:
        """Press Retry, and wait until the flow run has begun again.

        The Prefect worker tells late that a process has ended that was killed, and its state then
        stands in the place of the button's: whoever sees it presses again.
        """
        before = self.flow_run(flow_run_id)["run_count"]
        self.set_state(flow_run_id, type="SCHEDULED", name="AwaitingRetry")

        def has_begun() -> bool:
            run = self.flow_run(flow_run_id)
            if run["run_count"] == before and run["state_type"] in {"CRASHED", "FAILED"}:
                self.set_state(flow_run_id, type="SCHEDULED", name="AwaitingRetry")
            return bool(run["run_count"] > before)

        wait_for(has_begun, 120)


def wait_for[T](look: Callable[[], T | None], timeout_s: float = 60) -> T:
    """Return the first value other than None that `look` returns."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"not found within {timeout_s} s")


def entry_lines(folder: Path) -> list[dict[str, Any]]:
    """Return the entries of a sweep's manifest, line by line; none before it exists."""
    manifest = folder / "manifest.jsonl"
    text = manifest.read_text(encoding="utf-8") if manifest.exists() else ""
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if "run_id" in line]
