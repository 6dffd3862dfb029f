"""`Pool`: what a back end must be, and what it gets for it."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gmat_sweep.backends
from gmat_sweep.backends.base import Pool
from gmat_sweep.causes import headline
from gmat_sweep.errors import BackendError
from gmat_sweep.spec import RunOutcome, RunSpec

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def specs(count: int) -> list[RunSpec]:
    return [RunSpec(Path("m.script"), {}, Path(f"run-{n}"), n, None, {}) for n in range(count)]


def outcome_of(spec: RunSpec) -> RunOutcome:
    return RunOutcome.ok(
        run_id=spec.run_id, output_paths={}, started_at=NOON, ended_at=NOON, duration_s=0.0
    )


class MinimalPool(Pool):
    """What a third party may write: three methods and bare futures."""

    def __init__(self) -> None:
        self.waiting: dict[Future[RunOutcome], RunSpec] = {}
        self.submitted = 0
        self.closed = 0

    def submit(self, spec: RunSpec) -> Future[RunOutcome]:
        future: Future[RunOutcome] = Future()
        self.waiting[future] = spec
        self.submitted += 1
        return future

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        for future in futures:
            yield outcome_of(self.waiting.pop(future))

    def close(self) -> None:
        self.closed += 1


class TwoWorkerPool(MinimalPool):
    @property
    def max_workers(self) -> int:
        return 2


class ThreadPool(TwoWorkerPool):
    """Starts runs when they are submitted; run 0 ends only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.threads = ThreadPoolExecutor(2)
        self.go_on = threading.Event()

    def submit(self, spec: RunSpec) -> Future[RunOutcome]:
        self.submitted += 1
        return self.threads.submit(self.run, spec)

    def run(self, spec: RunSpec) -> RunOutcome:
        if spec.run_id == 0:
            self.go_on.wait(30)
        return outcome_of(spec)

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        for future in as_completed(list(futures)):
            yield future.result()

    def close(self) -> None:
        super().close()
        self.go_on.set()
        self.threads.shutdown()


class QueuePool(ThreadPool):
    """Leaves its futures bare and yields what comes next, whatever it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: SimpleQueue[RunOutcome] = SimpleQueue()

    def submit(self, spec: RunSpec) -> Future[RunOutcome]:
        super().submit(spec).add_done_callback(lambda done: self.ended.put(done.result()))
        return Future()

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        for _ in futures:
            yield self.ended.get()


class InOrderPool(ThreadPool):
    """Yields in the order of submission, so that its iterator waits for run 0."""

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        for future in list(futures):
            yield future.result()


class ForOneThreadPool(TwoWorkerPool):
    """Breaks when it is entered while it is at something, as a connection does."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Lock()

    def submit(self, spec: RunSpec) -> Future[RunOutcome]:
        with self.once():
            return super().submit(spec)

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        for future in futures:
            with self.once():
                time.sleep(0.002)
                outcome = outcome_of(self.waiting.pop(future))
                future.set_result(outcome)
            yield outcome

    @contextmanager
    def once(self) -> Iterator[None]:
        assert self.entered.acquire(blocking=False), "entered twice at once"
        try:
            yield
        finally:
            self.entered.release()


class ShufflingPool(MinimalPool):
    """Yields the outcomes of all that is waiting, the last one first, whatever it is asked for."""

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        for future in reversed(list(self.waiting)):
            yield outcome_of(self.waiting.pop(future))


class LosingPool(MinimalPool):
    """Never yields run 3."""

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        yield from (each for each in super().as_completed(futures) if each.run_id != 3)


class MisnamingPool(MinimalPool):
    """Gives run 3 the name of one that was never asked for."""

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        for each in super().as_completed(futures):
            yield replace(each, run_id=333) if each.run_id == 3 else each


class RaisingPool(MinimalPool):
    """Its iterator ends with run 3's exception."""

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        for each in futures:
            spec = self.waiting.pop(each)
            if spec.run_id == 3:
                raise ZeroDivisionError("run 3 did it")
            yield outcome_of(spec)


class InterruptedPool(MinimalPool):
    """An interruption reaches its iterator before run 3."""

    def __init__(self, interruption: BaseException) -> None:
        super().__init__()
        self.interruption = interruption

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        for each in futures:
            spec = self.waiting.pop(each)
            if spec.run_id == 3:
                raise self.interruption
            yield outcome_of(spec)


class RaisingFuturesPool(ThreadPool):
    """Run 3's future has an exception."""

    raises: type[BaseException] = SystemExit

    def run(self, spec: RunSpec) -> RunOutcome:
        if spec.run_id == 3:
            raise self.raises("run 3 did it")
        return outcome_of(spec)


class InterruptedRunPool(RaisingFuturesPool):
    """A Ctrl-C reached the worker of run 3, as it reaches every process of a terminal."""

    raises = KeyboardInterrupt


# --- what a subclass must be ---------------------------------------------------------------------


@pytest.mark.parametrize("value", [False, None, 1, "yes", "DEBUG", 0, []])
def test_a_pool_that_does_not_isolate_gmat_cannot_be_defined(value: Any) -> None:
    with pytest.raises(BackendError) as caught:
        type("Careless", (MinimalPool,), {"subprocess_isolated": value})

    assert str(caught.value).startswith(f"Careless.subprocess_isolated is {value!r}: ")
    assert str(caught.value).endswith("calling process on purpose.")


@pytest.mark.parametrize("value", [True, "debug"])
def test_a_pool_may_isolate_gmat_or_say_that_it_is_for_debugging(value: Any) -> None:
    cls = type("Careful", (MinimalPool,), {"subprocess_isolated": value})

    assert issubclass(cls, Pool)
    assert cls.subprocess_isolated is value


def test_a_pool_isolates_gmat_unless_it_says_otherwise() -> None:
    assert Pool.subprocess_isolated is True
    assert MinimalPool.subprocess_isolated is True


def test_the_check_holds_for_subclasses_of_subclasses() -> None:
    cls = type("Debugging", (MinimalPool,), {"subprocess_isolated": "debug"})
    with pytest.raises(BackendError, match=r"Worse\.subprocess_isolated is False"):
        type("Worse", (cls,), {"subprocess_isolated": False})


@pytest.mark.parametrize("missing", ["submit", "as_completed", "close"])
def test_a_pool_without_one_of_the_three_methods_cannot_be_made(missing: str) -> None:
    cls: Any = type("Incomplete", (MinimalPool,), {missing: getattr(Pool, missing)})
    with pytest.raises(TypeError, match=f"abstract method '{missing}'"):
        cls()


def test_a_pool_has_one_worker_unless_it_says_otherwise() -> None:
    assert MinimalPool().max_workers == 1


def test_leaving_the_context_closes_the_pool_also_after_an_error() -> None:
    pool = MinimalPool()
    with pool as entered:
        assert entered is pool
        assert pool.closed == 0
    assert pool.closed == 1

    with pytest.raises(ZeroDivisionError), pool:
        raise ZeroDivisionError
    assert pool.closed == 2


def test_the_package_offers_its_pools_by_name_and_nothing_else() -> None:
    assert gmat_sweep.backends.Pool is Pool
    assert gmat_sweep.backends.LocalJoblibPool.__name__ == "LocalJoblibPool"
    with pytest.raises(AttributeError, match="has no attribute 'CloudPool'"):
        getattr(gmat_sweep.backends, "CloudPool")  # noqa: B009 - mypy knows there is none


@pytest.mark.parametrize(("before", "expected"), [(None, "0"), ("1", "1")])
def test_ray_starts_no_worker_by_uv_unless_that_was_chosen(
    before: str | None, expected: str
) -> None:
    name = "RAY_ENABLE_UV_RUN_RUNTIME_ENV"
    kept = {key: value for key, value in os.environ.items() if key != name}
    program = f"import os, gmat_sweep.backends; print(os.environ[{name!r}])"
    said = subprocess.run(
        [sys.executable, "-c", program],
        env=kept | ({} if before is None else {name: before}),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert said.stdout == f"{expected}\n"


# --- imap over any pool --------------------------------------------------------------------------


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_an_interruption_of_the_iterator_leaves_imap_after_what_was_yielded(
    interruption: BaseException,
) -> None:
    ends = InterruptedPool(interruption).imap(specs(9), in_flight=3)

    assert [next(ends)[0].run_id for _ in range(3)] == [0, 1, 2]
    with pytest.raises(type(interruption)) as caught:
        next(ends)
    assert caught.value is interruption


def test_a_ctrl_c_that_a_future_has_leaves_imap() -> None:
    with InterruptedRunPool() as pool, pytest.raises(KeyboardInterrupt, match="run 3 did it"):
        list(pool.imap(specs(6)))


@given(
    count=st.integers(0, 30),
    in_flight=st.none() | st.integers(1, 12),
    pool=st.sampled_from([MinimalPool, TwoWorkerPool]).map(lambda cls: cls()),
)
def test_imap_gives_every_spec_its_own_outcome_within_its_bound(
    count: int, in_flight: int | None, pool: MinimalPool
) -> None:
    wanted = specs(count)
    yielded: list[tuple[RunSpec, RunOutcome]] = []
    bound = 4 * pool.max_workers if in_flight is None else in_flight
    for pair in pool.imap(iter(wanted), in_flight=in_flight):
        assert pool.submitted - len(yielded) <= bound
        yielded.append(pair)

    assert all(type(pair) is tuple for pair in yielded)
    assert sorted(spec.run_id for spec, _ in yielded) == list(range(count))
    assert all(spec is wanted[spec.run_id] for spec, _ in yielded)
    assert all(outcome == outcome_of(spec) for spec, outcome in yielded)
    assert not pool.waiting


def test_imap_keeps_the_order_of_a_pool_that_keeps_it() -> None:
    pairs = MinimalPool().imap(specs(9))

    assert [spec.run_id for spec, _ in pairs] == list(range(9))


@pytest.mark.parametrize(("in_flight", "expected"), [(None, 8), (3, 3), (100, 100)])
def test_imap_takes_no_more_specs_than_its_bound(in_flight: int | None, expected: int) -> None:
    taken = []

    def endless() -> Iterator[RunSpec]:
        for spec in specs(1000):
            taken.append(spec)
            yield spec

    pool = TwoWorkerPool()
    pairs = pool.imap(endless(), in_flight=in_flight)
    assert not taken
    next(pairs)

    assert len(taken) == pool.submitted == expected


@pytest.mark.parametrize("kind", [ThreadPool, QueuePool, InOrderPool])
def test_a_run_that_takes_long_holds_up_no_other_in_a_pool_that_starts_runs_by_itself(
    kind: type[ThreadPool],
) -> None:
    with kind() as pool:
        pairs = pool.imap(specs(10), in_flight=2)
        assert [next(pairs)[0].run_id for _ in range(9)] == list(range(1, 10))

        pool.go_on.set()
        assert [spec.run_id for spec, _ in pairs] == [0]


def test_a_pool_that_does_not_say_how_many_it_runs_has_four_to_choose_from() -> None:
    class Undeclared(ThreadPool):
        max_workers = Pool.max_workers

    with Undeclared() as pool:
        pairs = pool.imap(specs(100))
        assert next(pairs)[0].run_id == 1
        assert pool.submitted == 4


@pytest.mark.parametrize("in_flight", [None, 3])
def test_a_pool_that_is_not_safe_for_threads_is_entered_by_one_at_a_time(
    in_flight: int | None,
) -> None:
    pairs = ForOneThreadPool().imap(specs(30), in_flight=in_flight)

    assert [(spec.run_id, outcome.status) for spec, outcome in pairs] == [
        (n, "ok") for n in range(30)
    ]


@pytest.mark.parametrize("kind", [ShufflingPool, QueuePool])
def test_an_outcome_goes_to_the_run_whose_id_it_has_in_whatever_order_they_come(
    kind: type[MinimalPool],
) -> None:
    with kind() as pool:
        getattr(pool, "go_on", threading.Event()).set()
        pairs = list(pool.imap(specs(20), in_flight=6))

    assert {spec.run_id: outcome.run_id for spec, outcome in pairs} == {n: n for n in range(20)}
    assert len(pairs) == 20


@pytest.mark.parametrize("kind", [LosingPool, MisnamingPool])
@pytest.mark.parametrize("in_flight", [1, 2, 9])
def test_a_run_whose_outcome_never_comes_fails_and_no_other_does(
    kind: type[MinimalPool], in_flight: int
) -> None:
    class Strict(kind):  # type: ignore[misc, valid-type]
        """Has forgotten what it has yielded, and yields nothing for it."""

        def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
            known = [each for each in futures if each in self.waiting]
            return super().as_completed(known)  # type: ignore[no-any-return]

    ends = {spec.run_id: end for spec, end in Strict().imap(specs(8), in_flight=in_flight)}

    assert {n: end.status for n, end in ends.items()} == {
        n: "failed" if n == 3 else "ok" for n in range(8)
    }
    assert headline(ends[3].stderr).startswith("Strict gave no outcome of run 3. See that its")


@pytest.mark.parametrize("kind", [RaisingPool, RaisingFuturesPool])
@pytest.mark.parametrize("in_flight", [1, 2, 9])
def test_what_escapes_a_pool_is_a_failed_run_with_its_traceback(
    kind: type[MinimalPool], in_flight: int
) -> None:
    with kind() as pool:
        ends = {spec.run_id: end for spec, end in pool.imap(specs(8), in_flight=in_flight)}

    assert {n: end.status for n, end in ends.items()} == {
        n: "failed" if n == 3 else "ok" for n in range(8)
    }
    assert "Traceback (most recent call last)" in str(ends[3].stderr)
    assert headline(ends[3].stderr).endswith(": run 3 did it")
    assert ends[3].ended_at >= ends[3].started_at


def test_what_a_pool_says_of_itself_is_raised() -> None:
    class Closed(MinimalPool):
        def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
            raise BackendError("The pool is closed.")

    with pytest.raises(BackendError, match=r"The pool is closed\."):
        next(Closed().imap(specs(1)))


def test_something_else_than_an_outcome_is_a_failed_run() -> None:
    class Confused(MinimalPool):
        def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
            for _ in futures:
                yield "ok"  # type: ignore[misc]

    ((_, end),) = Confused().imap(specs(1))

    assert headline(end.stderr) == (
        "TypeError: as_completed() yielded 'ok', which is no RunOutcome"
    )
    assert end.duration_s == 0


def test_giving_up_does_not_wait_for_what_only_closing_the_pool_ends() -> None:
    with QueuePool() as pool:
        pairs = pool.imap(specs(10))
        next(pairs)
        # If it waited, it would do so for good.
        pairs.close()  # type: ignore[attr-defined]

        assert not pool.go_on.is_set()


@pytest.mark.parametrize("in_flight", [0, -1])
def test_a_bound_below_one_is_refused_before_anything_is_taken(in_flight: int) -> None:
    pool = MinimalPool()
    source = iter(specs(2))
    pairs = pool.imap(source, in_flight=in_flight)

    with pytest.raises(ValueError, match=f"in_flight must be at least 1, got {in_flight}"):
        next(pairs)

    assert len(list(source)) == 2
    assert pool.submitted == 0


def test_imap_of_nothing_is_nothing() -> None:
    assert list(MinimalPool().imap([])) == []
