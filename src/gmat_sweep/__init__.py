"""Parameter sweeps and Monte Carlo dispersions over NASA GMAT missions, orchestrated by Prefect."""

import importlib as _importlib
import logging as _logging
import sys as _sys
import types as _types
import typing as _typing

from gmat_sweep.errors import (
    BackendError,
    GmatSweepError,
    ManifestCorruptError,
    RunFailed,
    SweepConfigError,
)
from gmat_sweep.printable import printable_record as _printable_record

if _typing.TYPE_CHECKING:
    from gmat_sweep.aggregate import (
        lazy_contacts,
        lazy_ephemerides,
        lazy_extra_outputs,
        lazy_fused_reports,
        lazy_multiindex,
        lazy_solver_convergence,
        lazy_solver_runs,
    )
    from gmat_sweep.analysis import mc_convergence, sweep_diff, sweep_summary
    from gmat_sweep.api import latin_hypercube, monte_carlo, monte_carlo_extend, sweep
    from gmat_sweep.backends.base import Pool
    from gmat_sweep.backends.joblib import LocalJoblibPool
    from gmat_sweep.distributions import DistSpec
    from gmat_sweep.export import export_czml, export_oem
    from gmat_sweep.grids import (
        expand_grid_to_run_specs,
        expand_latin_hypercube_to_run_specs,
        expand_monte_carlo_extension_to_run_specs,
        expand_monte_carlo_to_run_specs,
        expand_samples_to_run_specs,
        full_factorial,
        full_factorial_size,
        iter_grid_run_specs,
        latin_hypercube_samples,
    )
    from gmat_sweep.manifest import MANIFEST_SCHEMA_VERSION, Manifest, ManifestEntry
    from gmat_sweep.mission.script import canonical_script_sha256
    from gmat_sweep.plans import parameter_spec_from_runs
    from gmat_sweep.quasi import quasi_monte_carlo
    from gmat_sweep.sensitivity import sobol_analyze, sobol_sample
    from gmat_sweep.spec import PostprocessStatus, RunOutcome, RunSpec, RunStatus, SweepSpec
    from gmat_sweep.sweep import Sweep
    from gmat_sweep.sweep.campaigns import verify_until
    from gmat_sweep.sweep.replay_kit import check_replay
    from gmat_sweep.sweep.replaying import flown_script, replay_run, replay_worst
    from gmat_sweep.verdicts.judging import judge
    from gmat_sweep.verdicts.planning import runs_needed
    from gmat_sweep.verdicts.reading import load_requirements
    from gmat_sweep.verdicts.requirement import Requirement

    __version__: str

# The module of each public name. `__getattr__` imports it when the name is first used, so that
# `import gmat_sweep` and the command line's --help answer at once.
_HOMES = {
    "DistSpec": "distributions",
    "LocalJoblibPool": "backends.joblib",
    "MANIFEST_SCHEMA_VERSION": "manifest",
    "Manifest": "manifest",
    "ManifestEntry": "manifest",
    "Pool": "backends.base",
    "PostprocessStatus": "spec",
    "Requirement": "verdicts.requirement",
    "RunOutcome": "spec",
    "RunSpec": "spec",
    "RunStatus": "spec",
    "Sweep": "sweep",
    "SweepSpec": "spec",
    "canonical_script_sha256": "mission.script",
    "check_replay": "sweep.replay_kit",
    "expand_grid_to_run_specs": "grids",
    "expand_latin_hypercube_to_run_specs": "grids",
    "expand_monte_carlo_extension_to_run_specs": "grids",
    "expand_monte_carlo_to_run_specs": "grids",
    "expand_samples_to_run_specs": "grids",
    "export_czml": "export",
    "export_oem": "export",
    "flown_script": "sweep.replaying",
    "full_factorial": "grids",
    "full_factorial_size": "grids",
    "iter_grid_run_specs": "grids",
    "judge": "verdicts.judging",
    "latin_hypercube": "api",
    "latin_hypercube_samples": "grids",
    "lazy_contacts": "aggregate",
    "lazy_ephemerides": "aggregate",
    "lazy_extra_outputs": "aggregate",
    "lazy_fused_reports": "aggregate",
    "lazy_multiindex": "aggregate",
    "lazy_solver_convergence": "aggregate",
    "lazy_solver_runs": "aggregate",
    "load_requirements": "verdicts.reading",
    "mc_convergence": "analysis",
    "monte_carlo": "api",
    "monte_carlo_extend": "api",
    "parameter_spec_from_runs": "plans",
    "quasi_monte_carlo": "quasi",
    "replay_run": "sweep.replaying",
    "replay_worst": "sweep.replaying",
    "runs_needed": "verdicts.planning",
    "sobol_analyze": "sensitivity",
    "sobol_sample": "sensitivity",
    "sweep": "api",
    "sweep_diff": "analysis",
    "sweep_summary": "analysis",
    "verify_until": "sweep.campaigns",
}

__all__ = [
    "MANIFEST_SCHEMA_VERSION",
    "BackendError",
    "DistSpec",
    "GmatSweepError",
    "LocalJoblibPool",
    "Manifest",
    "ManifestCorruptError",
    "ManifestEntry",
    "Pool",
    "PostprocessStatus",
    "Requirement",
    "RunFailed",
    "RunOutcome",
    "RunSpec",
    "RunStatus",
    "Sweep",
    "SweepConfigError",
    "SweepSpec",
    "__version__",
    "canonical_script_sha256",
    "check_replay",
    "expand_grid_to_run_specs",
    "expand_latin_hypercube_to_run_specs",
    "expand_monte_carlo_extension_to_run_specs",
    "expand_monte_carlo_to_run_specs",
    "expand_samples_to_run_specs",
    "export_czml",
    "export_oem",
    "flown_script",
    "full_factorial",
    "full_factorial_size",
    "iter_grid_run_specs",
    "judge",
    "latin_hypercube",
    "latin_hypercube_samples",
    "lazy_contacts",
    "lazy_ephemerides",
    "lazy_extra_outputs",
    "lazy_fused_reports",
    "lazy_multiindex",
    "lazy_solver_convergence",
    "lazy_solver_runs",
    "load_requirements",
    "mc_convergence",
    "monte_carlo",
    "monte_carlo_extend",
    "parameter_spec_from_runs",
    "quasi_monte_carlo",
    "replay_run",
    "replay_worst",
    "runs_needed",
    "sobol_analyze",
    "sobol_sample",
    "sweep",
    "sweep_diff",
    "sweep_summary",
    "verify_until",
]

if _logging.getLogger(__name__).level == _logging.NOTSET:
    _logging.getLogger(__name__).setLevel(_logging.WARNING)
_logging.getLogger(__name__).addFilter(_printable_record)


def __getattr__(name: str) -> object:
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _importlib.import_module(f"{__name__}.{_HOMES[name]}")
    _importlib.import_module(f"{__name__}.engine").offer_wheel()
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("gmat-sweep")
    except PackageNotFoundError:
        return "0.0.0"


class _Package(_types.ModuleType):
    """Keeps ``gmat_sweep.sweep`` the function, although a submodule of that name exists.

    The import system sets a submodule as an attribute of its package. This class ignores that for
    ``gmat_sweep.sweep``.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name == "sweep" and isinstance(value, _types.ModuleType):
            return
        super().__setattr__(name, value)


_sys.modules[__name__].__class__ = _Package
