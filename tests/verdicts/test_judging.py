"""A sweep is judged by its recorded runs alone, whoever looks, when, and how often."""

from __future__ import annotations

import functools
import json
import math
import random
import re
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counted_calls import calls_of
from gmat_sweep.errors import RequirementError
from gmat_sweep.study.planning import opened_study
from gmat_sweep.verdicts.judging import Judge, judge
from gmat_sweep.verdicts.metrics import metrics_of
from gmat_sweep.verdicts.quantiles import quantile_bounds
from gmat_sweep.verdicts.reading import load_requirements
from gmat_sweep.verdicts.requirement import Requirement, Requirements
from gmat_sweep.verdicts.results import Verdicts
from gmat_sweep.verdicts.ruling import anytime_ruling
from judged_sweeps import COLUMN, JudgedSweep
from oracles import ORACLES

OK = Requirement("ok", reduce="ok", probability=0.99, confidence=0.9)
APOGEE = Requirement("apogee", column=COLUMN, within=(41664, 42664), probability=0.99)


def told(verdicts: Verdicts, name: str = "ok") -> tuple[Any, ...]:
    """Return what of a verdict does not depend on the look."""
    found = verdicts[name].to_dict()
    return tuple(found[key] for key in found if key != "notes")


def sequence(name: str) -> dict[str, Any]:
    return next(each for each in ORACLES["anytime_sequences"] if each["name"] == name)


@pytest.mark.parametrize("oracle", ORACLES["anytime_sequences"], ids=lambda each: each["name"])
def test_a_sequence_gives_its_verdict_run_by_run_shuffled_with_restarts_and_as_one_batch(
    oracle: dict[str, Any], tmp_path: Path
) -> None:
    bad, missing = set(oracle["violating_run_ids"]), set(oracle["missing_run_ids"])
    ids = [run_id for run_id in range(oracle["runs"]) if run_id not in missing]
    requirement = Requirement(
        "ok", reduce="ok", quantile=1 - float(oracle["q"]), confidence=1 - float(oracle["alpha"])
    )

    def fed(folder: str, order: list[int], look: Any) -> Verdicts:
        sweep = JudgedSweep(tmp_path / folder, oracle["runs"])
        for place, run_id in enumerate(order):
            sweep.fail(run_id) if run_id in bad else sweep.add(run_id)
            look(sweep, place)
        return Judge([requirement], "anytime").look(sweep.path)

    # Run by run: one judge that looks again and again, most often about the crossing.
    one = Judge([requirement], "anytime")
    reached: list[int] = []
    at = oracle["fail_at"] or oracle["pass_at"] or 0

    def look_at_run(sweep: JudgedSweep, place: int) -> None:
        if abs(place + 1 - at) < 3 or place % 40 == 0:
            found = one.look(sweep.path)["ok"]
            if found.verdict == oracle["verdict"] != "INCONCLUSIVE":
                reached.append(place + 1)

    by_run = fed("by run", ids, look_at_run)
    shuffled = list(ids)
    random.Random(1).shuffle(shuffled)
    # A restart is another process: it knows nothing of the looks before it.
    restarts = [len(ids) // 3, len(ids) // 2]

    def look_anew(sweep: JudgedSweep, place: int) -> None:
        if place in restarts:
            judge(sweep.folder, [requirement], "anytime")

    found = [
        by_run,
        one.look(by_run.manifest),
        fed("shuffled", shuffled, look_anew),
        fed("batch", ids, lambda *_: None),
    ]

    for verdicts in found:
        assert verdicts["ok"].verdict == oracle["verdict"]
        assert verdicts.prefix == oracle["prefix"]
        assert verdicts["ok"].reached_at == (
            oracle["pass_at"] if oracle["fail_at"] is None else oracle["fail_at"]
        )
        assert told(verdicts) == told(by_run)
    if reached and not missing:
        assert reached[0] == at, "the verdict was there at the crossing, and not before"


def test_a_missing_run_ends_what_is_judged(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 400)
    for run_id in range(400):
        if run_id == 100:
            continue
        # Every run beyond the gap violates: it must not count.
        sweep.fail(run_id) if run_id > 100 else sweep.add(run_id)

    for plan in ("anytime", "fixed"):
        found = Judge([OK], plan).look(sweep.folder)

        assert (found.prefix, found.beyond_prefix) == (100, 299)
        assert found["ok"].violations == 0
        assert found.verdict == "INCONCLUSIVE"
        assert "299 runs that ended beyond it are not used" in found.to_text()

    sweep.add(100)

    assert Judge([OK], "fixed").look(sweep.folder).verdict == "FAIL"


def test_slow_failing_runs_do_not_make_a_wrong_pass() -> None:
    """Simulated: 1 % violate and take 100 times as long, on 16 workers, judged at every run done.

    Of the runs that happen to be done far too many studies PASS; of the prefix, at most alpha.
    """
    rng = np.random.default_rng(7)
    naive = prefix = 0
    studies = 60
    for _ in range(studies):
        codes = (rng.random(400) < 0.01).astype(np.int8)
        free = np.zeros(16)
        ends = np.empty(400)
        for run_id in range(400):
            worker = int(free.argmin())
            free[worker] += 100.0 if codes[run_id] else 1.0
            ends[run_id] = free[worker]
        looks = np.sort(ends)[::20]
        naive += any(
            anytime_ruling(codes[ends <= look], 0.01, 0.1).verdict == "PASS" for look in looks
        )
        lengths = [int(np.argmax([*(ends > look), True])) for look in looks]
        prefix += any(anytime_ruling(codes[:m], 0.01, 0.1).verdict == "PASS" for m in lengths)

    assert naive > 0.2 * studies
    assert prefix <= 0.1 * studies


def test_a_sweep_whose_violating_runs_crash_in_gmat_is_no_pass(tmp_path: Path) -> None:
    """20 of 100 violate at 95 %, and nine in ten of these crash: the survivors alone would pass."""
    sweep = JudgedSweep(tmp_path, 100)
    for run_id in range(100):
        if run_id % 5 == 0 and run_id % 50:
            sweep.fail(run_id)
        else:
            sweep.add(run_id, 43000.0 if run_id % 50 == 0 else 42164.0)
    apogee = Requirement("apogee", column=COLUMN, within=(41664, 42664), probability=0.92)
    survivors = Requirement(**{**apogee.to_dict(), "failed": "given-ok"})

    found = Judge([apogee]).look(sweep.folder)
    alone = Judge([survivors]).look(sweep.folder)

    assert found.verdict == "FAIL"
    assert (found["apogee"].violations, found["apogee"].failed["mission"]) == (20, 18)
    assert alone["apogee"].verdict == "PASS"
    assert alone.verdict == "INCONCLUSIVE", "a campaign says nothing of runs that fail"
    assert alone.reason.startswith("apogee only judges runs that are ok")
    assert "of the runs that are ok: 18 of 100 failed and say nothing" in alone.to_text()
    (tmp_path / "verification.json").unlink()
    both = Judge([survivors, Requirement("ok", reduce="ok", probability=0.7)])
    assert both.look(sweep.folder).verdict == "PASS"


def test_a_sweep_with_infrastructure_failures_is_inconclusive_until_resumed(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 230)
    for run_id in range(230):
        sweep.fail(run_id, "worker") if run_id in (3, 50) else sweep.add(run_id)
    one = Judge([OK], "fixed")

    first = one.look(sweep.folder)

    assert first.verdict == "INCONCLUSIVE"
    assert first["ok"].unknown == 2
    assert first["ok"].failed == {"mission": 0, "unknown": 2}
    assert "2 runs are unknown" in first["ok"].text

    sweep.add(3).add(50)

    assert one.look(sweep.folder).verdict == "PASS"
    assert told(one.look(sweep.folder)) == told(Judge([OK], "fixed").look(sweep.folder))


KINDS = ("mission", "hook", "worker", "memory", "timeout", "storage", None)
POLICIES = {"violates": (1, 6), "bounds": (0, 7), "refuse": (0, 7), "given-ok": (0, 6)}


@pytest.fixture(scope="module")
def each_kind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of 30 runs that hold and seven that failed, each of another cause."""
    sweep = JudgedSweep(tmp_path_factory.mktemp("kinds"), 37)
    for run_id in range(30):
        sweep.add(run_id, 1.0)
    for run_id, kind in enumerate(KINDS, 30):
        sweep.fail(run_id, kind, stderr="killed")
    return sweep.folder


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_on_one_folder_with_each_kind_of_failed_run(
    policy: Any, each_kind: Path
) -> None:
    requirement = Requirement("sma", column=COLUMN, limit="< 2", probability=0.9, failed=policy)
    timeout = Requirement(**{**requirement.to_dict(), "name": "late", "timeout": "violates"})

    found = Judge([requirement, timeout]).look(each_kind)

    violations, unknown = POLICIES[policy]
    assert (found["sma"].violations, found["sma"].unknown) == (violations, unknown)
    assert found["sma"].failed == {"mission": 1, "unknown": 6}
    if policy == "refuse":
        assert found["sma"].verdict == found.verdict == "NOT APPLICABLE"
        assert found["sma"].reason.startswith("1 run (30) failed in the mission")
        return
    assert (found["late"].violations, found["late"].unknown) == (violations + 1, unknown - 1)
    assert found["sma"].n == (36 if policy == "given-ok" else 37)
    # With all that is unknown as a violation the runs do not pass: infrastructure is no answer.
    assert found["sma"].verdict == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("missing", "verdict"), [("violates", "FAIL"), ("refuse", "NOT APPLICABLE")]
)
def test_a_number_that_is_missing_is_what_the_policy_says(
    missing: Any, verdict: str, tmp_path: Path
) -> None:
    sweep = JudgedSweep(tmp_path, 20)
    for run_id in range(20):
        sweep.add(run_id, math.nan if run_id < 5 else 1.0)
    requirement = Requirement("sma", column=COLUMN, limit="< 2", probability=0.9, missing=missing)

    found = Judge([requirement]).look(sweep.folder)["sma"]

    assert found.verdict == verdict
    assert found.value_bound is None


def test_a_damaged_file_leaves_its_run_unknown(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 22)
    for run_id in range(22):
        sweep.add(run_id, 1.0)
    (tmp_path / "run-4/report__R.parquet").write_bytes(b"PAR1 no more")
    (tmp_path / "run-5/report__R.parquet").unlink()
    one = Judge([Requirement("sma", column=COLUMN, limit="< 2", probability=0.9)])

    for found in (one.look(sweep.folder)["sma"], one.look(sweep.folder)["sma"]):
        assert (found.verdict, found.violations, found.unknown) == ("INCONCLUSIVE", 0, 2)
        assert found.failed == {"mission": 0, "unknown": 0}, "the runs are ok"
    assert "the files of 2 runs cannot be read (4, 5)" in one.look(sweep.folder).to_text()

    # A resume flies them again.
    sweep.add(4, 1.0).add(5, 1.0)

    assert one.look(sweep.folder).verdict == "PASS"


@pytest.mark.parametrize("kind", ["latin_hypercube", "grid", "explicit"])
def test_a_design_without_independent_draws_is_not_applicable(kind: str, tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 230, kind).fly(230)

    found = Judge([OK]).look(sweep.folder)

    assert found.verdict == "NOT APPLICABLE"
    assert "monte_carlo with n = 230" in found["ok"].reason
    every = Judge([Requirement("ok", reduce="ok", every=True)]).look(sweep.folder)
    assert every["ok"].verdict == "PASS"


def test_a_table_of_independent_draws_is_the_users_claim_and_told(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 230, "explicit").fly(230)

    found = Judge(Requirements((OK,), sample="independent")).look(sweep.folder)

    assert found.verdict == "PASS"
    assert 'sample = "independent"' in found["ok"].notes[-1]


def test_every_run_of_random_draws_never_passes_and_tells_the_bound(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 230).fly(230)
    one = Judge([Requirement("ok", reduce="ok", every=True)], "anytime")

    found = Judge([Requirement("ok", reduce="ok", every=True)]).look(sweep.folder)["ok"]

    assert found.verdict == "INCONCLUSIVE"
    assert found.violation_upper == pytest.approx(1 - 0.1 ** (1 / 230))
    assert "at most 0.997 % do" in found.text

    assert one.look(sweep.folder)["ok"].verdict == "INCONCLUSIVE"

    sweep.fail(230)

    assert one.look(sweep.folder)["ok"].verdict == "FAIL"


def test_runs_of_an_extension_belong_to_the_anytime_plan_alone(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 100).fly(300)

    fixed, anytime = (Judge([OK], plan).look(sweep.folder) for plan in ("fixed", "anytime"))

    assert (fixed.verdict, fixed["ok"].n) == ("INCONCLUSIVE", 100)
    assert "200 runs were added later" in fixed.to_text()
    assert (anytime["ok"].verdict, anytime["ok"].n) == ("PASS", 300)


def test_drift_is_not_applicable_unless_allowed_and_then_told(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 230).fly(229)
    sweep.add(229, extra={"script_sha256": "another"})

    refused = Judge([OK]).look(sweep.folder)
    allowed = Judge([OK], allow_drift=True).look(sweep.folder)

    assert refused.verdict == "NOT APPLICABLE"
    assert "another script in 1 run (229)" in refused["ok"].reason
    assert allowed.verdict == "PASS"
    assert "another script in 1 run (229)" in allowed.to_text()


def test_the_nominal_run_never_counts(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 230)
    sweep.fail(-1)

    assert Judge([OK]).look(sweep.fly(230).folder).verdict == "PASS"


def test_a_run_with_the_seed_of_an_earlier_one_is_left_out(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 231).fly(230)
    sweep.fail(230, seed=7)

    found = Judge([OK]).look(sweep.folder)

    assert (found.verdict, found["ok"].n) == ("PASS", 230)
    assert "have the seed of an earlier run" in found.to_text()


def test_a_run_that_was_flown_again_after_it_failed_is_unknown(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 230).fly(230, [9])
    sweep.add(9)

    found = Judge([OK]).look(sweep.folder)

    assert (found["ok"].violations, found["ok"].unknown) == (0, 1)
    assert "second try is another sample" in found.to_text()


def campaign(tmp_path: Path, plan: Any = "fixed") -> Verdicts:
    """Judge three requirements and two together: 0, 4 and 12 of 100 violate."""
    sweep = JudgedSweep(tmp_path, 100)
    for run_id in range(100):
        sweep.add(run_id, 60.0 if run_id < 4 else 30.0 if run_id < 12 else 1.0)
    limits = {"wide": ("< 100", 0.97), "near": ("< 50", 0.95), "low": ("< 20", 0.95)}
    asked = [
        Requirement(name, column=COLUMN, limit=limit, probability=level)
        for name, (limit, level) in limits.items()
    ]
    both = Requirement("both", all_of=("near", "low"), probability=0.95)
    return judge(sweep.folder, [*asked, both], plan)


def test_a_campaign_fails_where_one_requirement_fails_clearly(tmp_path: Path) -> None:
    found = campaign(tmp_path)

    assert [each.verdict for each in found.requirements] == ["PASS", "INCONCLUSIVE", "FAIL", "FAIL"]
    assert found.verdict == "FAIL"
    assert found.notes[-1] == "shown to fail together (Holm): low, both"
    assert found["both"].violations == found["low"].violations == 12
    assert found["both"].worst_runs == ()
    assert found["wide"].margin == 40.0


def test_one_failing_requirement_of_many_is_no_campaign_that_fails(tmp_path: Path) -> None:
    """5 of 230 at q = 1 %: p_fail 0.083 fails by itself at 0.1, and not as one of two."""
    sweep = JudgedSweep(tmp_path, 230).fly(230, range(5))
    lax = Requirement("lax", reduce="ok", probability=0.5)

    found = Judge([OK, lax]).look(sweep.folder)

    assert (found["ok"].verdict, found["lax"].verdict) == ("FAIL", "PASS")
    assert found.verdict == "INCONCLUSIVE"
    assert found.reason.startswith("ok fails by itself")


def test_many_requirements_tell_how_many_wrong_passes_to_expect(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 230).fly(230)
    many = [Requirement(f"r{each}", reduce="ok", probability=0.99) for each in range(6)]

    assert "up to 0.6 wrong PASSes" in Judge(many).look(sweep.folder).to_text()
    assert "wrong PASSes" not in Judge(many[:5]).look(sweep.folder).to_text()


@given(
    st.lists(st.sampled_from([1.0, 2.0, 3.0, math.nan, math.inf]), min_size=1, max_size=12),
    st.sampled_from(["< 2", "<= 2", "> 2", ">= 2"]),
    st.sampled_from([0.3, 0.6, 0.8]),
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_limit_passes_where_the_bound_of_its_quantile_meets_it(
    tmp_path: Path, values: list[float], limit: str, level: float
) -> None:
    """The bound by the order statistics of the runs, and p_pass, are two ways to one answer."""
    shutil.rmtree(tmp_path)
    sweep = JudgedSweep(tmp_path, len(values))
    for run_id, value in enumerate(values):
        sweep.add(run_id, value)
    requirement = Requirement("sma", column=COLUMN, limit=limit, quantile=level, confidence=0.7)

    found = Judge([requirement]).look(sweep.folder)["sma"]

    bound = found.value_bound
    assert (found.verdict == "PASS") == (bound is not None and requirement.holds(bound))
    beyond = math.inf if limit[0] == "<" else -math.inf
    ordered = sorted(each if math.isfinite(each) else beyond for each in values)
    if limit[0] == "<":
        expected = quantile_bounds(ordered, level, 0.7)[1]
    else:
        expected = quantile_bounds(ordered, 1 - level, 0.7)[0]
    assert bound == (None if expected is None or math.isinf(expected) else expected)


RUNS = st.lists(
    st.sampled_from(["ok", "ok", "ok", "bad", "mission", "worker"]), min_size=1, max_size=15
)


@given(RUNS, st.randoms(use_true_random=False), st.sampled_from(["fixed", "anytime"]))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_verdict_is_a_function_of_the_prefix_alone(
    tmp_path: Path, runs: list[str], chance: random.Random, plan: Any
) -> None:
    """Order of completion, retries, looks and what lies beyond the prefix change nothing."""
    shutil.rmtree(tmp_path)
    requirements = [
        Requirement("sma", column=COLUMN, limit="< 2", probability=0.8, confidence=0.8),
        Requirement("ok", reduce="ok", probability=0.7, confidence=0.8),
        Requirement("both", all_of=("sma", "ok"), probability=0.7, confidence=0.8),
    ]

    def record(sweep: JudgedSweep, run_id: int) -> None:
        if runs[run_id] in ("mission", "worker"):
            sweep.fail(run_id, runs[run_id])
        else:
            sweep.add(run_id, 1.0 if runs[run_id] == "ok" else 3.0)

    plain = JudgedSweep(tmp_path / "plain", len(runs))
    for run_id in range(len(runs)):
        record(plain, run_id)
    expected = Judge(requirements, plan).look(plain.folder)

    other = JudgedSweep(tmp_path / "other", len(runs))
    one = Judge(requirements, plan)
    order = list(range(len(runs)))
    chance.shuffle(order)
    # Runs that a worker lost are flown again, and give what they give.
    for run_id in order:
        if chance.random() < 0.3:
            other.fail(run_id, "worker")
            if chance.random() < 0.5:
                one.look(other.folder)
        record(other, run_id)
        if chance.random() < 0.3:
            one.look(other.folder)

    for found in (one.look(other.folder), Judge(requirements, plan).look(other.folder)):
        for name in ("sma", "ok", "both"):
            assert told(found, name) == told(expected, name)
        assert found.verdict == expected.verdict


def test_a_look_reads_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = JudgedSweep(tmp_path, 60)
    read: list[int] = []

    def noted(requirements: Any, entries: Any, anchors: Any) -> Any:
        read.extend(entry.run_id for entry in entries)
        return metrics_of(requirements, entries, anchors)

    monkeypatch.setattr("gmat_sweep.verdicts.judging.metrics_of", noted)
    one = Judge([APOGEE], "anytime")
    for run_id in range(60):
        sweep.add(run_id, 42164.0)
        if run_id % 10 == 9:
            one.look(sweep.folder)

    # Run 0 is read again with each batch: it has shown that there is such a column.
    assert sorted(set(read)) == list(range(60))
    assert len(read) == 60 + 5
    assert one.look(sweep.folder)["apogee"].n == 60
    assert len(read) == 65


def test_a_batch_without_the_column_is_no_mistake_if_an_earlier_run_has_it(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 30)
    one = Judge([APOGEE], "anytime")
    for run_id in range(10):
        sweep.add(run_id, 42164.0)
    one.look(sweep.folder)
    for run_id in range(10, 20):
        sweep.add(run_id)

    found = one.look(sweep.folder)["apogee"]

    assert (found.n, found.violations) == (20, 10)
    assert told(Judge([APOGEE], "anytime").look(sweep.folder), "apogee") == told(
        one.look(sweep.folder), "apogee"
    )


def test_a_column_that_no_run_has_is_refused(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 3)
    for run_id in range(3):
        sweep.add(run_id, 1.0)
    table = """
[[requirement]]
name = "apogee"
column = "Sat.Earth.RadAp"
limit = "< 1"
probability = 0.9
"""
    written = tmp_path / "reqs.toml"
    written.write_text(table)
    study = tmp_path / "study.toml"
    study.write_text(f'mission = "a.script"\nn = 3\nvary."Sat.SMA" = "normal:1:1"\n{table}')

    # As mistakes are told that are found before any run: file, line, requirement and key.
    for file, line in (written, 4), (study, 7):
        asked = load_requirements(file) if file is written else opened_study(file).requirements
        assert asked is not None
        start = f"{file}, line {line}, requirement 'apogee', column: no run has a report"
        with pytest.raises(RequirementError, match=f"^{re.escape(start)}"):
            judge(sweep.folder, asked)

    assert not (tmp_path / "verification.json").exists(), "nothing was judged"


def test_verdicts_are_written_beside_the_manifest_as_strict_json(tmp_path: Path) -> None:
    found = campaign(tmp_path / "sweep")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    written = json.loads((tmp_path / "sweep/verdicts.json").read_text(), parse_constant=refuse)
    assert written == found.to_dict()
    assert (tmp_path / "sweep/verdicts.md").read_text() == found.to_markdown()
    # The keys and the types of the specification.
    assert list(written) == [
        "schema_version", "verdict", "plan", "manifest", "manifest_lines", "design", "seed",
        "planned", "prefix", "beyond_prefix", "script_sha256", "requirements",
    ]  # fmt: skip
    assert list(written["requirements"][0]) == [
        "name", "identity", "statement", "probability", "confidence", "verdict", "reason", "n",
        "violations", "unknown", "p_pass", "p_fail", "evidence_pass", "evidence_fail", "reached_at",
        "violation_upper", "violation_lower", "value_bound", "margin", "worst_runs",
        "violating_runs", "failed", "needed", "policy", "notes",
        "definition",
    ]  # fmt: skip
    assert written["manifest_lines"] == 101
    assert written["requirements"][0]["value_bound"] == 60.0
    assert written["requirements"][2]["violating_runs"] == list(range(12))
    assert written["requirements"][2]["worst_runs"] == [
        *([each, 60.0] for each in range(4)), *([each, 30.0] for each in range(4, 10)),
    ]  # fmt: skip


def test_infinite_numbers_are_null_in_the_json(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 3)
    for run_id, value in enumerate([math.inf, -math.inf, math.nan]):
        sweep.add(run_id, value)
    low = Requirement("low", column=COLUMN, limit="< 1", probability=1e-9)

    for plan in ("fixed", "anytime"):
        json.loads(judge(tmp_path, [low], plan).to_json(), parse_constant=pytest.fail)


def test_a_hundred_thousand_runs_are_judged_in_few_calls(tmp_path: Path) -> None:
    """Seconds are the soak test's; here no step is taken per pair of runs, or per run and look."""
    small, large = 200, 2000
    calls = []
    for runs in (small, large):
        sweep = JudgedSweep(tmp_path / f"{runs}", runs)
        sweep.fly(runs, range(0, runs, 20))
        one = Judge([OK, Requirement("half", reduce="ok", probability=0.5)], "anytime")
        calls.append(calls_of(functools.partial(one.look, sweep.folder)))

    assert calls[1] < 11 * calls[0]
    assert calls[1] < 200 * large


def test_a_look_calls_little_where_little_is_new(tmp_path: Path) -> None:
    """Entries, files and hashes of runs that were looked at before are not gone through again."""
    sweep = JudgedSweep(tmp_path, 3000).fly(2000, range(0, 2000, 90))
    one = Judge([OK, Requirement("half", reduce="ok", probability=0.5)], "anytime")
    first = calls_of(functools.partial(one.look, sweep.folder))
    sweep.fly(2010, begin=2000)

    again = calls_of(functools.partial(one.look, sweep.folder))

    assert again < 0.15 * first


@pytest.mark.soak
def test_seconds_of_a_hundred_thousand_runs_and_of_looks_after_each_batch(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    large = JudgedSweep(tmp_path / "large", 100_000)
    large.fly(100_000, np.flatnonzero(rng.random(100_000) < 0.01).tolist())
    for plan in ("fixed", "anytime"):
        began = time.process_time()
        Judge([OK, Requirement("half", reduce="ok", probability=0.5)], plan).look(large.folder)

        assert time.process_time() - began < 10, (
            "seconds of a processor, reading the manifest included"
        )

    runs, spent = 5000, 0.0
    flown = JudgedSweep(tmp_path / "flown", runs)
    one = Judge([APOGEE, OK], "anytime")
    for run_id in range(runs):
        flown.add(run_id, float(rng.normal(42164, 100)))
        if run_id % 50 == 49:
            began = time.process_time()
            one.look(flown.folder)
            spent += time.process_time() - began

    assert spent < 0.01 * runs, "seconds: of runs that take one second each"
