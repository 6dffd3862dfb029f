"""Sweeps of the short mission that tests stop, damage, resume and compare."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from gmat_sweep import LocalJoblibPool, Manifest, RunSpec, Sweep
from repository import DATA

SHORT = DATA / "leo_short.script"
NOTE = "sweep_hooks:note"


def same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Return True if two frames are equal to the last bit; else fail and say where they differ."""
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    return True


def reopened(folder: Path, pool: LocalJoblibPool, script: Path = SHORT, **options: Any) -> Sweep:
    """Return the sweep in `folder`, rebuilt from its manifest as in a new process."""
    return Sweep.from_manifest(
        folder / "manifest.jsonl", script, backend=pool, progress=False, **options
    )


def hand_made(
    runs: Iterable[RunSpec], folder: Path, pool: LocalJoblibPool, **options: Any
) -> Sweep:
    """Return a sweep over `runs` in `folder`."""
    given = {
        "runs": list(runs),
        "backend": pool,
        "manifest_path": folder / "manifest.jsonl",
        "output_dir": folder,
        "script_path": SHORT,
        "progress": False,
    }
    return Sweep(**{**given, **options})


def run_of(run_id: int, folder: Path, **changes: Any) -> RunSpec:
    """Return a run of the short mission below `folder`."""
    facts: dict[str, Any] = {
        "script_path": SHORT,
        "overrides": {"Sat.SMA": 7000.0 + run_id},
        "output_dir": folder / f"run-{run_id}",
        "run_id": run_id,
        "seed": None,
        "run_options": {},
    }
    return RunSpec(**{**facts, **changes})


def forget(folder: Path, *run_ids: int) -> None:
    """Remove the entries of some runs, as if the driver had been killed before it wrote them."""
    manifest = Manifest.load(folder / "manifest.jsonl")
    manifest.entries = [entry for entry in manifest.entries if entry.run_id not in run_ids]
    manifest.save(folder / "manifest.jsonl")


def ran(folder: Path, before: int) -> list[int]:
    """Return the runs recorded after the first `before` entries."""
    return [e.run_id for e in Manifest.iter_entries(folder / "manifest.jsonl")][before:]


def lines_of(path: Path) -> int:
    """Return how many entries the file has."""
    return path.read_bytes().count(b"\n") - 1 if path.exists() else -1


def content(folder: Path) -> dict[str, bytes]:
    """Return every file below `folder`."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
