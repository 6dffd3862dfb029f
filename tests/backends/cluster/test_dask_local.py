"""The Dask workers of this machine: however one ends, another takes its place."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import dask
import psutil
import pytest

from dask_clusters import client_of, recorded, slow, sweep_of, wait_for, worker_pids
from gmat_sweep.backends import DaskPool

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def single() -> Iterator[DaskPool]:
    """One Dask worker, which is looked for again soon after it has gone."""
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "500ms"}),
        DaskPool(n_workers=1) as pool,
    ):
        yield pool


def only_worker(pool: DaskPool) -> int:
    """Return the process id of the pool's only worker, once it is there."""
    client_of(pool).wait_for_workers(1)
    (pid,) = worker_pids(client_of(pool)).values()
    return pid


def levels_of_dask() -> dict[str, object]:
    """Return the level of each of Dask's loggers, and those of its handlers for the terminal."""
    return {
        name: (
            logger.level,
            logger.propagate,
            logger.disabled,
            [each.level for each in logger.handlers if isinstance(each, logging.StreamHandler)],
        )
        for name, logger in logging.root.manager.loggerDict.items()
        if name.startswith("distributed") and isinstance(logger, logging.Logger)
    }


def test_dasks_loggers_are_the_callers_and_say_nothing_of_these_workers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Both while the workers are there and afterwards."""
    # Dask sets its loggers up when it is imported.
    importlib.import_module("distributed")
    theirs = logging.getLogger("distributed.scheduler")
    root = logging.getLogger("distributed")
    root.addHandler(caplog.handler)
    before = levels_of_dask()
    try:
        with DaskPool(n_workers=1) as pool:
            only_worker(pool)
            during = levels_of_dask()
            theirs.warning("another cluster's line")
        after = levels_of_dask()
    finally:
        root.removeHandler(caplog.handler)
    theirs.warning("a later line")

    assert {name: during[name] for name in before} == before
    assert {name: after[name] for name in before} == before
    said = [each.getMessage() for each in caplog.records if each.name.startswith("distributed")]
    assert set(said) <= {"another cluster's line", "a later line"}
    assert "another cluster's line" in said


def test_a_worker_that_takes_long_to_come_back_is_there_in_the_end(single: DaskPool) -> None:
    victim = only_worker(single)
    # Its nanny starts it again, which takes longer than the cluster waits for it.
    os.kill(victim, signal.SIGKILL)

    wait_for(lambda: bool(set(worker_pids(client_of(single)).values()) - {victim}), seconds=60)


@pytest.mark.promise("9", "a Dask worker of this machine killed with its nanny")
def test_a_worker_that_ends_with_its_nanny_is_replaced_and_the_sweep_goes_on(
    single: DaskPool, tmp_path: Path
) -> None:
    nanny = psutil.Process(only_worker(single)).parent()
    assert nanny is not None
    nanny_pid = nanny.pid

    def strike() -> None:
        wait_for((tmp_path / "run-0/began").exists)
        os.killpg(nanny_pid, signal.SIGKILL)

    striker = threading.Thread(target=strike)
    striker.start()
    sweep_of(slow(tmp_path, 3, seconds=1), single).run()
    striker.join()
    entries = recorded(tmp_path)

    assert [entries[number].status for number in range(3)] == ["ok"] * 3
    assert sum(len(entry.attempts) for entry in entries.values()) == 1
