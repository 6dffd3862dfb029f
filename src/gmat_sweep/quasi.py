"""`quasi_monte_carlo`: the points of a Sobol' or Halton sequence instead of independent draws."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args, overload

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.sweep.drawing import drawn_plan
from gmat_sweep.sweep.flying import Context, FrameEngine, planned_and_flown
from gmat_sweep.sweep.options import SweepOptions

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from gmat_sweep.backends.base import Pool
    from gmat_sweep.distributions import DistSpec
    from gmat_sweep.spec import Unconverged
    from gmat_sweep.sweep.keywords import RunKeywords

__all__ = ["QuasiDesign", "quasi_monte_carlo"]

type QuasiDesign = Literal["sobol", "halton"]
"""The name of a quasi-random sequence."""


@overload
def quasi_monte_carlo(
    mission: str | Path,
    *,
    n: int,
    perturb: Mapping[str, DistSpec],
    design: QuasiDesign = "sobol",
    engine: Literal["pandas"] = "pandas",
    **keywords: Unpack[RunKeywords],
) -> pd.DataFrame: ...
@overload
def quasi_monte_carlo(
    mission: str | Path,
    *,
    n: int,
    perturb: Mapping[str, DistSpec],
    design: QuasiDesign = "sobol",
    engine: Literal["polars"],
    **keywords: Unpack[RunKeywords],
) -> pl.DataFrame: ...
def quasi_monte_carlo(
    mission: str | Path,
    *,
    n: int,
    perturb: Mapping[str, DistSpec],
    design: QuasiDesign = "sobol",
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
    """Run a mission at the first `n` points of a scrambled Sobol' or Halton sequence.

    The points fill the space of the fields more evenly than independent draws, so that means
    converge faster. The runs are not independent: no standard error and no interval of a failure
    rate holds for them, and such a sweep cannot be extended.

    Parameters
    ----------
    mission, n, perturb
        As for `monte_carlo`. A Sobol' sequence is balanced where `n` is a power of two.
    design : {"sobol", "halton"}
        The sequence, scipy's `scipy.stats.qmc.Sobol` or `scipy.stats.qmc.Halton`.
    seed : int, optional
        The seed of the scrambling; by default one is drawn. The manifest records it.
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

    References
    ----------
    A. B. Owen, "Scrambling Sobol' and Niederreiter-Xing points", Journal of Complexity 14 (1998).

    Examples
    --------
    >>> frame = quasi_monte_carlo(  # doctest: +SKIP
    ...     "examples/injection.script",
    ...     n=16,
    ...     perturb={"Injection.Element1": ("normal", 2.4257, 0.006)},
    ...     seed=42,
    ... )
    """
    known = get_args(QuasiDesign.__value__)
    if design not in known:
        raise SweepConfigError(f"design must be one of {', '.join(known)}, got {design!r}.")
    return planned_and_flown(
        mission,
        lambda script, folder: drawn_plan(design, perturb, n, seed, script, folder),
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
