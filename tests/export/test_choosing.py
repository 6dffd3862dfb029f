"""Which runs and which outputs an export takes, and what it says where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flown_paths import SCRIPT, FlownSweep, flown_sweep, in_system, orbit, report_of
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.export import export_oem
from gmat_sweep.export.choosing import Chosen, choose, run_ids_in

ROWS = orbit(np.arange(10) * 60.0)


def chosen(folder: Path, **options: object) -> Chosen:
    known = {"runs": None, "sample": None, "output": None, "system": None, "script": None}
    return choose(folder, refusal=lambda _: "", **known | options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "runs"), [("nominal,0,5,7-9", [-1, 0, 5, 7, 8, 9]), (" 3 , 3", [3]), ("4-4", [4])]
)
def test_runs_are_written_as_a_list(text: str, runs: list[int]) -> None:
    assert run_ids_in(text) == runs


@pytest.mark.parametrize("text", ["", "0,,1", "-1", "9-7", "a", "1-", "0-99999999999", "1.5"])
def test_what_is_no_list_of_runs_is_refused(text: str) -> None:
    with pytest.raises(SweepConfigError, match="runs"):
        run_ids_in(text)


def test_a_run_that_is_not_recorded_is_named(tmp_path: Path) -> None:
    with pytest.raises(SweepConfigError, match="not recorded: 17, 18"):
        chosen(flown_sweep(tmp_path, 1), runs="0,17-18")


@pytest.mark.parametrize("sample", [0, -1, 1.5, True])
def test_a_sample_is_a_number_of_runs(tmp_path: Path, sample: float) -> None:
    with pytest.raises(SweepConfigError, match="number of runs"):
        chosen(flown_sweep(tmp_path, 1), sample=sample)


def test_by_default_there_are_fifty_runs_and_the_nominal_one(tmp_path: Path) -> None:
    made = FlownSweep(tmp_path)
    report = report_of(ROWS)
    made.sweep.ok(-1, {"report__R": report})
    path = made.sweep.ok(0, {"report__R": report}, overrides={"Sat.VY": 0})
    for run_id in range(1, 70):
        listed = {"report__R": path / "report__R.parquet"}
        made.sweep.ok(run_id, listed, overrides={"Sat.VY": run_id})

    found = chosen(made.save())

    ids = [entry.run_id for entry in found.entries]
    assert len(ids) == 51
    assert ids[0] == -1 == found.nominal_id
    assert ids[1:] == sorted(ids[1:])
    assert found.recorded == 70
    assert [entry.run_id for entry in chosen(made.sweep.folder, runs="5-69").entries] == [
        *range(5, 70)
    ]


def test_a_run_without_values_of_its_own_stands_for_the_nominal_one(tmp_path: Path) -> None:
    made = FlownSweep(tmp_path)
    made.sweep.ok(0, {"report__R": report_of(ROWS)}, overrides={"Sat.VY": 6.0})
    made.sweep.ok(1, {"report__R": report_of(ROWS)})

    found = chosen(made.save())

    assert found.nominal_id == 1
    assert [entry.run_id for entry in found.entries] == [1, 0]


class TestSources:
    def test_exact_epochs_come_before_others_and_states_with_velocities_too(
        self, tmp_path: Path
    ) -> None:
        made = FlownSweep(tmp_path, SCRIPT.replace("Create ReportFile R", "Create ReportFile R G"))
        exact = report_of(ROWS)
        rounded = exact.rename(columns={"Sat.TAIModJulian": "Sat.UTCGregorian"})
        both = exact.assign(**{"Sat.UTCGregorian": ROWS.epochs})
        made.sweep.ok(0, {"report__G": rounded, "report__R": both})

        (found,) = chosen(made.save()).sources

        assert (found.output, found.epoch, found.scale) == ("R", "Sat.TAIModJulian", "TAI")
        assert found.velocity

    def test_an_end_state_is_no_trajectory(self, tmp_path: Path) -> None:
        made = FlownSweep(tmp_path)
        made.sweep.ok(0, {"report__R": report_of(ROWS.rows(slice(-1, None)))})

        with pytest.raises(SweepConfigError, match=r"Path\.Add = \{Sat\.UTCModJulian, Sat\.X, Sa"):
            chosen(made.save())

    @pytest.mark.parametrize("lacking", ["Sat.TAIModJulian", "Sat.Y"])
    def test_what_to_add_is_said_where_a_column_lacks(self, tmp_path: Path, lacking: str) -> None:
        made = FlownSweep(tmp_path)
        made.sweep.ok(0, {"report__R": report_of(ROWS).drop(columns=lacking)})

        with pytest.raises(SweepConfigError, match="or Create EphemerisFile Eph"):
            chosen(made.save())

    def test_another_spacecrafts_epoch_is_not_taken(self, tmp_path: Path) -> None:
        made = FlownSweep(tmp_path)
        report = report_of(ROWS).rename(columns={"Sat.TAIModJulian": "Two.TAIModJulian"})
        made.sweep.ok(0, {"report__R": report})

        with pytest.raises(SweepConfigError, match="no run has a trajectory"):
            chosen(made.save())

    def test_a_name_that_is_not_there_lists_those_that_are(self, tmp_path: Path) -> None:
        with pytest.raises(SweepConfigError, match=r"There are: ReportFile R: Sat in EarthMJ2000"):
            chosen(flown_sweep(tmp_path, 1), system="EarthFixed")

    def test_a_coordinate_system_that_runs_vary_is_refused(self, tmp_path: Path) -> None:
        made = FlownSweep(tmp_path)
        report = report_of(ROWS)
        names = in_system(report, "Moon")
        made.sweep.ok(
            0, {"report__R": report.rename(columns=names)}, overrides={"Moon.Axes": "ICRF"}
        )

        with pytest.raises(SweepConfigError, match=r"runs vary Moon\.Axes"):
            chosen(made.save())

    def test_failed_runs_alone_have_the_columns_of_the_script(self, tmp_path: Path) -> None:
        folder = flown_sweep(tmp_path, 0)
        made = FlownSweep(tmp_path / "second")
        made.sweep.failed(0)
        (made.sweep.folder / "run-0").mkdir(exist_ok=True)
        text = (folder / "run-0" / "r.txt").read_text()
        (made.sweep.folder / "run-0" / "r.txt").write_text(text)

        (flown,) = chosen(made.save()).flown()

        assert len(flown.trajectory) == 40

    def test_a_text_where_a_number_should_be_costs_the_run_alone(self, tmp_path: Path) -> None:
        made = FlownSweep(tmp_path)
        made.sweep.ok(0, {"report__R": report_of(ROWS)}, overrides={"Sat.VY": 1})
        wrong = report_of(ROWS).astype({"Sat.X": str})
        wrong["Sat.X"] = "?"
        made.sweep.ok(1, {"report__R": wrong}, overrides={"Sat.VY": 2})

        assert [each.entry.run_id for each in chosen(made.save()).flown()] == [0]


def test_another_script_is_refused(tmp_path: Path) -> None:
    folder = flown_sweep(tmp_path, 1)
    other = tmp_path / "other.script"
    other.write_text(SCRIPT.replace("Luna", "Earth"))

    with pytest.raises(SweepConfigError, match="another script than the one that was flown"):
        chosen(folder, script=other)
    (tmp_path / "m.script").rename(tmp_path / "moved.script")
    with pytest.raises(SweepConfigError, match="--script"):
        chosen(folder)
    assert chosen(folder, script=tmp_path / "moved.script").sources


def test_a_sweep_without_runs_has_nothing_to_export(tmp_path: Path) -> None:
    with pytest.raises(SweepConfigError, match="no run is recorded"):
        export_oem(FlownSweep(tmp_path).save(), tmp_path / "oem")


def test_rows_without_velocity_are_a_source(tmp_path: Path) -> None:
    made = FlownSweep(tmp_path)
    made.sweep.ok(0, {"report__R": report_of(replace(ROWS, velocities=None))})

    (found,) = chosen(made.save()).sources

    assert found.velocity == ()
