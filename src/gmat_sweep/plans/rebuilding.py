"""What to run, written down: a plan is a list of runs and the header record they come back from.

`rebuild_runs` gives bit-equal runs from the record alone, so a resumed sweep draws what the first
one drew. A sweep without a seed gets one from the operating system, which the record keeps.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.distributions import (
    DistSpec,
    checked_seed,
    fresh_seed,
    perturb_from_json,
    perturb_to_json,
)
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.grids import (
    expand_latin_hypercube_to_run_specs,
    expand_monte_carlo_extension_to_run_specs,
    expand_monte_carlo_to_run_specs,
    grid_runs,
    latin_hypercube_runs,
    materialise_grid,
    monte_carlo_runs,
    sample_runs,
)
from gmat_sweep.lazy_runs import LazyRuns
from gmat_sweep.manifest.values import NULL, jsonable, take
from gmat_sweep.plans.recorded_rows import as_recorded, is_missing
from gmat_sweep.spec import RunSpec

if TYPE_CHECKING:
    import pandas as pd

    from gmat_sweep.manifest import Manifest

__all__ = [
    "CONTEXTS_KEY",
    "EXPLICIT_RUNS_KEY",
    "KINDS",
    "PLANNED_KEY",
    "Plan",
    "explicit_record",
    "extension_facts",
    "grid_plan",
    "header_facts",
    "kind_of",
    "latin_hypercube_plan",
    "monte_carlo_plan",
    "parameter_spec_from_runs",
    "planned_count",
    "rebuild_runs",
    "samples_plan",
]

KINDS = ("grid", "explicit", "monte_carlo", "latin_hypercube")
EXPLICIT_RUNS_KEY = "explicit_runs"
"""Header key under which runs that no rule generates are kept one by one."""
CONTEXTS_KEY = "contexts"
"""Header key under which the contexts of runs that a rule generates are kept, by run id."""

# Of rows without it, as the peer and `parameter_spec_from_runs` write them, nobody can tell a cell
# that was set to nothing from one that was not set.
_EVERY_CELL_IS_SET = "every_cell_is_set"


PLANNED_KEY = "planned_run_count"
"""Key of an extension's manifest entries: how many runs the sweep has with that extension."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The runs of a sweep and the record that rebuilds them.

    Attributes
    ----------
    runs : sequence of RunSpec
        In ascending ``run_id``; each is made when it is looked at.
    parameter_spec : dict
        The manifest header's ``parameter_spec``; ``_kind`` says which of `KINDS` it is.
    seed : int or None
        The sweep's seed, drawn from the operating system where the caller gave none.
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

    A missing cell is an override like any other, which GMAT refuses: that run fails, rather than
    running with the script's own value and passing for a sample.
    """
    runs = sample_runs(samples, script, folder)
    rows = [list(run.overrides.values()) for run in runs]
    record: dict[str, Any] = {
        "_kind": "explicit",
        "columns": [str(name) for name in samples.columns],
        "rows": rows,
    }
    if any(is_missing(cell) for row in rows for cell in row):
        record[_EVERY_CELL_IS_SET] = True
    return Plan(runs, record, checked_seed(seed))


def monte_carlo_plan(
    perturb: Mapping[str, DistSpec], n: int, seed: int | None, script: Path, folder: Path
) -> Plan:
    """Plan `n` runs with independent draws from `perturb`."""
    return _random_plan("monte_carlo", perturb, n, seed, script, folder)


def latin_hypercube_plan(
    perturb: Mapping[str, DistSpec], n: int, seed: int | None, script: Path, folder: Path
) -> Plan:
    """Plan `n` runs stratified in every parameter of `perturb`."""
    return _random_plan("latin_hypercube", perturb, n, seed, script, folder)


def _random_plan(
    kind: str,
    perturb: Mapping[str, DistSpec],
    n: int,
    seed: int | None,
    script: Path,
    folder: Path,
) -> Plan:
    record = {"_kind": kind, "perturb": perturb_to_json(perturb, kind), "n": n}
    seed = fresh_seed() if seed is None else checked_seed(seed)
    draw = monte_carlo_runs if kind == "monte_carlo" else latin_hypercube_runs
    runs = draw(perturb, n, seed, script, folder)
    return Plan(runs, {**record, "n": len(runs), "seed": seed}, seed)


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
    """Return hand-made runs as the header keeps them, folders relative to the sweep's.

    A run's script is kept only where it is not the sweep's own.

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
        # As pairs: GMAT is given the overrides in their order, and a JSON object has none.
        record["overrides"] = list(run.overrides.items())
        place = run.output_dir.absolute()
        if place.is_relative_to(folder.absolute()):
            place = place.relative_to(folder.absolute())
        record["output_dir"] = place.as_posix()
        records.append(jsonable(record, f"run {run.run_id}"))
    return records


def header_facts(
    runs: Sequence[RunSpec], parameter_spec: Mapping[str, Any], script: Path, folder: Path
) -> dict[str, Any]:
    """Return the header keys without which `parameter_spec` would not bring back `runs`.

    Parameters
    ----------
    runs : sequence of RunSpec
        The runs of the sweep.
    parameter_spec : mapping
        What was varied, as somebody described it.
    script, folder : Path
        The mission script and the sweep folder.

    Raises
    ------
    SweepConfigError
        A value cannot be written as JSON.
    """
    if not _come_back(runs, parameter_spec, script, folder):
        return {EXPLICIT_RUNS_KEY: explicit_record(runs, script, folder)}
    contexts = {str(run.run_id): run.context for run in runs if run.context}
    return {CONTEXTS_KEY: contexts} if contexts else {}


def _come_back(
    runs: Sequence[RunSpec], parameter_spec: Mapping[str, Any], script: Path, folder: Path
) -> bool:
    kind = kind_of(parameter_spec)
    if kind in ("grid", "explicit"):
        try:
            rebuilt = _rebuild_listed(kind, parameter_spec, script, folder)
        except (KeyError, TypeError, ValueError, SweepConfigError):
            return False
    elif kind not in KINDS or parameter_spec.get("seed") is None:
        return False
    else:
        # Drawing everything again would cost as much as planning did; the draws are taken on trust.
        rebuilt = LazyRuns(
            len(runs),
            lambda number: RunSpec(
                script,
                runs[number].overrides,
                folder / f"run-{number}",
                number,
                runs[number].seed,
                {},
            ),
        )
    # Run by run, and as text, which tells 7000 from 7000.0 and keeps the order of the overrides.
    return len(rebuilt) == len(runs) and all(
        json.dumps(explicit_record([replace(run, context={})], script, folder))
        == json.dumps(explicit_record([again], script, folder))
        for run, again in zip(runs, rebuilt, strict=True)
    )


def kind_of(parameter_spec: Mapping[str, Any]) -> str:
    """Return what a header's ``parameter_spec`` says it is, which need not be one of `KINDS`."""
    # The oldest manifests hold a bare grid.
    return str(parameter_spec.get("_kind", "grid"))


def _known_kind(parameter_spec: Mapping[str, Any]) -> str:
    kind = kind_of(parameter_spec)
    if kind not in KINDS:
        raise SweepConfigError(
            f"unknown parameter_spec _kind {kind!r}; this version knows {', '.join(KINDS)}. Use "
            "the version of gmat-sweep that wrote it."
        )
    return kind


def rebuild_runs(manifest: Manifest, script: Path, folder: Path) -> list[RunSpec]:
    """Return the runs of a sweep from its manifest's header, extensions included.

    Parameters
    ----------
    manifest : Manifest
        The loaded manifest.
    script : Path
        The mission script.
    folder : Path
        The sweep folder, under which runs have their folders.

    Raises
    ------
    SweepConfigError
        The header's ``parameter_spec`` is of an unknown kind or damaged.

    Notes
    -----
    In the rows of an ``explicit`` record that the peer wrote, null and NaN stand for a column that
    the run does not set; a run rebuilt from them leaves it as the script has it. Its id and the
    types of its values come from its entry, where it has one.
    """
    record = manifest.parameter_spec
    kind = _known_kind(record)
    try:
        kept = _kept_runs(manifest, script, folder)
        runs: Sequence[RunSpec] | None = kept
        if kind in ("grid", "explicit"):
            if runs is None:
                runs = _rebuild_listed(kind, record, script, folder)
                if kind == "explicit" and record.get(_EVERY_CELL_IS_SET) is not True:
                    runs = as_recorded(runs, manifest.entries, folder)
        else:
            runs = _rebuild_random(kind, manifest, script, folder, kept)
        contexts = take(manifest.extra, CONTEXTS_KEY, dict, default={})
        return [
            replace(run, context=take(contexts, str(run.run_id), dict, default=run.context))
            for run in runs
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise SweepConfigError(
            f"The manifest's parameter_spec of kind {kind!r} is damaged: {error!r}. Restore the "
            "manifest from a copy."
        ) from error


def _kept_runs(manifest: Manifest, script: Path, folder: Path) -> list[RunSpec] | None:
    kept = take(manifest.extra, EXPLICIT_RUNS_KEY, list, NULL, default=None)
    if kept is None:
        return None
    return [
        RunSpec.from_dict(
            {
                "script_path": str(script),
                **record,
                "overrides": dict(record["overrides"]),
                "output_dir": str(folder / record["output_dir"]),
            }
        )
        for record in kept
    ]


def _rebuild_listed(
    kind: str, parameter_spec: Mapping[str, Any], script: Path, folder: Path
) -> Sequence[RunSpec]:
    if kind == "grid":
        grid = {name: values for name, values in parameter_spec.items() if name != "_kind"}
        return grid_runs(grid, script, folder)
    columns = take(parameter_spec, "columns", list)
    all_set = parameter_spec.get(_EVERY_CELL_IS_SET) is True
    return [
        RunSpec(
            script_path=script,
            overrides={
                name: cell
                for name, cell in zip(columns, row, strict=True)
                if all_set or not is_missing(cell)
            },
            output_dir=folder / f"run-{run_id}",
            run_id=run_id,
            seed=None,
            run_options={},
        )
        for run_id, row in enumerate(take(parameter_spec, "rows", list))
    ]


def _rebuild_random(
    kind: str, manifest: Manifest, script: Path, folder: Path, kept: list[RunSpec] | None
) -> list[RunSpec]:
    record = manifest.parameter_spec
    perturb = perturb_from_json(take(record, "perturb", dict))
    n, seed = take(record, "n", int), take(record, "seed", int, NULL)
    if kept is not None and (seed is None or kind == "latin_hypercube"):
        return kept
    if seed is None:
        warnings.warn(
            "The manifest does not record the seed its sweep drew, so missing and failed runs are "
            "drawn anew and differ from what the first attempt would have drawn.",
            RuntimeWarning,
            stacklevel=4,
        )
        seed = fresh_seed()
    if kind == "latin_hypercube":
        return expand_latin_hypercube_to_run_specs(perturb, n, seed, script, folder)
    runs = kept
    if runs is None:
        runs = expand_monte_carlo_to_run_specs(perturb, n, seed, script, folder)
    added = planned_count(manifest) - n
    if added > 0:
        runs += expand_monte_carlo_extension_to_run_specs(perturb, n, added, seed, script, folder)
    return runs


def planned_count(manifest: Manifest) -> int:
    """Return how many runs a sweep is meant to have, extensions included as far as known.

    Each entry of an extension says how many, so that one that was killed can be finished. Run ids
    of a sweep of explicit runs are the user's own and say nothing of how many there are.
    """
    if manifest.parameter_spec.get("_kind") != "monte_carlo":
        return manifest.run_count
    planned = [entry.extra.get(PLANNED_KEY) for entry in manifest.entries]
    return max([manifest.total_run_count, *(each for each in planned if isinstance(each, int))])


def extension_facts(parameter_spec: Mapping[str, Any], count: int) -> dict[str, int]:
    """Return what the entries of a sweep that has `count` runs by now say of its extensions.

    Every pass over an extended sweep repeats it: the last entry of a run replaces earlier ones.
    """
    extended = kind_of(parameter_spec) == "monte_carlo" and count > int(parameter_spec["n"])
    return {PLANNED_KEY: count} if extended else {}
