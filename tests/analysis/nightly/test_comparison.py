"""compare_sweeps: what moved since last night, what fails now, and which input changed."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, fisher_exact

from gmat_sweep import LocalJoblibPool, Manifest, SweepConfigError, monte_carlo
from gmat_sweep.analysis import (
    FailureRate,
    MaterialRule,
    NightComparison,
    RequirementChange,
    compare_sweeps,
    input_hashes,
)
from gmat_sweep.analysis.nightly.failures import drawn_failures, paired_failures
from gmat_sweep.manifest import ManifestEntry
from gmat_sweep.spec import RunStatus
from reported_runs import entry, table_rows
from repository import DATA
from sweep_on_disk import SweepOnDisk, report

SCRIPT = DATA / "leo_basic.script"
PERTURB = {"Sat.SMA": ("normal", 7000, 5), "Sat.ECC": ("uniform", 0.0, 1.2)}
LUNAR = ("FM.PointMasses = {Earth}", "FM.PointMasses = {Earth, Luna}")


class TestRealNights:
    @pytest.fixture(scope="module")
    @staticmethod
    def nights(pool: LocalJoblibPool, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Sweeps of one mission: twice the same, with the Moon added, and with another seed."""
        folder = tmp_path_factory.mktemp("nights")
        mission = folder / "mission.script"
        for name, change, seed in (
            ("first", None, 1),
            ("same", None, 1),
            ("lunar", LUNAR, 1),
            ("redrawn", None, 2),
        ):
            text = SCRIPT.read_text()
            if change is not None:
                assert change[0] in text
                text = text.replace(*change)
            mission.write_text(text)
            hashes = input_hashes(mission)
            monte_carlo(
                mission, n=6, perturb=PERTURB, seed=seed, backend=pool, out=folder / name,
                progress=False,
            )  # fmt: skip
            hashes.write(folder / name)
        return folder

    def test_a_night_like_the_last_one_is_equal_bit_for_bit_and_moved_nothing(
        self, nights: Path
    ) -> None:
        found = compare_sweeps(nights / "same", nights / "first")

        assert found.paired
        assert not found.moved
        assert {each.verdict for each in found.quantities} == {"equal"}
        assert found.inputs == ()
        assert found.inputs_complete
        assert found.headline().startswith("Nothing moved: all quantities are equal bit for bit")
        assert found.headline().endswith("No input changed.")

    def test_an_edited_force_model_changes_quantities_and_the_script_is_named(
        self, nights: Path
    ) -> None:
        found = compare_sweeps(nights / "lunar", nights / "first")

        shift = {each.quantity: each for each in found.quantities}["Sat.Earth.SMA"]
        assert shift.verdict == "changed"
        assert shift.mean_shift == pytest.approx(1e-4, abs=9e-5)  # km, by hand from two runs
        assert (shift.pairs, shift.equal_runs, shift.unit) == (shift.runs_last, 0, "km")
        assert not found.moved
        assert found.changed.startswith("Changed by less than matters: ")
        (change,) = found.inputs
        assert (change.group, change.name) == ("script", "mission.script")
        assert change.after == Manifest.load(nights / "lunar" / "manifest.jsonl").script_sha256

    def test_whoever_needs_a_millimetre_asks_for_it(self, nights: Path) -> None:
        rule = MaterialRule(quantities={"Sat.Earth.SMA": "1e-3 m"})

        found = compare_sweeps(nights / "lunar", nights / "first", rule=rule)

        assert [each.quantity for each in found.moved_quantities] == ["Sat.Earth.SMA"]
        assert found.headline().startswith("Moved: 1 of ")
        assert "What matters of Sat.Earth.SMA is 1e-3 m." in found.to_markdown()

    @pytest.mark.parametrize(
        ("sizes", "said"),
        [
            (
                {"Sat.Earth.SMB": 1.0},
                r"no run reports Sat\.Earth\.SMB\. Did you mean Sat\.Earth\.SMA",
            ),
            ({"Sat.Earth.SMA": "1 s"}, "SMA is in km, got 's'"),
        ],
    )
    def test_a_size_for_nothing_is_refused(
        self, nights: Path, sizes: dict[str, float | str], said: str
    ) -> None:
        with pytest.raises(SweepConfigError, match=said):
            compare_sweeps(nights / "same", nights / "first", rule=MaterialRule(quantities=sizes))

    def test_each_shift_is_that_of_the_last_rows_of_the_same_run(self, nights: Path) -> None:
        found = compare_sweeps(nights / "lunar", nights / "first")

        (shift,) = (each for each in found.quantities if each.quantity == "Sat.EarthMJ2000Eq.Y")
        ends = {
            name: pd.Series(
                {
                    path.parent.name: pd.read_parquet(path)["Sat.EarthMJ2000Eq.Y"].iloc[-1]
                    for path in (nights / name).glob("run-*/report__RF.parquet")
                }
            )
            for name in ("first", "lunar")
        }
        difference = ends["lunar"] - ends["first"]
        assert shift.mean_shift == pytest.approx(difference.mean(), rel=1e-12)
        p95 = ends["lunar"].quantile(0.95) - ends["first"].quantile(0.95)
        assert shift.p95_shift == pytest.approx(p95, rel=1e-6)
        assert f"run-{shift.largest_run}" == difference.abs().idxmax()

    def test_other_draws_are_compared_as_distributions_and_the_text_says_so(
        self, nights: Path
    ) -> None:
        found = compare_sweeps(nights / "redrawn", nights / "first")
        text = found.to_markdown()

        assert not found.paired
        assert found.why_not_paired.startswith("6 of the 6 runs of both nights had other")
        assert "compared as sets of draws: 6 of the 6 runs" in text
        assert {each.verdict for each in found.quantities} == {"not moved"}
        tested = [each for each in found.quantities if each.ks_pvalue is not None]
        # Every run ends at the same time. Six runs are too few to test their means.
        assert {each.quantity for each in found.quantities if each not in tested} == {
            "Sat.UTCGregorian",
            "Sat.A1ModJulian",
        } & {each.quantity for each in found.quantities}
        assert found.tests == len(tested) + (found.failures.pvalue is not None)
        assert {each.t_pvalue for each in found.quantities} == {None}
        assert [(each.group, each.name) for each in found.inputs] == [("plan", "seed")]

    def test_without_inputs_json_the_manifests_alone_are_compared_and_the_text_says_so(
        self, nights: Path, tmp_path: Path
    ) -> None:
        bare = tmp_path / "bare"
        shutil.copytree(nights / "lunar", bare)
        (bare / "inputs.json").unlink()

        found = compare_sweeps(bare, nights / "first")

        assert not found.inputs_complete
        assert [each.group for each in found.inputs] == ["script"]
        assert "one of the nights has no `inputs.json`" in found.to_markdown()

    def test_runs_are_the_same_run_however_many_nights_have_more(
        self, nights: Path, tmp_path: Path
    ) -> None:
        fewer = tmp_path / "fewer"
        shutil.copytree(nights / "first", fewer)
        manifest = Manifest.load(fewer / "manifest.jsonl")
        manifest.entries = [each for each in manifest.entries if each.run_id != 2]
        manifest.save(fewer / "manifest.jsonl")

        found = compare_sweeps(nights / "same", fewer)

        assert found.paired
        assert (found.common_runs, found.only_tonight, found.only_last_night) == (5, 1, 0)
        assert "not compared: 1 run of tonight alone, 0 of last night alone" in found.to_markdown()


@pytest.fixture
def two_nights(tmp_path: Path) -> tuple[SweepOnDisk, SweepOnDisk]:
    """Two empty sweeps, tonight's first."""
    return SweepOnDisk(tmp_path / "tonight"), SweepOnDisk(tmp_path / "last")


def compared(nights: tuple[SweepOnDisk, SweepOnDisk], **options: Any) -> NightComparison:
    for night in nights:
        night.folder.mkdir(exist_ok=True)
        night.save()
    return compare_sweeps(nights[0].folder, nights[1].folder, **options)


class TestFailures:
    def test_runs_fail_anew_pass_anew_or_fail_in_both_each_with_its_cause(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        tonight, last = two_nights
        for run_id, now, then in (
            (0, None, None),
            (1, "now", None),
            (2, None, "then"),
            (3, "b", "a"),
        ):
            for night, cause in ((tonight, now), (last, then)):
                status: RunStatus = "failed" if cause else "ok"
                kind = "mission" if cause else None
                night.entries.append(entry(run_id, status, stderr=cause, failure_kind=kind))

        found = compared(two_nights)

        failures = found.failures
        assert [(g.cause, g.run_ids) for g in failures.newly_failing] == [("now", (1,))]
        assert [(g.cause, g.run_ids) for g in failures.newly_passing] == [("then", (2,))]
        assert [(g.cause, g.run_ids) for g in failures.failing_in_both] == [("b", (3,))]
        assert found.moved
        assert "1 run newly failing, 1 run newly passing" in found.headline()
        assert table_rows(found.to_markdown(), "## Failures") == [
            ["newly failing", "now", "1", "1"],
            ["newly passing", "then", "1", "2"],
            ["failing in both", "b", "1", "3"],
        ]

    def test_of_runs_that_fail_in_both_nothing_moved(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        for night in two_nights:
            night.entries.append(mission_failure(0, stderr="always"))

        found = compared(two_nights)

        assert not found.moved
        assert found.headline().startswith("Nothing can be compared")

    def test_of_other_draws_no_run_is_newly_failing(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        tonight, last = two_nights
        failed = mission_failure(0, overrides={"Sat.SMA": 1.0}, stderr="x")
        tonight.entries.append(failed)
        last.entries.append(entry(0, overrides={"Sat.SMA": 2.0}))

        found = compared(two_nights)

        assert not found.paired
        assert found.failures.newly_failing == ()
        assert found.failures.change == 1.0

    def test_a_nan_that_both_nights_were_given_does_not_keep_runs_from_being_paired(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        for night in two_nights:
            night.entries.append(entry(0, overrides={"Sat.SMA": float("nan"), "b": 1}))

        assert compared(two_nights).paired

    def test_an_override_is_the_same_as_a_whole_number_and_as_a_decimal_one(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        for value, night in zip((7000, 7000.0), two_nights, strict=True):
            night.entries.append(entry(0, overrides={"Sat.SMA": value}))

        assert compared(two_nights).paired

    def test_the_interval_of_a_change_is_newcombes_from_the_exact_ones(self) -> None:
        change = drawn_failures(statuses(56, 70), statuses(48, 80), "monte_carlo")

        one, other = (binomtest(k, n).proportion_ci(0.95) for k, n in ((56, 70), (48, 80)))
        low = 0.2 - math.hypot(0.8 - one.low, other.high - 0.6)
        high = 0.2 + math.hypot(one.high - 0.8, 0.6 - other.low)
        assert change.change == pytest.approx(0.2)
        assert (change.low, change.high) == pytest.approx((low, high), rel=1e-9)
        # Newcombe (1998), table II (a), method 10, from Wilson's intervals is narrower.
        assert low < 0.0524 < 0.3339 < high

    @pytest.mark.parametrize("rates", [(0.05, 0.05), (0.1, 0.3), (0.5, 0.6), (0.9, 0.98)])
    def test_the_interval_of_a_change_misses_it_in_no_more_than_a_twentieth_of_nights(
        self, rates: tuple[float, float]
    ) -> None:
        # Summed over all that two nights of 12 runs can give.
        missed = 0.0
        for now, before in itertools.product(range(13), repeat=2):
            change = drawn_failures(statuses(now, 12), statuses(before, 12), "monte_carlo")
            assert change.low is not None
            assert change.high is not None
            if not change.low <= rates[0] - rates[1] <= change.high:
                missed += binom.pmf(now, 12, rates[0]) * binom.pmf(before, 12, rates[1])
        assert missed <= 0.05

    @pytest.mark.parametrize(("failed", "moved"), [(3, False), (9, False), (16, True)])
    def test_between_draws_failures_move_beyond_chance(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk], failed: int, moved: bool
    ) -> None:
        for night, fail, sma in zip(two_nights, (failed, 1), (1.0, 2.0), strict=True):
            night.design = "monte_carlo"
            for each in statuses(fail, 40):
                night.entries.append(replace(each, overrides={"Sat.SMA": sma}))

        found = compared(two_nights)

        expected = fisher_exact([[failed, 40 - failed], [1, 39]]).pvalue
        assert found.failures.pvalue == found.failures.adjusted_pvalue == pytest.approx(expected)
        assert found.failures.moved == found.moved == moved
        assert found.headline().startswith("Moved: the failure rate.") == moved
        assert f"p = {expected:.2g}, of all tests {expected:.2g}\n" in found.to_markdown()

    def test_of_a_latin_hypercube_the_change_has_no_interval_and_moves_nothing(self) -> None:
        change = drawn_failures(statuses(12, 12), statuses(0, 12), "latin_hypercube")

        assert (change.change, change.low, change.high, change.pvalue) == (1.0, None, None, None)
        assert not change.moved

    def test_a_run_that_failed_otherwise_is_told_apart_and_moves_nothing(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        tonight, last = two_nights
        tonight.entries.append(entry(0, "failed", stderr="too slow", failure_kind="timeout"))
        tonight.entries.append(entry(1))
        last.entries.extend([entry(0), entry(1, "failed", failure_kind="worker")])

        found = compared(two_nights)

        assert not found.moved
        assert found.failures.rate_tonight.runs == 0, "neither pair says anything"
        assert [group.run_ids for group in found.failures.otherwise] == [(0,)]
        assert " 1 run failed otherwise. " in found.headline()
        assert table_rows(found.to_markdown(), "## Failures") == [
            ["failed otherwise tonight", "too slow", "1", "0"]
        ]

    def test_where_tonights_failures_lie_is_said(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        for run_id in range(40):
            overrides = {"Sat.INC": run_id - 22.5}
            two_nights[0].entries.append(
                mission_failure(run_id, overrides=overrides)
                if run_id < 23
                else entry(run_id, overrides=overrides)
            )
            two_nights[1].entries.append(entry(run_id, overrides=overrides))

        text = compared(two_nights).to_markdown()

        assert "\n- tonight 23 of 40 failed, all with Sat.INC &lt; 0 (p = " in text

    def test_runs_that_fail_together_narrow_the_interval_by_the_corrected_association(
        self,
    ) -> None:
        # 20 fail in both, 5 tonight alone, 2 last night alone, 23 in none.
        tonight = statuses(25, 50)
        last = [*statuses(20, 25), *statuses(2, 25)]

        change = paired_failures(tonight, last, "monte_carlo")

        phi = (20 * 23 - 5 * 2 - 50 / 2) / math.sqrt(25 * 25 * 22 * 28)
        now, before = change.rate_tonight, change.rate_last
        assert now.low is not None
        assert before.high is not None
        down, up = 0.5 - now.low, before.high - 0.44
        assert change.low is not None
        assert change.low == pytest.approx(
            0.06 - math.sqrt(down**2 - 2 * phi * down * up + up**2), rel=1e-12
        )

    @given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
    def test_the_interval_holds_the_change_and_turns_around_with_the_nights(
        self, failed: list[tuple[bool, bool]]
    ) -> None:
        nights = [
            [mission_failure(n) if both[night] else entry(n) for n, both in enumerate(failed)]
            for night in (0, 1)
        ]

        there = paired_failures(nights[0], nights[1], "monte_carlo")
        back = paired_failures(nights[1], nights[0], "monte_carlo")

        assert there.change is not None
        assert there.low is not None
        assert there.high is not None
        assert there.low - 1e-9 <= there.change <= there.high + 1e-9
        assert back.low == pytest.approx(-there.high, abs=1e-12)
        assert back.moved == there.moved == any(now != then for now, then in failed)


def statuses(failed: int, runs: int) -> list[ManifestEntry]:
    return [mission_failure(n) if n < failed else entry(n) for n in range(runs)]


def mission_failure(run_id: int, **fields: Any) -> ManifestEntry:
    return entry(run_id, "failed", failure_kind="mission", **fields)


class TestOtherDesigns:
    def test_two_sets_of_another_design_are_not_judged(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        for offset, night in enumerate(two_nights):
            night.design = "latin_hypercube"
            for run_id in range(4):
                made = {"report__R": report(7000.0 + run_id + 10 * offset)}
                night.ok(run_id, made, overrides={"Sat.SMA": run_id + 10.0 * offset})

        found = compared(two_nights)

        (shift,) = (each for each in found.quantities if each.quantity == "Sat.SMA")
        assert (shift.verdict, shift.mean_shift) == ("not judged", -10.0)
        assert (shift.t_pvalue, shift.ks_pvalue, found.tests) == (None, None, 0)
        assert not found.moved
        assert found.headline().startswith(
            "Nothing is judged: the runs of a Latin hypercube are no independent random draws"
        )
        assert "There are no standard errors and no tests: " in found.to_markdown()

    def test_pairs_of_another_design_are_compared_by_size_like_any_other(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        for offset, night in enumerate(two_nights):
            night.design = "grid"
            for run_id in range(3):
                night.ok(run_id, {"report__R": report(7000.0 + run_id * (1 + 0.1 * offset))})

        found = compared(two_nights)

        (shift,) = found.moved_quantities
        assert (shift.why, shift.pairs) == (("p95",), 3)
        assert found.headline().startswith("Moved: 1 of 2 quantities.")


class TestTelling:
    @pytest.fixture
    def told(self, two_nights: tuple[SweepOnDisk, SweepOnDisk]) -> NightComparison:
        """A comparison in which everything that can be odd is."""
        tonight, last = two_nights
        tonight.ok(0, {"report__R": report(7000.0, new=[1.0, 2.0, math.inf])})
        tonight.ok(1, {"report__R": report(1e300)})
        tonight.ok(2, {"report__R": Path("run-2/gone.parquet")})
        last.ok(0, {"report__R": report(7000.0, old=[1, 2, 3])})
        last.ok(1, {"report__R": report(-1e300)})
        last.ok(2, {"report__R": report(7000.0)})
        for night in two_nights:
            night.design = "monte_carlo"
            night.entries.append(entry(3, "failed", stderr="a | b\nNaN"))
        return compared(two_nights)

    def test_the_dict_is_strict_json_and_says_whether_something_moved(
        self, told: NightComparison
    ) -> None:
        record = json.loads(json.dumps(told.to_dict(), allow_nan=False))

        assert record["moved"] is True
        assert record["headline"] == told.headline()
        assert [each["quantity"] for each in record["quantities"]] == [
            "Sat.UTCGregorian", "Sat.SMA", "new", "old",
        ]  # fmt: skip
        assert record["tonight"].endswith("manifest.jsonl")

    def test_the_markdown_has_no_word_for_what_is_not_a_number(self, told: NightComparison) -> None:
        text = told.to_markdown()
        quantities = table_rows(text, "## At the end of the run")

        assert [row[:3] for row in quantities] == [
            ["Sat.UTCGregorian", "s", "**moved**: one night"],
            ["Sat.SMA", "km", "**moved**: mean, 5 %, 50 %, 95 %, run, one night"],
            ["old", "", "**moved**: one night"],
        ]
        assert "\n\nNo value in either night: new.\n\n" in text
        cells = {cell for row in quantities for cell in row}
        assert not {"nan", "inf", "None"} & cells
        assert "The files of 1 run of tonight could not be read" in text

    def test_the_headline_and_the_rule_are_told(self, told: NightComparison) -> None:
        text = told.to_markdown()

        assert text.startswith("**Moved: 3 of 3 quantities.")
        assert "or sigma shifted by more than 0.1 of last night's sigma, or one of" in text
        assert "\nOnly runs that are ok in both nights are compared here.\n" in text
        survivors = "\nOnly runs that are ok are compared here."
        assert survivors in replace(told, paired=False).to_markdown()

    def test_the_other_night_has_the_name_that_it_is_given(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        for start, night in zip((7001.0, 7000.0), two_nights, strict=True):
            night.ok(0, {"report__R": report(start)})

        text = compared(two_nights, against="the baseline").to_markdown()

        assert "last night" not in text
        assert "## At the end of the run, tonight minus the baseline" in text

    def test_what_changed_by_less_than_matters_is_one_line_of_the_largest(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        for by, night in zip((1.0, 0.0), two_nights, strict=True):
            for run_id in range(11):
                small, large = 100.0 * run_id + 0.1 * by, 100.0 * run_id + 2.5 * by
                night.ok(run_id, {"report__R": report(x=[0.0, 0.0, small], y=[0, 0, large])})

        found = compared(two_nights)

        sigma = 100 * math.sqrt(11)  # of 0, 1, ... 10 it is the root of 11
        assert not found.moved
        assert found.changed == (
            "Changed by less than matters: 2 quantities, most of all y: the mean by 2.5, "
            f"{2.5 / sigma:.2g} sigma."
        )
        assert f"\n\n{found.changed}\n\n" in found.to_markdown()
        assert "| " not in found.to_markdown().partition("## At the end")[2]
        assert found.to_dict()["changed"] == found.changed

    def test_an_event_that_comes_later_moved_however_its_time_is_reported(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        epochs = pd.date_range("2026-01-01", periods=3, freq="30s")
        for by, night in zip((2.5, 0.0), two_nights, strict=True):
            for run_id in range(20):
                seconds = run_id - 10 + by
                at = epochs + pd.Timedelta(seconds=seconds)
                days = [31041.5 + seconds / 86400] * 3
                night.ok(
                    run_id,
                    {
                        "report__R": report(
                            7000.0, 3, **{"Sat.TAIGregorian": at, "Sat.TAIModJulian": days}
                        )
                    },
                )

        moved = {each.quantity: each for each in compared(two_nights).moved_quantities}

        gregorian, julian = moved["Sat.TAIGregorian"], moved["Sat.TAIModJulian"]
        assert (gregorian.unit, gregorian.mean_shift) == ("s", 2.5)
        assert julian.mean_shift == pytest.approx(2.5 / 86400, abs=1e-11)
        # Seconds since 2000-01-01 12:00, by Python's own calendar.
        after = datetime(2026, 1, 1, 0, 1) - datetime(2000, 1, 1, 12)  # noqa: DTZ001
        assert gregorian.mean_last == pytest.approx(after.total_seconds() - 0.5, abs=1e-6)

    def test_the_tables_fit_a_page_of_the_prefect_ui(self, told: NightComparison) -> None:
        text = told.to_markdown(narrow=True)

        assert max(len(line) for line in text.splitlines() if line.startswith("|")) <= 100
        every = table_rows(told.to_markdown(), "## At the end of the run")
        assert all(cell in text for row in every for cell in row)

    def test_no_rate_is_told_of_nights_without_runs(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        found = compared(two_nights)

        assert found.why_not_paired == "no run id was run in both nights"
        assert (
            "failure rate: no run to tell it from tonight, no run to tell it from last night\n"
            in found.to_markdown()
        )
        assert not found.moved

    def test_moved_is_that_of_quantities_or_of_failures(self, told: NightComparison) -> None:
        rate = FailureRate(0, 1, 0.0)
        calm = replace(
            told,
            quantities=(),
            failures=replace(told.failures, rate_tonight=rate, low=0.1, high=0.2),
        )

        assert not calm.moved, "an interval of 95 % leaves out zero in one night of twenty"
        assert replace(calm, failures=replace(calm.failures, beyond_chance=True)).moved
        assert replace(calm, requirements=(RequirementChange("r", (1,)),)).moved
