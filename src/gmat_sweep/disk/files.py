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
from collections.abc import Buffer
from typing import TYPE_CHECKING

from gmat_sweep.errors import DurabilityError

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

_NO_DIR_SYNC = {errno.EINVAL, errno.ENOTSUP}


@contextlib.contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Raise an error of the operating system as a DurabilityError that says what to do."""
    try:
        yield
    except (DurabilityError, FileNotFoundError):
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


def close_quietly(descriptor: int) -> None:
    """Close a descriptor whose data are on disk, or are given up."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def fsync_dir(folder: Path) -> None:
    """Put the names in `folder` on disk.

    On a file system that cannot fsync folders this does nothing; any other failure is an OSError.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_DIR_SYNC:
            raise
    finally:
        close_quietly(descriptor)


def fsync_file(path: Path) -> None:
    """Put the content of a file on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        close_quietly(descriptor)


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
def atomic_path(final: Path, later: set[Path] | None = None) -> Iterator[Path]:
    """Give a temporary path to write to, and put the file in place when the block ends.

    The block creates the file at the path it is given (same folder, hidden, no suffix that a
    search for ``*.parquet`` would find). When it ends normally, the file is fsynced, renamed to
    `final` and the folder fsynced; on any exception the temporary file is removed and `final`
    is as it was. A symbolic link is followed.

    Parameters
    ----------
    final : Path
        The file to put in place.
    later : set of Path, optional
        Gets the folder, which is then not fsynced here. The caller's `fsync_folders` does so, once
        for several files.

    Raises
    ------
    DurabilityError
        The file could not be put on disk.
    FileNotFoundError
        The folder does not exist, or the block wrote no file.

    Examples
    --------
    >>> with atomic_path(Path("run-0/report__Eph.parquet")) as path:  # doctest: +SKIP
    ...     frame.to_parquet(path)
    """
    target = final.resolve()
    temporary = target.with_name(f".{target.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        yield temporary
        with explained(final, "write the file"):
            fsync_file(temporary)
            temporary.replace(target)
            if later is None:
                fsync_dir(target.parent)
            else:
                later.add(target.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_file(
    path: Path, data: Buffer | Iterable[bytes], *, later: set[Path] | None = None
) -> None:
    """Write `data`, whole or in pieces, as the file `path`, on disk before this returns.

    A file that was there is replaced whole. With `later` the caller fsyncs the folder, as for
    `atomic_path`.

    Raises
    ------
    DurabilityError
        The file could not be written, and `path` is as it was; or only the folder could not be
        fsynced, and `path` has the new content.
    FileNotFoundError
        The folder does not exist.
    """
    with atomic_path(path, later) as temporary:
        with explained(path, "write the file"):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, 0o666)
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
