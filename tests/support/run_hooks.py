"""Postprocess hooks that keep their contract, and hooks that break it in every way there is.

Worker processes import this module, so it must stay free of pytest.
"""

import sys
from pathlib import Path
from typing import Any

from gmat_sweep.spec import RunOutcome, RunSpec

CONSTANT = 1
"""A name that is no hook."""


def record(spec: RunSpec, outcome: RunOutcome) -> dict[str, Any]:
    """Write what the hook was given."""
    path = spec.output_dir / "seen.txt"
    path.write_text(repr((spec.run_id, spec.context, outcome.to_dict())))
    return {"seen": path, "as_text": str(path)}


def farthest(spec: RunSpec, outcome: RunOutcome) -> dict[str, Any]:
    """Write the largest X of the report R, beside the run's SMA: the same for the same run."""
    import pandas as pd

    report = pd.read_parquet(outcome.output_paths["report__R"])
    path = spec.output_dir / "farthest.parquet"
    row = {"x": [report["Sat.X"].max()], "sma": [spec.overrides["Sat.SMA"]]}
    pd.DataFrame(row).to_parquet(path)
    return {"farthest": path}


class Namespace:
    """Something with a hook inside."""

    @staticmethod
    def record(spec: RunSpec, outcome: RunOutcome) -> dict[str, Any]:
        """Write what the hook was given."""
        return record(spec, outcome)


def touch(spec: RunSpec, outcome: RunOutcome) -> dict[str, Any]:
    """Leave a file that is not named."""
    (spec.output_dir / "touched").touch()
    return {}


def empty(spec: RunSpec, outcome: RunOutcome) -> dict[str, Any]:
    """Leave nothing."""
    return {}


def none(spec: RunSpec, outcome: RunOutcome) -> None:
    """Return no mapping."""


def a_list(spec: RunSpec, outcome: RunOutcome) -> list[Path]:
    """Return a list."""
    return [spec.output_dir / "worker.log"]


def absent(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Name a file that is not there."""
    return {"apsides": spec.output_dir / "absent.parquet"}


def a_folder(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Name a folder."""
    return {"apsides": spec.output_dir}


def number(spec: RunSpec, outcome: RunOutcome) -> dict[str, int]:
    """Name no path."""
    return {"apsides": 5}


def number_key(spec: RunSpec, outcome: RunOutcome) -> dict[int, Path]:
    """Return a key that is no text."""
    return {5: spec.output_dir / "worker.log"}


def raising(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Fail."""
    raise RuntimeError("no periapsis")


def leaving(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Leave the interpreter."""
    sys.exit("the hook had enough")


def interrupted(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Be interrupted."""
    raise KeyboardInterrupt
