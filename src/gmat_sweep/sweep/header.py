"""The header of a new sweep's manifest."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from gmat_sweep.disk.owner import origin
from gmat_sweep.engine.data_versions import data_versions
from gmat_sweep.import_places import folder_of_hook, hook_digest
from gmat_sweep.manifest import Manifest
from gmat_sweep.manifest.drift import HOOK_KEY
from gmat_sweep.manifest.values import jsonable
from gmat_sweep.plans import EXPLICIT_RUNS_KEY, explicit_record, header_facts
from gmat_sweep.plans.header import ENGINE_DATA_KEY
from gmat_sweep.plans.nominal import NOMINAL_RUN_KEY
from gmat_sweep.sweep.resuming import UNCONVERGED_KEY
from gmat_sweep.sweep.trust import HOOK_FOLDER_KEY
from gmat_sweep.verdicts.chosen import VERIFICATION_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gmat_sweep.engine import Engine
    from gmat_sweep.spec import RunSpec
    from gmat_sweep.sweep.options import SweepOptions

__all__ = ["new_header"]


def new_header(
    runs: Sequence[RunSpec],
    parameter_spec: Mapping[str, Any],
    *,
    is_explicit: bool,
    seed: int | None,
    script: Path,
    digest: str,
    folder: Path,
    backend: str,
    engine: Engine,
    options: SweepOptions,
    facts: Mapping[str, Any],
) -> Manifest:
    """Return the manifest of a sweep before its first run.

    Parameters
    ----------
    runs : sequence of RunSpec
        All runs.
    parameter_spec : mapping
        The fields that vary and how.
    is_explicit : bool
        Whether the runs were given one by one, so that the header must hold them.
    seed : int or None
        The sweep's seed.
    script, digest : Path, str
        The mission script and its hash.
    folder : Path
        The sweep folder.
    backend : str
        Class name of the pool.
    engine : Engine
        The engine that will fly it.
    options : SweepOptions
        How runs are run.
    facts : mapping
        What is known of the mission besides.

    Raises
    ------
    SweepConfigError
        A value cannot be written as JSON.
    """
    extra: dict[str, Any] = {"created_by": origin(), "mission": script.name, **facts}
    if data := data_versions(engine):
        extra[ENGINE_DATA_KEY] = data
    if options.postprocess is not None and (place := folder_of_hook(options.postprocess)):
        extra[HOOK_FOLDER_KEY] = place
    if (hook := hook_digest(options.postprocess)) is not None:
        extra[HOOK_KEY] = hook
    if options.nominal:
        extra[NOMINAL_RUN_KEY] = True
    if options.unconverged != "ok":
        extra[UNCONVERGED_KEY] = options.unconverged
    if options.verification is not None:
        extra[VERIFICATION_KEY] = options.verification
    if is_explicit:
        extra[EXPLICIT_RUNS_KEY] = explicit_record(runs, script, folder)
    else:
        extra |= header_facts(runs, dict(parameter_spec), script, folder)
    return Manifest(
        script_sha256=digest,
        gmat_sweep_version=version("gmat-sweep"),
        gmat_run_version=version("gmat-run"),
        gmat_install_version=engine.version,
        python_version=platform.python_version(),
        os_platform=platform.platform(),
        sweep_seed=seed,
        parameter_spec=jsonable(dict(parameter_spec), "parameter_spec"),
        run_count=len(runs),
        backend=backend,
        postprocess=options.postprocess,
        fsync_each=options.fsync_each,
        fsync_batch=options.fsync_batch,
        extra=extra,
        output_dir=folder,
    )
