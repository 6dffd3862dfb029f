"""Sweep folders without GMAT, whose runs have the numbers that a test gives them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from gmat_sweep.manifest import Manifest, ManifestEntry

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

COLUMN = "Sat.Earth.RadApo"
START = datetime(2026, 1, 1, tzinfo=UTC)
SAID_BY_GMAT = (
    "Traceback (most recent call last):\n"
    "gmat_run.errors.GmatRunError: GMAT raised GmatBaseException: no such orbit\n"
)


class JudgedSweep:
    """A sweep folder; runs are recorded in the order in which they are added.

    Parameters
    ----------
    folder : Path
        The sweep folder, which is made.
    runs : int
        The number of runs that the sweep was started with.
    kind : str
        The design.
    **header
        Further fields of the manifest, and of its ``parameter_spec``.
    """

    def __init__(self, folder: Path, runs: int, kind: str = "monte_carlo", **header: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.path = folder / "manifest.jsonl"
        kinds: dict[str, dict[str, Any]] = {
            "monte_carlo": {"n": runs, "seed": 42, "perturb": {"Sat.SMA": ["normal", 7000, 1]}},
            "latin_hypercube": {"n": runs, "seed": 42, "perturb": {}},
            "grid": {"Sat.SMA": list(range(runs))},
            "explicit": {"columns": ["Sat.SMA"], "rows": [[each] for each in range(runs)]},
        }
        spec = kinds[kind] | header.pop("parameter_spec", {})
        self.manifest = Manifest(
            **{
                "script_sha256": "5c" * 32,
                "gmat_sweep_version": "0.1.0",
                "gmat_run_version": "0.6.0",
                "gmat_install_version": "R2026a",
                "python_version": "3.12.3",
                "os_platform": "Linux",
                "sweep_seed": 42,
                "parameter_spec": {"_kind": kind, **spec},
                "run_count": runs,
                "fsync_each": False,
                "fsync_batch": 10**9,
                **header,
            }
        )
        self.manifest.save(self.path)

    def add(self, run_id: int, value: float | None = None, **fields: Any) -> JudgedSweep:
        """Record a run that is ok; `value` is the only row of its report."""
        if value is not None:
            fields.setdefault("output_paths", {"report__R": self.report(run_id, [value])})
        self._append(run_id, "ok", **fields)
        return self

    def report(self, run_id: int, values: Iterable[Any], column: str = COLUMN) -> Path:
        """Write a report with a row per value, a minute apart, and return its path."""
        listed = list(values)
        path = self.folder / f"run-{run_id}" / "report__R.parquet"
        path.parent.mkdir(exist_ok=True)
        times = [
            START.replace(tzinfo=None) + timedelta(minutes=each) for each in range(len(listed))
        ]
        columns = {
            column: pa.array(
                listed, pa.timestamp("ns") if column.endswith("Gregorian") else pa.float64()
            ),
            "time": pa.array(times, pa.timestamp("ns")),
        }
        pq.write_table(pa.table(columns), path)
        return path

    def fail(self, run_id: int, kind: str | None = "mission", **fields: Any) -> JudgedSweep:
        """Record a run that failed; of no kind: as an earlier version recorded it."""
        self._append(run_id, "failed", **{"failure_kind": kind, "stderr": SAID_BY_GMAT, **fields})
        return self

    def fly(self, runs: int, violating: Iterable[int] = (), begin: int = 0) -> JudgedSweep:
        """Record runs in order: violating ones failed in the mission, the others have no file."""
        bad = set(violating)
        for run_id in range(begin, runs):
            self.fail(run_id) if run_id in bad else self.add(run_id)
        return self

    def _append(self, run_id: int, status: Any, **fields: Any) -> None:
        values: dict[str, Any] = {
            "overrides": {"Sat.SMA": 7000.0 + run_id},
            "output_paths": {},
            "started_at": START,
            "ended_at": START + timedelta(seconds=1),
            "duration_s": 1.0,
            "stderr": None,
            "log_path": None,
            "seed": run_id + 1,
        }
        entry = ManifestEntry(run_id=run_id, status=status, **(values | fields))
        self.manifest.append_entry(entry, hold=False)
