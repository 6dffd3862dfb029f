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
from scipy.stats import binom, binomtest, circmean

from cli_sweeps import manifest
from gmat_sweep import LocalJoblibPool, Manifest, Sweep, SweepConfigError, monte_carlo, sweep
from gmat_sweep.analysis import final_values, sweep_report, unit_of
from gmat_sweep.analysis.final_values import UNREADABLE
from gmat_sweep.analysis.markdown import number, plain, table
from gmat_sweep.analysis.outcomes import failure_rate
from gmat_sweep.analysis.percentiles import bounds_of, tells
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
        assert (x.low, x.high) == (min(ends), max(ends))
        assert (x.p5, x.p95) == (None, None), "eight draws tell nothing of the outer 5 %"

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


def mission_failure(run_id: int, **fields: Any) -> ManifestEntry:
    """Return the entry of a run that GMAT made fail."""
    return entry(run_id, "failed", failure_kind="mission", **fields)


class TestFailureRate:
    @pytest.mark.parametrize(("failed", "runs"), [(0, 1), (1, 10), (0, 20), (3, 3), (7, 200)])
    def test_of_random_draws_it_has_the_exact_interval(self, failed: int, runs: int) -> None:
        entries = [mission_failure(k) if k < failed else entry(k) for k in range(runs)]

        rate = failure_rate(entries, "monte_carlo")

        # Another route to Clopper and Pearson's interval: scipy's inversion of the exact test.
        exact = binomtest(failed, runs).proportion_ci(0.95, method="exact")
        assert (rate.low, rate.high) == pytest.approx((exact.low, exact.high), abs=1e-9)

    def test_the_interval_misses_the_probability_in_no_more_than_a_twentieth_of_sweeps(
        self,
    ) -> None:
        # Summed over all that 20 draws can give. Wilson's interval misses in up to 12 %.
        for true in (0.01, 0.02, 0.05, 0.1, 0.3):
            missed = 0.0
            for failed in range(21):
                entries = [mission_failure(k) if k < failed else entry(k) for k in range(20)]
                rate = failure_rate(entries, "monte_carlo")
                assert rate.low is not None
                assert rate.high is not None
                if not rate.low <= true <= rate.high:
                    missed += math.comb(20, failed) * true**failed * (1 - true) ** (20 - failed)
            assert missed <= 0.05

    @pytest.mark.parametrize(
        ("design", "words"),
        [
            ("grid", "the runs of a grid are"),
            ("explicit", "the runs of a table of samples are"),
            ("latin_hypercube", "the runs of a Latin hypercube are"),
            ("sobol", "the runs of a Sobol' sequence are"),
            ("halton", "the runs of a Halton sequence are"),
            ("sobol_sample", "the runs of a Sobol' analysis are"),
            ("mixed", "the runs of two sweeps of different designs are"),
        ],
    )
    def test_other_designs_have_none_and_it_is_said_why(self, design: str, words: str) -> None:
        rate = failure_rate([mission_failure(0), entry(1)], design)

        assert (rate.rate, rate.low, rate.high) == (0.5, None, None)
        said = f"50 % (1 of 2; no interval: {words} no independent random draws)"
        assert rate.text() == said

    def test_only_the_missions_failures_count_and_the_others_are_said_apart(self) -> None:
        entries = [
            entry(0),
            mission_failure(1),
            entry(2, "failed", failure_kind="timeout"),
            entry(3, "failed", failure_kind="timeout"),
            entry(4, "failed", failure_kind="worker"),
            entry(5, "failed", stderr="nobody knows"),
            entry(6, "skipped"),
        ]

        rate = failure_rate(entries, "monte_carlo")

        assert (rate.failed, rate.runs, rate.rate) == (1, 2, 0.5)
        assert rate.others == {"timeout": 2, "unknown": 1, "worker": 1}
        assert rate.text() == (
            "50 % (1 of 2, 95 % interval 1.26 % to 98.7 %); 4 that failed otherwise do not count: "
            "2 timeout, 1 of unknown kind, 1 worker"
        )

    def test_without_a_run_of_the_mission_there_is_no_rate(self) -> None:
        rate = failure_rate([entry(0, "failed", failure_kind="hook")], "monte_carlo")

        assert rate.rate is None
        assert rate.text().startswith("no run to tell it from; 1 that failed otherwise does not")


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
            assert (only.p5, only.p95) == (None, None)
            assert only.p50 is not None
            assert (only.low, only.high) == (min(finite), max(finite))
            slack = 1e-12 * max(map(abs, finite))
            assert min(finite) - slack <= only.p50 <= max(finite) + slack
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
    assert "failure rate: 0 % (0 of 3; no interval: the runs of a grid are no ind" in text
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


def draws_on_disk(folder: Path, values: dict[str, Any], design: str = "monte_carlo") -> Path:
    """Write a sweep whose runs end with these values, and return its folder."""
    on_disk = SweepOnDisk(folder, design=design)
    frame = pd.DataFrame(values)
    for run_id in range(len(frame)):
        on_disk.ok(run_id, {"report__R": frame.iloc[[run_id]]})
    on_disk.save()
    return folder


class TestPercentiles:
    def test_they_are_told_with_the_order_statistics_that_bound_them(self, tmp_path: Path) -> None:
        values = np.random.default_rng(1).normal(7000, 5, 80)
        found = sweep_report(draws_on_disk(tmp_path, {"Sat.SMA": values}))

        (sma,) = found.quantities
        told = [sma.p5, sma.p50, sma.p95]
        assert told == pytest.approx(np.quantile(values, [0.05, 0.5, 0.95]), rel=1e-14)
        in_order = np.sort(values)
        for level, bounds in ((0.05, sma.p5_bounds), (0.5, sma.p50_bounds), (0.95, sma.p95_bounds)):
            assert bounds is not None
            low, high = (int(np.searchsorted(in_order, x)) + 1 for x in (bounds.low, bounds.high))
            # The interval misses below or above with at most 2.5 % each, by the binomial sum, and
            # the next value inside would miss more often.
            assert binom.cdf(low - 1, 80, level) <= 0.025 < binom.cdf(low, 80, level)
            assert binom.sf(high - 1, 80, level) <= 0.025 < binom.sf(high - 2, 80, level)
        text = found.to_markdown()
        assert f" ({number(sma.p5_bounds.low, sma.sigma)} to " in text if sma.p5_bounds else False
        assert "In brackets: the 95 % confidence interval of each percentile." in text

    def test_four_runs_tell_none_and_are_told_how_many_would(self, tmp_path: Path) -> None:
        found = sweep_report(draws_on_disk(tmp_path, {"Sat.SMA": [1.0, 2.0, 3.0, 4.0]}))

        (sma,) = found.quantities
        assert (sma.p5, sma.p50, sma.p95) == (None, None, None)
        text = found.to_markdown()
        assert "| quantity | unit | runs | lowest | mean |   sigma | highest |" in text
        assert table_rows(text, "## At the end") == [
            ["Sat.SMA", "km", "4", "1", "2.5", "1.29099", "4"]
        ]
        assert "5 % and 95 % cannot be told from fewer than 72 runs." in text

    @pytest.mark.parametrize(("runs", "told"), [(71, False), (72, True)])
    def test_the_outer_ones_need_72_independent_draws(self, runs: int, told: bool) -> None:
        assert tells(runs, 0.05, "monte_carlo") is tells(runs, 0.95, "monte_carlo") is told
        assert (bounds_of(np.arange(runs, dtype=np.float64), 0.05) is not None) is told
        assert (0.95**runs <= 0.025) is told

    def test_of_a_latin_hypercube_they_have_no_bounds_and_that_is_said(
        self, tmp_path: Path
    ) -> None:
        values = np.random.default_rng(1).normal(7000, 5, 19)
        found = sweep_report(draws_on_disk(tmp_path, {"Sat.SMA": values}, "latin_hypercube"))

        (sma,) = found.quantities
        assert sma.p5 == pytest.approx(np.quantile(values, 0.05), rel=1e-14)
        assert (sma.p5_bounds, sma.p50_bounds, sma.p95_bounds) == (None, None, None)
        assert not tells(18, 0.05, "latin_hypercube")
        assert (
            "The percentiles have no confidence bounds: the runs of a Latin hypercube are no "
            "independent random draws." in found.to_markdown()
        )

    def test_each_side_of_the_bounds_misses_in_no_more_than_a_fortieth_of_sweeps(self) -> None:
        # Simulated: 4000 sweeps of 100 exponential draws, whose percentiles are known.
        samples = np.sort(np.random.default_rng(3).exponential(size=(4000, 100)), axis=1)
        for level in (0.05, 0.5, 0.95):
            true = -math.log(1 - level)
            bounds = bounds_of(np.arange(100, dtype=np.float64), level)
            assert bounds is not None
            too_high = (samples[:, int(bounds.low)] > true).mean()
            too_low = (samples[:, int(bounds.high)] < true).mean()
            assert max(too_high, too_low) <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 4000)


class TestAngles:
    def test_a_node_around_zero_has_the_mean_zero_and_a_small_spread(self, tmp_path: Path) -> None:
        turned = np.random.default_rng(2).normal(0.0, 0.1, 80)
        found = sweep_report(draws_on_disk(tmp_path, {"Sat.EarthMJ2000Eq.RAAN": turned % 360}))

        (node,) = found.quantities
        assert node.mean is not None
        assert node.low is not None
        # By another route: scipy's circular mean, and the linear statistics before the wrapping.
        assert (node.mean - circmean(turned, high=360) + 180) % 360 == pytest.approx(180)
        offset = node.low - turned.min()
        assert offset == pytest.approx(360 * round(offset / 360), abs=1e-9)
        assert node.sigma == pytest.approx(turned.std(ddof=1), rel=1e-9)
        expected = np.quantile(turned, [0.05, 0.5, 0.95]) + 360 * round(offset / 360)
        assert [node.p5, node.p50, node.p95] == pytest.approx(expected, abs=1e-9)

    def test_angles_that_cancel_have_a_range_and_no_mean(self, tmp_path: Path) -> None:
        found = sweep_report(draws_on_disk(tmp_path, {"Sat.Earth.TA": [0.0, 90.0, 180.0, 270.0]}))

        (anomaly,) = found.quantities
        assert (anomaly.mean, anomaly.sigma, anomaly.low, anomaly.high) == (None, None, 0.0, 270.0)

    def test_an_inclination_is_no_angle_that_goes_around(self, tmp_path: Path) -> None:
        found = sweep_report(draws_on_disk(tmp_path, {"Sat.Earth.INC": [0.1, 179.9]}))

        assert found.quantities[0].mean == 90.0


class TestSurvivors:
    def test_the_statistics_say_how_many_failed_and_where_they_lie(self, tmp_path: Path) -> None:
        on_disk = SweepOnDisk(tmp_path, design="monte_carlo")
        for run_id in range(40):
            value = 0.1 * (run_id - 22.5)
            if value < 0:
                overrides = {"Sat.INC": value}
                on_disk.failed(run_id, overrides=overrides, failure_kind="mission")
            else:
                on_disk.ok(run_id, {"report__R": report()}, overrides={"Sat.INC": value})
        on_disk.failed(40, overrides={"Sat.INC": 9.0}, failure_kind="timeout")
        on_disk.save()

        found = sweep_report(tmp_path)

        (where,) = found.where_failed
        # All 23 marked of 40 lie below one of 39 cuts.
        chance = 39 / math.comb(40, 23)
        assert where == f"23 of 40 failed, all with Sat.INC < 0 (p = {chance:.1g})"
        text = found.to_markdown()
        assert f"\n- {where.replace('<', '&lt;')}\n" in text
        survivors = text.partition("## At the end of the run, over 17 runs\n\n")[2]
        assert survivors.startswith("These are the runs that are ok. 24 of 41 failed, and are not ")
        assert where.replace("<", "&lt;") in survivors

    def test_failures_that_lie_anywhere_are_counted_and_no_more(self, tmp_path: Path) -> None:
        on_disk = SweepOnDisk(tmp_path, design="monte_carlo")
        on_disk.ok(0, {"report__R": report()}, overrides={"Sat.INC": 1.0})
        on_disk.failed(1, overrides={"Sat.INC": 2.0}, failure_kind="mission")
        on_disk.save()

        found = sweep_report(tmp_path)

        assert found.where_failed == ()
        assert "1 of 2 failed, and are not in these numbers" in found.to_markdown()
