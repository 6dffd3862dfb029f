"""The worst runs of a requirement: failed ones first, then those without a number, then margins.

The order is also made by hand here, from the numbers that each test gives to the runs.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep import Requirement, SweepConfigError, judge
from gmat_sweep.verdicts.worst import judged_requirements, worst_runs
from judged_sweeps import COLUMN, JudgedSweep

LIMIT = Requirement("apo", column=COLUMN, limit="< 100", unit="km", probability=0.9)
FLOOR = Requirement("per", column=COLUMN, limit="> 90", unit="km", probability=0.9)
BOTH = Requirement("both", all_of=("apo", "per"), probability=0.9)
NO_CRASH = Requirement("no-crash", reduce="ok", probability=0.9)


@pytest.fixture
def sweep(tmp_path: Path) -> JudgedSweep:
    flown = JudgedSweep(tmp_path, 9)
    flown.add(0, 95.0).add(1, 101.0).fail(2).add(3, 103.5).add(4, 80.0)
    flown.add(5).fail(6, "worker").add(7, 103.5)
    return flown


def test_failed_runs_come_first_then_those_without_a_number_then_the_smallest_margin(
    sweep: JudgedSweep,
) -> None:
    ranked = worst_runs(sweep.path, [LIMIT], "apo")

    assert [each.run_id for each in ranked.runs] == [2, 5, 3, 7, 1, 0, 4]
    assert [each.run_id for each in ranked.violating] == [2, 5, 3, 7, 1]
    assert [each.margin for each in ranked.runs] == [None, None, -3.5, -3.5, -1.0, 5.0, 20.0]
    assert [each.why for each in ranked.runs[:3]] == [
        "failed: GMAT raised GmatBaseException: no such orbit",
        "violates apo: it ended ok without the number",
        "violates apo by 3.5 km: 103.5 km",
    ]
    assert ranked.runs[-1].why == "meets apo by 20 km: 80 km"
    # Run 6 is lost and run 8 is to come: neither says anything.
    assert ranked.of(6) is None
    assert ranked.notes == (
        "run 8 has no entry, so 8 runs before it count",
        "1 run says nothing of the requirement, such as run 6",
    )


def test_the_worst_runs_are_those_of_the_verdict(sweep: JudgedSweep) -> None:
    verdicts = judge(sweep.path, [LIMIT, FLOOR, BOTH, NO_CRASH])

    for each in verdicts.requirements:
        ranked = worst_runs(sweep.path, judged_requirements(sweep.path), each.name)
        assert ranked.requirement.identity == each.requirement.identity
        assert {run.run_id for run in ranked.violating} == {*each.violating_runs}
        measured = [(run.run_id, run.value) for run in ranked.runs if run.margin is not None]
        assert tuple(measured) == each.worst_runs
    assert f"`gmat-sweep replay {sweep.path} --worst 5 --requirement apo`" in verdicts.to_markdown()


def test_of_requirements_that_are_met_together_the_run_that_misses_most_is_worst(
    sweep: JudgedSweep,
) -> None:
    ranked = worst_runs(sweep.path, [LIMIT, FLOOR, BOTH], "both")

    told = [(each.run_id, each.why) for each in ranked.runs]
    assert told[:3] == [
        (2, "failed: GMAT raised GmatBaseException: no such orbit"),
        (5, "violates apo, per"),
        (1, "violates apo"),
    ]
    assert [run_id for run_id, _ in told] == [2, 5, 1, 3, 4, 7]


def test_of_a_requirement_without_a_margin_only_violating_runs_are_told(
    sweep: JudgedSweep,
) -> None:
    assert [each.run_id for each in worst_runs(sweep.path, [NO_CRASH], "no-crash").runs] == [2]


def test_a_run_whose_event_never_came_is_worst_or_no_bad_case(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 2)
    sweep.add(0, output_paths={"report__R": sweep.report(0, [130.0, 110.0])})
    sweep.add(1, output_paths={"report__R": sweep.report(1, [130.0, 125.0])})
    decay = {
        "name": "decay", "reduce": "time_of", "when": f"{COLUMN} < 120", "limit": "< 1",
        "probability": 0.9,
    }  # fmt: skip

    bad = worst_runs(sweep.path, [{**decay, "never": "violates"}], "decay")
    good = worst_runs(sweep.path, [{**decay, "never": "satisfies"}], "decay")

    assert [(each.run_id, each.margin) for each in bad.runs] == [(1, None), (0, -29.0)]
    assert bad.runs[0].why == f"violates decay: {COLUMN} < 120 never began"
    assert [each.run_id for each in good.runs] == [0]


@settings(max_examples=10)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12))
def test_margins_never_fall_along_the_order(values: list[float]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        sweep = JudgedSweep(Path(folder), len(values))
        for run_id, value in enumerate(values):
            sweep.add(run_id, value)
        ranked = worst_runs(sweep.path, [LIMIT], "apo")

    expected = sorted(range(len(values)), key=lambda run: (100 - values[run], run))
    assert [each.run_id for each in ranked.runs] == expected


def test_what_was_never_judged_or_is_damaged_is_refused(sweep: JudgedSweep) -> None:
    with pytest.raises(SweepConfigError, match=r"there is no requirement 'x'; there are: apo\."):
        worst_runs(sweep.path, [LIMIT], "x")
    with pytest.raises(SweepConfigError, match=r"was not judged yet.*--requirements"):
        judged_requirements(sweep.path)
    judge(sweep.path, [LIMIT])
    path = sweep.folder / "verdicts.json"
    record = json.loads(path.read_text())
    record["requirements"][0]["definition"]["limit"] = "< 1000"
    path.write_text(json.dumps(record))
    with pytest.raises(SweepConfigError, match="not the one that was judged"):
        judged_requirements(sweep.path)
    del record["requirements"][0]["definition"]
    path.write_text(json.dumps(record))
    with pytest.raises(SweepConfigError, match="does not say what its requirements are"):
        judged_requirements(sweep.path)
