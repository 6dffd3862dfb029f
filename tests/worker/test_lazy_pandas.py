"""A worker has no pandas until a mission needs it, and gmat-run is whole then."""

import json
import os
import subprocess
import sys
from pathlib import Path

from gmat_sweep.engine import CONDENSED_VARIABLE, SCRATCH_VARIABLE
from repository import DATA

_PROGRAM = """
import json, os, sys
from pathlib import Path
from gmat_sweep.backends.process import worker_main
from gmat_sweep.spec import RunSpec

worker_main._import_engine()
script, folder = map(Path, sys.argv[1:])
from gmat_sweep.worker import run_one

for number in range(2):
    out = folder / f"run-{number}"
    outcome = run_one(RunSpec(script, {"Sat.SMA": 7000.5 + number}, out, number, None, {}))
    assert outcome.status == "ok", outcome.stderr
without = [name in sys.modules for name in ("pandas", "gmat_run.mission", "pyarrow.parquet")]

from gmat_run.parsers import epoch
from gmat_run.parsers.reportfile import parse

frame = parse(folder / "run-1" / "RF.txt")
import pandas as pd

days = epoch.promote_epochs(pd.DataFrame({"Sat.A1ModJulian": [21545.0, 21545.5]}))
print(json.dumps({
    "without": without,
    "rows": len(frame),
    "first": str(frame.iloc[0, 0]),
    "days": list(map(str, days["Sat.A1ModJulian"])),
    "is pandas": epoch.pd is pd and isinstance(epoch._GMAT_MJD_EPOCH, pd.Timestamp),
    "pyarrow": "pandas" in sys.modules,
}))
"""


def test_a_worker_flies_a_common_mission_without_pandas(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(DATA / "leo_basic.script"), str(tmp_path)],
        env={
            **os.environ,
            "PYTHONPATH": ":".join(filter(None, sys.path)),
            CONDENSED_VARIABLE: "1",
            SCRATCH_VARIABLE: str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "without": [False, True, True],
        "rows": 3,
        "first": "2026-01-01 00:00:00",
        "days": ["2000-01-01 12:00:00", "2000-01-02 00:00:00"],
        "is pandas": True,
        "pyarrow": True,
    }


_BROKEN = """
import sys
sys.path.insert(0, sys.argv[1])
from gmat_sweep.worker.lazy_pandas import import_gmat_run
import_gmat_run()
import gmat_run, pandas
print(gmat_run.FOUND, gmat_run.pd is pandas)
"""


def test_a_release_that_needs_pandas_at_once_gets_it(tmp_path: Path) -> None:
    """The stand-in cannot be told from pandas by a release that asks for its version."""
    (tmp_path / "gmat_run.py").write_text(
        "import pandas as pd\nFOUND = int(pd.__version__.partition('.')[0]) > 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", _BROKEN, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.returncode) == ("True True\n", 0), done.stderr
