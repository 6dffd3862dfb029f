"""One row per run: its parameters and its last values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmat_sweep.aggregate.columns import STATUS
from gmat_sweep.analysis.rows import is_numeric, last_of_each_run, sweep_frame
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.header import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from gmat_sweep.manifest import Manifest

__all__ = ["design_of", "numbers_of", "one_row_per_run", "parameters_of"]


def one_row_per_run(df: Any, caller: str) -> pd.DataFrame:
    """Return one row per run: each column's last value that is not missing.

    Raises
    ------
    SweepConfigError
        `df` is no frame or has no ``run_id`` index level.
    """
    frame = sweep_frame(df, caller)
    if "run_id" not in frame.index.names:
        raise SweepConfigError(
            f"{caller} needs a frame indexed by 'run_id', the index is {list(frame.index.names)}. "
            "Pass a frame indexed as sweep() returns it."
        )
    kept = [name for name, column in frame.items() if is_numeric(column) or name == STATUS]
    return last_of_each_run(frame[kept])


def parameters_of(manifest: Manifest) -> list[str]:
    """Return the names of the fields that the sweep varied.

    Raises
    ------
    SweepConfigError
        The manifest's ``parameter_spec`` is of an unknown kind.
    """
    record, kind = manifest.parameter_spec, kind_of(manifest.parameter_spec)
    if kind == "grid":
        return [name for name in record if name != "_kind"]
    for names in ("columns", "perturb"):
        if names in record:
            return list(record[names])
    raise SweepConfigError(
        f"The manifest has an unknown parameter_spec _kind {kind!r}, which does not tell what was "
        "varied. Use the version of gmat-sweep that wrote it."
    )


def design_of(manifest: Manifest, names: Iterable[str], run_ids: pd.Index[Any]) -> pd.DataFrame:
    """Return the values of the runs in the manifest, NaN if a run has none.

    Raises
    ------
    SweepConfigError
        The manifest has no entry for one of the runs.
    """
    import pandas as pd

    overrides = {run_id: entry.overrides for run_id, entry in manifest.latest().items()}
    unknown = [run_id for run_id in run_ids if run_id not in overrides]
    if unknown:
        raise SweepConfigError(
            f"the manifest has no entry for {len(unknown)} runs of df, the first is run "
            f"{unknown[0]}. Pass the manifest of the sweep that df comes from."
        )
    columns = {
        name: pd.Series([overrides[run_id].get(name) for run_id in run_ids], index=run_ids)
        for name in names
    }
    return pd.DataFrame(columns, index=run_ids)


def numbers_of(column: pd.Series[Any], complaint: str) -> pd.Series[float]:
    """Return `column` as float64, NaN where a value is missing.

    Raises
    ------
    SweepConfigError
        `column` is not numeric; the message is `complaint` with the dtype and a remedy.
    """
    import numpy as np
    import pandas as pd

    if not is_numeric(column) and column.notna().any():
        raise SweepConfigError(
            f"{complaint}, {column.name!r} has dtype={column.dtype}. Choose one of numbers."
        )
    return pd.Series(
        column.to_numpy(dtype=np.float64, na_value=np.nan), index=column.index, name=column.name
    )
