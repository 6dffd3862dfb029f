"""A program that uses every public name. mypy checks it with the tests; it is never run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd
import polars as pl

from gmat_sweep import (
    LocalJoblibPool,
    Manifest,
    RunOutcome,
    RunSpec,
    Sweep,
    expand_grid_to_run_specs,
    latin_hypercube,
    lazy_contacts,
    lazy_ephemerides,
    lazy_extra_outputs,
    lazy_fused_reports,
    lazy_multiindex,
    lazy_solver_convergence,
    lazy_solver_runs,
    mc_convergence,
    monte_carlo,
    monte_carlo_extend,
    quasi_monte_carlo,
    sobol_analyze,
    sobol_sample,
    sweep,
    sweep_diff,
    sweep_summary,
)
from gmat_sweep.backends.joblib import LocalJoblibPool as SamePool
from gmat_sweep.plotting import sweep_corner, sweep_heatmap


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


def in_polars(script: Path, out: Path, engine: Literal["pandas", "polars"]) -> pl.DataFrame:
    """Ask for frames of polars wherever there is a choice."""
    frame: pl.DataFrame = sweep(script, grid={"Sat.SMA": [7000]}, engine="polars", out=out)
    drawn = monte_carlo(script, n=2, perturb={"Sat.SMA": ("normal", 7, 1)}, engine="polars")
    cube = latin_hypercube(script, n=2, perturb={"Sat.SMA": ("uniform", 7, 8)}, engine="polars")
    points = quasi_monte_carlo(
        script, n=2, perturb={"Sat.SMA": ("uniform", 7, 8)}, design="halton", engine="polars"
    )
    more = monte_carlo_extend(out, script, n=2, engine="polars", trust_hook=True)
    manifest, path = Manifest.load(out / "manifest.jsonl"), out / "manifest.jsonl"
    read: list[pl.DataFrame] = [
        lazy_multiindex(manifest, out, engine="polars"),
        lazy_ephemerides(manifest, out, engine="polars"),
        lazy_contacts(manifest, out, engine="polars"),
        lazy_extra_outputs(path, "fit", engine="polars"),
        lazy_solver_runs(path, engine="polars"),
        lazy_solver_convergence(path, engine="polars"),
        lazy_fused_reports(manifest, out, ["A", "B"], tolerance="exact", engine="polars"),
        mc_convergence(frame, "Sat.X", engine="polars"),
        sweep_diff(frame, drawn, engine="polars"),
    ]
    with LocalJoblibPool(1) as pool:
        again = Sweep.from_manifest(path, backend=pool)
        read += [
            again.to_polars(),
            again.to_dataframe(engine="polars"),
            again.to_ephemerides(engine="polars"),
            again.to_contacts(engine="polars"),
            again.to_extra_outputs("fit", engine="polars"),
            again.to_solver_runs(engine="polars"),
            again.to_solver_convergence(engine="polars"),
            again.to_fused_reports(["A", "B"], tolerance="exact", engine="polars"),
        ]
        pandas: list[pd.DataFrame] = [again.to_dataframe(), again.to_solver_runs(engine="pandas")]
    either: pd.DataFrame | pl.DataFrame = sweep(script, grid={}, engine=engine)
    sweep_heatmap(frame, "Sat.SMA", "Sat.INC", lambda whole: whole["Sat.X"] * 2)
    print(pandas, either)
    return pl.concat([frame, drawn, cube, points, more, *read])
