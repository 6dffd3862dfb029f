"""`verify_until`: a Monte Carlo that flies until its requirements are decided, from Python."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.disk.paths import absolute_path
from gmat_sweep.distributions import checked_count, perturb_to_json
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import MANIFEST_NAME
from gmat_sweep.sweep.drawing import drawn_plan
from gmat_sweep.sweep.flying import Context, planned_sweep, pool_or_own
from gmat_sweep.sweep.options import SweepOptions
from gmat_sweep.sweep.recorded_script import how_to_finish
from gmat_sweep.sweep.running import Sweep
from gmat_sweep.sweep.until import MOST_BY_DEFAULT, batch_of, grow_until_decided
from gmat_sweep.verdicts.judging import Judge
from gmat_sweep.verdicts.reading import load_requirements

if TYPE_CHECKING:
    from gmat_sweep.backends.base import Pool
    from gmat_sweep.distributions import DistSpec
    from gmat_sweep.spec import Unconverged
    from gmat_sweep.verdicts.requirement import Requirement, Requirements
    from gmat_sweep.verdicts.results import Verdicts

__all__ = ["anytime_judge", "verify_until"]


def anytime_judge(
    requirements: Requirements | str | Path | Sequence[Requirement | Mapping[str, Any]],
) -> Judge:
    """Return the judge of a sweep that is looked at after each batch.

    Its plan is ``anytime``, unless the requirements say another: `grow_until_decided` refuses that.

    Parameters
    ----------
    requirements
        As for `gmat_sweep.judge`.
    """
    asked = load_requirements(requirements)
    return Judge(asked, asked.plan or "anytime")


def verify_until(
    mission: str | Path,
    *,
    perturb: Mapping[str, DistSpec],
    requirements: Requirements | str | Path | Sequence[Requirement | Mapping[str, Any]],
    max_runs: int = MOST_BY_DEFAULT,
    batch: int | None = None,
    n: int | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    allow_failed: bool = False,
    on_look: Callable[[Verdicts], None] | None = None,
    backend: Pool | None = None,
    postprocess: str | None = None,
    progress: bool = True,
    fsync_each: bool = True,
    fsync_batch: int = 50,
    context: Context | None = None,
    timeout: float | None = None,
    retries: int = 1,
    run_options: Mapping[str, Any] | None = None,
    memory_limit: int | str | None = None,
    end_state: bool = True,
    unconverged: Unconverged = "ok",
    nominal: bool = False,
) -> Verdicts:
    """Fly independent draws of a mission until its requirements are decided.

    After each batch the campaign is judged by the plan ``anytime``; it ends at PASS or FAIL, and at
    `max_runs` runs with INCONCLUSIVE. The runs are those of `monte_carlo` with the same seed, up to
    the last one that was flown: when one looks and stops changes no draw. Requirements and plan are
    in the manifest before the first run.

    Parameters
    ----------
    mission, perturb, seed
        As for `monte_carlo`.
    requirements : Requirements, str, Path, or sequence
        The requirements, their file, or a list of `Requirement`.
    max_runs : int
        How many runs are flown at most.
    batch : int, optional
        How many runs are flown from one look to the next: by default a twentieth of the least
        number of runs with which the requirements can pass, and at least 50.
    n : int, optional
        How many runs are flown before the first look; by default `batch`.
    out : str or Path, optional
        The sweep folder. By default a temporary one that lives as long as the returned verdicts.
    resume : bool
        Go on with the sweep in `out`, if there is one: what is missing or failed otherwise than in
        the mission is flown, and it grows further.
    allow_failed : bool
        Grow although runs failed otherwise than in the mission, such as of a killed worker. Without
        it the sweep ends there as INCONCLUSIVE.
    on_look : callable, optional
        Called with the verdicts after each look.
    backend, postprocess, progress, fsync_each, fsync_batch
        As for `sweep`.
    context, timeout, retries, run_options, memory_limit, end_state, unconverged, nominal
        As for `sweep`.

    Returns
    -------
    Verdicts
        One verdict per requirement, and that of the campaign; `Verdicts.folder` is the sweep
        folder, which all functions that read a sweep take.

    Raises
    ------
    SweepConfigError
        The sweep cannot be started as asked, or a requirement is on what no run of the mission
        has; no run has been started.

    Notes
    -----
    The rule is a test martingale: J. Ville, "Étude critique de la notion de collectif" (1939). A
    wrong PASS has a probability of at most ``1 - confidence`` however often one looks.

    Examples
    --------
    >>> verdicts = verify_until(  # doctest: +SKIP
    ...     "examples/injection.script",
    ...     perturb={"Injection.Element1": ("normal", 2.4257, 0.006)},
    ...     requirements="requirements.toml",
    ...     max_runs=4000,
    ...     seed=42,
    ... )
    """
    judge = anytime_judge(requirements)
    most = checked_count(max_runs, "max_runs", "verify_until")
    first = n or batch or batch_of(judge.requirements, most)
    options = SweepOptions(
        progress=progress,
        fsync_each=fsync_each,
        fsync_batch=fsync_batch,
        timeout=timeout,
        retries=retries,
        memory_limit=memory_limit,
        end_state=end_state,
        postprocess=postprocess,
        unconverged=unconverged,
        nominal=nominal,
    )
    growth: dict[str, Any] = {
        "max_runs": most,
        "batch": batch,
        "allow_failed": allow_failed,
        "on_look": on_look,
    }
    path = None if out is None else absolute_path(out, "out").resolve() / MANIFEST_NAME
    if path is not None and path.exists():
        if not resume:
            raise SweepConfigError(
                f"{path} already holds a sweep. {how_to_finish(path)} With resume=True this "
                "call goes on there."
            )
        with pool_or_own(backend) as pool:
            begun = Sweep.from_manifest(
                path,
                absolute_path(mission, "mission"),
                backend=pool,
                output_dir=path.parent,
                context_provider=_provider(context),
                **options.to_go_on(),
            )
            _check_same(begun, perturb, seed)
            return grow_until_decided(begun, judge, **growth)
    with planned_sweep(
        mission,
        lambda script, folder: drawn_plan(
            "monte_carlo", perturb, min(first, most), seed, script, folder
        ),
        backend=backend,
        out=out,
        context=context,
        run_options=run_options,
        options=options,
    ) as (sweep, temporary):
        verdicts = grow_until_decided(sweep, judge, context_provider=_provider(context), **growth)
    if temporary is not None:
        weakref.finalize(verdicts, shutil.rmtree, temporary, ignore_errors=True)
    return verdicts


def _provider(context: Context | None) -> Callable[[int], dict[str, Any]] | None:
    """Return what gives the runs of an extension their context."""
    if context is None or callable(context):
        return context
    return lambda run_id: context.get(run_id, {})


def _check_same(begun: Sweep, perturb: Mapping[str, DistSpec], seed: int | None) -> None:
    """Refuse to go on with a sweep of other draws."""
    asked = perturb_to_json(perturb, "verify_until")
    if asked != begun.parameter_spec.get("perturb", asked):
        what = f"other distributions: {begun.parameter_spec['perturb']}"
    elif seed is not None and seed != begun.sweep_seed:
        what = f"the seed {begun.sweep_seed}"
    else:
        return
    raise SweepConfigError(
        f"{begun.manifest_path} holds a sweep with {what}. Go on with those, or write to another "
        "folder."
    )
