"""``gmat-sweep worker``: a Prefect worker that lets its flow runs end well when it is stopped.

Prefect's own worker, told by SIGTERM or SIGINT to end, kills the processes of its flow runs at
once. `run_worker` starts that worker as a child and takes the signal in its place: it first sends
SIGTERM to the flow runs, so that each records how it ended, and only then ends the worker.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType

import psutil

from gmat_sweep.backends.process.reaper import REAPER

__all__ = ["LONGEST_STOP_S", "run_worker"]

# Together below the time that service managers and compose.yaml give a service to stop.
_FLOW_RUNS_S = 20.0
_WORKER_S = 8.0
# For the worker to tell the server of a process that died before its flow began.
_LAST_WORD_S = 1.5
_LOOK_S = 0.2

LONGEST_STOP_S = _FLOW_RUNS_S + _LAST_WORD_S + _WORKER_S
"""How long a worker that is told to end may take, in seconds."""


def run_worker(arguments: Sequence[str]) -> int:
    """Run ``prefect worker start`` with these arguments until it ends; return its exit code.

    On SIGTERM or SIGINT the flow runs have 20 s to end and the worker 8 s. A second signal leaves
    the flow runs no time.
    """
    with _counted_signals() as signals:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "prefect", "worker", "start", *arguments],
            stdin=subprocess.DEVNULL,
            # Its flow runs must not import from the folder they are in.
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            # Ctrl-C in a terminal goes to all of a session: the worker must not see it first.
            start_new_session=True,
        )
        REAPER.add_group(process.pid)
        try:
            while not signals and process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_S)
            if signals:
                _end_flow_runs(process.pid, signals)
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_WORKER_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            REAPER.discard_group(process.pid)
    # A worker that was asked to end has done what it should.
    return 0 if signals else process.returncode


@contextlib.contextmanager
def _counted_signals() -> Iterator[list[int]]:
    """Collect SIGTERM and SIGINT in the list that is yielded instead of ending by them."""
    signals: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        signals.append(number)

    before = {each: signal.signal(each, note) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_flow_runs(worker: int, signals: list[int]) -> None:
    """Send SIGTERM once to every flow run of the worker, and wait until they have ended."""
    asked: set[psutil.Process] = set()
    deadline = time.monotonic() + _FLOW_RUNS_S
    # The worker goes on to take flow runs until it is told to end: these are ended, too.
    while running := _flow_runs(worker):
        if time.monotonic() > deadline or len(signals) > 1:
            return
        for process in running:
            if process not in asked:
                asked.add(process)
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.terminate()
        time.sleep(_LOOK_S)
    if asked:
        time.sleep(_LAST_WORD_S)


def _flow_runs(worker: int) -> list[psutil.Process]:
    """Return the processes of the worker's flow runs, which are its children."""
    try:
        children = psutil.Process(worker).children()
    except psutil.NoSuchProcess:
        return []
    return [each for each in children if each.is_running() and each.status() != "zombie"]
