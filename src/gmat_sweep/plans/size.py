"""How many runs a recorded plan has, told before any of them is made.

A few bytes of a manifest can plan any number of runs. `check_size` refuses what no sweep is before
anything is made of it, and `implausible_size` says so to whoever only looks.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gmat_sweep.draws.designs import DESIGNS
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.limits import MOST_RUNS, number_text
from gmat_sweep.plans.header import EXPLICIT_RUNS_KEY, PLANNED_KEY, kind_of
from gmat_sweep.spec import NOMINAL_RUN_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gmat_sweep.manifest import Manifest, ManifestEntry

__all__ = ["check_size", "implausible_size", "planned_count", "recorded_count"]


def planned_count(manifest: Manifest) -> int:
    """Return the number of runs that a sweep will have, extensions included as far as known.

    Each entry of an extension has that number, so that a resume can finish a killed extension. Run
    ids of a sweep of explicit runs are the user's own and do not tell the number.
    """
    if manifest.parameter_spec.get("_kind") != "monte_carlo":
        return manifest.run_count
    return max([manifest.total_run_count, *map(_planned_by, manifest.entries)])


def recorded_count(manifest: Manifest) -> int:
    """Return how many runs have an entry; the nominal run is none of the planned ones."""
    return sum(entry.run_id != NOMINAL_RUN_ID for entry in manifest.latest().values())


def _planned_by(entry: ManifestEntry) -> int:
    planned = entry.extra.get(PLANNED_KEY)
    return planned if isinstance(planned, int) else 0


def check_size(manifest: Manifest) -> None:
    """Refuse a plan that has more runs than a sweep can have; nothing is made of it.

    Raises
    ------
    SweepConfigError
        As `implausible_size` says.
    """
    if problem := implausible_size(manifest):
        raise SweepConfigError(f"{problem}. Restore the manifest from a copy.")


def implausible_size(manifest: Manifest) -> str:
    """Return why no sweep has as many runs as a manifest plans; empty if one may have.

    Parameters
    ----------
    manifest : Manifest
        The header, and the entries, which tell of extensions. Values of a wrong type are none of
        this function's business.
    """
    for what, count in _sizes(manifest):
        if count > MOST_RUNS or count < 0:
            return (
                f"the manifest plans {number_text(count)} runs ({what}), which is implausible: a "
                f"sweep has {MOST_RUNS:,} at most"
            )
    return ""


def _sizes(manifest: Manifest) -> Iterator[tuple[str, int]]:
    yield "line 1, run_count", manifest.run_count
    yield "line 1, parameter_spec", _size_of_spec(manifest)
    if kind_of(manifest.parameter_spec) == "monte_carlo" and manifest.entries:
        # An entry tells of an extension by the number of its run, too.
        entry = max(manifest.entries, key=lambda each: max(each.run_id, _planned_by(each)))
        yield f"the entry of run {number_text(entry.run_id)}", max(entry.run_id, _planned_by(entry))


def _size_of_spec(manifest: Manifest) -> int:
    """Return how many runs the header's plan makes; 0 if it is none that makes any."""
    record = manifest.parameter_spec
    kind = kind_of(record)
    if kind == "grid" and manifest.extra.get(EXPLICIT_RUNS_KEY) is None:
        return math.prod(len(axis) for axis in record.values() if isinstance(axis, list))
    # The rows of a table, and hand-made runs, are in the header themselves.
    count = record.get("n") if kind in ("monte_carlo", *DESIGNS) else 0
    return count if isinstance(count, int) else 0
