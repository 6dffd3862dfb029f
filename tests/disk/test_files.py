"""Files that survive a crash."""

import copy
import errno
import os
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from fault_injection import OS_CALLS, disk_error, killed_at_nth, nth_call
from gmat_sweep.disk.append_log import AppendLog
from gmat_sweep.disk.files import atomic_path, fsync_dir, write_file
from gmat_sweep.errors import DurabilityError, GmatSweepError


def accept(path: Path, line_number: int, line: bytes) -> None:
    """Accept any last line."""


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_bytes(b"head\n")
    return path


def line(text: str) -> Callable[[int], bytes]:
    return lambda _: text.encode() + b"\n"


def failure_of(action: Callable[[], None]) -> DurabilityError | None:
    try:
        action()
    except DurabilityError as error:
        return error
    return None


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestWriteFile:
    def test_the_file_has_the_content_and_nothing_else_is_left(self, tmp_path: Path) -> None:
        write_file(tmp_path / "a", [b"one", b"", b"two"])
        write_file(tmp_path / "b", memoryview(b"three"))

        assert names(tmp_path) == ["a", "b"]
        assert (tmp_path / "a").read_bytes() == b"onetwo"
        assert (tmp_path / "b").read_bytes() == b"three"

    def test_it_is_synced_before_it_gets_its_name_and_the_folder_after(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order: list[str] = []
        fsync, replace = os.fsync, os.replace

        def recorded_fsync(descriptor: int) -> None:
            order.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
            fsync(descriptor)

        def recorded_replace(old: str, new: str, **folders: int) -> None:
            order.append(f"-> {new}")
            replace(old, new, **folders)

        monkeypatch.setattr(os, "fsync", recorded_fsync)
        monkeypatch.setattr(os, "replace", recorded_replace)
        write_file(tmp_path / "a", b"x")

        assert re.fullmatch(r"\.a\.tmp-\S+ -> a " + tmp_path.name, " ".join(order))

    @pytest.mark.promise("1", "the Nth call fails, for every N, while a whole file is written")
    @pytest.mark.parametrize("name", OS_CALLS)
    def test_whatever_fails_the_old_or_the_new_file_is_there_whole(
        self, name: str, tmp_path: Path
    ) -> None:
        path = tmp_path / "a"
        for nth in range(1, 20):
            path.write_bytes(b"old")
            with nth_call(name, nth, disk_error) as calls:
                failure = failure_of(partial(write_file, path, [b"ne", b"w"]))
            if failure is None:
                assert path.read_bytes() == b"new"
            else:
                assert (failure.errno, failure.filename) == (errno.EIO, str(path))
            assert names(tmp_path) == ["a"]
            assert path.read_bytes() in {b"old", b"new"}
            if calls[0] < nth:
                return
        pytest.fail("the fault was still met at the 19th call")

    @pytest.mark.parametrize("name", OS_CALLS)
    def test_killed_anywhere_the_old_or_the_new_file_is_there_whole(
        self, name: str, tmp_path: Path
    ) -> None:
        path = tmp_path / "a"
        for nth in range(1, 20):
            path.write_bytes(b"old")
            died = killed_at_nth(name, nth, lambda: write_file(path, b"new"))
            assert path.read_bytes() in {b"old", b"new"}
            assert names(tmp_path)[-1] == "a"
            if not died:
                return
        pytest.fail("the child was still killed at the 19th call")

    def test_an_error_of_the_content_is_its_own_and_leaves_nothing(self, tmp_path: Path) -> None:
        def content() -> Iterator[bytes]:
            yield b"x"
            raise PermissionError("not mine")

        with pytest.raises(PermissionError, match="not mine") as caught:
            write_file(tmp_path / "a", content())

        assert not isinstance(caught.value, GmatSweepError)
        assert names(tmp_path) == []

    @pytest.mark.promise("1", "short writes")
    def test_short_writes_are_completed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
        write_file(tmp_path / "a", b"0123456789")

        assert (tmp_path / "a").read_bytes() == b"0123456789"

    def test_a_write_without_progress_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "write", lambda fd, data: 0)
        with pytest.raises(DurabilityError, match="no progress"):
            write_file(tmp_path / "a", b"x")

    def test_a_missing_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="nowhere"):
            write_file(tmp_path / "nowhere" / "a", b"x")


class TestAtomicPath:
    def test_the_file_appears_under_its_name_when_the_block_ends(self, tmp_path: Path) -> None:
        final = tmp_path / "a.parquet"
        with atomic_path(final) as path:
            path.write_bytes(b"x")
            assert not final.exists()
            assert list(tmp_path.glob("*.parquet")) == []

        assert final.read_bytes() == b"x"
        assert names(tmp_path) == ["a.parquet"]

    def test_after_an_exception_nothing_is_left(self, tmp_path: Path) -> None:
        def interrupted() -> None:
            with atomic_path(tmp_path / "a") as path:
                path.write_bytes(b"x")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()

        assert names(tmp_path) == []


def test_a_folder_that_cannot_be_synced_is_an_error_unless_no_folder_there_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = errno.EINVAL

    def refuse(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    fsync_dir(tmp_path)
    code = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        fsync_dir(tmp_path)


class TestAppendLog:
    def test_each_line_is_told_how_many_stand_before_it(self, log_path: Path) -> None:
        log = AppendLog(log_path, accept)
        for _ in range(3):
            log.append(lambda before: b"%d\n" % before, sync=True)

        assert log_path.read_bytes() == b"head\n1\n2\n3\n"

    @pytest.mark.parametrize("chunk", [1, 2, 5, 7, 1 << 20])
    @pytest.mark.parametrize("size", range(12))
    def test_the_last_line_is_found_wherever_the_file_ends(
        self, chunk: int, size: int, log_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = b"ab\n\ncdef\ngh\n"[:size]
        log_path.write_bytes(content)
        seen: list[tuple[int, bytes]] = []
        monkeypatch.setattr("gmat_sweep.disk.append_log._CHUNK", chunk)
        log = AppendLog(log_path, lambda _path, number, last: seen.append((number, last)))
        log.append(line("new"), sync=True)

        whole = [part for part in content.splitlines(keepends=True) if part.endswith(b"\n")]
        assert seen == [(len(whole), whole[-1] if whole else b"")]
        assert log_path.read_bytes() == b"".join(whole) + b"new\n"

    @pytest.mark.parametrize(
        "tail", [b"\0" * 10, b"\xc3", b"\r", b'{"run_id": 1}', b"x" * 1_000_001]
    )
    def test_a_torn_tail_is_cut_off_and_kept_beside(self, tail: bytes, log_path: Path) -> None:
        log_path.write_bytes(b"head\n" + tail)
        AppendLog(log_path, accept).append(line("new"), sync=True)

        assert log_path.read_bytes() == b"head\nnew\n"
        (kept,) = log_path.parent.glob("log.torn-*")
        assert kept.read_bytes() == tail

    def test_a_file_that_may_not_be_appended_to_is_left_alone(self, log_path: Path) -> None:
        def refuse(path: Path, line_number: int, last: bytes) -> None:
            raise LookupError(f"{path.name} {line_number} {last!r}")

        log_path.write_bytes(b"head\ntorn")
        log = AppendLog(log_path, refuse)
        with pytest.raises(LookupError, match=re.escape(r"log 1 b'head\n'")):
            log.append(line("new"), sync=True)

        assert log_path.read_bytes() == b"head\ntorn"
        assert names(log_path.parent) == ["log"]

    def test_a_missing_file_is_not_created(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            AppendLog(tmp_path / "log", accept).append(line("new"), sync=True)

        assert names(tmp_path) == []

    def test_it_can_be_used_after_close_and_by_its_copies(self, log_path: Path) -> None:
        log = AppendLog(log_path, accept)
        log.append(line("1"), sync=False)
        log.close()
        log.close()
        log.append(line("2"), sync=False)
        copied, pickled = copy.deepcopy(log), pickle.loads(pickle.dumps(log))
        copied.append(line("3"), sync=True)
        pickled.append(line("4"), sync=True)
        log.append(line("5"), sync=True)

        assert log_path.read_bytes() == b"head\n1\n2\n3\n4\n5\n"

    def test_a_file_replaced_meanwhile_is_the_one_appended_to(self, log_path: Path) -> None:
        log = AppendLog(log_path, accept)
        log.append(line("1"), sync=True)
        write_file(log_path, b"HEAD\n1\n")
        log.append(line("2"), sync=True)

        assert log_path.read_bytes() == b"HEAD\n1\n2\n"

    def test_threads_may_share_a_log(self, log_path: Path) -> None:
        log = AppendLog(log_path, accept)

        def append() -> None:
            for _ in range(50):
                log.append(lambda before: b"%d\n" % before, sync=False)

        threads = [threading.Thread(target=append) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        expected = b"head\n" + b"".join(b"%d\n" % number for number in range(1, 201))
        assert log_path.read_bytes() == expected

    @pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
    def test_a_write_that_stops_half_way_leaves_the_file_as_it_was(
        self, error: BaseException, log_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log = AppendLog(log_path, accept)
        log.append(line("1"), sync=False)
        write, writes = os.write, [0]

        def half_then_fail(descriptor: int, data: memoryview) -> int:
            writes[0] += 1
            if writes[0] == 1:
                return write(descriptor, data[: len(data) // 2])
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", half_then_fail)
            with pytest.raises((DurabilityError, KeyboardInterrupt)):
                log.append(line("lost"), sync=True)
        assert log_path.read_bytes() == b"head\n1\n"

        log.append(line("2"), sync=True)
        assert log_path.read_bytes() == b"head\n1\n2\n"
        assert names(log_path.parent) == ["log"]

    @pytest.mark.promise("1", "an fsync that fails")
    def test_after_a_failed_fsync_its_descriptor_is_not_used_again_and_the_lines_are_written_anew(
        self, log_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log = AppendLog(log_path, accept)
        log.append(line("synced"), sync=True)
        log.append(line("unsynced"), sync=False)
        failed: list[int] = []
        used: list[tuple[str, int, bytes]] = []
        write, fsync = os.write, os.fsync

        def failing_fsync(descriptor: int) -> None:
            failed.append(descriptor)
            # Take the number, so that a new descriptor cannot be mistaken for the old one.
            os.dup2(os.dup(descriptor), descriptor)
            disk_error()

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing_fsync)
            with pytest.raises(DurabilityError, match="Input/output error"):
                log.append(line("lost"), sync=True)
        holder = os.open(os.devnull, os.O_RDONLY)
        assert [holder] == failed, "the failed descriptor was not closed"

        def recorded_write(descriptor: int, data: memoryview) -> int:
            used.append(("write", descriptor, bytes(data)))
            return write(descriptor, data)

        def recorded_fsync(descriptor: int) -> None:
            used.append(("fsync", descriptor, b""))
            fsync(descriptor)

        monkeypatch.setattr(os, "write", recorded_write)
        monkeypatch.setattr(os, "fsync", recorded_fsync)
        log.append(line("new"), sync=True)
        os.close(holder)

        assert log_path.read_bytes() == b"head\nsynced\nunsynced\nnew\n"
        assert used[0][::2] == ("write", b"unsynced\n")
        assert used[1][0] == "fsync"
        assert holder not in {descriptor for _, descriptor, _ in used}

    def test_a_line_that_cannot_be_cut_off_after_a_failed_fsync_is_written_anew_too(
        self, log_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log = AppendLog(log_path, accept)
        log.append(line("1"), sync=True)
        with (
            nth_call("fsync", 1, disk_error),
            nth_call("ftruncate", 1, disk_error),
            pytest.raises(DurabilityError),
        ):
            log.append(line("2"), sync=True)
        written: list[bytes] = []
        write = os.write

        def recorded_write(descriptor: int, data: memoryview) -> int:
            written.append(bytes(data))
            return write(descriptor, data)

        monkeypatch.setattr(os, "write", recorded_write)
        log.append(line("3"), sync=True)

        assert written == [b"2\n", b"3\n"]
        assert log_path.read_bytes() == b"head\n1\n2\n3\n"

    def test_close_fails_when_the_lines_may_not_be_on_disk_and_tries_anew_when_asked(
        self, log_path: Path
    ) -> None:
        log = AppendLog(log_path, accept)
        log.append(line("1"), sync=False)
        with nth_call("fsync", 1, disk_error), pytest.raises(DurabilityError, match="last lines"):
            log.close()
        with nth_call("write", 99, disk_error) as writes:
            log.close()
            assert writes == [1]
            log.close()
            assert writes == [1]

        assert log_path.read_bytes() == b"head\n1\n"

    def test_with_sync_the_line_is_on_disk_before_the_call_returns(self, log_path: Path) -> None:
        log = AppendLog(log_path, accept)
        log.append(line("1"), sync=True)
        with nth_call("fsync", 99, disk_error) as fsyncs:
            log.append(line("2"), sync=True)
            assert fsyncs == [1]
            log.append(line("3"), sync=False)
            assert fsyncs == [1]
            log.close()
            assert fsyncs == [2]

    @pytest.mark.parametrize("sync", [True, False])
    @pytest.mark.parametrize("name", OS_CALLS)
    def test_whatever_fails_what_was_acknowledged_is_there_and_the_log_goes_on(
        self, name: str, sync: bool, log_path: Path
    ) -> None:
        for nth in range(1, 60):
            log_path.write_bytes(b"head\ntorn")
            log = AppendLog(log_path, accept)
            acknowledged = []
            with nth_call(name, nth, disk_error) as calls:
                for text in ("1", "2", "3", "4"):
                    if failure_of(partial(log.append, line(text), sync=sync)) is None:
                        acknowledged.append(text)
                    if text == "3":
                        failure_of(log.close)
            log.append(line("last"), sync=True)
            log.close()

            found = log_path.read_bytes().decode().split("\n")
            assert found[0] == "head"
            assert found[-2:] == ["last", ""]
            # A line refused by the disk may be there all the same, but whole.
            assert set(acknowledged) <= set(found) <= {"head", "1", "2", "3", "4", "last", ""}
            assert [text for text in found if text in acknowledged] == acknowledged
            if calls[0] < nth:
                return
        pytest.fail("the fault was still met at the 59th call")
