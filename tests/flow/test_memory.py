"""What Prefect keeps of each task run does not add up in a large sweep."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from prefect import flow, task
from prefect.context import FlowRunContext
from prefect.events.worker import EventsWorker

from gmat_sweep import LocalJoblibPool
from gmat_sweep.flow import server
from gmat_sweep.flow import task_runs as mapping
from gmat_sweep.flow.runners.threads import SweepThreads
from resumed_sweeps import hand_made, run_of


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """How long was paused for events, call by call."""
    found: list[float] = []
    with monkeypatch.context() as patch:
        patch.setattr(server, "time", SimpleNamespace(sleep=found.append))
        yield found


def unsent(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Prefect hold so many events."""
    waiting: queue.Queue[int] = queue.Queue()
    for event in range(number):
        waiting.put(event)
    monkeypatch.setattr(EventsWorker, "_instances", {1: SimpleNamespace(_queue=waiting)})


def test_task_runs_that_have_ended_are_forgotten_and_those_under_way_can_be_cancelled() -> None:
    held = []

    @task
    def nothing(number: int) -> int:
        return number

    @flow
    def many() -> None:
        with SweepThreads(2) as runner:
            for number in range(20):
                future = runner.submit(nothing, {"number": number})
                assert future.task_run_id in runner._cancel_events
                future.wait()
                time.sleep(0.01)
                context = FlowRunContext.get()
                assert context is not None
                held.append(max(len(runner._cancel_events), len(context.task_run_assets)))

    with server.recorded_on():
        many()

    assert max(held) <= 3
    assert len(held) == 20


def test_a_duplicate_has_as_many_threads() -> None:
    assert SweepThreads(3).duplicate() == SweepThreads(3)


@pytest.mark.parametrize(("number", "expected"), [(0, 0), (1000, 0), (1001, 1)])
def test_it_is_paused_only_where_many_events_are_unsent(
    number: int, expected: int, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    unsent(number, monkeypatch)
    server.let_events_be_sent()

    assert len(pauses) == expected
    assert all(pause < 0.1 for pause in pauses)


def test_every_run_waits_for_them(
    tmp_path: Path, pool: LocalJoblibPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []
    monkeypatch.setattr(mapping, "let_events_be_sent", lambda: asked.append(None))
    hand_made([run_of(n, tmp_path) for n in range(3)], tmp_path, pool).run()

    assert len(asked) == 3
