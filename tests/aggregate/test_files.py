"""Where files are found, how often they are read, and what is taken from them."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gmat_sweep.aggregate import lazy_extra_outputs, lazy_multiindex
from gmat_sweep.manifest import Manifest
from sweep_on_disk import SweepOnDisk, report


@pytest.fixture
def sweep(tmp_path: Path) -> SweepOnDisk:
    return SweepOnDisk(tmp_path / "sweep")


def absolute(sweep: SweepOnDisk, run_id: int, frame: pd.DataFrame) -> None:
    """Add a run the way the peer records it, by absolute paths."""
    folder = sweep.folder / f"run-{run_id}"
    folder.mkdir(parents=True)
    frame.to_parquet(folder / "report__R.parquet")
    sweep.ok(run_id, {"report__R": folder / "report__R.parquet"})


def test_absolute_paths_are_used_as_they_are(sweep: SweepOnDisk, tmp_path: Path) -> None:
    absolute(sweep, 0, report())

    frame = lazy_multiindex(sweep.manifest, tmp_path / "elsewhere")

    assert len(frame) == 3


def test_a_moved_sweep_with_absolute_paths_is_read_from_its_run_folders(
    sweep: SweepOnDisk, tmp_path: Path
) -> None:
    absolute(sweep, 0, report(7000.0))
    absolute(sweep, 1, report(7100.0))
    moved = shutil.move(sweep.folder, tmp_path / "moved")

    frame = lazy_multiindex(sweep.manifest, moved)

    assert frame.loc[1]["Sat.SMA"].tolist() == [7100.0, 7100.25, 7100.5]


def test_a_moved_sweep_with_relative_paths_is_read_where_it_is(
    sweep: SweepOnDisk, tmp_path: Path
) -> None:
    sweep.ok(0, extra={"m": report()})
    sweep.save()
    moved = tmp_path / "moved"
    shutil.move(sweep.folder, moved)

    frame = lazy_extra_outputs(moved / "manifest.jsonl", "m")

    assert len(frame) == 3


def test_a_manifest_kept_apart_from_the_runs_finds_them(sweep: SweepOnDisk, tmp_path: Path) -> None:
    sweep.ok(0, {"report__R": report()}, extra={"m": report()})
    manifest = sweep.manifest
    manifest.output_dir = sweep.folder
    path = tmp_path / "study" / "manifest.jsonl"
    manifest.save(path)
    manifest.close()

    assert len(lazy_extra_outputs(path, "m")) == 3
    assert len(lazy_extra_outputs(str(path), "m", output_dir=sweep.folder)) == 3
    assert len(lazy_multiindex(Manifest.load(path), sweep.folder)) == 3


def test_a_missing_file_is_named_with_run_key_places_and_what_to_do(
    sweep: SweepOnDisk, tmp_path: Path
) -> None:
    sweep.ok(3, {"report__R": tmp_path / "gone" / "report__R.parquet"})

    with pytest.raises(FileNotFoundError) as caught:
        lazy_multiindex(sweep.manifest, sweep.folder)

    message = str(caught.value)
    assert "missing report output 'report__R' of run 3" in message
    assert str(tmp_path / "gone" / "report__R.parquet") in message
    assert str(sweep.folder / "run-3" / "report__R.parquet") in message
    assert "Resume the sweep" in message


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a Parquet file at all"])
def test_a_damaged_file_is_named_with_run_key_and_place(sweep: SweepOnDisk, content: bytes) -> None:
    folder = sweep.ok(2, {"report__R": report()})
    (folder / "report__R.parquet").write_bytes(content)

    with pytest.raises(ValueError, match=r"'report__R' of run 2 cannot be read as Parquet at .*"):
        lazy_multiindex(sweep.manifest, sweep.folder)


@pytest.mark.promise("folders from somebody else", "a FIFO or a device in place of a table")
def test_what_is_no_plain_file_is_not_opened(sweep: SweepOnDisk) -> None:
    path = sweep.ok(0, {"report__R": report()}) / "report__R.parquet"
    for plant in (os.mkfifo, lambda place: place.symlink_to("/dev/zero"), Path.mkdir):
        path.unlink()
        plant(path)
        with pytest.raises(ValueError, match=r"report__R' of run 0 .* no plain file"):
            lazy_multiindex(sweep.manifest, sweep.folder)


def test_a_file_cut_short_is_named(sweep: SweepOnDisk) -> None:
    folder = sweep.ok(2, {"report__R": report()})
    path = folder / "report__R.parquet"
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(ValueError, match="of run 2 cannot be read"):
        lazy_multiindex(sweep.manifest, sweep.folder)


def test_every_file_is_opened_once(sweep: SweepOnDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    for run_id in range(4):
        sweep.ok(run_id, {"report__R": report(), "report__Unread": report()})
    opened: list[str] = []
    real = os.open

    def counting(path: Any, *args: Any, **kwargs: Any) -> int:
        opened.append(Path(path).name)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", counting)

    lazy_multiindex(sweep.manifest, sweep.folder, name="R")

    assert opened == ["report__R.parquet"] * 4


def test_reserved_columns_of_a_file_give_way_to_the_frame_s_own(sweep: SweepOnDisk) -> None:
    sweep.ok(4, {"report__R": report(run_id=99, __status="weird")})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert list(frame.columns) == ["Sat.UTCGregorian", "Sat.SMA", "__status"]
    assert frame["__status"].tolist() == ["ok"] * 3
    assert frame.index.get_level_values("run_id").tolist() == [4] * 3


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (pd.Index([10, 20], name="segment"), {"segment": [10, 20]}),
        (pd.RangeIndex(1, 3, name="segment"), {"segment": [1, 2]}),
        (pd.Index(["mean", "std"]), {"index": ["mean", "std"]}),
        (pd.MultiIndex.from_arrays([["a", "b"], [5, 6]], names=[None, "k"]),
         {"index": ["a", "b"], "k": [5, 6]}),
        (pd.Index([7, 9]), {}),
        (pd.RangeIndex(2), {}),
    ],
    ids=["named", "named range", "unnamed text", "two levels", "row positions", "plain"],
)  # fmt: skip
def test_index_levels_of_a_hook_s_frame_come_back_as_columns(
    sweep: SweepOnDisk, index: pd.Index[Any], expected: dict[str, list[Any]]
) -> None:
    sweep.ok(0, extra={"m": pd.DataFrame({"x": [1.0, 2.0]}, index=index)})

    frame = lazy_extra_outputs(sweep.save(), "m")

    assert frame.drop(columns="__status").to_dict("list") == {"x": [1.0, 2.0], **expected}


def test_an_unnamed_index_does_not_hide_a_column_named_index(sweep: SweepOnDisk) -> None:
    sweep.ok(0, extra={"m": pd.DataFrame({"index": [1.0]}, index=["mean"])})

    frame = lazy_extra_outputs(sweep.save(), "m")

    assert frame["index"].tolist() == [1.0]
    assert frame["level_0"].tolist() == ["mean"]


def test_a_file_that_repeats_a_column_name_is_refused(sweep: SweepOnDisk) -> None:
    folder = sweep.ok(0, {"report__R": report()})
    twice = pa.table([pa.array([1]), pa.array([2])], names=["x", "x"])
    pq.write_table(twice, folder / "report__R.parquet")

    with pytest.raises(ValueError, match="run 0 repeats the column 'x'"):
        lazy_multiindex(sweep.manifest, sweep.folder)


def test_memory_stays_within_a_few_times_the_frame(sweep: SweepOnDisk) -> None:
    """For 1,000 runs, Python and Arrow together peak below 20 times the frame."""
    rows = 20
    values: dict[str, Any] = {f"Sat.X{n}": np.arange(rows, dtype="float64") for n in range(10)}
    folder = sweep.ok(0, {"report__R": report(rows=rows, **values)})
    for run_id in range(1, 1000):
        target = sweep.folder / f"run-{run_id}" / "report__R.parquet"
        target.parent.mkdir()
        target.write_bytes((folder / "report__R.parquet").read_bytes())
        sweep.ok(run_id, {"report__R": target})
    sweep.failed(1000)
    manifest = sweep.manifest
    size = lazy_multiindex(manifest, sweep.folder).memory_usage(deep=True).sum()
    pool = pa.system_memory_pool()
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        lazy_multiindex(manifest, sweep.folder)
        peak = tracemalloc.get_traced_memory()[1] + pool.max_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)

    assert peak < 20 * size
