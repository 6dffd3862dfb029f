"""Standard output and standard error that may be closed, full, or read by nobody any more.

What is told of a sweep never changes what the sweep comes to: text that cannot be written is
dropped, and the sweep goes on.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import stat
import sys
from collections.abc import Buffer
from pathlib import Path
from typing import IO, Any, TextIO, cast

from gmat_sweep.printable import printable

__all__ = ["Tolerant", "fault_of_output", "make_streams_tolerant", "reader_is_gone", "say"]

_PLAIN_ERRORS = "gmat_sweep.plain"
_PLAIN = {"—": "-", "…": "...", "×": "x", "σ": "sigma", "±": "+-"}  # noqa: RUF001 - the sign itself


class Tolerant:
    """A text stream of a host program, whose faults are no errors; all else is the stream's own.

    Parameters
    ----------
    stream : text stream
        The stream; it may be closed.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, or drop it."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            # ValueError: the stream is closed, or its encoding lacks a character.
            return len(text)

    def flush(self) -> None:
        """Pass on what is held back, or drop it."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the stream."""
        return getattr(self._stream, name)


def say(message: str) -> None:
    """Write a line to standard error under the program's name, without control characters.

    Nothing happens if there is no standard error to write to.
    """
    if sys.stderr is not None:
        stream = Tolerant(sys.stderr)
        stream.write(f"gmat-sweep: {printable(message)}\n")
        stream.flush()


def reader_is_gone(patience_s: float = 0.05) -> bool:
    """Whether standard output is a pipe that nobody reads any more, such as that of ``head``.

    Parameters
    ----------
    patience_s : float
        How long to wait for a reader that is just leaving.
    """
    try:
        descriptor = sys.stdout.fileno()
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return False
    except (OSError, ValueError, AttributeError):
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return bool(poll.poll(patience_s * 1000))


class _LossyFile(io.FileIO):
    """The file of a standard stream: after the first fault it takes everything and writes nothing.

    Attributes
    ----------
    fault : OSError or None
        The first fault.
    """

    fault: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        """Write bytes, or drop them."""
        count = memoryview(data).nbytes
        while self.fault is None:
            try:
                written = super().write(data)
                if written is not None:
                    return written
                # Another program has made the stream non-blocking, and its reader is slow.
                select.select([], [self], [])
            except OSError as error:
                self.fault = error
        return count


def make_streams_tolerant() -> None:
    """Let the standard streams of this program take everything that is written to them.

    A closed one is opened on the null device: without that, the next file that is opened would get
    its number, and what is written to the stream. A character that the encoding lacks is written
    as its nearest or escaped.
    """
    codecs.register_error(_PLAIN_ERRORS, _plainly)
    for number, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this one, and children are to have it, too.
            os.set_inheritable(os.open(os.devnull, mode), True)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for good
        elif isinstance(stream, io.TextIOWrapper):
            file = _LossyFile(stream.fileno(), "w", closefd=False)
            # As Python has it: with -u there is no buffer.
            is_buffered = isinstance(stream.buffer, io.BufferedWriter)
            tolerant = io.TextIOWrapper(
                io.BufferedWriter(file) if is_buffered else cast("IO[bytes]", file),
                encoding=stream.encoding,
                errors=_PLAIN_ERRORS,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, tolerant)


def fault_of_output() -> str:
    """Return why standard output could not be written to; empty if all is written.

    A reader that has seen enough and went away, such as ``head``, is no fault.
    """
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    file = getattr(buffer, "raw", buffer)
    fault = file.fault if isinstance(file, _LossyFile) else None
    if fault is None or fault.errno == errno.EPIPE:
        return ""
    return fault.strerror or str(fault)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    plain = [_PLAIN.get(each) or each.encode("ascii", "backslashreplace").decode() for each in text]
    return "".join(plain), error.end
