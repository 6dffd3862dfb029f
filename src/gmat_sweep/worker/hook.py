"""The postprocess hook: import it by its path, call it after GMAT, check the files it returns.

While it is called, the current folder is the run's. A hook that writes to a relative path would
write over the files of other runs else.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gmat_sweep.folder.run_files import fsynced_facts
from gmat_sweep.import_places import hook_module, hooks_found
from gmat_sweep.manifest.file_keys import file_key
from gmat_sweep.spec import FailureKind, RunOutcome, RunSpec
from gmat_sweep.worker.engine_watch import WATCH

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = [
    "HookFailedError",
    "call_hook",
    "load_hook",
]


class HookFailedError(Exception):
    """The postprocess hook failed after GMAT succeeded; the cause is chained."""

    failure_kind: ClassVar[FailureKind] = "hook"


type Hook = Callable[[RunSpec, RunOutcome], Mapping[str, Any]]


def load_hook(path: str) -> Hook:
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
        The path names something that cannot be called.
    """
    module_name, colon, function_name = path.partition(":")
    if not (module_name and colon and function_name):
        raise ValueError(
            f"postprocess path {path!r} is malformed: write it as 'package.module:function'"
        )
    hook: Any = hook_module(module_name)
    for name in function_name.split("."):
        hook = getattr(hook, name)
    if not callable(hook):
        raise TypeError(f"postprocess path {path!r} names {hook!r}, which cannot be called")
    called: Hook = hook
    return called


def call_hook(
    spec: RunSpec, outcome: RunOutcome, log: logging.Logger
) -> tuple[dict[str, Path], dict[str, dict[str, Any]]]:
    """Call the hook; return its files by key, and the facts of each file by path."""
    assert spec.postprocess is not None
    log.info("postprocess hook=%s", spec.postprocess)
    try:
        with WATCH.theirs(), hooks_found():
            hook = load_hook(spec.postprocess)
            extra_outputs = _returned_by(hook, spec, outcome, log)
        run_folder = spec.output_dir.absolute()
        files = {
            file_key(path.absolute(), run_folder): fsynced_facts(path)
            for path in extra_outputs.values()
        }
    except (Exception, SystemExit) as error:
        raise HookFailedError from error
    for key, path in extra_outputs.items():
        log.info("postprocess output %s=%s", key, path)
    return extra_outputs, files


def _returned_by(
    hook: Hook, spec: RunSpec, outcome: RunOutcome, log: logging.Logger
) -> dict[str, Path]:
    """Call a hook in the run's folder, and return the files that it returns, by key."""
    assert spec.postprocess is not None
    if not spec.output_dir.is_absolute():
        # The hook finds the run's folder from the current one.
        return _checked_extra_outputs(spec.postprocess, hook(spec, outcome), spec.output_dir, None)
    with _current_folder(spec.output_dir) as before:
        try:
            returned = hook(spec, outcome)
        except FileNotFoundError as error:
            if before is None or not _may_be_in(before, error, spec.output_dir):
                raise
            log.info("the hook found no file (%s): it is called in the worker's folder", error)
            with _current_folder(before):
                returned = hook(spec, outcome)
                return _checked_extra_outputs(spec.postprocess, returned, spec.output_dir, None)
        return _checked_extra_outputs(spec.postprocess, returned, spec.output_dir, before)


def _may_be_in(folder: Path, error: FileNotFoundError, run_folder: Path) -> bool:
    """Say whether a hook that has not found a file in the run's folder would in another one.

    A second call for nothing does again all that the hook does before it fails, and may end in
    another error.
    """
    # Some libraries say the name in their message only.
    if not isinstance(error.filename, str | bytes):
        return True
    here = run_folder.resolve()
    for name in (error.filename, error.filename2):
        if not isinstance(name, str | bytes):
            continue
        path = Path(os.fsdecode(name))
        if path.is_absolute():
            if not path.is_relative_to(here):
                continue
            path = path.relative_to(here)
        if (folder / path).exists():
            return True
        if (folder / path.parent).is_dir() and not (here / path.parent).is_dir():
            return True
    return False


@contextlib.contextmanager
def _current_folder(folder: Path | None) -> Iterator[Path | None]:
    """Make a folder the current one; give the one before, None if it is gone, and go back to it."""
    try:
        before = Path.cwd()
    except FileNotFoundError:
        before = None
    handle = os.open(".", os.O_DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY))
    try:
        if folder is not None:
            os.chdir(folder)
        yield before
    finally:
        os.fchdir(handle)
        os.close(handle)


def _checked_extra_outputs(
    hook: str, returned: object, run_folder: Path, before: Path | None
) -> dict[str, Path]:
    """Return the files that a hook returned, by key.

    Parameters
    ----------
    hook : str
        The hook, for messages.
    returned : object
        What it returned.
    run_folder : Path
        The folder of the run.
    before : Path, optional
        The current folder before the hook was called.
    """
    if not isinstance(returned, Mapping):
        raise TypeError(
            f"postprocess hook {hook!r} must return a mapping of names to the files it wrote, "
            f"not {type(returned).__name__}"
        )
    checked = {}
    for key, value in returned.items():
        if not isinstance(key, str):
            raise TypeError(f"postprocess hook {hook!r} returned the key {key!r}, not a string")
        if not isinstance(value, str | os.PathLike) or isinstance(os.fspath(value), bytes):
            raise TypeError(
                f"postprocess hook {hook!r} returned {key!r} as a {type(value).__name__}, which is "
                "no path of one file. Return each file under a name of its own."
            )
        path = _place_of(Path(value), run_folder, before)
        if path is None:
            is_folder = any((place / value).is_dir() for place in _places(run_folder, before))
            but = "that is a folder, and not a file" if is_folder else "no such file exists"
            raise FileNotFoundError(
                f"postprocess hook {hook!r} returned {key!r}: {value}, but {but}. A "
                "relative path starts from the run's folder, run_spec.output_dir."
            )
        checked[key] = path
    return checked


def _places(run_folder: Path, before: Path | None) -> list[Path]:
    """Return where relative paths of a hook may start: first the run's folder."""
    return [run_folder, Path(), *([] if before is None else [before])]


def _place_of(returned: Path, run_folder: Path, before: Path | None) -> Path | None:
    """Return where a returned file is, by a path that holds in every process; None if nowhere.

    A relative path starts from the run folder, or else from the current folder, as open() has it,
    or else from the one that was current before the hook was called. A file below the run folder is
    told by a path below it, however the hook spelled it. The path of any other file leads through
    neither ``..`` nor a link that the hook made.
    """
    places = [place / returned for place in _places(run_folder, before)]
    place = next((each for each in places if each.is_file()), None)
    if place is None:
        return None
    real, real_folder = place.resolve(), run_folder.resolve()
    if real.is_relative_to(real_folder):
        return run_folder / real.relative_to(real_folder)
    if place.is_relative_to(run_folder) or ".." in place.parts:
        return real
    return place.absolute()
