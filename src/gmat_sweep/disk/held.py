"""Files of a sweep folder, reached through a handle of their folder and never through a link.

A sweep folder may come from somebody else, with links in it that lead to files of whoever looks at
it, checks it or resumes it. All that this package writes, truncates, renames or deletes in a sweep
folder goes through `held` or `open_plain`. The folder itself may be reached by links: its path is
the user's choice. Below it a link is refused, and so is a FIFO, a device or a socket, before it is
opened: the first would wait, the second could fill the memory.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Self

from gmat_sweep.errors import NotPlainFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

__all__ = [
    "HeldFolder",
    "close_quietly",
    "held",
    "make_folder",
    "not_plain",
    "open_plain",
    "plain_reader",
    "read_plain",
    "refuse_link",
]

_MOST_BYTES = 1 << 28
_ONLY_NAMES = getattr(os, "O_PATH", 0)
_NO_DIR_SYNC = {errno.EINVAL, errno.ENOTSUP}
_NOT_FOR_US = {errno.EACCES, errno.EPERM}
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


class HeldFolder:
    """A folder by its handle: names are looked up in it, wherever its path leads to by now.

    Parameters
    ----------
    path : Path
        The folder, for messages.
    descriptor : int or None
        The handle; None looks names up by `path`, where the system gives no handle.
    is_listable : bool
        Whether the handle allows more than to look up names: only such a one can be fsynced.
    """

    def __init__(self, path: Path, descriptor: int | None, *, is_listable: bool = True) -> None:
        self.path = path
        self._descriptor = descriptor
        self._is_listable = is_listable

    @classmethod
    def opened(cls, path: Path, name: str, flags: int = 0, within: int | None = None) -> Self:
        """Open a folder by its name, in the one with the handle `within`."""
        flags |= os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        try:
            return cls(path, os.open(name, flags, dir_fd=within))
        except OSError as error:
            if error.errno not in _NOT_FOR_US:
                raise
        return cls(path, os.open(name, flags | _ONLY_NAMES, dir_fd=within), is_listable=False)

    def mode(self, name: str) -> int | None:
        """Return the mode of a file, or of the link that stands there; None if there is none."""
        try:
            found = os.stat(self._at(name), dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return found.st_mode

    def open(self, name: str, flags: int) -> int:
        """Open a plain file and return its descriptor.

        Raises
        ------
        NotPlainFileError
            A link, a folder, a FIFO, a device or a socket has that name.
        OSError
            As of `os.open`.
        """
        mode = self.mode(name)
        if mode is not None and not stat.S_ISREG(mode):
            raise not_plain(self.path / name, mode)
        # Nobody waits for a FIFO that takes the name just now.
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self._at(name), flags, 0o666, dir_fd=self._descriptor)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise not_plain(self.path / name, stat.S_IFLNK) from error
            # The error would name the file without its folder.
            error.filename = str(self.path / name)
            raise
        try:
            _check_plain(descriptor, self.path / name)
        except BaseException:
            close_quietly(descriptor)
            raise
        return descriptor

    def folder(self, name: str, *, make: bool = False) -> Self:
        """Return a folder in this one; its caller closes it.

        Raises
        ------
        NotPlainFileError
            A link or a file has that name.
        FileNotFoundError
            There is no such folder, and `make` is false.
        """
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._at(name), dir_fd=self._descriptor)
        try:
            return self.opened(self.path / name, self._at(name), os.O_NOFOLLOW, self._descriptor)
        except OSError as error:
            mode = self.mode(name)
            if mode is not None and not stat.S_ISDIR(mode):
                raise not_plain(self.path / name, mode) from error
            error.filename = str(self.path / name)
            raise

    def make(self, name: str) -> None:
        """Make a folder in this one; FileExistsError if anything has that name."""
        os.mkdir(self._at(name), dir_fd=self._descriptor)

    def replace(self, name: str, new_name: str, other: HeldFolder | None = None) -> None:
        """Rename what has a name, a link itself too, also into another folder."""
        target = other or self
        os.replace(
            self._at(name),
            target._at(new_name),
            src_dir_fd=self._descriptor,
            dst_dir_fd=target._descriptor,
        )

    def remove(self, name: str) -> None:
        """Delete a file, or a link itself."""
        os.unlink(self._at(name), dir_fd=self._descriptor)

    def remove_tree(self, name: str) -> None:
        """Delete a folder and all in it; of a link only the link."""
        mode = self.mode(name)
        if mode is not None and not stat.S_ISDIR(mode):
            self.remove(name)
        else:
            shutil.rmtree(self._at(name), dir_fd=self._descriptor)

    def sync(self) -> None:
        """Put the names in the folder on disk.

        This does nothing on a file system that cannot fsync folders, and in a folder that may be
        written to but not listed, which no program can fsync. Any other failure is an OSError.
        """
        if self._descriptor is None or not self._is_listable:
            return
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            if error.errno not in _NO_DIR_SYNC:
                raise

    def close(self) -> None:
        """Give the handle back."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            close_quietly(descriptor)

    def _at(self, name: str) -> str:
        return name if self._descriptor is not None else str(self.path / name)


@contextlib.contextmanager
def held(folder: Path, *, within: Path | None = None, make: bool = False) -> Iterator[HeldFolder]:
    """Hold a folder by a handle while the block runs.

    Parameters
    ----------
    folder : Path
        The folder.
    within : Path, optional
        The folder around it that the user named, by links or not. No part of the path below it
        may be a link. By default `folder` itself is what the user named.
    make : bool
        Whether folders that are missing are made.

    Raises
    ------
    NotPlainFileError
        A part of the path below `within` is a link or no folder.
    FileNotFoundError
        The folder does not exist.
    """
    folder = folder.absolute()
    start = folder if within is None else within.absolute()
    # ValueError would be a mistake of the caller, who knows what is within what.
    parts = folder.relative_to(start).parts
    if make:
        # A file of that name is told below, as NotADirectoryError.
        with contextlib.suppress(FileExistsError):
            start.mkdir(parents=True, exist_ok=True)
    try:
        current = HeldFolder.opened(start, str(start))
    except OSError as error:
        if error.errno not in _NOT_FOR_US or parts:
            raise
        current = HeldFolder(start, None)
    try:
        for part in parts:
            inner = current.folder(part, make=make)
            current.close()
            current = inner
        yield current
    finally:
        current.close()


def make_folder(folder: Path, *, within: Path) -> None:
    """Make a folder and those around it, below `within` through no link.

    Raises
    ------
    NotPlainFileError
        As `held`.
    """
    with held(folder, within=within, make=True):
        pass


def open_plain(path: Path, flags: int, *, within: Path | None = None) -> int:
    """Open a plain file, which must not be a link, and return its descriptor.

    Parameters
    ----------
    path : Path
        The file.
    flags : int
        Flags of `os.open`.
    within : Path, optional
        As for `held`; by default the file's folder.

    Raises
    ------
    NotPlainFileError
        The file, or a folder between it and `within`, is a link or no plain file.
    OSError
        As of `os.open`.
    """
    if within is None:
        # One file in a folder that the user named: there is nothing to hold on to.
        return HeldFolder(path.parent, None).open(path.name, flags)
    with held(path.parent, within=within) as folder:
        return folder.open(path.name, flags)


def read_plain(path: Path, *, within: Path | None = None) -> bytes:
    """Return the content of a plain file, which must not be a link.

    Raises
    ------
    NotPlainFileError
        As `open_plain`, or the file is larger than any that this package writes at once.
    OSError
        It is not there or cannot be read.
    """
    with os.fdopen(open_plain(path, os.O_RDONLY, within=within), "rb") as file:
        if os.fstat(file.fileno()).st_size > _MOST_BYTES:
            raise NotPlainFileError(
                errno.EFBIG,
                "is larger than any such file that gmat-sweep writes. Delete it, or restore it",
                str(path),
            )
        return file.read(_MOST_BYTES)


def plain_reader(path: Path) -> BufferedReader:
    """Open a file to read it, also through a link, if a plain file is there.

    Raises
    ------
    NotPlainFileError
        A FIFO, a device or a socket is there.
    OSError
        It is not there, is a folder, or cannot be read.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise not_plain(path, mode)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check_plain(descriptor, path)
    except BaseException:
        close_quietly(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def refuse_link(path: Path, *, within: Path) -> None:
    """Refuse a place at which another program is about to write a file.

    Raises
    ------
    NotPlainFileError
        A part of the path below `within` is a link, or the file is there and no plain file.
    """
    try:
        with held(path.parent, within=within) as folder:
            mode = folder.mode(path.name)
    except FileNotFoundError:
        return
    if mode is not None and not stat.S_ISREG(mode):
        raise not_plain(path, mode)


def close_quietly(descriptor: int) -> None:
    """Close a descriptor whose data are on disk, or are given up."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _check_plain(descriptor: int, path: Path) -> None:
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        raise not_plain(path, mode)


def not_plain(path: Path, mode: int) -> NotPlainFileError:
    """Return the error for what stands at a path instead of a plain file or a folder."""
    kind = _KINDS.get(stat.S_IFMT(mode), "no plain file")
    if stat.S_ISLNK(mode):
        code = errno.ELOOP
        why = "and gmat-sweep reads and writes its files through none"
    else:
        code = errno.EINVAL
        why = "where a sweep has something else"
    return NotPlainFileError(
        code, f"is {kind}, {why}. See who put it there, and delete or replace it", str(path)
    )
