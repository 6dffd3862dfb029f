"""A server on PostgreSQL that asks for a password, as `docs/production.md` has it.

The cluster is Debian's package, run by an unprivileged user: PostgreSQL refuses to be run by root.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from gmat_sweep.errors import BackendError
from gmat_sweep.flow.server import start_local_server
from gmat_sweep.folder.last_pass import LastPass
from local_server import entry_lines, wait_for
from repository import DATA

pytestmark = pytest.mark.services

AUTH = ("team", "secret:with/odd@parts")
AUTH_STRING = ":".join(AUTH)
GMAT_SWEEP = Path(sys.executable).with_name("gmat-sweep")


def programs() -> Path:
    """Return the folder of PostgreSQL's programs; Debian keeps them off PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert folders, "no PostgreSQL: install it, for example `apt install postgresql`"
    return folders[-1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The connection URL of an empty database in a cluster of its own."""
    # Not in pytest's folder, which other users cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="gmat-sweep-postgresql-"))
    as_root = os.geteuid() == 0
    user = "nobody" if as_root else None
    if as_root:
        shutil.chown(folder, "nobody")
    (password := folder / "password").write_text("of-the-database\n")
    data, port = folder / "data", free_port()
    if as_root:
        shutil.chown(password, "nobody")
    try:
        subprocess.run(
            [
                *(programs() / "initdb", "--pgdata", data, "--username", "prefect"),
                *("--auth", "scram-sha-256", "--pwfile", password, "--encoding", "UTF8"),
            ],
            user=user,
            cwd=folder,
            check=True,
            capture_output=True,
        )
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [
                    *(programs() / "postgres", "-D", data, "-p", str(port), "-k", folder),
                    *("-c", "listen_addresses=127.0.0.1"),
                ],
                user=user,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        try:
            wait_for(lambda: "ready to accept connections" in (folder / "log").read_text())
            yield f"postgresql+asyncpg://prefect:of-the-database@127.0.0.1:{port}/postgres"
        finally:
            # Fast shutdown: clients are cut off.
            server.send_signal(signal.SIGINT)
            server.wait(30)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def api_url(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prefect server on that database, with a password."""
    home, port = tmp_path_factory.mktemp("prefect"), free_port()
    server = subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "prefect", "server", "start"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        env={
            **os.environ,
            "PREFECT_HOME": str(home),
            "PREFECT_API_DATABASE_CONNECTION_URL": database,
            "PREFECT_SERVER_API_AUTH_STRING": AUTH_STRING,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/api"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_for(answers, 180)
        yield url
        # All of it was in PostgreSQL.
        assert not (home / "prefect.db").exists()
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture
def api(api_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api_url, auth=AUTH, timeout=30, trust_env=False) as client:
        yield client


def sweep(api_url: str, script: Path, folder: Path, n: int) -> subprocess.Popen[str]:
    """Start a sweep that is recorded on the server."""
    return subprocess.Popen(
        [
            *(GMAT_SWEEP, "monte-carlo", script, "--n", str(n), "--seed", "1", "--quiet"),
            *("--perturb", "Sat.SMA=normal:7100:5", "--workers", "1", "--out", folder),
        ],
        env={
            **os.environ,
            "PREFECT_API_URL": api_url,
            "PREFECT_API_AUTH_STRING": AUTH_STRING,
            "GMAT_SWEEP_HOME": str(folder.parent),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def state_of(api: httpx.Client, folder: Path) -> tuple[str, str]:
    last = LastPass.of(folder)
    assert last is not None
    found = api.get(f"/flow_runs/{last.flow_run}").raise_for_status().json()
    return found["state_type"], found["state_name"]


def test_a_sweep_is_recorded_in_postgresql(api_url: str, api: httpx.Client, tmp_path: Path) -> None:
    """Flow run, task runs and artifacts are there, by a client that knows the password."""
    flown = sweep(api_url, DATA / "leo_basic.script", tmp_path / "out", 5)
    said, _ = flown.communicate(timeout=240)
    assert flown.returncode == 0, said

    assert state_of(api, tmp_path / "out") == ("COMPLETED", "Completed")
    last = LastPass.of(tmp_path / "out")
    assert last is not None
    of_this = {"flow_runs": {"id": {"any_": [last.flow_run]}}}
    assert api.post("/task_runs/count", json=of_this).json() == 5
    artifacts = {"artifacts": {"flow_run_id": {"any_": [last.flow_run]}}}
    keys = {artifact["key"] for artifact in api.post("/artifacts/filter", json=artifacts).json()}
    assert keys == {f"leo-basic-monte-carlo-{kind}" for kind in ("progress", "summary", "pictures")}


def test_a_driver_that_is_killed_leaves_no_running_flow_run(
    api_url: str, api: httpx.Client, tmp_path: Path
) -> None:
    """The reaper tells the server, password and all."""
    slow = tmp_path / "slow.script"
    text = (DATA / "leo_basic.script").read_text()
    slow.write_text(text.replace("Sat.ElapsedSecs = 60", "Sat.ElapsedDays = 1.5"))
    driver = sweep(api_url, slow, tmp_path / "out", 60)
    try:
        wait_for(lambda: entry_lines(tmp_path / "out"), 120)
    finally:
        driver.kill()
        driver.communicate()

    wait_for(lambda: state_of(api, tmp_path / "out") == ("CRASHED", "Interrupted"), 60)
    last = LastPass.of(tmp_path / "out")
    assert last is not None
    assert (last.state, last.reason) == ("interrupted", "its process was killed")


@pytest.mark.parametrize("password", [None, "team:wrong"])
def test_without_the_password_no_run_begins_and_the_message_says_where_it_goes(
    api_url: str, password: str | None
) -> None:
    with (
        temporary_settings({PREFECT_API_URL: api_url, PREFECT_API_AUTH_STRING: password}),
        pytest.raises(BackendError, match=r"refuses access \(401\)\. Set PREFECT_API_AUTH_STRING"),
    ):
        start_local_server()
