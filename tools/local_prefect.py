"""A Prefect server and a Prefect worker on this machine: ``up``, ``deploy``, ``down``.

``make up``, ``make deploy`` and ``make down`` call this program. The server listens on loopback and
keeps its database in the Prefect profile in use. Both processes write their logs to the state
folder.

``python tools/local_prefect.py up [--port 4200] [--state .local-prefect]``
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

PROJECT = Path(__file__).resolve().parent.parent
POOL = "gmat-pool"
START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 40.0


def main() -> int:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description="A Prefect server and a worker on this machine.")
    parser.add_argument("command", choices=["up", "deploy", "down"])
    parser.add_argument("--port", type=int, default=4200, help="of the server (default 4200)")
    parser.add_argument(
        "--state",
        type=Path,
        default=PROJECT / ".local-prefect",
        help="folder of logs and process ids",
    )
    arguments = parser.parse_args()
    local = LocalPrefect(arguments.port, arguments.state.absolute())
    commands = {"up": local.up, "deploy": local.deploy, "down": local.down}
    return commands[arguments.command]()


class LocalPrefect:
    """The server and the Prefect worker, found again by the files in the state folder.

    Parameters
    ----------
    port : int
        Port of the server.
    state : Path
        Folder for the logs and process ids of both.
    """

    def __init__(self, port: int, state: Path) -> None:
        self._root = f"http://127.0.0.1:{port}"
        self._port = port
        self._state = state
        self._environment = {
            **os.environ,
            "PREFECT_API_URL": f"{self._root}/api",
            "PREFECT_UI_URL": self._root,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            # No Python imports from the folder it is in: flow runs, which Prefect starts, included.
            "PYTHONSAFEPATH": "1",
            "GMAT_SWEEP_HOME": os.environ.get("GMAT_SWEEP_HOME") or str(PROJECT),
        }

    def up(self) -> int:
        """Start server and Prefect worker if they do not run; return when the worker takes work."""
        self._state.mkdir(parents=True, exist_ok=True)
        if self._running("server") is None:
            if self._answers():
                return _fail(
                    f"port {self._port} is taken by another program. Stop it (the local server of "
                    "sweeps: `gmat-sweep ui --stop`), or choose another with PORT=..."
                )
            command = ("server", "start", "--host", "127.0.0.1", "--port", self._port)
            self._start("server", sys.executable, "-P", "-m", "prefect", *command)
            self._wait("server", self._answers)
        self._prefect("work-pool", "create", POOL, "--type", "process", "--overwrite")
        if self._running("worker") is None:
            # Often, so that a flow run begins at once; a team's Prefect worker can do with less.
            self._environment["PREFECT_WORKER_QUERY_SECONDS"] = "2"
            # Unlike Prefect's own command, it lets flow runs end well when it is stopped.
            self._start("worker", Path(sys.executable).with_name("gmat-sweep"), "worker", POOL)
            self._wait("worker", self._has_worker)
        print(f"Prefect UI: {self._root}")
        print(f"commands:   export PREFECT_API_URL={self._root}/api")
        print(f"logs:       {self._state}")
        return 0

    def deploy(self) -> int:
        """Register the deployments and the automations."""
        if not self._answers():
            return _fail(f"no Prefect server answers at {self._root}. Start one with `make up`.")
        register = PROJECT / "deployments" / "register.py"
        ended = subprocess.run(
            [sys.executable, "-P", register], env=self._environment, cwd=PROJECT, check=False
        )
        if ended.returncode != 0:
            return _fail("not everything was registered: see above.")
        print("start one:  prefect deployment run gmat-sweep/monte-carlo --param n=20 --watch")
        return 0

    def down(self) -> int:
        """End the Prefect worker, which ends its flow runs first, then the server."""
        for name in ("worker", "server"):
            process = self._running(name)
            if process is not None:
                _end(process)
                print(f"{name} stopped")
            (self._state / f"{name}.json").unlink(missing_ok=True)
        return 0

    def _prefect(self, *arguments: object) -> None:
        subprocess.run(
            [sys.executable, "-P", "-m", "prefect", *map(str, arguments)],
            env=self._environment,
            cwd=PROJECT,
            check=True,
        )

    def _start(self, name: str, *command: object) -> None:
        with (self._state / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                env=self._environment,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # After a restart of the machine another process may have the id, but not the time of start.
        born = psutil.Process(process.pid).create_time()
        known = json.dumps({"pid": process.pid, "created": born})
        (self._state / f"{name}.json").write_text(known, encoding="utf-8")

    def _running(self, name: str) -> psutil.Process | None:
        try:
            known = json.loads((self._state / f"{name}.json").read_text(encoding="utf-8"))
            process = psutil.Process(known["pid"])
        except (FileNotFoundError, psutil.NoSuchProcess):
            return None
        return process if process.create_time() == known["created"] else None

    def _wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not is_ready():
            if self._running(name) is None or time.monotonic() > deadline:
                said = (self._state / f"{name}.log").read_text(encoding="utf-8", errors="replace")
                raise SystemExit(f"the Prefect {name} did not start:\n{said[-3000:]}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self._root}/api/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def _has_worker(self) -> bool:
        reply = httpx.post(
            f"{self._root}/api/work_pools/{POOL}/workers/filter",
            json={"workers": {"status": {"any_": ["ONLINE"]}}},
            timeout=10,
        )
        return bool(reply.raise_for_status().json())


def _end(process: psutil.Process) -> None:
    """Ask a process to end, and kill all that it started and left."""
    family = [process, *process.children(recursive=True)]
    process.terminate()
    _, left = psutil.wait_procs([process], timeout=STOP_TIMEOUT_S)
    for each in family:
        if each.is_running():
            each.terminate()
    _, left = psutil.wait_procs(family, timeout=STOP_TIMEOUT_S)
    for each in left:
        each.kill()
    psutil.wait_procs(left, timeout=STOP_TIMEOUT_S)


def _fail(message: str) -> int:
    print(f"local_prefect: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
