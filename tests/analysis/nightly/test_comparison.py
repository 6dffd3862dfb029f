"""compare_sweeps: what moved since last night, what fails now, and which input changed."""

from __future__ import annotations

import itertools
import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, circmean

from gmat_sweep import LocalJoblibPool, Manifest, SweepConfigError, monte_carlo
from gmat_sweep.analysis import (
    FailureRate,
    MoveRule,
    NightComparison,
    QuantityShift,
    compare_sweeps,
    input_hashes,
)
from gmat_sweep.analysis.nightly.failures import drawn_failures, paired_failures
from gmat_sweep.analysis.nightly.shifts import drawn_shift, paired_shift
from gmat_sweep.manifest import ManifestEntry
from gmat_sweep.spec import RunStatus
from reported_runs import entry, table_rows
from repository import DATA
from sweep_on_disk import SweepOnDisk, report

SCRIPT = DATA / "leo_basic.script"
PERTURB = {"Sat.SMA": ("normal", 7000, 5), "Sat.ECC": ("uniform", 0.0, 1.2)}
LUNAR = ("FM.PointMasses = {Earth}", "FM.PointMasses = {Earth, Luna}")

NODE = "Sat.EarthMJ2000Eq.RAAN"

finite = st.floats(allow_nan=False, allow_infinity=False)
pairs = st.lists(st.tuples(finite, finite), min_size=1, max_size=12)


def sets_of_draws(rng: int, n: int, shift: float = 0.0) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(rng).normal(size=n) + shift


def paired(tonight: list[float], last: list[float], rule: MoveRule | None = None) -> QuantityShift:
    ids = np.arange(len(tonight)) + 10
    return paired_shift("R", "x", "", ids, np.array(tonight), np.array(last), rule or MoveRule())


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

    def test_an_edited_force_model_moves_quantities_and_the_script_is_named(
        self, nights: Path
    ) -> None:
        found = compare_sweeps(nights / "lunar", nights / "first")

        shift = {each.quantity: each for each in found.quantities}["Sat.Earth.SMA"]
        assert found.moved
        assert shift.verdict == "moved"
        assert shift.mean_shift == pytest.approx(1e-4, abs=9e-5)  # km, by hand from two runs
        assert (shift.pairs, shift.equal_runs, shift.unit) == (shift.runs_last, 0, "km")
        (change,) = found.inputs
        assert (change.group, change.name) == ("script", "mission.script")
        assert change.after == Manifest.load(nights / "lunar" / "manifest.jsonl").script_sha256

    def test_each_shift_is_that_of_the_last_rows_of_the_same_run(self, nights: Path) -> None:
        import pandas as pd

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
        assert shift.standard_error == pytest.approx(difference.sem(), rel=1e-9)
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
        assert all(each.ks_pvalue is not None for each in found.quantities)
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
        assert change.moved

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

    def test_of_a_latin_hypercube_the_change_has_no_interval_and_moves_nothing(self) -> None:
        change = drawn_failures(statuses(12, 12), statuses(0, 12), "latin_hypercube")

        assert (change.change, change.low, change.high) == (1.0, None, None)
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


class TestPairedShift:
    def test_a_shift_common_to_all_runs_moves_the_mean_however_wide_the_spread(self) -> None:
        last = [100.0, 200.0, 300.0, 400.0]

        shift = paired([value + 0.5 for value in last], last)

        assert shift.verdict == "moved"
        assert (shift.mean_shift, shift.standard_error) == (0.5, 0.0)
        assert shift.sigma_last == pytest.approx(np.std(last, ddof=1))

    def test_one_run_that_goes_astray_by_more_than_a_sigma_is_enough(self) -> None:
        last = [float(value) for value in range(100)]
        tonight = [*last[:-1], 200.0]

        shift = paired(tonight, last)

        assert shift.mean_shift is not None
        assert shift.standard_error is not None
        assert shift.mean_shift < 4 * shift.standard_error
        assert (shift.verdict, shift.largest_shift, shift.largest_run) == ("moved", 101.0, 109)
        assert shift.equal_runs == 99

    def test_scatter_within_the_spread_changed_but_did_not_move(self) -> None:
        last = [float(value) for value in range(100)]
        tonight = [value + (-1) ** n for n, value in enumerate(last)]

        assert paired(tonight, last).verdict == "changed"

    def test_rounding_is_within_tolerance(self) -> None:
        last = [7000.0, 7001.0]

        shift = paired([math.nextafter(value, math.inf) for value in last], last)

        assert (shift.verdict, shift.equal_runs) == ("within tolerance", 0)

    def test_a_quantity_without_spread_moves_with_any_shift_beyond_rounding(self) -> None:
        assert paired([850.0, 850.0, 849.0], [850.0] * 3).verdict == "moved"
        assert paired([1.0], [0.0]).verdict == "moved"

    def test_a_value_that_only_one_night_has_is_a_move(self) -> None:
        shift = paired([1.0, math.nan, math.inf], [1.0, 2.0, math.nan])

        assert (shift.verdict, shift.pairs, shift.one_sided) == ("moved", 1, 1)

    def test_values_that_neither_night_has_are_no_data(self) -> None:
        shift = paired([math.nan, math.inf], [math.nan, math.nan])

        assert (shift.verdict, shift.pairs, shift.mean_shift) == ("no data", 0, None)

    @given(st.lists(finite, min_size=1, max_size=12), st.data())
    def test_a_shift_of_exactly_zero_never_moved_whatever_the_rule(
        self, values: list[float], data: st.DataObject
    ) -> None:
        factor = st.floats(0, 1e3)
        rule = MoveRule(*(data.draw(factor) for _ in range(3)))

        shift = paired(values, values, rule)

        assert shift.verdict == "equal"
        assert shift.mean_shift == shift.largest_shift == 0

    @given(pairs)
    def test_turning_the_nights_around_turns_the_shift_around(
        self, values: list[tuple[float, float]]
    ) -> None:
        tonight, last = (list(each) for each in zip(*values, strict=True))

        there, back = paired(tonight, last), paired(last, tonight)

        assert there.equal_runs == back.equal_runs
        assert there.standard_error == back.standard_error
        if there.mean_shift is not None:
            assert back.mean_shift == -there.mean_shift
        if there.largest_shift is not None:
            assert back.largest_shift == -there.largest_shift

    @given(pairs, st.permutations(range(12)))
    def test_the_order_of_the_runs_does_not_matter_to_the_verdict(
        self, values: list[tuple[float, float]], order: list[int]
    ) -> None:
        # Whole numbers, whose sums are exact: rounding may differ with the order.
        whole = [(float(int(a) % 1000), float(int(b) % 1000)) for a, b in values]
        shuffled = [whole[n] for n in order if n < len(whole)]

        verdicts = {
            paired([tonight for tonight, _ in some], [last for _, last in some]).verdict
            for some in (whole, shuffled)
        }

        assert len(verdicts) == 1

    @given(pairs)
    def test_every_number_told_is_finite_also_where_squares_overflow(
        self, values: list[tuple[float, float]]
    ) -> None:
        tonight, last = (list(each) for each in zip(*values, strict=True))

        shift = paired(tonight, last)

        json.dumps({name: getattr(shift, name) for name in shift.__slots__}, allow_nan=False)
        assert (shift.verdict == "equal") == (tonight == last)


class TestAngles:
    def test_a_node_that_steps_over_zero_moved_by_the_way_on_the_circle(self) -> None:
        last = np.array([359.9999, 359.9998])
        moved = paired_shift(
            "R", NODE, "deg", np.arange(2), np.array([0.0001, 359.9999]), last, MoveRule()
        )

        assert moved.largest_shift == pytest.approx(2e-4, abs=1e-12)
        assert moved.mean_shift == pytest.approx(1.5e-4, abs=1e-12)
        assert moved.mean_last == pytest.approx(circmean(last, high=360), abs=1e-12)
        assert moved.sigma_last == pytest.approx(np.std(last, ddof=1), rel=1e-9)

    def test_a_turn_is_no_shift_and_rounding_around_zero_is_rounding(self) -> None:
        ids = np.arange(2)
        turned = paired_shift(
            "R", NODE, "deg", ids, np.array([360.0, 0.0]), np.array([0.0, 360.0]), MoveRule()
        )
        rounded = paired_shift(
            "R", NODE, "deg", ids, np.array([1e-9, 0.0]), np.array([0.0, 360 - 1e-9]), MoveRule()
        )

        assert (turned.verdict, turned.largest_shift) == ("within tolerance", 0.0)
        assert rounded.verdict == "within tolerance"

    def test_draws_around_zero_have_the_shift_and_the_test_of_draws_elsewhere(self) -> None:
        tonight, last = sets_of_draws(1, 60, 0.2), sets_of_draws(2, 60)

        around = drawn_shift("R", NODE, "deg", tonight % 360, last % 360, MoveRule())
        elsewhere = drawn_shift("R", "Sat.INC", "deg", tonight, last, MoveRule())

        assert around.ks_pvalue == elsewhere.ks_pvalue
        assert around.sigma_tonight == pytest.approx(elsewhere.sigma_tonight, rel=1e-9)
        assert around.standard_error == pytest.approx(elsewhere.standard_error, rel=1e-9)
        means = [circmean(each, high=360) for each in (tonight, last)]
        expected = (means[0] - means[1] + 180) % 360 - 180
        assert around.mean_shift == pytest.approx(expected, abs=1e-9)


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

        (shift,) = found.quantities
        assert (shift.verdict, shift.mean_shift) == ("not judged", -10.0)
        assert (shift.standard_error, shift.ks_pvalue) == (None, None)
        assert not found.moved
        assert found.headline().startswith(
            "Nothing is judged: the runs of a Latin hypercube are no independent random draws"
        )
        assert "There are no standard errors and no tests: " in found.to_markdown()

    def test_pairs_of_another_design_have_no_standard_error(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        for offset, night in enumerate(two_nights):
            night.design = "grid"
            for run_id in range(3):
                night.ok(run_id, {"report__R": report(7000.0 + run_id * (1 + 0.1 * offset))})

        found = compared(two_nights)

        (shift,) = found.quantities
        assert (shift.standard_error, shift.pairs) == (None, 3)
        assert "(no standard error: the runs of a grid are no" in found.to_markdown()


class TestDrawnShift:
    def test_two_samples_of_one_distribution_did_not_move(self) -> None:
        shift = drawn_shift("R", "x", "", sets_of_draws(1, 200), sets_of_draws(2, 200), MoveRule())

        assert (shift.verdict, shift.runs_tonight, shift.runs_last) == ("not moved", 200, 200)
        assert shift.standard_error == pytest.approx(0.1, rel=0.1)
        assert shift.pairs is None

    def test_a_mean_that_is_far_off_moved(self) -> None:
        shift = drawn_shift(
            "R", "x", "", sets_of_draws(1, 200, shift=1.0), sets_of_draws(2, 200), MoveRule()
        )

        assert shift.verdict == "moved"
        assert shift.mean_shift == pytest.approx(1.0, abs=0.3)

    def test_a_wider_spread_about_the_same_mean_moved_too(self) -> None:
        shift = drawn_shift(
            "R", "x", "", 5 * sets_of_draws(1, 400), sets_of_draws(2, 400), MoveRule()
        )

        assert shift.mean_shift is not None
        assert shift.standard_error is not None
        assert abs(shift.mean_shift) < 4 * shift.standard_error
        assert shift.ks_pvalue is not None
        assert shift.ks_pvalue < MoveRule().false_alarm
        assert shift.verdict == "moved"

    def test_rounding_of_a_constant_did_not_move_although_no_value_is_the_same(self) -> None:
        tonight = np.full(50, math.nextafter(7000.0, 8000.0))

        shift = drawn_shift("R", "x", "", tonight, np.full(50, 7000.0), MoveRule())

        assert shift.ks_statistic == 1
        assert shift.verdict == "not moved"

    def test_single_draws_say_nothing_of_a_move_and_no_draws_are_no_data(self) -> None:
        one, none = np.array([1.0]), np.array([math.nan])

        assert drawn_shift("R", "x", "", one, np.array([2.0]), MoveRule()).verdict == "not moved"
        assert drawn_shift("R", "x", "", one, none, MoveRule()).verdict == "no data"

    # SciPy's exact p-value of this one is not between 0 and 1, of which it warns.
    @example(tonight=[0.0] * 5, last=[0.0] * 4 + [1.0])
    @given(
        tonight=st.lists(finite, min_size=1, max_size=8),
        last=st.lists(finite, min_size=1, max_size=8),
    )
    def test_every_number_told_is_finite_and_few_draws_of_the_same_did_not_move(
        self, tonight: list[float], last: list[float]
    ) -> None:
        shift = drawn_shift("R", "x", "", np.array(tonight), np.array(last), MoveRule())
        same = drawn_shift("R", "x", "", np.array(last), np.array(last), MoveRule())

        json.dumps({name: getattr(shift, name) for name in shift.__slots__}, allow_nan=False)
        assert (same.verdict, same.mean_shift) == ("not moved", 0)


class TestRule:
    @pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
    def test_a_rule_that_is_no_number_of_at_least_0_is_refused(self, wrong: float) -> None:
        with pytest.raises(SweepConfigError, match="relative_tolerance must be"):
            MoveRule(relative_tolerance=wrong)

    def test_the_false_alarm_is_that_of_a_normal_mean(self) -> None:
        assert MoveRule(standard_errors=1.959964).false_alarm == pytest.approx(0.05, abs=1e-6)

    def test_another_rule_gives_another_verdict(
        self, two_nights: tuple[SweepOnDisk, SweepOnDisk]
    ) -> None:
        for start, night in zip((7001.0, 7000.0), two_nights, strict=True):
            for run_id in range(3):
                night.ok(run_id, {"report__R": report(start)})

        assert compared(two_nights).moved
        assert not compared(two_nights, rule=MoveRule(relative_tolerance=1e-3)).moved


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
        assert [each["quantity"] for each in record["quantities"]] == ["Sat.SMA", "new", "old"]
        assert record["tonight"].endswith("manifest.jsonl")

    def test_the_markdown_has_no_word_for_what_is_not_a_number(self, told: NightComparison) -> None:
        text = told.to_markdown()
        quantities = table_rows(text, "## At the end of the run")

        assert [row[:3] for row in quantities] == [
            ["Sat.SMA", "km", "**moved**"],
            ["old", "", "**moved**"],
            ["new", "", "no data"],
        ]
        cells = {cell for row in quantities for cell in row}
        assert not {"nan", "inf", "None"} & cells
        assert "The files of 1 run of tonight could not be read" in text

    def test_moved_quantities_come_first_and_the_rule_is_told(self, told: NightComparison) -> None:
        text = told.to_markdown()

        assert text.startswith("**Moved: 2 of 2 quantities.")
        assert re.search(r"mean shifted by more than 4 standard errors, or one of whose runs", text)
        assert "\nOnly runs that are ok in both nights are in this table.\n" in text
        assert (
            "\nOnly runs that are ok are in this table."
            in replace(told, paired=False).to_markdown()
        )

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
            failures=replace(told.failures, rate_tonight=rate, low=-0.1, high=0.1),
        )

        assert not calm.moved
        assert replace(calm, failures=replace(calm.failures, low=0.01)).moved
