"""A server that is not to stay leaves nothing behind, however its driver ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from faulty_runs import has_ended, wait_until

PROGRAM = """
import sys, time
from contextlib import nullcontext
from gmat_sweep.backends.process.reaper import REAPER
from gmat_sweep.flow.server import start_local_server

server = start_local_server()
if sys.argv[1] != "starting":
    server.wait()
while (pid := server.place.process_id()) is None:
    time.sleep(0.01)
REAPER.add_folder("/nowhere")
with server.held() if sys.argv[1] == "in use" else nullcontext():
    # The server looks who uses it three times a second.
    time.sleep(sys.argv[1] == "in use")
    print(REAPER._process.pid, pid, flush=True)
    time.sleep(100)
"""


@pytest.mark.promise("8", "driver and reaper killed at once, beside a server")
@pytest.mark.parametrize(
    ("when", "stays"),
    [
        ("starting", "0"),
        pytest.param("answering", "0", marks=pytest.mark.soak),
        # One that stays for half an hour after a sweep that ends in order.
        pytest.param("in use", "30min", marks=pytest.mark.services),
    ],
    ids=str,
)
def test_the_server_ends_when_driver_and_reaper_are_killed_and_leaves_no_log(
    when: str, stays: str, tmp_path: Path
) -> None:
    (temporary := tmp_path / "temporary").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, when],
        env={
            **os.environ,
            "PREFECT_HOME": str(tmp_path),
            "TMPDIR": str(temporary),
            "GMAT_SWEEP_SERVER_IDLE": stays,
        },
        stdout=subprocess.PIPE,
        text=True,
    ) as driver:
        assert driver.stdout is not None
        reaper, server = (psutil.Process(int(pid)) for pid in driver.stdout.readline().split())
        assert server.is_running()
        reaper.send_signal(signal.SIGKILL)
        driver.kill()

    wait_until(lambda: has_ended(server.pid), "the end of the server", 20)
    assert list(temporary.iterdir()) == []


SERVERS = """
import socket
from prefect import flow, runtime, task
from gmat_sweep.flow.backlog import wait_until_recorded
from gmat_sweep.flow.server import end_local_server, forget_unsent_events, recorded_on

@task
def run(number):
    pass

@flow
def two_runs():
    for number in range(2):
        run(number)
    return runtime.flow_run.id

taken = socket.socket()
for after in ("at the same address", "at another address", "the end"):
    with recorded_on() as api_url:
        flow_run_id = two_runs()
        print(api_url, wait_until_recorded(flow_run_id, 2), flush=True)
    end_local_server()
    # What is left after the count would be tried for a while.
    forget_unsent_events()
    if after == "at another address":
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(api_url.rpartition(":")[2].removesuffix("/api"))))
        taken.listen()
"""


@pytest.mark.services
def test_the_next_server_is_told_of_the_next_runs_in_the_same_process(tmp_path: Path) -> None:
    """A notebook outlives a server that nobody used for half an hour."""
    done = subprocess.run(
        [sys.executable, "-c", SERVERS],
        env={
            **os.environ,
            "PREFECT_HOME": str(tmp_path),
            "GMAT_SWEEP_SERVER_IDLE": "5min",
            # The last lines would be tried for minutes, as their server ends at once.
            "PREFECT_LOGGING_TO_API_ENABLED": "false",
        },
        capture_output=True,
        text=True,
        check=True,
    )

    addresses, recorded = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    assert recorded == ("2", "2", "2"), done.stderr
    assert addresses[2] != addresses[1]
