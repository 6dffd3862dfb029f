"""A file of the mission that is edited while a sweep is under way stops the sweep.

A worker reads files when it needs them: runs of two missions would be in one sweep, all ``ok``.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from gmat_sweep import LocalJoblibPool, Manifest, RunSpec, Sweep
from gmat_sweep.backends.process.worker_process import WorkerDiedError, WorkerTimedOutError
from gmat_sweep.engine import find_engine
from gmat_sweep.errors import GmatSweepError, SweepConfigError, SweepStoppedError
from gmat_sweep.mission.files import file_sha256
from gmat_sweep.mission.watching import MissionWatch
from gmat_sweep.spec import RunOutcome
from gmat_sweep.sweep import running
from gmat_sweep.sweep.resuming import facts_of_pass

MISSION = """\
Create Spacecraft Sat;
#Include 'orbit.inc'
Create ForceModel FM;
FM.PrimaryBodies = {Earth};
FM.GravityField.Earth.PotentialFile = '%s';
Create Propagator P;
P.FM = FM;
Create ReportFile R;
R.Filename = 'r.txt';
R.Add = {Sat.UTCGregorian, Sat.X, Sat.Y, Sat.Z};
BeginMissionSequence;
Propagate P(Sat) {Sat.ElapsedSecs = 60};
"""
VIEW = "Create OpenFramesInterface View;\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A mission that flies as it is, with an include."""
    folder = tmp_path / "mission"
    folder.mkdir()
    (folder / "m.script").write_text(MISSION % "JGM2.cof")
    (folder / "orbit.inc").write_text("Sat.SMA = 7000;\n")
    data = find_engine().root / "data" / "gravity" / "earth" / "JGM2.cof"
    (folder / "own.cof").write_bytes(data.read_bytes())
    return folder


def sweep_of(folder: Path, out: Path, pool: LocalJoblibPool, **options: Any) -> Sweep:
    script = folder / "m.script"
    out.mkdir()
    runs = [RunSpec(script, {"Sat.INC": 40 + n}, out / f"run-{n}", n, None, {}) for n in range(6)]
    return Sweep(
        runs=runs,
        backend=pool,
        manifest_path=out / "manifest.jsonl",
        output_dir=out,
        script_path=script,
        progress=False,
        **options,
    )


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


EDITS = {
    "script": ("m.script", "PrimaryBodies = {Earth}", "PrimaryBodies = {Earth }", ""),
    "include": ("orbit.inc", "7000", "7100", ""),
    "include of a headless copy": ("orbit.inc", "7000", "7100", VIEW),
    "gravity file": ("own.cof", "-4.8416539", "-4.2416539", ""),
}


@pytest.mark.promise("kept workers", "an edit while the sweep is under way")
@pytest.mark.parametrize("what", EDITS)
def test_an_edit_while_the_sweep_is_under_way_stops_it(
    what: str, folder: Path, tmp_path: Path, pool: LocalJoblibPool
) -> None:
    name, old, new, more = EDITS[what]
    script = folder / "m.script"
    script.write_text(more + (MISSION % ("own.cof" if name == "own.cof" else "JGM2.cof")))
    original = (folder / name).read_bytes()
    out = tmp_path / "out"
    flying = sweep_of(folder, out, pool).iter_outcomes()
    recorded = [next(flying)[0].run_id]
    edit(folder / name, old, new)

    with pytest.raises(SweepStoppedError, match=rf"at run \d, because .*/{name} was changed"):
        recorded += [spec.run_id for spec, _ in flying]

    ended = set(Manifest.load(out / "manifest.jsonl").latest())
    assert set(recorded) <= ended < set(range(6))
    with pytest.raises(SweepConfigError, match=r"has changed|hash mismatch"):
        Sweep.from_manifest(out / "manifest.jsonl", backend=pool, progress=False)

    (folder / name).write_bytes(original)
    Sweep.from_manifest(out / "manifest.jsonl", backend=pool, progress=False).resume()
    sweep_of(folder, tmp_path / "right", pool).run()
    assert [(out / f"run-{n}" / "r.txt").read_bytes() for n in range(6)] == [
        (tmp_path / "right" / f"run-{n}" / "r.txt").read_bytes() for n in range(6)
    ]


def test_what_changes_no_content_stops_nothing(
    folder: Path, tmp_path: Path, pool: LocalJoblibPool
) -> None:
    """Nor does the script of a sweep that flies a copy."""
    script = folder / "m.script"
    script.write_text(VIEW + (MISSION % "own.cof"))
    flying = sweep_of(folder, tmp_path / "out", pool).iter_outcomes()
    next(flying)
    script.write_text("Create Spacecraft Another;\n")
    os.utime(folder / "own.cof")
    (folder / "orbit.inc").write_bytes((folder / "orbit.inc").read_bytes())

    assert [outcome.status for _, outcome in flying] == ["ok"] * 5


def test_a_file_that_is_gone_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.inc"
    path.write_text("Sat.SMA = 7000;\n")
    script = tmp_path / "m.script"
    watch = MissionWatch({script: {str(path): file_sha256(str(path))}, tmp_path / "other": {}})

    assert watch.changed(script) is None
    path.unlink()
    assert watch.changed(script) == str(path)
    assert watch.changed(tmp_path / "other") is None


@pytest.mark.parametrize(
    "fault", [None, WorkerDiedError("killed", -9), WorkerTimedOutError("slow", -9)]
)
def test_no_run_of_an_edited_mission_is_tried_again_or_recorded(
    fault: Exception | None,
    folder: Path,
    tmp_path: Path,
    pool: LocalJoblibPool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor is one recorded as failed that did not end, for which the edit may be to blame."""
    flown: list[int] = []
    execute = pool.execute

    def edited(spec: RunSpec, **limits: Any) -> RunOutcome:
        flown.append(spec.run_id)
        (folder / "orbit.inc").write_text("Sat.SMA = 7100;\n")
        if fault is not None:
            raise fault
        return execute(spec, **limits)

    monkeypatch.setattr(pool, "execute", edited)
    sweep = sweep_of(folder, tmp_path / "out", pool, retries=2)

    with pytest.raises(SweepStoppedError, match=r"orbit\.inc was changed"):
        sweep.run()

    assert len(flown) == len(set(flown))
    assert Manifest.load(tmp_path / "out" / "manifest.jsonl").latest() == {}


def test_an_edit_before_the_first_run_is_seen(tmp_path: Path) -> None:
    """Also between the time when the file was hashed and that when its times were noted."""
    path = tmp_path / "a.inc"
    path.write_text("Sat.SMA = 7000;\n")
    hashed = file_sha256(str(path))
    path.write_text("Sat.SMA = 7100;\n")
    script = tmp_path / "m.script"

    assert MissionWatch({script: {str(path): hashed}}).changed(script) == str(path)


@pytest.mark.parametrize("what", ["script", "folder"])
def test_a_link_that_leads_to_another_mission_stops_the_sweep(
    what: str, folder: Path, tmp_path: Path, pool: LocalJoblibPool
) -> None:
    """As ``current`` does when a release of the mission is installed."""
    new = tmp_path / "new"
    shutil.copytree(folder, new)
    if what == "script":
        edit(new / "m.script", "ElapsedSecs = 60", "ElapsedSecs = 90")
        link, target = folder / "m.script", new / "m.script"
        link.rename(folder / "old.script")
        link.symlink_to(folder / "old.script")
        named = folder
    else:
        edit(new / "orbit.inc", "7000", "7100")
        link, target = tmp_path / "current", new
        link.symlink_to(folder)
        named = link
    flying = sweep_of(named, tmp_path / "out", pool).iter_outcomes()
    next(flying)
    link.unlink()
    link.symlink_to(target)

    with pytest.raises(SweepStoppedError, match=r"because .*m\.script was changed"):
        list(flying)


@pytest.mark.parametrize("when", ["before", "during"])
def test_a_resume_flies_no_mission_that_was_edited_since_its_manifest_was_read(
    when: str,
    folder: Path,
    tmp_path: Path,
    pool: LocalJoblibPool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a notebook, where a while goes by; or while the resume prepares its runs."""
    out = tmp_path / "out"
    flying = sweep_of(folder, out, pool).iter_outcomes()
    next(flying)
    edit(folder / "orbit.inc", "7000", "7100")
    with pytest.raises(SweepStoppedError):
        list(flying)
    edit(folder / "orbit.inc", "7100", "7000")
    recorded = set(Manifest.load(out / "manifest.jsonl").latest())
    sweep = Sweep.from_manifest(out / "manifest.jsonl", backend=pool, progress=False)
    if when == "before":
        edit(folder / "orbit.inc", "7000", "7100")
    else:

        def edited(*args: Any) -> dict[str, Any]:
            facts = facts_of_pass(*args)
            edit(folder / "orbit.inc", "7000", "7100")
            return facts

        monkeypatch.setattr(running, "facts_of_pass", edited)

    with pytest.raises(GmatSweepError, match=r"orbit\.inc (has|was) changed"):
        sweep.resume()

    assert set(Manifest.load(out / "manifest.jsonl").latest()) == recorded
