"""Rebuild the runs of a sweep from the record in its header.

`rebuild_runs` returns bit-equal runs from the record alone, so a resume has the draws of the first
pass.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.distributions import (
    checked_count,
    fresh_seed,
    perturb_from_json,
)
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import run_folder
from gmat_sweep.grids import grid_runs
from gmat_sweep.lazy_runs import LazyRuns
from gmat_sweep.manifest.values import NULL, take, take_members
from gmat_sweep.plans.header import (
    CONTEXTS_KEY,
    EVERY_CELL_IS_SET,
    EXPLICIT_RUNS_KEY,
    KINDS,
    NOMINAL_KEY,
    PLANNED_KEY,
    explicit_record,
    kind_of,
)
from gmat_sweep.plans.nominal import has_nominal, nominal_run
from gmat_sweep.plans.recorded_rows import as_recorded, is_missing
from gmat_sweep.plans.runs_by_id import (
    RecordedPlan,
    Values,
    design_values,
    drawn_values,
    grid_values,
)
from gmat_sweep.plans.size import check_size, planned_count
from gmat_sweep.spec import RunSpec

if TYPE_CHECKING:
    from gmat_sweep.manifest import Manifest

__all__ = [
    "extension_facts",
    "header_facts",
    "rebuild_runs",
    "recorded_plan",
]


def header_facts(
    runs: Sequence[RunSpec], parameter_spec: Mapping[str, Any], script: Path, folder: Path
) -> dict[str, Any]:
    """Return the header keys that must stand beside `parameter_spec` to bring back `runs`.

    Parameters
    ----------
    runs : sequence of RunSpec
        The runs of the sweep.
    parameter_spec : mapping
        The record of the plan, which the caller may have written.
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
        # To draw everything again would cost as much as planning did: take the draws as they are.
        rebuilt = LazyRuns(
            len(runs),
            lambda number: RunSpec(
                script,
                runs[number].overrides,
                run_folder(folder, number),
                number,
                runs[number].seed,
                {},
            ),
        )
    # Compare text: it tells 7000 from 7000.0 and keeps the order of the overrides.
    return len(rebuilt) == len(runs) and all(
        json.dumps(explicit_record([replace(run, context={})], script, folder))
        == json.dumps(explicit_record([again], script, folder))
        for run, again in zip(runs, rebuilt, strict=True)
    )


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
        The header's ``parameter_spec`` is of an unknown kind, damaged, or plans more runs than a
        sweep can have.

    Notes
    -----
    In the rows of an ``explicit`` record that the peer wrote, null and NaN stand for a column that
    the run does not set. The rebuilt run leaves such a field as the script has it. The id of the
    run and the types of its values come from its entry, if it has one.
    """
    return list(recorded_plan(manifest, script, folder).runs())


def recorded_plan(
    manifest: Manifest, script: Path, folder: Path, *, nominal: bool = False
) -> RecordedPlan:
    """Return the runs of `rebuild_runs` by their ids; those of a rule are made on demand.

    The parameters are those of `rebuild_runs`. With `nominal`, the nominal run is among them where
    the sweep has one.

    Raises
    ------
    SweepConfigError
        As `rebuild_runs`.
    """
    check_size(manifest)
    record = manifest.parameter_spec
    kind = _known_kind(record)
    try:
        contexts = take_members(manifest.extra, CONTEXTS_KEY, dict, {})
        kept = _kept_runs(manifest, script, folder)
        listed: Sequence[RunSpec] = kept or []
        ids, values = range(0), None
        if kind not in ("grid", "explicit"):
            ids, values = _by_chance(kind, manifest, kept)
        elif kept is None and kind == "grid":
            count, values = grid_values({k: v for k, v in record.items() if k != "_kind"})
            ids = range(count)
        elif kept is None:
            listed = _rows(record, script, folder)
            if record.get(EVERY_CELL_IS_SET) is not True:
                listed = as_recorded(listed, manifest.entries, folder)
        if nominal and has_nominal(manifest):
            listed = [nominal_run(script, folder), *listed]
        return RecordedPlan(
            [replace(run, context=contexts.get(str(run.run_id), run.context)) for run in listed],
            ids,
            values,
            script=script,
            folder=folder,
            contexts=contexts,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise SweepConfigError(
            f"The manifest's parameter_spec of kind {kind!r} is damaged: {error!r}. Restore the "
            "manifest from a copy."
        ) from error


def _kept_runs(manifest: Manifest, script: Path, folder: Path) -> list[RunSpec] | None:
    kept = take(manifest.extra, EXPLICIT_RUNS_KEY, list, NULL, default=None)
    if kept is None:
        return None
    take_members(manifest.extra, EXPLICIT_RUNS_KEY, dict, [])
    return [
        RunSpec.from_dict(
            {
                "script_path": str(script),
                **record,
                "overrides": _overrides(record["overrides"]),
                "output_dir": str(folder / record["output_dir"]),
            }
        )
        for record in kept
    ]


def _overrides(pairs: Any) -> dict[str, Any]:
    overrides = dict(pairs)
    if not all(isinstance(name, str) for name in overrides):
        raise ValueError(f"the overrides of {EXPLICIT_RUNS_KEY} must name fields by text")
    return overrides


def _rebuild_listed(
    kind: str, parameter_spec: Mapping[str, Any], script: Path, folder: Path
) -> Sequence[RunSpec]:
    if kind == "grid":
        grid = {name: values for name, values in parameter_spec.items() if name != "_kind"}
        return grid_runs(grid, script, folder)
    return _rows(parameter_spec, script, folder)


def _rows(parameter_spec: Mapping[str, Any], script: Path, folder: Path) -> list[RunSpec]:
    take(parameter_spec, "columns", list)
    columns = take_members(parameter_spec, "columns", str, [])
    all_set = parameter_spec.get(EVERY_CELL_IS_SET) is True
    return [
        RunSpec(
            script_path=script,
            overrides={
                name: cell
                for name, cell in zip(columns, row, strict=True)
                if all_set or not is_missing(cell)
            },
            output_dir=run_folder(folder, run_id),
            run_id=run_id,
            seed=None,
            run_options={},
        )
        for run_id, row in enumerate(take(parameter_spec, "rows", list))
    ]


def _by_chance(
    kind: str, manifest: Manifest, kept: list[RunSpec] | None
) -> tuple[range, Values | None]:
    """Return the ids of the runs of a random sweep that are drawn, and the rule that draws them."""
    record = manifest.parameter_spec
    perturb = perturb_from_json(take(record, "perturb", dict))
    n, seed = take(record, "n", int), take(record, "seed", int, NULL)
    nominal = take(record, NOMINAL_KEY, dict, NULL, default=None)
    if kept is not None and (seed is None or kind != "monte_carlo"):
        return range(0), None
    if seed is None:
        warnings.warn(
            "The manifest does not record the seed its sweep drew, so missing and failed runs are "
            "drawn anew and differ from what the first attempt would have drawn.",
            RuntimeWarning,
            skip_file_prefixes=(str(Path(__file__).parents[1]),),
        )
        seed = fresh_seed()
    if kind != "monte_carlo":
        return range(n), design_values(kind, perturb, n, seed, nominal)
    checked_count(n, "n", kind)
    first = 0 if kept is None else n
    return range(first, max(n, planned_count(manifest))), drawn_values(perturb, seed, nominal)


def extension_facts(parameter_spec: Mapping[str, Any], count: int) -> dict[str, int]:
    """Return the keys about extensions for the entries of a sweep that has `count` runs by now.

    Every pass over an extended sweep writes them again: the last entry of a run replaces others.
    """
    extended = kind_of(parameter_spec) == "monte_carlo" and count > int(parameter_spec["n"])
    return {PLANNED_KEY: count} if extended else {}
