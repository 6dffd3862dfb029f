"""One worker process: what it answers, how it may end, and that nothing of it is left."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from edited_hooks import EDITIONS, NOTE, noted_editions, write_edition
from faulty_runs import (
    has_ended,
    number_in,
    spec_of,
    wait_until,
    wait_until_in_native_call,
    workers_of,
)
from gmat_sweep.backends._subprocess import run_spec_in_subprocess
from gmat_sweep.backends.process import worker_process
from gmat_sweep.backends.process.worker_process import (
    WorkerDiedError,
    WorkerOverMemoryError,
    WorkerProcess,
    WorkerTimedOutError,
)
from gmat_sweep.causes import headline
from gmat_sweep.errors import BackendError
from gmat_sweep.sweep.preflight import check_hook

StartWorker = Callable[[], WorkerProcess]


@pytest.fixture(scope="module")
def lasting() -> Iterator[WorkerProcess]:
    """A worker for the tests that leave it alive."""
    worker = WorkerProcess()
    yield worker
    worker.close()


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where scratch folders of workers started by the test are made."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def start(scratch: Path) -> Iterator[StartWorker]:
    """Start a worker; after the test neither it nor its folder may be left."""
    with contextlib.ExitStack() as started:

        def start_one() -> WorkerProcess:
            worker = WorkerProcess()
            started.callback(worker.close)
            return worker

        yield start_one
    assert list(scratch.iterdir()) == []
    assert scratch.exists()


def open_descriptors() -> int:
    return psutil.Process().num_fds()


def death_of(worker: WorkerProcess, folder: Path, **what: str) -> WorkerDiedError:
    with pytest.raises(WorkerDiedError) as caught:
        worker.run(spec_of(folder, **what))  # type: ignore[arg-type]
    assert not psutil.pid_exists(worker.pid)
    return caught.value


# --- a worker that works -------------------------------------------------------------------------


def test_a_run_comes_back_as_its_outcome(lasting: WorkerProcess, tmp_path: Path) -> None:
    spec = spec_of(tmp_path, 7, hook="note_process")
    outcome = lasting.run(spec, timeout_s=60)

    assert (outcome.run_id, outcome.status, outcome.postprocess_status) == (7, "ok", "ok")
    assert outcome.output_paths["report__RF"].stat().st_size > 0
    assert number_in(outcome.extra_outputs["process"]) == lasting.pid


def test_a_run_that_gmat_refuses_is_an_answer(lasting: WorkerProcess, tmp_path: Path) -> None:
    outcome = lasting.run(spec_of(tmp_path, script="refused"))

    assert outcome.status == "failed"
    assert headline(outcome.stderr).startswith("Brackets are mismatched in line:")
    assert lasting.is_alive


def test_a_worker_is_a_process_group_and_a_session_of_its_own(lasting: WorkerProcess) -> None:
    assert lasting.pid != os.getpid()
    assert lasting.pid in workers_of()
    assert os.getpgid(lasting.pid) == lasting.pid
    assert os.getsid(lasting.pid) == lasting.pid


def test_numerical_libraries_of_a_worker_use_one_thread(
    lasting: WorkerProcess, tmp_path: Path
) -> None:
    outcome = lasting.run(spec_of(tmp_path, hook="note_threads"))

    assert outcome.extra_outputs["threads"].read_text() == "1 1"


def test_a_mission_can_be_looked_at_without_running_it(
    lasting: WorkerProcess, tmp_path: Path
) -> None:
    fine, refused = spec_of(tmp_path), spec_of(tmp_path, script="refused")
    facts = lasting.inspect(fine.script_path, {"Sat.SMA": 7100.0, "Sat.Foo": 1.0})
    assert "Spacecraft" in facts.resource_types
    assert facts.problems == ("unknown field 'Foo' on Spacecraft 'Sat'",)
    assert not fine.output_dir.exists()

    assert lasting.inspect(None, {}).problems == ()
    assert "Brackets are mismatched" in lasting.inspect(refused.script_path, {}).engine_log


@pytest.mark.promise("7", "100 MB of output")
def test_a_hundred_megabytes_of_output_do_no_harm_and_are_not_kept(
    lasting: WorkerProcess, tmp_path: Path
) -> None:
    assert lasting.run(spec_of(tmp_path, 0, hook="flood"), timeout_s=60).status == "ok"
    assert lasting._output.stat().st_size >= 100_000_000

    assert lasting.run(spec_of(tmp_path, 1)).status == "ok"
    assert lasting._output.stat().st_size < 10_000


def test_a_kept_worker_calls_hooks_as_they_are_and_where_they_are_now(
    lasting: WorkerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert noted_editions(lasting.run, tmp_path, monkeypatch) == EDITIONS


def test_an_edit_while_a_sweep_flies_does_not_make_its_runs_differ(
    lasting: WorkerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    noted = []
    for run_id, edition in enumerate(("first", "other", "third")):
        write_edition(tmp_path, hook=edition, beside=edition)
        if edition != "other":
            check_hook(NOTE)
        outcome = lasting.run(replace(spec_of(tmp_path, run_id), postprocess=NOTE))
        noted.append(outcome.extra_outputs["noted"].read_text())

    assert noted == ["first first", "first first", "third third"]


def test_a_hook_that_takes_standard_error_away_costs_no_other_run(
    start: StartWorker, tmp_path: Path
) -> None:
    worker = start()
    assert worker.run(spec_of(tmp_path, 0, hook="take_standard_error")).status == "ok"

    assert worker.run(spec_of(tmp_path, 1)).status == "ok"


# --- a worker that ends --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT"])
def test_a_run_that_crashes_gmat_says_by_which_signal_and_where(
    name: str, start: StartWorker, tmp_path: Path
) -> None:
    error = death_of(start(), tmp_path, script=name)

    assert not isinstance(error, WorkerTimedOutError)
    assert error.returncode == -signal.Signals[name]
    said = f"The worker process ended during the run: killed by {name}"
    assert str(error).startswith(f"{said}\n--- its last output ---\n")
    assert "gmat_run/mission.py" in str(error)
    assert headline(str(error)) == said


def test_a_hook_that_exits_says_its_code_and_last_words(
    start: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    error = death_of(start(), tmp_path, hook="exit_at_once")

    assert error.returncode == 3
    assert str(error) == (
        "The worker process ended during the run: it exited with code 3\n"
        "--- its last output ---\nsaid before the end"
    )


@pytest.mark.promise("7", "last words that are not UTF-8")
def test_last_words_that_are_not_utf_8_can_be_read_all_the_same(
    start: StartWorker, tmp_path: Path
) -> None:
    error = death_of(start(), tmp_path, hook="exit_speaking_in_tongues")

    assert error.returncode == 4
    assert str(error).endswith("caf\ufffd \ufffd\ufffd\\x00 end")


def test_of_a_flood_of_output_the_end_is_reported(start: StartWorker, tmp_path: Path) -> None:
    error = death_of(start(), tmp_path, hook="flood_and_exit")

    assert error.returncode == 5
    assert str(error).endswith("xxxxthe end")
    assert len(str(error)) < 10_000


def test_an_interrupted_hook_ends_its_worker(start: StartWorker, tmp_path: Path) -> None:
    error = death_of(start(), tmp_path, hook="be_interrupted")

    assert str(error).endswith("KeyboardInterrupt")


def test_a_worker_is_missed_although_a_fork_of_it_holds_its_pipes(
    start: StartWorker, tmp_path: Path
) -> None:
    error = death_of(start(), tmp_path, hook="leave_a_fork_and_exit")

    assert error.returncode == 6
    left = number_in(tmp_path / "run-0" / "left.txt")
    wait_until(lambda: has_ended(left), "the fork to be killed")


def test_a_script_that_crashes_the_inspection_ends_the_worker(
    start: StartWorker, tmp_path: Path
) -> None:
    worker = start()
    with pytest.raises(WorkerDiedError, match="SIGABRT"):
        worker.inspect(spec_of(tmp_path, script="SIGABRT").script_path, {})

    assert not psutil.pid_exists(worker.pid)


def test_a_worker_killed_from_outside_during_a_run_is_reported(
    start: StartWorker, tmp_path: Path
) -> None:
    worker = start()
    spec = spec_of(tmp_path, hook="leave_a_program_and_fly_on")

    def kill_once_busy() -> None:
        os.kill(wait_until_in_native_call(spec), signal.SIGKILL)

    killer = threading.Thread(target=kill_once_busy)
    killer.start()
    error = death_of(worker, tmp_path, hook="leave_a_program_and_fly_on")
    killer.join()

    assert error.returncode == -signal.SIGKILL
    assert str(error).startswith("The worker process ended during the run: killed by SIGKILL")
    left = number_in(spec.output_dir / "left.txt")
    wait_until(lambda: has_ended(left), "what the worker had started to be killed too")


def test_a_request_to_a_worker_that_has_ended_says_so(start: StartWorker, tmp_path: Path) -> None:
    worker = start()
    worker.run(spec_of(tmp_path, 0))
    assert worker.is_alive
    os.kill(worker.pid, signal.SIGKILL)
    wait_until(lambda: not worker.is_alive, "the worker to end")

    with pytest.raises(WorkerDiedError, match=r"ended before the run: killed by SIGKILL"):
        worker.run(spec_of(tmp_path, 1))


# --- a run that does not end ---------------------------------------------------------------------


@pytest.mark.promise("7", "an endless propagation")
@pytest.mark.parametrize("script", ["endless propagation", "endless loop"])
def test_an_endless_run_is_ended_by_its_timeout(
    script: str, start: StartWorker, tmp_path: Path
) -> None:
    worker = start()
    with pytest.raises(WorkerTimedOutError) as caught:
        worker.run(spec_of(tmp_path, script=script), timeout_s=0.5)

    assert "did not end within its timeout of 0.5 s" in str(caught.value)
    assert str(caught.value).endswith("Raise the timeout if the case is meant to take longer.")
    assert isinstance(caught.value, WorkerDiedError)
    assert isinstance(caught.value, BackendError)
    assert not psutil.pid_exists(worker.pid)


@pytest.mark.promise("7", "an endless run that has started a program")
def test_the_timeout_ends_what_the_run_has_started_too(start: StartWorker, tmp_path: Path) -> None:
    worker = start()
    spec = spec_of(tmp_path, 1, hook="leave_a_program_and_fly_on")
    worker.run(spec_of(tmp_path, 0))
    with pytest.raises(WorkerTimedOutError):
        worker.run(spec, timeout_s=3)

    assert not psutil.pid_exists(worker.pid)
    left = number_in(spec.output_dir / "left.txt")
    wait_until(lambda: has_ended(left), "what the run had started to be killed too")


def test_the_time_a_worker_needs_to_start_is_not_the_runs(
    start: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = "import sys, time\ntime.sleep(3)\ndel sys.path[0], sys.modules['gmat_run']\n"
    shadow(tmp_path, monkeypatch, f"{slow}import gmat_run")

    assert start().run(spec_of(tmp_path), timeout_s=2.9).status == "ok"


# --- a run that needs too much memory -----------------------------------------------------------


@pytest.mark.promise("7", "a run that takes too much memory")
@pytest.mark.parametrize(
    "what",
    [
        {"hook": "take_memory", "megabytes": 900},
        {"hook": "take_memory_for_good"},
        {"script": "big array"},
    ],
    ids=["the hook", "a program of the hook", "GMAT"],
)
def test_a_run_over_its_memory_limit_is_ended_with_all_it_has_started(
    what: dict[str, Any], start: StartWorker, tmp_path: Path
) -> None:
    worker, spec = start(), spec_of(tmp_path, **what)
    with pytest.raises(WorkerOverMemoryError) as caught:
        worker.run(spec, timeout_s=120, memory_limit=400_000_000)

    assert headline(str(caught.value)) == (
        "The run needed more than 400 MB of memory and its worker process was killed. Raise the "
        "memory limit if the case is meant to need that much."
    )
    assert caught.value.is_first
    assert isinstance(caught.value, WorkerDiedError)
    assert not psutil.pid_exists(worker.pid)
    if "for_good" in what.get("hook", ""):
        left = number_in(spec.output_dir / "left.txt")
        wait_until(lambda: has_ended(left), "what the run had started to be killed too")


def test_a_run_below_its_memory_limit_is_left_alone(start: StartWorker, tmp_path: Path) -> None:
    worker = start()
    spec = spec_of(tmp_path, 0, hook="take_memory", megabytes=900)
    assert worker.run(spec, memory_limit=2_000_000_000).status == "ok"

    with pytest.raises(WorkerOverMemoryError) as caught:
        worker.run(replace(spec, run_options={"overwrite": True}), memory_limit=400_000_000)
    assert not caught.value.is_first


def test_looking_at_a_mission_has_a_memory_limit_too(start: StartWorker, tmp_path: Path) -> None:
    with pytest.raises(WorkerOverMemoryError):
        start().inspect(spec_of(tmp_path, 0, "big array").script_path, {}, memory_limit=400_000_000)


# --- closing -------------------------------------------------------------------------------------


def test_closing_ends_a_worker_and_what_it_has_left_running(
    start: StartWorker, scratch: Path, tmp_path: Path
) -> None:
    before = open_descriptors()
    worker = start()
    outcome = worker.run(spec_of(tmp_path, hook="leave_a_program"))
    left = number_in(outcome.extra_outputs["left"])
    assert not has_ended(left)
    assert len(list(scratch.iterdir())) == 1

    worker.close()
    assert not psutil.pid_exists(worker.pid)
    assert list(scratch.iterdir()) == []
    wait_until(lambda: has_ended(left), "what the worker had started to be killed too")

    worker.close()
    worker.kill()
    assert open_descriptors() <= before + 1  # the reaper's pipe, where it had no earlier one


def test_a_worker_can_be_killed_while_another_thread_waits_for_it(
    start: StartWorker, tmp_path: Path
) -> None:
    worker = start()
    killer = threading.Timer(0.2, worker.kill)
    killer.start()
    error = death_of(worker, tmp_path, script="endless loop")
    killer.join()

    assert error.returncode == -signal.SIGKILL


# --- a worker that cannot start ------------------------------------------------------------------


def shadow(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """Have workers import a gmat_run of the test's own."""
    modules = folder / "modules"
    modules.mkdir()
    (modules / "gmat_run.py").write_text(source)
    monkeypatch.syspath_prepend(str(modules))


def test_a_worker_that_cannot_import_its_engine_says_why(
    start: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow(tmp_path, monkeypatch, "raise ImportError('libgmat.so: wrong ELF class')")
    error = death_of(start(), tmp_path)

    assert error.returncode == 1
    assert headline(str(error)) == (
        "A worker process ended before it was ready: it exited with code 1 (ImportError: "
        "libgmat.so: wrong ELF class). Mend what its output names"
    )
    assert "gmat_run.py" in str(error)


def test_a_worker_that_hangs_while_starting_is_given_up(
    start: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow(tmp_path, monkeypatch, "import time\ntime.sleep(1000)")
    monkeypatch.setattr(worker_process, "START_TIMEOUT_S", 0.3)
    error = death_of(start(), tmp_path)

    assert str(error) == "A worker process was not ready within 0.3 s: it had to be killed"


def test_a_wrong_gmat_root_is_named_in_the_failure(
    start: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GMAT_ROOT", str(tmp_path / "nowhere"))
    outcome = start().run(spec_of(tmp_path))

    assert outcome.status == "failed"
    assert "GMAT_ROOT" in headline(outcome.stderr)
    assert str(tmp_path / "nowhere") in headline(outcome.stderr)


def test_a_process_that_the_system_refuses_leaves_nothing_behind(
    start: StartWorker, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_descriptors()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(WorkerDiedError, match=r"could not be started: .*No such file") as caught:
        start()

    assert caught.value.returncode is None
    assert str(caught.value).endswith("or use fewer workers.")
    assert list(scratch.iterdir()) == []
    assert open_descriptors() <= before


# --- a process for one run -----------------------------------------------------------------------


def test_a_spec_runs_in_a_process_of_its_own_of_which_nothing_is_left(
    scratch: Path, tmp_path: Path
) -> None:
    outcomes = [run_spec_in_subprocess(spec_of(tmp_path, n, hook="note_process")) for n in range(2)]
    processes = {number_in(outcome.extra_outputs["process"]) for outcome in outcomes}

    assert [(outcome.run_id, outcome.status) for outcome in outcomes] == [(0, "ok"), (1, "ok")]
    assert len(processes | {os.getpid()}) == 3
    assert all(map(has_ended, processes))
    assert list(scratch.iterdir()) == []


def test_a_process_for_one_run_that_dies_gives_a_failed_outcome_with_its_last_output(
    scratch: Path, tmp_path: Path
) -> None:
    outcome = run_spec_in_subprocess(spec_of(tmp_path, 5, hook="exit_at_once"))

    assert (outcome.run_id, outcome.status) == (5, "failed")
    assert headline(outcome.stderr) == (
        "The worker process ended during the run: it exited with code 3"
    )
    assert str(outcome.stderr).endswith("said before the end")
    assert outcome.duration_s > 0
    assert list(scratch.iterdir()) == []


def test_a_process_for_one_run_keeps_its_limits(scratch: Path, tmp_path: Path) -> None:
    late = run_spec_in_subprocess(spec_of(tmp_path, 0, "endless loop"), timeout_s=0.5)
    big = run_spec_in_subprocess(
        spec_of(tmp_path, 1, hook="take_memory", megabytes=900), memory_limit=400_000_000
    )

    assert "timeout of 0.5 s" in headline(late.stderr)
    assert "more than 400 MB of memory" in headline(big.stderr)


# --- the program ---------------------------------------------------------------------------------


def test_the_program_says_it_is_ready_answers_line_by_line_and_ends_with_its_requests(
    tmp_path: Path,
) -> None:
    request_read, request_write = os.pipe()
    reply_read, reply_write = os.pipe()
    call = f"main({request_read}, {reply_write})"
    process = subprocess.Popen(
        [sys.executable, "-c", f"from gmat_sweep.backends.process.worker_main import main; {call}"],
        pass_fds=(request_read, reply_write),
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    os.close(request_read)
    os.close(reply_write)
    with (
        process,
        os.fdopen(request_write, "w", encoding="utf-8") as requests,
        os.fdopen(reply_read, encoding="utf-8") as replies,
    ):
        assert json.loads(replies.readline()) == {"ready": process.pid}
        for run_id in (0, 1):
            spec = spec_of(tmp_path, run_id)
            requests.write(json.dumps({"kind": "run", "spec": spec.to_dict()}) + "\n")
            requests.flush()
            outcome = json.loads(replies.readline())["outcome"]
            assert (outcome["run_id"], outcome["status"]) == (run_id, "ok")
        requests.close()

        assert replies.read() == ""
        assert process.wait(timeout=30) == 0


def test_a_worker_is_ready_when_all_that_a_run_needs_is_imported() -> None:
    # A worker is started ahead of its first run, which would otherwise pay for the imports.
    needed = ("gmat_run", "pyarrow.parquet", "gmat_sweep.worker.run")
    check = (
        "import sys; from gmat_sweep.backends.process import worker_main; "
        "worker_main._import_engine(); "
        f"sys.exit(' '.join(name for name in {needed!r} if name not in sys.modules))"
    )

    ended = subprocess.run([sys.executable, "-c", check], stderr=subprocess.PIPE, text=True)
    assert ended.stderr.strip() == ""
