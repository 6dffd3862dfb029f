"""``compact``: the tables of all runs in few files, read as if they were not there."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import compacted_sweep
from compacted_sweep import READERS, bits, outputs_of_all_kinds, recorded, reports_of_many_shapes
from gmat_sweep.aggregate import compacted, lazy_multiindex
from gmat_sweep.aggregate.entries import anchors_of
from gmat_sweep.analysis.recorded import RecordedSweep
from gmat_sweep.archive import compact, compacting
from gmat_sweep.cli import main
from gmat_sweep.disk.lock import FolderLock
from gmat_sweep.doctor import check_sweep
from gmat_sweep.errors import DurabilityError, NotPlainFileError, SweepFolderInUseError
from gmat_sweep.manifest import Manifest
from gmat_sweep.verdicts.run_tables import RunTable, Source, read_tables
from sweep_on_disk import SweepOnDisk, report

SHAPES: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "shapes": (reports_of_many_shapes, ["report", "fused", "final_values", "runs_table"]),
    "kinds": (
        outputs_of_all_kinds,
        ["report", "ephemeris", "contacts", "extra", "solvers", "final_values", "runs_table"],
    ),
}


def read(folder: Path) -> pd.DataFrame:
    return lazy_multiindex(Manifest.load(folder / "manifest.jsonl"), folder, name="R")


def without_the_runs(folder: Path) -> Path:
    """Take the runs' own files away, so that all that is read comes from the copies."""
    for path in folder.glob("run-*"):
        shutil.rmtree(path)
    return folder


def small_sweep(folder: Path, runs: int = 4) -> Path:
    sweep = SweepOnDisk(folder)
    for run_id in range(runs):
        sweep.ok(run_id, {"report__R": report(7000.0 + run_id)})
    return recorded(sweep)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("group_rows", [1, 7, 1 << 16])
def test_every_frame_is_the_same_to_the_bit_from_the_copies_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str, group_rows: int
) -> None:
    # The oracle is the reader of the runs' own files.
    make, names = SHAPES[shape]
    folder = make(tmp_path / "sweep")
    expected = {name: bits(READERS[name](folder)) for name in names}
    monkeypatch.setattr(compacting, "_GROUP_ROWS", group_rows)

    made = compact(folder)
    without_the_runs(folder)

    assert made.left_out == {}
    assert {name: bits(READERS[name](folder)) for name in names} == expected


def test_the_columns_that_a_judgement_reads_are_the_same_from_the_copies_alone(
    tmp_path: Path,
) -> None:
    folder = reports_of_many_shapes(tmp_path / "sweep")

    def columns() -> list[tuple[int, Any]]:
        sweep = RecordedSweep.of(folder)
        anchors = anchors_of(sweep.manifest, folder)
        tables = read_tables(Source("report", "R"), ["Sat.SMA", "Sat_X"], sweep.entries, anchors)
        return [
            (position, str(each) if isinstance(each, str) else self_of(each))
            for position, each in tables
        ]

    def self_of(each: RunTable) -> tuple[Any, ...]:
        raw = {name: column.tobytes() for name, column in each.columns.items()}
        return each.rows, raw, each.elapsed.tobytes(), each.origin, each.texts

    expected = columns()
    compact(folder)
    without_the_runs(folder)

    assert len(expected) == 8
    assert columns() == expected


def test_a_copy_is_found_by_the_whole_hash(tmp_path: Path) -> None:
    folder = small_sweep(tmp_path / "sweep", runs=2)
    compact(folder)
    store = compacted.compacted_in([folder])
    assert store is not None
    first, second = (
        each.files["report__R.parquet"]["sha256"]
        for each in Manifest.load(folder / "manifest.jsonl").entries
    )

    assert store.find(first) == (0, 0, 0, 3, 0)
    assert store.find(second) == (0, 0, 3, 3, 0)
    for other in (first[:16] + second[16:], first[:-2], "no hash", ""):
        assert store.find(other) is None


def test_the_bits_that_are_compared_tell_one_nan_from_another() -> None:
    one = pd.DataFrame({"x": [float("nan")]})
    other = pd.DataFrame({"x": [compacted_sweep.ODD_NAN]})

    assert bits(one) != bits(other)
    assert bits(one) == bits(one.copy())


def test_a_run_that_was_flown_again_is_read_from_its_own_file_until_it_is_compacted_again(
    tmp_path: Path,
) -> None:
    folder = small_sweep(tmp_path / "sweep")
    compact(folder)
    sweep = SweepOnDisk(folder)
    for run_id, start in ((0, 7000.0), (1, 9999.0), (2, 7002.0), (3, 7003.0)):
        sweep.ok(run_id, {"report__R": report(start)})
    recorded(sweep)

    assert read(folder).loc[1]["Sat.SMA"].tolist() == [9999.0, 9999.25, 9999.5]

    again = compact(folder)

    # The part with rows that no longer count is made again.
    assert (again.tables, again.added, again.parts) == (4, 4, 1)
    assert len(list((folder / "compact").iterdir())) == 3
    assert compact(folder).added == 0
    expected = bits(read(folder))
    assert bits(read(without_the_runs(folder))) == expected
    assert read(folder).loc[1]["Sat.SMA"].tolist() == [9999.0, 9999.25, 9999.5]


def test_what_cannot_be_copied_to_the_bit_is_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = SweepOnDisk(tmp_path / "sweep")
    sweep.ok(0, {"report__R": report(Sat_Mode=pd.Categorical(["b", "a", "b"]))})
    sweep.ok(1, {"report__R": report()})
    sweep.ok(2, {"report__R": report()})
    sweep.ok(3, {"report__R": report()})
    sweep.ok(4, {"report__R": report()}, extra={"m": report(run_id=[1, 2, 3])})
    folder = recorded(sweep)
    (folder / "run-1" / "report__R.parquet").write_bytes(b"damaged")
    (folder / "run-2" / "report__R.parquet").rename(tmp_path / "moved.parquet")
    (folder / "run-2" / "report__R.parquet").symlink_to(tmp_path / "moved.parquet")
    (folder / "run-3" / "report__R.parquet").unlink()

    assert main(["compact", str(folder)]) == 0

    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"compact: {folder}/compact: 1 tables, 1 of them new; parts: 1, ")
    assert said[1:] == [
        "  not copied, missing: 1",
        "  not copied, not what the manifest recorded: 1",
        "  not copied, outside of the sweep folder or reached by a link: 1",
        "  not copied, types whose copy may differ: 2",
    ]


@pytest.mark.parametrize("linked", ["folder", "index", "part"])
def test_links_are_refused(tmp_path: Path, linked: str) -> None:
    folder = small_sweep(tmp_path / "sweep")
    compact(folder)
    name = {"folder": "", "index": "index.json", "part": "0000.parquet"}[linked]
    place = folder / "compact" / name
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(NotPlainFileError, match="a symbolic link"):
        read(folder)
    with pytest.raises(NotPlainFileError, match="a symbolic link"):
        compact(folder)


def test_a_sweep_that_is_being_flown_is_not_compacted(tmp_path: Path) -> None:
    folder = small_sweep(tmp_path / "sweep")

    with FolderLock(folder), pytest.raises(SweepFolderInUseError):
        compact(folder)


class TestFaults:
    """Kills, a full disk and flipped bits."""

    @pytest.mark.parametrize(
        ("module", "name", "nth"),
        [
            (compacting._Writing, "_flush", 2),  # in the middle of a part
            (compacting, "_read_back", 2),  # a part is whole, and not listed
            (compacting._Writing, "_commit", 2),  # before the index knows of it
        ],
    )
    def test_a_killed_compaction_is_gone_on_with(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        module: Any,
        name: str,
        nth: int,
    ) -> None:
        folder = small_sweep(tmp_path / "sweep", runs=6)
        expected = bits(read(folder))
        monkeypatch.setattr(compacting, "_GROUP_ROWS", 3)
        monkeypatch.setattr(compacting, "_PART_BYTES", 1)
        child = os.fork()
        if child == 0:  # pragma: no cover - it is killed
            original, calls = getattr(module, name), []

            def killed(*args: Any, **kwargs: Any) -> Any:
                calls.append(name)
                if len(calls) == nth:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*args, **kwargs)

            setattr(module, name, killed)
            compact(folder)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        left = {path.name for path in (folder / "compact").iterdir()}

        assert "0000.parquet" in left
        assert bits(read(folder)) == expected

        made = compact(folder)

        assert made.tables == 6
        assert made.added == 5  # the first part was listed
        listed = {part.record["file"] for part in compacted.parts_of(folder)}
        there = {path.name for path in (folder / "compact").iterdir()}
        assert there == listed | {f"{each[:-8]}.runs.parquet" for each in listed} | {"index.json"}
        assert bits(read(without_the_runs(folder))) == expected

    @pytest.mark.parametrize("nth", [1, 2, 3])
    def test_a_full_disk_leaves_what_was_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
    ) -> None:
        folder = small_sweep(tmp_path / "sweep")
        expected = bits(read(folder))
        original, calls = os.fsync, []

        def full(descriptor: int) -> None:
            calls.append(descriptor)
            if len(calls) == nth:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            original(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(DurabilityError, match="No space left"):
                compact(folder)

        assert bits(read(folder)) == expected
        assert compact(folder).tables == 4
        assert bits(read(without_the_runs(folder))) == expected

    def test_a_flipped_bit_anywhere_in_a_copy_is_told_and_the_own_file_read(
        self, tmp_path: Path
    ) -> None:
        folder = small_sweep(tmp_path / "sweep")
        expected = bits(read(folder))
        compact(folder)
        for name in ("0000.parquet", "0000.runs.parquet", "index.json"):
            whole = (folder / "compact" / name).read_bytes()
            # The first four bytes of a part are a mark that nobody reads.
            for place in range(4, len(whole), max(1, len(whole) // 12)):
                damaged = bytearray(whole)
                damaged[place] ^= 1
                (folder / "compact" / name).write_bytes(damaged)

                with pytest.warns(RuntimeWarning, match=r"compact.*own files are read instead"):
                    found = bits(read(folder))

                assert found == expected
            (folder / "compact" / name).write_bytes(whole)
        assert bits(read(folder)) == expected

    def test_a_damaged_copy_of_a_file_that_is_gone_is_an_error_and_one_that_is_there_is_made_again(
        self, tmp_path: Path
    ) -> None:
        folder = small_sweep(tmp_path / "sweep")
        compact(folder)
        part = folder / "compact" / "0000.parquet"
        whole = part.read_bytes()
        part.write_bytes(whole[:100] + b"x" + whole[101:])
        (notes,) = [each.text for each in check_sweep(folder).findings if "compact" in each.text]
        (folder / "run-1").rename(folder / "gone")

        assert "does not have the SHA-256 that its index has" in notes
        with (
            pytest.warns(RuntimeWarning, match="compact the sweep again"),
            pytest.raises(FileNotFoundError, match=r"run 1: no file.*compacted copy is damaged"),
        ):
            read(folder)

        (folder / "gone").rename(folder / "run-1")
        assert compact(folder).added == 4
        assert not [each for each in check_sweep(folder).findings if "compact" in each.text]
        assert len(read(without_the_runs(folder))) == 12

    def test_a_copy_that_reads_back_otherwise_is_not_listed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = small_sweep(tmp_path / "sweep")
        original = compacting._bits
        calls: list[int] = []

        def other(table: Any) -> str:
            calls.append(1)
            return original(table.slice(1) if len(calls) == 2 else table)

        monkeypatch.setattr(compacting, "_bits", other)
        with pytest.raises(DurabilityError, match="not what was written"):
            compact(folder)

        assert not (folder / "compact" / "index.json").exists()

    def test_an_index_of_a_later_version_is_told(self, tmp_path: Path) -> None:
        folder = small_sweep(tmp_path / "sweep")
        compact(folder)
        index = folder / "compact" / "index.json"
        record = json.loads(index.read_text())
        del record["seq"], record["~crc"]
        index.write_bytes(json.dumps({**record, "version": 2}).encode() + b"\n")

        with pytest.warns(RuntimeWarning, match="has version 2"):
            assert len(read(folder)) == 12


def test_an_entry_whose_hash_is_of_another_copy_gets_its_own_content(tmp_path: Path) -> None:
    # Two runs change places: the store is by content, so each gets what its entry has.
    folder = small_sweep(tmp_path / "sweep", runs=2)
    compact(folder)
    manifest = Manifest.load(folder / "manifest.jsonl")
    first, second = manifest.entries
    manifest.entries[:] = [replace(first, files=second.files), replace(second, files=first.files)]
    without_the_runs(folder)

    frame = lazy_multiindex(manifest, folder)

    assert frame["Sat.SMA"].tolist() == [7001.0, 7001.25, 7001.5, 7000.0, 7000.25, 7000.5]
