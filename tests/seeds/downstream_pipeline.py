# mypy: ignore-errors
"""Shared per-run pipeline for the downstream-consumer example sweep.

A postprocess hook is resolved fresh inside every worker subprocess from
an import-path string, so it must be an importable module-level function
— a closure or a lambda has no importable name. Keeping it in its own
module is what lets the main sweep, the resumed sweep, and the
sensitivity variant all share one definition.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gmat_sweep import RunOutcome, RunSpec


def derive_orbit_metrics(run_spec: RunSpec, run_outcome: RunOutcome) -> dict[str, Path]:
    """Reduce one run's ReportFile to a derived single-row Parquet.

    GMAT's ReportFile carries the Cartesian state but not the orbital
    radius. This hook computes ``|r|`` over the propagation and records
    two per-run scalars GMAT never wrote directly: the final radius and
    the radius spread across the arc. The returned mapping registers the
    Parquet in the manifest under the key ``"orbit_metrics"``.
    """
    report = pd.read_parquet(run_outcome.output_paths["report__RF"])
    radius_km = np.sqrt(
        report["Sat.EarthMJ2000Eq.X"] ** 2
        + report["Sat.EarthMJ2000Eq.Y"] ** 2
        + report["Sat.EarthMJ2000Eq.Z"] ** 2
    )
    out_path = run_spec.output_dir / "orbit_metrics.parquet"
    pd.DataFrame(
        [
            {
                "final_radius_km": float(radius_km.iloc[-1]),
                "radius_span_km": float(radius_km.max() - radius_km.min()),
            }
        ]
    ).to_parquet(out_path)
    return {"orbit_metrics": out_path}
