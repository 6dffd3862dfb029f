"""The rows of an output over all runs as a dataset, which reads them when they are wanted.

A dataset has the column ``run_id`` (for solvers ``solver``, too) and those of the files, with one
type for each over all runs. It lacks marker rows, ``__status`` and ``__row``, and index levels that
pandas keeps beside the columns. Rows come from the parts of a compacted sweep and from runs' own
files. A part that has a row of a run that was flown again is not used until it is made again.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from gmat_sweep.aggregate.columns import STATUS, WRITTEN, polars_for
from gmat_sweep.aggregate.compacted import RUN_ID, Compacted, Damaged, Part, compacted_in
from gmat_sweep.aggregate.fragments import UNNAMED_LEVEL, Fragment, schema_of
from gmat_sweep.aggregate.stacking import common_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.dataset as ds

__all__ = ["lazily"]

_OUR_OWN = frozenset({RUN_ID, STATUS, WRITTEN})
# A scan tells a damaged page of a copy.
_CHECKED = {"page_checksum_verification": True}


def lazily(
    engine: str,
    fragments: Sequence[Fragment | None],
    anchors: Sequence[Path],
    *,
    key: str | None = None,
) -> Any:
    """Return the rows of all files as a `pyarrow.dataset.Dataset` or a `polars.LazyFrame`.

    Parameters
    ----------
    engine : {"dataset", "polars-lazy"}
        Which of the two.
    fragments : sequence of Fragment or None
        The files; None for a run without one.
    anchors : sequence of Path
        The folders in which the sweep's files may be.
    key : str, optional
        Name of a column for the files' keys.

    Raises
    ------
    SweepConfigError
        A column has types without a common one.
    FileNotFoundError, ValueError
        A file is missing or cannot be read, as in `read_fragment`.
    """
    pieces = _Pieces([each for each in fragments if each is not None], anchors, key)
    if engine == "dataset":
        return pieces.dataset(pieces.parts)
    return pieces.lazy_frame()


class _Pieces:
    """The files that a dataset is made of."""

    def __init__(
        self, fragments: Sequence[Fragment], anchors: Sequence[Path], key: str | None
    ) -> None:
        store = compacted_in(anchors)
        self.key = key
        self.parts: list[Part] = []
        self.schemas: list[tuple[pa.Schema, int]] = []
        rest: Sequence[Fragment] = fragments
        if store is not None:
            rest = self._copied(store, fragments, anchors)
        self.own = [(fragment, *schema_of(fragment, anchors)) for fragment in rest]
        self.schema = self._unified()

    def _copied(
        self, store: Compacted, fragments: Sequence[Fragment], anchors: Sequence[Path]
    ) -> list[Fragment]:
        """Keep the parts all of whose rows are wanted, and return what is in none."""
        wanted = {
            (fragment.key, fragment.run_id): (fragment, fragment.sha256(anchors))
            for fragment in fragments
        }
        for part in store.parts:
            if not wanted or part.kind != _kind_of(fragments[0]):
                continue
            with contextlib.suppress(Damaged):
                runs = part.runs()
                ids, digests = (runs.column(each).to_pylist() for each in (RUN_ID, "sha256"))
                # Arrow counts all rows of a file, whichever row groups are chosen: all or nothing.
                if all(
                    (found := wanted.get((part.key, run_id))) and found[1] == digest.hex()
                    for run_id, digest in zip(ids, digests, strict=True)
                ):
                    self.schemas.append((part.schema, ids[0]))
                    self.parts.append(part)
                    for run_id in ids:
                        del wanted[part.key, run_id]
        return [fragment for fragment, _ in wanted.values()]

    def _unified(self) -> pa.Schema:
        import pyarrow as pa

        types: dict[str, dict[pa.DataType, list[int]]] = {}
        seen = self.schemas + [(schema, fragment.run_id) for fragment, _, schema in self.own]
        for schema, run_id in seen:
            for field in schema:
                if field.name not in _OUR_OWN and not UNNAMED_LEVEL.fullmatch(field.name):
                    kind = field.type
                    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
                    by_type = types.setdefault(field.name, {})
                    if not pa.types.is_null(kind):
                        by_type.setdefault(kind, []).append(run_id)
        if self.key is not None:
            types.pop(self.key, None)
        fields = [(RUN_ID, pa.int64()), *([(self.key, pa.string())] if self.key else [])]
        return pa.schema(
            fields
            + [
                (name, common_type(name, by_type) if by_type else pa.null())
                for name, by_type in types.items()
            ]
        )

    def dataset(self, parts: Iterable[Part]) -> ds.Dataset:
        """Return the rows of some parts and of all own files."""
        import pyarrow.dataset as ds
        import pyarrow.fs as fs

        local = fs.LocalFileSystem()
        plain = ds.ParquetFileFormat()
        checked = ds.ParquetFileFormat(
            default_fragment_scan_options=ds.ParquetFragmentScanOptions(**_CHECKED)
        )
        found = [
            checked.make_fragment(str(part.path), local, self._constants(part.key))
            for part in parts
        ]
        found += [
            plain.make_fragment(str(path), local, self._constants(fragment.key, fragment.run_id))
            for fragment, path, _ in self.own
        ]
        return ds.FileSystemDataset(found, self.schema, plain, local)

    def _constants(self, key: str, run_id: int | None = None) -> ds.Expression | None:
        """Return the columns that a file does not have, as what is true of its rows."""
        import pyarrow.dataset as ds

        told = [] if run_id is None else [ds.field(RUN_ID) == run_id]
        if self.key is not None:
            told.append(ds.field(self.key) == key)
        if not told:
            return None
        return told[0] if len(told) == 1 else told[0] & told[1]

    def lazy_frame(self) -> Any:
        """Return all rows, those of parts by polars' own reader, which streams them."""
        pl = polars_for("polars-lazy")
        types = pl.from_arrow(self.schema.empty_table()).schema
        pieces = []
        for part in self.parts:
            names = {*part.schema.names}
            columns = [
                pl.lit(part.key).alias(name)
                if name == self.key
                else pl.col(name).cast(kind)
                if name in names
                else pl.lit(None, kind).alias(name)
                for name, kind in types.items()
            ]
            pieces.append(pl.scan_parquet(part.path, glob=False).select(columns))
        if self.own or not pieces:
            pieces.append(pl.scan_pyarrow_dataset(self.dataset([])))
        return pl.concat(pieces)


def _kind_of(fragment: Fragment) -> str:
    return fragment.kind if fragment.kind in ("solver output", "extra output") else "output"
