"""Whether a sweep, or a night with all its sweeps, has ended: every planned run is recorded."""

from __future__ import annotations

import logging
from pathlib import Path

from gmat_sweep.analysis.nightly.cohorts import cohorts_of
from gmat_sweep.errors import GmatSweepError
from gmat_sweep.folder.layout import MANIFEST_NAME
from gmat_sweep.manifest import Manifest
from gmat_sweep.plans import planned_count, recorded_count

__all__ = ["is_complete", "is_whole"]

_log = logging.getLogger("gmat_sweep")


def is_complete(folder: Path) -> bool:
    """Return whether every run of a sweep is recorded in a manifest that can be read."""
    try:
        manifest = Manifest.load(folder / MANIFEST_NAME)
    except (OSError, GmatSweepError) as error:
        _log.info("%s holds no whole sweep: %s", folder, error)
        return False
    return recorded_count(manifest) >= planned_count(manifest)


def is_whole(night: Path) -> bool:
    """Return whether every run of every sweep of a night is recorded.

    A night whose rotating cohort has a folder and no manifest was stopped before it began.
    """
    return all(map(is_complete, cohorts_of(night)))
