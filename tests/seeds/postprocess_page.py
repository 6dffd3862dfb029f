# The snippets of the page "Per-run postprocessing hooks", as printed; the two that begin with the
# name of a file are that file.
# ruff: noqa: E402, F821, F841, PIE790
# fmt: off
# mypy: ignore-errors

# %%
from gmat_sweep import sweep

reports = sweep(
    "mission.script",
    grid={"Sat.SMA": [7000, 7100, 7200]},
    out="./sweep",
    postprocess="my_analysis.hooks:summarise_run",
)

# %%
# my_analysis/hooks.py
from pathlib import Path

import pandas as pd

from gmat_sweep import RunOutcome, RunSpec


def summarise_run(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Reduce the run's ReportFile to one summary row."""
    report = pd.read_parquet(outcome.output_paths["report__FinalState"])
    last = report.sort_values("time").iloc[-1]

    out_path = spec.output_dir / "summary.parquet"
    pd.DataFrame(
        [{"run_id": spec.run_id, "final_radius_km": last["Sat.RMAG"]}]
    ).to_parquet(out_path)
    return {"summary": out_path}


# %%
from pathlib import Path

from gmat_sweep import RunSpec, Sweep

specs = [
    RunSpec(
        script_path=mission,
        overrides={"Sat.X": x0[i], "Sat.Y": y0[i], "Sat.Z": z0[i]},
        output_dir=out / f"run-{i}",
        run_id=i,
        seed=None,
        run_options={},
        context={"truth_km": truth[i].tolist(), "norad_id": ids[i]},
    )
    for i in range(n)
]

sweep = Sweep(
    runs=specs,
    backend=pool,
    manifest_path=out / "manifest.jsonl",
    output_dir=out,
    script_path=mission,
    postprocess="my_analysis.hooks:compare_to_truth",
)

# %%
# my_analysis/hooks.py
def compare_to_truth(run_spec, run_outcome):
    truth = run_spec.context["truth_km"]
    ...


# %%
from gmat_sweep import lazy_extra_outputs

summary = lazy_extra_outputs("./sweep/manifest.jsonl", "summary")
