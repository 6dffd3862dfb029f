"""Which sweeps may grow: those of which a resume would tell no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmat_sweep import SweepConfigError
from gmat_sweep.manifest import Manifest, ManifestEntry
from gmat_sweep.spec import RunSpec
from gmat_sweep.sweep.resuming import planned_extension
from manifests import entry, header

MONTE_CARLO = {
    "_kind": "monte_carlo", "n": 3, "perturb": {"Sat.SMA": ["normal", 7000, 1]}, "seed": 1,
}  # fmt: skip
GMAT_CAUSE = "Traceback (most recent call last):\ngmat_run.errors.GmatFieldError: no\n"


def failed(run_id: int, kind: str | None, stderr: str | None = None) -> ManifestEntry:
    return entry(run_id, "failed", output_paths={}, failure_kind=kind, stderr=stderr)


def extended(folder: Path, *last: ManifestEntry, allow_failed: bool = False) -> list[RunSpec]:
    """Plan two more runs of a sweep of three, of which the first is ok."""
    sweep = header(parameter_spec=MONTE_CARLO, run_count=3, sweep_seed=1)
    sweep.entries = [entry(0, output_paths={}), *last]
    sweep.save(folder / "manifest.jsonl")
    script = folder / "m.script"
    runs = [RunSpec(script, {}, folder / f"run-{i}", i, None, {}) for i in range(3)]
    return planned_extension(
        Manifest.load(folder / "manifest.jsonl"),
        runs,
        2,
        script,
        folder,
        allow_failed=allow_failed,
    )


@pytest.mark.parametrize("stderr", [None, GMAT_CAUSE])
def test_failures_of_the_mission_never_hinder(tmp_path: Path, stderr: str | None) -> None:
    """An earlier version says by the cause alone whose failure it is."""
    kind = "mission" if stderr is None else None

    added = extended(tmp_path, failed(1, kind, stderr), failed(2, kind, stderr))

    assert [run.run_id for run in added] == [3, 4]


@pytest.mark.parametrize("kind", ["hook", "worker", "memory", "timeout", "storage", None])
def test_any_other_failure_is_resumed_first_or_allowed(tmp_path: Path, kind: str | None) -> None:
    last = [failed(1, "mission"), failed(2, kind)]

    with pytest.raises(SweepConfigError) as refused:
        extended(tmp_path, *last)
    assert str(refused.value) == (
        "incomplete base sweep: it has 1 run (2) that failed, but not in the mission. Finish it "
        "with resume() first, or extend it as it is with allow_failed=True (--allow-failed)."
    )
    assert [run.run_id for run in extended(tmp_path, *last, allow_failed=True)] == [3, 4]


def test_a_run_without_an_entry_cannot_be_allowed(tmp_path: Path) -> None:
    for allowed, said in (
        (False, "1 run (1) without an entry, 1 run (2) that failed, but not in the mission. "),
        (True, "1 run (1) without an entry. "),
    ):
        with pytest.raises(SweepConfigError) as refused:
            extended(tmp_path, failed(2, "worker"), allow_failed=allowed)

        assert str(refused.value) == (
            f"incomplete base sweep: it has {said}Finish it with resume() first."
        )
