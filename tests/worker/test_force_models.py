"""Overriding a field does what editing the script does, also where GMAT keeps copies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gmat_sweep.backends.process.worker_process import WorkerProcess
from gmat_sweep.spec import RunSpec
from repository import DATA

LOW_ORBIT = DATA / "low_orbit.script"


class Runs:
    """Runs missions and gives their reports."""

    def __init__(self, worker: WorkerProcess, folder: Path) -> None:
        self.worker = worker
        self.folder = folder
        self.count = 0

    def report(self, script: Path, overrides: dict[str, Any]) -> pd.DataFrame:
        """Return the report of one run."""
        self.count += 1
        folder = self.folder / f"run-{self.count}"
        outcome = self.worker.run(RunSpec(script, overrides, folder, self.count, None, {}))
        assert outcome.status == "ok", outcome.stderr
        return pd.read_parquet(outcome.output_paths["report__RF"])

    def edited(self, path: str, value: object) -> Path:
        """Return the mission with one assignment changed in its text, or added."""
        line = f"GMAT {path} = {value};"
        assignment = re.compile(rf"^GMAT {re.escape(path)} = .*$", re.MULTILINE)
        text, found = assignment.subn(line, LOW_ORBIT.read_text(), count=1)
        if not found:
            text = text.replace("BeginMissionSequence;", f"{line}\nBeginMissionSequence;")
        script = self.folder / f"edited-{self.count}.script"
        script.write_text(text)
        return script


@pytest.fixture
def runs(worker: WorkerProcess, tmp_path: Path) -> Runs:
    """Missions run on the shared engine."""
    return Runs(worker, tmp_path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        # A propagator flies with a copy of its force model, made when the script is loaded.
        ("FM.GravityField.Earth.Degree", 2),
        ("FM.Drag.F107", 220.0),
        ("Prop.MaxStep", 20.0),
        ("Sat.Cd", 3.0),
        ("Tank.FuelMass", 60.0),
        ("Thruster.C1", 15.0),
    ],
)
def test_an_override_does_what_editing_the_script_does(runs: Runs, path: str, value: float) -> None:
    unchanged = runs.report(LOW_ORBIT, {})
    overridden = runs.report(LOW_ORBIT, {path: value})
    edited = runs.report(runs.edited(path, value), {})

    pd.testing.assert_frame_equal(edited, overridden, check_exact=True)
    assert not unchanged.equals(overridden)


def test_a_force_model_is_brought_back_for_the_next_run(runs: Runs) -> None:
    unchanged = runs.report(LOW_ORBIT, {})
    for degree in (2, 4, 3, 5):
        runs.report(LOW_ORBIT, {"FM.GravityField.Earth.Degree": degree})
    after = runs.report(LOW_ORBIT, {"Sat.DragArea": 10.0})

    pd.testing.assert_frame_equal(unchanged, after, check_exact=True)
