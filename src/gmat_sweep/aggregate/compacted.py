"""Read runs' tables from the few files into which ``gmat-sweep compact`` has copied them.

``compact/`` in a sweep folder is a store by content: a table is found by the SHA-256 of the Parquet
file that it was copied from, so a run that was flown again is not mistaken for its earlier self.
`gmat_sweep.archive.compacting` writes the store; this module reads it:

* Nothing is read through a link; `NotPlainFileError` says so.
* Each part of a file is verified by its own SHA-256 before it is decoded. What is damaged is told
  in a warning and treated as if it were not there.
* No file stays open.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
import warnings
from array import array
from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from gmat_sweep.disk.held import open_plain, read_plain
from gmat_sweep.folder.layout import compact_folder, compact_index
from gmat_sweep.manifest.lines import checked_record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    type _RowsOf = Callable[[Place], NDArray[np.int64]]

__all__ = [
    "RUN_ID",
    "VERSION",
    "Anchors",
    "Compacted",
    "Damaged",
    "Part",
    "Place",
    "compacted_in",
    "parts_of",
    "segment",
]

RUN_ID = "run_id"
"""The column of a part that says which run a row is of."""

VERSION = 1

_DIGEST = 32
_PART_FILE = re.compile(r"\d+(\.runs)?\.parquet")
# The runs of two row groups alternate where runs did not end in the order of their ids.
_GROUPS_KEPT = 2


class Damaged(Exception):  # noqa: N818 - told as a warning, and caught
    """A file of the store is not as the index has it."""


class Place(NamedTuple):
    """Where the copy of a table is.

    Attributes
    ----------
    part : int
        Number of the part in the index.
    group : int
        Row group, -1 for a table without rows.
    first : int
        The table's first row in the row group.
    rows : int
        How many rows it has.
    metadata : int
        Number of its pandas metadata in the part's list.
    """

    part: int
    group: int
    first: int
    rows: int
    metadata: int


@dataclass(slots=True)
class _Group:
    """A row group, what `prepare` made of it, and the last rows of its tables."""

    table: pa.Table
    prepared: dict[Any, pa.Table] = field(default_factory=dict)
    ends: dict[Any, tuple[list[str], dict[int, tuple[Any, ...]]]] = field(default_factory=dict)


class Part:
    """One Parquet file with the tables of many runs.

    Parameters
    ----------
    folder : Path
        The sweep folder.
    record : mapping
        What the index says of the part.
    """

    def __init__(self, folder: Path, record: Mapping[str, Any]) -> None:
        for name in (record["file"], record["runs"]["file"]):
            if _PART_FILE.fullmatch(name) is None:
                raise ValueError(f"{name!r} is no name of a part")
        self.record = record
        self.path = compact_folder(folder) / record["file"]
        self.key: str = record["key"]
        self.kind: str = record["kind"]
        self.metadata: list[bytes | None] = [
            None if text is None else base64.b64decode(text) for text in record["metadata"]
        ]
        self._folder = folder
        self._footer: Any = None
        self._groups: OrderedDict[tuple[int, tuple[str, ...] | None], _Group] = OrderedDict()
        self._lock = threading.Lock()
        self._why: str | None = None
        self.is_quiet = False

    @property
    def names(self) -> list[str]:
        """The columns of the tables. Raises Damaged."""
        return [name for name in self.schema.names if name != RUN_ID]

    @property
    def schema(self) -> pa.Schema:
        """The schema of the part. Raises Damaged."""
        return self._read_footer()

    def runs(self) -> pa.Table:
        """Return where each run's table is. Raises Damaged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        wanted = self.record["runs"]
        path = self.path.with_name(wanted["file"])
        with self._telling(path):
            content = read_plain(path, within=self._folder)
            if hashlib.sha256(content).hexdigest() != wanted["sha256"]:
                raise Damaged(f"{path} does not have the SHA-256 that its index has")
            return pq.read_table(pa.BufferReader(content))

    def rows(
        self,
        place: Place,
        names: tuple[str, ...] | None,
        use: Any,
        prepare: Callable[[pa.Table], pa.Table],
        *,
        is_each: bool,
    ) -> pa.Table:
        """Return what `prepare` makes of the table at a place.

        Parameters
        ----------
        place : Place
            Where the table is, in this part.
        names : tuple of str, optional
            The columns to read; all by default.
        use : hashable
            Names what `prepare` does.
        prepare : callable
            Gets the table with its pandas metadata, or all tables of a row group, one below the
            other.
        is_each : bool
            Whether each table has to be prepared alone, after it was cut.

        Raises
        ------
        Damaged
            The row group is not as it was written.
        """
        with self._lock:
            group = self._group(place.group, names)
            if not is_each:
                whole = self._prepared(group, place, use, prepare)
                return whole.slice(place.first, place.rows)
        cut = group.table.slice(place.first, place.rows)
        return prepare(self._with_metadata(cut, place.metadata))

    def last_row(
        self, place: Place, use: Any, prepare: Callable[[pa.Table], pa.Table], rows: _RowsOf
    ) -> tuple[Sequence[str], Sequence[Any]]:
        """Return the columns of the table at a place, and the values of its last row.

        Parameters
        ----------
        place, use, prepare
            As of `rows`, for tables that are not prepared alone.
        rows : callable
            Returns the places of all last rows in a row group.
        """
        with self._lock:
            group = self._group(place.group, None)
            key = (place.metadata, use)
            if key not in group.ends:
                whole = self._prepared(group, place, use, prepare)
                lasts = rows(place)
                columns = [column.to_pylist() for column in whole.take(lasts).columns]
                values = dict(zip(lasts.tolist(), zip(*columns, strict=True), strict=False))
                group.ends[key] = (whole.column_names, values)
            names, values = group.ends[key]
        if not place.rows or not names:
            return names, [None] * len(names)
        return names, values[place.first + place.rows - 1]

    def _prepared(
        self, group: _Group, place: Place, use: Any, prepare: Callable[[pa.Table], pa.Table]
    ) -> pa.Table:
        key = (place.metadata, use)
        if key not in group.prepared:
            group.prepared[key] = prepare(self._with_metadata(group.table, place.metadata))
        return group.prepared[key]

    def verify(self) -> None:
        """Read the whole part, as a check that warns of nothing. Raises Damaged."""
        self.is_quiet = True
        with self._telling(self.path):
            digest = hashlib.sha256()
            with self._opened() as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
            if digest.hexdigest() != self.record["sha256"]:
                raise Damaged(f"{self.path} does not have the SHA-256 that its index has")
        self.runs()

    def _with_metadata(self, table: pa.Table, number: int) -> pa.Table:
        stored = self.metadata[number]
        return table.replace_schema_metadata(None if stored is None else {b"pandas": stored})

    def _group(self, number: int, names: tuple[str, ...] | None) -> _Group:
        import pyarrow.parquet as pq

        key = (number, names)
        if key in self._groups:
            self._groups.move_to_end(key)
            return self._groups[key]
        schema = self._read_footer()
        wanted = self.names if names is None else list(names)
        with self._telling(self.path), self._opened() as source:
            if number < 0:
                table = schema.empty_table()
            else:
                self._check(source, self.record["groups"][number])
                file = pq.ParquetFile(source, metadata=self._footer, pre_buffer=False)
                # A name with dots is a path to pyarrow, which reads all that is below it.
                table = file.read_row_group(number, columns=wanted, use_threads=False)
        self._groups[key] = _Group(table.select(wanted).combine_chunks())
        while len(self._groups) > _GROUPS_KEPT:
            self._groups.popitem(last=False)
        return self._groups[key]

    def _read_footer(self) -> pa.Schema:
        """Read what the part says of itself, once, and return its schema."""
        import pyarrow.parquet as pq

        if self._footer is None:
            with self._telling(self.path), self._opened() as source:
                self._check(source, self.record["footer"])
                self._footer = pq.read_metadata(source)
        return self._footer.schema.to_arrow_schema().remove_metadata()

    def _opened(self) -> BinaryIO:
        return os.fdopen(open_plain(self.path, os.O_RDONLY, within=self._folder), "rb")

    def _check(self, source: BinaryIO, piece: Sequence[Any]) -> None:
        offset, size, digest = piece
        content = os.pread(source.fileno(), size, offset)
        if hashlib.sha256(content).hexdigest() != digest:
            raise Damaged(f"{self.path} has changed between its bytes {offset} and {offset + size}")

    def _telling(self, path: Path) -> _Telling:
        if self._why is not None:
            raise Damaged(self._why)
        return _Telling(self, path)

    def give_up(self, why: str) -> None:
        """Remember that the part is damaged, and warn once unless it is only looked at."""
        self._why = why
        if self.is_quiet:
            return
        warnings.warn(
            f"{why}. The runs' own files are read instead; compact the sweep again.",
            RuntimeWarning,
            stacklevel=2,
        )


class _Telling:
    """Turns whatever a damaged file of a part makes a library raise into `Damaged`."""

    def __init__(self, part: Part, path: Path) -> None:
        self._part, self._path = part, path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        import pyarrow as pa

        from gmat_sweep.errors import NotPlainFileError

        if isinstance(error, NotPlainFileError):
            return
        if isinstance(error, Damaged | pa.ArrowException | OSError | ValueError):
            why = str(error) if isinstance(error, Damaged) else f"{self._path}: {error}"
            self._part.give_up(why)
            raise Damaged(why) from error


class Compacted:
    """The store of a sweep folder.

    Parameters
    ----------
    folder : Path
        The sweep folder.
    parts : sequence of Part
        The parts that its index lists.
    """

    def __init__(self, folder: Path, parts: Sequence[Part]) -> None:
        import numpy as np
        import pyarrow as pa

        self.folder = folder
        self.parts = list(parts)
        digests, columns = [], []
        for number, part in enumerate(parts):
            try:
                runs = part.runs()
            except Damaged:
                continue
            digests.append(runs.column("sha256").combine_chunks().cast(pa.binary()).to_pylist())
            facts = [runs.column(name).to_numpy() for name in ("group", "first", "rows", "meta")]
            columns.append(np.stack([np.full(len(runs), number), *facts]))
        flat = [digest for some in digests for digest in some]
        heads = np.array([int.from_bytes(digest[:8]) for digest in flat], dtype=np.uint64)
        order = np.argsort(heads, kind="stable")
        self._heads = array("Q", heads[order].tobytes())
        self._digests = b"".join(flat[place] for place in order)
        found = np.concatenate(columns, axis=1) if columns else np.empty((5, 0), dtype=np.int64)
        self._places = np.ascontiguousarray(found.T[order], dtype=np.int64)
        self._flat = array("q", self._places.tobytes())

    def find(self, sha256: str) -> Place | None:
        """Return where the table is whose file has this SHA-256, in hexadecimal digits."""
        try:
            digest = bytes.fromhex(sha256)
        except ValueError:
            return None
        if len(digest) != _DIGEST:
            return None
        head = int.from_bytes(digest[:8])
        at = bisect_left(self._heads, head)
        while at < len(self._heads) and self._heads[at] == head:
            if self._digests[_DIGEST * at : _DIGEST * (at + 1)] == digest:
                return Place(*self._flat[5 * at : 5 * at + 5])
            at += 1
        return None

    def last_rows(self, place: Place) -> NDArray[np.int64]:
        """Return where in a row group its tables end, of the row group that `place` is in."""
        part, group, first, rows, _ = self._places.T
        here = (part == place.part) & (group == place.group) & (rows > 0)
        lasts: NDArray[np.int64] = (first + rows - 1)[here]
        return lasts


class Anchors(tuple["Path", ...]):  # noqa: SLOT001 - it keeps its store
    """The folders in which a sweep's files may be, and the store of the first that has one.

    The store is looked for when it is first wanted, so whoever reads many tables with the same
    `Anchors` reads its index once.
    """

    _lock = threading.Lock()

    @property
    def store(self) -> Compacted | None:
        """The store; None if there is none.

        Raises
        ------
        NotPlainFileError
            The store, or its index, is a link or no plain file.
        """
        with self._lock:
            if "_store" not in self.__dict__:
                self._store = _first_store(self)
            return self._store


def compacted_in(folders: Sequence[Path]) -> Compacted | None:
    """Return the store of a sweep, as `Anchors.store` does, which looks for it once."""
    return folders.store if isinstance(folders, Anchors) else _first_store(folders)


def _first_store(folders: Sequence[Path]) -> Compacted | None:
    for folder in folders:
        try:
            # Most sweeps have no store: nothing is opened to know that.
            compact_index(folder).lstat()
            return Compacted(folder, parts_of(folder))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except Damaged as error:
            warnings.warn(
                f"{error}. The runs' own files are read instead; compact the sweep again.",
                RuntimeWarning,
                stacklevel=3,
            )
    return None


def parts_of(folder: Path) -> list[Part]:
    """Return the parts that the index of a sweep folder lists.

    Raises
    ------
    FileNotFoundError
        There is no index.
    NotPlainFileError
        As `compacted_in`.
    Damaged
        The index is not as it was written, or of a later version.
    """
    path = compact_index(folder)
    line = read_plain(path, within=folder)
    try:
        record = checked_record(line, 1)
        if record["version"] != VERSION:
            raise Damaged(
                f"{path} has version {record['version']}, this program reads {VERSION}. Use the "
                "version of gmat-sweep that wrote it"
            )
        parts = [Part(folder, each) for each in record["parts"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path} is damaged: {error}") from error
    return parts


def segment(content: bytes, offset: int) -> list[Any]:
    """Return what the index says of a piece of a part, which `Part` verifies before it decodes."""
    return [offset, len(content), hashlib.sha256(content).hexdigest()]
