"""Pack the folders of runs into few zip files, and bring them back as they were.

`pack` is for sweeps of so many runs that their files burden a disk. It promises:

* Only a run whose tables all have a copy (`compact`) is packed: all that is read afterwards is read
  from the copies. A run that has none, or whose files are not as they were recorded, keeps its
  folder, and so does one with a link in it.
* A run folder is removed only after the zip with its files is on disk and was read back.
* Whenever the process ends, each run is in its folder or in a zip; another call goes on from there.
* `unpack` makes each folder whole or not at all. A folder that is there is newer, and stays.
  Folders without a file in them are not kept.

What needs run folders says so while they are packed (`gmat_sweep.folder.packed`).
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import stat
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.aggregate.compacted import parts_of
from gmat_sweep.analysis.recorded import folders_of, latest_entries, manifest_file
from gmat_sweep.archive.compacting import copied_tables, files_of
from gmat_sweep.disk.files import atomic_path, explained, fsync_folders, write_file
from gmat_sweep.disk.held import held, make_folder, open_plain
from gmat_sweep.disk.lock import locked
from gmat_sweep.errors import DurabilityError, SweepConfigError
from gmat_sweep.folder import run_files
from gmat_sweep.folder.layout import packed_folder, run_folder_name
from gmat_sweep.folder.packed import (
    CHUNK,
    UNREADABLE,
    chunks_of,
    hash_of,
    members_by_run,
    opened_zip,
    packed_files,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["RunPacking", "pack", "unpack"]

_RUNS_PER_FILE = 10_000
# Hidden, so that no reader takes it for a run folder.
_GOING = ".packed-"
_COMING = ".unpacking-"

NOT_COPIED = "a table has no copy"
NOT_AS_RECORDED = "files are not as recorded"
NOT_PLAIN = "a link or something else than a plain file is in the folder"


@dataclass(frozen=True, slots=True)
class RunPacking:
    """What `pack` has done.

    Attributes
    ----------
    folder : Path
        The folder of the zip files.
    packed : int
        How many runs were packed by this call.
    files : int
        In how many zip files all packed runs are.
    size : int
        Bytes of these.
    left : dict of str to int
        Why other runs keep their folders, and how many.
    """

    folder: Path
    packed: int
    files: int
    size: int
    left: dict[str, int]


def pack(source: str | Path) -> RunPacking:
    """Pack the folders of all runs whose tables have copies, and remove them.

    Of a run that failed all that is read is in the manifest.

    Parameters
    ----------
    source : str or Path
        The sweep folder, or its manifest. `compact` it before.

    Raises
    ------
    SweepFolderInUseError
        The sweep is being flown, or resumed.
    DurabilityError
        A zip could not be put on disk, such as for want of space; its runs keep their folders.
    FileNotFoundError, ManifestCorruptError
        The manifest cannot be read.
    """
    folder = manifest_file(source).parent
    left: Counter[str] = Counter()
    packed = 0
    with locked(folder):
        make_folder(packed_folder(folder), within=folder)
        _remove_hidden(folder)
        for runs in _some_at_a_time(_to_pack(source, folder, left)):
            _write(folder, runs)
            for name in runs:
                _take_away(folder, name)
            packed += len(runs)
        files = packed_files(folder)
    size = sum(path.stat().st_size for path in files)
    return RunPacking(packed_folder(folder), packed, len(files), size, dict(sorted(left.items())))


def unpack(source: str | Path) -> int:
    """Bring the folders of packed runs back, remove the zip files, and return how many came.

    Raises
    ------
    SweepFolderInUseError
        The sweep is in use.
    SweepConfigError
        A zip file is damaged; the runs of the others are back.
    DurabilityError
        A folder could not be put on disk.
    """
    folder = manifest_file(source).parent
    count = 0
    with locked(folder):
        _remove_hidden(folder)
        # A run in two of them was flown again: the later one has it as it was last.
        for path in reversed(packed_files(folder)):
            try:
                with opened_zip(path) as archive:
                    for name, members in members_by_run(archive).items():
                        if not os.path.lexists(folder / name):
                            _extract(archive, members, folder, name)
                            count += 1
            except UNREADABLE as error:
                if isinstance(error, DurabilityError):
                    raise
                raise SweepConfigError(
                    f"{path} is damaged: {error}. Restore it from a backup, or move it away: its "
                    "runs are flown again by a resume."
                ) from error
            with (
                explained(path, "delete it, whose runs are unpacked"),
                held(path.parent, within=folder) as it,
            ):
                it.remove(path.name)
        with contextlib.suppress(OSError):
            packed_folder(folder).rmdir()
    return count


def _to_pack(source: str | Path, folder: Path, left: Counter[str]) -> Iterator[str]:
    """Yield the names of the run folders to pack; count in `left` why others stay."""
    anchors = folders_of(source)
    copied = set(copied_tables(parts_of(folder)))
    for entry in latest_entries(source, nominal=True):
        name = run_folder_name(entry.run_id)
        if next(_files_in(folder / name), None) is None:
            continue
        if any((each.run_id, each.sha256(anchors)) not in copied for each in files_of(entry)):
            left[NOT_COPIED] += 1
        elif entry.status == "ok" and run_files.damage(entry, [folder]):
            left[NOT_AS_RECORDED] += 1
        elif not _is_plain(folder / name):
            left[NOT_PLAIN] += 1
        else:
            yield name


def _some_at_a_time(names: Iterator[str]) -> Iterator[list[str]]:
    while some := list(itertools.islice(names, _RUNS_PER_FILE)):
        yield some


def _is_plain(folder: Path) -> bool:
    """Whether a folder holds plain files and folders alone, under names that a zip can have."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            mode = path.lstat().st_mode
            try:
                path.as_posix().encode()
            except UnicodeEncodeError:
                return False
            if "\\" in name or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                return False
    return not folder.is_symlink()


def _write(folder: Path, runs: Sequence[str]) -> None:
    """Write a zip with the files of some runs, on disk and read back before it has its name."""
    names = [int(path.stem) for path in packed_files(folder)]
    final = packed_folder(folder) / f"{max(names, default=-1) + 1:06}.zip"
    hashes = {}
    with atomic_path(final, within=folder) as path:
        with (
            explained(final, "write the file"),
            zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive,
        ):
            for file in (file for run in runs for file in _files_in(folder / run)):
                name = file.relative_to(folder).as_posix()
                hashes[name] = _add(archive, file, name, folder)
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if hash_of(chunks_of(archive, member)) != hashes.pop(member.filename, None):
                    raise DurabilityError(
                        f"{final}: {member.filename} was not written as it is. The run folders "
                        "stay. Check the disk, then pack again."
                    )
        if hashes:
            raise DurabilityError(f"{final} lacks {next(iter(hashes))}. Check the disk.")


def _files_in(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(files))


def _add(archive: zipfile.ZipFile, file: Path, name: str, folder: Path) -> str:
    """Add a file to a zip and return its SHA-256."""
    digest = hashlib.sha256()
    with os.fdopen(open_plain(file, os.O_RDONLY, within=folder), "rb") as source:
        member = zipfile.ZipInfo.from_file(file, name)
        # Parquet is compressed already.
        member.compress_type = (
            zipfile.ZIP_STORED if file.suffix == ".parquet" else zipfile.ZIP_DEFLATED
        )
        with archive.open(member, "w") as target:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                target.write(chunk)
    return digest.hexdigest()


def _take_away(folder: Path, name: str) -> None:
    """Remove a run folder that is packed: at once for all readers, then from the disk."""
    with explained(folder / name, "delete the folder, which is packed"), held(folder) as it:
        it.replace(name, _GOING + name)
        it.remove_tree(_GOING + name)


def _remove_hidden(folder: Path) -> None:
    """Delete what an earlier call left of packed folders, and of folders half unpacked."""
    with explained(folder, "delete what an earlier call left"), held(folder) as it:
        for path in folder.iterdir():
            if path.name.startswith((_GOING, _COMING)):
                it.remove_tree(path.name)


def _extract(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], folder: Path, name: str
) -> None:
    """Write a run folder under a hidden name, on disk, and give it its own name."""
    coming = folder / (_COMING + name)
    later: set[Path] = set()
    make_folder(coming, within=folder)
    for inside, member in members.items():
        path = coming / inside
        make_folder(path.parent, within=folder)
        write_file(path, chunks_of(archive, member), later=later, within=folder)
        if mode := stat.S_IMODE(member.external_attr >> 16):
            path.chmod(mode)
    fsync_folders({coming, *later})
    with explained(folder / name, "put the folder in place"), held(folder) as it:
        it.replace(coming.name, name)
        it.sync()
