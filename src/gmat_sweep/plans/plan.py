"""A plan is a list of runs and the header record that brings them back.

A sweep without a seed gets one from the operating system. The record keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.distributions import (
    DistSpec,
    checked_seed,
    fresh_seed,
    perturb_to_json,
)
from gmat_sweep.grids import (
    design_runs,
    grid_runs,
    materialise_grid,
    monte_carlo_runs,
    sample_runs,
)
from gmat_sweep.plans.header import (
    DESIGN_KEY,
    EVERY_CELL_IS_SET,
    NOMINAL_KEY,
)
from gmat_sweep.plans.recorded_rows import is_missing
from gmat_sweep.spec import RunSpec

if TYPE_CHECKING:
    import pandas as pd


__all__ = [
    "Plan",
    "grid_plan",
    "latin_hypercube_plan",
    "monte_carlo_plan",
    "random_plan",
    "samples_plan",
]


@dataclass(frozen=True, slots=True)
class Plan:
    """The runs of a sweep and the record that rebuilds them.

    Attributes
    ----------
    runs : sequence of RunSpec
        The runs in ascending ``run_id``. The sequence makes a run when it is read.
    parameter_spec : dict
        The manifest header's ``parameter_spec``; ``_kind`` says which of `KINDS` it is.
    seed : int or None
        The sweep's seed, drawn from the operating system if the caller gave none.
    """

    runs: Sequence[RunSpec]
    parameter_spec: dict[str, Any]
    seed: int | None = None


def grid_plan(
    grid: Mapping[str, Iterable[Any]], script: Path, folder: Path, seed: int | None = None
) -> Plan:
    """Plan the full factorial of `grid`; `seed` is recorded and not used."""
    listed = materialise_grid(grid)
    runs = grid_runs(listed, script, folder)
    return Plan(runs, {"_kind": "grid", **listed}, checked_seed(seed))


def samples_plan(
    samples: pd.DataFrame, script: Path, folder: Path, seed: int | None = None
) -> Plan:
    """Plan one run per row of `samples`; `seed` is recorded and not used.

    A missing cell is an override like any other, and GMAT refuses it. So that run fails; it does
    not fly with the script's own value and pass for a sample.
    """
    runs = sample_runs(samples, script, folder)
    rows = [list(run.overrides.values()) for run in runs]
    record: dict[str, Any] = {
        "_kind": "explicit",
        "columns": [str(name) for name in samples.columns],
        "rows": rows,
    }
    if design := samples.attrs.get(DESIGN_KEY):
        record[DESIGN_KEY] = str(design)
    if any(is_missing(cell) for row in rows for cell in row):
        record[EVERY_CELL_IS_SET] = True
    return Plan(runs, record, checked_seed(seed))


def monte_carlo_plan(
    perturb: Mapping[str, DistSpec],
    n: int,
    seed: int | None,
    script: Path,
    folder: Path,
    nominal: Mapping[str, Any] | None = None,
) -> Plan:
    """Plan `n` runs with independent draws from `perturb`.

    `nominal` has what the script itself says of `draws.sources.needed_of_nominal`, and is recorded.
    """
    return random_plan("monte_carlo", perturb, n, seed, script, folder, nominal)


def latin_hypercube_plan(
    perturb: Mapping[str, DistSpec],
    n: int,
    seed: int | None,
    script: Path,
    folder: Path,
    nominal: Mapping[str, Any] | None = None,
) -> Plan:
    """Plan `n` runs stratified in every parameter of `perturb`."""
    return random_plan("latin_hypercube", perturb, n, seed, script, folder, nominal)


def random_plan(
    kind: str,
    perturb: Mapping[str, DistSpec],
    n: int,
    seed: int | None,
    script: Path,
    folder: Path,
    nominal: Mapping[str, Any] | None = None,
) -> Plan:
    """Plan `n` runs of one of the kinds with draws: ``monte_carlo`` or a name of `DESIGNS`."""
    record: dict[str, Any] = {"_kind": kind, "perturb": perturb_to_json(perturb, kind), "n": n}
    seed = fresh_seed() if seed is None else checked_seed(seed)
    if kind == "monte_carlo":
        runs = monte_carlo_runs(perturb, n, seed, script, folder, nominal=nominal)
    else:
        runs = design_runs(kind, perturb, n, seed, script, folder, nominal=nominal)
    if nominal:
        record[NOMINAL_KEY] = dict(nominal)
    return Plan(runs, {**record, "n": len(runs), "seed": seed}, seed)
