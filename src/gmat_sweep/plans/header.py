"""The record of a plan in the manifest's header."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmat_sweep.draws.designs import DESIGNS
from gmat_sweep.manifest.values import jsonable
from gmat_sweep.spec import RunSpec

__all__ = [
    "CONTEXTS_KEY",
    "DESIGN_KEY",
    "ENGINE_DATA_KEY",
    "EVERY_CELL_IS_SET",
    "EXPLICIT_RUNS_KEY",
    "KINDS",
    "NOMINAL_KEY",
    "PLANNED_KEY",
    "explicit_record",
    "kind_of",
    "parameter_spec_from_runs",
    "values_varied",
]

KINDS = ("grid", "explicit", "monte_carlo", *DESIGNS)
DESIGN_KEY = "design"
"""Key of a table's ``attrs`` and of its record: what made rows that are no independent draws."""
ENGINE_DATA_KEY = "engine_data"
"""Header key of the engine's data files that are replaced as time goes by: their hashes by name."""
NOMINAL_KEY = "nominal"
"""Key of a plan's record: the script's own values that the draws are about."""
EXPLICIT_RUNS_KEY = "explicit_runs"
"""Header key of the list of runs that no rule generates."""
CONTEXTS_KEY = "contexts"
"""Header key of the contexts, by run id, of runs that a rule generates."""

# The peer and `parameter_spec_from_runs` write rows without this key: there a null is a cell that
# was set to nothing, or one that was not set.
EVERY_CELL_IS_SET = "every_cell_is_set"


PLANNED_KEY = "planned_run_count"
"""Key of an extension's manifest entries: the number of runs of the sweep with that extension."""


def parameter_spec_from_runs(runs: Iterable[RunSpec]) -> dict[str, Any]:
    """Return the ``explicit`` record of hand-made runs.

    Parameters
    ----------
    runs : iterable of RunSpec
        Their overrides become rows; their context is not part of the record.

    Returns
    -------
    dict
        ``columns``, the override names in the order first seen, and ``rows``, with None where a
        run does not set a column.
    """
    rows = [run.overrides for run in runs]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {
        "_kind": "explicit",
        "columns": columns,
        "rows": [[row.get(name) for name in columns] for row in rows],
    }


def explicit_record(runs: Sequence[RunSpec], script: Path, folder: Path) -> list[dict[str, Any]]:
    """Return hand-made runs in the form of the header, with folders relative to the sweep folder.

    A record has the run's script only if that is not the sweep's own.

    Raises
    ------
    SweepConfigError
        A value cannot be written as JSON; the message names the run and the place.
    """
    records = []
    for run in runs:
        record = run.to_dict()
        if run.script_path.absolute() == script.absolute():
            del record["script_path"]
        # As pairs: GMAT gets the overrides in their order, and a JSON object has no order.
        record["overrides"] = list(run.overrides.items())
        place = run.output_dir.absolute()
        if place.is_relative_to(folder.absolute()):
            place = place.relative_to(folder.absolute())
        record["output_dir"] = place.as_posix()
        records.append(jsonable(record, f"run {run.run_id}"))
    return records


def values_varied(parameter_spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a header's ``parameter_spec`` gives each field, in whatever holds it.

    Of a grid and of rows the values, of draws the distributions. What a stranger's header has in
    another form is left out.
    """
    kind = kind_of(parameter_spec)
    if kind == "explicit":
        columns, rows = parameter_spec.get("columns"), parameter_spec.get("rows")
        if not isinstance(columns, list) or not isinstance(rows, list):
            return {}
        whole = [row for row in rows if isinstance(row, list) and len(row) == len(columns)]
        return {str(name): [row[at] for row in whole] for at, name in enumerate(columns)}
    given = parameter_spec if kind == "grid" else parameter_spec.get("perturb")
    if not isinstance(given, Mapping):
        return {}
    return {str(name): values for name, values in given.items() if name != "_kind"}


def kind_of(parameter_spec: Mapping[str, Any]) -> str:
    """Return the kind that a header's ``parameter_spec`` names; it need not be one of `KINDS`."""
    # The oldest manifests hold a bare grid.
    return str(parameter_spec.get("_kind", "grid"))
