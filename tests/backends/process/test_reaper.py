"""Nothing outlives the sweep, however the driver ends."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
from gmat_sweep.backends.process import reaper
from gmat_sweep.backends.process.reaper import Reaper

Driver = subprocess.Popen[str]
StartDriver = Callable[..., Driver]
StartSleeper = Callable[[], int]

POOL_AT_WORK = """
import sys
from pathlib import Path
from faulty_runs import spec_of
from gmat_sweep import LocalJoblibPool

specs = [spec_of(Path(sys.argv[1]), n, hook="leave_a_program_and_fly_on") for n in range(2)]
pool = LocalJoblibPool(2)
list(pool.as_completed([pool.submit(spec) for spec in specs]))
"""
GROUPS = """
import os, signal, sys, time
from pathlib import Path
from gmat_sweep.backends.process.reaper import REAPER

for pid in sys.argv[2:]:
    REAPER.add_group(int(pid))
REAPER.add_folder(Path(sys.argv[1]))
"""
THEN_WAIT = """
print("ready", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[StartDriver]:
    """Start a program that has the modules of this process, in a process group of its own."""
    with contextlib.ExitStack() as running:

        def start(program: str, *arguments: object) -> Driver:
            driver = subprocess.Popen(
                [sys.executable, "-c", program, *map(str, arguments)],
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    "TMPDIR": str(scratch_of(tmp_path)),
                },
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            running.enter_context(driver)
            running.callback(driver.kill)
            return driver

        yield start


@pytest.fixture
def sleeper() -> Iterator[StartSleeper]:
    """Start a process that does nothing, as a group of its own."""
    with contextlib.ExitStack() as running:

        def start() -> int:
            process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
            running.enter_context(process)
            running.callback(process.kill)
            return process.pid

        yield start


def scratch_of(folder: Path) -> Path:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return scratch


def wait_until_reaped(folder: Path) -> None:
    """Wait for a registered folder to go, which a reaper does last."""
    wait_until(lambda: not folder.exists(), f"{folder} to be removed", 10)


def ready(driver: Driver) -> Driver:
    assert driver.stdout is not None
    assert driver.stdout.readline() == "ready\n"
    return driver


def pid_of(reaping: Reaper) -> int:
    assert reaping._process is not None
    return reaping._process.pid


# --- a pool whose driver ends --------------------------------------------------------------------


@pytest.mark.promise("8", "the driver killed inside a long native call")
@pytest.mark.parametrize(
    ("send", "signal_number"),
    [
        (os.kill, signal.SIGKILL),
        (os.kill, signal.SIGTERM),
        (os.killpg, signal.SIGKILL),
    ],
    ids=["SIGKILL", "SIGTERM", "SIGKILL-to-its-group"],
)
def test_no_worker_nor_what_it_started_outlives_a_driver_that_is_killed(
    send: Callable[[int, int], None],
    signal_number: signal.Signals,
    drive: StartDriver,
    tmp_path: Path,
) -> None:
    driver = drive(POOL_AT_WORK, tmp_path)
    specs = [spec_of(tmp_path, n, hook="leave_a_program_and_fly_on") for n in range(2)]
    workers = {wait_until_in_native_call(spec) for spec in specs}
    programs = {number_in(spec.output_dir / "left.txt") for spec in specs}
    assert workers == workers_of(driver.pid)
    assert not any(map(has_ended, workers | programs))
    folders = list(scratch_of(tmp_path).iterdir())
    assert len(folders) == 2
    helpers = {child.pid for child in psutil.Process(driver.pid).children(recursive=True)}

    send(driver.pid, signal_number)
    assert driver.wait(timeout=10) == -signal_number
    wait_until(
        lambda: all(map(has_ended, helpers | workers | programs)), "all processes to end", 10
    )
    wait_until(lambda: not any(map(Path.exists, folders)), "all scratch folders to go", 10)


def test_a_driver_that_ends_without_closing_its_pool_leaves_nothing(
    drive: StartDriver, tmp_path: Path
) -> None:
    driver = drive(
        "from gmat_sweep import LocalJoblibPool\n"
        "pool = LocalJoblibPool(2)\n"
        "pool.warm_up()\n"
        "print(*(worker.pid for worker in pool._idle), flush=True)\n"
    )
    assert driver.stdout is not None
    workers = [int(word) for word in driver.stdout.readline().split()]
    assert len(workers) == 2
    assert driver.wait(timeout=30) == 0

    wait_until(lambda: all(map(has_ended, workers)), "the workers to end", 10)
    wait_until(lambda: not list(scratch_of(tmp_path).iterdir()), "the scratch folders to go", 10)


# --- what is registered --------------------------------------------------------------------------


def test_groups_are_killed_and_folders_removed_only_when_the_driver_is_gone(
    drive: StartDriver, sleeper: StartSleeper, tmp_path: Path
) -> None:
    folder, others = tmp_path / "registered folder", tmp_path / "others"
    for each in (folder, others):
        (each / "deep").mkdir(parents=True)
        (each / "deep" / "file").touch()
    groups = [sleeper(), sleeper()]
    stranger = sleeper()
    driver = ready(drive(GROUPS + THEN_WAIT, folder, *groups))
    assert not any(map(has_ended, groups))
    assert folder.exists()

    driver.kill()
    wait_until_reaped(folder)
    wait_until(lambda: all(map(has_ended, groups)), "the groups to end", 10)
    assert not has_ended(stranger)
    assert (others / "deep" / "file").exists()


def test_what_was_discarded_is_left_alone(
    drive: StartDriver, sleeper: StartSleeper, tmp_path: Path
) -> None:
    kept_folder, lost_folder = tmp_path / "kept", tmp_path / "lost"
    for folder in (kept_folder, lost_folder):
        folder.mkdir()
    kept, lost = sleeper(), sleeper()
    discard = f"""
REAPER.add_folder(Path({str(lost_folder)!r}))
REAPER.discard_group({kept})
REAPER.discard_folder(Path(sys.argv[1]))
"""
    driver = ready(drive(GROUPS + discard + THEN_WAIT, kept_folder, kept, lost))

    driver.kill()
    wait_until_reaped(lost_folder)
    wait_until(lambda: has_ended(lost), "the other group to end", 10)
    assert not has_ended(kept)
    assert kept_folder.exists()


def test_a_program_is_started_only_when_the_driver_is_gone_and_not_when_it_was_discarded(
    drive: StartDriver, tmp_path: Path
) -> None:
    odd, discarded = tmp_path / "two words\nand a line", tmp_path / "discarded"
    programs = f"""
REAPER.add_program(["touch", {str(odd)!r}])
REAPER.add_program(["touch", {str(discarded)!r}])
REAPER.add_program(["no such program"])
REAPER.discard_program(["touch", {str(discarded)!r}])
"""
    (folder := tmp_path / "folder").mkdir()
    driver = ready(drive(GROUPS + programs + THEN_WAIT, folder))
    assert not odd.exists()

    driver.kill()
    wait_until_reaped(folder)
    wait_until(odd.exists, "the program to run", 10)
    assert not discarded.exists()


def test_a_group_that_has_ended_does_not_keep_the_others_alive(
    drive: StartDriver, sleeper: StartSleeper, tmp_path: Path
) -> None:
    ended = [subprocess.Popen(["true"]) for _ in range(5)]
    assert [process.wait() for process in ended] == [0] * 5
    groups = [*(process.pid for process in ended), sleeper()]
    driver = ready(drive(GROUPS + THEN_WAIT, tmp_path / "none", *groups))

    driver.kill()
    wait_until(lambda: has_ended(groups[-1]), "the living group to end", 10)


def test_half_a_message_of_a_driver_that_ended_is_not_obeyed(
    sleeper: StartSleeper, tmp_path: Path
) -> None:
    registered, stranger = sleeper(), sleeper()
    subprocess.run(
        [sys.executable, "-c", reaper._PROGRAM],
        input=f"add group {registered}\nadd group {stranger}",
        text=True,
        check=True,
        timeout=30,
    )

    wait_until(lambda: has_ended(registered), "the registered group to end", 10)
    assert not has_ended(stranger)


# --- the reaper itself ---------------------------------------------------------------------------


def test_there_is_a_reaper_as_long_as_something_is_registered(tmp_path: Path) -> None:
    reaping = Reaper()
    reaping.discard_folder(tmp_path / "never registered")
    assert reaping._process is None

    reaping.add_folder(tmp_path / "a")
    first = pid_of(reaping)
    reaping.add_folder(tmp_path / "b")
    reaping.discard_folder(tmp_path / "a")
    assert pid_of(reaping) == first
    assert not has_ended(first)
    assert os.getsid(first) == first

    reaping.discard_folder(tmp_path / "b")
    assert reaping._process is None
    assert not psutil.pid_exists(first)


def test_a_reaper_that_was_killed_is_replaced_with_all_that_is_registered(
    drive: StartDriver, sleeper: StartSleeper, tmp_path: Path
) -> None:
    folder = tmp_path / "registered"
    folder.mkdir()
    early, late, gone = sleeper(), sleeper(), sleeper()
    kill = f"""
REAPER.discard_group({gone})
os.kill(REAPER._process.pid, signal.SIGKILL)
while REAPER._process.poll() is None:
    time.sleep(0.01)
REAPER.add_group({late})
"""
    driver = ready(drive(GROUPS + kill + THEN_WAIT, folder, early, gone))

    driver.kill()
    wait_until_reaped(folder)
    wait_until(lambda: has_ended(early) and has_ended(late), "the groups to end", 10)
    assert not has_ended(gone)


def test_a_reaper_that_dies_while_it_is_told_something_is_replaced(tmp_path: Path) -> None:
    reaping = Reaper()
    reaping.add_folder(tmp_path / "a")
    assert reaping._process is not None
    first = reaping._process
    os.kill(first.pid, signal.SIGKILL)
    # Dead, and not yet known to be: what a kill just before the write looks like.
    os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)
    first.poll = lambda: None  # type: ignore[method-assign]
    reaping.add_folder(tmp_path / "b")

    assert pid_of(reaping) != first.pid
    assert not has_ended(pid_of(reaping))
    reaping.discard_folder(tmp_path / "a")
    reaping.discard_folder(tmp_path / "b")
    assert reaping._process is None


def test_many_threads_may_register_at_once(tmp_path: Path) -> None:
    reaping = Reaper()

    def register_and_forget(number: int) -> None:
        for _ in range(20):
            reaping.add_folder(tmp_path / str(number))
            reaping.discard_folder(tmp_path / str(number))

    reaping.add_folder(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(register_and_forget, range(8)))
    process = psutil.Process(pid_of(reaping))
    assert process.is_running()
    assert process.status() != psutil.STATUS_ZOMBIE

    assert reaping._registered == {("folder", str(tmp_path))}
    tmp_path.rename(kept := tmp_path.with_name("kept"))
    reaping.discard_folder(tmp_path)
    assert kept.exists()


FORK = """
if os.fork() == 0:
    {child}
    os._exit(0)
"""


def test_a_fork_of_the_driver_does_not_keep_the_workers_alive(
    drive: StartDriver, sleeper: StartSleeper, tmp_path: Path
) -> None:
    group = sleeper()
    note = tmp_path / "fork"
    child = f"Path({str(note)!r}).write_text(str(os.getpid())); signal.pause()"
    driver = ready(drive(GROUPS + FORK.format(child=child) + THEN_WAIT, tmp_path / "none", group))
    forked = number_in(note)
    try:
        driver.kill()
        wait_until(lambda: has_ended(group), "the group to end", 10)
        assert not has_ended(forked)
    finally:
        os.kill(forked, signal.SIGKILL)


def test_a_fork_of_the_driver_does_not_end_its_parents_workers(
    drive: StartDriver, sleeper: StartSleeper, tmp_path: Path
) -> None:
    group, folder = sleeper(), tmp_path / "of the fork"
    folder.mkdir()
    fork = FORK.format(child=f"REAPER.add_folder(Path({str(folder)!r}))") + "os.wait()\n"
    ready(drive(GROUPS + fork + THEN_WAIT, tmp_path / "none", group))

    wait_until_reaped(folder)
    assert not has_ended(group)
