"""The files that a command reads: a mission script, a manifest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.cli.endings import ManifestProblemError
from gmat_sweep.disk.paths import absolute_path, user_path
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import MANIFEST_NAME

if TYPE_CHECKING:
    from gmat_sweep.manifest import Manifest

__all__ = ["existing_script", "loaded_manifest", "manifest_in", "script_of"]


def existing_script(name: str) -> Path:
    """Return the absolute path of a mission script.

    Raises
    ------
    SweepConfigError
        There is no such file, it cannot be read, or the current folder is gone.
    """
    script = absolute_path(name, "script")
    if not script.is_file():
        raise SweepConfigError(f"script not found: {name}")
    try:
        with script.open("rb"):
            pass
    except OSError as error:
        raise SweepConfigError(f"script cannot be read: {name}: {error.strerror}") from error
    return script


def script_of(
    name: str | None, manifest: Manifest, folder: Path | None, *, allow_drift: bool
) -> Path:
    """Return the absolute path of a sweep's script: the named one, or else the recorded one.

    Raises
    ------
    SweepConfigError
        As for `existing_script` and `recorded_script`.
    """
    from gmat_sweep.sweep.recorded_script import recorded_script

    if name is not None:
        return existing_script(name)
    return recorded_script(manifest, folder, allow_drift=allow_drift).absolute()


def manifest_in(place: str) -> str:
    """Return the path of a manifest, as typed or in the sweep folder that was typed."""
    return str(Path(place) / MANIFEST_NAME) if os.path.isdir(place) else place  # noqa: PTH112


def loaded_manifest(path: str) -> Manifest:
    """Read a manifest.

    Raises
    ------
    ManifestProblemError
        There is no such file, or it cannot be read.
    ManifestCorruptError
        The manifest is damaged.
    """
    from gmat_sweep.manifest import Manifest

    absolute_path(path, "manifest")
    try:
        return Manifest.load(user_path(path, "manifest"))
    except FileNotFoundError:
        raise ManifestProblemError(f"manifest not found: {path}") from None
    except OSError as error:
        raise ManifestProblemError(f"manifest cannot be read: {path}: {error.strerror}") from error
