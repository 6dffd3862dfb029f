"""The nominal run: the undispersed mission, flown and recorded beside the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.folder.layout import run_folder
from gmat_sweep.lazy_runs import LazyRuns
from gmat_sweep.spec import NOMINAL_RUN_ID, RunSpec

if TYPE_CHECKING:
    from gmat_sweep.manifest import Manifest

__all__ = ["NOMINAL_RUN_KEY", "has_nominal", "nominal_run", "with_nominal"]

NOMINAL_RUN_KEY = "nominal_run"
"""Header key of a sweep that has a nominal run."""


def has_nominal(manifest: Manifest) -> bool:
    """Return whether a sweep has a nominal run, flown or not."""
    return manifest.extra.get(NOMINAL_RUN_KEY) is True


def nominal_run(script: Path, folder: Path) -> RunSpec:
    """Return the nominal run of a mission, in its folder of a sweep's."""
    return RunSpec(
        script_path=script,
        overrides={},
        output_dir=run_folder(folder, NOMINAL_RUN_ID),
        run_id=NOMINAL_RUN_ID,
        seed=None,
        run_options={},
    )


def with_nominal(runs: Sequence[RunSpec], script: Path, folder: Path) -> Sequence[RunSpec]:
    """Return the runs of a sweep with the nominal run before them.

    Parameters
    ----------
    runs : sequence of RunSpec
        The runs of the plan.
    script, folder : Path
        The mission script and the sweep folder.
    """
    nominal = nominal_run(script, folder)
    return LazyRuns(len(runs) + 1, lambda place: runs[place - 1] if place else nominal)
