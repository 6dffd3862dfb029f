"""``engine="dataset"`` and ``engine="polars-lazy"``: the rows of the frames, read when wanted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from compacted_sweep import outputs_of_all_kinds, recorded, reports_of_many_shapes
from gmat_sweep.aggregate import (
    lazy_contacts,
    lazy_ephemerides,
    lazy_extra_outputs,
    lazy_fused_reports,
    lazy_multiindex,
    lazy_solver_convergence,
    lazy_solver_runs,
)
from gmat_sweep.archive import compact, compacting
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.manifest import Manifest
from sweep_on_disk import SweepOnDisk, report

if TYPE_CHECKING:
    import pandas as pd

READERS: dict[str, Callable[[Path, str], Any]] = {
    "report": lambda it, engine: lazy_multiindex(loaded(it), it, name="R", engine=engine),
    "ephemeris": lambda it, engine: lazy_ephemerides(loaded(it), it, engine=engine),
    "contacts": lambda it, engine: lazy_contacts(loaded(it), it, engine=engine),
    "extra": lambda it, engine: lazy_extra_outputs(it / "manifest.jsonl", "m", engine=engine),
    "solvers": lambda it, engine: lazy_solver_runs(it / "manifest.jsonl", engine=engine),
}


def loaded(folder: Path) -> Manifest:
    return Manifest.load(folder / "manifest.jsonl")


def rows_of(found: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a dataset or a lazy frame as tuples, sorted, columns by their name."""
    table = found.to_table() if isinstance(found, ds.Dataset) else found.collect().to_arrow()
    return sorted_rows(table.to_pandas(), sorted(table.column_names))


def sorted_rows(frame: pd.DataFrame, names: list[str]) -> list[tuple[Any, ...]]:
    plain = frame[names].astype(object).where(frame[names].notna(), None)
    return sorted(plain.itertuples(index=False, name=None), key=repr)


def expected(folder: Path, name: str) -> list[tuple[Any, ...]]:
    """Return the rows of the pandas frame, which is another way to the same, without markers."""
    frame = READERS[name](folder, "pandas")
    level = frame.index.names[-1]
    frame = frame.reset_index()
    if level in frame and level not in ("run_id", "solver"):
        frame = frame[frame[level].notna()]
    return sorted_rows(frame, sorted({*frame.columns} - {"__status", "__row"}))


@pytest.mark.parametrize("engine", ["dataset", "polars-lazy"])
@pytest.mark.parametrize("compacted", ["no", "some", "all", "a group again"])
def test_the_rows_are_those_of_the_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, compacted: str
) -> None:
    folder = outputs_of_all_kinds(tmp_path / "sweep")
    monkeypatch.setattr(compacting, "_GROUP_ROWS", 3)
    if compacted == "some":
        monkeypatch.setattr(compacting._Writing, "add", lambda *_: compacting.MISSING)
    if compacted != "no":
        compact(folder)
    if compacted == "a group again":
        sweep = SweepOnDisk(folder, entries=list(loaded(folder).entries))
        del sweep.entries[2]
        sweep.ok(2, {"report__R": report(9000.0), "ephemeris__E": report(5.0)})
        recorded_again(sweep)
    names = ["report", "ephemeris"] if compacted == "a group again" else list(READERS)

    for name in names:
        found = READERS[name](folder, engine)

        assert isinstance(found, ds.Dataset if engine == "dataset" else pl.LazyFrame)
        assert rows_of(found) == expected(folder, name), name
        if isinstance(found, ds.Dataset):
            assert found.count_rows() == len(expected(folder, name))


def test_a_sweep_without_rows_has_its_columns_and_no_rows(tmp_path: Path) -> None:
    sweep = SweepOnDisk(tmp_path / "sweep")
    sweep.ok(0, {"report__R": report(rows=0)})
    folder = recorded(sweep)
    compact(folder)

    dataset = READERS["report"](folder, "dataset")

    assert dataset.schema.names == ["run_id", "Sat.UTCGregorian", "Sat.SMA", "time"]
    assert dataset.count_rows() == dataset.to_table().num_rows == 0
    lazy = READERS["report"](folder, "polars-lazy")
    assert lazy.collect().shape == (0, 4)


def recorded_again(sweep: SweepOnDisk) -> None:
    """Write the manifest with the hashes of the last run; those of the others stay."""
    again = SweepOnDisk(sweep.folder, entries=[sweep.entries.pop()])
    recorded(again)
    sweep.entries.extend(again.entries)
    sweep.save()


@pytest.mark.parametrize("compacted", [False, True])
def test_columns_of_other_runs_are_null_and_types_are_common(
    tmp_path: Path, compacted: bool
) -> None:
    folder = reports_of_many_shapes(tmp_path / "sweep")
    if compacted:
        compact(folder)

    dataset = READERS["report"](folder, "dataset")
    lazy = READERS["report"](folder, "polars-lazy")

    assert dataset.schema.names[0] == "run_id"
    assert str(dataset.schema.field("Sat.SMA").type) == "double"
    assert lazy.collect_schema().names() == dataset.schema.names
    low = dataset.to_table(columns=["Sat.SMA"], filter=ds.field("run_id") == 4)
    assert sorted(low["Sat.SMA"].to_pylist()) == [7100.0, 7101.0, 7102.0, 7103.0]
    counts = lazy.group_by("run_id").agg(pl.len()).sort("run_id").collect()
    assert counts.rows() == [(0, 3), (1, 3), (3, 3), (4, 4), (6, 3), (7, 3), (9, 3)]


def test_what_cannot_be_lazy_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = outputs_of_all_kinds(tmp_path / "sweep")
    with pytest.raises(SweepConfigError, match="Choose engine='pandas' or engine='polars'\\."):
        lazy_solver_convergence(folder / "manifest.jsonl", engine="dataset")
    with pytest.raises(SweepConfigError, match="not supported"):
        lazy_fused_reports(loaded(folder), folder, ["R", "S"], tolerance="1s", engine="dataset")
    with pytest.raises(SweepConfigError, match="'dataset' or engine='polars-lazy'"):
        READERS["report"](folder, "spark")
    (folder / "run-1" / "report__R.parquet").unlink()
    with pytest.raises(FileNotFoundError, match="report__R' of run 1"):
        READERS["report"](folder, "dataset")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match=r"pip install gmat-sweep\[polars\]"):
        READERS["report"](folder, "polars-lazy")


def test_a_scan_of_a_dataset_tells_a_damaged_page(tmp_path: Path) -> None:
    folder = outputs_of_all_kinds(tmp_path / "sweep")
    compact(folder)
    dataset = READERS["report"](folder, "dataset")
    (part,) = map(Path, dataset.files)
    whole = part.read_bytes()
    expected = dataset.to_table()
    told = 0

    # Between two pages stands what is read again or does not matter; a page's CRC is verified.
    for place in range(4, dataset_end(part), 11):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        part.write_bytes(damaged)
        try:
            assert dataset.to_table().equals(expected)
        except OSError as error:
            told += "CRC" in str(error)

    assert told > 5


def dataset_end(part: Path) -> int:
    """Return where the pages of a part end."""
    footer: int = pq.read_metadata(part).serialized_size
    return part.stat().st_size - footer - 8
