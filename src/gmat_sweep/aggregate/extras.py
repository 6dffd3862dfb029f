"""Frames of the outputs of a postprocess hook.

The index is ``(run_id, time)`` if the files have a ``time`` column or a ``time`` index, and
``run_id`` alone if none has. Only files named in the manifest are read, and they must be Parquet.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from gmat_sweep.aggregate.columns import LAZY_ENGINES, check_engine, in_engine
from gmat_sweep.aggregate.datasets import lazily
from gmat_sweep.aggregate.entries import (
    ManifestLike,
    anchors_of,
    latest_entries,
    read_manifest,
    tell_design,
)
from gmat_sweep.aggregate.fragments import Fragment
from gmat_sweep.aggregate.reports import frame_of, rows_of
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["extra_outputs", "lazy_extra_outputs"]


@overload
def lazy_extra_outputs(
    manifest_path: Path | str,
    name: str,
    *,
    engine: Literal["pandas"] = "pandas",
    output_dir: Path | str | None = None,
) -> pd.DataFrame: ...
@overload
def lazy_extra_outputs(
    manifest_path: Path | str,
    name: str,
    *,
    engine: Literal["polars"],
    output_dir: Path | str | None = None,
) -> pl.DataFrame: ...
@overload
def lazy_extra_outputs(
    manifest_path: Path | str, name: str, *, engine: str, output_dir: Path | str | None = None
) -> Any: ...
def lazy_extra_outputs(
    manifest_path: Path | str,
    name: str,
    *,
    engine: str = "pandas",
    output_dir: Path | str | None = None,
) -> Any:
    """Return the frame of one of the postprocess hook's outputs over all runs.

    Parameters
    ----------
    manifest_path : Path or str
        The sweep's ``manifest.jsonl``.
    name : str
        The key under which the hook returned its files.
    engine : {"pandas", "polars", "polars-lazy", "dataset"}
        Frame library; see `lazy_multiindex`.
    output_dir : Path or str, optional
        The sweep folder; without it, the one the manifest names.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame
        The hook's columns and ``__status``; a run of K rows repeats its ``run_id`` K times. A run
        that is not ok, whose hook did not return `name`, or whose file is empty is one row with
        missing data.

    Raises
    ------
    SweepConfigError
        No run has a file `name`, `engine` is unknown, or a column has types without a common one.
    ValueError
        Such a file is missing or is not Parquet; the message names run, key and path.
    """
    check_engine(engine, LAZY_ENGINES)
    manifest, folder = read_manifest(manifest_path, output_dir)
    return extra_outputs(manifest, folder, name, engine=engine)


def extra_outputs(
    manifest: ManifestLike, output_dir: Path | str, name: str, *, engine: str = "pandas"
) -> Any:
    """Return the frame of `lazy_extra_outputs` for a manifest that is loaded."""
    check_engine(engine, LAZY_ENGINES)
    entries = latest_entries(manifest)
    available = sorted({key for entry in entries for key in entry.extra_outputs})
    if name not in available:
        raise SweepConfigError(
            f"no extra output named {name!r}; there are: {', '.join(available) or '(none)'}. "
            "Ask for one of these, or register it in the postprocess hook."
        )
    fragments = [
        Fragment(entry.run_id, "extra output", name, Path(entry.extra_outputs[name]), entry)
        if entry.status == "ok" and name in entry.extra_outputs
        else None
        for entry in entries
    ]
    anchors = anchors_of(manifest, output_dir)
    try:
        if engine in LAZY_ENGINES:
            return lazily(engine, fragments, anchors)
        rows = rows_of(entries, fragments, anchors, spool=True)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    level = "time" if "time" in rows.data.column_names else None
    return in_engine(tell_design(frame_of(rows, level), manifest), engine)
