"""`LocalJoblibPool`: isolated workers, each run on its own."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from faulty_runs import (
    has_ended,
    number_in,
    spec_of,
    wait_until,
    wait_until_in_native_call,
    workers_of,
)
from gmat_sweep.backends.base import Pool
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.backends.process.worker_process import WorkerDiedError, WorkerTimedOutError
from gmat_sweep.causes import headline
from gmat_sweep.errors import BackendError, SweepConfigError
from gmat_sweep.spec import RunOutcome, RunSpec

MakePool = Callable[..., LocalJoblibPool]


@pytest.fixture(scope="module")
def pair() -> Iterator[LocalJoblibPool]:
    """A pool of two for the tests that leave it open."""
    with LocalJoblibPool(2) as pool:
        yield pool


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePool]:
    """Make a pool; after the test neither a worker nor a scratch folder of it may be left."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = workers_of()
    with contextlib.ExitStack() as made:
        yield lambda *args, **kwargs: made.enter_context(LocalJoblibPool(*args, **kwargs))
    assert workers_of() <= before
    assert list(scratch.iterdir()) == []


def drained(pool: LocalJoblibPool, specs: Iterable[RunSpec]) -> dict[int, RunOutcome]:
    futures = [pool.submit(spec) for spec in specs]
    return {outcome.run_id: outcome for outcome in pool.as_completed(futures)}


def process_of(outcome: RunOutcome) -> int:
    return number_in(outcome.extra_outputs["process"])


# --- how many workers ----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [None, -1])
def test_by_default_there_is_a_worker_for_every_core(count: int | None, make: MakePool) -> None:
    assert make(count).max_workers == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("count", [1, 2, 37])
def test_a_count_is_taken_as_it_is(count: int, make: MakePool) -> None:
    assert make(count).max_workers == count
    assert make(max_workers=count).max_workers == count


@pytest.mark.parametrize("count", [0, -2, -100])
def test_a_count_that_means_nothing_is_refused(count: int) -> None:
    with pytest.raises(BackendError, match=f"max_workers is {count}. Pass a positive count"):
        LocalJoblibPool(count)
    with (
        pytest.warns(DeprecationWarning, match="max_workers"),
        pytest.raises(BackendError, match=f"max_workers is {count}"),
    ):
        LocalJoblibPool(workers=count)


def test_the_old_spelling_of_the_count_works_with_a_warning(make: MakePool) -> None:
    with pytest.warns(DeprecationWarning, match="max_workers") as warned:
        pool = LocalJoblibPool(workers=3)

    assert pool.max_workers == 3
    assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(max_workers=3)


@pytest.mark.parametrize("count", [2, 3])
def test_both_spellings_at_once_are_refused_even_when_they_agree(count: int) -> None:
    with pytest.raises(BackendError, match="not both"):
        LocalJoblibPool(2, workers=count)


def test_it_is_a_pool_that_isolates_gmat() -> None:
    assert issubclass(LocalJoblibPool, Pool)
    assert LocalJoblibPool.subprocess_isolated is True


def test_a_pool_starts_no_worker_before_it_is_needed(make: MakePool, tmp_path: Path) -> None:
    before = workers_of()
    pool = make(2)
    pool.submit(spec_of(tmp_path))
    assert workers_of() == before

    pool.warm_up()
    assert len(workers_of() - before) == 2
    pool.warm_up()
    assert len(workers_of() - before) == 2


# --- submit and as_completed ---------------------------------------------------------------------


def test_submit_parks_a_spec_until_its_outcome_is_asked_for(
    pair: LocalJoblibPool, tmp_path: Path
) -> None:
    futures = [pair.submit(spec_of(tmp_path, n)) for n in range(3)]
    assert not any(future.done() or future.running() for future in futures)
    outcomes = pair.as_completed(futures)
    assert not any(spec_of(tmp_path, n).output_dir.exists() for n in range(3))

    by_id = {outcome.run_id: outcome for outcome in outcomes}
    assert all(future.result(timeout=0) is by_id[n] for n, future in enumerate(futures))
    assert [by_id[n].status for n in range(3)] == ["ok", "ok", "ok"]


def test_a_future_has_its_outcome_when_that_is_yielded(
    pair: LocalJoblibPool, tmp_path: Path
) -> None:
    future = pair.submit(spec_of(tmp_path))

    assert next(pair.as_completed([future])) is future.result(timeout=0)


def test_what_was_submitted_can_be_drained_in_several_batches(
    pair: LocalJoblibPool, tmp_path: Path
) -> None:
    futures = [pair.submit(spec_of(tmp_path, n)) for n in range(5)]

    for batch in ([3], [], [0, 4], [1, 2]):
        outcomes = pair.as_completed(iter([futures[n] for n in batch]))
        assert sorted(outcome.run_id for outcome in outcomes) == batch


def test_a_future_of_another_pool_is_refused_and_the_rest_stays_parked(
    pair: LocalJoblibPool, tmp_path: Path
) -> None:
    stranger: Future[RunOutcome] = Future()
    future = pair.submit(spec_of(tmp_path))
    with pytest.raises(BackendError, match="1 of 2 futures are not waiting in this pool"):
        next(pair.as_completed([future, stranger]))

    assert [outcome.status for outcome in pair.as_completed([future])] == ["ok"]


def test_a_future_can_be_drained_only_once(pair: LocalJoblibPool, tmp_path: Path) -> None:
    future = pair.submit(spec_of(tmp_path))
    with pytest.raises(BackendError, match="1 of 2 futures"):
        next(pair.as_completed([future, future]))
    assert len(list(pair.as_completed([future]))) == 1

    with pytest.raises(BackendError, match="1 of 1 futures"):
        next(pair.as_completed([future]))


def test_a_cancelled_future_is_not_run(pair: LocalJoblibPool, tmp_path: Path) -> None:
    futures = [pair.submit(spec_of(tmp_path, n)) for n in range(2)]
    futures[0].cancel()

    assert [outcome.run_id for outcome in pair.as_completed(futures)] == [1]
    assert not spec_of(tmp_path, 0).output_dir.exists()


def test_a_spec_that_cannot_be_sent_is_a_failed_run(pair: LocalJoblibPool, tmp_path: Path) -> None:
    outcomes = drained(pair, [spec_of(tmp_path, 0, what=object()), spec_of(tmp_path, 1)])

    assert outcomes[1].status == "ok"
    assert outcomes[0].status == "failed"
    assert str(outcomes[0].stderr).startswith("Traceback (most recent call last)")
    assert headline(outcomes[0].stderr) == (
        "TypeError: Object of type object is not JSON serializable"
    )


def test_giving_up_an_iteration_ends_its_runs_and_the_pool_goes_on(
    make: MakePool, tmp_path: Path
) -> None:
    pool = make(2)
    futures = [pool.submit(spec_of(tmp_path, 0))]
    futures += [pool.submit(spec_of(tmp_path, n, "endless loop")) for n in (1, 2, 3)]
    outcomes = pool.as_completed(futures)
    assert next(outcomes).run_id == 0
    outcomes.close()  # type: ignore[attr-defined]

    assert futures[0].result(timeout=0).status == "ok"
    assert all(future.cancelled() for future in futures[1:])
    assert drained(pool, [spec_of(tmp_path, 4)])[4].status == "ok"


def test_giving_up_an_iteration_leaves_the_runs_of_others_alone(
    make: MakePool, tmp_path: Path
) -> None:
    pool = make(2)
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(pool.execute, spec_of(tmp_path, 9, "endless loop"))
        wait_until(lambda: len(pool._busy) == 1, "the other run to begin")
        specs = [spec_of(tmp_path, 0)]
        specs += [spec_of(tmp_path, n, "endless loop") for n in (1, 2)]
        pairs = pool.imap(specs)
        assert next(pairs)[0].run_id == 0
        # One of the two has the second worker now; one waits for a worker.
        wait_until(lambda: len(pool._busy) == 2, "an endless run to begin")
        pairs.close()  # type: ignore[attr-defined]

        assert len(pool._busy) == 1
        assert not other.done()
        pool.close()
        assert isinstance(other.exception(timeout=30), WorkerDiedError)


# --- imap ----------------------------------------------------------------------------------------


def test_a_run_that_takes_long_holds_up_no_other(make: MakePool, tmp_path: Path) -> None:
    specs = [spec_of(tmp_path, 0, "endless loop")]
    specs += [spec_of(tmp_path, n) for n in range(1, 10)]
    pairs = make(2).imap(specs, in_flight=2)

    for n in range(1, 10):
        spec, outcome = next(pairs)
        assert spec is specs[n]
        assert (outcome.run_id, outcome.status) == (n, "ok")
    pairs.close()  # type: ignore[attr-defined]


def test_imap_takes_specs_as_outcomes_are_yielded(pair: LocalJoblibPool, tmp_path: Path) -> None:
    taken: list[int] = []

    def specs() -> Iterator[RunSpec]:
        for n in range(12):
            taken.append(n)
            yield spec_of(tmp_path, n)

    pairs = pair.imap(specs())
    assert not taken
    for yielded, _ in enumerate(pairs):
        assert len(taken) <= yielded + 8
        assert yielded > 0 or len(taken) == 8
    assert taken == list(range(12))


@pytest.mark.parametrize("in_flight", [0, -3])
def test_imap_refuses_a_bound_below_one(in_flight: int, pair: LocalJoblibPool) -> None:
    with pytest.raises(ValueError, match=f"in_flight must be at least 1, got {in_flight}"):
        next(pair.imap([], in_flight=in_flight))


# --- workers -------------------------------------------------------------------------------------


def test_one_worker_is_a_process_of_its_own_and_is_kept(make: MakePool, tmp_path: Path) -> None:
    outcomes = drained(make(1), [spec_of(tmp_path, n, hook="note_process") for n in range(3)])

    processes = {process_of(outcome) for outcome in outcomes.values()}
    assert len(processes) == 1
    assert os.getpid() not in processes


def test_without_reuse_every_run_has_a_process_of_its_own(make: MakePool, tmp_path: Path) -> None:
    pool = make(1, reuse_gmat_context=False)
    outcomes = drained(pool, [spec_of(tmp_path, n, hook="note_process") for n in range(3)])

    processes = {process_of(outcome) for outcome in outcomes.values()}
    assert len(processes) == 3
    assert not any(map(psutil.pid_exists, processes))


def test_all_workers_work_at_once_and_no_more(make: MakePool, tmp_path: Path) -> None:
    before, pool = workers_of(), make(2)
    specs = [spec_of(tmp_path, n, "endless loop") for n in range(4)]
    futures = [pool.submit(spec) for spec in specs]
    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(list, pool.as_completed(futures))
        wait_until(lambda: all(spec.output_dir.exists() for spec in specs[:2]), "two runs")
        assert len(workers_of() - before) == 2
        assert not any(spec.output_dir.exists() for spec in specs[2:])
        pool.close()
        with pytest.raises(BackendError):
            ended.result(timeout=30)


def test_a_mission_can_be_looked_at_on_a_worker(pair: LocalJoblibPool, tmp_path: Path) -> None:
    facts = pair.inspect(spec_of(tmp_path).script_path, {"Sat.SMA": "round"})

    assert facts.refused.keys() == {"Sat.SMA"}
    assert 'The value of "round" for field "SMA" on object "Sat"' in facts.refused["Sat.SMA"]


# --- one bad run costs one run -------------------------------------------------------------------


@pytest.mark.promise("7", "SIGSEGV, abort, `os._exit` beside runs that go well")
def test_runs_that_crash_their_worker_cost_no_other_run(make: MakePool, tmp_path: Path) -> None:
    guilty = {1: "SIGSEGV", 4: "SIGABRT", 6: "exited with code 3", 8: "Brackets are mismatched"}
    specs = [spec_of(tmp_path, n) for n in range(12)]
    specs[1] = spec_of(tmp_path, 1, "SIGSEGV")
    specs[4] = spec_of(tmp_path, 4, "SIGABRT")
    specs[6] = spec_of(tmp_path, 6, hook="exit_at_once")
    specs[8] = spec_of(tmp_path, 8, "refused")
    outcomes = drained(make(2), specs)

    assert {n: outcome.status for n, outcome in outcomes.items()} == {
        n: "failed" if n in guilty else "ok" for n in range(12)
    }
    for n, cause in guilty.items():
        assert cause in headline(outcomes[n].stderr)
        assert outcomes[n].output_paths == {}
        assert outcomes[n].duration_s > 0
        assert outcomes[n].ended_at >= outcomes[n].started_at


def test_a_worker_killed_during_a_run_is_replaced(make: MakePool, tmp_path: Path) -> None:
    pool = make(1)
    spec = spec_of(tmp_path, 0, hook="leave_a_program_and_fly_on")
    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(pool.execute, spec)
        killed = wait_until_in_native_call(spec)
        os.kill(killed, signal.SIGKILL)
        with pytest.raises(WorkerDiedError, match="SIGKILL") as caught:
            run.result(timeout=30)
    assert caught.value.returncode == -signal.SIGKILL

    outcome = pool.execute(spec_of(tmp_path, 1, hook="note_process"))
    assert outcome.status == "ok"
    assert process_of(outcome) != killed


def test_a_worker_killed_between_runs_costs_no_run(make: MakePool, tmp_path: Path) -> None:
    pool = make(1)
    killed = process_of(pool.execute(spec_of(tmp_path, 0, hook="note_process")))
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not pool._idle[0].is_alive, "the worker to end")

    outcome = pool.execute(spec_of(tmp_path, 1, hook="note_process"))
    assert outcome.status == "ok"
    assert process_of(outcome) != killed


def test_a_run_over_its_time_is_ended_and_its_worker_replaced(
    make: MakePool, tmp_path: Path
) -> None:
    pool = make(1)
    with pytest.raises(WorkerTimedOutError):
        pool.execute(spec_of(tmp_path, 0, "endless loop"), timeout_s=0.3)

    assert pool.execute(spec_of(tmp_path, 1), timeout_s=60).status == "ok"


def test_a_run_over_the_memory_limit_costs_no_other_run(make: MakePool, tmp_path: Path) -> None:
    specs = [spec_of(tmp_path, n) for n in range(8)]
    specs[3] = spec_of(tmp_path, 3, hook="take_memory", megabytes=900)
    outcomes = drained(make(2, memory_limit="400 MB"), specs)

    assert {n: outcome.status for n, outcome in outcomes.items()} == {
        n: "failed" if n == 3 else "ok" for n in range(8)
    }
    assert headline(outcomes[3].stderr).startswith("The run needed more than 400 MB of memory")


def test_a_run_does_not_fail_for_the_memory_that_runs_before_it_have_kept(
    make: MakePool, tmp_path: Path
) -> None:
    pool = make(2, memory_limit="500 MB")
    pool.warm_up()
    idle = {worker.pid for worker in pool._idle}
    first, second = [
        pool.execute(spec_of(tmp_path, n, hook="take_memory", megabytes=200, keep=True))
        for n in range(2)
    ]

    assert (first.status, second.status) == ("ok", "ok")
    assert process_of(first) != process_of(second)
    # The attempt on a fresh worker has cost no other worker than the full one.
    assert {worker.pid for worker in pool._idle} == idle - {process_of(first)} | {
        process_of(second)
    }


def test_a_fresh_worker_takes_the_place_of_one_that_is_idle_or_has_ended(make: MakePool) -> None:
    pool = make(3)
    pool.warm_up()
    ended, *alive = pool._idle
    os.kill(ended.pid, signal.SIGKILL)
    wait_until(lambda: not ended.is_alive, "the kill")

    with pool._worker(fresh=True) as fresh:
        assert pool._idle == alive
        assert all(worker.is_alive for worker in alive)
        with pool._worker(fresh=True) as other:
            assert len(pool._idle) == 1
            assert pool._idle[0] in alive
            assert pool._idle[0].is_alive
            assert len({fresh, other, *pool._idle}) == 3


def test_the_memory_limit_of_a_run_comes_before_that_of_its_pool(
    make: MakePool, tmp_path: Path
) -> None:
    pool = make(1, memory_limit="400 MB")
    spec = spec_of(tmp_path, hook="take_memory", megabytes=900)

    assert pool.execute(spec, memory_limit=2_000_000_000).status == "ok"


def test_a_memory_limit_that_is_none_is_refused() -> None:
    with pytest.raises(SweepConfigError, match="'plenty' is no amount of memory"):
        LocalJoblibPool(1, memory_limit="plenty")


def test_what_keeps_a_spec_from_being_sent_took_no_time(
    pair: LocalJoblibPool, tmp_path: Path
) -> None:
    (outcome,) = drained(pair, [spec_of(tmp_path, 0, what=object())]).values()

    assert (outcome.status, outcome.duration_s) == ("failed", 0)


def test_a_pool_whose_workers_cannot_start_says_why_for_every_run(
    make: MakePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    outcomes = drained(make(2), [spec_of(tmp_path, n) for n in range(3)])

    assert [outcome.status for outcome in outcomes.values()] == ["failed"] * 3
    assert all("could not be started" in headline(o.stderr) for o in outcomes.values())


# --- closing -------------------------------------------------------------------------------------


USES: dict[str, Callable[[LocalJoblibPool, RunSpec], object]] = {
    "submit": lambda pool, spec: pool.submit(spec),
    "as_completed": lambda pool, _: next(pool.as_completed([])),
    "imap": lambda pool, spec: next(pool.imap([spec])),
    "execute": lambda pool, spec: pool.execute(spec),
    "inspect": lambda pool, _: pool.inspect(None, {}),
    "warm_up": lambda pool, _: pool.warm_up(),
}


@pytest.mark.parametrize("use", USES)
def test_a_closed_pool_cannot_be_used(use: str, make: MakePool, tmp_path: Path) -> None:
    pool = make(1)
    pool.close()

    with pytest.raises(BackendError, match=r"The pool is closed\. Make a new one\."):
        USES[use](pool, spec_of(tmp_path))


def test_closing_cancels_what_is_parked_and_again_does_nothing(
    make: MakePool, tmp_path: Path
) -> None:
    pool = make(1)
    futures = [pool.submit(spec_of(tmp_path, n)) for n in range(2)]
    for _ in range(3):
        pool.close()

    assert all(future.cancelled() for future in futures)


def test_closing_a_pool_ends_its_idle_workers(make: MakePool) -> None:
    before = workers_of()
    pool = make(2)
    pool.warm_up()
    started = workers_of() - before
    pool.close()

    assert len(started) == 2
    assert not any(map(psutil.pid_exists, started))


def test_closing_while_runs_are_in_flight_ends_them_and_leaves_no_process(
    make: MakePool, tmp_path: Path
) -> None:
    pool = make(2)
    specs = [spec_of(tmp_path, n, hook="leave_a_program_and_fly_on") for n in range(3)]
    futures = [pool.submit(spec) for spec in specs]
    with ThreadPoolExecutor(1) as threads:
        drain = threads.submit(list, pool.as_completed(futures))
        processes = [wait_until_in_native_call(spec) for spec in specs[:2]]
        left = [number_in(spec.output_dir / "left.txt") for spec in specs[:2]]
        pool.close()
        assert not pool._busy, "it did not wait for the end of its runs, or waited in vain"
        assert not any(map(psutil.pid_exists, processes))
        with pytest.raises(BackendError, match="closed before this run ended"):
            drain.result(timeout=30)

    assert all(future.cancelled() for future in futures)
    wait_until(lambda: all(map(has_ended, left)), "what the runs had started to be killed too")


def test_interrupting_ends_the_runs_and_the_pool_goes_on(make: MakePool, tmp_path: Path) -> None:
    pool = make(2)
    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(pool.execute, spec_of(tmp_path, 0, "endless loop"))
        wait_until(lambda: len(pool._busy) == 1, "the run to begin")
        pool.interrupt()
        with pytest.raises(WorkerDiedError):
            run.result(timeout=30)

    assert pool.execute(spec_of(tmp_path, 1)).status == "ok"


def test_a_caller_that_waits_for_a_worker_is_told_when_the_pool_is_closed(
    make: MakePool, tmp_path: Path
) -> None:
    pool = make(1)
    with ThreadPoolExecutor(2) as threads:
        runs = [
            threads.submit(pool.execute, spec_of(tmp_path, n, "endless loop")) for n in range(2)
        ]
        wait_until(lambda: len(pool._busy) == 1, "one run to begin")
        pool.close()
        errors = {type(run.exception(timeout=30)) for run in runs}

    assert errors == {WorkerDiedError, BackendError}


def test_ctrl_c_ends_a_program_and_all_its_runs_at_once(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from faulty_runs import spec_of
from gmat_sweep import LocalJoblibPool
specs = [spec_of(Path(sys.argv[1]), n, hook="leave_a_program_and_fly_on") for n in range(50)]
with LocalJoblibPool(2) as pool:
    for outcome in pool.as_completed([pool.submit(spec) for spec in specs]):
        print(outcome)
"""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    driver = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "TMPDIR": str(scratch),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    specs = [spec_of(tmp_path, n, hook="leave_a_program_and_fly_on") for n in range(2)]
    processes = [wait_until_in_native_call(spec) for spec in specs]
    processes += [number_in(spec.output_dir / "left.txt") for spec in specs]
    driver.send_signal(signal.SIGINT)
    said, complained = driver.communicate(timeout=30)

    assert said == ""
    assert complained.endswith("KeyboardInterrupt\n")
    wait_until(lambda: all(map(has_ended, processes)), "all processes to end")
    assert list(scratch.iterdir()) == []
