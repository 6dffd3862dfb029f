"""A sweep folder without GMAT that a report has much to say of: failures, violations, odd names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gmat_sweep.manifest import Manifest, ManifestEntry
from gmat_sweep.spec import NOMINAL_RUN_ID, RunStatus

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 1, 1, tzinfo=UTC)
REQUIRED: dict[str, Any] = {
    "confidence": 0.9,
    "requirement": [
        {
            "name": "apogee", "column": "Sat.Earth.RadApo", "within": [41964, 42364], "unit": "km",
            "probability": 0.9,
        },
        {
            "name": "perigee", "column": "Sat.Earth.RadPer", "limit": "> 6600", "unit": "km",
            "probability": 0.99,
        },
    ],
}  # fmt: skip


def reported_sweep(
    folder: Path,
    runs: int,
    *,
    more: int = 0,
    cause: str = "no such orbit",
    nominal: bool = True,
    **header: Any,
) -> Path:
    """Make a Monte Carlo whose apogee hangs on one input, and whose light spacecraft fail.

    Parameters
    ----------
    folder : Path
        The sweep folder, which is made.
    runs : int
        How many.
    more : int
        How many further quantities are reported.
    cause : str
        What GMAT says of the runs that fail.
    nominal : bool
        Whether there is a nominal run.
    **header
        Fields of the manifest.

    Returns
    -------
    Path
        The manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(19)
    burn, side = draw.normal(2.4257, 0.003, runs), draw.normal(0.0, 0.004, runs)
    mass, raan = draw.normal(1000, 300, runs), draw.normal(0.0, 0.4, runs) % 360
    perturb = {
        "Injection.Element1": ["normal", 2.4257, 0.003],
        "Injection.Element2": ["normal", 0, 0.004],
        "Sat.DryMass": ["normal", 1000, 300],
        "Sat.RAAN": ["normal", 0, 0.4],
    }
    manifest = Manifest(
        **{
            "script_sha256": "5c" * 32,
            "gmat_sweep_version": "0.1.0",
            "gmat_run_version": "0.6.0",
            "gmat_install_version": "R2026a",
            "python_version": "3.12.3",
            "os_platform": "Linux",
            "sweep_seed": 42,
            "parameter_spec": {
                "_kind": "monte_carlo",
                "n": runs,
                "seed": 42,
                "perturb": perturb,
                "nominal": {"Injection.Element1": 2.4257, "Injection.Element2": 0.0},
            },
            "run_count": runs,
            "extra": {"mission": "injection.script"},
            **header,
        }
    )
    further = draw.normal(size=(runs, more))
    for run_id in range(-int(nominal), runs):
        is_nominal = run_id == NOMINAL_RUN_ID
        one, two = (2.4257, 0.0) if is_nominal else (burn[run_id], side[run_id])
        fails = not is_nominal and mass[run_id] < 600
        status: RunStatus = "failed" if fails else "ok"
        outputs = {}
        if not fails:
            radii = (42164 + 6e4 * (one - 2.4257) + 2e5 * two**2, 6628 + 900 * two)
            name = "nominal" if is_nominal else str(run_id)
            path = folder / f"run-{name}" / "report__Final.parquet"
            path.parent.mkdir(exist_ok=True)
            pq.write_table(
                pa.table(
                    {
                        "time": pa.array([START.replace(tzinfo=None)], pa.timestamp("ns")),
                        "Sat.Earth.RadApo": [float(radii[0])],
                        "Sat.Earth.RadPer": [float(radii[1])],
                        "Sat.EarthMJ2000Eq.RAAN": [0.0 if is_nominal else float(raan[run_id])],
                        "Sat.Note": ["ok"],
                        **{f"V{at:02}": [float(further[run_id, at])] for at in range(more)},
                    }
                ),
                path,
            )
            outputs["report__Final"] = path
        overrides = {
            "Injection.Element1": float(one),
            "Injection.Element2": float(two),
            "Sat.DryMass": float(mass[run_id]),
            "Sat.RAAN": float(raan[run_id]),
        }
        manifest.entries.append(
            ManifestEntry(
                run_id=run_id,
                overrides={} if is_nominal else overrides,
                status=status,
                output_paths=outputs,
                started_at=START + timedelta(seconds=max(0, run_id)),
                ended_at=START + timedelta(seconds=max(0, run_id) + 1),
                duration_s=1.0,
                stderr=(
                    "Traceback (most recent call last):\ngmat_run.errors.GmatRunError: GMAT raised "
                    f"GmatBaseException: {cause}\n"
                    if fails
                    else None
                ),
                log_path=None,
                failure_kind="mission" if fails else None,
            )
        )
    manifest.save(folder / "manifest.jsonl")
    manifest.close()
    return folder / "manifest.jsonl"
