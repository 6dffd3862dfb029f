"""`DaskPool` on dask-jobqueue's `SLURMCluster`: workers in jobs that end before the sweep does.

There is no Slurm here. Its `sbatch` and `scancel` are stood in for by two small programs: a job is
the script that dask-jobqueue wrote, run by bash on this machine.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.config
import distributed  # noqa: F401 - its defaults must be there before one is changed
import psutil
import pytest

from dask_clusters import client_of, wait_for
from faulty_runs import spec_of
from gmat_sweep import Manifest, ManifestEntry, RunSpec, Sweep
from gmat_sweep.backends import DaskPool
from repository import SUPPORT

pytestmark = pytest.mark.services

# Like Slurm's, it keeps a copy of the script, and the job's group is the job.
SBATCH = """#!/bin/sh
set -eu
script=$(mktemp "$FAKE_SLURM/script-XXXXXX")
cp "$1" "$script"
setsid bash "$script" > "$script.log" 2>&1 &
touch "$FAKE_SLURM/job-$!"
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
for job in "$@"; do
    kill -s TERM -- "-$job" && touch "$FAKE_SLURM/cancelled-$job"
done
true
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a queue that runs each job at once; what is left of them is killed."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, program in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (folder / name).write_text(program)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("FAKE_SLURM", str(folder))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    # A job has the environment of the process that submitted it, as with Slurm.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SUPPORT), *filter(None, sys.path)]))
    monkeypatch.chdir(tmp_path)
    yield folder
    for process in processes_of(folder):
        process.kill()


def jobs(folder: Path, mark: str = "job") -> set[int]:
    """Return every job that was ever submitted, or has another mark."""
    return {int(path.name.removeprefix(f"{mark}-")) for path in folder.glob(f"{mark}-*")}


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return what runs in the jobs' process sessions."""
    sessions, found = jobs(folder), []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def slurm_pool(folder: Path, per_job: int, *worker_args: str, **options: Any) -> DaskPool:
    """Return a pool whose jobs have so many workers of one thread each."""
    keywords = {
        "queue": "short",
        "walltime": "00:05:00",
        "cores": per_job,
        "processes": per_job,
        "memory": "2GB",
        "local_directory": str(folder),
        "worker_extra_args": ["--no-dashboard", *worker_args],
        "scheduler_options": {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"},
    }
    return DaskPool(cluster_class="dask_jobqueue.SLURMCluster", cluster_kwargs=keywords, **options)


def flown(out: Path, specs: list[RunSpec], pool: DaskPool) -> list[ManifestEntry]:
    """Run specs and return their entries, of which the manifest has one line each."""
    Sweep(
        runs=specs,
        backend=pool,
        manifest_path=out / "manifest.jsonl",
        output_dir=out,
        script_path=specs[0].script_path,
        progress=False,
        retries=0,
    ).run()
    entries = list(Manifest.load(out / "manifest.jsonl").entries)
    assert len((out / "manifest.jsonl").read_text().splitlines()) == len(entries) + 1
    return entries


@pytest.mark.promise("9", "jobs of a queue that end in mid-sweep")
@pytest.mark.parametrize(
    ("per_job", "options"),
    [
        (1, {"n_workers": 2}),
        (2, {"n_workers": 2}),
        (2, {"adapt_kwargs": {"minimum": 0, "maximum": 2, "interval": "500ms"}}),
    ],
    ids=["n_workers", "jobs of two workers", "adapt"],
)
def test_jobs_that_end_in_mid_sweep_are_replaced_and_cost_no_run(
    slurm: Path, tmp_path: Path, per_job: int, options: dict[str, Any]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    specs = [spec_of(out, number, hook="take_time", seconds=2) for number in range(12)]
    lifetime = ("--lifetime", "10s", "--lifetime-stagger", "3s")

    # Dask waits that long for a worker that it lost to come back; 15 s by default.
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}):
        entries = flown(out, specs, slurm_pool(tmp_path, per_job, *lifetime, **options))

    assert Counter(entry.run_id for entry in entries) == dict.fromkeys(range(12), 1)
    assert {entry.status for entry in entries} == {"ok"}
    assert not any(entry.attempts for entry in entries)
    assert len(jobs(slurm)) > 2 / per_job, "no job ended before the sweep did"
    wait_for(lambda: not processes_of(slurm), seconds=30)


@pytest.mark.promise("8", "a job that is replaced once, and cancelled at the end")
def test_a_job_that_ends_is_replaced_by_one_job_and_what_runs_at_the_end_is_cancelled(
    slurm: Path, tmp_path: Path
) -> None:
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}),
        slurm_pool(tmp_path, 1, n_workers=2) as pool,
    ):
        client = client_of(pool)
        client.wait_for_workers(2)
        first, before = jobs(slurm), set(client.scheduler_info()["workers"])
        for job in first:
            os.killpg(job, signal.SIGKILL)
        wait_for(lambda: len(set(client.scheduler_info()["workers"]) - before) == 2)
        # As many rounds as there were until now: none of them changes its mind.
        time.sleep(5)
        second = jobs(slurm) - first

        assert len(second) == 2
        assert not jobs(slurm, "cancelled") & second
    wait_for(lambda: not processes_of(slurm), seconds=30)
    assert jobs(slurm) == first | second
