"""A Dask scheduler and Dask workers as programs, looks into them, and sweeps on them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from faulty_runs import spec_of
from gmat_sweep import LocalJoblibPool, Manifest, ManifestEntry, RunSpec, Sweep
from repository import SUPPORT

if TYPE_CHECKING:
    import distributed

    from gmat_sweep.backends import DaskPool

DASK = (sys.executable, "-m", "dask")


def wait_for(condition: Callable[[], bool], seconds: float = 200) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for did not happen"
        time.sleep(0.05)


@contextlib.contextmanager
def program(*arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; its output goes to a file."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(SUPPORT), *filter(None, sys.path)]),
        "DASK_DISTRIBUTED__DASHBOARD__LINK": "",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        process.kill()
        process.wait()


@contextlib.contextmanager
def scheduler(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a scheduler; yield its process and its address."""
    file = folder / "scheduler.json"
    options = ("--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", ":0")
    with program(
        *DASK, "scheduler", *options, "--scheduler-file", str(file), log=folder / "scheduler.log"
    ) as process:
        wait_for(lambda: file.exists() and bool(file.read_text()))
        yield process, json.loads(file.read_text())["address"]


@contextlib.contextmanager
def worker(
    folder: Path, address: str, name: str, *options: str, inside: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Dask worker of one thread, perhaps inside another program, until the block ends."""
    scratch = folder / f"scratch-{name}"
    scratch.mkdir()
    arguments = (
        *(*inside, *DASK, "worker", address, "--name", name, "--nthreads", "1"),
        *("--no-dashboard", "--local-directory", str(scratch), *options),
    )
    with program(*arguments, log=folder / f"{name}.log") as process:
        yield process


def worker_pids(client: distributed.Client) -> dict[str, int]:
    """Return the process id of every Dask worker that answers by its address."""
    pids: dict[str, int] = client.run(os.getpid, on_error="ignore")
    return pids


def gmat_processes_of(pid: int) -> set[int]:
    """Return the worker processes that a Dask worker keeps."""
    found = set()
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if any("worker_main" in part for part in child.cmdline()):
                found.add(child.pid)
    return found


def client_of(pool: DaskPool) -> distributed.Client:
    """Return the client of a pool that is open."""
    assert pool._client is not None
    return pool._client


def sweep_of(specs: list[RunSpec], pool: DaskPool | LocalJoblibPool, **options: object) -> Sweep:
    """Return a sweep of specs that all have one script; it has not run."""
    folder = specs[0].output_dir.parent
    return Sweep(
        runs=specs,
        backend=pool,
        manifest_path=folder / "manifest.jsonl",
        output_dir=folder,
        script_path=specs[0].script_path,
        progress=False,
        **options,  # type: ignore[arg-type]
    )


def recorded(folder: Path) -> dict[int, ManifestEntry]:
    """Return the entries of a sweep's manifest, which has one line for each of them."""
    manifest = folder / "manifest.jsonl"
    entries = Manifest.load(manifest).entries
    assert len(manifest.read_text().splitlines()) == len(entries) + 1
    return {entry.run_id: entry for entry in entries}


def slow(folder: Path, count: int, seconds: float = 2.0) -> list[RunSpec]:
    """Return runs whose hook sleeps after GMAT has flown them."""
    return [spec_of(folder, number, hook="take_time", seconds=seconds) for number in range(count)]
