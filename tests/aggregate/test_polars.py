"""The polars frames: same rows, index levels as leading columns, null for every missing value."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pytest

from gmat_sweep.aggregate import (
    lazy_contacts,
    lazy_ephemerides,
    lazy_extra_outputs,
    lazy_multiindex,
    lazy_solver_convergence,
    lazy_solver_runs,
)
from sweep_on_disk import SweepOnDisk, report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def sweep(tmp_path: Path) -> SweepOnDisk:
    sweep = SweepOnDisk(tmp_path)
    sweep.ok(
        0,
        {
            "report__R": report(count=[1, 2, 3], flag=True, name="a"),
            "ephemeris__E": report(),
            "contact__C": pd.DataFrame({"Observer": ["GS"], "interval_id": [0]}),
        },
        extra={"m": pd.DataFrame({"x": [1.5]})},
        solvers={"DC": pd.DataFrame({"iteration": [1], "status": ["converged"]})},
        converged={"DC": True},
    )
    sweep.failed(1)
    return sweep


def test_a_polars_report_has_the_index_first_and_nulls_for_markers(sweep: SweepOnDisk) -> None:
    frame = lazy_multiindex(sweep.manifest, sweep.folder, engine="polars")

    assert isinstance(frame, pl.DataFrame)
    assert frame.schema == {
        "run_id": pl.Int64(),
        "time": pl.Datetime("ns"),
        "Sat.UTCGregorian": pl.Datetime("ns"),
        "Sat.SMA": pl.Float64(),
        "count": pl.Float64(),
        "flag": pl.Boolean(),
        "name": pl.String(),
        "__status": pl.String(),
    }
    assert frame.row(3) == (1, None, None, None, None, None, None, "failed")


_READERS: dict[str, tuple[Callable[[SweepOnDisk], Any], list[str]]] = {
    "ephemerides": (
        lambda sweep: lazy_ephemerides(sweep.manifest, sweep.folder, engine="polars"),
        ["run_id", "time"],
    ),
    "contacts": (
        lambda sweep: lazy_contacts(sweep.manifest, sweep.folder, engine="polars"),
        ["run_id", "interval_id"],
    ),
    "extra outputs": (
        lambda sweep: lazy_extra_outputs(sweep.save(), "m", engine="polars"),
        ["run_id", "x"],
    ),
    "solver runs": (
        lambda sweep: lazy_solver_runs(sweep.save(), engine="polars"),
        ["run_id", "solver", "iteration"],
    ),
    "convergence": (
        lambda sweep: lazy_solver_convergence(sweep.save(), engine="polars"),
        ["run_id", "solver", "converged"],
    ),
}


@pytest.mark.parametrize("reader", _READERS)
def test_every_aggregator_but_fusion_gives_polars_frames(sweep: SweepOnDisk, reader: str) -> None:
    read, leading = _READERS[reader]

    frame = read(sweep)

    assert isinstance(frame, pl.DataFrame)
    assert frame.columns[: len(leading)] == leading
    assert frame["run_id"].dtype == pl.Int64


def test_an_empty_polars_frame_is_typed(tmp_path: Path) -> None:
    empty = SweepOnDisk(tmp_path)

    frame = lazy_multiindex(empty.manifest, empty.folder, engine="polars")

    assert frame.schema == {
        "run_id": pl.Int64(),
        "time": pl.Datetime("ns"),
        "__status": pl.String(),
    }


def test_without_polars_the_message_says_how_to_install_it(
    sweep: SweepOnDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)

    with pytest.raises(ImportError, match=r"pip install gmat-sweep\[polars\]"):
        lazy_multiindex(sweep.manifest, sweep.folder, engine="polars")


def test_a_report_without_an_epoch_has_its_row_numbers_as_a_column(tmp_path: Path) -> None:
    sweep = SweepOnDisk(tmp_path)
    sweep.ok(0, {"report__R": pd.DataFrame({"Sat.X": [1.5, 2.5]})})
    sweep.failed(1)

    frame = lazy_multiindex(sweep.manifest, sweep.folder, engine="polars")

    assert frame.columns == ["run_id", "row", "Sat.X", "__status"]
    assert frame["row"].to_list() == [0, 1, None]
    assert frame["row"].dtype == pl.Int64
