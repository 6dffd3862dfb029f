"""A mission that ends at a solver as its script says is a run that did not fail.

The expected rows are those of the file that plain GMAT leaves when it flies the same script.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from gmat_sweep.backends.process.worker_process import WorkerProcess
from gmat_sweep.causes import headline
from gmat_sweep.spec import RunOutcome, RunSpec
from plain_gmat import PlainGmat

HEAD = """\
Create Spacecraft Sat;
Create ForceModel FM;
FM.PointMasses = {Earth};
Create Propagator P;
P.FM = FM;
Create ImpulsiveBurn B;
B.Axes = VNB;
Create DifferentialCorrector DC;
DC.MaximumIterations = 8;
Create ReportFile R;
R.Filename = 'r.txt';
R.Add = {Sat.X, Sat.SMA};
BeginMissionSequence;
Propagate P(Sat) {Sat.ElapsedSecs = 120};
"""
LINE = len(HEAD.splitlines()) + 1
TARGET = """\
Target DC {SolveMode = MODE, ExitMode = Stop};
Vary DC(B.Element1 = 0.1, {Perturbation = 0.001, MaxStep = 0.2});
Maneuver B(Sat);
Achieve DC(Sat.SMA = GOAL, {Tolerance = 0.1});
EndTarget;
"""
SOLVED = TARGET.replace("MODE", "Solve").replace("GOAL", "7300")
GUESSED = TARGET.replace("MODE", "RunInitialGuess").replace("GOAL", "7300")
MISSED = TARGET.replace("MODE", "Solve").replace("GOAL", "99999999")
REST = "Report R Sat.X Sat.Y;\nPropagate P(Sat) {Sat.ElapsedSecs = 120};\n"


@pytest.fixture(scope="module")
def engine_worker() -> Iterator[WorkerProcess]:
    process = WorkerProcess()
    yield process
    process.close()


def flown(worker: WorkerProcess, folder: Path, text: str, run_id: int = 0) -> RunOutcome:
    script = folder / "own.script"
    script.write_text(text)
    spec = RunSpec(script, {"Sat.SMA": 7100 + run_id}, folder / f"run-{run_id}", run_id, None, {})
    return worker.run(spec, timeout_s=60)


@pytest.mark.parametrize("target", [SOLVED, GUESSED], ids=["solved", "guess"])
def test_a_solver_that_ends_the_mission_as_it_should_fails_no_run(
    target: str, engine_worker: WorkerProcess, tmp_path: Path
) -> None:
    text = HEAD + target + REST
    for run_id in range(3):
        outcome = flown(engine_worker, tmp_path, text, run_id)

        assert outcome.status == "ok", outcome.stderr
        with PlainGmat(tmp_path / f"plain-{run_id}") as gmat:
            plain = gmat.run(text, {"Sat.SMA": 7100 + run_id})
        assert not plain.ran
        lines = plain.files["R"].decode().splitlines()[1:]
        frame = pd.read_parquet(outcome.output_paths["report__R"])
        assert list(frame) == ["Sat.X", "Sat.SMA"]
        assert frame.to_numpy().tolist() == [
            [float(word) for word in line.split()] for line in lines
        ]
        assert (
            f"the mission ended at solver DC, as ExitMode = Stop (line {LINE}) says: no command "
            "after it was flown"
        ) in outcome.notes
        assert outcome.converged == ({} if target == GUESSED else {"DC": True})


def test_a_solver_that_misses_and_ends_the_mission_fails_the_run(
    engine_worker: WorkerProcess, tmp_path: Path
) -> None:
    outcome = flown(engine_worker, tmp_path, HEAD + MISSED + REST)

    assert outcome.status == "failed"
    assert headline(outcome.stderr) == (
        "solver DC did not converge in 8 iterations, and the mission stopped there"
    )


@pytest.mark.parametrize(
    ("sequence", "said"),
    [
        ("Stop;\n", f"the mission ended at its Stop command (line {LINE})"),
        (
            "If Sat.X > 1e9;\nStop;\nEndIf;\nStop;\n",
            f"the mission ended at its Stop command (lines {LINE + 1}, {LINE + 3})",
        ),
        (
            SOLVED + "Stop;\n",
            (
                f"the mission ended at its Stop command (line {LINE + 5}), or at a solver whose "
                f"ExitMode is Stop (line {LINE})"
            ),
        ),
    ],
)
def test_a_stop_command_fails_the_run_with_its_line(
    sequence: str, said: str, engine_worker: WorkerProcess, tmp_path: Path
) -> None:
    outcome = flown(engine_worker, tmp_path, HEAD + sequence)

    assert outcome.status == "failed"
    assert headline(outcome.stderr) == said
