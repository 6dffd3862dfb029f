"""runs_table: inputs and outputs of every run in one row, against the tables that were written."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gmat_sweep.aggregate.fragments import Fragment, read_fragment
from gmat_sweep.analysis import final_values, runs_table
from gmat_sweep.analysis.final_values import UNREADABLE
from gmat_sweep.analysis.runs_table import runs_and_final_values
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.spec import NOMINAL_RUN_ID
from reported_sweep import reported_sweep
from sweep_on_disk import SweepOnDisk, report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    disk = SweepOnDisk(tmp_path)
    orbit = pd.DataFrame(
        {"Sat.Earth.Altitude": [500.0, 120.0, np.nan, 300.0], "note": list("abcd")}
    )
    disk.ok(2, {"report__RF": report(7000.0), "report__Orbit": orbit}, converged={"DC": True})
    disk.ok(0, {"report__RF": report(7100.0)}, converged={"DC": False})
    disk.failed(1)
    disk.ok(3, {"report__RF": report(7200.0, rows=0)})
    inputs: dict[int, dict[str, Any]] = {
        2: {"Sat.SMA": 7000.0, "FM.Drag": "MSISE90"},
        0: {"Sat.SMA": 7100.0},
    }
    disk.entries[:] = [
        replace(each, overrides=inputs.get(each.run_id, {}), stderr="ValueError: no orbit")
        for each in disk.entries
    ]
    disk.save()
    return tmp_path


def test_every_run_is_a_row_with_its_inputs_and_last_values(folder: Path) -> None:
    table = runs_table(folder)
    assert list(table.index) == [0, 1, 2, 3]
    assert list(table) == [
        "status",
        "cause",
        "FM.Drag",
        "Sat.SMA",
        "Orbit.Sat.Earth.Altitude",
        "Orbit.note",
        "RF.Sat.UTCGregorian",
        "RF.Sat.SMA",
        "RF.time",
        "converged.DC",
        "duration_s",
    ]
    assert list(table["status"]) == ["ok", "failed", "ok", "ok"]
    assert list(table["cause"].dropna()) == ["ValueError: no orbit"]
    np.testing.assert_array_equal(table["Sat.SMA"], [7100.0, np.nan, 7000.0, np.nan])
    np.testing.assert_array_equal(table["RF.Sat.SMA"], [7100.5, np.nan, 7000.5, np.nan])
    assert table.loc[2, "RF.time"] == pd.Timestamp("2026-01-01 00:01:00")
    assert (table.loc[2, "Orbit.Sat.Earth.Altitude"], table.loc[2, "Orbit.note"]) == (300.0, "d")
    assert list(table["converged.DC"].dropna()) == [False, True]
    assert table.attrs["units"] == {
        "Sat.SMA": "km",
        "RF.Sat.SMA": "km",
        "Orbit.Sat.Earth.Altitude": "km",
        "duration_s": "s",
    }


def test_reductions_leave_missing_values_out(folder: Path) -> None:
    table = runs_table(
        folder, {"Orbit.Sat.Earth.Altitude": ["min", "max", "mean", "range"], "RF.Sat.SMA": "first"}
    )
    row = table.loc[2]
    altitude = "Orbit.Sat.Earth.Altitude"
    assert row[f"min {altitude}"] == 120.0
    assert row[f"max {altitude}"] == 500.0
    assert row[f"mean {altitude}"] == pytest.approx(920 / 3)
    assert row[f"range {altitude}"] == 380.0
    assert row["first RF.Sat.SMA"] == 7000.0
    assert table.attrs["units"][f"min {altitude}"] == "km"


def test_an_angle_that_goes_around_has_mean_and_range_on_the_circle(tmp_path: Path) -> None:
    disk = SweepOnDisk(tmp_path)
    angles = {
        "Sat.EarthMJ2000Eq.RAAN": [359.0, 1.0, np.nan, 3.0],
        "Sat.Earth.Longitude": [-179.0, 179.0, 178.0, 176.0],
        "Sat.Earth.TA": [0.0, 170.0, 340.0, 150.0],
        "Sat.EarthMJ2000Eq.INC": [1.0, 179.0, 1.0, 179.0],
    }
    disk.ok(0, {"report__R": pd.DataFrame(angles)})
    disk.save()
    wanted = {f"R.{name}": ["mean", "range", "min"] for name in angles}
    row = runs_table(tmp_path, wanted).loc[0]
    means = {name: row[f"mean R.{name}"] for name in angles}
    assert means["Sat.EarthMJ2000Eq.RAAN"] == pytest.approx(1.0)
    assert means["Sat.Earth.Longitude"] == pytest.approx(178.5, abs=1e-3)
    assert means["Sat.EarthMJ2000Eq.INC"] == 90.0
    ranges = [row[f"range R.{name}"] for name in angles]
    assert ranges == pytest.approx([4.0, 5.0, 510.0, 178.0])
    assert row["min R.Sat.EarthMJ2000Eq.RAAN"] == 1.0


@pytest.mark.parametrize(
    ("reductions", "message"),
    [
        ({"Orbit.note": "mean"}, "Orbit.note holds no numbers, so it has no mean"),
        ({"RF.time": "range"}, "RF.time holds no numbers, so it has no range"),
        ({"RF.Sat.SMA": "median"}, "unknown reduction 'median'"),
        (
            {"RF.Sat.SMB": "min"},
            r"no run has the quantity 'RF\.Sat\.SMB'; there are: Orbit\.Sat\.Earth",
        ),
    ],
)
def test_a_reduction_that_cannot_be_is_named(
    folder: Path, reductions: dict[str, str], message: str
) -> None:
    with pytest.raises(SweepConfigError, match=message):
        runs_table(folder, reductions)


def test_a_file_that_cannot_be_read_costs_its_own_values(folder: Path) -> None:
    (folder / "run-2" / "report__Orbit.parquet").write_bytes(b"nothing")
    table = runs_table(folder)
    assert list(table.attrs["unreadable"]) == [2]
    assert table.loc[2, "RF.Sat.SMA"] == 7000.5


def test_runs_and_final_values_are_those_of_both_and_each_file_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a nominal run, failed runs, and files that are damaged, the nominal's among them."""
    folder = tmp_path / "s"
    sweep = reported_sweep(folder, 30)
    (nominal,) = folder.glob("run-nominal/*.parquet")
    flown = next(folder.glob("run-[0-9]*/*.parquet"))
    for damaged in (nominal, flown):
        damaged.write_bytes(b"no Parquet")
    read: list[str] = []

    def noting(fragment: Fragment, *arguments: Any, **options: Any) -> Any:
        read.append(str(fragment.path))
        return read_fragment(fragment, *arguments, **options)

    expected = runs_table(sweep), final_values(sweep)
    # The package has the function of that name.
    module = sys.modules["gmat_sweep.analysis.final_values"]
    monkeypatch.setattr(module, "read_fragment", noting)
    found = runs_and_final_values(sweep)

    for one, other in zip(expected, found, strict=True):
        pd.testing.assert_frame_equal(one, other)
        assert one.attrs == other.attrs
    assert NOMINAL_RUN_ID in found[0].attrs[UNREADABLE]
    assert [f"run-{run_id}" for run_id in found[1].attrs[UNREADABLE]] == [flown.parent.name]
    assert sorted(read) == sorted(set(read))
    assert len(read) == (found[0]["status"] == "ok").sum() == len(found[1]) + 1
