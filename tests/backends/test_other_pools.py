"""Pools beside the standard one, and pools written by somebody else, under the flow."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pandas as pd
import pytest

from gmat_sweep import (
    LocalJoblibPool,
    Manifest,
    Pool,
    RunOutcome,
    RunSpec,
    Sweep,
    SweepConfigError,
    expand_grid_to_run_specs,
    sweep,
)
from gmat_sweep.backends import DebugPool, ProcessPoolExecutorPool
from gmat_sweep.causes import headline
from gmat_sweep.errors import BackendError
from gmat_sweep.folder.last_pass import LastPass


class BorrowedPool(Pool):
    """A pool as a user writes one: three methods over threads that drive another pool."""

    def __init__(self, workers: LocalJoblibPool) -> None:
        self.workers = workers
        self.threads = ThreadPoolExecutor(4)
        self.at_once = 0
        self.most_at_once = 0
        self.lock = threading.Lock()

    def submit(self, spec: RunSpec) -> Future[RunOutcome]:
        return self.threads.submit(self.run, spec)

    def run(self, spec: RunSpec) -> RunOutcome:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if spec.overrides["Sat.SMA"] == 7777:
                raise RuntimeError("the cluster is on fire")
            return self.workers.execute(spec)
        finally:
            with self.lock:
                self.at_once -= 1

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        for future in as_completed(list(futures)):
            yield future.result()

    def close(self) -> None:
        self.threads.shutdown()


class FirstComePool(BorrowedPool):
    """Leaves its futures bare, and yields whichever runs end next, for whom it may be."""

    def __init__(self, workers: LocalJoblibPool, lost: int | None = None) -> None:
        super().__init__(workers)
        self.lost = lost
        self.ended: SimpleQueue[RunOutcome] = SimpleQueue()
        self.asked = threading.Semaphore()

    def submit(self, spec: RunSpec) -> Future[RunOutcome]:
        if spec.run_id != self.lost:
            self.threads.submit(self.run, spec).add_done_callback(
                lambda done: self.ended.put(done.result())
            )
        future: Future[RunOutcome] = Future()
        future.is_lost = spec.run_id == self.lost  # type: ignore[attr-defined]
        return future

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        assert self.asked.acquire(blocking=False), "asked twice at once"
        try:
            for future in futures:
                if not future.is_lost:  # type: ignore[attr-defined]
                    yield self.ended.get(timeout=60)
        finally:
            self.asked.release()


class InterruptedPool(FirstComePool):
    """Yields two outcomes; then an interruption reaches its iterator."""

    def __init__(self, workers: LocalJoblibPool, interruption: BaseException) -> None:
        super().__init__(workers)
        self.interruption = interruption
        self.yielded: list[int] = []

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        for outcome in super().as_completed(futures):
            if len(self.yielded) == 2:
                raise self.interruption
            self.yielded.append(outcome.run_id)
            yield outcome


def grid_sweep(
    pool: Pool, script: Path, folder: Path, count: int, *, allow_unisolated_pool: bool = False
) -> Sweep:
    """Return a sweep of `count` runs that has not run."""
    values = [7000.0 + number for number in range(count)]
    return Sweep(
        runs=expand_grid_to_run_specs({"Sat.SMA": values}, script, folder),
        backend=pool,
        manifest_path=folder / "manifest.jsonl",
        output_dir=folder,
        script_path=script,
        progress=False,
        allow_unisolated_pool=allow_unisolated_pool,
    )


def test_a_pool_with_three_methods_runs_under_the_flow(
    pool: LocalJoblibPool, leo_short: Path
) -> None:
    grid = {"Sat.SMA": [7000.0 + number for number in range(10)]}
    expected = sweep(leo_short, grid=grid, backend=pool, progress=False)
    with BorrowedPool(pool) as borrowed:
        frame = sweep(leo_short, grid=grid, backend=borrowed, progress=False)

    pd.testing.assert_frame_equal(expected, frame, check_exact=True)
    assert borrowed.most_at_once >= 2


def test_what_escapes_somebody_elses_pool_is_a_failed_run(
    pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
) -> None:
    with BorrowedPool(pool) as borrowed:
        sweep(
            leo_short,
            grid={"Sat.SMA": [7000.0, 7777.0, 7001.0]},
            backend=borrowed,
            out=tmp_path,
            progress=False,
        )
    manifest = Manifest.load(tmp_path / "manifest.jsonl")
    entries = {e.run_id: e for e in manifest.entries}

    assert {number: e.status for number, e in entries.items()} == {0: "ok", 1: "failed", 2: "ok"}
    assert "the cluster is on fire" in (entries[1].stderr or "")
    assert manifest.backend == "BorrowedPool"


def test_every_record_is_that_of_its_run_in_whatever_order_a_pool_gives_them(
    pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
) -> None:
    grid = {"Sat.SMA": [7000.0 + number for number in range(10)]}
    expected = sweep(leo_short, grid=grid, backend=pool, progress=False)
    with FirstComePool(pool) as borrowed:
        frame = sweep(leo_short, grid=grid, backend=borrowed, out=tmp_path, progress=False)
    entries = Manifest.load(tmp_path / "manifest.jsonl").entries

    pd.testing.assert_frame_equal(expected, frame, check_exact=True)
    assert {e.run_id: e.overrides["Sat.SMA"] - 7000 for e in entries} == {n: n for n in range(10)}
    assert all(e.output_paths["report__RF"].parent.name == f"run-{e.run_id}" for e in entries)


def test_a_run_whose_outcome_a_pool_never_gives_is_tried_again_and_costs_itself_only(
    pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
) -> None:
    with FirstComePool(pool, lost=2) as borrowed:
        grid = {"Sat.SMA": [7000.0 + number for number in range(5)]}
        sweep(leo_short, grid=grid, backend=borrowed, out=tmp_path, progress=False)
    entries = {e.run_id: e for e in Manifest.load(tmp_path / "manifest.jsonl").entries}

    assert {n: e.status for n, e in entries.items()} == {
        n: "failed" if n == 2 else "ok" for n in range(5)
    }
    assert headline(entries[2].stderr).startswith("FirstComePool gave no outcome of run 2.")
    assert len(entries[2].attempts) == 1


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), GeneratorExit(), SystemExit(3)])
def test_an_interruption_of_somebody_elses_pool_leaves_run_with_what_was_yielded_on_record(
    interruption: BaseException, pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
) -> None:
    with (
        InterruptedPool(pool, interruption) as borrowed,
        pytest.raises(type(interruption)) as caught,
    ):
        grid_sweep(borrowed, leo_short, tmp_path, 12).run()
    entries = Manifest.load(tmp_path / "manifest.jsonl").entries

    assert caught.value is interruption
    assert sorted(e.run_id for e in entries) == sorted(borrowed.yielded)
    assert [e.status for e in entries] == ["ok", "ok"]
    assert (last := LastPass.of(tmp_path)) is not None
    assert last.state == "interrupted"


@pytest.mark.parametrize(
    ("limit", "refused"),
    [
        ({"timeout": 5}, "cannot end a run that takes too long"),
        ({"memory_limit": "2 GiB"}, "cannot end a run that needs too much"),
    ],
    ids=str,
)
def test_a_limit_that_a_pool_cannot_keep_is_refused_before_any_run(
    limit: dict[str, Any],
    refused: str,
    pool: LocalJoblibPool,
    leo_short: Path,
    tmp_path: Path,
) -> None:
    with BorrowedPool(pool) as borrowed, pytest.raises(SweepConfigError, match=refused):
        sweep(leo_short, grid={}, backend=borrowed, out=tmp_path / "out", **limit)
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


def test_the_process_pool_uses_a_process_once(leo_short: Path, tmp_path: Path) -> None:
    seen = set()
    with ProcessPoolExecutorPool(max_workers=2) as own:
        specs = expand_grid_to_run_specs({"Sat.SMA": [7000.0, 7001.0, 7002.0]}, leo_short, tmp_path)
        for _, outcome in own.imap(specs):
            assert outcome.status == "ok"
            seen |= {worker.pid for worker in own._busy}
            assert own._idle == []


def test_the_process_pool_gives_the_same_frame(pool: LocalJoblibPool, leo_short: Path) -> None:
    grid = {"Sat.SMA": [7000.0, 7100.0]}
    expected = sweep(leo_short, grid=grid, backend=pool, progress=False)
    with ProcessPoolExecutorPool(max_workers=2) as own:
        frame = sweep(leo_short, grid=grid, backend=own, progress=False)

    pd.testing.assert_frame_equal(expected, frame, check_exact=True)


class TestDebugPool:
    """One run, in this process, and only when that is asked for twice."""

    def test_it_wants_to_be_asked(self) -> None:
        with pytest.raises(BackendError, match="allow_unisolated_pool=True"):
            DebugPool()

    def test_a_sweep_wants_to_be_asked_too(self, leo_short: Path, tmp_path: Path) -> None:
        with pytest.raises(BackendError, match=r"DebugPool.*'debug'.*allow_unisolated_pool=True"):
            grid_sweep(DebugPool(allow_unisolated_pool=True), leo_short, tmp_path, 1)

    def test_it_takes_exactly_one_spec(self, leo_short: Path, tmp_path: Path) -> None:
        debug = DebugPool(allow_unisolated_pool=True)

        with pytest.raises(BackendError, match="exactly one spec, got 2"):
            grid_sweep(debug, leo_short, tmp_path, 2, allow_unisolated_pool=True)

    def test_it_does_not_take_a_stream(self, leo_short: Path, tmp_path: Path) -> None:
        with pytest.raises(BackendError, match="streaming"):
            Sweep(
                runs=iter(expand_grid_to_run_specs({}, leo_short, tmp_path)),
                backend=DebugPool(allow_unisolated_pool=True),
                manifest_path=tmp_path / "manifest.jsonl",
                output_dir=tmp_path,
                script_path=leo_short,
                allow_unisolated_pool=True,
            )

    def test_it_runs_in_the_callers_own_thread(
        self, leo_short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ran_in = []

        def note(spec: RunSpec) -> RunOutcome:
            from datetime import UTC, datetime

            ran_in.append((os.getpid(), threading.current_thread()))
            now = datetime.now(UTC)
            return RunOutcome.failed(
                run_id=spec.run_id, stderr="noted", started_at=now, ended_at=now, duration_s=0.0
            )

        # The engine itself stays out of the test process, which a crash of GMAT's would end.
        monkeypatch.setattr("gmat_sweep.worker.run_one", note)
        debug = DebugPool(allow_unisolated_pool=True)
        done = grid_sweep(debug, leo_short, tmp_path, 1, allow_unisolated_pool=True).run()

        assert ran_in == [(os.getpid(), threading.current_thread())]
        assert [e.stderr for e in done.to_manifest().entries] == ["noted"]

    def test_what_escapes_a_run_is_a_failed_run_that_took_no_time(
        self, leo_short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def burn(spec: RunSpec) -> RunOutcome:
            raise RuntimeError("on fire")

        monkeypatch.setattr("gmat_sweep.worker.run_one", burn)
        debug = DebugPool(allow_unisolated_pool=True)
        futures = [
            debug.submit(spec)
            for spec in expand_grid_to_run_specs({"Sat.SMA": [7000.0, 7001.0]}, leo_short, tmp_path)
        ]
        futures[0].cancel()
        (outcome,) = debug.as_completed(futures)

        assert (outcome.run_id, outcome.status, outcome.duration_s) == (1, "failed", 0)
        assert str(outcome.stderr).startswith("Traceback (most recent call last)")
        assert headline(outcome.stderr) == "RuntimeError: on fire"
        assert futures[1].result(timeout=0) is outcome

    def test_futures_of_others_are_refused_and_closing_cancels(
        self, leo_short: Path, tmp_path: Path
    ) -> None:
        (spec,) = expand_grid_to_run_specs({}, leo_short, tmp_path)
        debug = DebugPool(allow_unisolated_pool=True)
        future = debug.submit(spec)

        with pytest.raises(BackendError, match="not waiting in this pool"):
            list(debug.as_completed([Future()]))
        debug.close()
        assert future.cancelled()
        with pytest.raises(BackendError, match="closed"):
            debug.submit(spec)
