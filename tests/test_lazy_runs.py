"""Runs that are made when they are looked at equal those of a list, and take hardly any memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from gmat_sweep import grids
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.lazy_runs import ChangedRuns, listed
from gmat_sweep.plans import grid_plan
from gmat_sweep.spec import RunSpec
from resumed_sweeps import SHORT

OUT = Path("/sweep")
PERTURB = {"Sat.SMA": ("normal", 7100, 50), "Sat.INC": ("uniform", 0.0, 90.0)}
SAMPLES = pd.DataFrame({"Sat.SMA": [7000.0, 7100.0, float("nan")], "Sat.Id": ["a", "b", "c"]})
GRID = {"Sat.SMA": [7000.0, 7100], "Sat.INC": [1.0, 2.0, 3.0]}


@pytest.mark.parametrize(
    ("lazy", "whole"),
    [
        (
            lambda: grids.grid_runs(GRID, SHORT, OUT),
            lambda: list(grids.iter_grid_run_specs(GRID, SHORT, OUT)),
        ),
        (
            lambda: grids.sample_runs(SAMPLES, SHORT, OUT),
            lambda: grids.expand_samples_to_run_specs(SAMPLES, SHORT, OUT),
        ),
        (
            lambda: grids.monte_carlo_runs(PERTURB, 5, 42, SHORT, OUT),
            lambda: grids.expand_monte_carlo_to_run_specs(PERTURB, 5, 42, SHORT, OUT),
        ),
        (
            lambda: grids.design_runs("latin_hypercube", PERTURB, 5, 42, SHORT, OUT),
            lambda: grids.expand_latin_hypercube_to_run_specs(PERTURB, 5, 42, SHORT, OUT),
        ),
    ],
)
def test_they_are_those_of_the_list(
    lazy: Callable[[], Sequence[RunSpec]], whole: Callable[[], list[RunSpec]]
) -> None:
    runs, expected = lazy(), whole()

    assert len(runs) == len(expected)
    assert [repr(run) for run in runs] == [repr(run) for run in expected]
    assert [run.run_id for run in runs] == list(range(len(expected)))
    assert repr(runs[-1]) == repr(expected[-1])
    assert repr(runs[1:3]) == repr(expected[1:3])
    with pytest.raises(IndexError):
        runs[len(expected)]


def test_changed_ones_are_changed_each_time_and_the_others_stay() -> None:
    runs = grids.grid_runs(GRID, SHORT, OUT)
    changed = ChangedRuns(runs, lambda run: replace(run, context={"of": run.run_id}))

    assert [run.context for run in changed] == [{"of": number} for number in range(6)]
    assert all(run.context == {} for run in runs)


def test_a_list_is_copied_and_a_lazy_sequence_is_not() -> None:
    runs = grids.grid_runs(GRID, SHORT, OUT)
    given = list(runs)
    kept = listed(given, None, None)
    given.clear()

    assert len(kept) == 6
    assert listed(runs, None, None) is runs
    with pytest.raises(SweepConfigError, match="expected_run_count is 5, but runs gave 6"):
        listed(iter(runs), 5, {"_kind": "grid"})


def test_a_plan_of_many_runs_takes_a_fraction_of_their_list() -> None:
    values = [7000.0 + number for number in range(5_000)]
    tracemalloc.start()
    try:
        plan = grid_plan({"Sat.SMA": values}, SHORT, OUT)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(plan.runs) == 5_000
    assert used / 5_000 < 150, "bytes per run"
