"""``gmat-sweep verify``: exit codes, what is printed, and what is said of mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_sweeps import usage_error
from gmat_sweep.cli import main
from judged_sweeps import JudgedSweep

_OK = """\
[[requirement]]
name = "ok"
reduce = "ok"
probability = {}
"""
# What each line adds to a file of requirements, and what is said of it: all in one answer.
_MISTAKES = {
    "confidnce = 0.9": "line 1, confidnce: there is no such key; did you mean 'confidence'?",
    '[[requirement]]\nname = "a"\ncolumn = "Sat.SMA"\nlimit = "100"\nprobability = 0.9': (
        "line 5, requirement 'a', limit"
    ),
    '[[requirement]]\nname = "b"\ncolumn = "Sat.SMA"\nlimit = "< 1"\nprobability = "3 sigma"': (
        "line 11, requirement 'b', probability"
    ),
    '[[requirement]]\nname = "c"\ncolumn = "Sat.SMA"\nlimit = "< 1"': (
        "requirement 'c', probability: it is missing and has no default"
    ),
}


def _asked(folder: Path, text: str) -> str:
    path = folder / "reqs.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("level", "verdict", "code"), [(0.9, "PASS", 0), (0.999, "FAIL", 7), (0.98, "INCONCLUSIVE", 8)]
)
def test_the_exit_code_is_that_of_the_campaign(
    level: float, verdict: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """3 of 100 violate."""
    sweep = JudgedSweep(tmp_path / "sweep", 100).fly(100, (5, 50, 70))
    asked = _asked(tmp_path, _OK.format(level))

    assert main(["verify", str(sweep.path), "--requirements", asked]) == code

    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0].split()[:5] == ["ok", verdict, "3", "of", "100"]
    assert f"campaign {verdict}" in out
    written = json.loads((tmp_path / "sweep/verdicts.json").read_text())
    assert written["verdict"] == verdict
    # The same again: from the folder, as JSON, and beside another folder.
    there = ["verify", str(sweep.folder), "--requirements", asked, "--json"]
    assert main([*there, "--out", str(tmp_path / "there")]) == code
    assert json.loads(capsys.readouterr().out) == written
    assert json.loads((tmp_path / "there/verdicts.json").read_text()) == written


def test_a_design_that_cannot_answer_has_a_code_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = JudgedSweep(tmp_path / "sweep", 100, "latin_hypercube").fly(100, (5, 50, 70))
    asked = _asked(tmp_path, _OK.format(0.9))

    assert main(["verify", str(sweep.path), "--requirements", asked]) == 9

    # Offered instead: random draws, and the share.
    out = capsys.readouterr().out
    assert "Fly monte_carlo with n = 22 or more" in out
    assert "only the share of runs that meet it can be said; 3 of 100 violate" in out
    assert json.loads((tmp_path / "sweep/verdicts.json").read_text())["requirements"][0][
        "violating_runs"
    ] == [5, 50, 70]


def test_a_manifest_that_is_missing_or_damaged_is_told_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = JudgedSweep(tmp_path / "sweep", 3).fly(3)
    asked = _asked(tmp_path, _OK.format(0.9))
    lines = sweep.path.read_bytes().splitlines(keepends=True)
    sweep.path.write_bytes(b"".join([lines[0], lines[1].replace(b'"ok"', b'"no"'), *lines[2:]]))

    assert main(["verify", str(tmp_path / "none"), "--requirements", asked]) == 3
    assert capsys.readouterr().err == f"gmat-sweep: manifest not found: {tmp_path / 'none'}\n"
    assert main(["verify", str(sweep.path), "--requirements", asked]) == 3
    assert f"{sweep.path}, line 2: " in capsys.readouterr().err
    assert sorted(path.name for path in sweep.folder.iterdir()) == ["manifest.jsonl"]


def test_each_mistake_in_a_file_of_requirements_is_named_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = JudgedSweep(tmp_path / "sweep", 3).fly(3)
    asked = _asked(tmp_path, "\n".join(_MISTAKES))

    assert main(["verify", str(sweep.path), "--requirements", asked]) == 2

    told = capsys.readouterr().err
    for said in _MISTAKES.values():
        assert said in told
    assert "0.9973" in told, "3 sigma is no share of runs"
    assert not (tmp_path / "sweep/verdicts.json").exists()


def test_a_study_without_requirements_and_a_folder_that_is_a_file_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = JudgedSweep(tmp_path / "sweep", 3).fly(3)
    study = tmp_path / "study.toml"
    study.write_text('mission = "a.script"\nn = 3\n[vary]\n"Sat.SMA" = "normal:7000:1"\n')
    words = ["verify", str(sweep.path), "--requirements"]

    assert main([*words, str(study)]) == 2
    assert "the study has no requirements. Add [[requirement]] tables" in capsys.readouterr().err
    asked = _asked(tmp_path, _OK.format(0.9))
    assert main([*words, asked, "--out", str(study)]) == 2
    assert "study.toml is a file. Name a folder." in capsys.readouterr().err
    assert "--requirements" in usage_error(capsys, "verify", str(sweep.path))


def test_another_plan_or_limit_than_at_first_is_never_a_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was judged first stands beside the manifest, so that a limit is not moved unseen."""
    sweep = JudgedSweep(tmp_path / "sweep", 100).fly(100, (5, 50, 70))
    strict, lax = (_asked(tmp_path, _OK.format(level)) for level in (0.98, 0.9))
    words = ["verify", str(sweep.path), "--requirements"]
    _asked(tmp_path, _OK.format(0.98))
    assert main([*words, strict]) == 8
    first = (tmp_path / "sweep/verification.json").read_bytes()
    capsys.readouterr()

    _asked(tmp_path, _OK.format(0.9))
    assert main([*words, lax]) == 8

    out = capsys.readouterr().out
    assert "ok       PASS" in out
    assert "campaign INCONCLUSIVE  chosen after the data were seen" in out
    assert "requirement ok was changed" in out
    # A FAIL stays one, and so does what was chosen first.
    _asked(tmp_path, _OK.format(0.999))
    assert main([*words, lax, "--plan", "anytime"]) == 7
    assert "the plan was fixed, and is anytime" in capsys.readouterr().out
    _asked(tmp_path, _OK.format(0.98))
    assert main([*words, strict]) == 8
    assert "chosen after" not in capsys.readouterr().out
    assert (tmp_path / "sweep/verification.json").read_bytes() == first


def test_a_damaged_record_of_what_was_chosen_first_is_no_licence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = JudgedSweep(tmp_path / "sweep", 100).fly(100)
    asked = _asked(tmp_path, _OK.format(0.9))
    (tmp_path / "sweep/verification.json").write_text("{")

    assert main(["verify", str(sweep.path), "--requirements", asked]) == 2

    assert "what was chosen to be judged cannot be read" in capsys.readouterr().err
