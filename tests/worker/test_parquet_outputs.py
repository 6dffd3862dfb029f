"""What GMAT wrote becomes durable Parquet, with nothing lost on the way."""

import logging
import math
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import gmat_run
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fault_injection import OS_CALLS, disk_error, killed_at_nth, nth_call
from gmat_sweep.errors import DurabilityError
from gmat_sweep.folder.run_files import content_facts
from gmat_sweep.worker.parquet_outputs import WrittenOutputs, write_outputs

LOG = logging.getLogger("test_outputs")

REPORT = """\
Sat.UTCGregorian           Sat.X             Sat.Earth.ECC
01 Jan 2026 00:00:00.000   6993.0            0.001
01 Jan 2026 00:00:30.000   6989.332373       0.001
"""


def recorded(folder: Path, **texts: str) -> gmat_run.Results:
    """What a run would leave whose ReportFiles hold `texts`."""
    folder.mkdir(exist_ok=True)
    paths = {name: folder / f"{name}.txt" for name in texts}
    for name, path in paths.items():
        path.write_text(texts[name])
    return gmat_run.Results(output_dir=folder, log="Mission run completed.", report_paths=paths)


# In the layout of ReportFormat = Legacy.
CONTACTS = """\
Target: Sat

Observer: Canberra
Start Time (UTC)            Stop Time (UTC)               Duration (s)
01 Jan 2026 01:10:00.000    01 Jan 2026 01:19:30.500      570.50000000
01 Jan 2026 02:50:00.000    01 Jan 2026 02:58:00.000      480.00000000


Number of events : 2


Observer: Madrid
Start Time (UTC)            Stop Time (UTC)               Duration (s)
01 Jan 2026 00:30:00.000    01 Jan 2026 00:39:00.000      540.00000000


Number of events : 1

"""


def contacts(folder: Path, text: str) -> gmat_run.Results:
    path = folder / "contacts.txt"
    path.write_text(text)
    return gmat_run.Results(output_dir=folder, log="", contact_paths={"CL": path})


def test_contacts_are_numbered_from_zero_in_the_order_of_the_report(tmp_path: Path) -> None:
    written = write_outputs(contacts(tmp_path, CONTACTS), tmp_path, LOG)

    path = tmp_path / "contact__CL.parquet"
    assert written == WrittenOutputs(
        {"contact__CL": path}, {}, {path.name: content_facts(path.read_bytes())}
    )
    frame = pd.read_parquet(written.outputs["contact__CL"])
    assert list(frame) == ["Observer", "Start", "Stop", "Duration", "interval_id"]
    assert list(frame["interval_id"]) == [0, 1, 2]
    assert frame["interval_id"].dtype == "int64"
    assert list(frame["Observer"]) == ["Canberra", "Canberra", "Madrid"]
    assert frame["Start"].iloc[2] == pd.Timestamp("2026-01-01 00:30:00")
    assert frame["Duration"].iloc[0] == pd.Timedelta(seconds=570.5)
    assert frame.index.equals(pd.RangeIndex(3))


def test_a_mission_without_a_contact_leaves_an_empty_table(tmp_path: Path) -> None:
    text = "Target: Sat\n\nObserver: Madrid\nStart  Stop  Duration\n\nNumber of events : 0\n"

    written = write_outputs(contacts(tmp_path, text), tmp_path, LOG)

    frame = pd.read_parquet(written.outputs["contact__CL"])
    assert len(frame) == 0
    assert "interval_id" in frame


def test_every_report_gets_a_file_of_its_own(tmp_path: Path) -> None:
    results = recorded(tmp_path, RF=REPORT, Other=REPORT)

    assert write_outputs(results, tmp_path, LOG).outputs == {
        "report__RF": tmp_path / "report__RF.parquet",
        "report__Other": tmp_path / "report__Other.parquet",
    }


def test_the_folder_is_synced_once_after_the_last_of_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = recorded(tmp_path, RF=REPORT, Other=REPORT)
    synced: list[str] = []
    fsync = os.fsync

    def recording_fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        if synced[-1] == tmp_path.name:
            assert len(list(tmp_path.glob("report__*.parquet"))) == 2
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    write_outputs(results, tmp_path, LOG)

    assert [name.startswith(".report__") for name in synced] == [True, True, False]
    assert synced[2] == tmp_path.name


def test_a_folder_that_cannot_be_synced_is_an_error_that_names_it(tmp_path: Path) -> None:
    results = recorded(tmp_path, RF=REPORT)

    with nth_call("fsync", 2, disk_error), pytest.raises(DurabilityError) as caught:
        write_outputs(results, tmp_path, LOG)
    assert caught.value.filename == str(tmp_path)


def test_a_report_without_an_epoch_gets_no_time_column(tmp_path: Path) -> None:
    """It is kept as it is; what aggregates it says what is missing."""
    written = write_outputs(recorded(tmp_path, RF="Sat.X   Sat.Y\n1.5   2.5\n"), tmp_path, LOG)

    assert list(pd.read_parquet(written.outputs["report__RF"])) == ["Sat.X", "Sat.Y"]


def frames(**tables: pd.DataFrame) -> Any:
    """Stand-in for results whose reports are parsed already."""
    results = gmat_run.Results(output_dir=Path(), log="")
    results.reports = tables
    return results


def test_a_time_column_of_the_reports_own_is_left_alone(tmp_path: Path) -> None:
    epochs = pd.to_datetime(["2026-01-01", "2026-01-02"])
    frame = pd.DataFrame({"Sat.UTCGregorian": epochs, "time": [0.5, 1.5]})

    written = write_outputs(frames(RF=frame), tmp_path, LOG)

    pd.testing.assert_frame_equal(pd.read_parquet(written.outputs["report__RF"]), frame)


@pytest.mark.parametrize("unit", ["ns", "us"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_the_first_epoch_of_any_unit_or_zone_is_the_time(
    tmp_path: Path, unit: Literal["ns", "us"], zone: str | None
) -> None:
    epochs = pd.DatetimeIndex(["2026-01-01", "2026-01-02"], tz=zone).as_unit(unit)
    frame = pd.DataFrame({"n": [1, 2], "first": epochs, "second": epochs[::-1]})

    written = write_outputs(frames(RF=frame), tmp_path, LOG)

    read = pd.read_parquet(written.outputs["report__RF"])
    assert list(read) == ["n", "first", "second", "time"]
    pd.testing.assert_series_equal(read["time"], read["first"], check_names=False)
    assert list(frame) == ["n", "first", "second"]


def test_the_time_is_the_first_epoch_also_where_labels_repeat(tmp_path: Path) -> None:
    epochs = pd.to_datetime(["2026-01-01", "2026-01-02"])
    frame = pd.DataFrame(list(zip([1, 2], epochs, epochs, strict=True)), columns=["n", "t", "t"])

    written = write_outputs(frames(RF=frame), tmp_path, LOG)

    read = pd.read_parquet(written.outputs["report__RF"])
    assert list(read) == ["n", "t", "t.1", "time"]
    assert list(read["time"]) == list(epochs)


@given(st.lists(st.sampled_from(["a", "a.1", "a.2", "a.1.1", "b", "time"]), min_size=1, max_size=7))
@settings(max_examples=40, deadline=None)
def test_repeated_labels_never_collide_and_lose_no_column(labels: list[str]) -> None:
    """Also where a report already has a column named like a numbered repeat."""
    frame = pd.DataFrame([range(len(labels))], columns=labels)
    with TemporaryDirectory() as folder:
        written = write_outputs(frames(RF=frame), Path(folder), LOG)
        read = pd.read_parquet(written.outputs["report__RF"])

    assert read.columns.is_unique
    assert read.iloc[0].tolist() == list(range(len(labels)))
    assert all(new.startswith(old) for old, new in zip(labels, read.columns, strict=True))
    firsts = [labels.index(label) for label in dict.fromkeys(labels)]
    assert [read.columns[place] for place in firsts] == [labels[place] for place in firsts]


@given(st.lists(st.floats(allow_nan=False) | st.just(math.nan), max_size=5))
@settings(max_examples=25, deadline=None)
def test_values_come_back_from_parquet_bit_for_bit(values: list[float]) -> None:
    frame = pd.DataFrame({"x": np.array(values, dtype="float64")})
    with TemporaryDirectory() as folder:
        written = write_outputs(frames(RF=frame), Path(folder), LOG)
        read = pd.read_parquet(written.outputs["report__RF"])

    assert read["x"].to_numpy().tobytes() == frame["x"].to_numpy().tobytes()


@pytest.mark.promise("2", "killed anywhere while an output is written")
def test_a_kill_at_any_moment_of_the_writing_leaves_a_whole_file_or_none(tmp_path: Path) -> None:
    results = recorded(tmp_path, RF=REPORT)
    whole = pd.read_parquet(write_outputs(results, tmp_path, LOG).outputs["report__RF"])
    final = tmp_path / "report__RF.parquet"
    killed = 0
    for call in OS_CALLS:
        for nth in range(1, 6):
            final.unlink(missing_ok=True)
            if not killed_at_nth(call, nth, lambda: write_outputs(results, tmp_path, LOG)):
                break
            killed += 1
            if final.exists():
                pd.testing.assert_frame_equal(pd.read_parquet(final), whole)

    assert killed >= 5
