"""Outcomes of runs: the gap-free prefix, the policies, the designs, and drift."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gmat_sweep.analysis.recorded import RecordedSweep
from gmat_sweep.manifest import Manifest, ManifestEntry
from gmat_sweep.plans import grid_plan, samples_plan
from gmat_sweep.spec import FailureKind
from gmat_sweep.verdicts.outcomes import (
    HOLDS,
    LEFT_OUT,
    UNKNOWN,
    VIOLATES,
    Outcomes,
    design_verdict,
    drift,
    drift_refusal,
    joint_outcomes,
    outcomes,
    prefix_of,
)
from gmat_sweep.verdicts.requirement import Requirement
from manifests import START, entry, header

NAN = float("nan")
GMAT_CAUSE = "Traceback (most recent call last):\ngmat_run.errors.GmatRunError: no\n"


def drawn(n: int, **extra: Any) -> dict[str, Any]:
    spec = {"_kind": "monte_carlo", "n": n, "perturb": {"Sat.SMA": ["normal", 7000, 1]}, "seed": 1}
    return {"parameter_spec": spec | extra, "run_count": n, "sweep_seed": 1}


def failed(run_id: int, kind: str | None = "mission", **fields: Any) -> ManifestEntry:
    return entry(run_id, "failed", failure_kind=kind, output_paths={}, **fields)


def recorded(folder: Path, entries: list[ManifestEntry], **fields: Any) -> RecordedSweep:
    manifest = header(**fields)
    manifest.entries = entries
    manifest.save(folder / "manifest.jsonl")
    return RecordedSweep.of(folder)


def limit(**fields: Any) -> Requirement:
    given: dict[str, Any] = {
        "column": "dv",
        "extra": "burns",
        "limit": "< 100",
        "probability": 0.99,
    } | fields
    return Requirement("dv", **given)


def judged(
    folder: Path, entries: list[ManifestEntry], values: list[float], **policies: Any
) -> Outcomes:
    prefix = prefix_of(recorded(folder, entries, **drawn(len(entries))))
    return outcomes(limit(**policies), prefix, np.array(values))


def test_runs_beyond_the_first_that_is_missing_do_not_count(tmp_path: Path) -> None:
    """Whatever the order of completion: run 3 is not there, and runs 4 and 6 ended before it."""
    sweep = recorded(tmp_path, [entry(i) for i in (6, 0, 4, 2, 1)], **drawn(8))

    prefix = prefix_of(sweep)

    assert prefix.run_ids.tolist() == [0, 1, 2] == [each.run_id for each in prefix.entries]
    assert (prefix.missing_from, prefix.beyond, prefix.planned) == (3, 2, 8)
    assert prefix.notes == (
        "run 3 has no entry, so 3 runs before it count; 2 runs that ended beyond it are not used",
    )


@pytest.mark.parametrize("missing", range(5))
def test_the_prefix_is_a_function_of_the_runs_alone(tmp_path: Path, missing: int) -> None:
    runs = [run_id for run_id in range(5) if run_id != missing]
    orders = [runs, runs[::-1], runs[2:] + runs[:2]]

    found = [
        prefix_of(recorded(tmp_path, [entry(i) for i in order], **drawn(5))) for order in orders
    ]

    assert [each.run_ids.tolist() for each in found] == [list(range(missing))] * 3
    assert [each.beyond for each in found] == [4 - missing] * 3


def test_a_complete_sweep_is_its_own_prefix_and_the_nominal_run_is_none_of_it(
    tmp_path: Path,
) -> None:
    runs = [entry(i) for i in (-1, 2, 0, 1)]
    prefix = prefix_of(recorded(tmp_path, runs, **drawn(3), extra={"nominal_run": True}))

    assert prefix.run_ids.tolist() == [0, 1, 2]
    assert (prefix.missing_from, prefix.beyond, prefix.notes) == (None, 0, ())


def test_a_fixed_plan_takes_the_runs_that_were_planned_at_first(tmp_path: Path) -> None:
    """An extension by three, whose second run is missing, of a sweep of three runs."""
    grown = {"planned_run_count": 6}
    runs = [entry(0), failed(1), entry(2), entry(3, extra=grown), failed(5, extra=grown)]
    prefix = prefix_of(recorded(tmp_path, runs, **drawn(3)))

    assert prefix.run_ids.tolist() == [0, 1, 2, 3]
    assert (prefix.planned, prefix.missing_from, prefix.beyond) == (6, 4, 1)
    first = prefix.first(3)
    assert first.run_ids.tolist() == [0, 1, 2]
    assert (first.planned, first.missing_from, first.beyond, first.notes) == (3, None, 0, ())
    assert first.kinds == {"mission": 1}
    assert prefix.first(6) is prefix


def test_a_prefix_of_no_run_at_all(tmp_path: Path) -> None:
    prefix = prefix_of(recorded(tmp_path, [entry(1)], **drawn(2)))

    assert (len(prefix), prefix.beyond) == (0, 1)
    assert outcomes(limit(), prefix, np.array([])).codes.tolist() == []


def test_runs_made_by_hand_are_judged_by_their_own_ids(tmp_path: Path) -> None:
    record: dict[str, Any] = {
        "overrides": [], "output_dir": "run-x", "seed": None, "run_options": {},
        "postprocess": None, "context": {},
    }  # fmt: skip
    spec = {"_kind": "explicit", "columns": [], "rows": [[], [], []]}
    sweep = recorded(
        tmp_path,
        [entry(20), entry(7)],
        parameter_spec=spec,
        run_count=3,
        extra={"explicit_runs": [record | {"run_id": i} for i in (20, 7, 11)]},
    )

    prefix = prefix_of(sweep)

    assert (prefix.run_ids.tolist(), prefix.missing_from, prefix.beyond) == ([7], 11, 1)


def test_a_grid_is_judged_over_all_of_its_points(tmp_path: Path) -> None:
    plan = grid_plan({"Sat.SMA": [1.0, 2.0], "Sat.ECC": [0.0, 0.1]}, tmp_path / "m", tmp_path)
    runs = [entry(i) for i in (0, 1, 3)]
    sweep = recorded(tmp_path, runs, parameter_spec=plan.parameter_spec, run_count=4)

    assert prefix_of(sweep).missing_from == 2


def test_a_run_with_the_seed_of_an_earlier_one_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    runs = [entry(i, seed=seed) for i, seed in enumerate([5, 9, 5, 7, 9])]
    prefix = prefix_of(recorded(tmp_path, runs, **drawn(5)))

    found = outcomes(limit(), prefix, np.array([1.0, 200.0, 1.0, 1.0, 200.0]))

    assert found.codes.tolist() == [HOLDS, VIOLATES, LEFT_OUT, HOLDS, LEFT_OUT]
    assert prefix.notes == (
        "2 runs (2, 4) have the seed of an earlier run, and its draws, and are left out",
    )


def test_seeds_that_a_table_gives_its_runs_draw_nothing(tmp_path: Path) -> None:
    samples = pd.DataFrame({"Sat.SMA": [1.0, 2.0]})
    plan = samples_plan(samples, tmp_path / "m.script", tmp_path)
    runs = [entry(i, seed=5, overrides=run.overrides) for i, run in enumerate(plan.runs)]
    sweep = recorded(tmp_path, runs, parameter_spec=plan.parameter_spec, run_count=2)

    assert not prefix_of(sweep).repeated_seeds.any()


# What each kind of end is by each policy; the oracle is the table of section 3 of the
# specification.
KINDS: list[FailureKind | None] = [
    "mission",
    "hook",
    "worker",
    "memory",
    "timeout",
    "storage",
    None,
]
OTHERWISE = [UNKNOWN] * 6


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ({}, [VIOLATES, *OTHERWISE]),
        ({"failed": "bounds"}, [UNKNOWN, *OTHERWISE]),
        ({"failed": "given-ok"}, [LEFT_OUT, *OTHERWISE]),
        ({"timeout": "violates"}, [VIOLATES, *OTHERWISE[:3], VIOLATES, *OTHERWISE[:2]]),
        (
            {"timeout": "violates", "failed": "given-ok"},
            [LEFT_OUT, *OTHERWISE[:3], VIOLATES, *OTHERWISE[:2]],
        ),
    ],
)
def test_a_failed_run_counts_as_the_policy_says(
    tmp_path: Path, policies: dict[str, Any], expected: list[int]
) -> None:
    runs = [failed(i, kind) for i, kind in enumerate(KINDS)]

    found = judged(tmp_path, runs, [NAN] * 7, **policies)

    assert found.codes.tolist() == expected
    assert found.refused is None
    assert (found.mission_failures, found.unknown_failures) == (1, 6)


def test_the_number_of_a_failed_run_is_never_looked_at(tmp_path: Path) -> None:
    assert judged(tmp_path, [failed(0)], [1.0]).codes.tolist() == [VIOLATES]


def test_a_refusal_names_the_runs_and_the_policy(tmp_path: Path) -> None:
    runs = [entry(0), failed(1), failed(2, "worker"), entry(3), failed(4)]
    values = [1.0, NAN, NAN, NAN, NAN]

    by_failed = judged(tmp_path, runs, values, failed="refuse").refused
    by_missing = judged(tmp_path, runs, values, missing="refuse").refused

    assert by_failed is not None
    assert by_failed.startswith('2 runs (1, 4) failed in the mission, and failed = "refuse"')
    assert by_missing is not None
    assert by_missing.startswith("1 run (3) ended ok without the number, and missing")
    assert judged(tmp_path, runs, values).refused is None


@pytest.mark.parametrize("value", [NAN, float("inf"), -float("inf")])
def test_a_number_that_is_missing_or_not_finite_violates(tmp_path: Path, value: float) -> None:
    for given in ("< 100", "> 100"):
        found = judged(tmp_path, [entry(0), entry(1)], [value, value], limit=given)

        assert found.codes.tolist() == [VIOLATES, VIOLATES]


@pytest.mark.parametrize(
    ("never", "expected"), [("violates", VIOLATES), ("satisfies", HOLDS), (None, VIOLATES)]
)
def test_an_event_that_never_happens_counts_as_the_requirement_says(
    tmp_path: Path, never: str | None, expected: int
) -> None:
    """The number is infinity then; NaN is missing all the same."""
    event = {"reduce": "at_event", "when": "Sat.Earth.Altitude < 120", "never": never}

    found = judged(tmp_path, [entry(i) for i in range(4)], [np.inf, NAN, -np.inf, 1.0], **event)

    assert found.codes.tolist() == [expected, VIOLATES, VIOLATES, HOLDS]


def test_a_file_that_cannot_be_read_and_a_skipped_run_say_nothing(tmp_path: Path) -> None:
    runs = [entry(0), entry(1), entry(2, "skipped")]
    prefix = prefix_of(recorded(tmp_path, runs, **drawn(3)))

    found = outcomes(limit(missing="refuse"), prefix, np.array([1.0, NAN, NAN]), {1})

    assert found.codes.tolist() == [HOLDS, UNKNOWN, UNKNOWN]
    assert found.refused is None


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (["mission", "ok"], UNKNOWN),
        (["mission", "worker", "ok"], UNKNOWN),
        # A crash, a damaged file: the run has not answered otherwise before.
        (["worker", "ok"], HOLDS),
        (["ok", "storage", "ok"], HOLDS),
        ([None, "ok"], HOLDS),
        (["timeout", "mission"], VIOLATES),
        (["mission", "mission"], VIOLATES),
        (["ok", "storage", "mission"], UNKNOWN),
    ],
)
def test_a_second_try_after_an_answer_is_another_sample(
    tmp_path: Path, ends: list[str | None], expected: int
) -> None:
    runs = []
    for number, end in enumerate(ends):
        start = START + timedelta(seconds=9 * number)
        runs.append(entry(0, started_at=start) if end == "ok" else failed(0, end, started_at=start))
    prefix = prefix_of(recorded(tmp_path, runs, **drawn(1)))

    found = outcomes(limit(), prefix, np.array([1.0]))

    is_again = expected == UNKNOWN
    assert found.codes.tolist() == [expected]
    assert [note.startswith("1 run (0) were flown again") for note in prefix.notes] == (
        [True] * is_again
    )
    given = prefix_of(RecordedSweep.of(tmp_path), {0: runs[:-1]})
    assert given.flown_again.tolist() == [is_again]


def test_given_ok_says_how_many_failed(tmp_path: Path) -> None:
    runs = [entry(0), failed(1), failed(2)]

    found = judged(tmp_path, runs, [1.0, NAN, NAN], failed="given-ok")

    assert found.codes.tolist() == [HOLDS, LEFT_OUT, LEFT_OUT]
    assert found.notes == ("of the runs that are ok: 2 of 3 failed and say nothing",)


def test_runs_that_fail_are_violations_of_ok(tmp_path: Path) -> None:
    prefix = prefix_of(recorded(tmp_path, [entry(0), failed(1), failed(2, "hook")], **drawn(3)))

    found = outcomes(Requirement("ok", reduce="ok", probability=0.9), prefix, np.array([1.0, 0, 0]))

    assert found.codes.tolist() == [HOLDS, VIOLATES, UNKNOWN]


def test_requirements_that_must_be_met_together() -> None:
    """Every pair of outcomes: a violation of one is one of both, then what is unknown counts."""
    pairs = [(a, b) for a in range(4) for b in range(4)]
    members = {
        name: Outcomes(np.arange(16), np.array([pair[i] for pair in pairs], np.int8), notes=("x",))
        for i, name in enumerate(("a", "b"))
    }
    both = Requirement("both", all_of=("a", "b"), probability=0.9)

    joint = joint_outcomes(both, members)

    def expected(pair: tuple[int, int]) -> int:
        return next(each for each in (VIOLATES, UNKNOWN, LEFT_OUT, HOLDS) if each in pair)

    assert joint.codes.tolist() == [expected(pair) for pair in pairs]
    assert (joint.refused, joint.notes) == (None, ("x",))
    members["b"] = Outcomes(joint.run_ids, members["b"].codes, refused="no")
    assert joint_outcomes(both, members).refused == "b: no"


def test_failures_of_older_manifests_are_told_by_their_cause(tmp_path: Path) -> None:
    runs = [failed(0, None, stderr=GMAT_CAUSE), failed(1, None, stderr="killed by SIGKILL")]

    assert judged(tmp_path, runs, [NAN, NAN]).codes.tolist() == [VIOLATES, UNKNOWN]


def explicit(**extra: Any) -> dict[str, Any]:
    return {"_kind": "explicit", "columns": ["Sat.SMA"], "rows": [[1.0], [2.0]], **extra}


@pytest.mark.parametrize(
    ("spec", "sample", "said"),
    [
        (drawn(2)["parameter_spec"], None, None),
        (drawn(2, _kind="latin_hypercube")["parameter_spec"], None, "not independent"),
        (drawn(2, _kind="sobol")["parameter_spec"], None, "points of Sobol' are drawn together"),
        (drawn(2, _kind="halton")["parameter_spec"], "independent", "points of Halton"),
        ({"_kind": "grid", "Sat.SMA": [1, 2]}, None, "Ask with every = true"),
        ({"Sat.SMA": [1, 2]}, None, "Ask with every = true"),
        (explicit(), None, 'write sample = "independent"'),
        (explicit(), "independent", None),
        (explicit(design="sobol_sample"), "independent", "a design of 'sobol_sample'"),
        ({"_kind": "orbit"}, "independent", "kind 'orbit' is not known"),
    ],
)
def test_a_design_answers_or_it_is_said_why_not_and_what_to_do(
    tmp_path: Path, spec: dict[str, Any], sample: str | None, said: str | None
) -> None:
    sweep = recorded(tmp_path, [], parameter_spec=spec)

    found = design_verdict(sweep, limit(probability=0.997), sample)

    if said is None:
        assert found is None
    else:
        assert found is not None
        assert said in found
        # The number is that of the planner, runs_needed(0.997, 0.9) of the oracles.
        assert "Fly monte_carlo with n = 767 or more" in found
    assert design_verdict(sweep, limit(probability=None, every=True), sample) is None


@pytest.mark.parametrize(
    ("level", "confidence", "runs"), [(0.95, 0.95, 59), (0.99, 0.9, 230), (0.5, 0.875, 3)]
)
def test_the_fewest_runs_that_can_show_a_share_are_those_of_wilks(
    tmp_path: Path, level: float, confidence: float, runs: int
) -> None:
    """Wilks' known sizes; and 0.5 ** 3 is 1 - 0.875 exactly."""
    sweep = recorded(tmp_path, [], parameter_spec={"_kind": "grid", "Sat.SMA": [1, 2]})

    found = design_verdict(sweep, limit(probability=level, confidence=confidence))

    assert found is not None
    assert f"n = {runs} or more" in found


def test_runs_with_another_script_engine_hook_or_data_are_named(tmp_path: Path) -> None:
    files = {"gravity.cof": "aa", "old.txt": "bb"}
    runs = [
        entry(0),
        entry(1, extra={"script_sha256": "other"}),
        entry(2, extra={"script_sha256": "79ec", "gmat_install_version": "R2026a"}),
        entry(3, extra={"gmat_install_version": "R2099a", "script_sha256": "other"}),
        entry(4, extra={"mission_files": {"old.txt": None}}),
        entry(5, extra={"hook_sha256": "new"}),
    ]
    extra = {"mission_files": files, "hook_sha256": "old"}
    sweep = recorded(tmp_path, runs, **drawn(6), extra=extra)

    found = drift(sweep)

    assert found == {"script": [1, 3], "engine": [3], "hook": [5], "data": [4]}
    said = drift_refusal(found)
    assert said is not None
    assert "another script in 2 runs (1, 3); another engine in 1 run (3)" in said
    assert "--allow-drift" in said
    assert drift_refusal({}) is None


def test_a_hundred_thousand_runs_take_about_a_second(tmp_path: Path) -> None:
    n = 100_000
    runs = [
        failed(i, seed=i) if i % 50 == 0 else entry(i, seed=i, output_paths={}) for i in range(n)
    ]
    manifest: Manifest = header(**drawn(n))
    manifest.entries = runs
    sweep = RecordedSweep(manifest, tmp_path / "manifest.jsonl", tmp_path, tuple(runs))
    values = np.random.default_rng(1).normal(90, 5, n)

    start = time.process_time()
    prefix = prefix_of(sweep, {})
    found = [outcomes(limit(limit=f"< {at}"), prefix, values) for at in range(90, 95)]
    seconds = time.process_time() - start

    assert [len(each.codes) for each in found] == [n] * 5
    assert seconds < 5, "five requirements take about a second of a quiet machine"
