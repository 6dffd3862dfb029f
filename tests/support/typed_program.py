"""A program that uses every public name. mypy checks it with the tests; it is never run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gmat_sweep import (
    LocalJoblibPool,
    Manifest,
    RunOutcome,
    RunSpec,
    Sweep,
    expand_grid_to_run_specs,
    lazy_extra_outputs,
    lazy_multiindex,
    lazy_solver_convergence,
    lazy_solver_runs,
    mc_convergence,
    monte_carlo,
    monte_carlo_extend,
    sobol_analyze,
    sobol_sample,
    sweep,
    sweep_diff,
    sweep_summary,
)
from gmat_sweep.backends.joblib import LocalJoblibPool as SamePool
from gmat_sweep.plotting import sweep_corner


def hook(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Write one derived table."""
    report = pd.read_parquet(outcome.output_paths["report__RF"])
    path = spec.output_dir / "derived.parquet"
    report.tail(1).to_parquet(path)
    return {"derived": path}


def program(script: Path, out: Path) -> pd.DataFrame:
    """Use everything once."""
    frame: pd.DataFrame = sweep(
        script,
        grid={"Sat.SMA": [7000, 7100.5]},
        out=out,
        postprocess="hooks:hook",
        context={0: {"truth": 1.5}},
    )
    drawn = monte_carlo(
        str(script), n=10, perturb={"Sat.SMA": ("normal", 7100, 50)}, seed=42, timeout=60, name="RF"
    )
    with LocalJoblibPool(max_workers=2) as pool, SamePool(2) as other:
        runs = expand_grid_to_run_specs({"Sat.INC": range(10)}, script, out)
        done: Sweep = Sweep(
            runs=runs,
            backend=pool,
            manifest_path=out / "manifest.jsonl",
            output_dir=out,
            script_path=script,
        ).run()
        for spec, outcome in done.iter_outcomes():
            print(spec.run_id, outcome.status)
        resumed = Sweep.from_manifest(out / "manifest.jsonl", script, backend=other).resume()
        resumed.archive(out / "sweep.zip")
    monte_carlo_extend(out / "manifest.jsonl", script, n=5)
    manifest: Manifest = Manifest.load(out / "manifest.jsonl")
    failed: list[int] = manifest.find_failed()
    missing: list[int] = Manifest.find_missing(out / "manifest.jsonl", range(10))
    print(failed, missing, manifest.total_run_count)
    derived = lazy_extra_outputs(out / "manifest.jsonl", "derived")
    reports = lazy_multiindex(manifest, out)
    solvers = lazy_solver_runs(out / "manifest.jsonl")
    converged = lazy_solver_convergence(out / "manifest.jsonl")
    samples = sobol_sample({"Sat.SMA": ("uniform", 7000, 7100)}, 8, seed=1)
    indices = sobol_analyze(frame, {"Sat.SMA": ("uniform", 7000, 7100)}, "Sat.X")
    sweep_corner(reports, ["Sat.SMA", "Sat.INC"], "Sat.X", manifest=manifest)
    return pd.concat(
        [
            derived,
            solvers,
            converged,
            samples,
            indices,
            sweep_summary(drawn),
            sweep_diff(frame, drawn),
            mc_convergence(drawn, "Sat.X", terminal_only=True),
        ]
    )
