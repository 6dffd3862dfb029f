"""A sweep does not get far ahead of what the Prefect server has written down of it."""

from __future__ import annotations

import atexit
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Literal
from uuid import UUID, uuid4

import pytest
from prefect import flow, task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from gmat_sweep import LocalJoblibPool
from gmat_sweep.flow import backlog as records
from gmat_sweep.flow import server, sweep_flow
from gmat_sweep.flow.backlog import Backlog
from gmat_sweep.flow.runners.threads import SweepThreads
from gmat_sweep.flow.servers import shared
from gmat_sweep.flow.servers.place import ServerPlace
from prefect_records import BATCH_SIZE, USUAL_BATCH_SIZE, rows_of
from resumed_sweeps import hand_made, run_of

MOST = 10


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so few be unrecorded that small flows have to wait."""
    monkeypatch.setattr(records, "_MOST_UNRECORDED", MOST)
    monkeypatch.setattr(records, "_PATIENCE_S", 0.3)


class Clock:
    """Time in which nothing passes but the pauses between two questions to the server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.asked = 0
        monkeypatch.setattr(records, "time", SimpleNamespace(monotonic=self.read, sleep=self.pass_))
        monkeypatch.setattr(records, "get_client", self.client)

    def read(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds

    def client(self, *, sync_client: Literal[True]) -> SyncPrefectClient:
        self.asked += 1
        return get_client(sync_client=sync_client)

    def seconds_of(self, backlog: Backlog, finished: int) -> float:
        """Return for how long a flow with so many finished task runs is held up."""
        started = self.now
        backlog.keep_short(finished)
        return self.now - started


@pytest.fixture
def usual_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that writes once a second, as that of a sweep does, not that of the other tests."""
    place = ServerPlace(tmp_path, "server")
    monkeypatch.setitem(shared.SERVER_ENVIRONMENT, BATCH_SIZE, USUAL_BATCH_SIZE)
    monkeypatch.setattr(server, "place_of_settings", lambda: place)
    monkeypatch.setattr(server, "_servers", servers := dict[ServerPlace, shared.SharedServer]())
    yield
    # It ends with the process, as Prefect goes on sending it what it has to tell.
    for each in servers.values():
        atexit.register(shared.end_server, each.place)


@pytest.mark.promise("10", "a server that writes down less than the sweep flies")
def test_a_flow_waits_for_the_server(usual_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_PATIENCE_S", 30.0)
    behind = []

    @task
    def nothing() -> None:
        pass

    @flow
    def many() -> None:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        backlog = Backlog(context.flow_run.id)
        with SweepThreads(2) as runner, get_client(sync_client=True) as client:
            for finished in range(1, 41):
                runner.submit(nothing, {}).wait()
                backlog.keep_short(finished)
                recorded = records._wait_for(0, context.flow_run.id, client, patience_s=0.0)
                behind.append(finished - recorded)

    with server.recorded_on():
        many()

    assert len(behind) == 40
    assert 0 < max(behind) <= MOST


def test_a_sweep_waits_after_every_run(
    tmp_path: Path, pool: LocalJoblibPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(Backlog, "keep_short", lambda _, finished: asked.append(finished))
    hand_made([run_of(n, tmp_path) for n in range(3)], tmp_path, pool).run()

    assert asked == [1, 2, 3]


@pytest.mark.promise("10", "a server that makes no headway")
def test_a_server_without_headway_is_waited_for_once_in_ten_times_as_many_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    with server.recorded_on():
        backlog = Backlog(uuid4())
        held_up = {n: clock.seconds_of(backlog, n) for n in range(1, 12 * MOST)}

    waited = [n for n, seconds in held_up.items() if seconds > 0.2]
    assert sum(held_up.values()) == sum(held_up[n] for n in waited)
    assert waited == [MOST, 11 * MOST]


def test_task_runs_that_the_server_has_lost_are_not_waited_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finished, lost = 0, 3 * MOST
    asked, in_vain = [], []

    def wait_for(wanted: int, *_: object, **__: object) -> int:
        asked.append(finished)
        recorded = max(0, finished - lost)
        if recorded < wanted:
            in_vain.append(finished)
        return recorded

    monkeypatch.setattr(records, "_wait_for", wait_for)
    with server.recorded_on():
        backlog = Backlog(uuid4())
        for finished in range(1, 60 * MOST):
            backlog.keep_short(finished)

    assert in_vain == [MOST, 11 * MOST]
    assert asked[2:4] == [21 * MOST, 22 * MOST]


def test_a_server_that_is_gone_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    gone = {PREFECT_API_URL: f"http://127.0.0.1:{port}/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    clock = Clock(monkeypatch)
    with temporary_settings(gone):
        backlog = Backlog(uuid4())
        held_up = sum(clock.seconds_of(backlog, n) for n in range(1, 11 * MOST))

    assert held_up == 0.0
    assert clock.asked == 1, "each question to a server that is gone takes some time"


def test_it_is_said_when_the_record_is_not_complete(
    tmp_path: Path,
    pool: LocalJoblibPool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def incomplete(_: UUID, finished: int) -> int:
        return finished - 1

    monkeypatch.setattr(sweep_flow, "wait_until_recorded", incomplete)
    with caplog.at_level(logging.WARNING, logger="gmat_sweep"):
        hand_made([run_of(n, tmp_path) for n in range(2)], tmp_path, pool).run()

    assert "recorded only 1 of 2 runs" in caplog.text


def test_the_server_of_a_process_keeps_task_runs_and_no_feed_of_events(
    tmp_path: Path, pool: LocalJoblibPool
) -> None:
    sweep = hand_made([run_of(n, tmp_path) for n in range(3)], tmp_path, pool).run()
    home = Path(os.environ["PREFECT_HOME"])

    assert sweep.last_pass is not None
    assert sweep.last_pass.flow_run_id is not None
    task_runs = "select count(*) from task_run where flow_run_id = ? and state_type = 'COMPLETED'"
    assert rows_of(home, task_runs, str(sweep.last_pass.flow_run_id)) == [(3,)]
    assert rows_of(home, "select count(*) from events") == [(0,)]
