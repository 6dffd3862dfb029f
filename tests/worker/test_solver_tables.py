"""Solvers: what they leave, whether they converged, and what a log costs that cannot be read.

The truth on convergence is what the raw text of GMAT's log says of each time that a solver is run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gmat_sweep.backends.process.worker_process import WorkerProcess
from gmat_sweep.spec import RunOutcome, RunSpec
from gmat_sweep.worker.solver_tables import Solve, solves_of
from repository import DATA
from worker_runs import log_of

TARGETING = (DATA / "targeting.script").read_text(encoding="utf-8")
RESOURCES, SEQUENCE = TARGETING.replace("MaximumIterations = 25", "MaximumIterations = 8").split(
    "BeginMissionSequence;"
)
START, TARGET = SEQUENCE.split("Target DC;")
BLOCK = "Target DC;" + TARGET.split("EndTarget;")[0] + "EndTarget;\n"
LAST = "Propagate Prop(Sat) {Sat.ElapsedSecs = 600};\n"
OUT_OF_REACH = "900000"

type Run = Callable[..., RunOutcome]


@pytest.fixture(scope="module")
def engine_worker() -> Iterator[WorkerProcess]:
    process = WorkerProcess()
    yield process
    process.close()


@pytest.fixture
def on_engine(engine_worker: WorkerProcess, tmp_path: Path) -> Run:
    """Fly resources and a sequence in ``run-0``."""

    def run(sequence: str, resources: str = "", **fields: Any) -> RunOutcome:
        script = tmp_path / "own.script"
        script.write_text(f"{RESOURCES}{resources}\nBeginMissionSequence;\n{sequence}{LAST}")
        record: dict[str, Any] = {"run_id": 0, "seed": None, "run_options": {}, **fields}
        return engine_worker.run(
            RunSpec(script, {}, output_dir=tmp_path / "run-0", **record), timeout_s=60
        )

    return run


def block(goal: str, solver: str = "DC", options: str = "") -> str:
    """Return a Target block with this goal for the radius of the apoapsis, in km."""
    text = BLOCK.replace("Goal", goal).replace("DC", solver)
    return text.replace(f"Target {solver};", f"Target {solver}{options};")


def engine_log(tmp_path: Path) -> str:
    return (tmp_path / "run-0" / "GmatLog.txt").read_text(encoding="utf-8")


def said_by_gmat(tmp_path: Path) -> tuple[int, int]:
    """Return how often GMAT's log says that a targeter converged, and that one did not."""
    log = engine_log(tmp_path)
    return log.count("The Targeter converged!"), log.count("Targeter did NOT converge!")


class TestWhetherASolverConverged:
    @pytest.mark.parametrize(
        ("goals", "said", "converged"),
        [
            (["12000"], (1, 0), True),
            ([OUT_OF_REACH], (0, 1), False),
            (["12000", OUT_OF_REACH], (1, 1), False),
            ([OUT_OF_REACH, "Sat.Earth.RMAG"], (1, 1), False),
            (["12000", "Sat.Earth.RMAG"], (2, 0), True),
        ],
        ids=["once", "not once", "then not", "first not", "twice"],
    )
    def test_it_did_if_it_did_each_time_that_it_was_run(
        self,
        on_engine: Run,
        tmp_path: Path,
        goals: list[str],
        said: tuple[int, int],
        converged: bool,
    ) -> None:
        outcome = on_engine("".join(map(block, goals)))

        assert said_by_gmat(tmp_path) == said
        assert (outcome.status, outcome.converged) == ("ok", {"DC": converged})

    def test_a_loop_in_which_it_did_not_once_is_seen(self, on_engine: Run, tmp_path: Path) -> None:
        loop = f"For I = 1:2;\nGoal = 12000 + 900000*(I - 1);\n{block('Goal')}EndFor;\n"

        outcome = on_engine(loop, "Create Variable I;\n")

        assert said_by_gmat(tmp_path) == (1, 1)
        assert outcome.converged == {"DC": False}
        assert "did not converge (8 of at most 8 iterations; 1 of the 2 times" in log_of(tmp_path)

    def test_its_table_has_the_last_time_as_the_file_that_gmat_wrote(
        self, on_engine: Run, tmp_path: Path
    ) -> None:
        outcome = on_engine(block("12000") + block(OUT_OF_REACH))

        text = (tmp_path / "run-0" / "DifferentialCorrectorDC.data").read_text()
        numbers = [int(each) for each in re.findall(r"^Iteration (\d+)", text, re.MULTILINE)]
        assert numbers == list(range(1, 9))
        assert list(pd.read_parquet(outcome.solver_paths["DC"])["iteration"]) == numbers

    @pytest.mark.parametrize("mode", ["DiscardAndContinue", "SaveAndContinue"])
    def test_it_is_told_whatever_the_sequence_does_then(self, on_engine: Run, mode: str) -> None:
        options = f" {{SolveMode = Solve, ExitMode = {mode}}}"

        assert on_engine(block(OUT_OF_REACH, options=options)).converged == {"DC": False}

    def test_an_initial_guess_has_nothing_to_converge(self, on_engine: Run, tmp_path: Path) -> None:
        options = " {SolveMode = RunInitialGuess, ExitMode = SaveAndContinue}"

        outcome = on_engine(block(OUT_OF_REACH, options=options))

        assert (outcome.status, outcome.converged, outcome.solver_paths) == ("ok", {}, {})
        assert set(outcome.output_paths) == {"report__RF"}
        assert "ran its initial guess only" in log_of(tmp_path)

    @pytest.mark.parametrize(("goal", "converged"), [("12000", True), (OUT_OF_REACH, False)])
    def test_a_solver_that_shows_no_progress_is_seen_and_flies_the_same_bits(
        self, on_engine: Run, tmp_path: Path, goal: str, converged: bool
    ) -> None:
        shown = pd.read_parquet(on_engine(block(goal)).output_paths["report__RF"])

        outcome = on_engine(
            block(goal), "DC.ShowProgress = false;\n", run_options={"overwrite": True}
        )

        assert outcome.converged == {"DC": converged}
        assert list(outcome.solver_paths) == ["DC"]
        assert pd.read_parquet(outcome.output_paths["report__RF"]).equals(shown)

    def test_each_of_several_solvers_has_its_own(self, on_engine: Run, tmp_path: Path) -> None:
        outcome = on_engine(
            block("12000") + block(OUT_OF_REACH, "DD"),
            "Create DifferentialCorrector DD;\nDD.MaximumIterations = 8;\n",
        )

        assert said_by_gmat(tmp_path) == (1, 1)
        assert outcome.converged == {"DC": True, "DD": False}

    def test_of_a_solver_inside_of_another_the_last_pass_counts(
        self, on_engine: Run, tmp_path: Path
    ) -> None:
        inner = (
            "Target DD;\nVary DD(Turn.Element2 = 0.01, {MaxStep = 0.05});\nManeuver Turn(Sat);\n"
            "Achieve DD(Sat.EarthMJ2000Eq.INC = 28.6, {Tolerance = 0.001});\nEndTarget;\n"
        )
        nested = block("12000").replace("   Propagate", f"{inner}   Propagate")

        turn = "Create ImpulsiveBurn Turn;\nTurn.CoordinateSystem = Local;\nTurn.Axes = VNB;\n"

        outcome = on_engine(START + nested, f"Create DifferentialCorrector DD;\n{turn}")

        assert said_by_gmat(tmp_path)[0] > 5
        assert [each.solver for each in solves_of(engine_log(tmp_path))] == ["DD", "DC"]
        assert outcome.converged == {"DC": True, "DD": True}


class TestALogThatCannotBeRead:
    @pytest.mark.parametrize(
        ("resources", "sequence"),
        [
            (
                "",
                block("12000").replace("   Achieve", "   Vary DC(TOI.Element1 = 0.5);\n   Achieve"),
            ),
            ("DC.ReportStyle = Verbose;\n", block("12000")),
            ("DC.ReportStyle = Debug;\n", block("12000")),
        ],
        ids=["a field varied twice", "verbose", "debug"],
    )
    def test_it_costs_its_table_only(
        self, on_engine: Run, tmp_path: Path, resources: str, sequence: str
    ) -> None:
        outcome = on_engine(sequence, resources)

        reached, missed = said_by_gmat(tmp_path)
        assert reached + missed == 1
        assert (outcome.status, outcome.converged) == ("ok", {"DC": bool(reached)})
        assert (set(outcome.output_paths), outcome.solver_paths) == ({"report__RF"}, {})
        assert (tmp_path / "run-0" / "DifferentialCorrectorDC.data").stat().st_size > 0
        assert (
            "WARNING solver DC: DifferentialCorrectorDC.data could not be read as a table of "
            "iterations, and is kept as it is: " in log_of(tmp_path)
        )


class TestARunThatFailsForIt:
    def test_it_names_the_solver_and_its_iterations_and_keeps_the_files(
        self, on_engine: Run, tmp_path: Path
    ) -> None:
        outcome = on_engine(
            block(OUT_OF_REACH), "DC.MaximumIterations = 5;\n", unconverged="failed"
        )

        assert outcome.status == "failed"
        assert outcome.stderr == "solver DC did not converge (5 of at most 5 iterations)"
        assert (outcome.output_paths, outcome.converged) == ({}, {"DC": False})
        assert (tmp_path / "run-0" / "report__RF.parquet").is_file()
        assert (tmp_path / "run-0" / "RF.txt").is_file()

    def test_one_whose_solvers_converged_is_ok(self, on_engine: Run) -> None:
        assert on_engine(block("12000"), unconverged="failed").status == "ok"

    def test_its_hook_is_not_called(self, on_engine: Run) -> None:
        outcome = on_engine(block(OUT_OF_REACH), unconverged="failed", postprocess="no.such:hook")

        assert (outcome.postprocess_status, outcome.converged) == ("none", {"DC": False})


# In the words of GMAT R2026a; the optimizer's are those of Yukon, which the wheel's engine lacks.
BEGUN = '*** Performing Differential Correction (using "{}")\n'
PASS = "{} Iteration {}; Nominal Pass\n"
REACHED = "*** Targeting Completed in 3 iterations.\n*** The Targeter converged!\n"
MISSED = (
    "*** Targeting did not converge in 3 iterations\n!!!!!!\n"
    "!!! WARNING: Targeter did NOT converge!\n!!!!!!\n"
)
INNER_MISSED = BEGUN.format("B") + PASS.format("B", 1) + MISSED
INNER_REACHED = BEGUN.format("B") + PASS.format("B", 1) + REACHED
OUTER = BEGUN.format("A")
FIRST, SECOND = PASS.format("A", 1), PASS.format("A", 2)
TRIAL = "   Completed iteration 1, pert 1 (TOI.Element1 = 0.6)\n"
AT_LIMIT = "Differential corrector A has exceeded the maximum number of allowed iterations.\n"
OPTIMIZER = '*** Performing Yukon Optimization (using "Y")\n'
OPTIMIZED = "*** Optimization Completed in 1 iterations\n*** The Optimizer Converged!\n"
NOT_OPTIMIZED = "!!! WARNING: Optimizer did NOT converge in 9 iterations\n"
A, B, B_MISSED = Solve("A", True), Solve("B", True), Solve("B", False, 3)


class TestTheTextOfTheLog:
    @pytest.mark.parametrize(
        ("log", "told"),
        [
            # GMAT runs the sequence once before it announces the solver.
            (
                INNER_MISSED + OUTER + INNER_MISSED + FIRST + INNER_MISSED + TRIAL
                + INNER_REACHED + SECOND + INNER_REACHED + REACHED,
                [B, A],
            ),
            (INNER_REACHED + OUTER + INNER_REACHED + FIRST + INNER_MISSED + REACHED, [B_MISSED, A]),
            # B is run by itself, and then inside of A.
            (
                INNER_MISSED + INNER_REACHED + OUTER + FIRST + INNER_REACHED + REACHED,
                [B_MISSED, B, A],
            ),
            (OUTER + FIRST, []),
            (OUTER + FIRST + OUTER + REACHED, [A]),
            ("no solver here\n*** The Targeter converged!\n", []),
            (OPTIMIZER + PASS.format("Y", 0) + OPTIMIZED, [Solve("Y", True)]),
            (OPTIMIZER + NOT_OPTIMIZED, [Solve("Y", False)]),
            (OUTER + AT_LIMIT + MISSED, [Solve("A", False, 3, is_at_limit=True)]),
        ],
        ids=[
            "trials do not count", "last pass", "by itself too", "cut off", "begun anew", "none",
            "optimizer", "optimizer that did not", "at its limit",
        ],
    )  # fmt: skip
    def test_it_tells_each_time_that_counts(self, log: str, told: list[Solve]) -> None:
        assert solves_of(log) == told
