"""Copy the tables of all runs of a sweep into few files, so that a million runs are read as one.

`compact` writes ``compact/`` in the sweep folder, which `gmat_sweep.aggregate.compacted` reads. It
promises:

* A table is copied only if its file has the SHA-256 that the manifest has of it. Files without
  a recorded SHA-256, that are no Parquet, or hold types whose copy may differ, stay the only ones.
* Every copy is read back and has the same bits, NaN included, before the index lists it.
* The index is written last and whole. Whenever the process ends, what it lists is on disk; another
  call goes on from there and deletes what no index lists.
* The folders of the runs stay as they are.
* Nothing is written or read through a link.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import itertools
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.aggregate.compacted import (
    RUN_ID,
    VERSION,
    Anchors,
    Damaged,
    Part,
    parts_of,
    segment,
)
from gmat_sweep.aggregate.fragments import Fragment
from gmat_sweep.analysis.recorded import folders_of, latest_entries, manifest_file
from gmat_sweep.disk.files import explained, write_file
from gmat_sweep.disk.held import held, make_folder, open_plain
from gmat_sweep.disk.lock import locked
from gmat_sweep.errors import DurabilityError, NotPlainFileError, SweepConfigError
from gmat_sweep.folder.layout import compact_folder, compact_index
from gmat_sweep.folder.packed import packed_files, refuse_packed
from gmat_sweep.folder.run_files import found
from gmat_sweep.manifest.lines import line_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    import pyarrow.parquet as pq

    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = ["Compaction", "compact", "copied_tables", "files_of"]

# A row group ends with the run that reaches one of these, a part with the row group.
_GROUP_ROWS = 1 << 16
_GROUP_BYTES = 1 << 24
_PART_BYTES = 1 << 28
_MOST_ROWS = 1 << 26
_MOST_OPEN = 64
_MAGIC = b"PAR1"

UNRECORDED = "no recorded SHA-256"
OUTSIDE = "outside of the sweep folder or reached by a link"
MISSING = "missing"
CHANGED = "not what the manifest recorded"
NO_TABLE = "no Parquet"
OTHER_TYPES = "types whose copy may differ"
TOO_MANY = "too many kinds of tables"


@dataclass(frozen=True, slots=True)
class Compaction:
    """What `compact` has done.

    Attributes
    ----------
    folder : Path
        The folder of the copies.
    tables : int
        How many tables of runs the folder holds a copy of.
    added : int
        How many of these are new.
    parts : int
        In how many files they are.
    size : int
        Bytes of all files in the folder.
    left_out : dict of str to int
        Why other files of runs have no copy, and how many.
    """

    folder: Path
    tables: int
    added: int
    parts: int
    size: int
    left_out: dict[str, int]


def compact(source: str | Path) -> Compaction:
    """Copy the tables of all runs into few files, which every reader of the sweep then uses.

    Frames, tables, judgements and pages are the same to the bit with and without the copies, but
    need no file per run. A run that is flown again is read from its own file until the sweep is
    compacted again.

    Parameters
    ----------
    source : str or Path
        The sweep folder, or its manifest.

    Returns
    -------
    Compaction
        How many tables have a copy, and which files have none.

    Raises
    ------
    SweepFolderInUseError
        The sweep is being flown, or resumed.
    SweepConfigError
        The folder cannot be written to; `NotPlainFileError` where a link stands in it.
    DurabilityError
        The copies could not be put on disk, such as for want of space; what was there before holds.
    FileNotFoundError, ManifestCorruptError
        The manifest cannot be read.
    """
    folder = manifest_file(source).parent
    anchors = Anchors(dict.fromkeys([folder.absolute(), *folders_of(source)]))
    left_out: Counter[str] = Counter()
    tables = 0
    with locked(folder):
        make_folder(compact_folder(folder), within=folder)
        known = _sound_parts(folder)
        if packed_files(folder) and len(known) < _number_listed(folder):
            refuse_packed(folder, "to make a damaged copy again")
        _remove_unlisted(folder, known)
        known = _without_stale(known, source, anchors)
        copied = set(copied_tables(known))
        writing = _Writing(folder, known)
        try:
            for fragment in _listed(source):
                sha256 = fragment.sha256(anchors)
                why = UNRECORDED if sha256 is None else None
                if sha256 is not None and (fragment.run_id, sha256) not in copied:
                    why = writing.add(fragment, sha256, anchors)
                if why is None:
                    tables += 1
                else:
                    left_out[why] += 1
            writing.finish()
        finally:
            writing.abandon()
        _remove_unlisted(folder, parts_of(folder))
        size = sum(path.stat().st_size for path in compact_folder(folder).iterdir())
    return Compaction(
        compact_folder(folder),
        tables,
        writing.added,
        len(writing.parts),
        size,
        dict(sorted(left_out.items())),
    )


def _listed(source: str | Path) -> Iterator[Fragment]:
    """Yield the files of each run that is ok, in the order of the manifest."""
    for entry in latest_entries(source, nominal=True):
        if entry.status == "ok":
            yield from files_of(entry)


def files_of(entry: ManifestEntry) -> Iterator[Fragment]:
    """Yield the files of a run that the manifest lists."""
    for key, path in entry.output_paths.items():
        yield Fragment(entry.run_id, "output", key, path, entry)
    for key, path in entry.solver_paths.items():
        yield Fragment(entry.run_id, "solver output", key, path, entry)
    for key, path in entry.extra_outputs.items():
        yield Fragment(entry.run_id, "extra output", key, path, entry)


def _sound_parts(folder: Path) -> list[Part]:
    """Return the parts of an earlier compaction that are as they were written."""
    try:
        parts = parts_of(folder)
    except (FileNotFoundError, Damaged):
        return []
    sound = []
    for part in parts:
        # A part that is damaged is made again, of the runs' own files.
        with contextlib.suppress(Damaged):
            part.verify()
            part.is_quiet = False
            sound.append(part)
    return sound


def _number_listed(folder: Path) -> int:
    """Return how many parts there should be; one, if the index itself is damaged."""
    try:
        return len(parts_of(folder))
    except (FileNotFoundError, Damaged):
        return 1


def _without_stale(parts: list[Part], source: str | Path, anchors: Sequence[Path]) -> list[Part]:
    """Return the parts without those that have a row of a run that was flown again.

    These are made again, unless a run's own file is gone: then the copy is all that there is.
    """
    if not parts:
        return parts
    live = {(fragment.run_id, fragment.sha256(anchors)) for fragment in _listed(source)}
    stale = [part for part in parts if not live.issuperset(copied_tables([part]))]
    if not stale:
        return parts
    again = set(copied_tables(stale)) & live
    gone = {
        each
        for fragment in _listed(source)
        if (each := (fragment.run_id, fragment.sha256(anchors))) in again
        and found(fragment.path, fragment.run_id, anchors) is None
    }
    return [
        part for part in parts if part not in stale or not gone.isdisjoint(copied_tables([part]))
    ]


def copied_tables(parts: Sequence[Part]) -> Iterator[tuple[int, str]]:
    """Yield the run and the SHA-256 of each table that has a copy."""
    for part in parts:
        runs = part.runs()
        for run_id, digest in zip(
            runs.column(RUN_ID).to_pylist(), runs.column("sha256").to_pylist(), strict=True
        ):
            yield run_id, digest.hex()


def _remove_unlisted(folder: Path, parts: Sequence[Part]) -> None:
    listed = {compact_index(folder).name}
    for part in parts:
        listed |= {part.record["file"], part.record["runs"]["file"]}
    place = compact_folder(folder)
    with explained(place, "delete what an earlier call left"), held(place, within=folder) as it:
        for path in place.iterdir():
            if path.name not in listed:
                it.remove(path.name)


def _is_copied(schema: pa.Schema) -> bool:
    """Whether a copy of such a table is the same to the bit."""
    import pyarrow.types as types

    return (
        len(schema) > 0
        and len({*schema.names, RUN_ID}) == len(schema) + 1
        and all(
            types.is_integer(kind)
            or types.is_floating(kind)
            or types.is_boolean(kind)
            or (types.is_temporal(kind) and not types.is_interval(kind))
            or types.is_string(kind)
            or types.is_large_string(kind)
            or types.is_null(kind)
            for kind in schema.types
        )
    )


def _bits(table: pa.Table) -> str:
    """Return a hash of a table's values: equal for equal bits, and for NaN as for any other."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as types

    digest = hashlib.sha256(str(table.num_rows).encode())
    for column in table.columns:
        kind = column.type
        whole = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], kind)
        digest.update(f"{kind} {whole.null_count}".encode())
        if whole.null_count:
            digest.update(whole.is_null().to_numpy(zero_copy_only=False).tobytes())
        if types.is_null(kind) or not len(whole):
            continue
        if types.is_string(kind) or types.is_large_string(kind):
            texts = pc.fill_null(whole, "").cast(pa.large_string())
            ends = np.frombuffer(texts.buffers()[1], dtype=np.int64)
            ends = ends[texts.offset : texts.offset + len(texts) + 1]
            digest.update((ends - ends[0]).tobytes())
            if ends[-1] > ends[0]:
                digest.update(texts.buffers()[2][int(ends[0]) : int(ends[-1])])
            continue
        if types.is_boolean(kind):
            numbers = whole.cast(pa.uint8())
        else:
            width = {8: pa.uint8(), 16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}
            numbers = whole.view(width[kind.bit_width])
        filled = pc.fill_null(numbers, pa.scalar(0, numbers.type))
        digest.update(filled.to_numpy(zero_copy_only=False).tobytes())
    return digest.hexdigest()


@dataclass(slots=True)
class _Open:
    """A part that is being written: tables of one kind and schema, without pandas' metadata."""

    path: Path
    sink: Any
    writer: pq.ParquetWriter
    schema: pa.Schema
    waiting: list[pa.Table] = field(default_factory=list)
    waiting_rows: int = 0
    waiting_bytes: int = 0
    bits: list[str] = field(default_factory=list)
    metadata: dict[bytes | None, int] = field(default_factory=dict)
    runs: dict[str, list[Any]] = field(
        default_factory=lambda: {
            name: [] for name in (RUN_ID, "sha256", "group", "first", "rows", "meta")
        }
    )


class _Writing:
    """The parts of a compaction: those that were there, and those that are being written."""

    def __init__(self, folder: Path, parts: Sequence[Part]) -> None:
        self.folder = folder
        self.parts = [part.record for part in parts]
        self.added = 0
        self._is_listed = False
        self._open: dict[tuple[str, str, pa.Schema], _Open] = {}
        # Also the numbers of parts that are made again: the index lists those until then.
        taken = [
            int(path.name.partition(".")[0]) for path in compact_folder(folder).glob("*.parquet")
        ]
        self._next = max(taken, default=-1) + 1

    def add(self, fragment: Fragment, sha256: str, anchors: Sequence[Path]) -> str | None:
        """Copy a table; return why it has no copy, None if it has one."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        content = _content_of(fragment, anchors)
        if isinstance(content, str):
            return content
        if hashlib.sha256(content).hexdigest() != sha256:
            return CHANGED
        try:
            table = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False).read(
                use_threads=False
            )
        except (pa.ArrowException, OSError):
            return NO_TABLE
        stored = (table.schema.metadata or {}).get(b"pandas")
        table = table.replace_schema_metadata(None)
        what = (fragment.kind, fragment.key, table.schema)
        if table.num_rows >= _MOST_ROWS:
            return OTHER_TYPES
        if what not in self._open:
            if not _is_copied(table.schema):
                return OTHER_TYPES
            if len(self._open) >= _MOST_OPEN:
                return TOO_MANY
            self._open[what] = self._opened(table.schema)
        part = self._open[what]
        facts = {
            RUN_ID: fragment.run_id,
            "sha256": bytes.fromhex(sha256),
            "group": len(part.bits) if table.num_rows else -1,
            "first": part.waiting_rows,
            "rows": table.num_rows,
            "meta": part.metadata.setdefault(stored, len(part.metadata)),
        }
        for name, value in facts.items():
            part.runs[name].append(value)
        if table.num_rows:
            ids = pa.repeat(pa.scalar(fragment.run_id, pa.int64()), table.num_rows)
            part.waiting.append(table.add_column(0, RUN_ID, ids))
            part.waiting_rows += table.num_rows
            part.waiting_bytes += table.nbytes
        if part.waiting_rows >= _GROUP_ROWS or part.waiting_bytes >= _GROUP_BYTES:
            self._flush(part)
            if part.sink.tell() >= _PART_BYTES:
                self._close(what)
        return None

    def finish(self) -> None:
        """Put on disk what is being written."""
        for what in list(self._open):
            self._close(what)
        if not self._is_listed:
            self._commit()

    def abandon(self) -> None:
        """Delete what is not finished."""
        for part in self._open.values():
            with contextlib.suppress(Exception):
                part.writer.close()
            with contextlib.suppress(OSError):
                part.sink.close()
            with contextlib.suppress(OSError):
                part.path.unlink()
        self._open.clear()

    def _opened(self, schema: pa.Schema) -> _Open:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = compact_folder(self.folder) / f"{self._next:04}.parquet"
        self._next += 1
        whole = pa.schema([pa.field(RUN_ID, pa.int64()), *schema])
        # Numbers hardly repeat, so a dictionary of them costs time and saves little.
        texts = [each.name for each in schema if not _is_number(each.type)]
        with explained(path, "write the copies"):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            sink = os.fdopen(open_plain(path, flags, within=self.folder), "wb")
            writer = pq.ParquetWriter(
                sink,
                whole,
                compression="zstd",
                version="2.6",
                use_dictionary=[RUN_ID, *texts],
                write_page_checksum=True,
            )
        return _Open(path, sink, writer, whole)

    def _flush(self, part: _Open) -> None:
        """Write the tables that wait as a row group."""
        import pyarrow as pa

        table = pa.concat_tables(part.waiting)
        part.bits.append(_bits(table))
        part.waiting.clear()
        part.waiting_rows = part.waiting_bytes = 0
        with explained(part.path, "write the copies"):
            part.writer.write_table(table, row_group_size=table.num_rows)

    def _close(self, what: tuple[str, str, pa.Schema]) -> None:
        """Put a part on disk, read it back, and list it in the index."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        part = self._open[what]
        if part.waiting:
            self._flush(part)
        with explained(part.path, "write the copies"):
            part.writer.close()
            part.sink.flush()
            os.fsync(part.sink.fileno())
            part.sink.close()
        pieces = _read_back(part, self.folder)
        metadata = [
            None if each is None else base64.b64encode(each).decode() for each in part.metadata
        ]
        runs = part.path.with_suffix(".runs.parquet")
        buffer = pa.BufferOutputStream()
        types = {RUN_ID: pa.int64(), "sha256": pa.binary(32)}
        columns = {
            name: pa.array(values, types.get(name, pa.int64()))
            for name, values in part.runs.items()
        }
        pq.write_table(pa.table(columns), buffer, compression="zstd")
        content = buffer.getvalue().to_pybytes()
        write_file(runs, content, within=self.folder)
        self.parts.append(
            {
                "file": part.path.name,
                "kind": what[0],
                "key": what[1],
                **pieces,
                "runs": {"file": runs.name, "sha256": hashlib.sha256(content).hexdigest()},
                "metadata": metadata,
            }
        )
        self.added += len(part.runs[RUN_ID])
        self._commit()
        del self._open[what]

    def _commit(self) -> None:
        self._is_listed = True
        index = {"version": VERSION, "parts": self.parts}
        write_file(compact_index(self.folder), line_of(index, 0), within=self.folder)


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return not (types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind))


def _read_back(part: _Open, folder: Path) -> dict[str, Any]:
    """Return size, hash and pieces of a part whose row groups are as they were written."""
    import pyarrow.parquet as pq

    with os.fdopen(open_plain(part.path, os.O_RDONLY, within=folder), "rb") as source:
        file = pq.ParquetFile(source, pre_buffer=False)
        read = [
            _bits(file.read_row_group(number, use_threads=False))
            for number in range(file.metadata.num_row_groups)
        ]
        if read != part.bits or not file.schema_arrow.equals(part.schema):
            raise DurabilityError(
                errno.EIO,
                "the copies are not what was written when they are read back. Check the disk, then "
                "compact again",
                str(part.path),
            )
        starts = [_start_of(file.metadata.row_group(each)) for each in range(len(read))]
        whole = hashlib.sha256()
        size = os.fstat(source.fileno()).st_size
        source.seek(0)
        pieces, ends = [], [*starts, size - 8 - file.metadata.serialized_size, size]
        whole.update(source.read(ends[0]))
        for start, end in itertools.pairwise(ends):
            content = source.read(end - start)
            whole.update(content)
            pieces.append(segment(content, start))
    return {
        "size": size,
        "sha256": whole.hexdigest(),
        "groups": pieces[:-1],
        "footer": pieces[-1],
    }


def _start_of(group: Any) -> int:
    starts = []
    for number in range(group.num_columns):
        column = group.column(number)
        starts.append(column.data_page_offset)
        if column.has_dictionary_page:
            starts.append(column.dictionary_page_offset)
    first: int = min(starts)
    return first


def _content_of(fragment: Fragment, anchors: Sequence[Path]) -> bytes | str:
    """Return a file of a run, or why it cannot be copied."""
    for path in fragment.places(anchors):
        anchor = next((each for each in anchors if path.is_relative_to(each)), None)
        if anchor is None:
            return OUTSIDE
        try:
            with os.fdopen(open_plain(path, os.O_RDONLY, within=anchor), "rb") as file:
                return file.read()
        except FileNotFoundError:
            continue
        except NotPlainFileError:
            return OUTSIDE
        except OSError as error:
            raise SweepConfigError(
                f"{path} cannot be read: {error.strerror}. Check its permissions, then compact "
                "again."
            ) from error
    return MISSING
