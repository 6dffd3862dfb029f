"""``--dry-run`` of every command that flies runs: what it would do, and nothing of it done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cli_sweeps import GRID, MONTE_CARLO, PERTURB, SCRIPT, manifest, refused
from gmat_sweep import expand_monte_carlo_to_run_specs
from gmat_sweep.cli import main
from gmat_sweep.sweep import checking

NEW = {
    "run": (*GRID, "--nominal"),
    "monte-carlo": (*PERTURB, "--seed", "42"),
    "latin-hypercube": PERTURB,
    "sobol": PERTURB,
    "halton": (*PERTURB, "--backend", "dask"),
    "explicit": ("--samples", "rows.csv"),
}


def drawn(n: int) -> list[float]:
    """Return what a Monte Carlo of that size draws for Sat.SMA."""
    perturb = {"Sat.SMA": ("normal", 7000.0, 1.0)}
    runs = expand_monte_carlo_to_run_specs(perturb, n, 42, SCRIPT, "out")
    return [run.overrides["Sat.SMA"] for run in runs]


@pytest.fixture
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine is asked: the trial run took a second and left 1 kB."""

    def tried(found: checking.SweepCheck, *_: Any) -> checking.SweepCheck:
        return replace(found, trial_s=1.0, trial_bytes=1000)

    monkeypatch.setattr(checking, "_tried", tried)


@pytest.mark.parametrize("command", NEW)
def test_a_new_sweep_is_told_and_not_begun(
    command: str,
    untried: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("Sat.SMA\n7000\n7001\n")
    words = [command, str(SCRIPT), *NEW[command], "--out", "out", "--dry-run", "--workers", "1"]

    assert main([*words, "--draws", "draws.csv"]) == 0

    said = capsys.readouterr().out
    has_nominal = " and the nominal run" if command == "run" else ""
    flown = 3 if has_nominal else 2
    assert f"design:  {command if command != 'run' else 'grid'}, 2 runs" in said
    assert has_nominal in said
    assert "trial:   a run takes 1.00 s and 1 kB on disk" in said
    # How many workers a cluster has is known when it is there.
    at_once = "one worker (divide by how many the cluster has)" if "dask" in words else "1 worker"
    assert f"in all:  about {flown} s with {at_once}, {flown} kB on disk" in said
    assert f"server:  {flown} task runs, about {3 * flown + 10} rows in its database" in said
    assert not Path("out").exists()
    table = pd.read_csv("draws.csv", index_col="run_id")
    assert list(table) == ["Sat.SMA"]
    if command == "monte-carlo":
        # The values are those that the sweep itself would draw.
        assert table["Sat.SMA"].tolist() == drawn(2)


@pytest.mark.parametrize(
    ("words", "what", "runs"),
    [
        (("resume",), "resume of a monte-carlo sweep, 1 run, seed 42", [1]),
        (("extend", "--n", "3"), "extension of a monte-carlo sweep, 3 runs, seed 42", [2, 3, 4]),
    ],
)
def test_a_resume_and_an_extension_say_what_is_left(
    words: tuple[str, ...],
    what: str,
    runs: list[int],
    untried: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    statuses: Any = ("ok", "failed" if words == ("resume",) else "ok")
    fields: Any = {"parameter_spec": MONTE_CARLO, "run_count": 2, "sweep_seed": 42}
    path = tmp_path / "manifest.jsonl"
    manifest(*statuses, **fields).save(path)
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}
    command, *more = words

    assert main([command, str(path), "--script", str(SCRIPT), *more, "--dry-run"]) == 0
    assert f"design:  {what}" in capsys.readouterr().out

    draws = tmp_path / "draws.csv"
    line = [command, str(path), "--script", str(SCRIPT), *more, "--dry-run", "--draws", str(draws)]
    assert main(line) == 0
    # An extension draws what a larger sweep would have drawn.
    table = pd.read_csv(draws, index_col="run_id")
    assert table["Sat.SMA"].to_dict() == {each: drawn(5)[each] for each in runs}
    draws.unlink()
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_what_the_sweep_would_refuse_the_dry_run_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manifest.jsonl").touch()
    there = ("run", SCRIPT, *GRID, "--out", tmp_path)
    new = ("run", SCRIPT, *GRID, "--out", tmp_path / "new")

    assert "already holds a sweep" in refused(capsys, 2, *there, "--dry-run")
    assert "--draws requires --dry-run" in refused(capsys, 2, *new, "--draws", "d.csv")
    wrong = refused(capsys, 2, *new, "--dry-run", "--postprocess", "nowhere:hook")
    assert "'nowhere:hook' is not importable" in wrong
    assert "--backend-arg is not" in refused(capsys, 2, *new, "--dry-run", "--backend-arg", "a=1")
    assert not (tmp_path / "new").exists()


def test_a_finished_sweep_has_nothing_left_to_fly_and_no_trial_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "manifest.jsonl"
    manifest("ok", "ok").save(path)

    assert main(["resume", str(path), "--script", str(SCRIPT), "--dry-run"]) == 0
    assert "in all:  nothing is left to fly" in capsys.readouterr().out


def test_the_engine_is_asked_and_a_failed_trial_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("run", SCRIPT, "--out", tmp_path / "new", "--dry-run")

    assert "unknown field 'SMB'" in _refused(capsys, *words, "--grid", "Sat.SMB=7000,7100")
    said = _refused(capsys, *words, "--grid", "Sat.DryMass=-5,800")
    assert "The trial run of leo_short.script failed: The value of" in said
    assert "{'Sat.DryMass': -5}" in said
    assert not (tmp_path / "new").exists()


def _refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 2
    return capsys.readouterr().err


def test_the_mean_of_drawn_angles_is_that_on_the_circle() -> None:
    nodes = pd.Series([359.8, 0.4])

    assert checking._range("Sat.RAAN", nodes) == "0.4 to 359.8, mean 0.1 on the circle"
    assert checking._range("Sat.RAAN", pd.Series([0.0, 180.0])) == "0 to 180", "there is none"
    assert checking._range("Sat.SMA", pd.Series([7000, 7001])) == "7000 to 7001, mean 7000.5"
