"""The runs of a sweep with plain values and whole paths, after checking what is known already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.lazy_runs import ChangedRuns
from gmat_sweep.limits import checked_run_id
from gmat_sweep.manifest.values import jsonable, plain_int
from gmat_sweep.sweep.preflight import check_hook

if TYPE_CHECKING:
    from gmat_sweep.spec import RunSpec
    from gmat_sweep.sweep.options import SweepOptions

__all__ = ["checked_runs"]


def checked_runs(runs: Sequence[RunSpec], options: SweepOptions) -> Sequence[RunSpec]:
    """Return the runs as they are flown and recorded.

    The sequence makes a run when it is read: a large sweep needs no second list.

    Parameters
    ----------
    runs : sequence of RunSpec
        The runs as the caller gave them.
    options : SweepOptions
        How runs are run: its hook is that of every run, and its word on solvers counts.

    Raises
    ------
    SweepConfigError
        Two runs have one id, a value cannot be written as JSON, or a hook cannot be called.
    """

    def checked(run: RunSpec) -> RunSpec:
        where, unconverged = f"run {run.run_id}", options.unconverged
        return replace(
            run,
            run_id=checked_run_id(plain_int(run.run_id, "run_id")),
            seed=None if run.seed is None else plain_int(run.seed, f"{where} seed"),
            overrides=jsonable(run.overrides, f"{where} overrides"),
            context=jsonable(run.context, f"{where} context"),
            run_options=jsonable(run.run_options, f"{where} run_options"),
            script_path=run.script_path.absolute(),
            output_dir=run.output_dir.absolute(),
            postprocess=options.postprocess or run.postprocess,
            unconverged="failed" if "failed" in (unconverged, run.unconverged) else "ok",
        )

    seen: set[int] = set()
    hooks = set()
    for run in runs:
        if run.run_id in seen:
            raise SweepConfigError(
                f"run_id {run.run_id} occurs more than once. Give every run its own."
            )
        seen.add(run.run_id)
        hooks.add(checked(run).postprocess)
    for hook in hooks - {None}:
        check_hook(str(hook))
    return ChangedRuns(runs, checked)
