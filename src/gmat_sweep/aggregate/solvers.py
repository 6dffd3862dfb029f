"""Frames of the solvers: iteration histories, and whether each solver converged.

Runs without solvers have no rows here, and no marker row: a missing iteration says nothing about
the run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from gmat_sweep.aggregate.columns import (
    LAZY_ENGINES,
    check_engine,
    in_engine,
    pandas_columns,
    row_order,
)
from gmat_sweep.aggregate.datasets import lazily
from gmat_sweep.aggregate.entries import ManifestLike, anchors_of, latest_entries, read_manifest
from gmat_sweep.aggregate.fragments import Fragment, read_fragment
from gmat_sweep.aggregate.stacking import Piece, Stack, stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["lazy_solver_convergence", "lazy_solver_runs", "solver_convergence", "solver_runs"]

_RESERVED = frozenset({"run_id", "solver"})


@overload
def lazy_solver_runs(
    manifest_path: Path | str,
    *,
    engine: Literal["pandas"] = "pandas",
    output_dir: Path | str | None = None,
) -> pd.DataFrame: ...
@overload
def lazy_solver_runs(
    manifest_path: Path | str, *, engine: Literal["polars"], output_dir: Path | str | None = None
) -> pl.DataFrame: ...
@overload
def lazy_solver_runs(
    manifest_path: Path | str, *, engine: str, output_dir: Path | str | None = None
) -> Any: ...
def lazy_solver_runs(
    manifest_path: Path | str, *, engine: str = "pandas", output_dir: Path | str | None = None
) -> Any:
    """Return the iteration history of every solver of every ok run.

    Parameters
    ----------
    manifest_path : Path or str
        The sweep's ``manifest.jsonl``.
    engine : {"pandas", "polars", "polars-lazy", "dataset"}
        Frame library; see `lazy_multiindex`.
    output_dir : Path or str, optional
        The sweep folder; without it, the one the manifest names.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame
        Index ``run_id`` (int64), ``solver`` (str) and ``iteration`` (int64), sorted; an iteration
        may repeat. Columns are those of all solvers together: variables, goals, residuals and
        ``status``, in the mission's units. A sweep without solvers gives no rows and the column
        ``status``.

    Raises
    ------
    SweepConfigError
        `engine` is unknown, or a column has types without a common one.
    ValueError
        A file is missing or is not Parquet, or has no ``iteration`` column of whole numbers; the
        message names run and solver.
    """
    check_engine(engine, LAZY_ENGINES)
    manifest, folder = read_manifest(manifest_path, output_dir)
    return solver_runs(manifest, folder, engine=engine)


@overload
def lazy_solver_convergence(
    manifest_path: Path | str, *, engine: Literal["pandas"] = "pandas"
) -> pd.DataFrame: ...
@overload
def lazy_solver_convergence(
    manifest_path: Path | str, *, engine: Literal["polars"]
) -> pl.DataFrame: ...
@overload
def lazy_solver_convergence(manifest_path: Path | str, *, engine: str) -> Any: ...
def lazy_solver_convergence(manifest_path: Path | str, *, engine: str = "pandas") -> Any:
    """Return whether each solver of each run converged, from the manifest alone.

    Parameters
    ----------
    manifest_path : Path or str
        The sweep's ``manifest.jsonl``.
    engine : {"pandas", "polars"}
        Frame library; see `lazy_multiindex`.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame
        Index ``run_id`` (int64) and ``solver`` (str), sorted; column ``converged`` (bool).

    Raises
    ------
    SweepConfigError
        `engine` is unknown.
    """
    check_engine(engine)
    manifest, _ = read_manifest(manifest_path, None)
    return solver_convergence(manifest, engine=engine)


def solver_runs(manifest: ManifestLike, output_dir: Path | str, *, engine: str = "pandas") -> Any:
    """Return the frame of `lazy_solver_runs` for a manifest that is loaded."""
    check_engine(engine, LAZY_ENGINES)
    fragments = [
        Fragment(entry.run_id, "solver output", solver, Path(path), entry)
        for entry in latest_entries(manifest)
        if entry.status == "ok"
        for solver, path in sorted(entry.solver_paths.items())
    ]
    anchors = anchors_of(manifest, output_dir)
    if engine in LAZY_ENGINES:
        try:
            return lazily(engine, fragments, anchors, key="solver")
        except FileNotFoundError as error:
            raise ValueError(str(error)) from error
    tables = [(fragment, _history(fragment, anchors)) for fragment in fragments]
    histories = [(fragment, table) for fragment, table in tables if table.num_rows]
    if not histories:
        return in_engine(_no_histories(), engine)
    stacked = stack([Piece(fragment.run_id, table) for fragment, table in histories])
    return in_engine(_frame([fragment for fragment, _ in histories], stacked), engine)


def solver_convergence(manifest: ManifestLike, *, engine: str = "pandas") -> Any:
    """Return the frame of `lazy_solver_convergence` for a manifest that is loaded."""
    import numpy as np
    import pandas as pd

    check_engine(engine)
    verdicts = [
        (entry.run_id, solver, converged)
        for entry in latest_entries(manifest)
        for solver, converged in sorted(entry.converged.items())
    ]
    index = pd.MultiIndex.from_arrays(
        [
            np.array([run_id for run_id, _, _ in verdicts], dtype=np.int64),
            pd.Index([solver for _, solver, _ in verdicts], dtype="str"),
        ],
        names=["run_id", "solver"],
    )
    column = np.array([converged for _, _, converged in verdicts], dtype=np.bool_)
    return in_engine(pd.DataFrame({"converged": column}, index=index), engine)


def _history(fragment: Fragment, anchors: Sequence[Path]) -> pa.Table:
    """Read one solver's history, with ``iteration`` as int64."""
    import pyarrow as pa

    try:
        table = read_fragment(fragment, anchors, spool=True, reserved=_RESERVED)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    position = table.schema.get_field_index("iteration")
    if position < 0:
        raise ValueError(
            f"{fragment} has no 'iteration' column, which the index needs. "
            "Number the rows of the history in a column of that name."
        )
    iteration = table.column(position)
    try:
        whole = iteration.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        whole = None
    if whole is None or whole.null_count:
        raise ValueError(
            f"{fragment} has an 'iteration' that is not a whole number. "
            "Number the rows of the history 1, 2, 3 and so on."
        )
    return table.set_column(position, "iteration", whole)


def _frame(fragments: list[Fragment], stacked: Stack) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    run_ids: NDArray[np.int64] = np.repeat(
        np.array([fragment.run_id for fragment in fragments], dtype=np.int64), stacked.counts
    )
    names, codes = np.unique([fragment.key for fragment in fragments], return_inverse=True)
    solver = np.repeat(codes.astype(np.int64), stacked.counts)
    iteration = stacked.table.column("iteration").to_numpy()
    frame = pandas_columns(stacked.table.drop_columns(["iteration"]), len(run_ids))
    frame.index = pd.MultiIndex.from_arrays(
        [run_ids, pd.Index(names.astype(object)[solver], dtype="str"), iteration],
        names=["run_id", "solver", "iteration"],
    )
    order = row_order(run_ids, solver, iteration)
    return frame if order is None else frame.take(order)


def _no_histories() -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    whole = np.array([], dtype=np.int64)
    index = pd.MultiIndex.from_arrays(
        [whole, pd.Index([], dtype="str"), whole], names=["run_id", "solver", "iteration"]
    )
    return pd.DataFrame({"status": pd.Series([], dtype="string")}).set_index(index)
