"""Commands that fly runs and judge them: verdicts, exit codes, and what is refused before a run."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli_sweeps import GRID, SCRIPT, refused
from gmat_sweep import Manifest
from gmat_sweep.cli import main
from gmat_sweep.spec import FailureKind, RunSpec
from gmat_sweep.sweep import checking
from recorded_at_once import RecordedAtOnce

TABLE = '[[requirement]]\nname = "ok"\nreduce = "ok"\nprobability = {}\n'
# 45 runs pass without a violation if the number of runs is fixed, 59 if one looks at any time.
OK = TABLE.format(0.95)
PERTURB = ("--perturb", "Sat.SMA=normal:7000:1")
FLY = ("monte-carlo", str(SCRIPT), *PERTURB, "--seed", "42", "--out", "mc", "--quiet")
STUDY = f"""\
mission = "{SCRIPT}"
seed = 42
out = "mc"
[vary]
"Sat.SMA" = "normal:7000:1"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ok.toml").write_text(OK)
    Path("strict.toml").write_text(OK + 'failed = "refuse"\n')
    Path("every.toml").write_text('[[requirement]]\nname = "all"\nreduce = "ok"\nevery = true\n')
    Path("column.toml").write_text(
        OK + '[[requirement]]\nname = "a"\ncolumn = "Sat.X1"\nlimit = "< 1"\nprobability = 0.9\n'
    )
    Path("fixed.toml").write_text('plan = "fixed"\n' + OK)
    Path("study.toml").write_text(STUDY.replace("seed", "max_runs = 200\nbatch = 30\nseed") + OK)


@pytest.fixture
def fly(monkeypatch: pytest.MonkeyPatch) -> Callable[..., RecordedAtOnce]:
    """Let runs end as a function says, or as a mapping from run to kind of failure."""

    def made(ends: Any = None) -> RecordedAtOnce:
        told = ends if callable(ends) else lambda run: (ends or {}).get(run.run_id)
        return RecordedAtOnce(monkeypatch, told)

    return made


@pytest.mark.parametrize(
    ("n", "file", "failing", "further", "code"),
    [
        (45, "ok", {}, (), 0),
        (44, "ok", {}, (), 8),
        (45, "ok", dict.fromkeys(range(20), "mission"), ("--max-failed", "3"), 7),
        (9, "ok", dict.fromkeys(range(9), "mission"), (), 7),
        # Broken workers change nothing about FAIL.
        (45, "ok", dict.fromkeys(range(20), "mission") | {44: "worker"}, ("--max-failed", "0"), 7),
        (45, "strict", {3: "mission"}, (), 9),
        # What a resume would tell comes before INCONCLUSIVE, as it does without requirements.
        (9, "ok", dict.fromkeys(range(9), "worker"), (), 5),
        (45, "ok", {3: "worker", 4: "worker"}, ("--max-failed", "1"), 5),
        (45, "ok", {3: "worker", 4: "worker"}, ("--max-failed", "2"), 8),
    ],
)  # fmt: skip
def test_a_monte_carlo_ends_with_the_code_of_its_verdict(
    fly: Callable[..., RecordedAtOnce],
    capsys: pytest.CaptureFixture[str],
    n: int,
    file: str,
    failing: dict[int, FailureKind],
    further: tuple[str, ...],
    code: int,
) -> None:
    """The numbers of runs are those of Clopper and Pearson: 0.95**45 < 0.1 < 0.95**44."""
    fly(failing)

    assert main([*FLY, "--n", str(n), "--requirements", f"{file}.toml", *further]) == code

    verdict = {0: "PASS", 7: "FAIL", 8: "INCONCLUSIVE", 9: "NOT APPLICABLE"}.get(
        code, "INCONCLUSIVE"
    )
    printed = capsys.readouterr()
    assert re.search(rf"^campaign {verdict}\b", printed.out, re.MULTILINE)
    assert json.loads(Path("mc/verdicts.json").read_text())["verdict"] == verdict
    assert Manifest.load(Path("mc/manifest.jsonl")).extra["verification"]["plan"] == "fixed"
    doubt = "ok: 44 runs cannot show this; at least 45 are needed" in printed.err
    assert doubt == (n == 44)
    assert main(["verify", "mc", "--requirements", f"{file}.toml"]) == (8 if code == 5 else code)


def test_it_flies_until_it_is_decided_and_goes_on_as_it_says(
    fly: Callable[..., RecordedAtOnce], capsys: pytest.CaptureFixture[str]
) -> None:
    """PASS after 113 runs with one violation, by the oracle."""

    def interrupted(run: RunSpec) -> FailureKind | None:
        if run.run_id == 55:
            raise KeyboardInterrupt
        return "mission" if run.run_id == 40 else None

    fly(interrupted)
    asked = ("--until-decided", "--requirements", "ok.toml", "--max-runs", "150", "--batch", "40")
    with pytest.raises(KeyboardInterrupt):
        main([*FLY, *asked])
    said = capsys.readouterr().err
    command = said[said.index("`") + 1 : said.rindex("`")]
    assert "55 runs are recorded; go on with" in said
    assert command.startswith("gmat-sweep extend mc/manifest.jsonl --requirements ok.toml")

    record = fly({40: "mission"})
    assert refused(capsys, 2, *FLY, *asked).count("`gmat-sweep extend /") == 1
    assert record.passes == []
    assert main([*shlex.split(command)[1:], "--quiet"]) == 0
    assert "reached after 113 runs" in capsys.readouterr().out
    assert [(action, len(runs)) for action, runs in record.passes] == [
        ("resume", 25), ("extend", 40),
    ]  # fmt: skip


def test_it_ends_undecided_at_max_runs_and_an_extension_decides_it(
    fly: Callable[..., RecordedAtOnce], capsys: pytest.CaptureFixture[str]
) -> None:
    fly()
    asked = ("--until-decided", "--requirements", "ok.toml")
    assert main([*FLY, "--n", "20", *asked, "--max-runs", "50", "--batch", "50"]) == 8
    printed = capsys.readouterr()
    assert "campaign INCONCLUSIVE  50 runs are flown, and max_runs allows no more" in printed.out
    assert "ok: 50 runs cannot show this; at least 59 are needed" in printed.err

    assert main(["extend", "mc", *asked, "--quiet"]) == 0
    assert "100 runs (100 ok)" in capsys.readouterr().out
    assert main(["extend", "mc", "--n", "5", "--requirements", "ok.toml", "--quiet"]) == 0
    assert "reached after 59 runs" in capsys.readouterr().out


def test_an_extension_records_what_is_judged_before_it_flies(
    fly: Callable[..., RecordedAtOnce], capsys: pytest.CaptureFixture[str]
) -> None:
    def seen(run: RunSpec) -> None:
        if run.run_id >= 30:
            assert json.loads(Path("mc/verification.json").read_text())["plan"] == "anytime"

    fly(seen)
    assert main([*FLY, "--n", "30"]) == 0
    words = ["extend", "mc", "--n", "29", "--requirements", "ok.toml", "--plan", "anytime"]
    assert main([*words, "--quiet"]) == 0


REFUSED = {
    "no number of runs": ((*FLY, "--requirements", "ok.toml"), "--n: nobody says how many runs"),
    "a plan without requirements": (
        (*FLY, "--n", "9", "--plan", "anytime"), "--plan requires --requirements",
    ),
    "growth without requirements": (
        (*FLY, "--until-decided"), "--until-decided requires --requirements",
    ),
    "a batch without growth": (
        (*FLY, "--n", "9", "--requirements", "ok.toml", "--batch", "9"),
        "--batch requires --until-decided",
    ),
    "a fixed plan that grows": (
        (*FLY, "--until-decided", "--requirements", "fixed.toml"),
        "the plan fixed holds for one number of runs",
    ),
    "a column that no report has": (
        (*FLY, "--n", "9", "--requirements", "column.toml"), "no report has the column Sat.X1",
    ),
    "no file": ((*FLY, "--n", "9", "--requirements", "none.toml"), "none.toml"),
    "more runs than it may have": (
        (*FLY, "--n", "99", "--until-decided", "--max-runs", "9", "--requirements", "ok.toml"),
        "max_runs is 9, and the sweep has 99 runs",
    ),
    "no run at all": (
        (*FLY, "--until-decided", "--max-runs", "0", "--requirements", "ok.toml"),
        "requires --max-runs >= 1",
    ),
    "a Latin hypercube": (
        ("latin-hypercube", *FLY[1:], "--n", "9", "--requirements", "ok.toml"),
        "the runs of latin-hypercube are no independent draws",
    ),
    "a grid": (
        ("run", SCRIPT, *GRID, "--out", "mc", "--requirements", "ok.toml"),
        "the runs of run are no independent draws",
    ),
    "an extension of two sizes": (
        ("extend", "mc", "--n", "9", "--until-decided", "--requirements", "ok.toml"),
        "Give one of the two",
    ),
    "an extension of none": (("extend", "mc"), "Give one of the two"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_judged_is_refused_before_a_run(
    case: str, fly: Callable[..., RecordedAtOnce], capsys: pytest.CaptureFixture[str]
) -> None:
    record = fly()
    words, said = REFUSED[case]

    assert main([str(word) for word in words]) == 2

    assert said in capsys.readouterr().err
    assert record.passes == []
    assert not Path("mc").exists()


def test_a_dry_run_says_what_is_judged(
    fly: Callable[..., RecordedAtOnce],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(checking, "_tried", lambda found, *_: replace(found, trial_s=1.0))
    grows = ("--until-decided", "--max-runs", "55", "--requirements")
    assert main([*FLY, *grows, "every.toml", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "monte-carlo, 50 runs" in said
    assert "judged:  plan anytime, 55 runs at most\n" in said
    assert "  all: " in said
    assert "random draws never show that every run meets it" in said

    assert main([*FLY, "--n", "44", "--requirements", "ok.toml", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "judged:  plan fixed\n" in said
    assert "44 runs cannot show this; at least 45 are needed" in said

    record = fly()
    assert main([*FLY, *grows, "ok.toml", "--n", "30", "--batch", "25"]) == 8
    assert len(record.passes) == 2
    assert main(["extend", "mc", *grows[:2], "70", "--requirements", "ok.toml", "--dry-run"]) == 0
    assert "extension of a monte-carlo sweep, 15 runs" in capsys.readouterr().out
    assert len(record.passes) == 2


def test_a_study_is_judged_at_its_end_and_grows_where_it_says_so(
    fly: Callable[..., RecordedAtOnce],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = fly({40: "mission"})
    assert main(["study", "run", "study.toml", "--quiet"]) == 0
    assert "reached after 113 runs" in capsys.readouterr().out
    assert [len(runs) for _, runs in record.passes] == [30, 30, 30, 30]
    told = json.loads(Path("mc/verdicts.json").read_text())
    assert (told["verdict"], told["plan"]) == ("PASS", "anytime")
    assert "gmat-sweep extend" in refused(capsys, 2, "study", "run", "study.toml")
    # The study itself is a file of requirements.
    assert main(["extend", "mc", "--until-decided", "--requirements", "study.toml"]) == 0

    Path("plain.toml").write_text(STUDY.replace("seed", "n = 9\nseed"))
    words = ["study", "run", "plain.toml", "--out", "plain", "--n", "44", "--quiet"]
    assert main([*words, "--requirements", "ok.toml"]) == 8
    assert "campaign INCONCLUSIVE" in capsys.readouterr().out
    assert json.loads(Path("plain/verdicts.json").read_text())["plan"] == "fixed"

    monkeypatch.setattr(checking, "_tried", lambda found, *_: replace(found, trial_s=1.0))
    words = ["study", "check", "study.toml", "--out", "o", "--max-runs", "58"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "judged:  plan anytime, 58 runs at most" in said
    assert "58 runs cannot show this; at least 59 are needed" in said
