"""Programs import from these paths: each of them stays, wherever the code goes."""

from __future__ import annotations

import importlib

import pytest

PATHS = {
    "aggregate": (
        "extra_outputs lazy_contacts lazy_ephemerides lazy_extra_outputs lazy_fused_reports "
        "lazy_multiindex lazy_solver_convergence lazy_solver_runs mc_convergence "
        "solver_convergence solver_runs sweep_diff sweep_summary"
    ),
    "analysis.nightly": (
        "Accumulation NightReport accept accepted accumulated creeping drift_over night_page "
        "night_report rotating_seed"
    ),
    "api": "latin_hypercube latin_hypercube_extend monte_carlo monte_carlo_extend sweep",
    "archive": "Compaction archive_sweep compact",
    "backends": (
        "DaskPool DebugPool LocalJoblibPool Pool ProcessPoolExecutorPool RayPool missing_extra"
    ),
    "backends.base": "Pool",
    "backends.dask": "DaskPool class_named",
    "backends.debug": "DebugPool",
    "backends.joblib": "LocalJoblibPool",
    "backends.process_pool": "ProcessPoolExecutorPool",
    "backends.ray": "RayPool",
    "cli": (
        "EXIT_BACKEND EXIT_CONFIG EXIT_DAMAGED EXIT_GENERIC EXIT_MANIFEST EXIT_OK "
        "EXIT_RUNS_FAILED entry_point main"
    ),
    "distributions": (
        "DistSpec checked_count checked_perturb checked_seed derive_param_seed "
        "derive_run_seeds draw_function fresh_seed latin_hypercube_unit perturb_from_json "
        "perturb_to_json sample to_rv_frozen"
    ),
    "errors": (
        "BackendError DurabilityError EngineError GmatSweepError ManifestCorruptError "
        "MissionScriptError RunFailed SweepConfigError SweepFolderInUseError SweepStoppedError"
    ),
    "export": "Exported export_czml export_oem",
    "flows": "accept_baseline gmat_sweep_flow nightly_dispersion",
    "grids": (
        "expand_grid_to_run_specs expand_latin_hypercube_to_run_specs "
        "expand_monte_carlo_extension_to_run_specs expand_monte_carlo_to_run_specs "
        "expand_samples_to_run_specs full_factorial full_factorial_size grid_runs "
        "iter_grid_run_specs latin_hypercube_runs latin_hypercube_samples materialise_grid "
        "monte_carlo_runs plain_value sample_runs"
    ),
    "manifest": "MANIFEST_SCHEMA_VERSION Manifest ManifestEntry canonical_script_sha256",
    "plotting": (
        "mc_convergence_over_time_plot mc_convergence_plot sweep_band_plot sweep_corner "
        "sweep_heatmap"
    ),
    "reporting": "html_report save_plots",
    "sensitivity": "sobol_analyze sobol_sample",
    "spec": "PostprocessStatus RunOutcome RunSpec RunStatus SweepSpec checked_choice",
    "sweep": "Sweep",
    "worker": "ENGINE_LOG_MARK MissionFacts inspect_mission load_hook run_one",
}


@pytest.mark.parametrize(
    ("module", "name"),
    [(module, name) for module, names in PATHS.items() for name in names.split()],
)
def test_it_can_be_imported_from_where_programs_import_it(module: str, name: str) -> None:
    home = importlib.import_module(f"gmat_sweep.{module}")

    assert getattr(home, name) is not None
