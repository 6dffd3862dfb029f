"""Programs call the public API by these names and orders; new parameters are keyword-only or last.

The table is the contract's. ``tests/seeds`` has the signatures of an older reference.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gmat_sweep import ManifestEntry, RunOutcome, RunSpec, SweepSpec, api, quasi_monte_carlo
from gmat_sweep.distributions import derive_param_seed, derive_run_seeds, sample
from gmat_sweep.sweep.keywords import ExtendKeywords, RunKeywords

# What comes before "*" can be given by position, in this order.
SIGNATURES = """
errors.RunFailed(message, run_id, stderr=None)
errors.ManifestCorruptError(message, path, line_number=None)
spec.RunSpec(script_path, overrides, output_dir, run_id, seed, run_options, postprocess=None, context={})
spec.SweepSpec(mission_script_path, runs, backend, backend_kwargs, output_dir, manifest_path, sweep_seed=None)
spec.RunOutcome(run_id, status, output_paths, extra_outputs, solver_paths, converged, postprocess_status, duration_s, stderr, started_at, ended_at)
spec.RunOutcome.ok(*, run_id, output_paths, started_at, ended_at, duration_s, extra_outputs=None, solver_paths=None, converged=None, postprocess_status="none")
spec.RunOutcome.failed(*, run_id, stderr, started_at, ended_at, duration_s, postprocess_status="none")
spec.RunSpec.from_dict(data)
spec.SweepSpec.from_dict(data)
spec.RunOutcome.from_dict(data)
manifest.ManifestEntry.from_dict(data)
manifest.ManifestEntry(run_id, overrides, status, output_paths, started_at, ended_at, duration_s, stderr, log_path, extra_outputs={}, postprocess_status="none", solver_paths={}, converged={}, context={})
manifest.ManifestEntry.from_outcome(outcome, *, overrides, context=None, log_path=None)
manifest.Manifest(script_sha256, gmat_sweep_version, gmat_run_version, gmat_install_version, python_version, os_platform, sweep_seed, parameter_spec, run_count, backend="unknown", postprocess=None, schema_version=1, entries=[], fsync_each=True, fsync_batch=50)
manifest.Manifest.save(path)
manifest.Manifest.append_entry(entry)
manifest.Manifest.load(path)
manifest.Manifest.iter_entries(path)
manifest.canonical_script_sha256(script_path)
distributions.sample(spec, seed)
distributions.derive_run_seeds(parent_seed, n)
distributions.derive_param_seed(run_seed, param_name)
distributions.perturb_to_json(perturb)
grids.full_factorial(grid)
grids.full_factorial_size(grid)
grids.iter_grid_run_specs(grid, script_path, output_dir)
grids.expand_grid_to_run_specs(grid, script_path, output_dir)
grids.expand_samples_to_run_specs(samples, script_path, output_dir)
grids.expand_monte_carlo_to_run_specs(perturb, n, seed, script_path, output_dir)
grids.expand_monte_carlo_extension_to_run_specs(perturb, old_n, n, seed, script_path, output_dir)
grids.expand_latin_hypercube_to_run_specs(perturb, n, seed, script_path, output_dir)
grids.latin_hypercube_samples(perturb, n, seed)
api.sweep(mission, *, grid=None, samples=None, backend=None, out=None, postprocess=None, seed=None, progress=True, fsync_each=True, fsync_batch=50, engine="pandas")
api.monte_carlo(mission, *, n, perturb, seed=None, backend=None, out=None, postprocess=None, progress=True, fsync_each=True, fsync_batch=50, engine="pandas")
api.latin_hypercube(mission, *, n, perturb, seed=None, backend=None, out=None, postprocess=None, progress=True, fsync_each=True, fsync_batch=50, engine="pandas")
quasi.quasi_monte_carlo(mission, *, n, perturb, design="sobol", seed=None, backend=None, out=None, postprocess=None, progress=True, fsync_each=True, fsync_batch=50, engine="pandas")
api.latin_hypercube_extend(manifest, script, *, n, backend=None, allow_script_drift=False, progress=True)
sweep.Sweep(*, runs, backend, manifest_path, output_dir, script_path, parameter_spec=None, sweep_seed=None, progress=True, allow_unisolated_pool=False, fsync_each=True, fsync_batch=50, expected_run_count=None, postprocess=None)
sweep.Sweep.archive(out, *, include_logs=False)
sweep.Sweep.extend(*, n)
sweep.Sweep.to_dataframe(name=None, *, engine="pandas")
sweep.Sweep.to_ephemerides(name=None, *, engine="pandas")
sweep.Sweep.to_contacts(name=None, *, engine="pandas")
sweep.Sweep.to_extra_outputs(name, *, engine="pandas")
sweep.Sweep.to_solver_runs(*, engine="pandas")
sweep.Sweep.to_solver_convergence(*, engine="pandas")
sweep.Sweep.to_polars(name=None)
sweep.Sweep.to_fused_reports(names, *, tolerance, spool=True)
aggregate.lazy_multiindex(manifest, output_dir, *, name=None, spool=True, engine="pandas")
aggregate.lazy_ephemerides(manifest, output_dir, *, name=None, spool=True, engine="pandas")
aggregate.lazy_contacts(manifest, output_dir, *, name=None, engine="pandas")
aggregate.lazy_extra_outputs(manifest_path, name, *, engine="pandas")
aggregate.lazy_solver_runs(manifest_path, *, engine="pandas")
aggregate.lazy_solver_convergence(manifest_path, *, engine="pandas")
aggregate.lazy_fused_reports(manifest, output_dir, names, *, tolerance, spool=True)
aggregate.sweep_summary(df, *, by="time", q=(0.05, 0.5, 0.95), include=("mean", "std"), dropna=True)
aggregate.sweep_diff(df_a, df_b, *, on=None, how="both", tolerance=None, engine="pandas")
aggregate.mc_convergence(df, metric, *, terminal_only=False, engine="pandas")
sensitivity.sobol_sample(perturb, n, *, seed=None, calc_second_order=True)
sensitivity.sobol_analyze(df, perturb, metric, *, calc_second_order=True, seed=None)
plotting.sweep_corner(df, params=None, metric=None, *, manifest=None, axes=None, kind="auto", **kw)
plotting.sweep_heatmap(df, x, y, z, *, manifest=None, ax=None, **kw)
plotting.sweep_band_plot(summary, column, *, ax=None, **kw)
plotting.mc_convergence_plot(conv, *, ax=None, **kw)
backends.base.Pool.submit(spec)
backends.base.Pool.as_completed(futures)
backends.base.Pool.imap(specs, *, in_flight=None)
backends.joblib.LocalJoblibPool(max_workers=None, *, workers=None, reuse_gmat_context=True)
backends.process_pool.ProcessPoolExecutorPool(*, max_workers=None, reuse_gmat_context=True)
backends.debug.DebugPool(*, allow_unisolated_pool=False)
backends.dask.DaskPool(*, client=None, n_workers=None, threads_per_worker=1, reuse_gmat_context=True)
backends.ray.RayPool(*, address=None, num_cpus=None, reuse_gmat_context=True, **ray_init_kwargs)
worker.run_one(spec)
api.monte_carlo_extend(manifest, script, *, n, backend=None, allow_script_drift=False, progress=True, fsync_each=True, fsync_batch=50, engine="pandas")
sweep.Sweep.from_manifest(manifest_path, script_path, *, backend, output_dir=None, allow_script_drift=False, context_provider=None, progress=True, fsync_each=True, fsync_batch=50)
cli.main(argv=None)
"""  # noqa: E501


def documented(line: str) -> tuple[str, inspect.Signature]:
    """Return the dotted name and the signature on a line of the table."""
    name, _, parameters = line.partition("(")
    scope: dict[str, Any] = {}
    exec(f"def made({parameters}: ...", scope)
    return name, inspect.signature(scope["made"])


def public(name: str) -> Any:
    """Return what a dotted name below the package names."""
    module, found = "gmat_sweep", None
    for part in name.split("."):
        if found is None:
            home = importlib.import_module(module)
            if part in vars(home) or not _is_module(f"{module}.{part}"):
                found = getattr(home, part)
                found = None if inspect.ismodule(found) else found
            module = f"{module}.{part}"
        else:
            found = getattr(found, part)
    return found


def _is_module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def with_defaults(parameter: inspect.Parameter, owner: Any) -> Any:
    """Return a parameter's default; a dataclass makes some when it is called."""
    if repr(parameter.default) == "<factory>":
        return owner.__dataclass_fields__[parameter.name].default_factory()
    return parameter.default


@pytest.mark.parametrize("line", SIGNATURES.split("\n")[1:-1])
def test_a_call_by_position_or_keyword_means_what_it_meant(line: str) -> None:
    name, signature = documented(line)
    entry = public(name)
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = {p.name: p for p in inspect.signature(entry).parameters.values() if p.name != "self"}
    by_position = [p.name for p in found.values() if p.kind in kinds]
    expected = [p.name for p in signature.parameters.values() if p.kind in kinds]

    assert by_position[: len(expected)] == expected
    for parameter in signature.parameters.values():
        own = found[parameter.name]
        assert own.kind in {parameter.kind, inspect.Parameter.POSITIONAL_OR_KEYWORD}
        if parameter.default is not parameter.empty:
            assert with_defaults(own, entry) == parameter.default
    further = [p for p in found.values() if p.name not in signature.parameters]
    assert all(
        p.default is not p.empty or p.kind in {p.VAR_KEYWORD, p.VAR_POSITIONAL} for p in further
    )


@pytest.mark.parametrize(
    ("entry", "own", "keywords"),
    [
        (api.sweep, {"mission", "grid", "samples"}, RunKeywords),
        (api.monte_carlo, {"mission", "n", "perturb"}, RunKeywords),
        (api.latin_hypercube, {"mission", "n", "perturb"}, RunKeywords),
        (quasi_monte_carlo, {"mission", "n", "perturb", "design"}, RunKeywords),
        (api.monte_carlo_extend, {"manifest", "script", "n"}, ExtendKeywords),
    ],
)
def test_type_checkers_know_every_keyword(
    entry: Callable[..., Any], own: set[str], keywords: type[RunKeywords | ExtendKeywords]
) -> None:
    named = {*own, "engine", *keywords.__annotations__}

    assert named == set(inspect.signature(entry).parameters)


def test_draws_and_seeds_by_keyword_are_those_of_the_contract() -> None:
    assert sample(spec=("normal", 0.0, 1.0), seed=42) == 0.30471707975443135
    assert derive_run_seeds(parent_seed=42, n=2) == [2684470948, 4091952314]
    assert derive_param_seed(run_seed=1, param_name="Sat.SMA") == 3827486250


def test_records_come_back_by_keyword() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    spec = RunSpec(Path("m.script"), {"Sat.SMA": 7000}, Path("o"), 3, None, {})
    whole = SweepSpec(Path("m.script"), (spec,), "LocalJoblibPool", {}, Path("o"), Path("m.jsonl"))
    outcome = RunOutcome.ok(
        run_id=3, output_paths={}, started_at=start, ended_at=start, duration_s=0.5
    )
    entry = ManifestEntry(
        3, {}, "ok", {}, start, start, 0.5, None, None,
        {"fit": Path("f")}, "ok", {"DC": Path("d")}, {"DC": True}, {"truth": 1},
    )  # fmt: skip

    assert RunSpec.from_dict(data=spec.to_dict()) == spec
    assert SweepSpec.from_dict(data=whole.to_dict()) == whole
    assert RunOutcome.from_dict(data=outcome.to_dict()) == outcome
    assert ManifestEntry.from_dict(data=entry.to_dict()) == entry
    assert entry.postprocess_status == "ok"
    assert entry.context == {"truth": 1}
