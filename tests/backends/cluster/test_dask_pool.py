"""`DaskPool` with real Dask workers: what fails there costs its run, and is recorded once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from pathlib import Path

import distributed
import psutil
import pytest

import dask_clusters
from dask_clusters import (
    client_of,
    gmat_processes_of,
    recorded,
    slow,
    sweep_of,
    wait_for,
    worker_pids,
)
from edited_hooks import EDITIONS, noted_editions
from faulty_runs import spec_of
from gmat_sweep import LocalJoblibPool, Manifest, Sweep, sweep
from gmat_sweep.backends import DaskPool
from gmat_sweep.backends.cluster import dask_batches
from gmat_sweep.backends.cluster.dask_jobs import ReplacingAdaptive
from gmat_sweep.backends.cluster.dask_plugins import BEGUN
from gmat_sweep.backends.cluster.orders import Order
from gmat_sweep.errors import BackendError
from gmat_sweep.folder.layout import order_mark_name
from gmat_sweep.spec import RunOutcome

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def kept() -> Iterator[DaskPool]:
    """Two Dask workers of one thread each, for tests that leave as many."""
    with DaskPool(n_workers=2) as pool:
        yield pool


@pytest.fixture
def pair(kept: DaskPool) -> DaskPool:
    """Both of them, also where a test before has killed one."""
    client_of(kept).wait_for_workers(2)
    return kept


@pytest.mark.promise("9", "a Dask worker killed in mid-run")
def test_a_killed_worker_costs_its_run_one_attempt_and_nothing_is_recorded_twice(
    pair: DaskPool, tmp_path: Path
) -> None:
    client = client_of(pair)
    before = worker_pids(client)
    victim, gmat = next((pid, gmat_processes_of(pid)) for pid in before.values())

    def strike() -> None:
        # Both workers are in the middle of a run when every run folder has GMAT's outputs.
        wait_for(lambda: all((tmp_path / f"run-{n}/began").exists() for n in (0, 1)))
        os.kill(victim, signal.SIGKILL)

    striker = threading.Thread(target=strike)
    striker.start()
    done = sweep_of(slow(tmp_path, 5), pair).run()
    striker.join()
    entries = recorded(tmp_path)

    assert sorted(entries) == [0, 1, 2, 3, 4]
    assert {entry.status for entry in entries.values()} == {"ok"}
    attempts = [attempt for entry in entries.values() for attempt in entry.attempts]
    assert len(attempts) == 1
    assert "died during the run" in attempts[0]["cause"]
    assert len(done.to_dataframe().groupby("run_id")) == 5
    assert not any(psutil.pid_exists(pid) for pid in gmat)
    assert not list(tmp_path.rglob(order_mark_name("*")))


@contextlib.contextmanager
def counted_tasks(pool: DaskPool, *, as_short: bool) -> Iterator[list[str]]:
    """Yield the keys of tasks that begin; with `as_short`, a run of a second is a short one."""
    begun: list[str] = []
    assert pool._batches is not None
    pool._batches._seconds = None
    client_of(pool).subscribe_topic(BEGUN, lambda event: begun.append(event[1]))
    with pytest.MonkeyPatch.context() as patch:
        if as_short:
            patch.setattr(dask_batches, "SECONDS", 8)
        yield begun
    client_of(pool).unsubscribe_topic(BEGUN)


def test_short_runs_share_tasks_and_long_ones_do_not(pair: DaskPool, tmp_path: Path) -> None:
    short, long = tmp_path / "short", tmp_path / "long"
    short.mkdir()
    long.mkdir()
    # A busy machine takes its time over these, too.
    with counted_tasks(pair, as_short=True) as begun:
        sweep_of([spec_of(short, number) for number in range(40)], pair).run()
        assert len(set(begun)) < 35
    with counted_tasks(pair, as_short=False) as begun:
        sweep_of(slow(long, 6, seconds=0.5), pair).run()
        assert len(set(begun)) == 6

    assert [entry.status for entry in recorded(short).values()] == ["ok"] * 40
    assert list(short.rglob("run-*/.*")) == []


def test_a_worker_killed_in_a_shared_task_costs_the_run_under_way_and_no_other(
    pair: DaskPool, tmp_path: Path
) -> None:
    victim = next(iter(worker_pids(client_of(pair)).values()))

    def strike() -> None:
        # Runs that came one by one have tasks of their own; those after them waited together.
        wait_for(lambda: len(list(tmp_path.glob("run-*/began"))) >= 9)
        os.kill(victim, signal.SIGKILL)

    striker = threading.Thread(target=strike)
    striker.start()
    with counted_tasks(pair, as_short=True) as begun:
        sweep_of(slow(tmp_path, 20, seconds=0.5), pair).run()
    striker.join()
    entries = recorded(tmp_path)

    assert sorted(entries) == list(range(20))
    assert {entry.status for entry in entries.values()} == {"ok"}
    assert sum(len(entry.attempts) for entry in entries.values()) == 1
    assert len(set(begun)) < 16


def test_runs_in_a_shared_task_are_ended_with_their_sweep(pair: DaskPool, tmp_path: Path) -> None:
    specs = slow(tmp_path, 12, seconds=1)
    with counted_tasks(pair, as_short=True):
        outcomes = sweep_of(specs, pair).iter_outcomes()
        next(outcomes)
        assert isinstance(outcomes, Generator)
        outcomes.close()
        ended = len(list(tmp_path.glob("run-*/began")))
        time.sleep(2.5)

    assert ended < 8
    assert len(list(tmp_path.glob("run-*/began"))) == ended


def test_what_crashes_on_a_worker_costs_its_run_and_the_dask_worker_lives_on(
    pair: DaskPool, tmp_path: Path
) -> None:
    before = worker_pids(client_of(pair))
    specs = [spec_of(tmp_path, number) for number in range(3)]
    specs[1] = spec_of(tmp_path, 1, hook="exit_at_once")
    sweep_of(specs, pair, retries=1).run()
    entries = recorded(tmp_path)

    assert [entries[n].status for n in range(3)] == ["ok", "failed", "ok"]
    assert "said before the end" in (entries[1].stderr or "")
    assert len(entries[1].attempts) == 1
    assert worker_pids(client_of(pair)) == before
    assert not list(tmp_path.rglob(order_mark_name("*")))


@pytest.mark.promise("9", "a retry on Dask before its first attempt's task has ended")
def test_a_run_is_tried_again_before_its_first_order_is_put_away(
    pair: DaskPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(tmp_path, 0, hook="exit_at_once")

    def put_away_late(order: Order) -> None:
        wait_for((spec.output_dir / ".attempt-1").exists)
        pair._desk.let_go(order)

    monkeypatch.setattr(pair._batches, "_done_with", put_away_late)
    sweep_of([spec], pair, retries=1).run()
    entry = recorded(tmp_path)[0]

    assert "said before the end" in (entry.stderr or "")
    assert len(entry.attempts) == 1
    assert not list(tmp_path.rglob(order_mark_name("*")))


def test_a_run_that_takes_too_long_is_ended_on_its_worker(pair: DaskPool, tmp_path: Path) -> None:
    before = worker_pids(client_of(pair))
    sweep_of([spec_of(tmp_path, 0, "endless propagation")], pair, timeout=2).run()
    entries = recorded(tmp_path)

    assert entries[0].status == "failed"
    assert "did not end within its timeout of 2 s" in (entries[0].stderr or "")
    assert worker_pids(client_of(pair)) == before


def test_runs_that_are_given_up_are_ended_on_their_workers(pair: DaskPool, tmp_path: Path) -> None:
    specs = [*(spec_of(tmp_path, n) for n in range(4)), *slow(tmp_path, 8, seconds=600)[4:]]
    outcomes = sweep_of(specs, pair).iter_outcomes()
    spec, _ = next(outcomes)
    wait_for(lambda: len(list(tmp_path.glob("run-*/began"))) == 2)
    assert isinstance(outcomes, Generator)
    outcomes.close()

    assert sorted(recorded(tmp_path)) == [spec.run_id]
    # The GMAT processes are free for the next sweep, and have not waited ten minutes.
    assert next(iter(pair.as_completed([pair.submit(spec_of(tmp_path, 9))]))).status == "ok"


def test_it_keeps_to_what_every_pool_does(pair: DaskPool, tmp_path: Path) -> None:
    specs = [spec_of(tmp_path, number) for number in range(3)]
    futures = [pair.submit(spec) for spec in specs]

    assert not any(future.done() or future.cancelled() for future in futures)
    outcomes = list(pair.as_completed(futures))
    assert {id(outcome) for outcome in outcomes} == {id(future.result()) for future in futures}
    assert sorted(outcome.run_id for outcome in outcomes) == [0, 1, 2]
    with pytest.raises(BackendError, match="not waiting in this pool"):
        next(iter(pair.as_completed([futures[0]])))
    with pytest.raises(BackendError, match="not waiting in this pool"):
        next(iter(pair.as_completed([Future[RunOutcome]()])))
    assert [outcome.status for _, outcome in pair.imap([spec_of(tmp_path, 7)])] == ["ok"]


def test_a_kept_cluster_calls_hooks_as_they_are_and_where_they_are_now(
    pair: DaskPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert noted_editions(pair.execute, tmp_path, monkeypatch) == EDITIONS


def test_a_pool_that_is_only_handed_over_has_a_cluster_for_the_sweep(
    leo_short: Path, tmp_path: Path
) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    pool = DaskPool(n_workers=1)
    frame = sweep(leo_short, grid={"Sat.SMA": [7000.0]}, backend=pool, out=tmp_path, progress=False)

    assert len(frame) > 0
    assert not pool.is_open
    assert not [
        child
        for child in psutil.Process().children(recursive=True)
        if child.pid not in before and "dask" in child.cmdline()
    ]
    pool.close()
    pool.close()
    with pytest.raises(BackendError, match="closed"):
        pool.submit(spec_of(tmp_path))


def test_a_clients_cluster_is_used_as_it_grows_and_is_left_running(
    leo_short: Path, tmp_path: Path
) -> None:
    with (
        dask_clusters.scheduler(tmp_path) as (_, address),
        dask_clusters.worker(tmp_path, address, "one"),
        distributed.Client(address, set_as_default=False) as client,
    ):
        with DaskPool(client=client) as pool:
            client.wait_for_workers(1)
            wait_for(lambda: pool.max_workers == 1)
            with dask_clusters.worker(tmp_path, address, "two", "--nthreads", "3"):
                wait_for(lambda: pool.max_workers == 4)
                assert [outcome.status for _, outcome in pool.imap([spec_of(tmp_path)])] == ["ok"]
                (pid, *_) = worker_pids(client).values()
                assert gmat_processes_of(pid)
        assert client.status == "running"
        assert not any(gmat_processes_of(pid) for pid in worker_pids(client).values())


@pytest.mark.promise("6", "a Dask scheduler that is lost")
def test_a_lost_scheduler_ends_the_sweep_and_it_can_be_resumed(
    pool: LocalJoblibPool, tmp_path: Path
) -> None:
    cluster, out = tmp_path / "cluster", tmp_path / "out"
    cluster.mkdir()
    out.mkdir()
    specs = [spec_of(out, number, hook="take_time", seconds=0.5) for number in range(8)]
    with (
        dask_clusters.scheduler(cluster) as (process, address),
        dask_clusters.worker(cluster, address, "one"),
        DaskPool(address=address) as remote,
    ):

        def strike() -> None:
            wait_for((out / "run-3/began").exists)
            process.kill()

        striker = threading.Thread(target=strike)
        striker.start()
        with pytest.raises(BackendError, match=r"(?s)scheduler is lost.*[Rr]esume the sweep"):
            sweep_of(specs, remote).run()
        striker.join()
    before = recorded(out)
    assert before
    assert len(before) < len(specs)
    Sweep.from_manifest(
        out / "manifest.jsonl", specs[0].script_path, backend=pool, progress=False
    ).resume()

    entries = {entry.run_id: entry for entry in Manifest.load(out / "manifest.jsonl").entries}
    assert {number: entry.status for number, entry in entries.items()} == dict.fromkeys(
        range(8), "ok"
    )
    assert all(entries[number].started_at == entry.started_at for number, entry in before.items())


@pytest.mark.parametrize("as_short", [False, True], ids=["alone", "in shared tasks"])
def test_a_worker_that_leaves_at_its_lifetime_gives_its_runs_to_another(
    tmp_path: Path, as_short: bool
) -> None:
    cluster, out = tmp_path / "cluster", tmp_path / "out"
    cluster.mkdir()
    out.mkdir()
    lifetime = ("--lifetime", "8s", "--lifetime-stagger", "1s")
    with (
        dask_clusters.scheduler(cluster) as (_, address),
        dask_clusters.worker(cluster, address, "long"),
        DaskPool(address=address) as remote,
    ):
        client_of(remote).wait_for_workers(1)
        with dask_clusters.worker(cluster, address, "brief", *lifetime):
            client_of(remote).wait_for_workers(2)
            with counted_tasks(remote, as_short=as_short):
                sweep_of(slow(out, 7, seconds=2), remote, retries=0).run()
            assert len(worker_pids(client_of(remote))) == 1
    entries = recorded(out)

    assert {entry.status for entry in entries.values()} == {"ok"}
    assert not any(entry.attempts for entry in entries.values())


def test_an_address_where_nothing_answers_is_said_before_any_run(
    leo_short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        with pytest.raises(BackendError, match=r"No Dask scheduler answers at tcp://127.0.0.1:9"):
            DaskPool(address="tcp://127.0.0.1:9").open()
        with pytest.raises(BackendError, match=r"tcp://127.0.0.1:9"):
            sweep(
                leo_short,
                grid={},
                backend=DaskPool(address="tcp://127.0.0.1:9"),
                out=tmp_path,
                progress=False,
            )
    assert recorded(tmp_path) == {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"address": "tcp://a:1", "cluster_class": "a.B"}, r"address= and cluster_class="),
        ({"address": "tcp://a:1", "n_workers": 2}, r"address= and n_workers="),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(BackendError, match=said):
        DaskPool(**options)  # type: ignore[arg-type]


def test_a_cluster_class_is_named_with_its_keywords() -> None:
    with pytest.raises(BackendError, match="no_such_package"):
        DaskPool(cluster_class="no_such_package.Cluster").open()
    made = DaskPool(
        cluster_class="distributed.LocalCluster",
        cluster_kwargs={"processes": False, "dashboard_address": None},
        n_workers=3,
        adapt_kwargs={"minimum": 1, "maximum": 2},
    )
    assert made.runner_settings == {
        "cluster_class": distributed.LocalCluster,
        "cluster_kwargs": {"processes": False, "dashboard_address": None, "n_workers": 3},
        "adapt_kwargs": {"Adaptive": ReplacingAdaptive, "minimum": 1, "maximum": 2},
    }


def test_a_cluster_that_adapts_gets_as_many_runs_as_it_may_grow_to() -> None:
    with (
        distributed.LocalCluster(
            n_workers=0, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        DaskPool(client=client) as pool,
    ):
        assert pool.max_workers == 1
        cluster.adapt(minimum=0, maximum=6)
        wait_for(lambda: pool.max_workers == 6)


def test_runs_on_a_cluster_end_with_a_driver_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        "import pathlib, sys\n"
        "from faulty_runs import spec_of\n"
        "from gmat_sweep.backends import DaskPool\n"
        "spec = spec_of(pathlib.Path(sys.argv[2]), hook='take_time', seconds=600)\n"
        "list(DaskPool(address=sys.argv[1]).imap([spec]))\n"
    )
    with (
        dask_clusters.scheduler(tmp_path) as (_, address),
        dask_clusters.worker(tmp_path, address, "one") as process,
    ):
        arguments = (sys.executable, str(script), address, str(tmp_path))
        with dask_clusters.program(*arguments, log=tmp_path / "log"):
            wait_for((tmp_path / "run-0/began").exists)
            gmat = gmat_processes_of(process.pid)
            assert gmat
        wait_for(lambda: not gmat & gmat_processes_of(process.pid), seconds=30)


def test_workers_end_with_a_driver_that_is_killed_and_scripts_need_no_guard(
    tmp_path: Path,
) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        "import json, os, pathlib, signal, psutil\n"
        "from gmat_sweep.backends import DaskPool\n"
        "pool = DaskPool(n_workers=1)\n"
        "pool.open()\n"
        "pool._client.wait_for_workers(1)\n"
        "pids = [c.pid for c in psutil.Process().children(recursive=True)]\n"
        "pathlib.Path('pids.json').write_text(json.dumps(pids))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with dask_clusters.program(
        "sh", "-c", f"cd {tmp_path} && exec {sys.executable} program.py", log=tmp_path / "log"
    ) as process:
        process.wait(timeout=60)
    pids = json.loads((tmp_path / "pids.json").read_text())

    assert len(pids) >= 3
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids), seconds=20)
