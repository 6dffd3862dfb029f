"""Designs: grids, tables and draws become one `RunSpec` per run.

Each function checks its whole input before the first run exists. Every override that it returns is
JSON data: numpy scalars have become Python ones. A value that a manifest cannot hold (a datetime,
an array, an object) is refused with the name of its field and its place.

Runs are numbered from 0 in the order of the design and write to ``<output_dir>/run-<run_id>``.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sized
from datetime import date, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.distributions import (
    DistSpec,
    checked_count,
    checked_seed,
    derive_run_seeds,
)
from gmat_sweep.draws.designs import unit_points
from gmat_sweep.draws.sources import Source, sources_of, values_in_run
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.lazy_runs import PlannedRuns
from gmat_sweep.limits import MOST_RUNS, check_run_count, shown
from gmat_sweep.manifest.values import jsonable

if TYPE_CHECKING:
    import pandas as pd

    from gmat_sweep.spec import RunSpec

__all__ = [
    "design_runs",
    "design_samples",
    "expand_grid_to_run_specs",
    "expand_latin_hypercube_to_run_specs",
    "expand_monte_carlo_extension_to_run_specs",
    "expand_monte_carlo_to_run_specs",
    "expand_samples_to_run_specs",
    "full_factorial",
    "full_factorial_size",
    "grid_runs",
    "iter_grid_run_specs",
    "latin_hypercube_runs",
    "latin_hypercube_samples",
    "materialise_grid",
    "monte_carlo_runs",
    "plain_value",
    "sample_runs",
]

_PLAIN_TYPES = frozenset({str, int, float, bool, type(None)})
_RESERVED_GRID_KEY = "_kind"


def plain_value(value: Any, field: str, place: str) -> Any:
    """Return the override `value` as the plain JSON value that a manifest records.

    As `gmat_sweep.manifest.values.jsonable`, but the error on a date, time or duration says what
    GMAT takes instead.

    Parameters
    ----------
    value : object
        The value of an override.
    field : str
        The GMAT field of the override.
    place : str
        The place of the value (``"run 3"``, ``"samples row 3"``), for the message of an error.

    Raises
    ------
    SweepConfigError
        `value` cannot be written as JSON; the message names `field` and `place`.
    """
    if type(value) in _PLAIN_TYPES:
        return value
    where = f"{place}: the value for {field!r}"
    if _is_time(value):
        raise SweepConfigError(
            f"{where} is a {type(value).__name__} ({value!r}), which JSON cannot hold. Pass what "
            "GMAT reads: epochs are strings such as '01 Jan 2026 12:00:00.000', durations numbers."
        )
    return jsonable(value, where)


def _is_time(value: Any) -> bool:
    if isinstance(value, date | time | timedelta):
        return True
    import numpy as np

    return isinstance(value, np.datetime64 | np.timedelta64)


def materialise_grid(grid: Mapping[str, Iterable[Any]]) -> dict[str, list[Any]]:
    """Return `grid` checked, with each field's values as a list of plain values.

    Each iterable is read exactly once, so one-shot generators work; the fields keep their order.

    Raises
    ------
    SweepConfigError
        A key is not a string or is reserved, or a value is empty, is a single value instead of
        a list, holds something that cannot be written as JSON, or has more values than a sweep may
        have runs.
    """
    if not isinstance(grid, Mapping):
        raise SweepConfigError(
            f"grid must be a mapping of field to values, got {type(grid).__name__}. "
            "Pass a dict such as {'Sat.SMA': [7000.0, 7100.0]}."
        )
    return {_checked_grid_key(key): _listed(key, values) for key, values in grid.items()}


def _checked_grid_key(key: Any) -> str:
    if not isinstance(key, str):
        raise SweepConfigError(
            f"grid keys must be strings, got {type(key).__name__}: {shown(key)}. "
            "Use GMAT's dotted names, such as 'Sat.SMA'."
        )
    if key == _RESERVED_GRID_KEY:
        raise SweepConfigError(
            f"grid key {key!r} is reserved: the manifest keeps the kind of the sweep under it. "
            "Use a GMAT field, such as 'Sat.SMA'."
        )
    return key


def _listed(key: str, values: Any) -> list[Any]:
    single = isinstance(values, str | bytes | bytearray | Mapping)
    if single or not isinstance(values, Iterable):
        raise SweepConfigError(
            f"grid value for {shown(key)} must be a list of values, got {type(values).__name__}: "
            f"{shown(values)}. Wrap a single value in a list: {{{shown(key)}: [{shown(values)}]}}."
        )
    # An iterable may have no end: one value more than a sweep may have tells.
    some = itertools.islice(values, MOST_RUNS + 1)
    if isinstance(values, Sized):
        check_run_count(_length(values), f"grid value for {shown(key)}")
    plain = [plain_value(value, key, f"grid value {i}") for i, value in enumerate(some)]
    if not plain:
        raise SweepConfigError(
            f"grid value for {shown(key)} is empty. Give at least one value or leave the field out."
        )
    check_run_count(len(plain), f"grid value for {shown(key)}")
    return plain


def _length(values: Sized) -> int:
    """Return a length, which `len` refuses to do for a range of more than 2**63 numbers."""
    try:
        return len(values)
    except OverflowError:
        return sys.maxsize


def full_factorial(grid: Mapping[str, Iterable[Any]]) -> Iterator[dict[str, Any]]:
    """Yield every combination of the values in `grid`, one dict of field to value each.

    Fields are taken in sorted order, the first varying slowest. An empty grid has exactly one
    combination, the empty one.

    Parameters
    ----------
    grid : mapping of str to iterable
        Values by field; each iterable is read once.

    Raises
    ------
    SweepConfigError
        A key is not a string or is reserved, or a value is empty, is a single value instead of
        a list, or holds something that cannot be written as JSON. Raised when the first
        combination is asked for.
    """
    fields, combinations = _combinations(grid)
    for combination in combinations:
        yield dict(zip(fields, combination, strict=True))


def _combinations(
    grid: Mapping[str, Iterable[Any]],
) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    values = materialise_grid(grid)
    fields = sorted(values)
    return fields, itertools.product(*(values[field] for field in fields))


def full_factorial_size(grid: Mapping[str, Iterable[Any]]) -> int:
    """Return how many combinations `full_factorial` yields, without building them.

    A one-shot iterable in `grid` is used up by counting; give lists to count and then expand.

    Raises
    ------
    SweepConfigError
        As `full_factorial`, at once.
    """
    return math.prod(len(values) for values in materialise_grid(grid).values())


def iter_grid_run_specs(
    grid: Mapping[str, Iterable[Any]], script_path: str | Path, output_dir: str | Path
) -> Iterator[RunSpec]:
    """Yield one run per combination of `full_factorial`, without holding them all.

    Raises
    ------
    SweepConfigError
        As `full_factorial`, when the first run is asked for.
    """
    fields, combinations = _combinations(grid)
    script, out = Path(script_path), Path(output_dir)
    for run_id, combination in enumerate(combinations):
        yield PlannedRuns(fields, (combination,), script, out, first=run_id)[0]


def grid_runs(
    grid: Mapping[str, Iterable[Any]], script_path: str | Path, output_dir: str | Path
) -> PlannedRuns:
    """Return the runs of `iter_grid_run_specs` as a sequence that makes them on demand.

    Raises
    ------
    SweepConfigError
        As `full_factorial`, or there are more combinations than a sweep may have runs.
    """
    values = materialise_grid(grid)
    check_run_count(math.prod(map(len, values.values())), "the grid")
    fields, combinations = _combinations(values)
    return PlannedRuns(fields, list(combinations), Path(script_path), Path(output_dir))


def expand_grid_to_run_specs(
    grid: Mapping[str, Iterable[Any]], script_path: str | Path, output_dir: str | Path
) -> list[RunSpec]:
    """Return the runs of `iter_grid_run_specs` as a list.

    Raises
    ------
    SweepConfigError
        As `grid_runs`.
    """
    return list(grid_runs(grid, script_path, output_dir))


def expand_samples_to_run_specs(
    samples: pd.DataFrame, script_path: str | Path, output_dir: str | Path
) -> list[RunSpec]:
    """Return one run per row of `samples`, whose columns are the fields to override.

    A NaN in a single cell is kept and reaches the run; a missing cell of a column that has no NaN
    (strings, nullable integers) is None or NaN, as pandas has it. A frame without rows gives no
    runs.

    Parameters
    ----------
    samples : pandas.DataFrame
        Columns are GMAT's dotted names; the index is the default one.
    script_path : str or Path
        The GMAT script.
    output_dir : str or Path
        Folder under which each run gets its own.

    Raises
    ------
    SweepConfigError
        `samples` is not such a frame, has duplicate or all-NaN columns, or a cell cannot be
        written as JSON.
    """
    return list(sample_runs(samples, script_path, output_dir))


def sample_runs(
    samples: pd.DataFrame, script_path: str | Path, output_dir: str | Path
) -> PlannedRuns:
    """Return the runs of `expand_samples_to_run_specs` as a sequence that makes them on demand.

    Raises
    ------
    SweepConfigError
        As `expand_samples_to_run_specs`.
    """
    _check_samples(samples)
    rows = [
        tuple(
            plain_value(cell, str(name), f"samples row {run_id}") for name, cell in record.items()
        )
        for run_id, record in enumerate(samples.to_dict(orient="records"))
    ]
    fields = [str(name) for name in samples.columns]
    return PlannedRuns(fields, rows, Path(script_path), Path(output_dir))


def _check_samples(samples: Any) -> None:
    import pandas as pd

    if not isinstance(samples, pd.DataFrame):
        raise SweepConfigError(
            f"samples must be a pandas.DataFrame, got {type(samples).__name__}. "
            "Wrap it: pandas.DataFrame(samples)."
        )
    check_run_count(len(samples), "samples")
    unnamed = [column for column in samples.columns if not isinstance(column, str)]
    if unnamed:
        raise SweepConfigError(
            f"samples column names must be strings, got {unnamed!r}. "
            "Rename them to GMAT's dotted names, such as 'Sat.SMA'."
        )
    duplicates = sorted(set(samples.columns[samples.columns.duplicated()]))
    if duplicates:
        raise SweepConfigError(
            f"samples has duplicate column names: {duplicates!r}. Keep one column per field."
        )
    if not samples.index.equals(pd.RangeIndex(len(samples))):
        raise SweepConfigError(
            "samples must have the default RangeIndex, because the row number is the run_id. "
            "Call samples.reset_index(drop=True) first."
        )
    if len(samples) == 0:
        return
    empty = [str(column) for column, is_empty in samples.isna().all().items() if is_empty]
    if empty:
        raise SweepConfigError(
            f"samples has all-NaN columns: {empty!r}. Drop them or fill them in."
        )


def expand_monte_carlo_to_run_specs(
    perturb: Mapping[str, DistSpec],
    n: int,
    seed: int | None,
    script_path: str | Path,
    output_dir: str | Path,
    *,
    nominal: Mapping[str, Any] | None = None,
) -> list[RunSpec]:
    """Return `n` runs whose overrides are independent draws from `perturb`.

    Run `i` has ``derive_run_seeds(seed, n)[i]`` as its seed. Each of its overrides is drawn with
    the seed ``derive_param_seed(run_seed, name)``. So a run is the same in a sweep of any size, and
    a parameter's draws do not depend on which others there are.

    Parameters
    ----------
    perturb : mapping of str to DistSpec
        A distribution for each field, in GMAT's units.
    n : int
        How many runs.
    seed : int or None
        The sweep's seed. None draws one that is not kept; pass `distributions.fresh_seed()` and
        record it to be able to repeat the sweep.
    script_path : str or Path
        The GMAT script.
    output_dir : str or Path
        Folder under which each run gets its own.
    nominal : mapping, optional
        What the script itself says, for draws about that: see `draws.sources.needed_of_nominal`.

    Raises
    ------
    SweepConfigError
        `perturb` is empty or holds an invalid distribution, or `n` or `seed` is out of range.
    """
    return list(monte_carlo_runs(perturb, n, seed, script_path, output_dir, nominal=nominal))


def monte_carlo_runs(
    perturb: Mapping[str, DistSpec],
    n: int,
    seed: int | None,
    script_path: str | Path,
    output_dir: str | Path,
    *,
    nominal: Mapping[str, Any] | None = None,
) -> PlannedRuns:
    """Return the runs of `expand_monte_carlo_to_run_specs` as a sequence that makes them on demand.

    Raises
    ------
    SweepConfigError
        As `expand_monte_carlo_to_run_specs`.
    """
    drawn = sources_of(perturb, "monte_carlo", nominal)
    count = checked_count(n, "n", "monte_carlo")
    return _monte_carlo_runs(drawn, 0, count, seed, Path(script_path), Path(output_dir))


def expand_monte_carlo_extension_to_run_specs(
    perturb: Mapping[str, DistSpec],
    old_n: int,
    n: int,
    seed: int | None,
    script_path: str | Path,
    output_dir: str | Path,
    *,
    nominal: Mapping[str, Any] | None = None,
) -> list[RunSpec]:
    """Return runs `old_n` to ``old_n + n - 1`` of a Monte Carlo sweep that has `old_n` already.

    They equal the last `n` runs of a fresh sweep of ``old_n + n`` runs with the same seed.

    Raises
    ------
    SweepConfigError
        As `expand_monte_carlo_to_run_specs`, or `old_n` is negative.
    """
    drawn = sources_of(perturb, "monte_carlo_extend", nominal)
    first = checked_count(old_n, "old_n", "monte_carlo_extend", minimum=0)
    count = checked_count(n, "n", "monte_carlo_extend")
    check_run_count(first + count, "the sweep with this extension")
    runs = _monte_carlo_runs(drawn, first, count, seed, Path(script_path), Path(output_dir))
    return list(runs)


def _monte_carlo_runs(
    sources: list[Source],
    first: int,
    count: int,
    seed: int | None,
    script_path: Path,
    output_dir: Path,
) -> PlannedRuns:
    seeds = derive_run_seeds(seed, first + count)[first:]
    rows = [tuple(values_in_run(sources, run_seed).values()) for run_seed in seeds]
    fields = [field for source in sources for field in source.fields]
    return PlannedRuns(fields, rows, script_path, output_dir, first=first, seeds=seeds)


def latin_hypercube_samples(
    perturb: Mapping[str, DistSpec],
    n: int,
    seed: int | None,
    *,
    nominal: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return `n` samples of `perturb`, stratified in every parameter.

    Parameters
    ----------
    perturb : mapping of str to DistSpec
        A distribution for each field, in GMAT's units.
    n : int
        How many samples, and strata.
    seed : int or None
        The sweep's seed; None draws one that is not kept.
    nominal : mapping, optional
        As for `expand_monte_carlo_to_run_specs`.

    Returns
    -------
    pandas.DataFrame
        `n` rows, columns in the order of the sorted names: float64, or objects where a field is
        text. Column `j` is the quantile function of its distribution at column `j` of
        `distributions.latin_hypercube_unit`.

    Raises
    ------
    SweepConfigError
        `perturb` is empty or holds an invalid distribution, or `n` or `seed` is out of range.
    """
    return design_samples("latin_hypercube", perturb, n, seed, nominal=nominal)


def design_samples(
    design: str,
    perturb: Mapping[str, DistSpec],
    n: int,
    seed: int | None,
    *,
    nominal: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return `n` samples of `perturb` at the points of a design.

    Parameters
    ----------
    design : {"latin_hypercube", "sobol", "halton"}
        The design.
    perturb, n, seed, nominal
        As for `latin_hypercube_samples`.

    Raises
    ------
    SweepConfigError
        As `latin_hypercube_samples`.
    """
    import pandas as pd

    sources = sources_of(perturb, design, nominal)
    count = checked_count(n, "n", design)
    unit = unit_points(design, count, sum(each.dimensions for each in sources), checked_seed(seed))
    columns: dict[str, list[Any]] = {}
    first = 0
    for source in sources:
        drawn = source.at(unit[:, first : first + source.dimensions])
        columns |= zip(source.fields, drawn, strict=True)
        first += source.dimensions
    frame = pd.DataFrame(columns)
    return frame.astype(dict.fromkeys(frame.select_dtypes("number"), "float64"))


def expand_latin_hypercube_to_run_specs(
    perturb: Mapping[str, DistSpec],
    n: int,
    seed: int | None,
    script_path: str | Path,
    output_dir: str | Path,
) -> list[RunSpec]:
    """Return one run per row of `latin_hypercube_samples`.

    The runs have no seed of their own, because a stratified design is drawn as a whole.

    Raises
    ------
    SweepConfigError
        As `latin_hypercube_samples`.
    """
    return list(latin_hypercube_runs(perturb, n, seed, script_path, output_dir))


def latin_hypercube_runs(
    perturb: Mapping[str, DistSpec],
    n: int,
    seed: int | None,
    script_path: str | Path,
    output_dir: str | Path,
) -> PlannedRuns:
    """Return the runs of `expand_latin_hypercube_to_run_specs`, made on demand.

    Raises
    ------
    SweepConfigError
        As `latin_hypercube_samples`.
    """
    return design_runs("latin_hypercube", perturb, n, seed, script_path, output_dir)


def design_runs(
    design: str,
    perturb: Mapping[str, DistSpec],
    n: int,
    seed: int | None,
    script_path: str | Path,
    output_dir: str | Path,
    *,
    nominal: Mapping[str, Any] | None = None,
) -> PlannedRuns:
    """Return one run per row of `design_samples`, made on demand.

    Raises
    ------
    SweepConfigError
        As `design_samples`.
    """
    samples = design_samples(design, perturb, n, seed, nominal=nominal)
    return sample_runs(samples, script_path, output_dir)
