"""A verdict says where its violations lie, those of failed runs among them."""

from __future__ import annotations

from math import comb
from pathlib import Path

from gmat_sweep import Requirement, judge
from gmat_sweep.verdicts.judging import Judge
from judged_sweeps import COLUMN, JudgedSweep

LIMIT = Requirement("apo", column=COLUMN, limit="< 100", unit="km", probability=0.5)


def test_violating_and_failed_runs_are_one_group_against_the_rest(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 41)
    for run_id in range(41):
        # Of the lowest 20 masses, half violate by their number and half fail; run 40 is lost.
        overrides = {"Sat.DryMass": float(run_id % 40)}
        if run_id == 40:
            sweep.fail(run_id, "worker", overrides=overrides)
        elif run_id < 20 and run_id % 2:
            sweep.fail(run_id, overrides=overrides)
        else:
            sweep.add(run_id, 101.0 if run_id < 20 else 99.0, overrides=overrides)

    notes = judge(sweep.path, [LIMIT])["apo"].notes

    # Fisher's p of the one table: 1 of C(40, 20) ways on either side, times the 39 cuts.
    p = 39 * 2 / comb(40, 20)
    assert notes[-1] == f"20 of 40 violate, all with Sat.DryMass < 20 (p = {p:.1g})"


def test_chance_is_not_told_and_a_look_after_each_batch_does_not_ask(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 40)
    for run_id in range(40):
        violates = run_id in (3, 17, 18, 30)
        sweep.add(run_id, 101.0 if violates else 99.0)

    assert not any("violate" in note for note in judge(sweep.path, [LIMIT])["apo"].notes)
    ends = JudgedSweep(tmp_path / "ends", 40)
    for run_id in range(40):
        ends.add(run_id, 101.0 if run_id < 20 else 99.0)
    judge_of = Judge([LIMIT])
    assert judge_of.look(ends.path)["apo"].notes == ()
    assert "all with Sat.SMA < 7020" in judge_of.look(ends.path, where=True)["apo"].notes[0]
