"""Find GMAT.

`find_engine` returns one of two kinds of engine, in this order:

1. an installed GMAT: the one that ``GMAT_ROOT`` names, else the one that gmat-run finds by itself.
   A ``GMAT_ROOT`` that is set but wrong is an error, never a silent fall-back;
2. the R2026a engine inside the PyPI wheel ``gmatpy``, as `gmat_sweep.engine.presentation` presents
   it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gmat_sweep.engine.engine import DATA_VARIABLE, ROOT_VARIABLE, Engine
from gmat_sweep.engine.presentation import present_wheel, read_presentation
from gmat_sweep.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "activate",
    "find_engine",
    "offer_wheel",
]


_PATTERNS = ("~/gmat-*", "/opt/gmat-*", "/Applications/GMAT*", "~/Applications/GMAT*")
_PROGRAMS = ("GmatConsole", "GMAT", "gmat")


def find_engine(environment: Mapping[str, str] | None = None) -> Engine:
    """Return the engine that runs will use.

    Parameters
    ----------
    environment : mapping, optional
        Environment variables to obey; the process's own by default.

    Raises
    ------
    EngineError
        ``GMAT_ROOT`` is set and is no GMAT install, ``GMAT_SWEEP_DATA`` is set and is no folder,
        or neither an installed GMAT nor the ``gmatpy`` wheel is there.
    """
    environment = os.environ if environment is None else environment
    named_root = environment.get(ROOT_VARIABLE)
    data_folder = _user_data_folder(environment)
    if named_root:
        root = Path(named_root).expanduser()
        presented = read_presentation(root)
        if presented is None or not presented.get("complete"):
            return _installed(root, "GMAT_ROOT", data_folder)
        # A parent process chose the wheel and handed down the variable: present the wheel afresh,
        # because the wheel or the data folder may have changed since.
    elif (found := _discover_install()) is not None:
        return _installed(found, "installed", data_folder)
    return present_wheel(data_folder)


def activate() -> Engine:
    """Find the engine and make gmat-run use it, in this process and in those it starts."""
    engine = find_engine()
    os.environ[ROOT_VARIABLE] = str(engine.root)
    return engine


def offer_wheel() -> None:
    """Let ``gmat_run.locate_gmat()`` find the wheel's engine if there is no other.

    Sets ``GMAT_ROOT`` in this process if it is unset and nothing looks like an installed GMAT. The
    call is cheap. It is silent if the wheel cannot be presented: code that needs an engine raises.
    """
    if os.environ.get(ROOT_VARIABLE) or any(_install_candidates()):
        return
    with contextlib.suppress(EngineError):
        os.environ[ROOT_VARIABLE] = str(present_wheel(_user_data_folder(os.environ)).root)


def _install_candidates() -> Iterator[str]:
    """Yield the places that gmat-run would examine; importing gmat-run costs 0.3 s of CPU."""
    for pattern in map(Path, _PATTERNS):
        yield from map(str, pattern.parent.expanduser().glob(pattern.name))
    for program in _PROGRAMS:
        found = shutil.which(program)
        if found:
            yield found


def _user_data_folder(environment: Mapping[str, str]) -> Path | None:
    named = environment.get(DATA_VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        raise EngineError(
            f"{DATA_VARIABLE} names {folder}, which is not a folder. Point it at a folder laid out "
            "like GMAT's own data folder (gravity/earth, atmosphere/earth, planetary_ephem/spk, "
            "...), or unset it."
        )
    return folder


def _discover_install() -> Path | None:
    """Return the installed GMAT that gmat-run finds without ``GMAT_ROOT``, if there is one."""
    if not any(_install_candidates()):
        return None
    from gmat_run import GmatNotFoundError
    from gmat_run.install import locate_gmat

    named_root = os.environ.pop(ROOT_VARIABLE, None)
    try:
        return locate_gmat().root
    except GmatNotFoundError:
        return None
    finally:
        if named_root is not None:
            os.environ[ROOT_VARIABLE] = named_root


def _installed(
    root: Path, source: Literal["GMAT_ROOT", "installed"], data_folder: Path | None
) -> Engine:
    from gmat_run import GmatNotFoundError
    from gmat_run.install import locate_gmat

    try:
        install = locate_gmat(root)
    except GmatNotFoundError as error:
        reason = error.attempts[0][2] if error.attempts else "it is not an install"
        raise EngineError(
            f"GMAT_ROOT is set to {root}, which is not a GMAT install: {reason}. "
            "Set it to the folder that holds GMAT's bin and api folders, or unset it to use the "
            "engine that comes with this package."
        ) from error
    if data_folder is not None:
        raise EngineError(
            f"{DATA_VARIABLE} adds data to the engine of the gmatpy wheel, but the engine in use "
            f"is the install at {install.root}. Name the files in that install's "
            "bin/gmat_startup_file.txt, or unset the variable."
        )
    return Engine(install.root, install.version or "unknown", source)
