"""Hooks that use the engine of their worker, as the context of the run says."""

from __future__ import annotations

from pathlib import Path

from gmat_sweep.spec import RunOutcome, RunSpec


def use(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Load another script, set a field, run something, load a kernel, or leave the engine alone."""
    other = Path(str(spec.context["other"]))
    if spec.context["use"] == "load":
        import gmat_run

        gmat_run.Mission.load(other)
    if spec.context["use"] == "set":
        import gmatpy

        gmatpy.GetObject("RF").SetField("Precision", 5)
    if spec.context["use"] == "run":
        import gmatpy

        gmatpy.LoadScript(str(other))
        gmatpy.RunScript()
    if spec.context["use"] == "kernel":
        import gmatpy

        data = Path(gmatpy.FileManager.Instance().GetRootPath()) / "data" / "planetary_coeff"
        gmatpy.SpiceInterface().LoadKernel(str(data / "SPICEPlanetaryConstantsKernel.tpc"))
    return {}
