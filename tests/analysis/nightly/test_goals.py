"""What a solver leaves of its goal is no news; all else of a targeted quantity is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gmat_sweep import LocalJoblibPool, sweep
from gmat_sweep.analysis import compare_sweeps, final_values
from gmat_sweep.analysis.nightly.creep import creeping, drift_over
from gmat_sweep.analysis.nightly.goals import goals_met
from gmat_sweep.analysis.recorded import RecordedSweep
from repository import DATA
from sweep_on_disk import SweepOnDisk, report

RADIUS = "Sat.Earth.RMAG"
SCRIPT = (DATA / "targeting.script").read_text()


def test_another_way_to_the_same_goal_moves_nothing(pool: LocalJoblibPool, tmp_path: Path) -> None:
    """On the engine: another perturbation leaves another residual."""
    for name, old, new in (
        ("last", "", ""),
        ("tonight", "Perturbation = 0.0001", "Perturbation = 0.0003"),
    ):
        mission = tmp_path / f"{name}.script"
        assert old in SCRIPT
        mission.write_text(SCRIPT.replace(old, new) if old else SCRIPT)
        sweep(
            mission, grid={"Sat.SMA": [7000, 7005]}, backend=pool, out=tmp_path / name,
            progress=False,
        )  # fmt: skip

    found = compare_sweeps(tmp_path / "tonight", tmp_path / "last")
    shift = {each.quantity: each for each in found.quantities}[RADIUS]
    assert (shift.verdict, shift.at_goal, shift.equal_runs) == ("changed", 2, 0)
    assert shift.sigma_last is not None
    assert shift.largest_shift is not None
    assert abs(shift.largest_shift) > shift.sigma_last, "which would be a move"
    assert f"so that the goal is compared: {RADIUS}." in found.to_markdown()
    drift = drift_over([tmp_path / "tonight"], tmp_path / "last").set_index("quantity")
    assert drift.loc[RADIUS, "shift"] == 0
    assert RADIUS not in set(creeping(drift.reset_index())["quantity"])


def history(goal: float, *, names: str = RADIUS) -> pd.DataFrame:
    """Return the iterations of a solver as the worker writes them."""
    return pd.DataFrame(
        {
            "iteration": [1, 2],
            names: [9000.0, goal + 0.001],
            f"{names}_desired": [goal, goal],
            f"{names}_residual": [goal - 9000.0, 0.001],
            f"{names}_tolerance": [0.01, 0.01],
        }
    )


@pytest.mark.parametrize(
    ("reported", "solved", "matches"),
    [
        (RADIUS, RADIUS, True),
        ("Sat.RMAG", RADIUS, True),
        (RADIUS, "Sat.RMAG", True),
        ("Sat.Luna.RMAG", RADIUS, False),
        ("Other.Earth.RMAG", RADIUS, False),
    ],
)
def test_a_goal_is_that_of_the_same_quantity(
    tmp_path: Path, reported: str, solved: str, matches: bool
) -> None:
    night = SweepOnDisk(tmp_path)
    made = {"report__R": report(7000.0, 1, **{reported: [12000.005]})}
    night.ok(0, made, solvers={"DC": history(12000.0, names=solved)}, converged={"DC": True})
    night.save()

    found = goals_met(RecordedSweep.of(tmp_path), final_values(tmp_path))

    told = [*map(tuple, found.columns)]
    assert told == ([("R", reported)] if matches else [])


def test_only_a_value_at_the_goal_of_a_solver_that_converged_counts(tmp_path: Path) -> None:
    night = SweepOnDisk(tmp_path)
    ends = [12000.01, 12000.011, 12000.005, 12000.005, 11999.995, float("nan")]
    for run_id, value in enumerate(ends):
        night.ok(
            run_id,
            {"report__R": report(7000.0, 1, **{RADIUS: [value]})},
            solvers={"DC": history(12000.0)} if run_id != 3 else {"DC": Path("run-3/gone.parquet")},
            converged={"DC": run_id != 2},
        )
    night.failed(6)
    night.save()

    found = goals_met(RecordedSweep.of(tmp_path), final_values(tmp_path))

    told = found["R", RADIUS].to_numpy()
    assert np.isfinite(told).tolist() == [True, False, False, False, True, False]
    assert set(told[np.isfinite(told)]) == {12000.0}
