"""`RayPool` with a real Ray: what fails in an actor costs its run, and Ray is left as it was."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import psutil
import pytest
import ray

from dask_clusters import wait_for
from edited_hooks import EDITIONS, noted_editions
from faulty_runs import spec_of
from gmat_sweep import Manifest, ManifestEntry, RunOutcome, RunSpec, Sweep
from gmat_sweep.backends import RayPool
from gmat_sweep.errors import BackendError
from gmat_sweep.folder.layout import order_mark_name

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def actors() -> Iterator[RayPool]:
    """Ray with two CPUs, for the tests that leave it running."""
    with RayPool(num_cpus=2) as pool:
        yield pool


def recorded(
    folder: Path, specs: list[RunSpec], pool: RayPool, **options: float
) -> dict[int, ManifestEntry]:
    """Run specs and return the entries, of which the manifest has one line each."""
    Sweep(
        runs=specs,
        backend=pool,
        manifest_path=folder / "manifest.jsonl",
        output_dir=folder,
        script_path=specs[0].script_path,
        progress=False,
        **options,  # type: ignore[arg-type]
    ).run()
    entries = Manifest.load(folder / "manifest.jsonl").entries
    assert len((folder / "manifest.jsonl").read_text().splitlines()) == len(entries) + 1
    return {entry.run_id: entry for entry in entries}


def actor_pids() -> list[int]:
    """Return the processes of this Ray's actors."""
    return [
        child.pid
        for child in psutil.Process().children(recursive=True)
        if "ray::GmatActor" in " ".join(child.cmdline())
    ]


@pytest.mark.promise("9", "a Ray actor killed in mid-run")
def test_a_killed_actor_costs_its_run_one_attempt(actors: RayPool, tmp_path: Path) -> None:
    specs = [spec_of(tmp_path, n, hook="take_time", seconds=3) for n in range(3)]

    def strike() -> None:
        wait_for(lambda: any(tmp_path.glob("run-*/began")))
        for worker in psutil.Process().children(recursive=True):
            if "worker_main" in " ".join(worker.cmdline()):
                actor = worker.parent()
                assert actor is not None
                # Other tests of this process have workers too.
                if actor.pid in actor_pids():
                    os.kill(actor.pid, signal.SIGKILL)
                    return

    striker = threading.Thread(target=strike)
    striker.start()
    entries = recorded(tmp_path, specs, actors)
    striker.join()

    assert {entry.status for entry in entries.values()} == {"ok"}
    (attempt,) = [attempt for entry in entries.values() for attempt in entry.attempts]
    assert "The Ray actor died during the run" in attempt["cause"]
    assert not list(tmp_path.rglob(order_mark_name("*")))


def test_a_crash_and_a_hang_cost_their_runs(actors: RayPool, tmp_path: Path) -> None:
    specs = [
        spec_of(tmp_path, 0),
        spec_of(tmp_path, 1, hook="exit_at_once"),
        spec_of(tmp_path, 2, hook="take_time", seconds=600),
    ]
    entries = recorded(tmp_path, specs, actors, timeout=5, retries=0)

    assert [entries[n].status for n in range(3)] == ["ok", "failed", "failed"]
    assert "said before the end" in (entries[1].stderr or "")
    assert "timeout of 5 s" in (entries[2].stderr or "")


def test_it_keeps_to_what_every_pool_does(actors: RayPool, tmp_path: Path) -> None:
    specs = [spec_of(tmp_path, n) for n in range(3)]
    futures = [actors.submit(spec) for spec in specs]
    outcomes = list(actors.as_completed(futures))

    assert {id(outcome) for outcome in outcomes} == {id(future.result()) for future in futures}
    assert {outcome.status for outcome in outcomes} == {"ok"}
    assert actors.max_workers == 2
    with pytest.raises(BackendError, match="not waiting in this pool"):
        next(iter(actors.as_completed([Future[RunOutcome]()])))


def test_a_kept_actor_calls_hooks_as_they_are_and_where_they_are_now(
    actors: RayPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert noted_editions(actors.execute, tmp_path, monkeypatch) == EDITIONS


def test_ray_that_runs_already_is_used_and_left_running(actors: RayPool, tmp_path: Path) -> None:
    before = len(actor_pids())
    with RayPool() as other:
        assert other.max_workers == 2
        parked = other.submit(spec_of(tmp_path))
        other.close()
        assert parked.cancelled()
        with pytest.raises(BackendError, match="closed"):
            other.submit(spec_of(tmp_path))

    assert ray.is_initialized()
    assert len(actor_pids()) == before
    with pytest.raises(BackendError, match="num_cpus is 0"):
        RayPool(num_cpus=0)
