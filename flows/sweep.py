"""Serve the flow ``gmat-sweep`` from this machine: ``python flows/sweep.py``.

Its deployments are ready in the Prefect UI as long as this program runs, and their flow runs
execute in it. A flow of your own can call `gmat_sweep_flow` as any other flow.
"""

import os
from pathlib import Path

from gmat_sweep.flows import gmat_sweep_flow

PROJECT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Serve until interrupted."""
    os.environ.setdefault("GMAT_SWEEP_HOME", str(PROJECT))
    # Flow runs, which Prefect starts as `python -m`, import nothing from the folder they are in.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    gmat_sweep_flow.serve(
        name="served-here",
        description="Any sweep, run by the process that serves it.",
        parameters={
            "mission": "examples/injection.script",
            "vary": ["Injection.Element1=normal:2.4257:0.006"],
            "n": 20,
        },
        tags=["gmat-sweep"],
    )


if __name__ == "__main__":
    main()
