"""What Prefect keeps of each task run does not add up in a large sweep."""

from __future__ import annotations

import queue
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from prefect import flow, task
from prefect.context import FlowRunContext
from prefect.events.worker import EventsWorker
from prefect.results import ResultStore

from gmat_sweep import LocalJoblibPool
from gmat_sweep.flow import server, sweep_flow
from gmat_sweep.flow.runners.threads import SweepThreads
from gmat_sweep.manifest import Manifest
from manifests import entry, header
from resumed_sweeps import hand_made, run_of

if TYPE_CHECKING:
    from prefect.events import Event


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """How long was paused for events, call by call."""
    found: list[float] = []
    with monkeypatch.context() as patch:
        patch.setattr(server, "time", SimpleNamespace(sleep=found.append, monotonic=lambda: 5.0))
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
    server.UnsentEvents().let_be_sent()

    assert len(pauses) == expected
    assert all(pause < 0.1 for pause in pauses)


@pytest.mark.parametrize(("number", "expected"), [(0, 2), (1001, 5)])
def test_it_is_looked_at_them_now_and_then_and_before_each_run_while_there_are_many(
    number: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsent(number, monkeypatch)
    looks: list[None] = []
    clock = iter([0.0, 0.05, 0.1, 0.15, 0.25])
    monkeypatch.setattr(
        server, "time", SimpleNamespace(sleep=lambda _: None, monotonic=lambda: next(clock))
    )
    monkeypatch.setattr(server, "gather_events", lambda _: looks.append(None))
    events = server.UnsentEvents()
    for _ in range(5):
        events.let_be_sent()

    assert len(looks) == expected


def test_a_run_costs_two_events_and_no_record_of_a_result(
    tmp_path: Path, pool: LocalJoblibPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []
    sent: list[str] = []
    records: list[object] = []
    send, create = EventsWorker.send, ResultStore.create_result_record

    def counted_send(worker: EventsWorker, event: Event) -> None:
        sent.append(event.event)
        send(worker, event)

    def counted_create(store: ResultStore, *args: Any, **more: Any) -> Any:
        records.append(args)
        return create(store, *args, **more)

    monkeypatch.setattr(EventsWorker, "send", counted_send)
    monkeypatch.setattr(ResultStore, "create_result_record", counted_create)
    monkeypatch.setattr(server.UnsentEvents, "let_be_sent", lambda _: asked.append(None))
    hand_made([run_of(n, tmp_path) for n in range(3)], tmp_path, pool).run()
    of_runs = Counter(name for name in sent if name.startswith("prefect.task-run."))

    assert len(asked) == 3
    assert of_runs == {
        "prefect.task-run.Running": 3,
        "prefect.task-run.Completed": 3,
    }
    # That of the flow run alone.
    assert len(records) <= 1


def test_the_entries_of_a_sweep_are_not_held_while_its_summary_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    manifest = header(run_count=1)
    manifest.save(tmp_path / "manifest.jsonl")
    manifest.append_entry(entry(0))
    manifest.close()
    outline = Manifest.outline

    def noted(path: Path) -> Manifest:
        done.append("outline")
        return outline(path)

    monkeypatch.setattr(Manifest, "outline", noted)
    monkeypatch.setattr(sweep_flow, "publish_summary", lambda *_: done.append("summary"))
    state = sweep_flow.published_end(uuid4(), None, tmp_path / "manifest.jsonl")

    assert done == ["summary", "outline"]
    assert state.is_completed()
