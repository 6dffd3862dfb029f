"""Frames of reports, ephemerides and contacts: rows, order, markers, names."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep.aggregate import lazy_contacts, lazy_ephemerides, lazy_multiindex
from gmat_sweep.errors import SweepConfigError
from sweep_on_disk import SweepOnDisk, level_dtypes, report

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def sweep(tmp_path: Path) -> SweepOnDisk:
    return SweepOnDisk(tmp_path)


def contacts(rows: int) -> pd.DataFrame:
    starts = pd.date_range("2026-01-01", periods=rows, freq="1h").astype("datetime64[ns]")
    return pd.DataFrame(
        {"Observer": ["GS"] * rows, "Start": starts, "interval_id": list(range(rows))}
    )


def test_every_row_is_tagged_with_run_time_and_status(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__R": report(7000.0)})
    sweep.ok(1, {"report__R": report(7100.0)})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert frame.index.names == ["run_id", "time"]
    assert level_dtypes(frame) == ["int64", "datetime64[ns]"]
    assert list(frame.columns) == ["Sat.UTCGregorian", "Sat.SMA", "__status"]
    assert frame["Sat.SMA"].tolist() == [7000.0, 7000.25, 7000.5, 7100.0, 7100.25, 7100.5]
    assert frame["__status"].tolist() == ["ok"] * 6


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_run_that_is_not_ok_is_one_row_without_data(sweep: SweepOnDisk, status: Any) -> None:
    sweep.ok(0, {"report__R": report()})
    sweep.failed(1, status)

    row = lazy_multiindex(sweep.manifest, sweep.folder).loc[1]

    assert len(row) == 1
    assert pd.isna(row.index[0])
    assert row["__status"].tolist() == [status]
    assert row.drop(columns="__status").isna().to_numpy().all()


def test_what_a_failed_run_left_half_written_is_not_read(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__R": report()})
    sweep.failed(1, outputs={"report__R": report(1.0)})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert frame.loc[1]["Sat.SMA"].isna().tolist() == [True]


def test_an_ok_run_without_this_report_is_one_row_with_status_ok(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__R": report()})
    sweep.ok(1, {"report__Other": report()})

    row = lazy_multiindex(sweep.manifest, sweep.folder, name="R").loc[1]

    assert row["__status"].tolist() == ["ok"]
    assert row["Sat.SMA"].isna().all()


def test_an_ok_run_whose_file_has_no_rows_does_not_vanish(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__R": report()})
    sweep.ok(1, {"report__R": report(rows=0).astype(object)})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert frame.loc[1]["__status"].tolist() == ["ok"]
    assert str(frame["Sat.SMA"].dtype) == "float64"


def test_runs_that_share_a_file_each_get_its_rows(sweep: SweepOnDisk) -> None:
    folder = sweep.ok(0, {"report__R": report()})
    sweep.ok(1, {"report__R": folder / "report__R.parquet"})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert frame.index.get_level_values("run_id").tolist() == [0, 0, 0, 1, 1, 1]
    assert frame["Sat.SMA"].tolist() == [7000.0, 7000.25, 7000.5] * 2


def test_a_run_with_solver_outputs_only_is_a_marker_row(sweep: SweepOnDisk) -> None:
    sweep.ok(0, solvers={"DC": pd.DataFrame({"iteration": [1]})})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert list(frame.columns) == ["__status"]
    assert frame["__status"].tolist() == ["ok"]


@pytest.mark.parametrize("read", [lazy_multiindex, lazy_ephemerides, lazy_contacts])
def test_an_ok_run_that_left_nothing_at_all_is_refused_by_name(
    sweep: SweepOnDisk, read: Any
) -> None:
    sweep.ok(5)

    with pytest.raises(ValueError, match=r"run 5 .*no output_paths"):
        read(sweep.manifest, sweep.folder)


def test_of_several_entries_for_a_run_the_last_counts(sweep: SweepOnDisk) -> None:
    sweep.failed(0)
    sweep.ok(0, {"report__R": report()})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert frame["__status"].tolist() == ["ok"] * 3


def test_rows_of_a_run_are_sorted_by_time_and_equal_times_keep_their_order(
    sweep: SweepOnDisk,
) -> None:
    times = pd.DatetimeIndex(["2026-01-02", "2026-01-01", "2026-01-01", pd.NaT])
    sweep.ok(0, {"report__R": pd.DataFrame({"x": [0, 1, 2, 3], "time": times})})
    sweep.failed(1)

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert frame["x"].tolist()[:4] == [1, 2, 0, 3]
    assert frame["__row"].tolist()[:4] == [1, 2, 0, 3]
    assert frame["__row"].isna().tolist() == [False] * 4 + [True]
    assert frame.index.get_level_values("run_id").tolist() == [0, 0, 0, 0, 1]


def test_columns_are_the_union_over_runs_with_the_status_last(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__R": report(A=1.5)})
    sweep.ok(1, {"report__R": report(B="text")})

    frame = lazy_multiindex(sweep.manifest, sweep.folder)

    assert list(frame.columns) == ["Sat.UTCGregorian", "Sat.SMA", "A", "B", "__status"]
    assert frame.loc[0]["B"].isna().all()
    assert frame.loc[1]["A"].isna().all()


def test_no_entries_give_an_empty_frame_with_a_typed_index(sweep: SweepOnDisk) -> None:
    frame = lazy_multiindex(sweep.manifest, sweep.folder, name="R")

    assert frame.empty
    assert list(frame.columns) == ["__status"]
    assert frame["__status"].dtype == object
    assert level_dtypes(frame) == ["int64", "datetime64[ns]"]


def test_all_failed_gives_the_status_alone(sweep: SweepOnDisk) -> None:
    sweep.failed(0)
    sweep.failed(1)

    frame = lazy_multiindex(sweep.manifest, sweep.folder, name="R")

    assert list(frame.columns) == ["__status"]
    assert frame["__status"].tolist() == ["failed", "failed"]
    assert level_dtypes(frame)[1] == "datetime64[ns]"


def test_several_reports_need_a_name_and_the_message_lists_them(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__B": report(), "report__A": report(), "ephemeris__E": report()})

    with pytest.raises(SweepConfigError, match=r"A, B\. Choose one with name="):
        lazy_multiindex(sweep.manifest, sweep.folder)


def test_an_unknown_name_is_refused_with_what_there_is(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__A": report()})

    with pytest.raises(SweepConfigError, match="no report output named 'Nope'; there are: A"):
        lazy_multiindex(sweep.manifest, sweep.folder, name="Nope")


def test_where_there_is_no_table_at_all_none_is_offered(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"ephemeris__A": report()})

    with pytest.raises(SweepConfigError, match="no run left a table of a report") as caught:
        lazy_multiindex(sweep.manifest, sweep.folder, name="A")

    assert "name=" not in str(caught.value)


def test_an_unknown_engine_is_refused(sweep: SweepOnDisk) -> None:
    with pytest.raises(SweepConfigError, match="engine='bogus' is not supported"):
        lazy_multiindex(sweep.manifest, sweep.folder, engine="bogus")


def test_ephemerides_are_indexed_like_reports(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"ephemeris__E": report(), "report__R": report(1.0)})
    sweep.failed(1)

    frame = lazy_ephemerides(sweep.manifest, sweep.folder)

    assert frame["Sat.SMA"].tolist()[:3] == [7000.0, 7000.25, 7000.5]
    assert frame["__status"].tolist() == ["ok", "ok", "ok", "failed"]


def test_contacts_are_indexed_by_interval_with_na_for_runs_without_any(
    sweep: SweepOnDisk,
) -> None:
    sweep.ok(0, {"contact__C": contacts(2)})
    sweep.ok(1, {"contact__C": contacts(0)})
    sweep.failed(2)

    frame = lazy_contacts(sweep.manifest, sweep.folder)

    level = frame.index.get_level_values("interval_id")
    assert frame.index.names == ["run_id", "interval_id"]
    assert str(level.dtype) == "Int64"
    assert level.tolist() == [0, 1, pd.NA, pd.NA]
    assert frame["__status"].tolist() == ["ok", "ok", "ok", "failed"]
    assert str(frame["Start"].dtype) == "datetime64[ns]"


def test_contacts_of_no_run_have_a_typed_index(sweep: SweepOnDisk) -> None:
    frame = lazy_contacts(sweep.manifest, sweep.folder)

    assert level_dtypes(frame) == ["int64", "Int64"]


def test_an_interval_id_that_is_no_whole_number_is_refused(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"contact__C": pd.DataFrame({"interval_id": [0.5]})})

    with pytest.raises(ValueError, match="'interval_id' must hold whole numbers"):
        lazy_contacts(sweep.manifest, sweep.folder)


def test_whole_files_and_batches_give_the_same_frame(sweep: SweepOnDisk) -> None:
    sweep.ok(0, {"report__R": report()})
    report(rows=100).to_parquet(sweep.folder / "groups.parquet", row_group_size=7)
    sweep.ok(1, {"report__R": sweep.folder / "groups.parquet"})
    sweep.failed(2)

    spooled = lazy_multiindex(sweep.manifest, sweep.folder, spool=True)

    pd.testing.assert_frame_equal(
        spooled, lazy_multiindex(sweep.manifest, sweep.folder, spool=False)
    )


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_order_in_which_runs_completed_does_not_show(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    columns = st.fixed_dictionaries(
        {},
        optional={
            "number": st.one_of(st.integers(-9, 9), st.floats(-9, 9)),
            "text": st.text("ab", max_size=2),
            "flag": st.booleans(),
        },
    )
    sweep = SweepOnDisk(tmp_path_factory.mktemp("sweep"))
    for run_id in range(data.draw(st.integers(1, 5))):
        if data.draw(st.booleans()):
            rows = data.draw(st.integers(0, 3))
            drawn: dict[str, Any] = data.draw(columns)
            sweep.ok(run_id, {"report__R": report(rows=rows, **drawn)})
        else:
            sweep.failed(run_id)
    in_order = lazy_multiindex(sweep.manifest, sweep.folder, name="R")
    shuffled = sweep.manifest
    shuffled.entries = data.draw(st.permutations(sweep.entries))

    frame = lazy_multiindex(shuffled, sweep.folder, name="R")

    pd.testing.assert_frame_equal(in_order, frame)


def test_importing_the_package_loads_neither_pandas_nor_pyarrow() -> None:
    code = (
        "import sys, gmat_sweep.aggregate\n"
        "print(sorted({'pandas', 'pyarrow', 'numpy', 'polars'} & sys.modules.keys()))"
    )

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert loaded.stdout == "[]\n", loaded.stderr
