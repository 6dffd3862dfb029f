"""`AppendLog`: lines appended to an existing file, which survive a crash.

After any failure a line is in the file whole or not at all. A line that Ctrl-C finds whole stays.
With ``sync=True`` the line is on disk before `append` returns. The first append moves a torn line
to ``<name>.torn-<time>``. After a failed fsync the log never uses that descriptor again: the next
call rewrites the lines that may not be on disk, and reads the file anew.

The log never opens its file through a link. It relies on a local file system whose fsync works.
"""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gmat_sweep.disk.files import explained, fsync_dir, write_all, write_file
from gmat_sweep.disk.held import close_quietly, open_plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["TORN_MARK", "AppendLog", "torn_ends"]

TORN_MARK = ".torn-"
"""Stands between the log's name and the time in the name of a file with a torn line."""

_CHUNK = 1 << 20


class AppendLog:
    """Lines appended to one existing file, by one writer.

    The file is opened at the first append and stays open until `close`, after which the next
    append opens it again. Copies and pickles carry the path only. Threads may share a log.

    Parameters
    ----------
    path : Path
        The file, which must exist when something is appended.
    check_last : callable
        The log calls ``check_last(path, line_number, line)`` with the last complete line whenever
        it opens the file, before it changes anything. `check_last` raises when nothing may be
        appended. For a file without a complete line it gets line 0 and ``b""``.
    """

    def __init__(self, path: Path, check_last: Callable[[Path, int, bytes], None]) -> None:
        self.path = path
        self._check_last = check_last
        self._mutex = threading.Lock()
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
        self._lines = 0
        self._end = 0
        self._synced_end = 0
        # Lines acknowledged but not yet known to be on disk: the bytes after `_synced_end`.
        self._unsynced = bytearray()
        self._fsync_failed = False

    def __reduce__(self) -> tuple[type[AppendLog], tuple[Path, Callable[..., None]]]:
        return (AppendLog, (self.path, self._check_last))

    def __del__(self) -> None:
        if self._descriptor is not None:
            close_quietly(self._descriptor)

    def append(self, make_line: Callable[[int], bytes], *, sync: bool) -> None:
        """Append the line that ``make_line(lines_before_it)`` returns.

        Parameters
        ----------
        make_line : callable
            Gets the number of complete lines in the file; returns one line with its newline.
        sync : bool
            Whether the line, and all before it, must be on disk before this returns. Otherwise
            a later synced append or `close` puts them there.

        Raises
        ------
        DurabilityError
            The line was not written; the file holds what it held before.
        FileNotFoundError
            The file is gone.
        NotPlainFileError
            A link stands in its place.
        """
        with self._mutex, explained(self.path, "append to the file"):
            descriptor = self._ready()
            line = make_line(self._lines)
            try:
                write_all(descriptor, line)
            except BaseException as error:
                if isinstance(error, OSError) or not self._is_whole(descriptor, line):
                    self._roll_back(descriptor)
                else:
                    self._acknowledge(line)
                raise
            if sync:
                try:
                    os.fsync(descriptor)
                except OSError:
                    if not self._roll_back(descriptor):
                        self._acknowledge(line)
                    self._fsync_failed = True
                    raise
                except BaseException:
                    # Ctrl-C is no failure, and a reader may have seen the line: keep it for
                    # `close` to sync.
                    self._acknowledge(line)
                    raise
            self._acknowledge(line)
            if sync:
                self._mark_synced()

    def close(self) -> None:
        """Put everything appended on disk and release the file; harmless when not open.

        Raises
        ------
        DurabilityError
            The last appends may not be on disk; calling again tries anew.
        """
        with self._mutex, explained(self.path, "put the file's last lines on disk"):
            if self._fsync_failed:
                self._write_again()
            if self._descriptor is None:
                return
            descriptor, self._descriptor = self._descriptor, None
            try:
                if self._unsynced:
                    self._fsync_failed = True
                    os.fsync(descriptor)
                    self._mark_synced()
            except BaseException:
                close_quietly(descriptor)
                raise
            os.close(descriptor)

    def _acknowledge(self, line: bytes) -> None:
        self._unsynced += line
        self._end += len(line)
        self._lines += 1

    def _mark_synced(self) -> None:
        self._unsynced.clear()
        self._synced_end = self._end
        self._fsync_failed = False

    def _is_whole(self, descriptor: int, line: bytes) -> bool:
        return os.fstat(descriptor).st_size == self._end + len(line)

    def _roll_back(self, descriptor: int) -> bool:
        """Cut off the line that failed and let go of the file; return whether it is cut off."""
        try:
            os.ftruncate(descriptor, self._end)
        except OSError:
            return False
        finally:
            self._descriptor = None
            close_quietly(descriptor)
        return True

    def _ready(self) -> int:
        """Return a descriptor at the end of a file whose last line is whole."""
        if self._descriptor is not None:
            if self._is_as_left():
                return self._descriptor
            descriptor, self._descriptor = self._descriptor, None
            close_quietly(descriptor)
        if self._fsync_failed:
            self._write_again()
        return self._open()

    def _is_as_left(self) -> bool:
        """Whether the file is still the one opened, with the length this log gave it."""
        found = self.path.lstat()
        return (found.st_dev, found.st_ino) == self._identity and found.st_size == self._end

    def _write_again(self) -> None:
        """Write the acknowledged lines that a failed fsync left in doubt, in place, and fsync.

        A failed fsync leaves pages marked clean that never reached the disk; only writing them
        again makes the next fsync cover them.
        """
        descriptor = open_plain(self.path, os.O_RDWR)
        try:
            found = os.fstat(descriptor)
            same = (found.st_dev, found.st_ino) == self._identity and found.st_size >= self._end
            if same:
                os.lseek(descriptor, self._synced_end, os.SEEK_SET)
                write_all(descriptor, self._unsynced)
                os.fsync(descriptor)
        finally:
            close_quietly(descriptor)
        self._mark_synced()

    def _open(self) -> int:
        descriptor = open_plain(self.path, os.O_RDWR | os.O_APPEND)
        try:
            lines, start, end, size = _last_line(descriptor)
            self._check_last(self.path, lines, os.pread(descriptor, end - start, start))
            if size > end:
                self._set_aside(descriptor, end, size)
            # Whole lines of a killed writer may be in the page cache only: fsync before appending.
            self._fsync_failed = bool(self._unsynced)
            os.fsync(descriptor)
            fsync_dir(self.path.parent)
            found = os.fstat(descriptor)
        except BaseException:
            close_quietly(descriptor)
            raise
        self._identity = (found.st_dev, found.st_ino)
        self._lines, self._end = lines, end
        self._mark_synced()
        self._descriptor = descriptor
        return descriptor

    def _set_aside(self, descriptor: int, end: int, size: int) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        torn = (
            os.pread(descriptor, min(_CHUNK, size - offset), offset)
            for offset in range(end, size, _CHUNK)
        )
        write_file(self.path.with_name(f"{self.path.name}{TORN_MARK}{stamp}"), torn)
        os.ftruncate(descriptor, end)


def _last_line(descriptor: int) -> tuple[int, int, int, int]:
    """Return the number of complete lines, start and end of the last one, and the file size."""
    lines = start = end = offset = 0
    while chunk := os.pread(descriptor, _CHUNK, offset):
        found = chunk.count(b"\n")
        if found:
            last = chunk.rfind(b"\n")
            start = end if found == 1 else offset + chunk.rfind(b"\n", 0, last) + 1
            end = offset + last + 1
            lines += found
        offset += len(chunk)
    return lines, start, end, offset


def torn_ends(path: Path) -> list[Path]:
    """Return the files with torn lines of a log."""
    return list(path.parent.glob(f"{path.name}{TORN_MARK}*"))
