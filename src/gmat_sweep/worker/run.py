"""One run on the GMAT engine of this process.

`run_one` never raises for anything a run does: GMAT refuses the case, an output cannot be parsed, a
hook fails or calls ``sys.exit`` - each becomes a ``failed`` outcome with its cause. Only
KeyboardInterrupt passes through. Every Parquet file is on disk under its final name before
`run_one` returns the outcome that lists it.

A GMAT engine is global to its process and not safe to interrupt, so the pools of
`gmat_sweep.backends`, all but `DebugPool`, call `run_one` in isolated worker processes.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.disk.held import make_folder, open_plain
from gmat_sweep.disk.shortages import check_room, shortage
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.failure_kinds import kind_of_error
from gmat_sweep.folder.layout import WORKER_LOG_NAME
from gmat_sweep.folder.run_seal import break_seal, seal_run
from gmat_sweep.spec import PostprocessStatus, RunOutcome, RunSpec
from gmat_sweep.worker import loading
from gmat_sweep.worker.confinement import confined
from gmat_sweep.worker.engine_watch import WATCH
from gmat_sweep.worker.hook import HookFailedError, call_hook
from gmat_sweep.worker.mission_keeper import NotRestoredError, same_tables, tables_of
from gmat_sweep.worker.parquet_outputs import write_outputs
from gmat_sweep.worker.report_tables import layouts_of, off_in
from gmat_sweep.worker.solver_tables import solver_tables
from gmat_sweep.worker.stopping import flown, stop_note

if TYPE_CHECKING:
    from io import TextIOWrapper

    import gmat_run

__all__ = [
    "ENGINE_LOG_MARK",
    "run_one",
]

_SILENT = logging.getLogger("gmat_sweep.worker.silent")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False

ENGINE_LOG_MARK = "--- GMAT engine log ---"
"""Line between a traceback and the engine's own log in a failed outcome's ``stderr``."""


@WATCH.ours()
def run_one(spec: RunSpec) -> RunOutcome:
    """Run one spec on this process's GMAT engine and return its outcome.

    Parameters
    ----------
    spec : RunSpec
        The run. Its ``output_dir`` is created; outputs and ``worker.log`` are written there.

    Returns
    -------
    RunOutcome
        ``ok`` with the Parquet files written, or ``failed`` with the cause in ``stderr``: the
        Python traceback, followed by the engine's own log if there is one.
    """
    started_at = datetime.now(UTC)
    started = time.monotonic()
    log = logging.getLogger(f"gmat_sweep.worker.run_{spec.run_id}")
    log.setLevel(logging.DEBUG)
    log.propagate = False
    postprocess_status: PostprocessStatus = "none"
    handler: logging.Handler | None = None
    try:
        make_folder(spec.output_dir, within=spec.output_dir.parent)
        handler = _RunLog(spec.output_dir / WORKER_LOG_NAME, mode="a", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)
        break_seal(spec.output_dir)
        outcome = _run(spec, log, started_at, started)
        seal_run(spec, outcome)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a run's failure is data
        if isinstance(error, HookFailedError):
            postprocess_status = "failed"
        stderr = _describe(error)
        short_of = _shortage(error, spec.output_dir)
        outcome = RunOutcome.failed(
            run_id=spec.run_id,
            stderr=stderr,
            started_at=started_at,
            ended_at=datetime.now(UTC),
            duration_s=time.monotonic() - started,
            postprocess_status=postprocess_status,
            shortage=short_of,
            failure_kind=kind_of_error(error, stderr, short_of),
        )
        log.error("%s", outcome.stderr)  # noqa: TRY400 - the traceback is part of the text
        # The seal of a failed run may be lacking: the manifest that the doctor rebuilds then lacks
        # the run, and a resume flies it, as it would a failed one.
        if outcome.shortage is None:
            with suppress(OSError, SweepConfigError):
                seal_run(spec, outcome)
    finally:
        if handler is not None:
            _log_end(log, spec, locals().get("outcome"))
            log.removeHandler(handler)
            handler.close()
    return outcome


class _RunLog(logging.FileHandler):
    """A file handler that opens the log of a run through no link."""

    def _open(self) -> TextIOWrapper:
        path = Path(self.baseFilename)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        descriptor = open_plain(path, flags, within=path.parent.parent)
        return os.fdopen(descriptor, self.mode, encoding=self.encoding, errors=self.errors)  # type: ignore[return-value]


def _log_end(log: logging.Logger, spec: RunSpec, outcome: RunOutcome | None) -> None:
    if outcome is None:
        log.warning("interrupted")
        return
    facts = [f"status={outcome.status}", f"duration_s={outcome.duration_s:.3f}"]
    if spec.postprocess is not None:
        # The hook's status comes right after that of a failed run, and at the end for any other.
        facts.insert(
            1 if outcome.status == "failed" else 2,
            f"postprocess_status={outcome.postprocess_status}",
        )
    log.info("%s", " ".join(facts))


def _run(spec: RunSpec, log: logging.Logger, started_at: datetime, started: float) -> RunOutcome:
    log.info("run_id=%d script=%s", spec.run_id, spec.script_path)
    log.info("overrides=%r", spec.overrides)
    if spec.seed is not None:
        log.info("seed=%d", spec.seed)

    results = _results(spec, log)
    check_room(spec.output_dir)
    solved = solver_tables(results, log)
    layouts = layouts_of(loading.KEEPER.current, spec.overrides)
    off = partial(off_in, loading.KEEPER.current, spec.overrides)
    written = write_outputs(results, spec.output_dir, log, layouts, solved.tables, off)
    stopped = stop_note(results.log, loading.KEEPER.current)
    if stopped:
        log.warning("%s", stopped)
    if results.log:
        log.info("GMAT log\n%s", results.log)

    if solved.misses and spec.unconverged == "failed":
        return RunOutcome.failed(
            run_id=spec.run_id,
            stderr="; ".join(solved.misses),
            started_at=started_at,
            ended_at=datetime.now(UTC),
            duration_s=time.monotonic() - started,
            converged=solved.converged,
            failure_kind="mission",
        )
    outcome = RunOutcome.ok(
        run_id=spec.run_id,
        output_paths=written.outputs,
        solver_paths=written.solvers,
        converged=solved.converged,
        started_at=started_at,
        ended_at=datetime.now(UTC),
        duration_s=time.monotonic() - started,
        files=written.files,
        notes=tuple(filter(None, (*written.notes, *solved.notes, stopped))),
    )
    if spec.postprocess is None:
        return outcome
    extra_outputs, extra_files = call_hook(spec, outcome, log)
    return RunOutcome.ok(
        run_id=spec.run_id,
        output_paths=written.outputs,
        solver_paths=written.solvers,
        converged=outcome.converged,
        extra_outputs=extra_outputs,
        postprocess_status="ok",
        started_at=started_at,
        ended_at=datetime.now(UTC),
        duration_s=time.monotonic() - started,
        files={**written.files, **extra_files},
        notes=outcome.notes,
    )


def _results(spec: RunSpec, log: logging.Logger) -> gmat_run.Results:
    """Fly the edited script: on the kept mission where that is exact, else on a fresh load."""
    from gmat_run import GmatError

    script, overrides = spec.script_path, spec.overrides
    keeper = loading.KEEPER
    if WATCH.was_used():
        log.info("others have used the engine: loading the mission anew")
        keeper.forget()
        loading.kept_kernels().never()
    if not keeper.can_restore(script, overrides):
        return _fresh_results(spec, log)
    kind = keeper.kind(overrides)
    places = keeper.current.places
    if not keeper.is_on_probation(kind):
        try:
            with (
                keeper.restored(overrides) as mission,
                confined(mission, places, spec.output_dir, log),
            ):
                kernels = loading.kept_kernels()
                with kernels.kept(mission):
                    results = flown(
                        mission, keeper.current, working_dir=spec.output_dir, **spec.run_options
                    )
                kernels.flown(mission, results.log)
                return results
        except NotRestoredError as error:
            log.info("not reused for this run: %s", error)
            return _fresh_results(spec, log)
    # A restored run that is checked keeps no kernels, and flies as GMAT does.
    restored = None
    with tempfile.TemporaryDirectory(prefix="check-", dir=loading.scratch_folder()) as folder:
        try:
            # The fresh load says the same to the log.
            with (
                keeper.restored(overrides) as mission,
                confined(mission, places, Path(folder), _SILENT),
            ):
                restored = tables_of(flown(mission, keeper.current, working_dir=folder))
        except (GmatError, NotRestoredError) as error:
            log.info("not reused for this run: %s", error)
    # On probation the results of the fresh load count; the restored run is only compared.
    results = _fresh_results(spec, log)
    if restored is not None and same_tables(restored, tables_of(results)):
        keeper.passed(kind)
    else:
        log.warning("a restored mission did not repeat a freshly loaded one; loading every time")
        keeper.failed()
    return results


def _fresh_results(spec: RunSpec, log: logging.Logger) -> gmat_run.Results:
    keeper = loading.KEEPER
    places = keeper.edited(spec.script_path, spec.overrides).places
    with (
        keeper.fresh(spec.script_path, spec.overrides) as mission,
        confined(mission, places, spec.output_dir, log),
    ):
        results = flown(mission, keeper.current, working_dir=spec.output_dir, **spec.run_options)
        loading.kept_kernels().flown(mission, results.log)
        return results


def _shortage(error: BaseException, folder: Path) -> str | None:
    """Say what the machine was short of; ask the disk too: GMAT cuts reports without an error."""
    if (found := shortage(error)) is not None:
        return found
    try:
        check_room(folder)
    except FileNotFoundError:
        return None
    except OSError as full:
        return shortage(full)
    return None


def _describe(error: BaseException) -> str:
    if isinstance(error, HookFailedError) and error.__cause__ is not None:
        error = error.__cause__
    text = "".join(traceback.format_exception(error))
    engine_log = getattr(error, "log", None)
    if engine_log:
        text = f"{text}\n{ENGINE_LOG_MARK}\n{engine_log}"
    return text
