"""One verdict on several requirements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gmat_sweep.verdicts.binomial import p_fail
from gmat_sweep.verdicts.campaign import campaign_verdict, holm
from oracles import ORACLES

_SEED = 20261129


@pytest.mark.parametrize("oracle", ORACLES["holm_fail"])
def test_holm_rejects_what_the_oracles_say(oracle: dict[str, Any]) -> None:
    assert holm(oracle["p_fail"], oracle["alpha"]) == oracle["fail_indices"]


def test_holm_stops_at_the_first_that_is_kept_and_counts_ties() -> None:
    # 0.04 is more than 0.1 / 3, which ends it; 0.03 is less, and then 0.05 is 0.1 / 2.
    assert holm([0.5, 0.06, 0.04], 0.1) == []
    assert holm([0.5, 0.05, 0.03], 0.1) == [1, 2]
    assert holm([0.1, 0.1], 0.1) == []
    assert holm([], 0.1) == []


@pytest.mark.parametrize(
    ("verdicts", "against", "campaign"),
    [
        (["PASS", "PASS"], [1.0, 1.0], "PASS"),
        (["PASS", "INCONCLUSIVE"], [1.0, 0.3], "INCONCLUSIVE"),
        # Fails by itself at 0.1, but not at 0.1 / 2.
        (["PASS", "FAIL"], [1.0, 0.06], "INCONCLUSIVE"),
        (["PASS", "FAIL"], [1.0, 0.05], "FAIL"),
        (["FAIL"], [0.1], "FAIL"),
        (["PASS", "NOT APPLICABLE"], [1.0, 1.0], "NOT APPLICABLE"),
        (["INCONCLUSIVE", "NOT APPLICABLE"], [0.5, 1.0], "NOT APPLICABLE"),
        (["FAIL", "NOT APPLICABLE"], [0.01, 1.0], "FAIL"),
        ([], [], "INCONCLUSIVE"),
    ],
)
def test_a_campaign_passes_if_all_do_and_fails_if_one_does_beyond_chance(
    verdicts: list[str], against: list[float], campaign: str
) -> None:
    assert campaign_verdict(verdicts, against, [0.1] * len(verdicts)) == campaign


def test_each_requirement_counts_at_its_own_confidence() -> None:
    assert campaign_verdict(["PASS", "FAIL"], [1.0, 0.03], [0.1, 0.05]) == "INCONCLUSIVE"
    assert campaign_verdict(["PASS", "FAIL"], [1.0, 0.03], [0.05, 0.1]) == "FAIL"


def test_twenty_requirements_that_are_met_rarely_make_a_campaign_fail() -> None:
    # Simulated: 20 requirements of 95 %, all met exactly, 230 runs each.
    dice = np.random.default_rng(_SEED)
    found = np.array([p_fail(x, 230, 0.05) for x in range(231)])
    against = found[dice.binomial(230, 0.05, (2000, 20))]

    by_chance = (against <= 0.1).any(axis=1).mean()
    failed = np.mean(
        [campaign_verdict(["INCONCLUSIVE"] * 20, each, [0.1] * 20) == "FAIL" for each in against]
    )

    assert by_chance > 0.6
    assert failed <= 0.1 + 3 * (0.1 * 0.9 / 2000) ** 0.5
