"""accumulated: nights with equal inputs are judged as one sequence of runs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from gmat_sweep import SweepConfigError
from gmat_sweep.analysis.nightly import accumulated
from gmat_sweep.analysis.nightly.cohorts import rotating_folder
from gmat_sweep.analysis.nightly.retention import nights_in, prune
from gmat_sweep.cli import main
from gmat_sweep.verdicts.evidence import first_crossings, log_evidence_fail, log_evidence_pass
from gmat_sweep.verdicts.judging import judge
from judged_nights import REQUIREMENTS, inputs, night
from judged_sweeps import COLUMN, JudgedSweep

Q, ALPHA = 0.05, 0.1


class TestSequence:
    def test_rotating_nights_are_judged_like_one_sweep_of_all_their_runs(
        self, tmp_path: Path
    ) -> None:
        """The reference is `judge` of one sweep, and the formula of the evidence in closed form."""
        place = tmp_path / "nights"
        bad = {3: (1, 7), 5: (0,)}
        for day in range(1, 9):
            night(place, day, bad.get(day, ()))
        whole = JudgedSweep(tmp_path / "whole", 80)
        whole.fly(80, [10 * (day - 1) + run for day, runs in bad.items() for run in runs])

        found = accumulated(place, REQUIREMENTS)
        alone = judge(whole.folder, REQUIREMENTS, "anytime")["ok"]

        [verdict] = found.verdicts.requirements
        assert (verdict.n, verdict.violations) == (80, 3) == (alone.n, alone.violations)
        assert verdict.evidence_pass == alone.evidence_pass == log_evidence_pass(3, 80, Q)
        assert verdict.evidence_fail == alone.evidence_fail == log_evidence_fail(3, 80, Q)
        assert verdict.reached_at == alone.reached_at
        assert found.verdicts.plan == "anytime"
        assert len(found.nights) == 8
        assert found.restarted_because == ()
        assert [each.total["ok"] for each in found.history] == list(range(10, 81, 10))
        assert found.history[4].evidence_pass["ok"] == log_evidence_pass(3, 50, Q)
        named = [(each.name, each.run_id) for each in found.violating["ok"]]
        assert named == [
            ("2026-11-03T033000Z", 1), ("2026-11-03T033000Z", 7), ("2026-11-05T033000Z", 0),
        ]  # fmt: skip

    def test_a_verdict_once_reached_stays_and_an_earlier_night_is_as_it_was_then(
        self, tmp_path: Path
    ) -> None:
        for day in range(1, 8):
            night(tmp_path, day)
        before = accumulated(tmp_path, REQUIREMENTS).verdicts
        for day in range(8, 10):
            night(tmp_path, day, (4,))

        assert before.verdict == "PASS"
        assert accumulated(tmp_path, REQUIREMENTS).verdicts.verdict == "PASS"
        assert accumulated(tmp_path, REQUIREMENTS, "2026-11-07T033000Z").verdicts == before

    def test_the_worst_runs_are_named_by_night(self, tmp_path: Path) -> None:
        asked = [{"name": "low", "column": COLUMN, "limit": "< 100", "probability": 0.9}]
        for day, values in ((1, (5.0, 99.0)), (2, (120.0, 7.0))):
            sweep = JudgedSweep(tmp_path / f"2026-11-0{day}", 2, sweep_seed=day)
            for run_id, value in enumerate(values):
                sweep.add(run_id, value, seed=10 * day + run_id)
            inputs().write(sweep.folder)

        found = accumulated(tmp_path, asked)

        worst = [(each.name, each.run_id, each.value) for each in found.worst["low"]]
        assert worst[:2] == [("2026-11-02", 0, 120.0), ("2026-11-01", 1, 99.0)]
        assert [each.run_id for each in found.violating["low"]] == [0]
        assert found.verdicts["low"].margin == -20.0


class TestRepeatedDraws:
    def test_frozen_runs_count_once_and_their_later_outcomes_not_at_all(
        self, tmp_path: Path
    ) -> None:
        for day in range(1, 11):
            night(tmp_path, day, () if day == 1 else (0, 1), seed=0, runs=8)

        [verdict] = accumulated(tmp_path, REQUIREMENTS).verdicts.requirements

        assert (verdict.n, verdict.violations) == (8, 0)
        assert accumulated(tmp_path, REQUIREMENTS).verdicts.verdict == "INCONCLUSIVE"

    def test_of_a_night_with_both_cohorts_only_the_rotating_one_is_new(
        self, tmp_path: Path
    ) -> None:
        for day in range(1, 4):
            night(tmp_path, day, (0,), seed=0, runs=5)
            night(tmp_path, day, (1,) if day == 2 else (), runs=10, cohort="rotating")

        found = accumulated(tmp_path, REQUIREMENTS)

        [verdict] = found.verdicts.requirements
        assert (verdict.n, verdict.violations) == (5 + 3 * 10, 1 + 1)
        assert [(each.runs, each.repeated) for each in found.history] == [
            (5, 0), (10, 0), (0, 5), (10, 0), (0, 5), (10, 0),
        ]  # fmt: skip
        assert rotating_folder(found.nights[1]) == found.violating["ok"][1].sweep
        assert any("10 runs with draws that an earlier" in note for note in found.verdicts.notes)


class TestRestart:
    def test_an_input_that_changes_begins_anew_and_is_named(self, tmp_path: Path) -> None:
        data = {"gravity/earth/JGM2.cof": "a", "time/tai-utc.dat": "t"}
        for day in range(1, 4):
            night(tmp_path, day, (0, 1, 2), hashes=inputs(data, data))
        changed = data | {"gravity/earth/JGM2.cof": "b"}
        for day in range(4, 6):
            night(tmp_path, day, (5,), hashes=inputs(changed, changed))

        found = accumulated(tmp_path, REQUIREMENTS)

        [verdict] = found.verdicts.requirements
        assert (verdict.n, verdict.violations) == (20, 2)
        [change] = found.restarted_because
        assert (change.group, change.name) == ("data", "gravity/earth/JGM2.cof")
        assert (change.before, change.after) == ("a", "b")
        assert "data gravity/earth/JGM2.cof (a to b)" in found.to_text()
        assert accumulated(tmp_path, REQUIREMENTS, "2026-11-03T033000Z").verdicts["ok"].n == 30
        # Back to the old file is another change, and does not bring the old nights back.
        night(tmp_path, 6, hashes=inputs(data, data))
        assert accumulated(tmp_path, REQUIREMENTS).verdicts["ok"].n == 10

    @pytest.mark.parametrize(
        "change",
        [
            {"hashes": inputs({"gravity/earth/EGM96.cof": "new"}, ())},
            {"hashes": inputs({"gravity/earth/EGM96.cof": "a"}, ()), "run_count": 10},
            {"python_version": "3.13.0", "gmat_sweep_version": "9"},
        ],
        ids=["unused data", "unused data added", "packages"],
    )
    def test_what_no_number_depends_on_restarts_nothing(
        self, change: dict[str, object], tmp_path: Path
    ) -> None:
        night(tmp_path, 1)
        night(tmp_path, 2, **change)  # type: ignore[arg-type]

        assert accumulated(tmp_path, REQUIREMENTS).verdicts["ok"].n == 20

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"script_sha256": "6d" * 32}, "script"),
            ({"gmat_install_version": "R2027a"}, "engine"),
            ({"postprocess": "hooks:other"}, "hook"),
            ({"parameter_spec": {"perturb": {"Sat.SMA": ["normal", 7000, 2]}}}, "plan"),
            # The mission does not name it, but the plan varies it.
            (
                {
                    "hashes": inputs({"gravity/earth/EGM96.cof": "b"}, ()),
                    "parameter_spec": {"perturb": {"FM.File": ["choice", "EGM96.cof"]}},
                },
                "data",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_every_kind_of_input_that_decides_does(
        self, change: dict[str, object], named: str, tmp_path: Path
    ) -> None:
        night(tmp_path, 1)
        night(tmp_path, 2, **change)  # type: ignore[arg-type]

        found = accumulated(tmp_path, REQUIREMENTS)
        assert found.verdicts["ok"].n == 10
        assert named in {each.group for each in found.restarted_because}

    def test_a_night_without_hashes_or_with_drift_is_no_part_of_what_is_around_it(
        self, tmp_path: Path
    ) -> None:
        night(tmp_path, 1)
        (night(tmp_path, 2) / "inputs.json").unlink()
        assert accumulated(tmp_path, REQUIREMENTS).verdicts["ok"].n == 10
        night(tmp_path, 3)
        assert accumulated(tmp_path, REQUIREMENTS).verdicts["ok"].n == 10

        sweep = JudgedSweep(tmp_path / "2026-11-04T033000Z", 2, sweep_seed=4)
        sweep.add(0, seed=1).add(1, seed=2, extra={"script_sha256": "77" * 32})
        inputs().write(sweep.folder)
        drifted = accumulated(tmp_path, REQUIREMENTS)
        assert drifted.verdicts.verdict == "NOT APPLICABLE"
        assert "another script in 1 run" in drifted.verdicts["ok"].reason
        night(tmp_path, 5)
        assert accumulated(tmp_path, REQUIREMENTS).verdicts["ok"].n == 10

    @pytest.mark.parametrize("removed", [False, True])
    def test_draws_that_were_flown_with_other_inputs_are_no_evidence(
        self, removed: bool, tmp_path: Path
    ) -> None:
        """Also when the nights that flew them have been removed meanwhile."""
        night(tmp_path, 1, seed=0, script_sha256="6d" * 32)
        night(tmp_path, 2, seed=0, runs=4, script_sha256="6d" * 32)
        # The frozen runs of before, two that are new to them, and new draws.
        for day in (3, 4):
            night(tmp_path, day, (11,), seed=0, runs=12)
            night(tmp_path, day, (2,), runs=5, cohort="rotating")
        if removed:
            gone = prune(tmp_path, nights_in(tmp_path, 2))
            assert [each.name[:10] for each in gone] == ["2026-11-02", "2026-11-01"]
            assert prune(tmp_path, nights_in(tmp_path, 2)) == ()

        found = accumulated(tmp_path, REQUIREMENTS)

        [verdict] = found.verdicts.requirements
        assert (verdict.n, verdict.violations) == (2 + 5 + 5, 1 + 1 + 1)
        assert [(each.runs, each.repeated) for each in found.history] == [
            (2, 10), (5, 0), (0, 12), (5, 0),
        ]  # fmt: skip
        told = "\n".join(found.verdicts.notes)
        assert "20 runs with draws that were flown before the inputs changed" in told
        assert "2 runs with draws that an earlier night flew with the same inputs" in told
        # What was judged with the first inputs stands on the same draws as ever.
        if not removed:
            assert accumulated(tmp_path, REQUIREMENTS, "2026-11-02T033000Z").verdicts["ok"].n == 10

    def test_a_mission_with_frozen_runs_alone_has_no_evidence_after_a_change(
        self, tmp_path: Path
    ) -> None:
        night(tmp_path, 1, seed=0, script_sha256="6d" * 32)
        night(tmp_path, 2, seed=0)

        verdicts = accumulated(tmp_path, REQUIREMENTS).verdicts

        assert (verdicts.verdict, verdicts["ok"].n) == ("INCONCLUSIVE", 0)
        [note] = verdicts.notes
        assert note.startswith("10 runs with draws that were flown before the inputs changed")

    def test_an_earlier_night_that_is_damaged_is_taken_to_have_flown_all_its_draws(
        self, tmp_path: Path
    ) -> None:
        damaged = night(tmp_path, 1, seed=0, script_sha256="6d" * 32) / "manifest.jsonl"
        lines = damaged.read_bytes().splitlines(keepends=True)
        damaged.write_bytes(lines[0] + b"{" + b"".join(lines[1:]))
        night(tmp_path, 2, seed=0)
        assert accumulated(tmp_path, REQUIREMENTS).verdicts["ok"].n == 0

        (tmp_path / "earlier-draws.json").write_text("[]")
        with pytest.raises(SweepConfigError, match=r"earlier-draws\.json cannot be understood"):
            accumulated(tmp_path, REQUIREMENTS)


class TestGaps:
    def test_nothing_after_a_gap_counts_until_it_is_filled(self, tmp_path: Path) -> None:
        """Failing runs last longest: to skip a night that was stopped in one hides failures."""
        night(tmp_path, 1)
        gap = night(tmp_path, 2, flown=4)
        night(tmp_path, 3)

        found = accumulated(tmp_path, REQUIREMENTS)

        assert found.verdicts["ok"].n == 14
        assert len(found.nights) == 2
        assert any(f"gmat-sweep resume {gap}" in note for note in found.verdicts.notes)

    def test_a_night_that_flew_nothing_is_passed_over(self, tmp_path: Path) -> None:
        night(tmp_path, 1)
        empty = tmp_path / "2026-11-02T033000Z"
        empty.mkdir()
        inputs({"a": "b"}, ("a",)).write(empty)
        night(tmp_path, 3)

        assert accumulated(tmp_path, REQUIREMENTS).verdicts["ok"].n == 20

    def test_a_manifest_that_cannot_be_read_ends_what_came_before(self, tmp_path: Path) -> None:
        night(tmp_path, 1)
        broken = night(tmp_path, 2) / "manifest.jsonl"
        broken.write_bytes(b"{" + broken.read_bytes()[5:])
        night(tmp_path, 3)

        found = accumulated(tmp_path, REQUIREMENTS)
        assert found.verdicts["ok"].n == 10
        assert "cannot be read" in found.reason


class TestChoice:
    def test_a_limit_that_is_changed_after_a_look_never_passes(self, tmp_path: Path) -> None:
        for day in range(1, 9):
            night(tmp_path, day)
        eased = [{**REQUIREMENTS[0], "probability": 0.9}]
        assert accumulated(tmp_path, REQUIREMENTS).verdicts.verdict == "PASS"

        late = accumulated(tmp_path, eased).verdicts

        assert late["ok"].verdict == "PASS"
        assert late.verdict == "INCONCLUSIVE"
        assert late.chosen_after
        assert accumulated(tmp_path, REQUIREMENTS).verdicts.verdict == "PASS"
        # With other inputs the nights that were seen are none of these.
        for day in range(10, 18):
            night(tmp_path, day, script_sha256="6d" * 32)
        assert accumulated(tmp_path, eased).verdicts.verdict == "PASS"

    def test_a_damaged_record_of_the_choice_is_named(self, tmp_path: Path) -> None:
        night(tmp_path, 1)
        (tmp_path / "verification.json").write_text("{}")
        with pytest.raises(SweepConfigError, match=r"verification\.json"):
            accumulated(tmp_path, REQUIREMENTS)


class TestMistakes:
    def test_no_nights_and_no_such_night_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(SweepConfigError, match="has no nights"):
            accumulated(tmp_path, REQUIREMENTS)
        night(tmp_path, 1)
        with pytest.raises(SweepConfigError, match="has no night 2026-12-24"):
            accumulated(tmp_path, REQUIREMENTS, "2026-12-24")

    def test_a_design_that_draws_nothing_is_no_evidence(self, tmp_path: Path) -> None:
        night(tmp_path, 1, kind="latin_hypercube")
        found = accumulated(tmp_path, REQUIREMENTS)
        assert found.verdicts.verdict == "NOT APPLICABLE"
        assert "2026-11-01T033000Z: the runs of a Latin hypercube" in found.verdicts["ok"].reason


def test_the_command_prints_the_verdicts_and_ends_as_verify_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, asked = tmp_path / "nights", tmp_path / "r.json"
    asked.write_text(json.dumps(REQUIREMENTS))
    for day in range(1, 8):
        night(place, day, hashes=None if day > 1 else inputs({"time/tai-utc.dat": "t"}, ()))

    words = ["nights", "evidence", str(place), "--requirements", str(asked)]
    assert main([*words, "--until", "2026-11-02T033000Z"]) == 8
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "campaign PASS" in said
    assert "7 nights, 70 runs count." in said
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["verdicts"]["requirements"][0]["n"] == 70
    found = accumulated(place, asked)
    data, text = found.write(found.nights[-1])
    assert json.loads(data.read_text()) == found.to_dict()
    assert "| 2026-11-07T033000Z |" in text.read_text()


def test_peeking_every_night_keeps_the_promise_and_frozen_runs_counted_each_night_do_not() -> None:
    """2,000 studies of 30 nights at the limit, looked at each night.

    The rule itself, without folders: the sequence that `accumulated` builds is shown above to be
    judged by it. Ten nights of 100 frozen draws taken for 1,000 runs are wrong in 37 % (q = 1 %,
    alpha 10 %, fixed rule): that none of the 100 violates has the probability 0.99^100 = 0.366.
    """
    generator = np.random.default_rng(20261129)
    studies, nights, runs = 2000, 30, 40
    wrong_pass = wrong_fail = 0
    for _ in range(studies):
        violates = generator.random(nights * runs) < Q
        # Where it was first reached is where the night on which somebody looked had it.
        crossed = first_crossings(violates, violates, Q, ALPHA)
        wrong_pass += crossed.pass_at is not None
        wrong_fail += crossed.fail_at is not None
    error = 3 * math.sqrt(ALPHA * (1 - ALPHA) / studies)
    assert wrong_pass / studies <= ALPHA + error
    assert wrong_fail / studies <= ALPHA + error

    q, n = 0.01, 100
    violations = generator.binomial(n, q, studies)
    from scipy import stats

    taken_for_more = stats.binom.cdf(10 * violations, 10 * n, q) <= ALPHA
    assert 0.33 < taken_for_more.mean() < 0.41
    once = stats.binom.cdf(violations, n, q) <= ALPHA
    assert once.mean() <= ALPHA


def test_frozen_runs_that_a_change_was_fitted_to_show_nothing() -> None:
    """2,000 studies of a mission at the limit, changed until its 50 frozen runs hold.

    If those counted after the change, nearly every study would end with a wrong PASS; with the new
    draws of 30 nights alone the promise is kept.
    """
    generator = np.random.default_rng(20261130)
    studies, nights, frozen, runs = 2000, 30, 50, 40
    counted = alone = 0
    for _ in range(studies):
        new = generator.random(nights * runs) < Q
        fitted = np.concatenate([np.zeros(frozen, bool), new])
        counted += first_crossings(fitted, fitted, Q, ALPHA).pass_at is not None
        alone += first_crossings(new, new, Q, ALPHA).pass_at is not None
    print(
        f"wrong PASS: fitted runs counted {counted / studies:.1%}, new ones {alone / studies:.1%}"
    )
    assert counted / studies > 0.4
    assert alone / studies <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / studies)
