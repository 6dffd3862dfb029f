"""``gmat-sweep export``: what it writes and says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flown_paths import flown_sweep
from gmat_sweep.cli import EXIT_CONFIG, EXIT_OK, main


def test_both_kinds_are_written_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = flown_sweep(tmp_path, 2)
    czml, oem = tmp_path / "a.czml", tmp_path / "oem"

    code = main(["export", str(folder), "--czml", str(czml), "--oem", str(oem), "--runs", "0-2"])

    assert code == EXIT_OK
    assert len(json.loads(czml.read_text())) == 4
    assert sorted(path.name for path in oem.iterdir()) == [
        "run-0-Sat.oem", "run-1-Sat.oem", "run-2-Sat.oem",
    ]  # fmt: skip
    told = capsys.readouterr().out
    assert f"czml: {czml}: 3 runs" in told
    assert "states stay; the curves through them are at most" in told
    assert f"oem: {oem}: 3 runs, 3 files" in told
    assert "ReportFile R: Sat in EarthMJ2000Eq, epochs Sat.TAIModJulian" in told


def test_runs_without_a_trajectory_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = flown_sweep(tmp_path, 1)
    (folder / "run-1" / "r.txt").unlink()

    assert main(["export", str(folder), "--oem", str(tmp_path / "oem"), "--sample", "9"]) == EXIT_OK
    assert "without a trajectory: run 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "needs --czml FILE or --oem FOLDER"),
        (["--oem", "{}/oem", "--tolerance", "1"], "--tolerance needs --czml"),
        (["--oem", "{}/oem", "--runs", "x"], "must be run numbers"),
        (["--czml", "{}/a.czml", "--tolerance", "0"], "number of metres"),
        (["--czml", "{}/a.czml", "--system", "Nope"], "There are: ReportFile R"),
    ],
)
def test_mistakes_are_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    folder = flown_sweep(tmp_path, 1)

    code = main(["export", str(folder), *(word.format(tmp_path) for word in words)])

    told = capsys.readouterr().err
    assert code == EXIT_CONFIG
    assert said in told
    assert told.count("\n") == 1


def test_a_damaged_file_of_a_run_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = flown_sweep(tmp_path, 1)
    next(folder.glob("run-0/report__R.parquet")).write_bytes(b"torn")

    code = main(["export", str(folder), "--czml", str(tmp_path / "a.czml")])

    assert code == EXIT_CONFIG
    assert "report__R" in capsys.readouterr().err
    assert not (tmp_path / "a.czml").exists()
