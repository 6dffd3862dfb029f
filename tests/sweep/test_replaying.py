"""The script that a run flew can be had, and GMAT flies it to the same bits."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gmat_sweep import LocalJoblibPool, SweepConfigError, flown_script, replay_run, sweep
from gmat_sweep.cli import main
from gmat_sweep.engine import find_engine
from gmat_sweep.spec import RunSpec
from plain_gmat import PlainGmat

MISSION = """\
Create OpenFramesInterface View;
Create Spacecraft Sat;
#Include 'parts/orbit.inc'
Create ForceModel FM;
FM.PrimaryBodies = {Earth};
FM.GravityField.Earth.Degree = 4;
FM.GravityField.Earth.Order = 4;
FM.GravityField.Earth.PotentialFile = 'own.cof';
Create Propagator P;
P.FM = FM;
P.Type = RungeKutta89;
Create ReportFile R;
R.Filename = './deep/r.txt';
R.Precision = 17;
R.Add = {Sat.UTCGregorian, Sat.X, Sat.Y, Sat.Z};
BeginMissionSequence;
Toggle View On;
Propagate P(Sat) {Sat.ElapsedSecs = 600};
"""
GRID: dict[str, list[Any]] = {
    "Sat.SMA": [7000.1, 7100.2],
    "P.Type": ["RungeKutta89", "PrinceDormand78"],
}


@pytest.fixture
def mission(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    (home / "parts").mkdir(parents=True)
    (home / "parts" / "orbit.inc").write_text("Sat.SMA = 7000;\nSat.ECC = 0.001;\n")
    gravity = find_engine().root / "data" / "gravity" / "earth" / "JGM2.cof"
    text = gravity.read_text(errors="replace").replace("-4.8416539", "-4.8316539", 1)
    (home / "own.cof").write_text(text)
    (home / "mission.script").write_text(MISSION)
    return home / "mission.script"


def flown(script: Path, folder: Path) -> bytes:
    """The report that plain GMAT writes for a script, as it is and where it is."""
    with PlainGmat(folder) as gmat:
        ran = gmat.run_file(script)
    assert ran.ran, ran.log
    return ran.files["R"]


def test_a_replayed_run_flies_to_the_same_bits_without_the_users_files(
    mission: Path, pool: LocalJoblibPool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(mission, grid=GRID, backend=pool, out=tmp_path / "out", progress=False)
    manifest = str(tmp_path / "out" / "manifest.jsonl")

    code = main(["replay", manifest, "--run", "3", "--out", str(tmp_path / "again")])

    script = tmp_path / "again" / "mission.script"
    assert (code, capsys.readouterr().out) == (0, f"script: {script}\n")
    # What the run flew is all there; the user's own folder is not needed any more.
    shutil.rmtree(mission.parent)
    wrote = (tmp_path / "out" / "run-3" / "deep" / "r.txt").read_bytes()
    assert flown(script, tmp_path / "plain") == wrote
    assert "OpenFrames" not in script.read_text()
    assert "P.Type = PrinceDormand78;" in script.read_text()
    assert (tmp_path / "again" / "inputs" / "own.cof").is_file()
    other = (tmp_path / "out" / "run-0" / "deep" / "r.txt").read_bytes()
    assert other != wrote


def test_a_mission_that_needs_no_copy_is_replayed_from_the_users_script(
    pool: LocalJoblibPool, tmp_path: Path
) -> None:
    script = tmp_path / "plain.script"
    text = MISSION.replace("Create OpenFramesInterface View;\n", "").replace(
        "Toggle View On;\n", ""
    )
    text = text.replace("#Include 'parts/orbit.inc'\n", "").replace("'own.cof'", "'JGM2.cof'")
    script.write_text(text)
    out = tmp_path / "out"
    rows = pd.DataFrame({"Sat.Cd": [2.0, 2.5], "Sat.SMA": [7000.5, 7001.5]})
    sweep(script, samples=rows, backend=pool, out=out, progress=False)

    again = replay_run(out / "manifest.jsonl", 1, tmp_path / "again")

    wrote = (out / "run-1" / "deep" / "r.txt").read_bytes()
    assert flown(again, tmp_path / "plain") == wrote
    assert sorted(path.name for path in again.parent.iterdir()) == ["plain.script"]
    lines = again.read_text().splitlines()
    begin = lines.index("BeginMissionSequence;")
    assert lines[begin - 2 : begin] == ["Sat.Cd = 2.5;", "Sat.SMA = 7001.5;"]


def test_the_text_of_a_run_is_the_mission_with_its_overrides(mission: Path, tmp_path: Path) -> None:
    run = RunSpec(mission, {"P.Type": "PrinceDormand78", "Sat.Cd": 2}, tmp_path, 0, None, {})

    text = flown_script(run)

    assert "\nP.Type = PrinceDormand78;\n" in text
    assert "\nSat.Cd = 2;\nBeginMissionSequence;\n" in text
    assert flown_script(run, mission) == text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--run", "9"), "has no run 9; its runs are 0 to 3"),
        (("--run", "0", "--out", "full"), "full holds something already"),
        (("--run", "0", "--script", "nowhere.script"), "There is no script"),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    words: tuple[str, ...],
    said: str,
    mission: Path,
    pool: LocalJoblibPool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    sweep(mission, grid=GRID, backend=pool, out="out", progress=False)
    Path("full").mkdir()
    Path("full/mine.txt").touch()

    code = main(["replay", "out/manifest.jsonl", *words])

    assert code == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in Path("full").iterdir()] == ["mine.txt"]


def test_a_mission_that_has_changed_or_moved_is_not_replayed_unasked(
    mission: Path, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    sweep(mission, grid=GRID, backend=pool, out=tmp_path / "out", progress=False)
    manifest = tmp_path / "out" / "manifest.jsonl"
    orbit = mission.parent / "parts" / "orbit.inc"
    orbit.write_text(orbit.read_text().replace("0.001", "0.002"))

    with pytest.raises(SweepConfigError, match=r"parts/orbit\.inc has changed"):
        replay_run(manifest, 0, tmp_path / "again")
    mission.rename(mission.with_name("moved.script"))
    with pytest.raises(SweepConfigError, match=r"not where it was \(.*\)\. Name it with --script"):
        replay_run(manifest, 0, tmp_path / "again")
    assert not (tmp_path / "again").exists()
