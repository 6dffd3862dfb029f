"""From a plan to a frame: what the functions of `gmat_sweep.api` do alike."""

from __future__ import annotations

import contextlib
import inspect
import logging
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gmat_sweep.disk.paths import absolute_path
from gmat_sweep.errors import GmatSweepError, SweepConfigError
from gmat_sweep.lazy_runs import ChangedRuns
from gmat_sweep.mission.end_state import report_names
from gmat_sweep.sweep.preflight import check_hook
from gmat_sweep.sweep.running import Sweep

if TYPE_CHECKING:
    from gmat_sweep.backends.base import Pool
    from gmat_sweep.plans import Plan
    from gmat_sweep.spec import RunSpec
    from gmat_sweep.sweep.options import SweepOptions

__all__ = [
    "Context",
    "FrameEngine",
    "check_report",
    "flown_frame",
    "planned_and_flown",
    "planned_sweep",
    "pool_or_own",
]

_LOG = logging.getLogger("gmat_sweep")

FrameEngine = Literal["pandas", "polars"]
Context = Mapping[int, dict[str, Any]] | Callable[[int], dict[str, Any]]


def planned_and_flown(
    mission: str | Path,
    make_plan: Callable[[Path, Path], Plan],
    *,
    backend: Pool | None,
    out: str | Path | None,
    engine: FrameEngine,
    name: str | None,
    context: Context | None,
    run_options: Mapping[str, Any] | None,
    options: SweepOptions,
) -> Any:
    """Plan, run and aggregate.

    A fault in the arguments is an error before the script is read, and a fault in the script before
    `out` is made.
    """
    from gmat_sweep.aggregate.columns import check_engine

    check_engine(engine)
    with planned_sweep(
        mission,
        make_plan,
        backend=backend,
        out=out,
        context=context,
        run_options=run_options,
        options=options,
    ) as (planned, temporary):
        check_report(planned.script_path, name, end_state=options.end_state)
        planned.run()
    # What is flown is kept, whether or not a frame can be made of it.
    frame, is_there = flown_frame(planned, name, engine)
    if temporary is not None and is_there:
        weakref.finalize(frame, shutil.rmtree, temporary, ignore_errors=True)
    return frame


def flown_frame(sweep: Sweep, name: str | None, engine: FrameEngine) -> tuple[Any, bool]:
    """Return the frame of a sweep that has run, and whether any run has a table of the report.

    A report that no run has a table of gives marker rows, and a message that says where the files
    are. A frame that cannot be made is an error that says so, too.
    """
    from gmat_sweep.aggregate.reports import flown_report

    manifest = sweep.to_manifest()
    try:
        frame, is_there = flown_report(manifest, sweep.output_dir, name, engine=engine)
    except (GmatSweepError, ValueError, TypeError, OSError) as error:
        error.add_note(f"The runs are recorded, and their files are in {sweep.output_dir}.")
        _LOG.warning("the frame cannot be made; the runs' files are in %s", sweep.output_dir)
        raise
    if not is_there and any(entry.status == "ok" for entry in manifest.entries):
        _LOG.warning(
            "no run has a table of %s, so the frame has the runs' status only; the files that GMAT "
            "wrote are in %s",
            "a report" if name is None else f"report {name}",
            sweep.output_dir,
        )
        return frame, False
    return frame, True


@contextlib.contextmanager
def planned_sweep(
    mission: str | Path,
    make_plan: Callable[[Path, Path], Plan],
    *,
    backend: Pool | None,
    out: str | Path | None,
    context: Context | None,
    run_options: Mapping[str, Any] | None,
    options: SweepOptions,
) -> Iterator[tuple[Sweep, Path | None]]:
    """Plan a sweep; a pool that the caller did not give is closed at the end.

    Yields
    ------
    Sweep
        It has not run yet.
    Path or None
        Its folder if that is a temporary one, which is removed if the caller fails.

    Raises
    ------
    SweepConfigError
        The arguments cannot make a sweep.
    """
    _check_run_options(run_options)
    script = absolute_path(mission, "mission")
    chosen = None if out is None else absolute_path(out, "out")
    temporary = None
    if chosen is None:
        temporary = Path(tempfile.mkdtemp(prefix="gmat-sweep-"))
    folder = (temporary or chosen or Path()).resolve()
    try:
        plan = make_plan(script, folder)
        runs = _with_context(plan.runs, context)
        if run_options:
            options_of_runs = dict(run_options)
            runs = ChangedRuns(runs, lambda run: replace(run, run_options=options_of_runs))
        if options.postprocess is not None:
            check_hook(options.postprocess)
        with pool_or_own(backend) as pool:
            plan = replace(plan, runs=runs)
            yield Sweep.of_plan(plan, script, folder, backend=pool, options=options), temporary
    except BaseException:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextlib.contextmanager
def pool_or_own(backend: Pool | None) -> Iterator[Pool]:
    """Yield the pool that was given, or one of this machine's cores, which is closed at the end."""
    from gmat_sweep.backends.joblib import LocalJoblibPool

    if backend is not None:
        yield backend
        return
    pool = LocalJoblibPool()
    try:
        yield pool
    finally:
        pool.close()


def check_report(script: Path, name: str | None, *, end_state: bool) -> None:
    """Refuse an ambiguous or unknown report."""
    reports = report_names(script, end_state=end_state)
    if name is None and len(reports) > 1:
        raise SweepConfigError(
            f"{script.name} has {len(reports)} ReportFiles: {', '.join(sorted(reports))}. Pass "
            "name= to say which one to return; all of them are kept in the sweep folder."
        )
    if name is not None and name not in reports:
        known = ", ".join(sorted(reports)) or "none"
        raise SweepConfigError(
            f"{script.name} has no report output named {name!r}; it has: {known}. Correct name=."
        )


def _check_run_options(run_options: Mapping[str, Any] | None) -> None:
    """Refuse options that every run would refuse, or that would send its outputs elsewhere."""
    import gmat_run

    known = inspect.signature(gmat_run.Mission.run).parameters.keys() - {"self", "working_dir"}
    if unknown := sorted(set(run_options or {}) - known):
        raise SweepConfigError(
            f"run_options has {', '.join(map(repr, unknown))}; a run takes "
            f"{', '.join(map(repr, sorted(known)))}. Leave the others out."
        )


def _with_context(runs: Sequence[RunSpec], context: Context | None) -> Sequence[RunSpec]:
    if context is None:
        return runs
    given = []
    for run in runs:
        of_run = context(run.run_id) if callable(context) else context.get(run.run_id, {})
        if not isinstance(of_run, dict):
            raise SweepConfigError(
                f"context gives {type(of_run).__name__} for run {run.run_id}. Give a dict for each "
                "run id."
            )
        given.append(replace(run, context=of_run))
    return given
