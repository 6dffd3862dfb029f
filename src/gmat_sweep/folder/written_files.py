"""Where files that a user asks for may be written: tables, pages, trajectories."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gmat_sweep.folder.layout import RUN_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["begins_with", "can_be_made_in", "is_in_a_run_folder"]


def can_be_made_in(folder: Path) -> bool:
    """Whether files can be made in a folder, which may have to be made first."""
    folder = folder.absolute()
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def is_in_a_run_folder(place: Path, sweep_folder: Path) -> bool:
    """Whether a folder is that of a run of the sweep, or below it, where GMAT writes."""
    place, sweep = place.resolve(), sweep_folder.resolve()
    return place.is_relative_to(sweep) and any(
        RUN_FOLDER.fullmatch(part) for part in place.relative_to(sweep).parts
    )


def begins_with(path: Path, mark: str, within: int) -> bool:
    """Whether a mark stands in the first bytes of a file, which this package then wrote."""
    with path.open("rb") as file:
        return mark.encode() in file.read(within)
