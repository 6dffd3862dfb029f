"""Frames of postprocess hooks' outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from gmat_sweep.aggregate import extra_outputs, lazy_extra_outputs
from gmat_sweep.errors import SweepConfigError
from sweep_on_disk import SweepOnDisk, report

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def sweep(tmp_path: Path) -> SweepOnDisk:
    return SweepOnDisk(tmp_path)


def metrics(*values: float) -> pd.DataFrame:
    return pd.DataFrame({"final_radius_km": list(values)})


def test_frames_without_time_are_indexed_by_run_alone(sweep: SweepOnDisk) -> None:
    sweep.ok(0, extra={"m": metrics(1.0)})
    sweep.ok(1, extra={"m": metrics(2.0, 3.0)})

    frame = lazy_extra_outputs(sweep.save(), "m")

    assert frame.index.name == "run_id"
    assert frame.index.tolist() == [0, 1, 1]
    assert str(frame.index.dtype) == "int64"
    assert frame["final_radius_km"].tolist() == [1.0, 2.0, 3.0]
    assert list(frame.columns) == ["final_radius_km", "__status"]


def test_frames_with_a_time_column_are_indexed_by_run_and_time(sweep: SweepOnDisk) -> None:
    sweep.ok(0, extra={"m": report()})
    sweep.failed(1)

    frame = lazy_extra_outputs(sweep.save(), "m")

    assert frame.index.names == ["run_id", "time"]
    assert frame["__status"].tolist() == ["ok", "ok", "ok", "failed"]
    assert frame.loc[1].index.isna().all()


def test_a_time_index_stored_by_pandas_is_kept(sweep: SweepOnDisk) -> None:
    sweep.ok(0, extra={"m": report().set_index("time")})

    frame = lazy_extra_outputs(sweep.save(), "m")

    assert frame.index.names == ["run_id", "time"]
    assert frame.index.get_level_values("time").tolist() == report()["time"].tolist()


def test_runs_without_rows_are_marker_rows(sweep: SweepOnDisk) -> None:
    """Failed and skipped runs, runs without the key, and empty files."""
    sweep.ok(0, extra={"m": metrics(1.0)})
    sweep.failed(1)
    sweep.failed(2, "skipped")
    sweep.ok(3, {"report__R": report()})
    sweep.ok(4, extra={"m": metrics()})
    sweep.ok(5)

    frame = lazy_extra_outputs(sweep.save(), "m")

    assert frame.index.tolist() == [0, 1, 2, 3, 4, 5]
    assert frame["__status"].tolist() == ["ok", "failed", "skipped", "ok", "ok", "ok"]
    assert frame["final_radius_km"].isna().tolist() == [False, True, True, True, True, True]


def test_only_empty_files_give_the_status_alone(sweep: SweepOnDisk) -> None:
    sweep.ok(0, extra={"m": metrics()})

    frame = lazy_extra_outputs(sweep.save(), "m")

    assert list(frame.columns) == ["__status"]
    assert frame.index.tolist() == [0]


def test_the_run_id_and_status_columns_of_a_hook_are_dropped(sweep: SweepOnDisk) -> None:
    sweep.ok(0, extra={"m": metrics(1.0).assign(run_id=7, __status="x")})

    frame = lazy_extra_outputs(sweep.save(), "m")

    assert list(frame.columns) == ["final_radius_km", "__status"]
    assert frame["__status"].tolist() == ["ok"]


def test_files_that_the_manifest_does_not_list_are_not_read(sweep: SweepOnDisk) -> None:
    folder = sweep.ok(0, extra={"m": metrics(1.0)})
    (folder / "m-2.parquet").write_bytes(b"no Parquet")

    assert len(lazy_extra_outputs(sweep.save(), "m")) == 1


def test_an_unknown_key_is_refused_with_what_there_is(sweep: SweepOnDisk) -> None:
    sweep.ok(0, extra={"b": metrics(1.0), "a": metrics(1.0)})

    with pytest.raises(SweepConfigError, match="no extra output named 'ghost'; there are: a, b"):
        lazy_extra_outputs(sweep.save(), "ghost")


def test_a_missing_file_is_a_value_error_with_run_key_and_path(sweep: SweepOnDisk) -> None:
    folder = sweep.ok(7, extra={"m": metrics(1.0)})
    (folder / "m.parquet").unlink()

    with pytest.raises(ValueError, match=r"missing extra output 'm' of run 7.*m\.parquet"):
        lazy_extra_outputs(sweep.save(), "m")


def test_a_file_that_is_not_parquet_is_refused_by_name(sweep: SweepOnDisk) -> None:
    path = sweep.folder / "table.csv"
    path.write_text("x\n1\n")
    sweep.ok(7, extra={"m": path})

    with pytest.raises(ValueError, match="extra output 'm' of run 7 cannot be read as Parquet"):
        lazy_extra_outputs(sweep.save(), "m")


def test_an_unknown_engine_is_refused_before_the_manifest_is_read(tmp_path: Path) -> None:
    with pytest.raises(SweepConfigError, match="engine='bogus' is not supported"):
        lazy_extra_outputs(tmp_path / "none.jsonl", "m", engine="bogus")


def test_a_manifest_in_memory_gives_the_same_frame(sweep: SweepOnDisk) -> None:
    sweep.ok(0, extra={"m": metrics(1.0)})
    sweep.failed(1)

    pd.testing.assert_frame_equal(
        extra_outputs(sweep.manifest, sweep.folder, "m"), lazy_extra_outputs(sweep.save(), "m")
    )
