"""The command line of replays: which runs are meant, and what it refuses before it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gmat_sweep.cli import main
from judged_sweeps import COLUMN, JudgedSweep

LIMIT = {"name": "apo", "column": COLUMN, "limit": "< 100", "unit": "km", "probability": 0.9}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    JudgedSweep(tmp_path / "mc", 3).add(0, 95.0).add(1, 96.0).add(2, 97.0)
    (tmp_path / "reqs.json").write_text(json.dumps([LIMIT]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--worst", "2"), 2, "say with --requirement NAME which requirement is meant"),
        (("--violating",), 2, "say with --requirement NAME which requirement is meant"),
        (("--run", "1", "--requirements", "reqs.json"), 2, "say with --requirement NAME"),
        (("--worst", "2", "--requirement", "apo"), 2, "was not judged yet"),
        (
            ("--worst", "2", "--requirement", "x", "--requirements", "reqs.json"),
            2,
            "there is no requirement 'x'; there are: apo",
        ),
        (
            ("--worst", "0", "--requirement", "apo", "--requirements", "reqs.json"),
            2,
            "worst is 0: give a number of runs that is 1 or more",
        ),
        (
            ("--worst", "2", "--requirement", "apo", "--requirements", "reqs.json"),
            2,
            "does not record the path of its mission script",
        ),
        (
            ("--violating", "--requirement", "apo", "--requirements", "reqs.json"),
            0,
            "no run violates apo, so nothing was written",
        ),
        (("--check",), 2, "is no replay that can be checked: hashes.json cannot be read"),
        (("--check", "--out", "x"), 2, "--check takes no --out"),
    ],
)
def test_what_is_meant_is_said_before_anything_is_written(
    folder: Path, words: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "mc", *words]) == code
    assert said in " ".join(capsys.readouterr().err.split())
    assert {path.name for path in folder.iterdir()} == {"mc", "reqs.json"}


def test_a_full_folder_is_refused_before_any_run_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "replay" / "run-1").mkdir(parents=True)
    (folder / "replay" / "run-1" / "mine.txt").touch()

    words = ["--worst", "3", "--requirement", "apo", "--requirements", "reqs.json"]
    assert main(["replay", "mc", *words]) == 2
    assert "replay/run-1 holds something already" in capsys.readouterr().err
    assert [path.name for path in (folder / "replay").iterdir()] == ["run-1"]


def test_show_names_the_command_that_writes_the_worst_runs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["show", "mc"])
    assert "last verdict" not in capsys.readouterr().err
    main(["verify", "mc", "--requirements", "reqs.json"])
    capsys.readouterr()

    main(["show", "mc"])

    assert (
        "last verdict: INCONCLUSIVE; `gmat-sweep replay mc/manifest.jsonl --worst 5 "
        "--requirement apo` writes the scripts of the worst runs"
    ) in capsys.readouterr().err
    # The requirements are those of the verdict: no file of them is needed.
    assert main(["replay", "mc", "--worst", "5", "--requirement", "apo"]) == 2
    assert "does not record the path of its mission script" in capsys.readouterr().err
    (folder / "mc" / "verdicts.json").write_text("[]")
    assert main(["show", "mc"]) == 0
