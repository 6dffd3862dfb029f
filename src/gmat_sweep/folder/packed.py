"""Whether run folders of a sweep are packed in few files, and what cannot be done while they are.

`gmat_sweep.archive.packed_runs` packs and unpacks them. Tables are read from their copies in the
meantime.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shlex
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gmat_sweep.disk.held import plain_reader
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import RUN_FOLDER, packed_folder, run_folder_name

if TYPE_CHECKING:
    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = [
    "CHUNK",
    "UNREADABLE",
    "PackedRuns",
    "chunks_of",
    "hash_of",
    "members_by_run",
    "opened_zip",
    "packed_files",
    "refuse_packed",
    "unpack_command",
]

CHUNK = 1 << 20
"""Bytes that are read at a time."""

UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, KeyError, ValueError)
"""Errors of zipfile for a file that is no zip, is damaged or encrypted, or lacks a member."""

_SAFE = re.compile(r"[^/\\\x00]+")


def packed_files(sweep_folder: Path) -> list[Path]:
    """Return the files in which run folders are packed, in the order in which they were made."""
    return sorted(packed_folder(sweep_folder).glob("[0-9]*.zip"))


def refuse_packed(sweep_folder: Path, what: str) -> None:
    """Refuse what needs the folders of runs.

    Parameters
    ----------
    sweep_folder : Path
        The folder of the manifest.
    what : str
        What is refused, as the subject of a sentence.

    Raises
    ------
    SweepConfigError
        Run folders are packed.
    """
    if packed_files(sweep_folder):
        raise SweepConfigError(
            f"The runs of {sweep_folder} are packed, and {what} needs their folders. "
            f"`{unpack_command(sweep_folder)}` first."
        )


def unpack_command(sweep_folder: Path) -> str:
    """Return the shell command that brings the folders of packed runs back."""
    return f"gmat-sweep compact --unpack {shlex.quote(str(sweep_folder))}"


class PackedRuns:
    """The packed runs of a sweep, to be looked at where they are.

    Parameters
    ----------
    folder : Path
        The sweep folder.
    """

    def __init__(self, folder: Path) -> None:
        self._places: dict[str, tuple[Path, dict[str, zipfile.ZipInfo]]] = {}
        self.damaged: list[str] = []
        for path in packed_files(folder):
            try:
                with opened_zip(path) as archive:
                    for name, members in members_by_run(archive).items():
                        self._places[name] = path, members
            except UNREADABLE as error:
                self.damaged.append(f"{path} is damaged: {error}")

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, run_id: int) -> bool:
        return run_folder_name(run_id) in self._places

    def problems(self, entry: ManifestEntry) -> list[str]:
        """Say which of a packed run's files are not as they were recorded."""
        path, members = self._places[run_folder_name(entry.run_id)]
        found = []
        with opened_zip(path) as archive:
            for name, facts in entry.files.items():
                try:
                    digest = hash_of(chunks_of(archive, members[name]))
                except UNREADABLE:
                    digest = None
                if digest != facts["sha256"]:
                    found.append(f"{name} in {path.name} is not as it was recorded")
        return found


@contextlib.contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file to read it; one of `UNREADABLE` if it is none, or no plain file."""
    with plain_reader(path) as file, zipfile.ZipFile(file) as archive:
        yield archive


def chunks_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the content of a member; one of `UNREADABLE` at its end if it is damaged."""
    with archive.open(member) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def hash_of(chunks: Iterable[bytes]) -> str:
    """Return the SHA-256 of a content in chunks."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def members_by_run(archive: zipfile.ZipFile) -> dict[str, dict[str, zipfile.ZipInfo]]:
    """Return the members by run folder, and by their path in it.

    Raises
    ------
    ValueError
        A name leads out of its run folder, or is none that `pack` writes.
    """
    found: dict[str, dict[str, zipfile.ZipInfo]] = {}
    for member in archive.infolist():
        run, *parts = PurePosixPath(member.filename).parts
        is_safe = all(_SAFE.fullmatch(part) and part != ".." for part in parts)
        if not RUN_FOLDER.fullmatch(run) or not parts or not is_safe:
            raise ValueError(f"{member.filename!r} is no file of a run folder")
        found.setdefault(run, {})["/".join(parts)] = member
    return found
