"""Postprocess hooks for sweeps of the tests.

Worker processes import this module, so it must stay free of pytest.
"""

import errno
import json
import os
import signal
import time
from pathlib import Path

from gmat_sweep.spec import RunOutcome, RunSpec


def note(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Write the run's overrides, context and seed to a file; sleep or fail first if told to."""
    import pandas as pd

    refused = spec.output_dir.parent / "refused.json"
    if refused.exists() and spec.run_id in json.loads(refused.read_text()):
        raise RuntimeError(f"run {spec.run_id} is refused")
    time.sleep(spec.context.get("sleep_s", 0.0))
    path = spec.output_dir / "note.parquet"
    told = {key: value for key, value in spec.context.items() if key != "sleep_s"}
    pd.DataFrame(
        {
            "overrides": [json.dumps(spec.overrides)],
            "context": [json.dumps(told, sort_keys=True)],
            "seed": [str(spec.seed)],
        }
    ).to_parquet(path)
    return {"note": path}


def count_rows(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Write to a file how many rows the report has."""
    import pandas as pd

    path = spec.output_dir / "rows.parquet"
    rows = len(pd.read_parquet(outcome.output_paths["report__RF"]))
    pd.DataFrame({"rows": [rows]}).to_parquet(path)
    return {"rows": path}


def time_as_index(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Save the report's X with the time as the frame's index."""
    import pandas as pd

    path = spec.output_dir / "x.parquet"
    report = pd.read_parquet(outcome.output_paths["report__RF"])
    report.set_index("time")[["Sat.X"]].to_parquet(path)
    return {"x": path}


def rows_of_some(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Save a table with as many rows as the run's number."""
    import pandas as pd

    path = spec.output_dir / "rows.parquet"
    pd.DataFrame({"value": [float(n) for n in range(spec.run_id)]}).to_parquet(path)
    return {"rows": path}


def end_as_told(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Leave by ``SystemExit``, end the process, or go on, as the context says."""
    match spec.context.get("end"):
        case "leave":
            raise SystemExit(3)
        case "die":
            os._exit(3)
        case "die once":
            before = spec.output_dir.parent / f"died-{spec.run_id}"
            if not before.exists():
                before.touch()
                os._exit(3)
    time.sleep(spec.context.get("sleep_s", 0.0))
    return {}


def die_in_mid_run(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Note what is in the run's folder; be killed half-way as often as the context says."""
    deaths = spec.output_dir.parent / f"deaths-{spec.run_id}"
    # GMAT leaves its own log in some runs' folders only.
    found = sorted({path.name for path in spec.output_dir.iterdir()} - {"GmatLog.txt"})
    so_far = len(deaths.read_text()) if deaths.exists() else 0
    if so_far < spec.context.get("deaths", 0):
        with deaths.open("a") as file:
            file.write("x")
        (spec.output_dir / "half.csv").write_text(f"attempt {so_far + 1}")
        (spec.output_dir / ".fit.parquet.tmp-123-0123abcd").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    path = spec.output_dir / "found.json"
    path.write_text(json.dumps(found))
    return {"found": path}


SCORE = ["not", "callable"]
"""A name that is no hook."""


def find_the_disk_full(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Fail as on a full disk after a few runs, as long as there is a file ``room`` to remove."""
    if spec.run_id >= 5 and (spec.output_dir.parent.parent / "room").exists():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(spec.output_dir / "big.bin"))
    return {}


def need_a_file(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Read a file beside the runs that may not be there."""
    (spec.output_dir.parent / "model.dat").read_bytes()
    return {}
