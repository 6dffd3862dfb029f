"""A server that is not to stay leaves nothing behind, however its driver ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

PROGRAM = """
import sys, time
from gmat_sweep.backends.process.reaper import REAPER
from gmat_sweep.flow.server import start_local_server

server = start_local_server()
if sys.argv[1] == "answering":
    server.wait()
while (pid := server.place.process_id()) is None:
    time.sleep(0.01)
REAPER.add_folder("/nowhere")
print(REAPER._process.pid, pid, flush=True)
time.sleep(100)
"""


@pytest.mark.promise("8", "driver and reaper killed at once, beside a server")
@pytest.mark.parametrize(
    "when", ["starting", pytest.param("answering", marks=pytest.mark.soak)], ids=str
)
def test_the_server_ends_when_driver_and_reaper_are_killed_and_leaves_no_log(
    when: str, tmp_path: Path
) -> None:
    (temporary := tmp_path / "temporary").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, when],
        env={**os.environ, "PREFECT_HOME": str(tmp_path), "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    ) as driver:
        assert driver.stdout is not None
        reaper, server = (psutil.Process(int(pid)) for pid in driver.stdout.readline().split())
        assert server.is_running()
        reaper.send_signal(signal.SIGKILL)
        driver.kill()

    _, alive = psutil.wait_procs([server], timeout=10)
    assert alive == []
    assert list(temporary.iterdir()) == []
