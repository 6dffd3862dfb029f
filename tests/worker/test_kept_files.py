"""A worker that keeps a mission flies what its files say now.

The right numbers come from a worker that has flown nothing yet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gmat_sweep.backends.process.worker_process import WorkerProcess
from gmat_sweep.engine import find_engine
from gmat_sweep.spec import RunSpec

MISSION = """\
Create Spacecraft Sat;
#Include 'parts/orbit.inc'
Create ForceModel FM;
FM.PrimaryBodies = {Earth};
FM.GravityField.Earth.Degree = 4;
FM.GravityField.Earth.Order = 4;
FM.GravityField.Earth.PotentialFile = 'own.cof';
Create Propagator P;
P.FM = FM;
Create ReportFile R;
R.Filename = 'r.txt';
R.Add = {Sat.UTCGregorian, Sat.X, Sat.Y, Sat.Z};
BeginMissionSequence;
#Include 'parts/flight.inc'
"""


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    own = WorkerProcess()
    yield own
    own.close()


@pytest.fixture
def mission(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "orbit.inc").write_text("Sat.SMA = 7000;\nSat.ECC = 0.001;\n")
    (tmp_path / "parts" / "flight.inc").write_text("Propagate P(Sat) {Sat.ElapsedSecs = 600};\n")
    gravity = find_engine().root / "data" / "gravity" / "earth" / "JGM2.cof"
    (tmp_path / "own.cof").write_bytes(gravity.read_bytes())
    script = tmp_path / "mission.script"
    script.write_text(MISSION)
    return script


def flown(worker: WorkerProcess, script: Path, out: Path) -> bytes:
    outcome = worker.run(RunSpec(script, {"Sat.INC": 40.5}, out, 0, None, {"overwrite": True}))
    assert outcome.status == "ok", outcome.stderr
    return (out / "r.txt").read_bytes()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def edit_within_a_tick(path: Path, old: str, new: str) -> None:
    """Leave size and times as they were, as an edit within a tick of a coarse clock does."""
    before = path.stat()
    edit(path, old, new)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


EDITS: list[tuple[str, str, str]] = [
    ("parts/orbit.inc", "7000", "7100"),
    ("parts/flight.inc", "600", "900"),
    ("own.cof", "-4.8416539", "-4.2416539"),
    ("mission.script", "Order = 4", "Order = 2"),
]


@pytest.mark.promise("kept workers", "an edit within a tick of the clock")
@pytest.mark.parametrize("how", [edit, edit_within_a_tick])
@pytest.mark.parametrize(("name", "old", "new"), EDITS, ids=[name for name, _, _ in EDITS])
def test_a_file_that_was_edited_between_two_runs_is_read_again(
    name: str,
    old: str,
    new: str,
    how: Callable[[Path, str, str], None],
    mission: Path,
    worker: WorkerProcess,
    tmp_path: Path,
) -> None:
    # As many as it takes until the mission is kept without a check.
    before = [flown(worker, mission, tmp_path / f"before-{number}") for number in range(4)]
    assert len(set(before)) == 1

    how(mission.parent / name, old, new)
    after = flown(worker, mission, tmp_path / "after")

    fresh = WorkerProcess()
    try:
        right = flown(fresh, mission, tmp_path / "right")
    finally:
        fresh.close()
    assert after == right
    assert after != before[0]


@pytest.mark.promise("kept workers", "an include that appears between two runs")
def test_an_include_that_is_put_in_its_place_later_is_read(
    mission: Path, worker: WorkerProcess, tmp_path: Path
) -> None:
    """GMAT passes over an include that is not there."""
    edit(mission, "BeginMissionSequence;", "#Include 'parts/later.inc'\nBeginMissionSequence;")
    before = [flown(worker, mission, tmp_path / f"before-{number}") for number in range(4)]

    (tmp_path / "parts" / "later.inc").write_text("Sat.RAAN = 50;\n")

    assert flown(worker, mission, tmp_path / "after") != before[-1]


ORIENTED = """\
Create Spacecraft Sat;
Sat.DateFormat = UTCModJulian;
Sat.Epoch = 27023.5;
Create ReportFile R;
R.Filename = 'r.txt';
BeginMissionSequence;
Report R Sat.EarthFixed.X Sat.EarthFixed.Y;
"""
LINE_OF_DAY = "57023"


@pytest.fixture
def oriented(tmp_path: Path) -> Path:
    """A mission, and beside it a file of Earth's orientation that turns Earth by 10 ms."""
    data = find_engine().root / "data" / "planetary_coeff" / "eopc04_08.62-now"
    lines = data.read_text().splitlines()
    for number, line in enumerate(lines):
        if LINE_OF_DAY in line.split()[3:4] or "57024" in line.split()[3:4]:
            lag = line.split()[6]
            lines[number] = line.replace(lag, f"{float(lag) + 0.01:.7f}", 1)
    (tmp_path / "own.eop").write_text("\n".join(lines) + "\n")
    script = tmp_path / "oriented.script"
    script.write_text(ORIENTED)
    return script


@pytest.mark.parametrize("what", ["checked", "refused", "failed"])
def test_the_orientation_of_earth_that_another_script_names_is_not_flown(
    what: str, oriented: Path, worker: WorkerProcess, tmp_path: Path
) -> None:
    """GMAT keeps the file of a script that it loaded and did not run for the mission after it."""
    fresh = WorkerProcess()
    try:
        right = flown(fresh, oriented, tmp_path / "right")
        named = {"Earth.EopFileName": "own.eop"}
        turned = fresh.run(RunSpec(oriented, named, tmp_path / "turned", 0, None, {}))
    finally:
        fresh.close()
    assert turned.status == "ok"
    assert (tmp_path / "turned" / "r.txt").read_bytes() != right

    if what == "checked":
        assert not worker.inspect(oriented, named).refused
    elif what == "refused":
        assert worker.inspect(oriented, {**named, "Sat.DateFormat": "Mayan"}).refused
    else:
        values = {**named, "Sat.DateFormat": "Mayan"}
        failed = worker.run(RunSpec(oriented, values, tmp_path / "failed", 0, None, {}))
        assert failed.status == "failed"

    assert flown(worker, oriented, tmp_path / "after") == right
