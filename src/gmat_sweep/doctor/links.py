"""Links, FIFOs and devices in a sweep folder, which a pass over the sweep would refuse."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from gmat_sweep.folder.layout import (
    FRAMES_NAME,
    HEADLESS_FOLDER,
    INPUT_HASHES_NAME,
    LAST_PASS_NAME,
    RUN_FOLDER,
    WORKER_LOG_NAME,
)

__all__ = ["refused_places"]

_FILES = (LAST_PASS_NAME, FRAMES_NAME, INPUT_HASHES_NAME)


def refused_places(manifest_path: Path, folder: Path) -> Iterator[str]:
    """Yield what is no plain file or folder where a sweep writes one, each in words.

    The copy of the header and the seals are not among them: who reads these says so.

    Parameters
    ----------
    manifest_path, folder : Path
        The manifest and the sweep folder.
    """
    files = [manifest_path, *(manifest_path.parent / name for name in _FILES)]
    folders = [folder / HEADLESS_FOLDER]
    with os.scandir(folder) as found:
        runs = [folder / entry.name for entry in found if RUN_FOLDER.fullmatch(entry.name)]
    for path in files:
        yield from _said(path, stat.S_IFREG)
    for path in [*folders, *sorted(runs)]:
        yield from _said(path, stat.S_IFDIR)
    for path in sorted(runs):
        yield from _said(path / WORKER_LOG_NAME, stat.S_IFREG)


def _said(path: Path, kind: int) -> Iterator[str]:
    try:
        found = stat.S_IFMT(path.lstat().st_mode)
    except OSError:
        return
    name = f"{path.parent.name}/{path.name}" if path.name == WORKER_LOG_NAME else path.name
    if found == stat.S_IFLNK:
        yield f"{name} is a symbolic link, and a sweep writes through none: delete or replace it"
    elif found != kind:
        wanted = "file" if kind == stat.S_IFREG else "folder"
        yield f"{name} is no plain {wanted}: delete or replace it"
