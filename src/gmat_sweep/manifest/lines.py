"""The lines of a manifest: one JSON object each, with its position and a checksum.

A line is ``json.dumps(record, sort_keys=True)`` in ASCII and a newline, with two added keys:
``seq``, the number of lines before it, and last ``~crc``, the CRC-32 of the line without that key,
in eight hexadecimal digits. `record_of` verifies the checksum on the bytes as read, and so finds a
flipped bit anywhere in a line. It accepts lines with neither key, as other programs write them.

Bytes after the last newline are a torn line; reading stops before them.
"""

from __future__ import annotations

import contextlib
import gc
import json
import shlex
import zlib
from typing import TYPE_CHECKING, Any

import orjson

from gmat_sweep.disk.held import plain_reader
from gmat_sweep.errors import ManifestCorruptError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = [
    "RESERVED_KEYS",
    "advice",
    "checked_record",
    "hasty_run_id",
    "line_of",
    "no_garbage_collection",
    "read_lines",
    "read_records",
    "record_of",
    "run_id_of",
    "unchecked_record",
]

RESERVED_KEYS = frozenset({"seq", "~crc"})

_encode = json.JSONEncoder(sort_keys=True).encode
_CHECKSUM = b', "~crc": "'
_CHECKSUM_LENGTH = len(_CHECKSUM) + len(b'00000000"}\n')
_RUN_ID = b'"run_id": '
_SEQ = b'"seq": '
# orjson makes floats of integers from here on.
_LARGE = 2.0**63


def line_of(record: Mapping[str, Any], seq: int) -> bytes:
    """Return the line for `record`, which will stand after `seq` other lines.

    `record` holds JSON values only (see `gmat_sweep.manifest.values.jsonable`), and none of
    `RESERVED_KEYS`.
    """
    body = _encode({**record, "seq": seq}).encode("ascii")
    return b'%b%b%08x"}\n' % (body[:-1], _CHECKSUM, zlib.crc32(body))


def record_of(line: bytes, path: Path, line_number: int) -> dict[str, Any]:
    """Return the record of one complete line, without `RESERVED_KEYS`.

    Parameters
    ----------
    line : bytes
        The line with its newline.
    path : Path
        The line's file, for the error.
    line_number : int
        Its 1-based number in that file.

    Raises
    ------
    ManifestCorruptError
        The line is not UTF-8, is not a JSON object, was changed after it was written, or is not
        at the place it was written to.
    """
    try:
        return checked_record(line, line_number)
    except ValueError as error:
        raise ManifestCorruptError(
            f"{path}, line {line_number}: {error}. {advice(path)}", path, line_number
        ) from error


def checked_record(line: bytes, line_number: int) -> dict[str, Any]:
    """Return the record of a complete line as `record_of` does; a ValueError says what is wrong."""
    is_checked = _matches_its_checksum(line)
    try:
        record = _decoded(line)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text (byte {error.start + 1})") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid JSON ({error})") from error
    if not isinstance(record, dict):
        # Not a TypeError: the file is wrong, not the call.
        raise ValueError(f"a JSON object was expected, not a {type(record).__name__}")  # noqa: TRY004
    crc = record.pop("~crc", None)
    seq = record.pop("seq", None)
    if is_checked:
        if seq != line_number - 1:
            raise ValueError(
                f"the line was written as number {seq} after the header, so a line before it "
                "was lost, repeated or added"
            )
    elif crc is not None or seq is not None:
        raise ValueError("the line's checksum is missing or damaged")
    return record


def _matches_its_checksum(line: bytes) -> bool:
    """Whether the line has a checksum; a ValueError if it is not that of the line."""
    start = len(line) - _CHECKSUM_LENGTH
    if start <= 0 or not (line.startswith(_CHECKSUM, start) and line.endswith(b'"}\n')):
        return False
    written = line[start + len(_CHECKSUM) : start + len(_CHECKSUM) + 8]
    if written != b"%08x" % zlib.crc32(b"}", zlib.crc32(line[:start])):
        raise ValueError("the line does not match its checksum, so it was damaged or edited")
    return True


def _decoded(line: bytes) -> Any:
    """Return what ``json.loads`` makes of a line, in a third of its time."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        # NaN and infinities, which JSON does not have; or the error that `json` words better.
        return json.loads(line.decode("utf-8"))
    return json.loads(line.decode("utf-8")) if _has_large_number(record) else record


def _has_large_number(value: Any) -> bool:
    """Whether there is a float that may be an integer of more than 64 bits."""
    kind = type(value)
    if kind is float:
        return not -_LARGE < value < _LARGE
    # A call for each value would take longer than reading the line.
    for each in value.values() if kind is dict else value if kind is list else ():
        kind = type(each)
        if kind is float:
            if not -_LARGE < each < _LARGE:
                return True
        elif each and (kind is dict or kind is list) and _has_large_number(each):
            return True
    return False


def run_id_of(line: bytes, line_number: int) -> int | None:
    """Return the run id of a line that `line_of` wrote at this place, without reading all of it.

    Return None where only `checked_record` can tell: the line lacks a checksum, or one of the keys
    stands in it more than once.

    Raises
    ------
    ValueError
        The line was changed after it was written.
    """
    if not _matches_its_checksum(line):
        return None
    if line.count(_RUN_ID) != 1 or line.count(_SEQ) != 1:
        return None
    if not line.startswith(b"%d, " % (line_number - 1), line.index(_SEQ) + len(_SEQ)):
        return None
    start = line.index(_RUN_ID) + len(_RUN_ID)
    digits = line[start : line.find(b",", start)]
    return int(digits) if digits.removeprefix(b"-").isdigit() else None


def hasty_run_id(line: bytes) -> int | None:
    """Return what looks like the run id of a line that nothing has been checked of yet.

    Return None where `run_id_of` or `checked_record` has to tell.
    """
    # Only `line_of` is known to write the key in these very bytes.
    if not line.startswith(_CHECKSUM, len(line) - _CHECKSUM_LENGTH):
        return None
    start = line.find(_RUN_ID) + len(_RUN_ID)
    if start < len(_RUN_ID) or line.find(_RUN_ID, start) >= 0:
        return None
    digits = line[start : line.find(b",", start)]
    return int(digits) if digits.removeprefix(b"-").isdigit() else None


def unchecked_record(line: bytes) -> dict[str, Any]:
    """Return the record of a line for which `run_id_of` gave a run id."""
    record: dict[str, Any] = _decoded(line)
    del record["~crc"], record["seq"]
    return record


def advice(path: Path) -> str:
    """Return the advice on a damaged file in a sweep folder, for an error message."""
    folder = shlex.quote(str(path.parent))
    return (
        f"Restore the file from a copy, or see what is left with `gmat-sweep doctor {folder}` and "
        "mend it with --repair."
    )


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the 1-based number and the record of each complete line, reading as it goes.

    Raises
    ------
    ManifestCorruptError
        A complete line is bad; lines before it have been yielded.
    FileNotFoundError
        There is no such file.
    NotPlainFileError
        A FIFO or a device is there.
    """
    for line_number, line in read_lines(path):
        yield line_number, record_of(line, path, line_number)


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the 1-based number and the bytes of each complete line, reading as it goes.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    NotPlainFileError
        A FIFO or a device is there.
    """
    with plain_reader(path) as file:
        for line_number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            yield line_number, line


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keep Python's garbage collector from scanning repeatedly what is made and stays, as entries.

    Blocks may be nested, in one thread or in several.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if gc.get_freeze_count() == 0:
                # freeze() then unfreeze() moves what was made to the oldest generation, so enabling
                # the garbage collector does not scan it.
                gc.freeze()
                gc.unfreeze()
            gc.enable()
