"""A sweep flies what the mission's files say, and a resume what they said when it was begun."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gmat_sweep import (
    LocalJoblibPool,
    Manifest,
    Sweep,
    SweepConfigError,
    monte_carlo,
    sweep,
)
from gmat_sweep.cli import main
from gmat_sweep.engine import find_engine
from gmat_sweep.sweep.resuming import facts_of_pass
from told import told

MISSION = """\
Create Spacecraft Sat;
#Include 'parts/orbit.inc'
Create ForceModel FM;
FM.PrimaryBodies = {Earth};
FM.GravityField.Earth.PotentialFile = 'own.cof';
Create Propagator P;
P.FM = FM;
Create ReportFile R;
R.Add = {Sat.UTCGregorian, Sat.X, Sat.Earth.SMA};
BeginMissionSequence;
Propagate P(Sat) {Sat.ElapsedSecs = 300};
"""
GRID = {"Sat.INC": [40.0, 50.0, 60.0, 70.0]}


@pytest.fixture
def mission(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    (home / "parts").mkdir(parents=True)
    (home / "parts" / "orbit.inc").write_text("Sat.SMA = 7000;\nSat.ECC = 0.001;\n")
    shutil.copy(find_engine().root / "data" / "gravity" / "earth" / "JGM2.cof", home / "own.cof")
    (home / "mission.script").write_text(MISSION)
    return home / "mission.script"


def flown(mission: Path, pool: LocalJoblibPool, out: Path) -> pd.DataFrame:
    return sweep(mission, grid=GRID, backend=pool, out=out, progress=False)


@pytest.mark.promise("kept workers", "an include or an input file edited between two sweeps")
@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("parts/orbit.inc", "7000", "7100"), ("own.cof", "-4.8416539", "-4.2416539")],
)
def test_a_kept_pool_flies_what_the_files_say_now(
    name: str, old: str, new: str, mission: Path, tmp_path: Path
) -> None:
    """Right is what a pool of its own flies. Status ok and old numbers were the fault."""
    with LocalJoblibPool(1) as kept:
        before = flown(mission, kept, tmp_path / "before")
        file = mission.parent / name
        times = file.stat()
        file.write_text(file.read_text().replace(old, new, 1))
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        after = flown(mission, kept, tmp_path / "after")
    with LocalJoblibPool(1) as fresh:
        right = flown(mission, fresh, tmp_path / "right")

    pd.testing.assert_frame_equal(after, right, check_exact=True)
    assert not after["Sat.X"].equals(before["Sat.X"])


def test_the_header_has_the_hashes_of_all_files(
    mission: Path, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    flown(mission, pool, tmp_path / "out")

    header = Manifest.load(tmp_path / "out" / "manifest.jsonl").extra
    assert header["mission_files"].keys() == {"parts/orbit.inc", "own.cof"}
    assert header["mission_path"] == "../home/mission.script"


def change(file: Path) -> None:
    file.write_text(file.read_text() + "\n")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda home: change(home / "parts" / "orbit.inc"), "parts/orbit.inc has changed"),
        (lambda home: change(home / "own.cof"), "own.cof has changed"),
        (lambda home: (home / "own.cof").unlink(), "own.cof is gone"),
    ],
)
def test_a_resume_refuses_a_mission_whose_files_have_changed_or_warns(
    edit: Callable[[Path], None],
    said: str,
    mission: Path,
    pool: LocalJoblibPool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    flown(mission, pool, tmp_path / "out")
    manifest = tmp_path / "out" / "manifest.jsonl"
    edit(mission.parent)

    with pytest.raises(SweepConfigError, match=f"{said}.*allow_script_drift=True"):
        Sweep.from_manifest(manifest, mission, backend=pool)
    facts = facts_of_pass(Manifest.load(manifest), mission, find_engine().version, 1)
    code = main(["resume", str(manifest), "--script", str(mission), "--quiet"])
    with pytest.warns(RuntimeWarning, match=said):
        Sweep.from_manifest(manifest, mission, backend=pool, allow_script_drift=True)

    assert {*facts} == {"mission_files"}, "an entry would have the files that differ alone"
    assert [*facts["mission_files"]] == [said.split(maxsplit=1)[0]]
    assert code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["grid", "rows", "draws"])
def test_files_that_only_varied_values_name_are_recorded_and_compared(
    kind: str, mission: Path, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    home, field = mission.parent, "FM.GravityField.Earth.PotentialFile"
    other = home / "other.cof"
    shutil.copy(home / "own.cof", other)
    shutil.copy(other, home / "unused.cof")
    names = ["own.cof", str(other)]
    manifest = tmp_path / "out" / "manifest.jsonl"
    options: dict[str, Any] = {"backend": pool, "out": manifest.parent, "progress": False}
    if kind == "grid":
        sweep(mission, grid={field: names}, **options)
    elif kind == "rows":
        sweep(mission, samples=pd.DataFrame({field: names}), **options)
    else:
        draws = {field: ("choice", names)}
        monte_carlo(mission, n=2, seed=1, perturb=draws, **options)

    header = Manifest.load(manifest)
    assert header.extra["mission_files"].keys() == {"parts/orbit.inc", "own.cof", "other.cof"}
    assert facts_of_pass(header, mission, find_engine().version, 2).keys() == set()
    change(other)
    with pytest.raises(SweepConfigError, match=r"other\.cof has changed"):
        Sweep.from_manifest(manifest, mission, backend=pool)
    # Earlier versions did not record it.
    del header.extra["mission_files"]["other.cof"]
    header.save(manifest)
    Sweep.from_manifest(manifest, mission, backend=pool)


def test_a_manifest_that_records_no_files_is_resumed(
    mission: Path, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    """Those of earlier versions, and of other programs."""
    flown(mission, pool, tmp_path / "out")
    path = tmp_path / "out" / "manifest.jsonl"
    manifest = Manifest.load(path)
    del manifest.extra["mission_files"]
    manifest.save(path)
    change(mission.parent / "own.cof")

    assert len(Sweep.from_manifest(path, mission, backend=pool, progress=False).resume().runs) == 4


def test_an_include_that_is_not_there_is_said(
    mission: Path, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    mission.write_text(MISSION.replace("Create ForceModel", "#Include 'no.inc'\nCreate ForceModel"))

    with told() as messages:
        flown(mission, pool, tmp_path / "out")

    assert "line 3 of mission.script includes no.inc, which is not there" in "\n".join(messages)


def test_a_sweep_flies_from_any_folder(
    mission: Path, pool: LocalJoblibPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GMAT looks for some files only in the folder that it was started in."""
    at_home = flown(mission, pool, tmp_path / "a")
    monkeypatch.chdir("/")

    with LocalJoblibPool(1) as elsewhere:
        pd.testing.assert_frame_equal(flown(mission, elsewhere, tmp_path / "b"), at_home)
    copy = (tmp_path / "a" / "headless" / "mission.script").read_text()
    assert f"'{mission.parent}/own.cof'" in copy


SET_AGAIN = """\
BeginMissionSequence;
If Sat.INC > 45
   Sat.SMA = 7000;
EndIf;
"""


def test_a_field_that_the_sequence_sets_again_is_said_once_with_its_line(
    mission: Path, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    mission.write_text(MISSION.replace("BeginMissionSequence;\n", SET_AGAIN))

    with told() as messages:
        sweep(
            mission,
            grid={"Sat.SMA": [7000, 7100], "Sat.INC": [40, 50]},
            backend=pool,
            out=tmp_path / "out",
            progress=False,
        )

    said = [message for message in messages if "sets it again" in message]
    assert len(said) == 1
    assert said[0].startswith(
        "Sat.SMA is overridden, but line 12 of mission.script sets it again: Sat.SMA = 7000."
    )
