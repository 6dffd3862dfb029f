"""A study flown from the shell, from Python and as a flow run: the same frames, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gmat_sweep import Manifest, SweepConfigError
from gmat_sweep.cli import main
from gmat_sweep.flow.server import recorded_on
from gmat_sweep.flows import gmat_sweep_flow
from gmat_sweep.mission.end_state import layouts_flown
from gmat_sweep.study import fly_study
from gmat_sweep.study.checking import checked_study
from opm_study import STUDY, write_opm_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_opm_study(tmp_path_factory.mktemp("study"))


def test_shell_python_and_flow_give_the_same(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = fly_study(study, out=tmp_path / "python", progress=False).to_dataframe()
    assert main(["study", "run", str(study), "--out", str(tmp_path / "shell"), "--quiet"]) == 8
    assert "4 runs (4 ok)" in capsys.readouterr().out
    with recorded_on():
        gmat_sweep_flow(study=study, out=tmp_path / "flow")

    assert list(frame.index.unique("run_id")) == [-1, 0, 1, 2]
    declared = layouts_flown(study.parent / "leo_basic.script", end_state=True)["RF"]
    assert set(declared.blocks[0].labels) <= {"Sat.UTCGregorian", *frame}
    record = None
    for name in ("python", "shell", "flow"):
        path = tmp_path / name / "manifest.jsonl"
        written = tmp_path / f"{name}.parquet"
        assert main(["frame", str(path), "--out", str(written)]) == 0
        pd.testing.assert_frame_equal(pd.read_parquet(written), frame)
        spec = Manifest.load(path).parameter_spec
        assert spec["perturb"]["Sat"]["frame"] == "RIC"
        assert record in (None, spec)
        record = spec

    for name in ("python", "shell"):
        folder = str(tmp_path / name)
        begun = Manifest.load(tmp_path / name / "manifest.jsonl").extra["verification"]
        assert (begun["plan"], begun["requirements"][0]["name"]) == ("fixed", "sma")
        assert main(["verify", folder, "--requirements", str(study)]) == 8
        printed = capsys.readouterr().out
        assert "3 runs cannot show this, however they end: it takes 230 or more" in printed
        assert "chosen after" not in printed
        # What was chosen first stands in the header, and nowhere else.
        assert not (tmp_path / name / "verification.json").exists()
        assert main(["verify", folder, "--requirements", str(study), "--plan", "anytime"]) == 8
        assert "the plan was fixed, and is anytime" in capsys.readouterr().out

    assert main(["table", str(tmp_path / "flow"), "--out", str(tmp_path / "t.csv")]) == 0
    table = pd.read_csv(tmp_path / "t.csv", index_col="run_id")
    assert list(table.index) == [-1, 0, 1, 2]
    assert {"Sat.X", "Sat.VZ", "Sat.Epoch", "Sat.DryMass", "RF.Sat.Earth.SMA"} <= set(table)
    assert table["Sat.DryMass"].between(800, 860).sum() == 3
    assert main(["report", str(tmp_path / "flow")]) == 0
    assert "3 of 3 runs ok" in capsys.readouterr().out


def test_a_check_flies_one_trial_run_and_leaves_nothing(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(study.parent.iterdir())
    draws = tmp_path / "draws.csv"
    words = ["study", "check", str(study), "--n", "5", "--out", str(tmp_path / "o")]
    assert main([*words, "--draws", str(draws)]) == 0
    said = capsys.readouterr().out
    assert "monte-carlo, 5 runs, seed 11 and the nominal run" in said
    assert "Sat.DryMass: truncnorm 850" in said
    assert "Sat: covariance of cartesian in RIC from" in said
    assert "server:  6 task runs, about 28 rows in its database: 3 a run" in said
    assert "judged:  plan fixed" in said
    assert "sma: final Sat.Earth.SMA in [6990, 7010] km in at least 99 %, with 90 % conf" in said
    assert "5 runs cannot show this; at least 230 are needed" in said
    assert sorted(study.parent.iterdir()) == before
    assert not (tmp_path / "o").exists()
    table = pd.read_csv(draws, index_col="run_id")
    assert len(table) == 5
    assert table["Sat.X"].std() > 0


def test_what_overrides_a_study_is_checked_like_the_study(study: Path, tmp_path: Path) -> None:
    with pytest.raises(SweepConfigError, match="n: Input should be greater than or equal to 1"):
        fly_study(study, out=tmp_path / "o", n=0)
    with pytest.raises(SweepConfigError, match=r"study\.toml, out: name the sweep folder"):
        checked_study(study)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "leo_basic.script",
            "none.script",
            r"changed\.toml, mission: .*none\.script was not",
        ),
        ('"Sat.DryMass" =', '"Sat.DryMess" =', "unknown field 'DryMess'"),
        ('"Sat.DryMass" =', '"Sat.X" =', r"Sat\.X is drawn twice: by 'Sat' and by 'Sat\.X'"),
        ('"Sat.DryMass" =', '"Sat.SMA" =', "elements of two state types"),
        (
            'column = "Sat.Earth.SMA"',
            'column = "Sat.Earth.SAM"',
            r"changed\.toml, line 18, requirement 'sma', column: no report has the column .*SMA'\?",
        ),
    ],
)
def test_what_only_the_mission_shows_is_told_before_any_run(
    study: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    changed = study.with_name("changed.toml")
    changed.write_text(STUDY.replace(old, new, 1))
    try:
        with pytest.raises(SweepConfigError, match=message):
            checked_study(changed, out=tmp_path / "o")
    finally:
        changed.unlink()


def test_the_schema_is_printed_for_editors(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["study", "schema"]) == 0
    schema: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert schema["title"] == "gmat-sweep study"
    assert main(["study", "schema", "--out", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_text()) == schema
