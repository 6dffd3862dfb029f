"""Appending to a manifest: what was acknowledged is kept, whatever fails or dies."""

import copy
import errno
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fault_injection import OS_CALLS, disk_error, killed_at_nth, nth_call
from gmat_sweep.errors import DurabilityError
from gmat_sweep.manifest import Manifest
from gmat_sweep.manifest import manifest as manifest_module
from manifests import corrupt, entry, header, ids

SOURCE = str(Path(manifest_module.__file__).parents[1])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sweep" / "manifest.jsonl"


class TestAppend:
    def test_without_a_file_there_is_nothing_to_append_to(self) -> None:
        manifest = header()
        manifest.close()
        with pytest.raises(RuntimeError, match=r"save\(\) or load\(\)"):
            manifest.append_entry(entry(0))

        assert manifest.entries == []
        assert manifest.path is None

    @pytest.mark.promise("3", "cut at every byte, then appended to")
    def test_cut_at_every_byte_the_whole_entries_are_kept_and_more_can_follow(
        self, path: Path
    ) -> None:
        header(entries=[entry(0), entry(1)]).save(path)
        whole = path.read_bytes()
        header_end = whole.index(b"\n") + 1
        for size in range(len(whole) + 1):
            path.write_bytes(whole[:size])
            if size < header_end:
                assert corrupt(lambda: Manifest.load(path)).line_number == (1 if size else None)
                continue
            manifest = Manifest.load(path)
            kept = whole[:size].count(b"\n") - 1
            assert [each.run_id for each in manifest.entries] == list(range(kept))
            manifest.append_entry(entry(8))
            manifest.append_entry(entry(9))
            manifest.close()

            assert ids(path) == [*range(kept), 8, 9]
            torn = [file.read_bytes() for file in path.parent.glob("manifest.jsonl.torn-*")]
            cut_off = whole[whole.rfind(b"\n", 0, size) + 1 : size]
            assert torn == ([cut_off] if cut_off else [])
            for file in path.parent.glob("*.torn-*"):
                file.unlink()

    def test_a_manifest_cut_inside_its_header_is_not_appended_to(self, path: Path) -> None:
        manifest = header()
        manifest.save(path)
        path.write_bytes(path.read_bytes()[:20])
        before = path.read_bytes()

        assert corrupt(lambda: manifest.append_entry(entry(0))).line_number == 1
        assert path.read_bytes() == before
        assert manifest.entries == []

    def test_nothing_is_appended_after_a_damaged_last_line(self, path: Path) -> None:
        manifest = header(entries=[entry(0)])
        manifest.save(path)
        path.write_bytes(path.read_bytes() + b"garbage\n")
        before = path.read_bytes()

        assert corrupt(lambda: manifest.append_entry(entry(1))).line_number == 3
        assert path.read_bytes() == before

    @pytest.mark.promise(
        "3", "garbage at the end: NULs, half a character, `\\r`, JSON without newline, 1 MB"
    )
    @pytest.mark.parametrize(
        "tail", [b"\0" * 100, b'{"run_id": "\xc3', b"\r", b'{"run_id": 1}', b"x" * 1_000_000]
    )
    def test_a_garbage_tail_is_ignored_by_readers_and_set_aside_by_the_writer(
        self, tail: bytes, path: Path
    ) -> None:
        header(entries=[entry(0)]).save(path)
        path.write_bytes(path.read_bytes() + tail)
        manifest = Manifest.load(path)
        assert ids(path) == [0]
        manifest.append_entry(entry(1))
        manifest.append_entry(entry(2))

        assert ids(path) == [0, 1, 2]
        (kept,) = path.parent.glob("manifest.jsonl.torn-*")
        assert kept.read_bytes() == tail

    def test_entries_are_on_disk_one_by_one_or_in_batches_as_asked(self, path: Path) -> None:
        for fsync_each, batch, expected in (
            (True, 50, [1, 2, 3, 4, 5]),
            (False, 2, [0, 1, 1, 2, 2]),
            (False, 0, [1, 2, 3, 4, 5]),
            (False, 50, [0, 0, 0, 0, 0]),
        ):
            manifest = header(fsync_each=fsync_each, fsync_batch=batch)
            manifest.save(path)
            manifest.append_entry(entry(0))
            manifest.entries.clear()
            found = []
            with nth_call("fsync", 99, disk_error) as fsyncs:
                for run_id in range(5):
                    manifest.append_entry(entry(run_id))
                    found.append(fsyncs[0])
                assert found == expected
                manifest.close()
                assert fsyncs[0] == expected[-1] + (expected[-1] == 0 or expected[-2:] == [2, 2])

    def test_a_manifest_is_usable_after_close_and_can_be_copied(self, path: Path) -> None:
        manifest = header(fsync_each=False)
        manifest.save(path)
        manifest.append_entry(entry(0))
        copies = [
            copy.copy(manifest),
            copy.deepcopy(manifest),
            pickle.loads(pickle.dumps(manifest)),
        ]
        assert copies == [manifest] * 3
        manifest.close()
        manifest.append_entry(entry(1))
        for run_id, each in enumerate(copies, start=2):
            each.append_entry(entry(run_id))
        manifest.append_entry(entry(5))

        assert ids(path) == [0, 1, 2, 3, 4, 5]

    def test_a_saved_manifest_replaces_the_file_and_appends_to_the_new_one(
        self, path: Path, tmp_path: Path
    ) -> None:
        manifest = header()
        manifest.save(path)
        manifest.append_entry(entry(0))
        manifest.save(path)
        manifest.append_entry(entry(1))
        manifest.save(tmp_path / "copy.jsonl")
        manifest.append_entry(entry(2))

        assert ids(path) == [0, 1]
        assert ids(tmp_path / "copy.jsonl") == [0, 1, 2]


class TestFaults:
    @pytest.mark.promise(
        "1", "the Nth open, read, write, fsync, truncate, rename or close fails, for every N"
    )
    @pytest.mark.parametrize("fsync_each", [True, False])
    @pytest.mark.parametrize("name", OS_CALLS)
    def test_whatever_fails_what_was_acknowledged_is_there_and_the_manifest_goes_on(
        self, name: str, fsync_each: bool, tmp_path: Path
    ) -> None:
        def succeeds(action: Callable[[], object]) -> bool:
            try:
                action()
            except DurabilityError:
                return False
            return True

        for nth in range(1, 60):
            path = tmp_path / str(nth) / "manifest.jsonl"
            manifest = header(fsync_each=fsync_each)
            with nth_call(name, nth, disk_error) as calls:
                if not succeeds(partial(manifest.save, path)):
                    assert not path.exists() or ids(path) == []
                    assert manifest.path is None
                    manifest.save(path)
                with path.open("ab") as file:
                    file.write(b"torn")
                acknowledged = [
                    run_id
                    for run_id in range(4)
                    if succeeds(partial(manifest.append_entry, entry(run_id)))
                ]
                succeeds(manifest.close)
            assert [each.run_id for each in manifest.entries] == acknowledged
            assert set(acknowledged) <= set(ids(path)) <= {0, 1, 2, 3}
            manifest.append_entry(entry(4))
            manifest.close()
            assert ids(path)[-1] == 4
            assert set(acknowledged) <= set(ids(path))
            if calls[0] < nth:
                return
        pytest.fail("the fault was still met at the 59th call")

    @pytest.mark.promise("1", "killed while the header is written")
    @pytest.mark.parametrize("name", OS_CALLS)
    def test_killed_while_the_header_is_created_there_is_no_sweep_or_a_valid_one(
        self, name: str, tmp_path: Path
    ) -> None:
        for nth in range(1, 20):
            path = tmp_path / str(nth) / "manifest.jsonl"
            died = killed_at_nth(name, nth, lambda: header(entries=[entry(0)]).save(path))  # noqa: B023
            assert not path.exists() or ids(path) == [0]
            if not died:
                assert path.exists()
                return
        pytest.fail("the child was still killed at the 19th call")

    @pytest.mark.parametrize("name", OS_CALLS)
    def test_killed_while_a_torn_tail_is_repaired_it_is_repaired_the_next_time(
        self, name: str, path: Path
    ) -> None:
        for nth in range(1, 40):
            header(entries=[entry(0)]).save(path)
            path.write_bytes(path.read_bytes() + b'{"torn')
            died = killed_at_nth(name, nth, lambda: Manifest.load(path).append_entry(entry(1)))
            assert ids(path) in ([0], [0, 1])
            Manifest.load(path).append_entry(entry(2))

            assert ids(path) in ([0, 2], [0, 1, 2])
            kept = list(path.parent.glob("manifest.jsonl.torn-*"))
            assert {file.read_bytes() for file in kept} == {b'{"torn'}
            for file in kept:
                file.unlink()
            if not died:
                return
        pytest.fail("the child was still killed at the 39th call")

    @pytest.mark.promise("3", "a file that may not grow (EFBIG)")
    def test_a_file_that_may_not_grow_keeps_its_entries_and_goes_on_when_it_may(
        self, path: Path
    ) -> None:
        script = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from gmat_sweep.errors import DurabilityError
from gmat_sweep.manifest import Manifest
manifest = Manifest.load(sys.argv[1])
(entry,) = manifest.entries
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
appended = 0
try:
    while True:
        manifest.append_entry(entry)
        appended += 1
except DurabilityError as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    manifest.append_entry(entry)
    print(error.errno, appended + 1)
"""
        header(entries=[entry(0)]).save(path)
        done = subprocess.run(
            [sys.executable, "-c", script, str(path), SOURCE],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        code, appended = map(int, done.stdout.split())

        assert code == errno.EFBIG
        assert len(list(Manifest.iter_entries(path))) == 1 + appended
        assert appended > 2
        assert list(path.parent.glob("*.torn-*")) == []

    def test_two_writers_in_turn_leave_a_readable_file(self, path: Path) -> None:
        first = header()
        first.save(path)
        second = Manifest.load(path)
        for run_id in range(0, 6, 2):
            first.append_entry(entry(run_id))
            second.append_entry(entry(run_id + 1))

        assert ids(path) == [0, 1, 2, 3, 4, 5]
