"""One writer per sweep folder, held by a kernel lock.

A second writer fails at once, and the error says who holds the folder. The kernel drops the lock
when the process that holds it ends, however it ends; the lock file that stays behind means nothing
and need not be removed. Programs that the holder starts do not inherit the lock. Readers need none.

The lock is ``flock`` on a local file system. This module calls `fcntl` directly because neither
another thread nor another object of the same process may take the lock a second time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shlex
import sys
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from gmat_sweep.disk.held import open_plain
from gmat_sweep.disk.owner import current_user
from gmat_sweep.errors import NotPlainFileError, SweepConfigError, SweepFolderInUseError
from gmat_sweep.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

__all__ = ["LOCK_FILE_NAME", "FolderLock", "locked", "nobody_writes"]

LOCK_FILE_NAME = ".gmat-sweep.lock"
"""Name of the lock file in a sweep folder."""

_LONGEST_COMMAND = 500
_held: weakref.WeakSet[FolderLock] = weakref.WeakSet()


class FolderLock:
    """The right to write in one sweep folder, from `acquire` to `release`.

    Parameters
    ----------
    folder : Path
        The sweep folder; `acquire` creates it.

    Examples
    --------
    >>> with FolderLock(Path("sweep")):  # doctest: +SKIP
    ...     manifest.append_entry(entry)
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._descriptor: int | None = None

    @property
    def path(self) -> Path:
        """The lock file."""
        return self.folder / LOCK_FILE_NAME

    @property
    def held(self) -> bool:
        """Whether this object holds the folder."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the folder, without waiting.

        Raises
        ------
        SweepFolderInUseError
            Another process holds the folder, or this one does through this object or another.
        SweepConfigError
            The folder cannot be written to, or its file system has no locks; `NotPlainFileError`
            where a link or another thing stands in the place of the lock file.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = self._lock()
        except NotPlainFileError:
            raise
        except OSError as error:
            raise SweepConfigError(
                f"the sweep folder {self.folder} cannot be locked for writing ({error.strerror}). "
                "Use a folder that you may write to, on a local file system."
            ) from error
        self._descriptor = descriptor
        _held.add(self)

    def release(self) -> None:
        """Give the folder back; harmless when it is not held."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        _held.discard(self)
        # A forked child may have a copy of the descriptor: closing ours would leave it locked.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()

    def _lock(self) -> int:
        while True:
            descriptor = open_plain(self.path, os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_current(descriptor):
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, _own_description())
                    return descriptor
            except BlockingIOError:
                holder = _described(descriptor)
                os.close(descriptor)
                raise _in_use(self.folder, holder) from None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _is_current(self, descriptor: int) -> bool:
        """Whether the locked file is still the one at `path`, and not one deleted meanwhile."""
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.lstat())
        except FileNotFoundError:
            return False

    def _forget(self) -> None:
        """Close the copy of the descriptor that a forked child has."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


@contextlib.contextmanager
def locked(*folders: Path) -> Iterator[None]:
    """Hold all of `folders` while the block runs.

    A folder that is given twice, or once by a link, is taken once. The folders are taken in the
    order of their resolved paths: of two sweeps that want the same folders, one gets them all.

    Raises
    ------
    SweepFolderInUseError, SweepConfigError
        As `FolderLock.acquire` for one of them; none is held then.
    """
    by_place = {folder.resolve(): folder for folder in reversed(folders)}
    with contextlib.ExitStack() as held:
        for place in sorted(by_place):
            held.enter_context(FolderLock(by_place[place]))
        yield


@contextlib.contextmanager
def nobody_writes(folder: Path) -> Iterator[None]:
    """Keep writers out of a sweep folder that is read, without writing to it.

    Raises
    ------
    SweepFolderInUseError
        Somebody is writing to it.
    NotPlainFileError
        The lock file is a link or no plain file.
    """
    try:
        descriptor = open_plain(folder / LOCK_FILE_NAME, os.O_RDONLY)
    except FileNotFoundError:
        # Without a lock file nobody holds the folder, and a reader may not make one.
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(folder, _described(descriptor)) from None
        yield
    finally:
        os.close(descriptor)


def _in_use(folder: Path, holder: str) -> SweepFolderInUseError:
    return SweepFolderInUseError(
        f"the sweep folder {folder} is in use by {holder}. Wait until that has ended or stop it, "
        "or use another folder.",
        folder,
        holder,
    )


def _own_description() -> bytes:
    description = {
        "pid": os.getpid(),
        "host": platform.node(),
        "user": current_user(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(sys.orig_argv)[:_LONGEST_COMMAND],
    }
    return json.dumps(description).encode() + b"\n"


def _described(descriptor: int) -> str:
    """Return who holds the lock, as the holder wrote it into the lock file."""
    try:
        found = json.loads(os.pread(descriptor, 1 << 16, 0))
        own = " (this process)" if found["pid"] == os.getpid() else ""
        return one_line(
            f"process {found['pid']}{own} on {found['host']}, user {found['user']}, "
            f"since {found['since']}, command: {found['command']}"
        )
    except (ValueError, KeyError, TypeError):
        return "a process that has not described itself"


def _forget_in_child() -> None:
    for lock in list(_held):
        lock._forget()
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)
