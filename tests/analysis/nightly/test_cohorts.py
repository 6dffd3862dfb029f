"""Cohorts: a rotating seed of its own for each night, and where a night keeps its sweeps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from gmat_sweep import SweepConfigError
from gmat_sweep.analysis.nightly.cohorts import all_nights, date_of, rotating_seed, sweeps_of
from judged_nights import night


def test_the_seed_is_that_of_the_days_since_1970() -> None:
    """By another way: numpy itself, with the days counted by its own calendar."""
    days = int((np.datetime64("2026-11-20") - np.datetime64("1970-01-01")).astype(int))

    assert days == 20777
    expected = np.random.SeedSequence([42, days]).generate_state(1)[0]
    assert rotating_seed(42, date(2026, 11, 20)) == expected


def test_nights_and_jobs_have_seeds_of_their_own_and_a_retry_the_same() -> None:
    nights = [date(2026, 1, 1) + timedelta(days=each) for each in range(1000)]
    seeds = {rotating_seed(seed, each) for seed in (0, 1) for each in nights}

    assert len(seeds) == 2000
    assert all(0 <= seed < 2**32 for seed in seeds)
    late = datetime(2026, 1, 2, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert rotating_seed(0, late) == rotating_seed(0, date(2026, 1, 1))
    assert rotating_seed(0, datetime(2026, 1, 1, 23, tzinfo=UTC)) == rotating_seed(0, nights[0])


def test_a_seed_below_zero_and_a_night_before_1970_are_refused() -> None:
    for seed, day in ((-1, date(2026, 1, 1)), (0, date(1969, 12, 31))):
        with pytest.raises(SweepConfigError, match="a seed of 0 or more, from 1970 on"):
            rotating_seed(seed, day)


def test_the_nights_of_a_folder_are_those_with_a_date_and_a_sweep(tmp_path: Path) -> None:
    both = night(tmp_path, 2, seed=0, runs=1)
    night(tmp_path, 2, runs=1, cohort="rotating")
    alone = night(tmp_path, 1, runs=1)
    (tmp_path / "2026-11-03T033000Z").mkdir()
    night(tmp_path / "mine", 4, runs=1)

    assert all_nights(tmp_path) == [alone, both]
    assert sweeps_of(both) == (both, both / "rotating")
    assert sweeps_of(alone) == (alone,)
    assert date_of(both) == date(2026, 11, 2)
    with pytest.raises(SweepConfigError, match="is no night"):
        date_of(tmp_path / "mine")
