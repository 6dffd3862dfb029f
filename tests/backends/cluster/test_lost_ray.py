"""A Ray cluster that is killed in mid-sweep: the sweep says so in time, and can be resumed."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dask_clusters import program, wait_for
from faulty_runs import spec_of
from gmat_sweep import LocalJoblibPool, Manifest, RunSpec
from repository import SUPPORT
from resumed_sweeps import hand_made, reopened, same

pytestmark = pytest.mark.services

RAY = str(Path(sys.executable).parent / "ray")
RUNS = 24
LOST = 9
# Ray itself would then end the process after so long, with no word to the sweep.
RAY_GIVES_UP_AFTER_S = 24

DRIVER = f"""
import pathlib, sys
from faulty_runs import spec_of
from gmat_sweep import Sweep
from gmat_sweep.backends import RayPool
from gmat_sweep.errors import BackendError

out = pathlib.Path(sys.argv[2])
runs = [spec_of(out, number, hook="take_time", seconds=1) for number in range({RUNS})]
sweep = Sweep(
    runs=runs,
    backend=RayPool(address=sys.argv[1]),
    manifest_path=out / "manifest.jsonl",
    output_dir=out,
    script_path=runs[0].script_path,
    progress=False,
)
try:
    sweep.run()
except BackendError as error:
    print(error)
    sys.exit({LOST})
"""


def specs(folder: Path) -> list[RunSpec]:
    """Return the runs of the sweep, each of which takes a second."""
    return [spec_of(folder, number, hook="take_time", seconds=1) for number in range(RUNS)]


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return Ray's own processes, which all name its folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            if any(str(folder) in word for word in process.cmdline()):
                found.append(process)
    return found


def strike(folder: Path, *programs: str) -> list[psutil.Process]:
    """Kill some of Ray's programs; return the GMAT processes beside its actors."""
    ray = {Path(process.cmdline()[0]).name: process for process in processes_of(folder)}
    started = [
        process
        for process in ray["raylet"].children(recursive=True)
        if any("gmat_sweep.backends.process.worker_main" in word for word in process.cmdline())
    ]
    for program_name in programs:
        ray[program_name].kill()
    return started


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """The folder and the address of a Ray head with two CPUs that belongs to nobody else."""
    # Ray makes sockets in it, whose names must be short. Its key is the test's own.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", str(RAY_GIVES_UP_AFTER_S))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    options = ("--num-cpus", "2", "--include-dashboard", "false", "--disable-usage-stats")
    place = ("--port", "0", "--temp-dir", str(folder))
    try:
        with (folder / "start.log").open("wb") as log:
            subprocess.run(
                [RAY, "start", "--head", *place, *options],
                stdout=log,
                stderr=log,
                # Where actors find the hook.
                env={
                    **os.environ,
                    "PYTHONPATH": str(SUPPORT),
                },
                check=True,
                timeout=120,
            )
        yield folder, (folder / "ray_current_cluster").read_text().strip()
    finally:
        for process in processes_of(folder):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.promise("6", "the head of a Ray cluster, or the sweep's own raylet, that is lost")
@pytest.mark.parametrize(
    ("killed", "said"),
    [
        (("gcs_server",), "its head did not answer for 8 s"),
        (("raylet",), "the raylet that this process is connected to is gone"),
        (("gcs_server", "raylet"), "the raylet that this process is connected to is gone"),
    ],
    ids=["the head", "the raylet", "both"],
)
def test_a_lost_ray_cluster_ends_the_sweep_and_it_is_finished_elsewhere_bit_for_bit(
    cluster: tuple[Path, str],
    pool: LocalJoblibPool,
    tmp_path: Path,
    killed: tuple[str, ...],
    said: str,
) -> None:
    folder, address = cluster
    out, whole = tmp_path / "out", tmp_path / "whole"
    out.mkdir()
    whole.mkdir()
    log = tmp_path / "driver.log"
    with program(sys.executable, "-c", DRIVER, address, str(out), log=log) as driver:
        wait_for((out / "run-4/began").exists, seconds=90)
        started = strike(folder, *killed)
        struck = time.monotonic()
        assert driver.wait(timeout=60) == LOST, log.read_text()
        assert time.monotonic() - struck < RAY_GIVES_UP_AFTER_S
    _, alive = psutil.wait_procs(started, timeout=60)
    before = Manifest.load(out / "manifest.jsonl").entries

    assert f"The Ray cluster is lost ({said})" in log.read_text()
    assert "resume the sweep" in log.read_text()
    assert len(started) == 2
    assert alive == []
    assert {entry.status for entry in before} == {"ok"}
    assert len(before) < RUNS

    runs = specs(whole)
    uninterrupted = hand_made(runs, whole, pool, script_path=runs[0].script_path).run()
    resumed = reopened(out, pool, specs(out)[0].script_path).resume()

    assert same(resumed.to_dataframe(), uninterrupted.to_dataframe())
    entries = {entry.run_id: entry for entry in Manifest.load(out / "manifest.jsonl").entries}
    assert sorted(entries) == list(range(RUNS))
    assert all(entries[entry.run_id].started_at == entry.started_at for entry in before)
