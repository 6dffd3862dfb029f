"""One writer per sweep folder."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest

from gmat_sweep.disk import lock as folder_lock
from gmat_sweep.disk.lock import LOCK_FILE_NAME, FolderLock, locked
from gmat_sweep.errors import SweepConfigError, SweepFolderInUseError

HOLD = """
import sys
from gmat_sweep.disk.lock import FolderLock
lock = FolderLock(sys.argv[1])
lock.acquire()
"""
WAIT = """
print("held", flush=True)
sys.stdin.read()
"""


class Holder:
    """A process that runs `program` in the folder and says when it has got there."""

    def __init__(self, folder: Path, program: str) -> None:
        source = Path(folder_lock.__file__).parents[1]
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(source)},
            text=True,
        )
        assert self.process.stdout is not None
        self.words = self.process.stdout.readline().split()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def refusal(folder: Path) -> SweepFolderInUseError:
    with pytest.raises(SweepFolderInUseError) as caught:
        FolderLock(folder).acquire()
    return caught.value


@pytest.mark.promise("4", "two writers")
def test_a_second_process_fails_at_once_and_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with Holder(tmp_path, HOLD + WAIT) as holder:
        error = refusal(tmp_path)

    assert error.path == tmp_path
    assert error.holder in str(error)
    assert str(tmp_path) in str(error)
    assert f"process {holder.process.pid} on {os.uname().nodename}, user " in error.holder
    assert ", since 20" in error.holder
    assert "+00:00, command: " in error.holder
    assert "FolderLock(sys.argv[1])" in error.holder
    assert str(error).endswith("Wait until that has ended or stop it, or use another folder.")


def test_the_same_process_cannot_take_the_folder_twice(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with lock:
        assert f"process {os.getpid()} (this process)" in refusal(tmp_path).holder
        with pytest.raises(SweepFolderInUseError):
            lock.acquire()
        assert lock.held
        refusal(tmp_path)


def test_several_folders_are_held_together_or_not_at_all(tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    with locked(b, a):
        assert refusal(a).path == a
        assert refusal(b).path == b
        with pytest.raises(SweepFolderInUseError) as caught, locked(c, b, a):
            pass
        assert caught.value.path == a
        with FolderLock(c):
            pass
    with locked(a, b, c):
        pass


def test_a_folder_named_twice_is_taken_once(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with locked(tmp_path, tmp_path / "link", tmp_path):
        assert refusal(tmp_path).path == tmp_path


def test_a_released_folder_can_be_taken_again_at_once(tmp_path: Path) -> None:
    for _ in range(3):
        with FolderLock(tmp_path / "new" / "sweep") as lock:
            assert lock.held
        assert not lock.held
        lock.release()


@pytest.mark.promise("4", "a holder that was killed")
def test_a_killed_holder_leaves_nothing_to_clean_up(tmp_path: Path) -> None:
    with Holder(tmp_path, HOLD + WAIT) as holder:
        holder.kill()
        assert (tmp_path / LOCK_FILE_NAME).stat().st_size > 0
        with FolderLock(tmp_path):
            assert f"process {os.getpid()} (this process)" in refusal(tmp_path).holder


def test_a_lock_that_is_forgotten_is_released(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    lock.acquire()
    del lock

    with FolderLock(tmp_path) as second:
        assert second.held


def test_a_program_started_by_the_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    start = """
import subprocess
child = subprocess.Popen(["sleep", "60"], close_fds=False)
print("held", child.pid, flush=True)
sys.stdin.read()
"""
    with Holder(tmp_path, HOLD + start) as holder:
        child = int(holder.words[1])
        try:
            holder.kill()
            os.kill(child, 0)
            FolderLock(tmp_path).acquire()
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_forked_child_neither_keeps_nor_gives_back_the_lock(tmp_path: Path) -> None:
    fork = """
import os, time
child = os.fork()
if child == 0:
    assert not lock.held
    lock.release()
    del lock
    time.sleep(60)
time.sleep(0.3)
print("held", child, flush=True)
sys.stdin.read()
"""
    with Holder(tmp_path, HOLD + fork) as holder:
        child = int(holder.words[1])
        try:
            refusal(tmp_path)
            holder.kill()
            os.kill(child, 0)
            FolderLock(tmp_path).acquire()
        finally:
            os.kill(child, signal.SIGKILL)


def test_release_gives_the_folder_back_even_where_a_copy_of_the_descriptor_lives_on(
    tmp_path: Path,
) -> None:
    lock = FolderLock(tmp_path)
    lock.acquire()
    assert lock._descriptor is not None
    copied = os.dup(lock._descriptor)
    lock.release()
    try:
        with FolderLock(tmp_path) as second:
            assert second.held
    finally:
        os.close(copied)


def test_a_lock_file_deleted_while_being_locked_is_not_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, calls = fcntl.flock, [0]

    def deleted_first(descriptor: int, operation: int) -> None:
        calls[0] += 1
        if calls[0] == 1:
            (tmp_path / LOCK_FILE_NAME).unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", deleted_first)
    with FolderLock(tmp_path):
        refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[]", b'{"pid": 1}', b"7"])
def test_a_holder_without_a_description_is_refused_all_the_same(
    content: bytes, tmp_path: Path
) -> None:
    with FolderLock(tmp_path):
        (tmp_path / LOCK_FILE_NAME).write_bytes(content)

        assert refusal(tmp_path).holder == "a process that has not described itself"


def test_a_user_without_a_name_is_described_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: ExitStack
) -> None:
    def nameless() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr("getpass.getuser", nameless)
    held.enter_context(FolderLock(tmp_path))

    assert f"user uid {os.getuid()}, " in refusal(tmp_path).holder


def test_a_folder_that_cannot_be_locked_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SweepConfigError, match=r"file/sweep cannot be locked.*local file system"):
        FolderLock(tmp_path / "file" / "sweep").acquire()

    def unsupported(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.raises(SweepConfigError, match="No locks available"):
        FolderLock(tmp_path).acquire()
