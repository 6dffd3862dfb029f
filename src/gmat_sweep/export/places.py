"""Where an export is written, and what is returned of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gmat_sweep.disk.paths import absolute_path
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.written_files import begins_with, can_be_made_in, is_in_a_run_folder

__all__ = ["Exported", "checked_file", "checked_folder"]

_HEAD_BYTES = 400


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    files : tuple of Path
        The files, absolute; those of the nominal run first.
    run_ids : tuple of int
        The runs in them, in that order; the nominal one is -1.
    lacking : tuple of int
        Runs that were chosen and have no trajectory: they failed before GMAT wrote one.
    notes : tuple of str
        What to know of the files: where the states are from, how exact they are.
    """

    files: tuple[Path, ...]
    run_ids: tuple[int, ...]
    lacking: tuple[int, ...]
    notes: tuple[str, ...]


def checked_file(path: str | Path, what: str, suffix: str, mark: str, sweep_folder: Path) -> Path:
    """Return the absolute path of a file that may be written.

    Parameters
    ----------
    path : str or Path
        The file.
    what : str
        The argument or option that named it, for messages.
    suffix : str
        The end of its name, such as ``.czml``.
    mark : str
        What stands in the first 400 bytes of such a file that this package wrote.
    sweep_folder : Path
        The folder of the manifest.

    Raises
    ------
    SweepConfigError
        Its name ends otherwise, it cannot be written, is in the folder of a run, or is there and
        was not written by this package.
    """
    target = absolute_path(path, what)
    if target.suffix.lower() != suffix:
        raise SweepConfigError(f"{what} {path} is no {suffix} file. Give one to write.")
    _check_place(target.parent, what, path, sweep_folder)
    is_ours = (
        target.is_file() and not target.is_symlink() and begins_with(target, mark, _HEAD_BYTES)
    )
    if os.path.lexists(target) and not is_ours:
        raise SweepConfigError(
            f"{what} {path} is there and was not written by gmat-sweep, so it is not replaced. "
            "Move it away, or give another file."
        )
    return target


def checked_folder(path: str | Path, what: str, sweep_folder: Path) -> Path:
    """Return the absolute path of a folder that files may be written to.

    Raises
    ------
    SweepConfigError
        It is a file, cannot be written to, or is the folder of a run.
    """
    target = absolute_path(path, what)
    if target.exists() and not target.is_dir():
        raise SweepConfigError(f"{what} {path} is a file. Name a folder.")
    _check_place(target, what, path, sweep_folder)
    return target


def _check_place(folder: Path, what: str, path: str | Path, sweep_folder: Path) -> None:
    if not can_be_made_in(folder):
        raise SweepConfigError(
            f"{what} {path} cannot be written. Give a place in a folder that you may write to."
        )
    if is_in_a_run_folder(folder, sweep_folder):
        raise SweepConfigError(
            f"{what} {path} is in the folder of a run, where GMAT writes. Give another place."
        )
