"""Files that survive a crash: put in place whole or not at all.

`write_file` and `atomic_path` have a file on disk before they return: temporary name in the same
folder, fsync, rename, fsync of the folder. Both rely on a local file system whose fsync works.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Buffer
from typing import TYPE_CHECKING

from gmat_sweep.disk.held import HeldFolder, close_quietly, held, not_plain, plain_reader
from gmat_sweep.errors import DurabilityError, NotPlainFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = [
    "TEMPORARY_FILE",
    "atomic_path",
    "close_quietly",
    "explained",
    "fsync_dir",
    "fsync_file",
    "fsync_folders",
    "write_all",
    "write_file",
]
TEMPORARY_FILE = re.compile(r"\..+\.tmp-\d+-[0-9a-f]{8}")
"""Name of a file that `atomic_path` had not finished when its process was killed."""


@contextlib.contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Raise an error of the operating system as a DurabilityError that says what to do."""
    try:
        yield
    except (DurabilityError, FileNotFoundError, NotPlainFileError):
        raise
    except OSError as error:
        code = errno.EIO if error.errno is None else error.errno
        message = (
            f"cannot {doing} ({error.strerror}); what it held before is kept. Check permissions, "
            "free space and the state of the disk, then run again"
        )
        raise DurabilityError(code, message, str(path)) from error


def write_all(descriptor: int, data: Buffer) -> None:
    """Write all of `data`, however little the system takes at a time."""
    rest = memoryview(data)
    while rest:
        written = os.write(descriptor, rest)
        if written == 0:
            raise OSError(errno.EIO, "the write made no progress")
        rest = rest[written:]


def fsync_dir(folder: Path) -> None:
    """Put the names in `folder` on disk.

    On a file system that cannot fsync folders, and in a folder that cannot be listed, this does
    nothing; any other failure is an OSError.
    """
    with held(folder) as it:
        it.sync()


def fsync_file(path: Path) -> None:
    """Put the content of a plain file on disk."""
    with plain_reader(path) as file:
        os.fsync(file.fileno())


def fsync_folders(folders: Iterable[Path]) -> None:
    """Put the names in `folders` on disk, after several `write_file` with ``later``.

    Raises
    ------
    DurabilityError
        The names in one of them may not be on disk.
    """
    for folder in folders:
        with explained(folder, "put the folder's names on disk"):
            fsync_dir(folder)


@contextlib.contextmanager
def atomic_path(
    final: Path, later: set[Path] | None = None, *, within: Path | None = None
) -> Iterator[Path]:
    """Give a temporary path to write to, and put the file in place when the block ends.

    The block creates the file at the path it is given (same folder, hidden, no suffix that a
    search for ``*.parquet`` would find). When it ends normally, the file is fsynced, renamed to
    `final` and the folder fsynced; on any exception the temporary file is removed and `final`
    is as it was. Neither is ever reached through a link.

    Parameters
    ----------
    final : Path
        The file to put in place.
    later : set of Path, optional
        Gets the folder, which is then not fsynced here. The caller's `fsync_folders` does so, once
        for several files.
    within : Path, optional
        The folder around it that the user named, as for `held`; by default the file's folder.

    Raises
    ------
    DurabilityError
        The file could not be put on disk.
    NotPlainFileError
        `final`, or a folder between it and `within`, is a link or no plain file.
    FileNotFoundError
        The folder does not exist, or the block wrote no file.

    Examples
    --------
    >>> with atomic_path(Path("run-0/report__Eph.parquet")) as path:  # doctest: +SKIP
    ...     frame.to_parquet(path)
    """
    with _replacement(final, later, within) as (folder, name):
        yield folder.path / name


@contextlib.contextmanager
def _replacement(
    final: Path, later: set[Path] | None, within: Path | None
) -> Iterator[tuple[HeldFolder, str]]:
    """Give the folder of a file and a temporary name in it; put the file in place at the end."""
    with contextlib.ExitStack() as stack:
        with explained(final, "write the file"):
            folder = stack.enter_context(held(final.parent, within=within))
            mode = folder.mode(final.name)
            if mode is not None and not stat.S_ISREG(mode):
                raise not_plain(final, mode)
        temporary = f".{final.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            yield folder, temporary
            with explained(final, "write the file"):
                descriptor = folder.open(temporary, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    close_quietly(descriptor)
                folder.replace(temporary, final.name)
                if later is None:
                    folder.sync()
                else:
                    later.add(final.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                folder.remove(temporary)
            raise


def write_file(
    path: Path,
    data: Buffer | Iterable[bytes],
    *,
    later: set[Path] | None = None,
    within: Path | None = None,
) -> None:
    """Write `data`, whole or in pieces, as the file `path`, on disk before this returns.

    A file that was there is replaced whole. With `later` the caller fsyncs the folder, as for
    `atomic_path`; `within` is as there.

    Raises
    ------
    DurabilityError
        The file could not be written, and `path` is as it was; or only the folder could not be
        fsynced, and `path` has the new content.
    NotPlainFileError
        `path`, or a folder between it and `within`, is a link or no plain file.
    FileNotFoundError
        The folder does not exist.
    """
    with _replacement(path, later, within) as (folder, temporary):
        with explained(path, "write the file"):
            descriptor = folder.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            # `explained` covers the write only: the caller's iterable raises its own errors.
            for chunk in (data,) if isinstance(data, Buffer) else data:
                with explained(path, "write the file"):
                    write_all(descriptor, chunk)
        except BaseException:
            close_quietly(descriptor)
            raise
        with explained(path, "write the file"):
            os.close(descriptor)
