"""The postprocess hook: import it by its path, call it after GMAT, check the files it returns."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.folder.run_files import fsynced_facts
from gmat_sweep.spec import RunOutcome, RunSpec

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = [
    "HookFailedError",
    "call_hook",
    "load_hook",
]


class HookFailedError(Exception):
    """The postprocess hook failed after GMAT succeeded; the cause is chained."""


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
    hook = importlib.import_module(module_name)
    for name in function_name.split("."):
        hook = getattr(hook, name)
    if not callable(hook):
        raise TypeError(f"postprocess path {path!r} names {hook!r}, which cannot be called")
    return hook


def call_hook(
    spec: RunSpec, outcome: RunOutcome, log: logging.Logger
) -> tuple[dict[str, Path], dict[str, dict[str, Any]]]:
    """Call the hook; return its files by key, and the facts of each file by path."""
    assert spec.postprocess is not None
    log.info("postprocess hook=%s", spec.postprocess)
    try:
        returned = load_hook(spec.postprocess)(spec, outcome)
        extra_outputs = _checked_extra_outputs(spec.postprocess, returned)
        files = {str(path): fsynced_facts(path) for path in extra_outputs.values()}
    except (Exception, SystemExit) as error:
        raise HookFailedError from error
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
