"""One run on the GMAT engine of this process.

`run_one` never raises for anything a run does: GMAT refusing the case, an output that cannot be
parsed, a hook that fails or calls ``sys.exit`` - each becomes a ``failed`` outcome with its cause.
Only KeyboardInterrupt passes through. Every Parquet file is durable under its final name before the
outcome that lists it is returned.

A GMAT engine is global to its process and not safe to interrupt, so the processes that call
`run_one` are the isolated ones of `gmat_sweep.backends`.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import tempfile
import time
import traceback
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep import engine
from gmat_sweep.causes import plain_refusal
from gmat_sweep.disk.shortages import check_room, shortage
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.run_files import seal
from gmat_sweep.folder.run_seal import break_seal, seal_run
from gmat_sweep.spec import PostprocessStatus, RunOutcome, RunSpec
from gmat_sweep.worker.confinement import confined
from gmat_sweep.worker.mission_keeper import MissionKeeper, same_tables, tables_of
from gmat_sweep.worker.parquet_outputs import write_outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import gmat_run

__all__ = ["ENGINE_LOG_MARK", "MissionFacts", "inspect_mission", "load_hook", "run_one"]

ENGINE_LOG_MARK = "--- GMAT engine log ---"
"""Line between a traceback and the engine's own log in a failed outcome's ``stderr``."""


class _HookFailed(Exception):  # noqa: N818 - a private carrier, never seen by callers
    """The postprocess hook failed after GMAT succeeded; the cause is chained."""


def run_one(spec: RunSpec) -> RunOutcome:
    """Run one spec on this process's GMAT engine and return what came of it.

    Parameters
    ----------
    spec : RunSpec
        The run. Its ``output_dir`` is created; outputs and ``worker.log`` are written there.

    Returns
    -------
    RunOutcome
        ``ok`` with the Parquet files written, or ``failed`` with the cause in ``stderr``: the
        Python traceback, followed by the engine's own log where there is one.
    """
    started_at = datetime.now(UTC)
    started = time.monotonic()
    log = logging.getLogger(f"gmat_sweep.worker.run_{spec.run_id}")
    log.setLevel(logging.DEBUG)
    log.propagate = False
    postprocess_status: PostprocessStatus = "none"
    handler: logging.Handler | None = None
    try:
        spec.output_dir.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(spec.output_dir / "worker.log", mode="a", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)
        break_seal(spec.output_dir)
        outcome = _run(spec, log, started_at, started)
        seal_run(spec, outcome)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a run's failure is data
        if isinstance(error, _HookFailed):
            postprocess_status = "failed"
        outcome = RunOutcome.failed(
            run_id=spec.run_id,
            stderr=_describe(error),
            started_at=started_at,
            ended_at=datetime.now(UTC),
            duration_s=time.monotonic() - started,
            postprocess_status=postprocess_status,
            shortage=_shortage(error, spec.output_dir),
        )
        log.error("%s", outcome.stderr)  # noqa: TRY400 - the traceback is part of the text
        # A failed run without a seal is one that a rebuilt manifest does not have: it is flown
        # again either way.
        if outcome.shortage is None:
            with suppress(OSError, SweepConfigError):
                seal_run(spec, outcome)
    finally:
        if handler is not None:
            _log_end(log, spec, locals().get("outcome"))
            log.removeHandler(handler)
            handler.close()
    return outcome


def _log_end(log: logging.Logger, spec: RunSpec, outcome: RunOutcome | None) -> None:
    if outcome is None:
        log.warning("interrupted")
        return
    facts = [f"status={outcome.status}", f"duration_s={outcome.duration_s:.3f}"]
    if spec.postprocess is not None:
        # Next to the status of a run that failed; after everything else on one that did not.
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
    written = write_outputs(results, spec.output_dir, log)
    if results.log:
        log.info("GMAT log\n%s", results.log)

    outcome = RunOutcome.ok(
        run_id=spec.run_id,
        output_paths=written.outputs,
        solver_paths=written.solvers,
        converged=dict(results.converged),
        started_at=started_at,
        ended_at=datetime.now(UTC),
        duration_s=time.monotonic() - started,
        files=written.files,
    )
    if spec.postprocess is None:
        return outcome
    extra_outputs, extra_files = _call_hook(spec, outcome, log)
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
    )


def _results(spec: RunSpec, log: logging.Logger) -> gmat_run.Results:
    """Run GMAT, on the mission at hand where that has been shown to be exact."""
    from gmat_run import GmatError

    script, overrides = spec.script_path, spec.overrides
    if not _KEEPER.can_restore(script, overrides):
        return _fresh_results(spec, log)
    kind = _KEEPER.kind(overrides)
    if not _KEEPER.is_on_probation(kind):
        with _KEEPER.restored(overrides) as mission, confined(mission, log):
            return mission.run(working_dir=spec.output_dir, **spec.run_options)
    restored = None
    with tempfile.TemporaryDirectory(prefix="check-", dir=_scratch()) as folder:
        try:
            with _KEEPER.restored(overrides) as mission, confined(mission, log):
                restored = tables_of(mission.run(working_dir=folder))
        except GmatError as error:
            log.info("not reused for this run: %s", error)
    # What counts is the fresh load; the restored run is only compared with it.
    results = _fresh_results(spec, log)
    if restored is not None and same_tables(restored, tables_of(results)):
        _KEEPER.passed(kind)
    else:
        log.warning("a restored mission did not repeat a freshly loaded one; loading every time")
        _KEEPER.failed(script)
    return results


def _fresh_results(spec: RunSpec, log: logging.Logger) -> gmat_run.Results:
    with (
        _KEEPER.fresh(spec.script_path, spec.overrides) as mission,
        confined(mission, log),
    ):
        return mission.run(working_dir=spec.output_dir, **spec.run_options)


# --- the mission ---------------------------------------------------------------------------------


def load_mission(script_path: Path) -> gmat_run.Mission:
    """Load a script on this process's engine; GMAT's own words are in the error when it refuses."""
    from gmat_run import GmatLoadError, Mission

    gmat = _engine_module()
    with _engine_log(gmat) as engine_log:
        try:
            return Mission.load(script_path)
        except GmatLoadError as error:
            gmat.UseLogFile(os.devnull)
            error.log = engine_log.read_text(encoding="utf-8", errors="replace")  # type: ignore[attr-defined]
            raise


@functools.cache
def _engine_module() -> Any:
    from gmat_run import bootstrap, locate_gmat

    engine.activate()
    return bootstrap(locate_gmat())


@contextmanager
def _engine_log(gmat: Any) -> Iterator[Path]:
    """Have the engine log to a file of this process's own while the block runs."""
    with tempfile.TemporaryDirectory(prefix="load-", dir=_scratch()) as scratch:
        path = Path(scratch) / "GmatLog.txt"
        gmat.UseLogFile(str(path))
        try:
            yield path
        finally:
            gmat.UseLogFile(os.devnull)


def _scratch() -> str | None:
    return os.environ.get(engine.SCRATCH_VARIABLE)


_KEEPER = MissionKeeper(load_mission)


@dataclass(frozen=True, slots=True)
class MissionFacts:
    """What the engine says of a mission before anything is run.

    Attributes
    ----------
    resource_types : frozenset of str
        Every type of resource this engine can create.
    problems : tuple of str
        Why no run could do with this script or these fields; empty when nothing is wrong.
    refused : dict of str to str
        Fields whose value GMAT refused to take, with its words: an answer about that value.
    engine_log : str
        The engine's log of a refused script.
    """

    resource_types: frozenset[str]
    problems: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    engine_log: str = ""


def inspect_mission(script_path: Path | None, overrides: Mapping[str, Any]) -> MissionFacts:
    """Load a script and try `overrides` on it, without running it.

    Parameters
    ----------
    script_path : Path or None
        The script; None asks only for the resource types.
    overrides : mapping
        Dotted path to a value it will be given.
    """
    from gmat_run import GmatFieldError, GmatLoadError

    _KEEPER.forget()
    gmat = _engine_module()
    types = frozenset(map(str, gmat.Moderator.Instance().GetListOfAllFactoryItems()))
    if script_path is None:
        return MissionFacts(types)
    try:
        mission = load_mission(script_path)
    except GmatLoadError as error:
        return MissionFacts(types, (str(error),), engine_log=getattr(error, "log", ""))
    problems, refused = [], {}
    for path, value in overrides.items():
        try:
            mission[path] = value
        except GmatFieldError as error:
            # gmat-run chains the engine's exception only where the engine itself said no.
            said_by_gmat = error.__cause__ is not None and "rejected" in str(error)
            if said_by_gmat:
                refused[path] = plain_refusal(str(error))
            else:
                problems.append(str(error))
    return MissionFacts(types, tuple(problems), refused)


# --- the postprocess hook ------------------------------------------------------------------------


def load_hook(path: str) -> Callable[[RunSpec, RunOutcome], Mapping[str, Any]]:
    """Import the hook that ``"package.module:function"`` names.

    Raises
    ------
    ValueError
        The path is malformed.
    ImportError
        The module cannot be imported.
    AttributeError
        The module has no such function.
    TypeError
        What it names cannot be called.
    """
    module_name, colon, function_name = path.partition(":")
    if not (module_name and colon and function_name):
        raise ValueError(
            f"postprocess path {path!r} is malformed: write it as 'package.module:function'"
        )
    hook = importlib.import_module(module_name)
    for name in function_name.split("."):
        hook = getattr(hook, name)
    if not callable(hook):
        raise TypeError(f"postprocess path {path!r} names {hook!r}, which cannot be called")
    return hook


def _call_hook(
    spec: RunSpec, outcome: RunOutcome, log: logging.Logger
) -> tuple[dict[str, Path], dict[str, dict[str, Any]]]:
    """Return the files the hook registered, and what each of them is."""
    assert spec.postprocess is not None
    log.info("postprocess hook=%s", spec.postprocess)
    try:
        returned = load_hook(spec.postprocess)(spec, outcome)
        extra_outputs = _checked_extra_outputs(spec.postprocess, returned)
        files = {str(path): seal(path) for path in extra_outputs.values()}
    except (Exception, SystemExit) as error:
        raise _HookFailed from error
    for key, path in extra_outputs.items():
        log.info("postprocess output %s=%s", key, path)
    return extra_outputs, files


def _checked_extra_outputs(hook: str, returned: object) -> dict[str, Path]:
    if not isinstance(returned, Mapping):
        raise TypeError(
            f"postprocess hook {hook!r} must return a mapping of names to the files it wrote, "
            f"not {type(returned).__name__}"
        )
    checked = {}
    for key, value in returned.items():
        if not isinstance(key, str):
            raise TypeError(f"postprocess hook {hook!r} returned the key {key!r}, not a string")
        path = Path(value)
        if not path.is_file():
            raise FileNotFoundError(
                f"postprocess hook {hook!r} returned {key!r}: {path}, but no such file exists"
            )
        checked[key] = path
    return checked


def _shortage(error: BaseException, folder: Path) -> str | None:
    """Say what the machine was short of; a report that was cut short tells it only by its disk."""
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
    if isinstance(error, _HookFailed) and error.__cause__ is not None:
        error = error.__cause__
    text = "".join(traceback.format_exception(error))
    engine_log = getattr(error, "log", None)
    if engine_log:
        text = f"{text}\n{ENGINE_LOG_MARK}\n{engine_log}"
    return text
