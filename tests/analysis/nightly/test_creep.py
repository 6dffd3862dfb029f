"""drift_over, creeping: what adds up over nights is seen against the baseline."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from gmat_sweep.analysis.nightly import accept
from gmat_sweep.analysis.nightly.creep import creeping, drift_over
from gmat_sweep.cli import main
from judged_sweeps import COLUMN, JudgedSweep

RUNS = 12
SECOND = np.timedelta64(1_000_000_000, "ns")
DRAWS = np.random.default_rng(5).normal(42164, 30, RUNS)


def night(place: Path, day: int, values: np.ndarray, column: str = COLUMN, seed: int = 0) -> Path:
    folder = place / f"2026-11-{day:02d}T033000Z"
    sweep = JudgedSweep(folder, len(values), sweep_seed=seed)
    for run_id, value in enumerate(values):
        path = sweep.report(run_id, [value], column)
        given = {"Sat.SMA": 7000.0 + run_id + seed}
        sweep.add(run_id, output_paths={"report__R": path}, overrides=given)
    sweep.manifest.close()
    return folder


def test_a_creep_that_is_nothing_each_night_is_said_once_it_is_material(tmp_path: Path) -> None:
    """0.02 sigma a night, exactly: the sixth night is the first beyond 0.1 sigma."""
    sigma = float(np.std(DRAWS, ddof=1))
    nights = [night(tmp_path, 1 + each, DRAWS + 0.02 * sigma * each) for each in range(9)]

    drift = drift_over(nights[1:], nights[0])

    assert drift["shift_sigma"].to_list() == pytest.approx([0.02 * each for each in range(1, 9)])
    assert drift["sigma"].to_list() == pytest.approx([sigma] * 8)
    assert drift["spread"].to_list() == pytest.approx([1.0] * 8)
    assert drift["paired"].all()
    [row] = creeping(drift).to_dict("records")
    assert row["since"] == nights[6].name
    assert row["per_night"] == pytest.approx(0.02)
    assert len(creeping(drift[drift["night"] <= nights[4].name])) == 0
    assert len(creeping(drift, {COLUMN: 0.2})) == 0
    # Each against the night before, nothing shows.
    pairs = [drift_over([new], old) for old, new in itertools.pairwise(nights)]
    assert all(len(creeping(each)) == 0 for each in pairs)


def test_angles_creep_on_the_circle(tmp_path: Path) -> None:
    angles = np.array([359.4, 359.7, 0.1, 0.4, 359.9, 0.5])
    base = night(tmp_path, 1, angles, "Sat.EarthMJ2000Eq.RAAN")
    later = night(tmp_path, 2, (angles + 0.2) % 360, "Sat.EarthMJ2000Eq.RAAN")

    [row] = drift_over([later], base).to_dict("records")

    assert row["shift"] == pytest.approx(0.2)
    assert row["sigma"] == pytest.approx(np.std((angles + 180) % 360, ddof=1))


def test_different_draws_creep_only_beyond_their_standard_error(tmp_path: Path) -> None:
    base = night(tmp_path, 1, DRAWS)
    other = night(tmp_path, 2, DRAWS[::-1] + 15, seed=1)

    drift = drift_over([other], base)
    [row] = drift.to_dict("records")

    assert not row["paired"]
    assert row["shift_sigma"] == pytest.approx(15 / np.std(DRAWS, ddof=1))
    assert row["error_sigma"] == pytest.approx(math.sqrt(2 / RUNS))
    assert len(creeping(drift)) == 0
    assert len(creeping(drift_over([night(tmp_path, 3, DRAWS + 90, seed=1)], base))) == 1


def test_rounding_of_a_constant_is_no_creep_and_a_change_of_one_is(tmp_path: Path) -> None:
    constant = np.full(4, 7000.0)
    base = night(tmp_path, 1, constant)
    rounded = night(tmp_path, 2, constant + 1e-9)
    moved = night(tmp_path, 3, constant + 1e-3)

    assert len(creeping(drift_over([rounded], base))) == 0
    assert len(creeping(drift_over([moved], base))) == 1
    gone = night(tmp_path, 4, constant, "Sat.Other")
    assert drift_over([gone], base)["runs"].to_list() == [0]
    assert len(creeping(drift_over([gone], base))) == 0


def test_the_command_names_what_crept_and_writes_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "nights"
    nights = [night(place, 1 + each, DRAWS + 2 * each) for each in range(4)]
    assert main(["nights", "creep", str(place)]) == 2
    assert "has no baseline" in capsys.readouterr().err
    accept(nights[0])

    assert main(["nights", "creep", str(place), "--out", str(tmp_path / "drift.csv")]) == 0

    said = capsys.readouterr()
    assert said.out.startswith(f"{COLUMN}: +0.")
    assert f"material since {nights[2].name}" in said.out
    assert len((tmp_path / "drift.csv").read_text().splitlines()) == 4


def test_a_spread_and_a_tail_that_creep_are_said(tmp_path: Path) -> None:
    """The mean stays where it is, by construction: only sigma grows, or only the upper tail."""
    middle = float(DRAWS.mean())
    spread = DRAWS - middle
    wider = [
        night(tmp_path / "wider", 1 + each, middle + (1 + 0.03 * each) * spread)
        for each in range(6)
    ]
    [row] = creeping(drift_over(wider[1:], wider[0])).to_dict("records")
    assert row["since"] <= wider[4].name

    top = int(DRAWS.argmax())
    tail = DRAWS.copy()
    tail[top] += 40
    tail -= 40 / RUNS
    base = night(tmp_path / "tail", 1, DRAWS)
    [row] = creeping(drift_over([night(tmp_path / "tail", 2, tail)], base)).to_dict("records")
    assert row["figure"] == "p95"
    assert row["shift_sigma"] == 0


def test_a_gregorian_epoch_creeps_in_seconds(tmp_path: Path) -> None:
    """Each run's event comes 2.5 s later; the runs' events are 30 s apart."""
    events = np.datetime64("2026-01-01T12:00:00", "ns") + 30 * np.arange(6) * SECOND
    column = "Sat.UTCGregorian"
    base = night(tmp_path, 1, events, column)
    later = night(tmp_path, 2, events + 5 * SECOND // 2, column)

    drift = drift_over([later], base)

    [row] = drift.to_dict("records")
    assert (row["unit"], row["shift"]) == ("s", pytest.approx(2.5, abs=1e-6))
    assert row["shift_sigma"] == pytest.approx(2.5 / (30 * math.sqrt(3.5)))
    assert len(creeping(drift, 0.04)) == 1


def test_the_only_missions_nights_need_no_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GMAT_SWEEP_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["nights", "creep"]) == 2
    assert f"{tmp_path / 'nights'} has no mission's nights. Name the" in capsys.readouterr().err

    nights = [night(tmp_path / "nights" / "orbit", 1 + each, DRAWS + 9 * each) for each in range(2)]
    assert main(["baseline", "accept", nights[0].name]) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("GMAT_SWEEP_HOME", str(tmp_path))
    assert main(["baseline", "show"]) == 0
    assert main(["nights", "creep"]) == 0
    assert main(["nights", "prune", "--keep", "1", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.count(f"{nights[0].name}, accepted ") == 2
    assert f"{COLUMN}: +0.3" in said
    assert f"keep   {nights[0]} (the baseline)" in said

    night(tmp_path / "nights" / "transfer", 1, DRAWS)
    assert main(["nights", "prune", "--keep", "1"]) == 2
    assert "has the nights of more than one mission: orbit, transfer. " in capsys.readouterr().err
    assert nights[0].is_dir()


def test_a_shift_of_all_runs_alike_is_told_of_the_mean(tmp_path: Path) -> None:
    """Mean and percentiles shift by the same then, but for the last bits."""
    values = 0.37 * DRAWS
    for each in range(1, 20):
        base = night(tmp_path / str(each), 1, values)
        later = night(tmp_path / str(each), 2, values + 0.37 * 0.913 * (0.7 * each + 3))

        assert creeping(drift_over([later], base))["figure"].to_list() == ["mean"]


def test_a_night_without_the_values_is_compared_like_the_others(tmp_path: Path) -> None:
    nights = [night(tmp_path, 1, DRAWS), night(tmp_path, 2, np.full(RUNS, np.nan))]
    nights.append(night(tmp_path, 3, DRAWS, seed=9))

    drift = drift_over(nights[1:], nights[0])

    assert drift["runs"].to_list() == [0, RUNS]
    assert drift["paired"].to_list() == [True, False]


def test_the_shift_of_a_constant_is_told_in_its_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its sigma is 0, of which a shift is no number."""
    accept(night(tmp_path, 1, np.full(RUNS, 7000.0)))
    night(tmp_path, 2, np.full(RUNS, 6998.5))

    assert main(["nights", "creep", str(tmp_path)]) == 0
    assert f"{COLUMN}: -inf sigma (-1.5 km) from 2026-11-01T033000Z" in capsys.readouterr().out
