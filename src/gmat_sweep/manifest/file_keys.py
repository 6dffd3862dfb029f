"""The keys of an entry's `files`: each listed file by its path from the run folder.

So the entries of equal sweeps in two folders are equal, and a sweep folder can be moved. A file
beside the run folder has a key such as ``../model.csv``, and a file elsewhere its absolute path.

Manifests of earlier versions have keys relative to the sweep folder. `from_the_run_folder` turns
those into this form when an entry is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["file_key", "from_the_run_folder"]

type Facts = dict[str, Any]

_PATHS = ("output_paths", "extra_outputs", "solver_paths")


def file_key(path: Path, run_folder: Path) -> str:
    """Return the key of a file of the run that has this folder; both paths are absolute."""
    if path.is_relative_to(run_folder):
        return path.relative_to(run_folder).as_posix()
    if path.is_relative_to(run_folder.parent):
        return f"../{path.relative_to(run_folder.parent).as_posix()}"
    return path.as_posix()


def from_the_run_folder(
    files: Mapping[str, Facts], record: Mapping[str, Any]
) -> Mapping[str, Facts]:
    """Return `files` with the keys that begin with the run folder cut off there.

    Parameters
    ----------
    files : mapping
        The `files` of an entry.
    record : mapping
        The entry as a line has it. A key is cut only if the line lists a file by that very text: a
        run folder may have a folder of its own name in it.
    """
    if not any("/" in key for key in files):
        return files
    folder = record.get("output_dir") or f"run-{record['run_id']}"
    listed = {text for key in _PATHS for text in (record.get(key) or {}).values()}
    cut: dict[str, Facts] = {}
    for text, facts in files.items():
        key = text.removeprefix(f"{folder}/") if text in listed else text
        cut[text if key in files else key] = facts
    return cut
