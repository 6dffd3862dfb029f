"""The postprocess hook: import it by its path, call it after GMAT, check the files it returns."""

from __future__ import annotations

import logging
from collections.abc import Mapping
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
    called: Callable[[RunSpec, RunOutcome], Mapping[str, Any]] = hook
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
            returned = hook(spec, outcome)
        extra_outputs = _checked_extra_outputs(spec.postprocess, returned, spec.output_dir)
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


def _checked_extra_outputs(hook: str, returned: object, run_folder: Path) -> dict[str, Path]:
    if not isinstance(returned, Mapping):
        raise TypeError(
            f"postprocess hook {hook!r} must return a mapping of names to the files it wrote, "
            f"not {type(returned).__name__}"
        )
    checked = {}
    for key, value in returned.items():
        if not isinstance(key, str):
            raise TypeError(f"postprocess hook {hook!r} returned the key {key!r}, not a string")
        path = _place_of(Path(value), run_folder)
        if path is None:
            raise FileNotFoundError(
                f"postprocess hook {hook!r} returned {key!r}: {value}, but no such file exists. A "
                "relative path starts from the run's folder, run_spec.output_dir."
            )
        checked[key] = path
    return checked


def _place_of(returned: Path, run_folder: Path) -> Path | None:
    """Return where a returned file is, by a path that holds in every process; None if nowhere.

    A relative path starts from the run folder, or else from the current folder, as open() has it. A
    file below the run folder is told by a path below it, however the hook spelled it. The path of
    any other file leads through neither ``..`` nor a link that the hook made.
    """
    place = next((p for p in (run_folder / returned, returned) if p.is_file()), None)
    if place is None:
        return None
    real, real_folder = place.resolve(), run_folder.resolve()
    if real.is_relative_to(real_folder):
        return run_folder / real.relative_to(real_folder)
    if place.is_relative_to(run_folder) or ".." in place.parts:
        return real
    return place.absolute()
