"""The functions that take a mission and the fields to vary, and return one frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from gmat_sweep.disk.paths import absolute_path
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans import (
    Plan,
    grid_plan,
    samples_plan,
)
from gmat_sweep.sweep import Sweep
from gmat_sweep.sweep.drawing import drawn_plan
from gmat_sweep.sweep.flying import (
    Context,
    FrameEngine,
    check_report,
    flown_frame,
    planned_and_flown,
)
from gmat_sweep.sweep.options import SweepOptions

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from gmat_sweep.backends.base import Pool
    from gmat_sweep.distributions import DistSpec
    from gmat_sweep.spec import Unconverged
    from gmat_sweep.sweep.keywords import ExtendKeywords, RunKeywords

__all__ = ["latin_hypercube", "monte_carlo", "monte_carlo_extend", "sweep"]


@overload
def sweep(
    mission: str | Path,
    *,
    grid: Mapping[str, Iterable[Any]] | None = None,
    samples: pd.DataFrame | None = None,
    engine: Literal["pandas"] = "pandas",
    **keywords: Unpack[RunKeywords],
) -> pd.DataFrame: ...
@overload
def sweep(
    mission: str | Path,
    *,
    grid: Mapping[str, Iterable[Any]] | None = None,
    samples: pd.DataFrame | None = None,
    engine: Literal["polars"],
    **keywords: Unpack[RunKeywords],
) -> pl.DataFrame: ...
def sweep(
    mission: str | Path,
    *,
    grid: Mapping[str, Iterable[Any]] | None = None,
    samples: pd.DataFrame | None = None,
    backend: Pool | None = None,
    out: str | Path | None = None,
    postprocess: str | None = None,
    seed: int | None = None,
    progress: bool = True,
    fsync_each: bool = True,
    fsync_batch: int = 50,
    engine: FrameEngine = "pandas",
    name: str | None = None,
    context: Context | None = None,
    timeout: float | None = None,
    retries: int = 1,
    run_options: Mapping[str, Any] | None = None,
    memory_limit: int | str | None = None,
    end_state: bool = True,
    unconverged: Unconverged = "ok",
    nominal: bool = False,
) -> Any:
    """Run a mission over a grid, or over explicit rows, and return one frame.

    Parameters
    ----------
    mission : str or Path
        The GMAT script.
    grid : mapping of str to iterable, optional
        GMAT dotted path to the field's values, in GMAT's units; every combination is run.
    samples : pandas.DataFrame, optional
        One run per row, one column per field; the alternative to `grid`.
    backend : Pool, optional
        Where to run; all cores of this machine by default. The caller closes a pool of its own.
    out : str or Path, optional
        The sweep folder. By default a temporary one that lives as long as the returned frame.
    postprocess : str, optional
        Import path ``"package.module:function"`` of a hook called after each successful run.
    seed : int, optional
        Recorded in the manifest; nothing is drawn.
    progress : bool
        Whether to draw a progress bar on standard error.
    fsync_each, fsync_batch
        Whether each manifest line is fsynced, or else the number of lines between two fsyncs.
    engine : {"pandas", "polars"}
        Library of the frame that is returned.
    name : str, optional
        Which ReportFile to return, where the mission has several.
    context : mapping or callable, optional
        The hook's JSON data of each run: a dict per run id, or a function of the run id that
        returns one. It is never applied to the mission. The manifest records it.
    timeout : float, optional
        Seconds a run may take before its worker is killed and the run fails.
    retries : int
        How often a run is tried again after an infrastructure fault.
    run_options : mapping, optional
        Keywords of every run for ``gmat_run.Mission.run``; ``{"overwrite": True}`` writes over
        GMAT's own output files that are there already.
    memory_limit : int or str, optional
        How much memory a run may need before its worker is killed and the run fails: bytes, or
        text such as ``"2 GiB"`` or ``"500 MB"``.
    end_state : bool
        Whether a mission that reports nothing gets a report of its end state: per Spacecraft its
        epoch, Cartesian state, Keplerian elements and total mass when the mission has ended.
    unconverged : {"ok", "failed"}
        The status of a run that has a solver which did not converge. With ``"failed"`` its files
        stay in its folder, and its values are not in the frame.

    nominal : bool
        Whether the mission flies undispersed as well, as run -1: it is in the frame, and no
        statistic counts it.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``(run_id, time)``: the report's columns in GMAT's units, and ``__status``. A
        run without data is one row, whose ``__status`` says how the run ended.

    Raises
    ------
    SweepConfigError
        The sweep cannot be started as asked; no run has been started.

    Examples
    --------
    >>> frame = sweep(  # doctest: +SKIP
    ...     "examples/injection.script", grid={"Injection.Element1": [2.42, 2.43]}
    ... )
    """
    if grid is not None and samples is not None:
        raise SweepConfigError("sweep() takes grid= or samples=, not both.")
    if grid is None and samples is None:
        raise SweepConfigError("sweep() needs one of grid= or samples=.")

    def plan(script: Path, folder: Path) -> Plan:
        if grid is not None:
            return grid_plan(grid, script, folder, seed)
        assert samples is not None
        return samples_plan(samples, script, folder, seed)

    return planned_and_flown(
        mission,
        plan,
        backend=backend,
        out=out,
        engine=engine,
        name=name,
        context=context,
        run_options=run_options,
        options=SweepOptions(
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
        ),
    )


@overload
def monte_carlo(
    mission: str | Path,
    *,
    n: int,
    perturb: Mapping[str, DistSpec],
    engine: Literal["pandas"] = "pandas",
    **keywords: Unpack[RunKeywords],
) -> pd.DataFrame: ...
@overload
def monte_carlo(
    mission: str | Path,
    *,
    n: int,
    perturb: Mapping[str, DistSpec],
    engine: Literal["polars"],
    **keywords: Unpack[RunKeywords],
) -> pl.DataFrame: ...
def monte_carlo(
    mission: str | Path,
    *,
    n: int,
    perturb: Mapping[str, DistSpec],
    seed: int | None = None,
    backend: Pool | None = None,
    out: str | Path | None = None,
    postprocess: str | None = None,
    progress: bool = True,
    fsync_each: bool = True,
    fsync_batch: int = 50,
    engine: FrameEngine = "pandas",
    name: str | None = None,
    context: Context | None = None,
    timeout: float | None = None,
    retries: int = 1,
    run_options: Mapping[str, Any] | None = None,
    memory_limit: int | str | None = None,
    end_state: bool = True,
    unconverged: Unconverged = "ok",
    nominal: bool = False,
) -> Any:
    """Run a mission `n` times with independent draws of the perturbed fields.

    A field's draws depend on the seed, the run and the field's own name only: adding another field
    or more runs changes none of them.

    Parameters
    ----------
    mission : str or Path
        The GMAT script.
    n : int
        How many runs.
    perturb : mapping of str to DistSpec
        GMAT dotted path to its distribution, in GMAT's units, such as ``("normal", mean, sigma)``
        or ``("delta_normal", sigma)`` about the script's own value; or the name of a Spacecraft to
        a `Covariance`. `DistSpec` lists them all.
    seed : int, optional
        The sweep's seed; by default one is drawn. The manifest records it.
    backend, out, postprocess, progress, fsync_each, fsync_batch, engine
        As for `sweep`.
    name, context, timeout, retries, run_options, memory_limit, end_state, unconverged, nominal
        As for `sweep`.

    Returns
    -------
    pandas.DataFrame
        As for `sweep`.

    Raises
    ------
    SweepConfigError
        The sweep cannot be started as asked; no run has been started.

    Examples
    --------
    >>> frame = monte_carlo(  # doctest: +SKIP
    ...     "examples/injection.script",
    ...     n=10,
    ...     perturb={"Injection.Element1": ("normal", 2.4257, 0.006)},
    ...     seed=42,
    ... )
    """
    return planned_and_flown(
        mission,
        lambda script, folder: drawn_plan("monte_carlo", perturb, n, seed, script, folder),
        backend=backend,
        out=out,
        engine=engine,
        name=name,
        context=context,
        run_options=run_options,
        options=SweepOptions(
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
        ),
    )


@overload
def latin_hypercube(
    mission: str | Path,
    *,
    n: int,
    perturb: Mapping[str, DistSpec],
    engine: Literal["pandas"] = "pandas",
    **keywords: Unpack[RunKeywords],
) -> pd.DataFrame: ...
@overload
def latin_hypercube(
    mission: str | Path,
    *,
    n: int,
    perturb: Mapping[str, DistSpec],
    engine: Literal["polars"],
    **keywords: Unpack[RunKeywords],
) -> pl.DataFrame: ...
def latin_hypercube(
    mission: str | Path,
    *,
    n: int,
    perturb: Mapping[str, DistSpec],
    seed: int | None = None,
    backend: Pool | None = None,
    out: str | Path | None = None,
    postprocess: str | None = None,
    progress: bool = True,
    fsync_each: bool = True,
    fsync_batch: int = 50,
    engine: FrameEngine = "pandas",
    name: str | None = None,
    context: Context | None = None,
    timeout: float | None = None,
    retries: int = 1,
    run_options: Mapping[str, Any] | None = None,
    memory_limit: int | str | None = None,
    end_state: bool = True,
    unconverged: Unconverged = "ok",
    nominal: bool = False,
) -> Any:
    """Run a mission over `n` Latin hypercube samples of the perturbed fields.

    Each field's distribution is cut into `n` strata of equal probability and every stratum is
    sampled once, which covers each axis better than independent draws when `n` is small.

    Parameters
    ----------
    mission, n, perturb, seed
        As for `monte_carlo`.
    backend, out, postprocess, progress, fsync_each, fsync_batch, engine
        As for `sweep`.
    name, context, timeout, retries, run_options, memory_limit, end_state, unconverged, nominal
        As for `sweep`.

    Returns
    -------
    pandas.DataFrame
        As for `sweep`.

    Raises
    ------
    SweepConfigError
        The sweep cannot be started as asked; no run has been started.
    """
    return planned_and_flown(
        mission,
        lambda script, folder: drawn_plan("latin_hypercube", perturb, n, seed, script, folder),
        backend=backend,
        out=out,
        engine=engine,
        name=name,
        context=context,
        run_options=run_options,
        options=SweepOptions(
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
        ),
    )


@overload
def monte_carlo_extend(
    manifest: str | Path,
    script: str | Path | None = None,
    *,
    n: int,
    engine: Literal["pandas"] = "pandas",
    **keywords: Unpack[ExtendKeywords],
) -> pd.DataFrame: ...
@overload
def monte_carlo_extend(
    manifest: str | Path,
    script: str | Path | None = None,
    *,
    n: int,
    engine: Literal["polars"],
    **keywords: Unpack[ExtendKeywords],
) -> pl.DataFrame: ...
def monte_carlo_extend(
    manifest: str | Path,
    script: str | Path | None = None,
    *,
    n: int,
    backend: Pool | None = None,
    allow_script_drift: bool = False,
    progress: bool = True,
    fsync_each: bool = True,
    fsync_batch: int = 50,
    engine: FrameEngine = "pandas",
    name: str | None = None,
    output_dir: str | Path | None = None,
    context_provider: Callable[[int], dict[str, Any]] | None = None,
    timeout: float | None = None,
    retries: int = 1,
    memory_limit: int | str | None = None,
    postprocess: str | None = None,
    unconverged: Unconverged = "ok",
    trust_hook: bool = False,
    allow_failed: bool = False,
) -> Any:
    """Add `n` runs to a finished Monte Carlo sweep and return the frame of all of them.

    The result equals that of a fresh sweep of the larger size with the same seed, bit for bit.

    Parameters
    ----------
    manifest : str or Path
        The sweep's manifest.
    script : str or Path, optional
        The sweep's mission script; by default the one that the manifest names, as for
        `Sweep.from_manifest`.
    n : int
        How many runs to add.
    backend, progress, fsync_each, fsync_batch, engine, name, timeout, retries, memory_limit
        As for `sweep`.
    allow_script_drift : bool
        Whether a changed script is accepted, with a RuntimeWarning.
    output_dir : str or Path, optional
        The sweep folder, if it is not the one that the manifest names.
    context_provider : callable, optional
        Returns the hook's context of a run id that has no entry yet.
    postprocess, unconverged, trust_hook
        As for `Sweep.from_manifest`.
    allow_failed : bool
        Whether runs may have failed otherwise than in the mission, as for `Sweep.extend`.

    Returns
    -------
    pandas.DataFrame
        As for `sweep`, over all runs.

    Raises
    ------
    SweepConfigError
        The sweep is no Monte Carlo, is not complete, or cannot be extended as asked.
    """
    from gmat_sweep.aggregate.columns import check_engine
    from gmat_sweep.backends.joblib import LocalJoblibPool

    check_engine(engine)
    options = SweepOptions(
        progress=progress,
        fsync_each=fsync_each,
        fsync_batch=fsync_batch,
        timeout=timeout,
        retries=retries,
        memory_limit=memory_limit,
        postprocess=postprocess,
        unconverged=unconverged,
        allow_script_drift=allow_script_drift,
        trust_hook=trust_hook,
    )
    pool = LocalJoblibPool() if backend is None else backend
    try:
        sweep = Sweep.from_manifest(
            absolute_path(manifest, "manifest"),
            None if script is None else absolute_path(script, "script"),
            backend=pool,
            output_dir=output_dir,
            context_provider=context_provider,
            **options.to_go_on(),
        )
        check_report(sweep.script_path, name, end_state=sweep.options.end_state)
        sweep.extend(n=n, allow_failed=allow_failed)
        return flown_frame(sweep, name, engine)[0]
    finally:
        if backend is None:
            pool.close()


def latin_hypercube_extend(
    manifest: str | Path,
    script: str | Path,
    *,
    n: int,
    backend: Pool | None = None,
    allow_script_drift: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Refuse to extend a Latin hypercube: its strata hold only for the number of runs it has.

    Raises
    ------
    SweepConfigError
        Always.
    """
    del manifest, script, n, backend, allow_script_drift, progress
    raise SweepConfigError(
        "A Latin hypercube cannot be extended: the stratification of its axes holds only for the "
        "size it was drawn for. Run latin_hypercube() with the larger n."
    )
