"""One Arrow table out of many, with column types unified across runs.

`stack` keeps the order of its pieces and of the rows within them. A piece without rows becomes one
row of nulls. Columns are the union over the pieces, in the order they are first seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Piece", "Stack", "common_type", "stack"]

_RUNS_NAMED = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows of one file, or None for a run without that file."""

    run_id: int
    table: pa.Table | None

    @property
    def has_rows(self) -> bool:
        """Whether there is at least one row."""
        return self.table is not None and self.table.num_rows > 0


@dataclass(frozen=True, slots=True)
class Stack:
    """Pieces on top of each other.

    Attributes
    ----------
    table : pyarrow.Table
        The data. If it has no column, its ``num_rows`` is wrong: sum `counts` instead.
    counts : ndarray of int64
        Rows of each piece, at least 1.
    has_rows : ndarray of bool
        For each piece, whether its rows are its own (True) or one row of nulls.
    """

    table: pa.Table
    counts: NDArray[np.int64]
    has_rows: NDArray[np.bool_]


def stack(pieces: Sequence[Piece]) -> Stack:
    """Concatenate `pieces`.

    Raises
    ------
    SweepConfigError
        The types of a column in different runs have no common type, or a value does not fit the
        common one.
    """
    import numpy as np
    import pyarrow as pa

    groups: dict[pa.Schema, list[int]] = {}
    for position, piece in enumerate(pieces):
        if piece.table is not None and piece.has_rows:
            groups.setdefault(piece.table.schema, []).append(position)
    wholes = {
        schema: pa.concat_tables([pieces[position].table for position in positions])
        for schema, positions in groups.items()
    }
    target = _unified_schema(
        wholes,
        {schema: [pieces[p].run_id for p in positions] for schema, positions in groups.items()},
    )
    tables: list[pa.Table] = [_null_row(target)] * len(pieces)
    for schema, positions in groups.items():
        if schema == target:
            for position in positions:
                tables[position] = pieces[position].table
            continue
        # One cast per distinct schema, not per run. `combine_chunks` makes the columns contiguous:
        # slicing many chunks takes quadratic time. The cast comes first, because the categories of
        # many runs may need the wider index type of `target`.
        fitted = _fit(wholes[schema], target).combine_chunks()
        start = 0
        for position in positions:
            table = pieces[position].table
            assert table is not None
            tables[position] = fitted.slice(start, table.num_rows)
            start += table.num_rows
    has_rows = np.fromiter((piece.has_rows for piece in pieces), dtype=np.bool_, count=len(pieces))
    counts = np.fromiter(
        (
            piece.table.num_rows if piece.table is not None and piece.has_rows else 1
            for piece in pieces
        ),
        dtype=np.int64,
        count=len(pieces),
    )
    table = pa.concat_tables(tables) if tables else target.empty_table()
    return Stack(table=table, counts=counts, has_rows=has_rows)


def _unified_schema(
    wholes: Mapping[pa.Schema, pa.Table], run_ids: Mapping[pa.Schema, Sequence[int]]
) -> pa.Schema:
    import pyarrow as pa

    holders: dict[str, dict[pa.DataType, list[int]]] = {}
    empty: dict[str, pa.DataType] = {}
    for schema, whole in wholes.items():
        for field in schema:
            column = whole.column(field.name)
            by_type = holders.setdefault(field.name, {})
            if column.null_count < len(column):
                by_type.setdefault(field.type, []).extend(run_ids[schema])
            else:
                empty.setdefault(field.name, field.type)
    return pa.schema(
        [
            (name, common_type(name, by_type) if by_type else empty[name])
            for name, by_type in holders.items()
        ]
    )


def common_type(name: str, by_type: Mapping[pa.DataType, Sequence[int]]) -> pa.DataType:
    """Return the type for a column that has some types in some runs.

    Raises
    ------
    SweepConfigError
        There is none; the message names column, types and runs.
    """
    import pyarrow as pa

    types = sorted(by_type, key=str)
    if any(pa.types.is_dictionary(kind) for kind in types):
        # The categories of many runs together may overflow a small index type.
        plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in types]
        if all(pa.types.is_dictionary(kind) for kind in types) and len(set(plain)) == 1:
            return pa.dictionary(pa.int32(), plain[0])
        types = plain
    try:
        schema = pa.unify_schemas(
            [pa.schema([(name, kind)]) for kind in types], promote_options="permissive"
        )
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        found = "; ".join(f"{kind} in {_named(by_type[kind])}" for kind in sorted(by_type, key=str))
        raise SweepConfigError(
            f"column {name!r} has types without a common one: {found}. Write one kind of value "
            "to that column in every run, or read the runs' Parquet files one by one."
        ) from error
    return schema.field(name).type


def _named(run_ids: Sequence[int]) -> str:
    shown = ", ".join(str(run_id) for run_id in sorted(run_ids)[:_RUNS_NAMED])
    more = len(run_ids) - _RUNS_NAMED
    noun = "run" if len(run_ids) == 1 else "runs"
    return f"{noun} {shown}" + (f" and {more} more" if more > 0 else "")


def _fit(table: pa.Table, target: pa.Schema) -> pa.Table:
    import pyarrow as pa

    names = set(table.column_names)
    columns = [
        _cast(table.column(field.name), field)
        if field.name in names
        else pa.nulls(table.num_rows, field.type)
        for field in target
    ]
    return pa.table(columns, schema=target)


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    import pyarrow as pa

    if column.type == field.type:
        return column
    if column.null_count == len(column):
        return pa.nulls(len(column), field.type)
    try:
        # An integer beyond 2**53 becomes the nearest float, as it does in pandas.
        return column.cast(field.type, safe=not pa.types.is_floating(field.type))
    except pa.ArrowInvalid as error:
        raise SweepConfigError(
            f"column {field.name!r} is {column.type} in some runs and {field.type} in others, and "
            f"a value does not fit the common type: {error}. Write one kind of value to that "
            "column in every run."
        ) from error


def _null_row(schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    return pa.table([pa.nulls(1, field.type) for field in schema], schema=schema)
