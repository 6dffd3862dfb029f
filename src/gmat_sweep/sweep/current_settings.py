"""Prefect's settings in the current folder, where that is a sweep folder from somebody else.

Prefect reads ``prefect.toml``, ``.env`` and ``pyproject.toml`` of the current folder. They may name
the server that records a sweep, or a file that sets up logging, which can call any code.
"""

from __future__ import annotations

from pathlib import Path

from gmat_sweep.disk.held import plain_reader
from gmat_sweep.disk.owner import is_own
from gmat_sweep.disk.paths import current_folder
from gmat_sweep.errors import GmatSweepError, SweepConfigError
from gmat_sweep.folder.layout import MANIFEST_NAME
from gmat_sweep.manifest import Manifest

__all__ = ["refuse_settings_of_a_strangers_folder"]

# What a file must hold to set anything of Prefect's.
_SETTINGS = {"prefect.toml": b"", ".env": b"PREFECT_", "pyproject.toml": b"prefect"}


def refuse_settings_of_a_strangers_folder() -> None:
    """Refuse to begin in somebody else's sweep folder that has settings of Prefect's.

    Workers and the server start in the current folder, so there must be one.

    Raises
    ------
    SweepConfigError
        There is no current folder any more, or it is such a folder; the message names the file.
    """
    here = current_folder()
    file = next(
        (here / name for name, mark in _SETTINGS.items() if _holds(here / name, mark)), None
    )
    if file is None:
        return
    for folder in (here, *here.parents):
        manifest = folder / MANIFEST_NAME
        if manifest.exists() and not _is_own(manifest):
            raise SweepConfigError(
                f"{file} would set up Prefect, and lies in a sweep folder that another user or "
                "another machine wrote. Start from another folder, or remove that file."
            )


def _holds(path: Path, mark: bytes) -> bool:
    if not path.is_file():
        return False
    with plain_reader(path) as file:
        return mark in file.read()


def _is_own(manifest: Path) -> bool:
    try:
        return is_own(Manifest.outline(manifest).extra)
    except (OSError, GmatSweepError):
        return False
