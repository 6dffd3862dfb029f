"""Serve the flow ``nightly-dispersion`` from this machine: ``python flows/nightly.py``.

As long as this program runs, the flow runs the Monte Carlo below every night at 04:30 in the time
zone that ``TIMEZONE`` names, UTC by default, and compares it with the night before.
"""

import os
from pathlib import Path

from prefect.schedules import Cron

from gmat_sweep.flows import nightly_dispersion

PROJECT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Serve until interrupted."""
    os.environ.setdefault("GMAT_SWEEP_HOME", str(PROJECT))
    # Flow runs, which Prefect starts as `python -m`, import nothing from the folder they are in.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    nightly_dispersion.serve(
        name="served-nightly",
        schedule=Cron("30 4 * * *", timezone=os.environ.get("TIMEZONE") or "UTC"),
        parameters={
            "mission": "examples/injection.script",
            "vary": ["Injection.Element1=normal:2.4257:0.006"],
            "n": 100,
            "seed": 42,
        },
        tags=["gmat-sweep", "nightly"],
    )


if __name__ == "__main__":
    main()
