"""The preflight: check before the first run everything that can be known then.

`prepare_mission` asks the engine itself, in a worker process: a script that crashes the engine ends
that worker and not the driver.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.backends.process.memory import memory_text
from gmat_sweep.backends.process.worker_process import (
    WorkerDiedError,
    WorkerOverMemoryError,
    WorkerProcess,
)
from gmat_sweep.causes import engine_errors
from gmat_sweep.disk.lock import FolderLock
from gmat_sweep.errors import GmatSweepError, MissionScriptError, SweepConfigError
from gmat_sweep.folder.layout import HEADLESS_FOLDER
from gmat_sweep.mission.headless import HeadlessScript, headless_copy
from gmat_sweep.mission.script import check_resources

if TYPE_CHECKING:
    from gmat_sweep.spec import RunSpec
    from gmat_sweep.worker import MissionFacts

__all__ = [
    "check_folder",
    "check_hook",
    "nothing_left_if_refused",
    "prepare_mission",
]

"""Folder in the sweep folder for the headless copy, if one is needed."""

_MOST_VALUES = 4

_log = logging.getLogger("gmat_sweep")


type _Inspect = Callable[[Path | None, dict[str, Any]], MissionFacts]


def check_folder(folder: Path, manifest_path: Path) -> None:
    """Refuse a folder that already holds a sweep, or that cannot be written to.

    Raises
    ------
    SweepConfigError
        The message says how to resume, or where to write instead.
    """
    if manifest_path.exists():
        raise SweepConfigError(
            f"{manifest_path} already holds a sweep. Resume it with `gmat-sweep resume "
            f"{manifest_path} --script SCRIPT` or Sweep.from_manifest(...).resume(), or write to "
            "another folder."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".gmat-sweep-write-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SweepConfigError(
            f"The output folder {folder} cannot be written to: {error.strerror}. Choose one that "
            "can."
        ) from error


@contextmanager
def nothing_left_if_refused(manifest_path: Path, *folders: Path) -> Iterator[None]:
    """Delete the folders that a sweep has made, if the block raises and there is no manifest.

    From these folders only the files go that a sweep writes before its first run. A folder that
    holds anything else stays, and so does one that was there before.

    Parameters
    ----------
    manifest_path : Path
        The manifest: once it is there, the sweep has begun and everything stays.
    *folders : Path
        The folders that the sweep writes to; they and those around them may be missing.
    """
    around = {each for folder in folders for each in (folder, *folder.parents)}
    made = [each for each in around if not each.exists()]
    try:
        yield
    except BaseException:
        if not manifest_path.exists():
            _take_away(made, folders)
        raise


def _take_away(made: list[Path], folders: Iterable[Path]) -> None:
    for folder in folders:
        if folder in made and folder.is_dir():
            # Another process that uses the folder by now has its lock, and keeps it.
            with contextlib.suppress(GmatSweepError), FolderLock(folder) as lock:
                shutil.rmtree(folder / HEADLESS_FOLDER, ignore_errors=True)
                lock.path.unlink()
    for folder in sorted(made, key=lambda each: len(each.parts), reverse=True):
        # A folder that is not empty, or that nobody made, raises and stays.
        with contextlib.suppress(OSError):
            folder.rmdir()


def check_hook(path: str) -> None:
    """Refuse a postprocess hook that a worker could not call.

    Raises
    ------
    SweepConfigError
        The path is malformed, or does not name a function that can be imported and called.
    """
    from gmat_sweep.worker import load_hook

    try:
        load_hook(path)
    except ImportError as error:
        raise SweepConfigError(
            f"The postprocess hook {path!r} is not importable: {error}. Put its module on sys.path."
        ) from error
    except (ValueError, AttributeError, TypeError) as error:
        raise SweepConfigError(
            f"The postprocess hook {path!r} cannot be used: {error}. Name a module-level function "
            "as 'package.module:function'."
        ) from error
    except (Exception, SystemExit) as error:
        raise SweepConfigError(
            f"The postprocess hook {path!r} is not importable: {type(error).__name__}: {error}. "
            "Mend its module."
        ) from error


def prepare_mission(
    script: Path,
    runs: Iterable[RunSpec],
    folder: Path,
    pool: object,
    *,
    number: int = 0,
    memory_limit: int | None = None,
) -> Path:
    """Check a mission and its overrides on the engine and return the script to run.

    Parameters
    ----------
    script : Path
        The user's script.
    runs : iterable of RunSpec
        The runs. The engine tries every field that any of them overrides, with a few of its values.
    folder : Path
        The sweep folder, which gets the headless copy where one is needed.
    pool : object
        The pool to ask if it has a method `inspect`; otherwise a worker process is started.
    number : int
        Which of the sweep's scripts it is: files of the same name must not meet in one folder.
    memory_limit : int, optional
        Bytes of memory that loading the mission may need: the limit of a run.

    Returns
    -------
    Path
        `script` itself, or its headless copy.

    Raises
    ------
    MissionScriptError
        The engine lacks a resource that matters, or cannot parse the script; GMAT's own message
        is in it.
    SweepConfigError
        An override names an unknown field or has a value of the wrong type, or GMAT takes none
        of a field's values, or loading alone goes over the memory limit.
    """
    values = _values_to_try(runs)
    runnable = script
    with _inspector(pool, memory_limit) as inspect:
        try:
            types = inspect(None, {}).resource_types
            check_resources(script, types)
            headless = headless_copy(script, lambda name: name not in types)
            copies = folder / HEADLESS_FOLDER
            runnable = headless.write(copies / str(number) if number else copies)
            _say_what_was_left_out(headless, script)
            facts = inspect(runnable, {name: tried[0] for name, tried in values.items()})
            refused = _refused_whatever_the_value(inspect, runnable, values, facts)
            mistyped = _mistyped(inspect, runnable, values)
        except WorkerOverMemoryError as error:
            raise SweepConfigError(
                f"Loading {script} alone needs more than {memory_text(error.memory_limit)} of "
                "memory, the memory limit. Raise memory_limit."
            ) from error
        except WorkerDiedError as error:
            raise _crash(pool, script, runnable, values, error) from error
    if facts.engine_log:
        reasons = engine_errors(facts.engine_log) or list(facts.problems)
        listed = "\n".join(f"  - {reason}" for reason in reasons)
        raise MissionScriptError(
            f"GMAT cannot parse {script}:\n{listed}\nMend the script where GMAT says.", script
        )
    problems = [*facts.problems, *mistyped, *refused]
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise SweepConfigError(
            f"{script} cannot take these overrides:\n{listed}\n"
            "Name fields as GMAT does, such as 'Sat.SMA', with values of the field's type."
        )
    return runnable


def _values_to_try(runs: Iterable[RunSpec]) -> dict[str, list[Any]]:
    """Return, for each overridden field, one value of every type and a few more."""
    values: dict[str, list[Any]] = {}
    for run in runs:
        for name, value in run.overrides.items():
            tried = values.setdefault(name, [])
            types = {type(known) for known in tried}
            if type(value) not in types or (len(tried) < _MOST_VALUES and value not in tried):
                tried.append(value)
    return values


def _refused_whatever_the_value(
    inspect: _Inspect, script: Path, values: dict[str, list[Any]], facts: MissionFacts
) -> list[str]:
    """Try further values of each field that GMAT refused; return its words if it refuses them all.

    If GMAT refuses one value, only the runs with that value fail. If it takes none of several, no
    other value will do.
    """
    refused = dict(facts.refused)
    for number in range(1, _MOST_VALUES):
        again = {name: values[name][number] for name in refused if len(values[name]) > number}
        if not again:
            break
        still = inspect(script, again).refused
        refused = {
            name: said for name, said in refused.items() if name not in again or name in still
        }
    return list(refused.values())


def _mistyped(inspect: _Inspect, script: Path, values: dict[str, list[Any]]) -> list[str]:
    """Try one value of each further type that runs give to a field; return the problems."""
    problems: list[str] = []
    for name, tried in values.items():
        by_type = {type(value): value for value in tried[1:] if type(value) is not type(tried[0])}
        for value in by_type.values():
            problems += inspect(script, {name: value}).problems
    return problems


def _crash(
    pool: object,
    script: Path,
    runnable: Path,
    values: dict[str, list[Any]],
    error: WorkerDiedError,
) -> SweepConfigError:
    """Find out with further workers which script or override crashes GMAT; return the error."""
    if _crashes(pool, runnable, {}):
        return MissionScriptError(
            f"GMAT crashed while loading {script}: {error}\nLoad the script in GMAT itself and "
            "mend what it reports.",
            script,
        )
    how = str(error).partition("\n")[0]
    for name, tried in values.items():
        for value in tried:
            if _crashes(pool, runnable, {name: value}):
                return SweepConfigError(
                    f"GMAT crashed when {name} of {script} was overridden with {value!r} ({how}). "
                    f"Leave {name} out of the overrides and set it in the script: a copy of the "
                    "script, and a sweep, for each of its values."
                )
    return SweepConfigError(
        f"GMAT crashed when {', '.join(values)} of {script} were overridden together, though not "
        f"when each was alone ({how}). Set some of them in the script instead."
    )


def _crashes(pool: object, script: Path, overrides: dict[str, Any]) -> bool:
    try:
        with _inspector(pool, None) as inspect:
            inspect(script, overrides)
    except WorkerDiedError:
        return True
    return False


@contextmanager
def _inspector(pool: object, memory_limit: int | None) -> Iterator[_Inspect]:
    inspect = getattr(pool, "inspect", None)
    if callable(inspect):
        yield partial(inspect, memory_limit=memory_limit)
        return
    worker = WorkerProcess()
    try:
        yield partial(worker.inspect, memory_limit=memory_limit)
    finally:
        worker.close()


def _say_what_was_left_out(headless: HeadlessScript, script: Path) -> None:
    if not headless.is_needed:
        return
    listed = ", ".join(
        f"{resource.name} ({resource.type}, line {resource.line_number})"
        for resource in headless.dropped
    )
    _log.warning(
        "%s runs without its display-only resources, which this engine does not have: %s. "
        "The copy that runs is kept in the sweep folder.",
        script.name,
        listed,
    )
