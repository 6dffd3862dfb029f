"""`verify_until`: from a mission and its requirements to verdicts, in one call."""

from __future__ import annotations

import gc
import inspect
from pathlib import Path
from typing import Any

import pytest

from cli_sweeps import SCRIPT
from gmat_sweep import Manifest, Requirement, monte_carlo, verify_until
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.plan import random_plan
from gmat_sweep.spec import FailureKind, RunSpec
from gmat_sweep.sweep import Sweep
from gmat_sweep.sweep.keywords import RunKeywords
from gmat_sweep.sweep.options import SweepOptions
from gmat_sweep.verdicts.results import Verdicts
from recorded_at_once import RecordedAtOnce

OK = Requirement("ok", reduce="ok", probability=0.95, confidence=0.9)
PERTURB: dict[str, Any] = {"Sat.SMA": ("normal", 7000.0, 1.0)}


def flown(out: Path | None, **options: Any) -> Verdicts:
    return verify_until(
        SCRIPT,
        perturb=options.pop("perturb", PERTURB),
        requirements=options.pop("requirements", [OK]),
        out=out,
        progress=False,
        backend=LocalJoblibPool(1),
        **options,
    )


def test_it_takes_every_keyword_of_a_monte_carlo() -> None:
    """But those of the frame, which it does not return."""
    taken = inspect.signature(verify_until).parameters
    of_frame = {"engine", "name"}

    assert set(inspect.signature(monte_carlo).parameters) - of_frame <= taken.keys()
    assert set(RunKeywords.__annotations__) - of_frame <= taken.keys()


def test_draws_contexts_and_seed_are_those_of_a_monte_carlo_of_that_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    RecordedAtOnce(monkeypatch, lambda run: "mission" if run.run_id == 20 else None)

    verdicts = flown(tmp_path / "mc", seed=7, context={3: {"a": 1}, 60: {"b": 2}}, nominal=True)
    plan = random_plan("monte_carlo", PERTURB, verdicts.planned, 7, SCRIPT, tmp_path / "plain", {})
    pool = LocalJoblibPool(1)
    options = SweepOptions(progress=False)
    Sweep.of_plan(plan, SCRIPT, tmp_path / "plain", backend=pool, options=options).run()
    mine, plain = (Manifest.load(tmp_path / name / "manifest.jsonl") for name in ("mc", "plain"))
    entries = {run_id: each for run_id, each in mine.latest().items() if run_id >= 0}

    assert (verdicts.verdict, verdicts["ok"].reached_at, verdicts.planned) == ("PASS", 113, 150)
    assert verdicts.folder == tmp_path / "mc"
    assert [each.overrides for each in entries.values()] == [
        each.overrides for each in plain.latest().values()
    ]
    assert [each.seed for each in entries.values()] == [
        each.seed for each in plain.latest().values()
    ]
    contexts = {run_id: each.context for run_id, each in entries.items() if each.context}
    assert contexts == {3: {"a": 1}, 60: {"b": 2}}
    assert [run_id for run_id in mine.latest() if run_id < 0] == [-1]


def test_a_temporary_folder_lives_as_long_as_the_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    RecordedAtOnce(monkeypatch, lambda run: None)
    verdicts = flown(None)
    folder = verdicts.folder

    assert verdicts.verdict == "PASS"
    assert (folder / "verdicts.md").is_file()
    del verdicts
    gc.collect()
    assert not folder.exists()


def test_the_same_call_goes_on_where_it_was_interrupted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(run: RunSpec) -> FailureKind | None:
        if run.run_id == 55:
            raise KeyboardInterrupt
        return None

    whole = Requirement("ok", reduce="ok", probability=0.97)
    call: dict[str, Any] = {"requirements": [whole], "seed": 7, "n": 20, "batch": 30}
    RecordedAtOnce(monkeypatch, interrupted)
    with pytest.raises(KeyboardInterrupt):
        flown(tmp_path, **call, resume=True)
    record = RecordedAtOnce(monkeypatch, lambda run: None)

    with pytest.raises(SweepConfigError) as refused:
        flown(tmp_path, **call)
    assert f"gmat-sweep extend {tmp_path}/manifest.jsonl --script {SCRIPT} --until-decided" in str(
        refused.value
    )
    assert "resume=True" in str(refused.value)
    for other, said in (
        ({"seed": 8}, "with the seed 7"),
        ({"perturb": {"Sat.SMA": ("normal", 7000.0, 2.0)}}, "with other distributions"),
    ):
        with pytest.raises(SweepConfigError, match=said):
            flown(tmp_path, **{**call, **other}, resume=True)
    assert record.passes == []

    verdicts = flown(tmp_path, **call, resume=True)
    assert (verdicts.verdict, verdicts.planned) == ("PASS", 110)
    assert record.passes[0] == ("resume", list(range(55, 80)))
