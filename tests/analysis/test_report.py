"""sweep_report: what came of a sweep, told right and in Markdown that holds whatever GMAT says."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_sweeps import manifest
from gmat_sweep import LocalJoblibPool, Manifest, Sweep, SweepConfigError, monte_carlo, sweep
from gmat_sweep.analysis import final_values, sweep_report, unit_of
from gmat_sweep.analysis.final_values import UNREADABLE
from gmat_sweep.analysis.markdown import number, plain, table
from gmat_sweep.analysis.outcomes import failure_rate
from gmat_sweep.manifest import ManifestEntry
from reported_runs import entry, table_rows
from repository import DATA
from sweep_on_disk import SweepOnDisk, report

SECOND_REPORT = """
Create ReportFile Orbit;
GMAT Orbit.Filename = 'orbit.txt';
GMAT Orbit.Precision = 16;
GMAT Orbit.Add = {Sat.Earth.MM, Sat.DryMass, Sat.ElapsedSecs};
BeginMissionSequence;"""


def saved(folder: Path, *entries: ManifestEntry, **header: Any) -> Path:
    """Write a manifest of these entries and return the sweep folder."""
    whole = manifest(**{"run_count": len(entries), "entries": list(entries)} | header)
    whole.save(folder / "manifest.jsonl")
    whole.close()
    return folder


@pytest.fixture(scope="module")
def swept(pool: LocalJoblibPool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight draws of a mission with two reports; an eccentricity above 1 makes a run fail."""
    folder = tmp_path_factory.mktemp("report")
    script = folder / "two_reports.script"
    text = (DATA / "leo_basic.script").read_text()
    script.write_text(text.replace("BeginMissionSequence;", SECOND_REPORT))
    monte_carlo(
        script,
        n=8,
        perturb={"Sat.SMA": ("normal", 7000, 5), "Sat.ECC": ("uniform", 0.0, 1.5)},
        seed=1,
        name="RF",
        backend=pool,
        out=folder / "sweep",
        progress=False,
    )
    return folder / "sweep"


class TestRealSweep:
    def test_it_tells_counts_rate_failures_and_every_quantity_of_every_report_with_its_unit(
        self, swept: Path
    ) -> None:
        found = sweep_report(swept)

        failed = Manifest.load(swept / "manifest.jsonl").find_failed()
        assert 0 < len(failed) < 8
        assert (found.ok, found.failed, found.planned) == (8 - len(failed), len(failed), 8)
        assert [sorted(group.run_ids) for group in found.failures] == [sorted(failed)]
        assert {(each.report, each.quantity): each.unit for each in found.quantities} == {
            ("RF", "Sat.EarthMJ2000Eq.X"): "km",
            ("RF", "Sat.EarthMJ2000Eq.Y"): "km",
            ("RF", "Sat.EarthMJ2000Eq.Z"): "km",
            ("RF", "Sat.Earth.SMA"): "km",
            ("RF", "Sat.Earth.ECC"): "",
            ("Orbit", "Sat.Earth.MM"): "rad/s",
            ("Orbit", "Sat.DryMass"): "kg",
            ("Orbit", "Sat.ElapsedSecs"): "s",
        }

    def test_its_statistics_are_those_of_the_last_rows_of_the_ok_runs(self, swept: Path) -> None:
        found = {each.quantity: each for each in sweep_report(swept).quantities}

        ends = [
            pd.read_parquet(path)["Sat.EarthMJ2000Eq.X"].iloc[-1]
            for path in sorted(swept.glob("run-*/report__RF.parquet"))
        ]
        x = found["Sat.EarthMJ2000Eq.X"]
        assert x.runs == len(ends)
        assert x.mean == pytest.approx(np.mean(ends), rel=1e-14)
        assert x.sigma == pytest.approx(np.std(ends, ddof=1), rel=1e-10)
        assert (x.p5, x.p50, x.p95) == pytest.approx(np.quantile(ends, [0.05, 0.5, 0.95]))

    def test_mean_motion_is_in_radians_per_second_whatever_the_engine_calls_it(
        self, swept: Path
    ) -> None:
        ends = final_values(swept)

        axis = ends["RF", "Sat.Earth.SMA"]
        expected = np.sqrt(398600.4415 / axis**3)
        assert ends["Orbit", "Sat.Earth.MM"].to_numpy() == pytest.approx(expected, rel=1e-6)

    def test_a_folder_a_manifest_its_path_and_a_sweep_give_the_same_report(
        self, swept: Path, pool: LocalJoblibPool
    ) -> None:
        path = swept / "manifest.jsonl"
        again = Sweep.from_manifest(path, swept.parent / "two_reports.script", backend=pool)

        reports = [sweep_report(each) for each in (str(swept), path, Manifest.load(path), again)]

        assert all(each == reports[0] for each in reports)

    def test_its_markdown_begins_with_the_outcome_and_says_how_to_resume(self, swept: Path) -> None:
        found = sweep_report(swept)
        text = found.to_markdown()

        assert text.startswith(
            f"**two_reports.script, monte carlo: {found.ok} of 8 runs ok, {found.failed} failed.**"
        )
        assert f"manifest: `{swept / 'manifest.jsonl'}`" in text
        script = swept.parent / "two_reports.script"
        command = f"gmat-sweep resume {swept / 'manifest.jsonl'} --script {script}"
        assert f"what is missing or failed is run by `{command}`" in text
        assert "run by" not in replace(found, ok=8, failed=0, failures=()).to_markdown()
        assert len(table_rows(text, "## At the end of the run")) == 8
        assert "nan" not in text.lower()

    def test_for_a_narrow_page_causes_are_whole_and_quantities_in_tables_that_fit(
        self, tmp_path: Path
    ) -> None:
        long = "Propagation failed: " + "a long cause | of GMAT's " * 40 + "at its end"
        found = sweep_report(saved(tmp_path, entry(0, "failed", stderr=long), entry(1)))

        text = found.to_markdown(narrow=True)

        [line] = [each for each in text.splitlines() if each.startswith("- 1 x")]
        assert line.startswith(
            "- 1 x (100 %; run 0): Propagation failed: a long cause \\| of GMAT's"
        )
        assert line.endswith("at its end")
        assert found.failure_list() in text
        assert "at its end" not in found.to_markdown()


class TestCounts:
    def test_runs_without_an_entry_are_not_run_yet(self, tmp_path: Path) -> None:
        found = sweep_report(saved(tmp_path, entry(0), entry(3, "skipped"), run_count=5))

        assert (found.recorded, found.missing) == (2, 3)
        assert "1 of 5 runs ok, 1 skipped, 3 not run yet." in found.headline()

    def test_of_a_run_that_was_tried_again_the_last_try_counts(self, tmp_path: Path) -> None:
        found = sweep_report(saved(tmp_path, entry(0, "failed"), entry(0), run_count=1))

        assert (found.ok, found.failed, found.failures) == (1, 0, ())

    def test_a_sweep_of_no_runs_is_told_without_a_rate(self, tmp_path: Path) -> None:
        found = sweep_report(saved(tmp_path))

        assert found.rate.rate is None
        assert found.runs_per_s is None
        assert "no run to tell it from" in found.to_markdown()
        assert found.failure_rows() == []

    def test_the_duration_is_the_time_in_which_runs_were_under_way_without_pauses(
        self, tmp_path: Path
    ) -> None:
        found = sweep_report(
            saved(
                tmp_path,
                entry(0, start=0, lasts=10),
                entry(1, start=5, lasts=10),  # beside run 0, until 15
                entry(2, start=17, lasts=3),  # the two seconds before it are part of the pass
                entry(3, start=18, lasts=1),  # within run 2
                entry(4, start=90000, lasts=10),  # resumed the day after
            )
        )

        assert found.duration_s == pytest.approx(30)
        assert found.runs_per_s == pytest.approx(5 / 30)

    def test_solvers_that_did_not_converge_in_ok_runs_are_told(self, tmp_path: Path) -> None:
        found = sweep_report(
            saved(
                tmp_path,
                entry(0, converged={"DC": False, "Opt": True}),
                entry(1, converged={"DC": True}),
                entry(2, "failed", converged={"DC": False}),
            )
        )

        assert found.not_converged == {"DC": (0,)}
        assert found.unconverged == 1
        assert "2 of 3 runs ok (1 with a solver that did not converge), 1 failed" in (
            found.headline()
        )
        assert table_rows(found.to_markdown(), "## Solvers") == [["DC", "1", "0"]]

    def test_a_manifest_that_was_never_saved_is_refused_with_advice(self) -> None:
        with pytest.raises(SweepConfigError, match="Save it in the sweep folder"):
            sweep_report(manifest("ok"))


class TestFailureRate:
    def test_of_random_draws_it_has_wilsons_interval(self) -> None:
        entries = [entry(0, "failed"), *(entry(run_id) for run_id in range(1, 10))]

        rate = failure_rate(entries, "monte_carlo")

        # Wilson (1927) for 1 of 10 at 95 %.
        assert (rate.low, rate.high) == pytest.approx((0.017876, 0.404150), abs=1e-6)

    @pytest.mark.parametrize("kind", ["grid", "explicit"])
    def test_a_grid_is_no_random_sample_and_has_none(self, kind: str) -> None:
        rate = failure_rate([entry(0, "failed"), entry(1)], kind)

        assert (rate.rate, rate.low, rate.high) == (0.5, None, None)

    def test_skipped_runs_count_neither_way(self) -> None:
        rate = failure_rate([entry(0, "failed"), entry(1), entry(2, "skipped")], "monte_carlo")

        assert (rate.failed, rate.runs) == (1, 2)

    @given(st.integers(0, 200), st.integers(0, 200))
    def test_the_interval_holds_the_rate_and_stays_between_zero_and_one(
        self, failed: int, ok: int
    ) -> None:
        runs = [entry(0, "failed")] * failed + [entry(1)] * ok

        rate = failure_rate(runs, "latin_hypercube")

        if runs:
            assert rate.rate is not None
            assert rate.low is not None
            assert rate.high is not None
            assert 0 <= rate.low <= rate.rate + 1e-12
            assert rate.rate - 1e-12 <= rate.high <= 1


class TestFailureRows:
    def test_causes_are_grouped_the_commonest_first_with_their_share_and_runs(
        self, tmp_path: Path
    ) -> None:
        causes = ["ValueError: b", "ValueError: a", "ValueError: a", "ValueError: a"]
        entries = [entry(n, "failed", stderr=cause) for n, cause in enumerate(causes)]

        rows = sweep_report(saved(tmp_path, *entries)).failure_rows()

        assert rows == [
            {"cause": "ValueError: a", "runs": 3, "share": "75 %", "examples": "1, 2, 3"},
            {"cause": "ValueError: b", "runs": 1, "share": "25 %", "examples": "0"},
        ]

    def test_very_many_causes_end_in_one_row_that_counts_the_rest(self, tmp_path: Path) -> None:
        entries = [entry(n, "failed", stderr=f"cause x{n}") for n in range(300)]

        found = sweep_report(saved(tmp_path, *entries))

        assert len(found.failure_rows(most=10)) == 11
        assert found.failure_rows(most=10)[-1] == {
            "cause": "290 further causes",
            "runs": 290,
            "share": "96.7 %",
            "examples": "10, 11, 12, 13, 14, 15, 16, 17, ...",
        }
        assert len(table_rows(found.to_markdown(), "## Failures")) == 21

    @given(cause=st.text(min_size=1))
    def test_whatever_a_cause_says_the_row_is_json_and_the_table_keeps_its_shape(
        self, cause: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        stderr = cause.encode("utf-8", "replace").decode()
        folder = tmp_path_factory.mktemp("cause")

        found = sweep_report(saved(folder, entry(0, "failed", stderr=stderr)))

        assert json.loads(json.dumps(found.failure_rows(), allow_nan=False))[0]["runs"] == 1
        (row,) = table_rows(found.to_markdown(), "## Failures")
        assert row[:-1] == ["1", "100 %", "0"]


class TestFinalValues:
    def test_each_ok_run_has_the_last_row_that_was_written_also_of_a_backward_propagation(
        self, tmp_path: Path
    ) -> None:
        backward = report(7000.0)
        backward = backward.assign(time=backward["time"].to_numpy()[::-1])
        on_disk = SweepOnDisk(tmp_path)
        on_disk.ok(1, {"report__R": backward})
        on_disk.ok(0, {"report__R": report(8000.0).drop(columns="time")})
        on_disk.failed(2)
        on_disk.save()

        ends = final_values(tmp_path)

        assert ends["R", "Sat.SMA"].to_dict() == {0: 8000.5, 1: 7000.5}
        assert [tuple(column) for column in ends.columns] == [("R", "Sat.SMA")]

    def test_numbers_are_floats_and_text_booleans_and_dates_are_no_quantities(
        self, tmp_path: Path
    ) -> None:
        on_disk = SweepOnDisk(tmp_path)
        on_disk.ok(0, {"report__R": report(orbits=[1, 2, 3], name="a", lit=True)})
        on_disk.ok(1, {"report__R": report(orbits=["x", "y", "z"])})
        on_disk.ok(2, {"report__R": report(rows=0)})
        on_disk.save()

        ends = final_values(tmp_path)

        assert list(ends["R"].columns) == ["Sat.SMA", "orbits"]
        assert ends["R", "orbits"].dropna().to_dict() == {0: 2.0 + 1}
        assert set(ends.dtypes) == {np.dtype("float64")}

    def test_a_run_whose_file_is_gone_or_damaged_is_named_and_costs_no_other(
        self, tmp_path: Path
    ) -> None:
        on_disk = SweepOnDisk(tmp_path)
        for run_id in range(3):
            on_disk.ok(run_id, {"report__R": report(7000.0 + run_id)})
        on_disk.save()
        (tmp_path / "run-0" / "report__R.parquet").unlink()
        (tmp_path / "run-2" / "report__R.parquet").write_bytes(b"PAR1")

        found = sweep_report(tmp_path)

        assert set(final_values(tmp_path).attrs[UNREADABLE]) == {0, 2}
        (only,) = found.quantities
        assert (only.runs, only.mean, only.sigma) == (1, 7001.5, None)
        assert "The files of 2 runs could not be read" in found.to_markdown()

    def test_a_sweep_without_reports_has_no_quantities(self, tmp_path: Path) -> None:
        folder = saved(tmp_path, entry(0, "failed"))

        assert final_values(folder).shape == (0, 0)
        assert sweep_report(folder).quantities == ()

    @given(values=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=6))
    def test_whatever_the_values_are_the_statistics_are_finite_and_in_order(
        self, values: list[float], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        on_disk = SweepOnDisk(tmp_path_factory.mktemp("values"))
        for run_id, value in enumerate(values):
            on_disk.ok(run_id, {"report__R": pd.DataFrame({"Sat.X": [value]})})
        on_disk.save()

        found = sweep_report(on_disk.folder)

        (only,) = found.quantities
        finite = [value for value in values if math.isfinite(value)]
        assert only.runs == len(finite)
        told = (only.mean, only.sigma, only.p5, only.p50, only.p95)
        assert all(each is None or math.isfinite(each) for each in told)
        if finite:
            assert only.mean is not None
            assert only.p5 is not None
            assert only.p50 is not None
            assert only.p95 is not None
            slack = 1e-12 * max(map(abs, finite))
            assert min(finite) - slack <= only.p5 <= only.p50 + slack <= only.p95 + 2 * slack
            assert min(finite) - slack <= only.mean <= max(finite) + slack
        if len(set(finite)) == 1 and len(finite) > 1:
            assert only.sigma == 0
        words = re.findall(r"[a-z]+", found.to_markdown().lower())
        assert not {"nan", "inf", "none"} & set(words)


class TestUnits:
    @pytest.mark.parametrize(
        ("column", "unit"),
        [
            ("Sat.EarthMJ2000Eq.VX", "km/s"),
            ("Sat.Earth.Altitude", "km"),
            ("Burn.Element1", "km/s"),
            ("Sat.MainTank.FuelMass", "kg"),
            ("Sat.ElapsedDays", "d"),
            ("Sat.Earth.ECC", ""),
            ("SMA", ""),
            ("goal", ""),
            (".X", ""),
            ("A(1,2)", ""),
        ],
    )
    def test_the_last_part_of_a_dotted_name_tells_the_unit(self, column: str, unit: str) -> None:
        assert unit_of(column) == unit

    def test_they_agree_with_the_engines_own_but_where_that_is_known_to_be_wrong(self) -> None:
        code = (
            "import json, sys\n"
            "from gmat_sweep.engine import activate\n"
            "root = activate().root\n"
            "sys.path.insert(0, str(root / 'bin'))\n"
            "import gmatpy as gmat\n"
            "gmat.Setup(str(root / 'bin' / 'api_startup_file.txt'))\n"
            "kinds = gmat.Moderator.Instance().GetListOfFactoryItems(gmat.PARAMETER)\n"
            "units = {}\n"
            "for kind in kinds:\n"
            "    try:\n"
            "        found = gmat.Construct(kind, f'probe{kind}')\n"
            "    except Exception:\n"
            "        continue\n"
            "    units[kind] = found.GetStringParameter('Unit')\n"
            "print('units:' + json.dumps(units))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
        )
        told = json.loads(done.stdout.rpartition("units:")[2])
        ours = {"day": "d", "sec": "s", "?": "", "": ""}
        wrong = {"MM", "Cartesian", "TotalMassFlowRate"} | {
            f"Total{what}{axis}" for what in ("Thrust", "Acceleration") for axis in "123"
        }

        assert len(told) > 250
        for kind, said in told.items():
            unit = "/".join(ours.get(part, part) for part in said.strip().lower().split("/"))
            if unit and kind not in wrong:
                assert unit_of(f"Sat.{kind}") == unit, kind


class TestMarkdown:
    def test_columns_are_padded_and_numbers_stand_on_the_right(self) -> None:
        assert table(["name", "n"], [["a", "1"], ["long name", "20"]], {"n"}).splitlines() == [
            "| name      |   n |",
            "| --------- | --: |",
            "| a         |   1 |",
            "| long name |  20 |",
        ]

    def test_text_stays_on_one_line_and_marks_nothing_up(self) -> None:
        assert plain("a|b\n <b>*x*</b> `c` [d]") == "a\\|b &lt;b>\\*x\\*&lt;/b> \\`c\\` \\[d]"
        assert len(plain("x" * 1000)) == 300

    @pytest.mark.parametrize(
        ("value", "spread", "shown"),
        [
            (None, None, ""),
            (7000.123456789, None, "7000.12"),
            (7000.123456789, 0.001, "7000.123457"),
            (7000.123456789, 100.0, "7000.12"),
            (0.0, 0.001, "0"),
            (1e300, 5e-324, "1e+300"),
        ],
    )
    def test_a_number_has_the_digits_that_its_spread_asks_for(
        self, value: float | None, spread: float | None, shown: str
    ) -> None:
        assert number(value, spread) == shown


def test_a_grid_is_reported_without_an_interval_and_without_a_dispersion(
    pool: LocalJoblibPool, tmp_path: Path
) -> None:
    script, values = DATA / "leo_short.script", [7000.0, 7100.0, 7300.0]
    frame = sweep(
        script, grid={"Sat.SMA": values}, backend=pool, out=tmp_path / "g", progress=False
    )

    found = sweep_report(tmp_path / "g")
    text = found.to_markdown()

    assert text.startswith("**leo_short.script, grid: 3 of 3 runs ok.**")
    assert "failure rate: 0 %\n" in text
    assert "| runs |" in text
    for word in ("sigma", "95 %", "5 %", "50 %"):
        assert word not in text.split("## At the end")[1]
    last = frame.groupby(level="run_id").tail(1)
    for each in found.quantities:
        assert (each.sigma, each.p5, each.p50, each.p95) == (None, None, None, None)
        assert (each.low, each.high) == (last[each.quantity].min(), last[each.quantity].max())
        assert each.mean == pytest.approx(last[each.quantity].mean())
        assert each.low is not None
        assert each.high is not None
        spread = each.high - each.low
        lowest, mean, highest = (number(v, spread) for v in (each.low, each.mean, each.high))
        assert f" {lowest} | " in text
        assert f" {mean} | " in text
        assert f" {highest} |" in text


class TestCausesThatDifferInTheirNumbers:
    """Runs with different values and one cause are one group."""

    def test_the_values_that_differ_are_left_out_and_the_others_stay(self, tmp_path: Path) -> None:
        said = 'ValueError: "{}" for DryMass in 3 steps'
        entries = [
            entry(run_id, "failed", stderr=said.format(value))
            for run_id, value in enumerate([-205.06, -4e-7, 12])
        ]
        (row,) = sweep_report(saved(tmp_path, *entries)).failure_rows()
        assert row["cause"] == 'ValueError: "..." for DryMass in 3 steps'
        assert row["examples"] == "0, 1, 2"

    def test_names_with_digits_are_names(self, tmp_path: Path) -> None:
        causes = ["ValueError: no Sat1", "ValueError: no Sat2"]
        entries = [entry(n, "failed", stderr=cause) for n, cause in enumerate(causes)]
        rows = sweep_report(saved(tmp_path, *entries)).failure_rows()
        assert [row["cause"] for row in rows] == causes
