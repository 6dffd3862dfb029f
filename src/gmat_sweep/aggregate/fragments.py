"""Find a run's Parquet file, and read it as an Arrow table.

If a recorded path lies below one of the sweep's folders, `read_fragment` looks for it below each of
them. It looks for any other path where that is. If there is no file, it tries
``<sweep folder>/run-<id>/<file name>``, so that a sweep whose manifest holds absolute paths can be
moved or copied to another machine.

A sweep that was compacted has copies of its runs' tables in a few files. A table is read from there
if its SHA-256 is the one that the manifest has of the run's file, and else from that file.

The table has the index levels that pandas stored as ordinary columns. It lacks metadata, and the
columns that the frame reserves for itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import batched
from typing import TYPE_CHECKING, Any

from gmat_sweep.aggregate.compacted import Compacted, Damaged, Place, compacted_in
from gmat_sweep.folder.layout import run_folder_name
from gmat_sweep.folder.run_files import facts_of, places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = [
    "UNNAMED_LEVEL",
    "Fragment",
    "column_names",
    "last_row",
    "read_fragment",
    "read_fragments",
    "schema_of",
]

type Chosen = Callable[[Sequence[str]], Sequence[str]]
"""Which columns to read, of those that a file has."""

_SMALL = 1 << 20
# One record batch.
_FEW_ROWS = 65_536
_AHEAD = 1000
UNNAMED_LEVEL = re.compile(r"__index_level_\d+__")


@dataclass(frozen=True, slots=True)
class Fragment:
    """One Parquet file of one run.

    Attributes
    ----------
    run_id : int
        The run.
    kind : str
        Kind of file, for messages: ``"report output"``, ``"extra output"``, ``"solver output"``.
    key : str
        The file's key in the manifest entry.
    path : Path
        The path as recorded.
    entry : ManifestEntry, optional
        The run's entry, which may have recorded the SHA-256 of the file.
    """

    run_id: int
    kind: str
    key: str
    path: Path
    entry: Any = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.kind} {self.key!r} of run {self.run_id}"

    def places(self, anchors: Sequence[Path]) -> Iterator[Path]:
        """Yield the paths at which the file may be, in the order to look."""
        yield from places(self.path, self.run_id, anchors)

    def sha256(self, anchors: Sequence[Path]) -> str | None:
        """Return what the manifest has as the file's SHA-256; None for nothing."""
        files = getattr(self.entry, "files", None)
        if not files:
            return None
        # As `facts_of` has it, which takes ten times as long.
        folder = self.entry.output_dir or f"{anchors[0]}/{run_folder_name(self.run_id)}"
        before, is_inside, inside = str(self.path).partition(f"{folder}/")
        facts = files.get(inside) if is_inside and not before else None
        if facts is None:
            facts = facts_of(self.entry, self.path, anchors)
        return None if facts is None else facts["sha256"]


def read_fragment(
    fragment: Fragment,
    anchors: Sequence[Path],
    *,
    spool: bool,
    reserved: frozenset[str],
    chosen: Chosen | None = None,
) -> pa.Table:
    """Read one Parquet file.

    Parameters
    ----------
    fragment : Fragment
        The file.
    anchors : sequence of Path
        The folders in which the sweep's files may be, in the order to look.
    spool : bool
        Decode the file one record batch at a time instead of as a whole; the table is the same.
    reserved : frozenset of str
        Columns to leave out.
    chosen : callable, optional
        Gets the names of the file's columns and returns those to read; without it, all are read.

    Raises
    ------
    FileNotFoundError
        The file is at none of its places.
    ValueError
        The file cannot be read as Parquet, or repeats a column name.
    """
    damage = None
    if (store := compacted_in(anchors)) is not None:
        place = _place_of(fragment, anchors, store)
        try:
            if place is not None:
                return _copy(store, place, fragment, reserved, chosen)
        except Damaged as error:
            damage = error
    try:
        table = _first_read(fragment, anchors, lambda path: _read(path, spool=spool, chosen=chosen))
    except FileNotFoundError as error:
        if damage is None:
            raise
        raise FileNotFoundError(f"{error} Its compacted copy is damaged: {damage}.") from damage
    return _with_index_as_columns(table, fragment, reserved)


def _place_of(fragment: Fragment, anchors: Sequence[Path], store: Compacted) -> Place | None:
    sha256 = fragment.sha256(anchors)
    return None if sha256 is None else store.find(sha256)


def _copy(
    store: Compacted,
    place: Place,
    fragment: Fragment,
    reserved: frozenset[str],
    chosen: Chosen | None,
) -> pa.Table:
    """Return a table's compacted copy, as `read_fragment` does. Raises Damaged."""
    part = store.parts[place.part]
    return part.rows(
        place,
        None if chosen is None else tuple(chosen(part.names)),
        reserved,
        lambda table: _with_index_as_columns(table, fragment, reserved),
        is_each=_counts_rows(part.metadata[place.metadata]),
    )


def last_row(
    fragment: Fragment, anchors: Sequence[Path], reserved: frozenset[str]
) -> tuple[Sequence[str], Sequence[Any]]:
    """Return the columns of a file, and the values of its last row, None each without a row.

    Raises as `read_fragment` does.
    """
    store = compacted_in(anchors)
    place = None if store is None else _place_of(fragment, anchors, store)
    if store is not None and place is not None:
        part = store.parts[place.part]
        if not _counts_rows(part.metadata[place.metadata]):
            try:
                return part.last_row(
                    place,
                    reserved,
                    lambda table: _with_index_as_columns(table, fragment, reserved),
                    store.last_rows,
                )
            except Damaged:
                # Which `read_fragment` tells if the run's own file is gone.
                pass
    table = read_fragment(fragment, anchors, spool=False, reserved=reserved)
    is_empty = not table.num_rows
    return table.column_names, [None if is_empty else each[-1].as_py() for each in table.columns]


@lru_cache(maxsize=256)
def _counts_rows(stored: bytes | None) -> bool:
    """Whether metadata of pandas has an index level that is in no column."""
    return stored is not None and any(
        isinstance(level, dict) and level.get("name") is not None for level in _index_levels(stored)
    )


def read_fragments(
    fragments: Sequence[Fragment | None],
    anchors: Sequence[Path],
    *,
    spool: bool,
    reserved: frozenset[str],
) -> Iterator[pa.Table | None]:
    """Yield the table of each fragment, in order; None for None. Raises as `read_fragment`."""
    copies = _copies(fragments, anchors, reserved)

    def read(position: int) -> pa.Table | None:
        fragment = fragments[position]
        if fragment is None or position in copies:
            return copies.pop(position, None)
        return read_fragment(fragment, anchors, spool=spool, reserved=reserved)

    if len(copies) == sum(fragment is not None for fragment in fragments):
        yield from map(read, range(len(fragments)))
        return
    # More threads than this wait for each other: half of the work is Python.
    with ThreadPoolExecutor(2) as pool:
        for some in batched(range(len(fragments)), _AHEAD):
            yield from pool.map(read, some)


def _copies(
    fragments: Sequence[Fragment | None], anchors: Sequence[Path], reserved: frozenset[str]
) -> dict[int, pa.Table]:
    """Return the compacted copies of tables by their position, each row group read once."""
    store = compacted_in(anchors)
    if store is None:
        return {}
    found = [
        (place, position)
        for position, fragment in enumerate(fragments)
        if fragment is not None and (place := _place_of(fragment, anchors, store)) is not None
    ]
    copies = {}
    for place, position in sorted(found, key=lambda each: (each[0].part, each[0].group)):
        fragment = fragments[position]
        assert fragment is not None
        # `read_fragment` looks for the file of a copy that is damaged.
        with contextlib.suppress(Damaged):
            copies[position] = _copy(store, place, fragment, reserved, None)
    return copies


def column_names(fragment: Fragment, anchors: Sequence[Path]) -> list[str]:
    """Return the names of a file's columns, without its rows. Raises as `read_fragment` does."""
    store = compacted_in(anchors)
    place = None if store is None else _place_of(fragment, anchors, store)
    if store is not None and place is not None:
        with contextlib.suppress(Damaged):
            return store.parts[place.part].names
    names: list[str] = _first_read(fragment, anchors, _names)
    return names


def schema_of(fragment: Fragment, anchors: Sequence[Path]) -> tuple[Path, pa.Schema]:
    """Return a run's own file and its Arrow schema. Raises as `read_fragment` does."""

    def read(path: Path) -> tuple[Path, pa.Schema]:
        with _opened(path) as file:
            return path, file.schema_arrow.remove_metadata()

    found: tuple[Path, pa.Schema] = _first_read(fragment, anchors, read)
    return found


def _first_read(fragment: Fragment, anchors: Sequence[Path], read: Callable[[Path], Any]) -> Any:
    """Read the file at the first of its places at which it is."""
    import pyarrow as pa

    for path in fragment.places(anchors):
        try:
            return read(path)
        except FileNotFoundError:
            continue
        except (pa.ArrowException, OSError) as error:
            raise ValueError(
                f"{fragment} cannot be read as Parquet at {path}: {error}. "
                "Resume the sweep to run it again if the file is damaged."
            ) from error
    tried = " nor at ".join(dict.fromkeys(str(path) for path in fragment.places(anchors)))
    raise FileNotFoundError(
        f"missing {fragment}: no file at {tried}. "
        "Resume the sweep to run it again, or point output_dir at the folder of the runs."
    )


def _read(path: Path, *, spool: bool, chosen: Chosen | None) -> pa.Table:
    import pyarrow as pa

    with _opened(path) as file:
        if chosen is not None:
            there = file.schema_arrow.names
            # A repeated name is refused later, in the words for that.
            if len(set(there)) == len(there):
                names = list(chosen(there))
                # A name with dots is a path to pyarrow, which reads all that is below it.
                return file.read(columns=names, use_threads=False).select(names)
        if spool and file.metadata.num_rows > _FEW_ROWS:
            return pa.Table.from_batches(file.iter_batches(use_threads=False), file.schema_arrow)
        return file.read(use_threads=False)


def _names(path: Path) -> list[str]:
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def _opened(path: Path) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # To open a FIFO in another way would wait for somebody to write to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError("it is no plain file")
        small = os.read(descriptor, _SMALL) if facts.st_size < _SMALL else None
    finally:
        os.close(descriptor)
    # Sweeps consist of small files: read at once, and without pre-buffering and threads, one takes
    # 0.1 ms, not 0.3 ms.
    source = path if small is None else pa.BufferReader(small)
    return pq.ParquetFile(source, pre_buffer=False)


def _with_index_as_columns(
    table: pa.Table, fragment: Fragment, reserved: frozenset[str]
) -> pa.Table:
    stored = (table.schema.metadata or {}).get(b"pandas")
    if stored is not None:
        for level in _index_levels(stored):
            if isinstance(level, dict):
                table = _with_range(table, level)
            elif UNNAMED_LEVEL.fullmatch(level) and level in table.column_names:
                table = _with_unnamed_level(table, level)
    names = table.column_names
    if len(set(names)) < len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(
            f"{fragment} repeats the column {repeated[0]!r}. "
            "Give the columns of the file different names."
        )
    if not reserved.isdisjoint(names):
        table = table.select([name for name in names if name not in reserved])
    return table.replace_schema_metadata(None)


@lru_cache(maxsize=256)
def _index_levels(stored: bytes) -> tuple[str | dict[str, Any], ...]:
    return tuple(json.loads(stored).get("index_columns", ()))


def _with_range(table: pa.Table, level: dict[str, Any]) -> pa.Table:
    """Add a named RangeIndex, which pandas keeps in the metadata only."""
    import pyarrow as pa

    name = level.get("name")
    if name is None or name in table.column_names:
        return table
    values = range(level["start"], level["stop"], level["step"])
    if len(values) != table.num_rows:
        return table
    return table.append_column(str(name), pa.array(values, pa.int64()))


def _with_unnamed_level(table: pa.Table, level: str) -> pa.Table:
    """Name an unnamed index level as `DataFrame.reset_index` does; drop it if it counts rows."""
    import pyarrow as pa

    if pa.types.is_integer(table.schema.field(level).type):
        return table.drop_columns([level])
    number = level.removeprefix("__index_level_").removesuffix("__")
    name = "index" if "index" not in table.column_names else f"level_{number}"
    return table.rename_columns([name if old == level else old for old in table.column_names])
