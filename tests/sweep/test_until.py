"""A sweep grows until its requirements are decided, and no further."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cli_sweeps import SCRIPT
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.manifest import Manifest, ManifestEntry
from gmat_sweep.plans.plan import random_plan
from gmat_sweep.spec import FailureKind, RunSpec
from gmat_sweep.sweep import Sweep
from gmat_sweep.sweep.options import SweepOptions
from gmat_sweep.sweep.until import batch_of, grow_until_decided
from gmat_sweep.verdicts.judging import Judge
from gmat_sweep.verdicts.reading import load_requirements
from gmat_sweep.verdicts.requirement import Requirement
from gmat_sweep.verdicts.results import Verdicts
from oracles import ORACLES
from recorded_at_once import RecordedAtOnce

# With 90 % confidence 5 % pass after 59, 113, 155, 193 runs with 0, 1, 2, 3 violations.
OK = Requirement("ok", reduce="ok", probability=0.95, confidence=0.9)
PERTURB: dict[str, Any] = {"Sat.SMA": ("normal", 7000.0, 1.0)}


@pytest.fixture
def fly(monkeypatch: pytest.MonkeyPatch) -> Callable[..., RecordedAtOnce]:
    """Let runs end as a function says, or as a mapping from run to kind of failure."""

    def made(ends: Any = None) -> RecordedAtOnce:
        told = ends if callable(ends) else lambda run: (ends or {}).get(run.run_id)
        return RecordedAtOnce(monkeypatch, told)

    return made


def new(folder: Path, n: int = 50, kind: str = "monte_carlo", **options: Any) -> Sweep:
    plan = random_plan(kind, PERTURB, n, 42, SCRIPT, folder, {})
    said = SweepOptions(progress=False, **options)
    return Sweep.of_plan(plan, SCRIPT, folder, backend=LocalJoblibPool(1), options=said)


def again(folder: Path) -> Sweep:
    """Return the sweep of a folder as another process has it."""
    path = folder / "manifest.jsonl"
    return Sweep.from_manifest(path, SCRIPT, backend=LocalJoblibPool(1), progress=False)


def grown(sweep: Sweep, *requirements: Requirement, **options: Any) -> Verdicts:
    judge = Judge(list(requirements or [OK]), "anytime")
    return grow_until_decided(sweep, judge, **{"max_runs": 1000, **options})


def draws(folder: Path) -> list[Any]:
    entries = Manifest.load(folder / "manifest.jsonl").latest()
    return [(run_id, each.seed, each.overrides) for run_id, each in entries.items()]


def test_it_stops_at_the_batch_that_decides_and_draws_what_a_larger_sweep_draws(
    fly: Callable[..., RecordedAtOnce], tmp_path: Path
) -> None:
    """The runs of one that stopped early are the first of one that did not, and of a plain sweep.

    PASS after 155 runs with two violations is the oracle's boundary.
    """
    flown = fly({7: "mission", 90: "mission"})
    looks: list[tuple[int, str]] = []

    verdicts = grown(
        new(tmp_path / "grown"), on_look=lambda seen: looks.append((seen.prefix, seen.verdict))
    )

    assert (verdicts.verdict, verdicts["ok"].reached_at, verdicts.prefix) == ("PASS", 155, 200)
    assert looks == [
        (50, "INCONCLUSIVE"),
        (100, "INCONCLUSIVE"),
        (150, "INCONCLUSIVE"),
        (200, "PASS"),
    ]
    # No run twice, those that failed in the mission included.
    assert [(action, len(runs)) for action, runs in flown.passes] == [
        ("run", 50), ("extend", 50), ("extend", 50), ("extend", 50),
    ]  # fmt: skip
    new(tmp_path / "whole", 300).run()
    assert draws(tmp_path / "grown") == draws(tmp_path / "whole")[:200]
    asked = Manifest.load(tmp_path / "grown/manifest.jsonl").extra["verification"]
    assert asked["plan"] == "anytime"
    assert asked["requirements"] == [{"name": "ok", "identity": OK.identity}]
    assert json.loads((tmp_path / "grown/verdicts.json").read_text())["verdict"] == "PASS"


def test_a_mission_that_the_first_batch_decides_flies_no_more(
    fly: Callable[..., RecordedAtOnce], tmp_path: Path
) -> None:
    flown = fly(lambda run: "mission" if run.run_id % 2 else None)

    assert grown(new(tmp_path)).verdict == "FAIL"
    assert grown(again(tmp_path)).verdict == "FAIL"
    assert [action for action, _ in flown.passes] == ["run"]


def test_an_undecided_campaign_ends_at_max_runs_and_goes_on_with_more(
    fly: Callable[..., RecordedAtOnce], tmp_path: Path
) -> None:
    flown = fly({30: "mission"})

    verdicts = grown(new(tmp_path, 20), max_runs=60, batch=25)
    assert (verdicts.verdict, verdicts.prefix) == ("INCONCLUSIVE", 60)
    assert verdicts.reason == "60 runs are flown, and max_runs allows no more"
    assert verdicts.reason in (tmp_path / "verdicts.md").read_text()
    assert [len(runs) for _, runs in flown.passes] == [20, 25, 15]

    verdicts = grown(again(tmp_path), max_runs=200)
    assert (verdicts.verdict, verdicts["ok"].reached_at, verdicts.planned) == ("PASS", 113, 160)


@pytest.mark.parametrize("stopped_at", [3, 50, 77, 149])
def test_an_interrupted_campaign_goes_on_to_the_same_verdict(
    stopped_at: int, fly: Callable[..., RecordedAtOnce], tmp_path: Path
) -> None:
    failing = {7: "mission", 90: "mission"}

    def interrupted(run: RunSpec) -> FailureKind | None:
        if run.run_id == stopped_at:
            raise KeyboardInterrupt
        return failing.get(run.run_id)  # type: ignore[return-value]

    fly(interrupted)
    with pytest.raises(KeyboardInterrupt):
        grown(new(tmp_path))
    flown = fly(failing)
    verdicts = grown(again(tmp_path))

    assert (verdicts.verdict, verdicts["ok"].reached_at) == ("PASS", 155)
    ids = [run_id for _, runs in flown.passes for run_id in runs]
    assert ids == list(range(stopped_at, verdicts.planned)), "those that are missing, once each"


def test_a_broken_worker_stops_growth_until_the_run_is_flown_again(
    fly: Callable[..., RecordedAtOnce], tmp_path: Path
) -> None:
    """It is no outcome; the failures of the mission beside it are, and are not flown again."""
    fly({7: "mission", 30: "worker"})
    verdicts = grown(new(tmp_path))
    assert (verdicts.verdict, verdicts.planned, verdicts["ok"].unknown) == ("INCONCLUSIVE", 50, 1)
    assert verdicts.reason.startswith("1 run says nothing yet (30; run 30: it failed: worker)")

    flown = fly({7: "mission"})
    verdicts = grown(again(tmp_path))
    assert flown.passes[0] == ("resume", [30])
    assert (verdicts.verdict, verdicts["ok"].reached_at) == ("PASS", 113)


def test_growth_goes_on_over_broken_workers_where_that_is_said(
    fly: Callable[..., RecordedAtOnce], tmp_path: Path
) -> None:
    """Each counts as a violation for PASS: 155 runs with two."""
    fly({7: "mission", 30: "worker"})

    verdicts = grown(new(tmp_path), allow_failed=True)

    assert (verdicts.verdict, verdicts["ok"].reached_at) == ("PASS", 155)


def test_a_timeout_that_counts_as_a_violation_is_an_outcome_and_has_no_second_try(
    fly: Callable[..., RecordedAtOnce], tmp_path: Path
) -> None:
    late = Requirement("ok", reduce="ok", probability=0.95, confidence=0.9, timeout="violates")
    fly({3: "timeout"})
    assert grown(new(tmp_path / "unknown")).planned == 50

    flown = fly({3: "timeout"})
    assert grown(new(tmp_path / "counted"), late, max_runs=60).planned == 60
    verdicts = grown(again(tmp_path / "counted"), late)

    assert (verdicts.verdict, verdicts["ok"].reached_at) == ("PASS", 113)
    assert [run_id for _, runs in flown.passes for run_id in runs].count(3) == 1


def test_data_that_cannot_answer_end_growth(
    fly: Callable[..., RecordedAtOnce], tmp_path: Path
) -> None:
    fly({3: "mission"})
    strict = Requirement("ok", reduce="ok", probability=0.95, confidence=0.9, failed="refuse")

    verdicts = grown(new(tmp_path), strict)

    assert (verdicts.verdict, verdicts.planned) == ("NOT APPLICABLE", 50)


def test_requirements_chosen_after_a_look_end_growth_when_all_pass(
    fly: Callable[..., RecordedAtOnce], tmp_path: Path
) -> None:
    fly()
    grown(new(tmp_path), max_runs=50)

    verdicts = grown(again(tmp_path), Requirement("ok", reduce="ok", probability=0.94))

    assert (verdicts.verdict, verdicts["ok"].verdict) == ("INCONCLUSIVE", "PASS")
    assert verdicts.planned == 50


def test_what_cannot_grow_is_refused_before_a_run(
    fly: Callable[..., RecordedAtOnce], tmp_path: Path
) -> None:
    flown = fly()
    apogee = Requirement("apogee", column="Sat.Earth.RadApo", limit="< 1", probability=0.9)
    once = partial(grow_until_decided, new(tmp_path), Judge([OK], "fixed"), max_runs=60)
    refusals: list[tuple[str, Callable[[], object]]] = [
        ("A latin-hypercube sweep cannot grow", lambda: grown(new(tmp_path, 9, "latin_hypercube"))),
        ("the plan fixed holds for one number", once),
        ("max_runs is 49, and the sweep has 50", lambda: grown(new(tmp_path), max_runs=49)),
        ("requires batch >= 1, got 0", lambda: grown(new(tmp_path), batch=0)),
        ("requires max_runs to be an integer", lambda: grown(new(tmp_path), max_runs=1e3)),
        ("no report has the column Sat.Earth.RadApo", lambda: grown(new(tmp_path), apogee)),
    ]  # fmt: skip
    for said, act in refusals:
        with pytest.raises(SweepConfigError, match=said):
            act()
    assert flown.passes == []
    assert not (tmp_path / "manifest.jsonl").exists()


def test_files_are_looked_at_once_however_many_batches_there_are(
    fly: Callable[..., RecordedAtOnce], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else growth by small batches hashes every file again for each of them."""
    fly({30: "mission", 80: "mission"})
    seen: list[int] = []

    def looked(entry: ManifestEntry, folders: object) -> list[str]:
        seen.append(entry.run_id)
        return []

    monkeypatch.setattr("gmat_sweep.folder.run_files.damage", looked)

    grown(new(tmp_path, 20), batch=10, max_runs=100)
    assert seen == []
    grown(again(tmp_path), batch=10)
    assert seen == [run_id for run_id in range(100) if run_id not in (30, 80)]


def test_a_batch_is_a_twentieth_of_what_can_pass_and_fifty_at_least() -> None:
    """The least sizes without a violation are the oracle's: 994 runs for 99.7 % at 90 %."""

    def batch(probability: float, confidence: float = 0.9, **more: int) -> int:
        strict = Requirement("a", reduce="ok", probability=probability, confidence=confidence)
        return batch_of(load_requirements([strict, OK]), **{"max_runs": 10_000, **more})

    for each in ORACLES["anytime_pass_boundary"]:
        least = max(each["n_for_violations"][0], 59)
        found = batch(1 - float(each["q"]), 1 - float(each["alpha"]))
        assert found == max(50, math.ceil(least / 20))
    assert batch(0.997, first=3000) == 150
    assert batch(0.9997, max_runs=2000) == 100
    assert batch(0.997, max_runs=20) == 20
    every = load_requirements([Requirement("every", reduce="ok", every=True)])
    assert batch_of(every, 10_000) == 50
