"""Looks that are declared before the first run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.verdicts.binomial import most_that_pass, p_pass
from gmat_sweep.verdicts.looks import declared_looks
from oracles import ORACLES

_SEED = 20261129


@pytest.mark.parametrize("oracle", ORACLES["group_sequential"])
def test_looks_are_those_of_the_oracles(oracle: dict[str, Any]) -> None:
    q = float(oracle["q"])

    looks = declared_looks(oracle["looks"], q, float(oracle["alpha"]))

    assert list(looks.accept_at_most) == oracle["accept_at_most"]
    assert looks.size == pytest.approx(oracle["size"], rel=1e-9)
    for share, runs in oracle["expected_runs"].items():
        chance, mean = looks.prospects(float(share) * q)
        assert chance == pytest.approx(oracle["pass_probability"][share], rel=1e-9)
        assert mean == pytest.approx(runs, rel=1e-9)


def test_a_single_look_is_the_fixed_plan() -> None:
    looks = declared_looks([388], 0.01, 0.1)

    assert looks.accept_at_most == (most_that_pass(388, 0.01, 0.1),) == (1,)
    assert looks.size == pytest.approx(p_pass(1, 388, 0.01), rel=1e-12)
    assert declared_looks([10, 20], 0.01, 0.1).accept_at_most == (-1, -1)
    assert declared_looks([10, 20], 0.01, 0.1).prospects(0.001) == (0.0, 20.0)


def test_simulated_studies_pass_as_often_as_the_sum_says() -> None:
    looks = declared_looks([100, 200, 300, 400], 0.05, 0.05)
    dice = np.random.default_rng(_SEED)
    for p in (0.05, 0.025):
        totals = dice.binomial(100, p, (3000, 4)).cumsum(axis=1)
        passed = np.mean([looks.passed_at(each) is not None for each in totals])
        chance = looks.prospects(p)[0]
        assert passed == pytest.approx(chance, abs=3 * (chance * (1 - chance) / 3000) ** 0.5)
    assert looks.size <= 0.05


def test_a_sweep_passes_at_the_first_look_that_allows_its_violations() -> None:
    looks = declared_looks([250, 500, 750, 1000], 0.01, 0.1)

    assert looks.passed_at([0]) is None
    assert looks.passed_at([0, 1]) == 500
    assert looks.passed_at([0, 2, 2]) == 750
    assert looks.passed_at([2, 3, 4, 6]) is None


@pytest.mark.parametrize("runs", [[], [0, 10], [10, 10], [20, 10], [10, 10**8]])
def test_looks_that_are_none_are_refused(runs: list[int]) -> None:
    with pytest.raises(SweepConfigError, match="looks"):
        declared_looks(runs, 0.01, 0.1)
