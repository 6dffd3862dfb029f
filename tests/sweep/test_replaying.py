"""The script that a run flew can be had, and GMAT flies it to the same bits.

The independent way is plain GMAT, started elsewhere, on the written script as it is.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gmat_sweep import (
    LocalJoblibPool,
    Manifest,
    SweepConfigError,
    check_replay,
    flown_script,
    replay_run,
    sweep,
)
from gmat_sweep.archive import archive_sweep
from gmat_sweep.cli import main
from gmat_sweep.engine import find_engine
from gmat_sweep.mission.script import script_digest
from gmat_sweep.spec import RunOutcome, RunSpec
from gmat_sweep.sweep import replay_kit
from plain_gmat import PlainGmat
from repository import SUPPORT

MISSION = """\
Create OpenFramesInterface View;
Create Spacecraft Sat;
#Include 'parts/orbit.inc'
Create ForceModel FM;
FM.PrimaryBodies = {Earth};
FM.GravityField.Earth.Degree = 4;
FM.GravityField.Earth.Order = 4;
FM.GravityField.Earth.PotentialFile = 'own.cof';
Sat.Attitude = CCSDS-AEM;
Sat.AttitudeFileName = './parts/own.aem';
SolarSystem.EphemerisSource = 'SPICE';
SolarSystem.SPKFilename = '../kernels/own.bsp';
Create Propagator P;
P.FM = FM;
P.Type = RungeKutta89;
Create ReportFile R;
R.Filename = './deep/r.txt';
R.Precision = 17;
R.Add = {Sat.UTCGregorian, Sat.X, Sat.Y, Sat.Z, Sat.Q1};
BeginMissionSequence;
Toggle View On;
Propagate P(Sat) {Sat.ElapsedSecs = 600};
"""
ATTITUDE = """\
CCSDS_AEM_VERS = 1.0
CREATION_DATE = 2010-01-01T00:00:00
ORIGINATOR = ME
META_START
OBJECT_NAME = SAT
OBJECT_ID = 2010-001A
CENTER_NAME = EARTH
REF_FRAME_A = EME2000
REF_FRAME_B = SC_BODY_1
ATTITUDE_DIR = A2B
TIME_SYSTEM = UTC
START_TIME = 2000-01-01T11:00:00.000
STOP_TIME = 2000-01-01T14:00:00.000
ATTITUDE_TYPE = QUATERNION
QUATERNION_TYPE = LAST
INTERPOLATION_METHOD = LINEAR
INTERPOLATION_DEGREE = 1
META_STOP
DATA_START
2000-01-01T11:00:00.000 0.0 0.0 0.0 1.0
2000-01-01T12:30:00.000 0.5 0.5 0.5 0.5
2000-01-01T14:00:00.000 0.0 0.0 0.0 1.0
DATA_STOP
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
    (home / "parts" / "own.aem").write_text(ATTITUDE)
    (tmp_path / "kernels").mkdir()
    kernel = next((find_engine().root / "data" / "planetary_ephem" / "spk").iterdir())
    (tmp_path / "kernels" / "own.bsp").symlink_to(kernel.resolve())
    (home / "mission.script").write_text(MISSION)
    return home / "mission.script"


def flown(script: Path, folder: Path) -> bytes:
    """The report that plain GMAT writes for a script, as it is and where it is."""
    with PlainGmat(folder) as gmat:
        ran = gmat.run_file(script)
    assert ran.ran, ran.log
    return ran.files["R"]


def test_the_worst_runs_fly_to_the_same_bits_without_the_users_files(
    mission: Path,
    pool: LocalJoblibPool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "a sweep"
    rows = pd.DataFrame({"Sat.SMA": [7000.1, 7100.2, -7000.0]})
    sweep(
        mission, samples=rows, backend=pool, out=out, progress=False,
        postprocess="run_hooks:farthest",
    )  # fmt: skip
    limit = {"name": "x", "column": "Sat.X", "limit": "< 1", "unit": "km", "probability": 0.5}
    (tmp_path / "reqs.json").write_text(json.dumps([limit]))
    # A later pass with another script would leave another copy: what run 1 flew is still known.
    copy = out / "headless" / "mission.script"
    copy.write_text(copy.read_text().replace("RungeKutta89", "PrinceDormand45"))
    python = tmp_path / "my python" / "python 3"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.chdir(tmp_path)
    words = ["--requirement", "x", "--requirements", "reqs.json"]

    code = main(["replay", str(out), "--worst", "2", *words])

    told = capsys.readouterr().out.splitlines()
    failed, again = (tmp_path / "replay" / f"run-{run}" for run in (2, 1))
    assert code == 0
    assert told[0].startswith("run 2: failed: ")
    assert told[1] == f"script: {failed / 'mission.script'}"
    assert told[2].startswith("run 1: violates x by ")
    assert told[3] == f"script: {again / 'mission.script'}"
    # What the run flew is all there; the user's own folders are not needed any more.
    shutil.rmtree(mission.parent)
    shutil.rmtree(tmp_path / "kernels")
    wrote = (out / "run-1" / "deep" / "r.txt").read_bytes()
    monkeypatch.chdir("/")
    gmat = PlainGmat(tmp_path / "plain")
    assert gmat.run_file(again / "mission.script").files["R"] == wrote
    text = (again / "mission.script").read_text()
    assert "OpenFrames" not in text
    assert "PotentialFile = 'inputs/own.cof';" in text
    assert "AttitudeFileName = 'inputs/own.aem';" in text
    # GMAT opens a kernel from the folder it was started in.
    assert f"SPKFilename = '{again}/inputs/own.bsp';" in text
    assert (out / "run-0" / "deep" / "r.txt").read_bytes() != wrote

    expected = json.loads((again / "expected.json").read_text())
    frame = pd.read_parquet(out / "run-1" / "report__R.parquet")
    assert expected["tables"]["report__R"]["final"]["Sat.X"] == frame["Sat.X"].iloc[-1]
    assert expected["requirement"]["value"] == frame["Sat.X"].iloc[-1]
    assert expected["requirement"]["margin"] == 1 - frame["Sat.X"].iloc[-1]
    assert json.loads((failed / "expected.json").read_text())["failure_kind"] == "mission"
    record = json.loads((again / "hashes.json").read_text())
    data = find_engine().root / "data"
    # Of the engine's data those that are used: Earth's own field is, the default one is not.
    assert {"time/tai-utc.dat", "gravity/earth/JGM2.cof"} - record["engine_data"].keys() == {
        "gravity/earth/JGM2.cof"
    }
    for name, digest in record["engine_data"].items():
        assert hashlib.sha256((data / name).read_bytes()).hexdigest() == digest
    hashes = record["files"]
    listed = {str(path.relative_to(again)) for path in again.rglob("*") if path.is_file()}
    assert listed == {*hashes, "hashes.json"}

    moved = again.rename(tmp_path / "moved here")
    monkeypatch.setenv("GMAT_SWEEP_HOOKS", str(SUPPORT))
    ended = subprocess.run([moved / "replay.sh"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[0] == "run 1: equal, bit for bit"
    assert "  farthest, of the hook, is equal\n" in ended.stdout
    # It also mended the name of the kernel, for GMAT itself.
    with gmat:
        assert gmat.run_file(moved / "mission.script").files["R"] == wrote
    assert main(["replay", str(failed), "--check"]) == 0
    assert "it failed as the run did: " in capsys.readouterr().out


def test_a_mission_that_needs_no_copy_is_replayed_from_the_users_script(
    pool: LocalJoblibPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "plain.script"
    text = MISSION.replace("Create OpenFramesInterface View;\n", "").replace(
        "Toggle View On;\n", ""
    )
    text = text.replace("#Include 'parts/orbit.inc'\n", "").replace("'own.cof'", "'JGM2.cof'")
    text = re.sub(r"(Sat\.Attitude|SolarSystem\.).*\n", "", text)
    script.write_text(text)
    out = tmp_path / "out"
    rows = pd.DataFrame({"Sat.Cd": [2.0, 2.5], "Sat.SMA": [7000.5, 7001.5]})
    sweep(script, samples=rows, backend=pool, out=out, progress=False)

    again = replay_run(out / "manifest.jsonl", 1, tmp_path / "again")

    wrote = (out / "run-1" / "deep" / "r.txt").read_bytes()
    assert flown(again, tmp_path / "plain") == wrote
    lines = again.read_text().splitlines()
    begin = lines.index("BeginMissionSequence;")
    assert lines[begin - 2 : begin] == ["Sat.Cd = 2.5;", "Sat.SMA = 7001.5;"]

    # The same comes out of an archive that was unpacked elsewhere.
    zipped = archive_sweep(
        Manifest.load(out / "manifest.jsonl"), out, script, tmp_path / "sweep.zip"
    )
    shutil.unpack_archive(zipped, tmp_path / "unpacked")
    unpacked = replay_run(tmp_path / "unpacked" / "manifest.jsonl", 1, tmp_path / "of archive")
    assert unpacked.read_bytes() == again.read_bytes()
    files = ("expected.json", "versions.json")
    of_archive, own = (
        [json.loads((each.parent / name).read_text()) for name in files]
        for each in (unpacked, again)
    )
    assert of_archive[0] == own[0]
    assert of_archive[1]["gmat"] == own[1]["gmat"]

    # Other bits are seen; here those of run 0, which differ from the first row on.
    kit = again.parent
    at = datetime.now(UTC)
    other_run = RunOutcome.ok(
        run_id=1,
        output_paths={"report__R": out / "run-0" / "report__R.parquet"},
        started_at=at,
        ended_at=at,
    )
    monkeypatch.setattr(replay_kit, "_flown", lambda *_: (other_run, []))
    check = check_replay(kit)
    assert not check.is_equal
    assert re.fullmatch(r"report__R ends with Sat.X = \S+; the run with \S+", check.differences[0])
    expected = json.loads((kit / "expected.json").read_text())
    expected["tables"]["report__R"]["final"] = {}
    rewritten(kit / "expected.json", json.dumps(expected))
    assert check_replay(kit).differences == ("report__R differs before its last row",)
    # A run that failed in its hook had a script that GMAT flew.
    expected |= {"status": "failed", "failure_kind": "hook", "cause": "no luck"}
    rewritten(kit / "expected.json", json.dumps(expected))
    check = check_replay(kit)
    assert (check.is_equal, check.notes) == (True, ("the run failed beside GMAT: no luck",))
    broken = RunOutcome.failed(run_id=1, stderr="GMAT is gone", started_at=at, ended_at=at)
    monkeypatch.setattr(replay_kit, "_flown", lambda *_: (broken, []))
    assert check_replay(kit).differences == (
        "GMAT failed: GMAT is gone; the run failed in its hook alone",
    )
    again.write_text(again.read_text().replace("7001.5", "7001.6"))
    assert check_replay(kit).differences == ("plain.script has changed since it was written",)

    # A run that a resume flew with another script is replayed from that one.
    manifest = Manifest.load(out / "manifest.jsonl")
    other = tmp_path / "other.script"
    other.write_text(script.read_text().replace("600", "60"))
    entry = replace(manifest.latest()[0], extra={"script_sha256": script_digest(other)})
    manifest.append_entry(entry, hold=False)
    with pytest.raises(SweepConfigError, match="script hash mismatch"):
        replay_run(manifest.path or "", 0, tmp_path / "drifted")
    with pytest.raises(SweepConfigError, match="is not the script that run 0 flew"):
        replay_run(manifest.path or "", 0, tmp_path / "drifted", script=other)


def test_the_text_of_a_run_is_the_mission_with_its_overrides(mission: Path, tmp_path: Path) -> None:
    run = RunSpec(mission, {"P.Type": "PrinceDormand78", "Sat.Cd": 2}, tmp_path, 0, None, {})

    text = flown_script(run)

    assert "\nP.Type = PrinceDormand78;\n" in text
    assert "\nSat.Cd = 2;\nBeginMissionSequence;\n" in text
    assert flown_script(run, mission) == text


def rewritten(path: Path, text: str) -> None:
    """Write a file of a replay, and its hash."""
    path.write_text(text)
    record = path.with_name("hashes.json")
    hashes = json.loads(record.read_text())
    hashes["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    record.write_text(json.dumps(hashes))


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
