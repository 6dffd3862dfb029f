"""From which folders code is imported, here and in the processes that this package starts.

Python imports from the current folder without being asked: ``python -c`` and ``python -m`` put it
first. A ``json.py`` there, an innocent one or somebody's in a foreign sweep folder, would run in
place of the library. So every Python that this package starts begins with `python_command`, and is
handed `import_paths`.

Only a hook may come from the current folder. `hook_module` looks for it in ``sys.path`` first, then
in the folders that the caller names: those in the environment variable `HOOKS_VARIABLE`, and the
current folder of a program that has it in its own ``sys.path``.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.machinery
import importlib.util
import json
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TypedDict

from gmat_sweep.stamps import content_stamp

__all__ = [
    "HOOKS_VARIABLE",
    "PlacesOfHooks",
    "folder_of_hook",
    "handed_hook_folders",
    "hook_digest",
    "hook_folders",
    "hook_module",
    "hooks_found",
    "hooks_from",
    "import_paths",
    "look_at_hooks_anew",
    "look_for_hooks_in",
    "module_not_of_this_folder",
    "places_of_hooks",
    "python_command",
]

HOOKS_VARIABLE = "GMAT_SWEEP_HOOKS"
"""Environment variable: folders in which hooks are looked for, after those of ``sys.path``.

As ``PATH`` has them, or as a JSON list, which takes folders with a colon in their names.
"""

_OF_HOOKS: dict[str, tuple[str, tuple[object, ...] | None]] = {}
"""The modules that hooks brought into this process: file, and its time and size at the import."""

_EDITION = [""]
"""Another text each time that hooks were looked at anew; a worker is told."""

_PACKAGE = str(Path(__file__).resolve().parent) + os.sep
_PACKAGE_FOLDER = str(Path(__file__).resolve().parent.parent)


def python_command() -> list[str]:
    """Return the beginning of a command that starts Python without the current folder."""
    return [sys.executable, "-P"]


def import_paths() -> list[str]:
    """Return ``sys.path`` for another process: absolute, and without the current folder as such."""
    paths = [os.path.abspath(path) for path in sys.path if path]  # noqa: PTH100 - keeps links
    # This package may have been found in the current folder.
    return paths if _PACKAGE_FOLDER in paths else [*paths, _PACKAGE_FOLDER]


def hook_folders() -> list[str]:
    """Return the folders besides ``sys.path`` in which hooks are looked for, as absolute paths."""
    text = os.environ.get(HOOKS_VARIABLE, "")
    named = json.loads(text) if text.startswith("[") else text.split(os.pathsep)
    folders = [os.path.abspath(folder) for folder in named if folder]  # noqa: PTH100 - keeps links
    if "" in sys.path and (here := _current_folder()) is not None:
        folders.append(here)
    return list(dict.fromkeys(folders))


def handed_hook_folders() -> dict[str, str]:
    """Return `hook_folders` as the environment of a process that this one starts."""
    return {HOOKS_VARIABLE: json.dumps(hook_folders())}


@contextlib.contextmanager
def hooks_from(folder: Path) -> Iterator[None]:
    """Have hooks looked for in `folder`, too, by this process and those it starts in the block."""
    before = os.environ.get(HOOKS_VARIABLE)
    os.environ[HOOKS_VARIABLE] = json.dumps([*hook_folders(), str(folder.absolute())])
    try:
        yield
    finally:
        if before is None:
            del os.environ[HOOKS_VARIABLE]
        else:
            os.environ[HOOKS_VARIABLE] = before


class PlacesOfHooks(TypedDict):
    """Where a process finds hooks, as plain data for a worker that was started before.

    Attributes
    ----------
    paths : list of str
        Its ``sys.path``, as `import_paths` gives it.
    environment : dict of str to str
        The further folders, as `handed_hook_folders` gives them.
    edition : str
        Another one when hooks were looked at anew, as at the start of each sweep.
    """

    paths: list[str]
    environment: dict[str, str]
    edition: str


def places_of_hooks() -> PlacesOfHooks:
    """Return where this process finds hooks."""
    return PlacesOfHooks(
        paths=import_paths(), environment=handed_hook_folders(), edition=_EDITION[0]
    )


def look_for_hooks_in(places: PlacesOfHooks) -> None:
    """Find hooks where another process does, as they are now. Folders of one's own come last."""
    paths = places["paths"]
    sys.path[:] = [*paths, *(path for path in sys.path if path not in paths)]
    os.environ.update(places["environment"])
    look_at_hooks_anew()
    _EDITION[0] = places["edition"]


def look_at_hooks_anew() -> None:
    """Have hooks imported anew if their files, or what they imported, are others than they were.

    A sweep does so once, before its first run: an edit while it flies must not make its runs
    differ. What the program imported itself, rather than for a hook, stays.
    """
    _EDITION[0] = uuid.uuid4().hex
    importlib.invalidate_caches()
    if not any(_is_another(name, *then) for name, then in _OF_HOOKS.items()):
        return
    # All of them: one holds the functions of another.
    for name, (file, _) in _OF_HOOKS.items():
        sys.modules.pop(name, None)
        # Python takes what it has compiled for current if the size and the second are.
        with contextlib.suppress(OSError, NotImplementedError):
            Path(importlib.util.cache_from_source(file)).unlink()
    _OF_HOOKS.clear()


@contextlib.contextmanager
def hooks_found() -> Iterator[None]:
    """Have the block import from the `hook_folders`, too: a hook has modules beside it."""
    added = [folder for folder in hook_folders() if folder not in sys.path]
    sys.path.extend(added)
    before = set(sys.modules)
    try:
        yield
    finally:
        for folder in added:
            with contextlib.suppress(ValueError):
                sys.path.remove(folder)
        for name in set(sys.modules) - before:
            file = getattr(sys.modules.get(name), "__file__", None)
            if file is not None and not _is_installed(file):
                _OF_HOOKS[name] = (file, content_stamp(file))


def _is_installed(file: str) -> bool:
    """Return whether a module is Python's, this package's or of an installed one."""
    places = (sys.base_prefix + os.sep, sys.prefix + os.sep, _PACKAGE)
    return file.startswith(places) or "site-packages" in file


def _is_another(name: str, file: str, stamp: tuple[object, ...] | None) -> bool:
    """Return whether an import of the module would find another file, or the file was edited."""
    if stamp is None or content_stamp(file) != stamp:
        return True
    if "." in name:
        return False
    found = importlib.machinery.PathFinder.find_spec(name, [*sys.path, *hook_folders()])
    return found is None or found.origin is None or not Path(found.origin).samefile(file)


def hook_module(name: str) -> ModuleType:
    """Import the module of a hook.

    Raises
    ------
    ImportError
        It is nowhere to be found, or cannot be imported.
    """
    with hooks_found():
        return importlib.import_module(name)


def folder_of_hook(path: str) -> str | None:
    """Return which of `hook_folders` an imported hook is from; None if ``sys.path`` has it."""
    top = sys.modules.get(path.partition(":")[0].partition(".")[0])
    file = getattr(top, "__file__", None)
    if file is None:
        return None
    place = Path(file).parent
    folder = str(place.parent if Path(file).stem == "__init__" else place)
    return folder if folder in hook_folders() and folder not in sys.path else None


def hook_digest(path: str | None) -> str | None:
    """Return the SHA-256 of the file of an imported hook's module; None if there is no such file.

    The file is read as it is now, whatever it was when this process imported it: a worker imports
    it anew.
    """
    module = sys.modules.get((path or "").partition(":")[0])
    file = getattr(module, "__file__", None)
    try:
        return None if file is None else hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return None


def module_not_of_this_folder(name: str) -> ModuleType:
    """Import a module that a stranger may have named, but not from the current folder.

    The folder counts if ``PYTHONPATH`` names it.

    Raises
    ------
    ImportError
        It is nowhere else, or cannot be imported.
    """
    named = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    here = {_current_folder()}.difference(map(os.path.abspath, named))
    before = list(sys.path)
    sys.path[:] = [path for path in before if path and os.path.abspath(path) not in here]  # noqa: PTH100
    try:
        return importlib.import_module(name)
    finally:
        sys.path[:] = [*before, *(path for path in sys.path if path not in before)]


def _current_folder() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:
        # It has been deleted.
        return None
