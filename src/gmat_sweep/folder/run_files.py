"""The files of a run: their size and hash when they were recorded, and whether these still hold.

The worker calls `fsynced_facts` after it has written a file. A resume and the doctor call `damage`.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.disk import files as durable
from gmat_sweep.folder.layout import run_folder
from gmat_sweep.manifest.file_keys import file_key

if TYPE_CHECKING:
    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = ["content_facts", "damage", "facts_of", "found", "fsynced_facts", "places"]

_CHUNK = 1 << 20


def content_facts(content: Any) -> dict[str, Any]:
    """Return the ``size`` in bytes and the ``sha256`` of a buffer."""
    view = memoryview(content)
    return {"size": view.nbytes, "sha256": hashlib.sha256(view).hexdigest()}


def fsynced_facts(path: Path) -> dict[str, Any]:
    """Put a file that somebody else wrote on disk and return its ``size`` and ``sha256``."""
    durable.fsync_file(path)
    durable.fsync_dir(path.parent)
    return _facts(path)


def places(recorded: Path, run_id: int, folders: Sequence[Path]) -> Iterator[Path]:
    """Yield where a recorded file may be, in the order to look.

    A path that is relative, or lies below one of `folders`, comes first, below each of `folders`:
    the sweep may have been moved or copied from one to the other. Then comes ``run-<id>/<name>``
    below each: an absolute path from another machine does not hold on this one.

    Parameters
    ----------
    recorded : Path
        The path in the manifest.
    run_id : int
        The run.
    folders : sequence of Path
        The sweep's folders as absolute paths, the one that counts first.
    """
    below = _below(recorded, folders)
    for folder in folders:
        yield folder / below
        # An absolute path is the same below every folder.
        if below.is_absolute():
            break
    for folder in folders:
        yield run_folder(folder, run_id) / recorded.name


def found(recorded: Path, run_id: int, folders: Sequence[Path]) -> Path | None:
    """Return the first of `places` where there is a file; None if it is at none of them."""
    return next((place for place in places(recorded, run_id, folders) if _is_file(place)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        # A manifest may hold any text for a path, also one that is too long for a name.
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise


def _below(path: Path, folders: Sequence[Path]) -> Path:
    """Return `path` relative to the innermost of `folders` that it lies in, if any."""
    if not path.is_absolute() or len(folders) == 1:
        return path
    around = [folder for folder in folders if path.is_relative_to(folder)]
    return path.relative_to(max(around, key=lambda each: len(each.parts))) if around else path


def damage(entry: ManifestEntry, folders: Sequence[Path]) -> list[str]:
    """Say what is wrong with the files an entry lists; empty when all are as they were recorded.

    Parameters
    ----------
    entry : ManifestEntry
        Any entry; only an ``ok`` one lists files.
    folders : sequence of Path
        Where to look, as for `places`.
    """
    problems = []
    for recorded in _listed(entry):
        path = found(recorded, entry.run_id, folders)
        if path is None:
            problems.append(f"{recorded} is missing")
            continue
        facts = facts_of(entry, recorded, folders)
        if facts is not None:
            if path.stat().st_size != facts["size"]:
                problems.append(
                    f"{recorded} has {path.stat().st_size} bytes, recorded were {facts['size']}"
                )
            elif _facts(path)["sha256"] != facts["sha256"]:
                problems.append(f"{recorded} has changed: its SHA-256 is not the recorded one")
        elif path.suffix == ".parquet" and not _has_parquet_footer(path):
            problems.append(f"{recorded} is not a whole Parquet file")
    return problems


def facts_of(entry: ManifestEntry, path: Path, folders: Sequence[Path]) -> dict[str, Any] | None:
    """Return what `entry` has recorded of the file that it lists as `path`; None for nothing.

    Parameters
    ----------
    entry : ManifestEntry
        The entry.
    path : Path
        One of the paths that it lists, absolute or relative to the sweep folder.
    folders : sequence of Path
        The sweep's folders as absolute paths.
    """
    return next(
        (entry.files[key] for key in _keys(entry, path, folders) if key in entry.files), None
    )


def _keys(entry: ManifestEntry, path: Path, folders: Sequence[Path]) -> Iterator[str]:
    name = f"run-{entry.run_id}"
    for folder in folders:
        if entry.output_dir is not None:
            yield file_key(folder / path, folder / entry.output_dir)
        yield file_key(folder / path, folder / name)
    # The sweep has been moved, or packed: its run folders kept their names.
    for position, part in enumerate(path.parts):
        if part == name:
            yield "/".join(path.parts[position + 1 :])
    # As earlier versions have it.
    yield path.as_posix()
    for folder in folders:
        yield (folder / path).as_posix()
        if path.is_relative_to(folder):
            yield path.relative_to(folder).as_posix()


def _listed(entry: ManifestEntry) -> Iterator[Path]:
    for paths in (entry.output_paths, entry.extra_outputs, entry.solver_paths):
        yield from paths.values()


def _facts(path: Path) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return {"size": size, "sha256": digest.hexdigest()}


def _has_parquet_footer(path: Path) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.read_metadata(path)
    except (pa.ArrowException, OSError):
        return False
    return True
