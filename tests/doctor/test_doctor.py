"""`gmat-sweep doctor`: what it finds, what it saves, and that a resume then flies just the rest.

The sweeps are real ones, harmed in every way that is known to happen.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_sweeps import refused
from fault_injection import is_to_write, killed_at_nth
from gmat_sweep import (
    LocalJoblibPool,
    Manifest,
    ManifestCorruptError,
    SweepConfigError,
    canonical_script_sha256,
    lazy_multiindex,
    monte_carlo,
    sweep,
)
from gmat_sweep.cli import EXIT_CONFIG, EXIT_DAMAGED, EXIT_GENERIC, EXIT_OK, main
from gmat_sweep.disk.lock import FolderLock
from gmat_sweep.doctor import SweepHealth, check_sweep
from gmat_sweep.errors import SweepFolderInUseError
from gmat_sweep.folder.layout import SEAL_NAME
from gmat_sweep.manifest.drift import drift_of
from gmat_sweep.manifest.lines import line_of
from resumed_sweeps import NOTE, SHORT, content, forget, ran, reopened, same

if TYPE_CHECKING:
    import pandas as pd

PERTURB = {"Sat.SMA": ("normal", 7100, 50), "Sat.INC": ("uniform", 0.0, 90.0)}
REPORT = "report__RF.parquet"


@pytest.fixture(scope="module")
def whole(pool: LocalJoblibPool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four draws with a hook, never harmed."""
    folder = tmp_path_factory.mktemp("doctor") / "whole"
    monte_carlo(
        SHORT,
        n=4,
        perturb=PERTURB,
        seed=7,
        postprocess=NOTE,
        backend=pool,
        out=folder,
        progress=False,
    )
    return folder


@pytest.fixture(scope="module")
def frame(whole: Path) -> pd.DataFrame:
    """The frame of `whole`."""
    return frame_of(whole)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of `whole`, to harm."""
    return shutil.copytree(whole, tmp_path / "sweep")


def frame_of(folder: Path) -> pd.DataFrame:
    return lazy_multiindex(Manifest.load(folder / "manifest.jsonl"), folder)


# --- ways to harm a sweep ------------------------------------------------------------------------


def lines_of(folder: Path) -> list[bytes]:
    return (folder / "manifest.jsonl").read_bytes().splitlines(keepends=True)


def write_lines(folder: Path, lines: list[bytes]) -> None:
    (folder / "manifest.jsonl").write_bytes(b"".join(lines))


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x04]) + content[middle + 1 :]


def line_number_of(folder: Path, run_id: int) -> int:
    """Return where the entry of a run stands; runs end in any order."""
    return [entry.run_id for entry in Manifest.iter_entries(folder / "manifest.jsonl")].index(
        run_id
    ) + 1


def flip_line(folder: Path, number: int) -> None:
    lines = lines_of(folder)
    lines[number] = flipped(lines[number])
    write_lines(folder, lines)


def lose_line(folder: Path, number: int) -> None:
    lines = lines_of(folder)
    del lines[number]
    write_lines(folder, lines)


def flip_file(path: Path) -> None:
    path.write_bytes(flipped(path.read_bytes()))


def flip_entry_and_lose_seal(folder: Path) -> None:
    flip_line(folder, line_number_of(folder, 2))
    (folder / "run-2" / SEAL_NAME).unlink()


def tear(folder: Path) -> None:
    path = folder / "manifest.jsonl"
    path.write_bytes(path.read_bytes()[:-9])


def swap_lines(folder: Path) -> None:
    header, one, other, *rest = lines_of(folder)
    write_lines(folder, [header, other, one, *rest])


def repeat_line(folder: Path) -> None:
    lines = lines_of(folder)
    write_lines(folder, [*lines[:3], lines[2], *lines[3:]])


def lose_manifest(folder: Path) -> None:
    (folder / "manifest.jsonl").unlink()


def lose_manifest_and_flip_seal(folder: Path) -> None:
    lose_manifest(folder)
    flip_file(folder / "run-1" / SEAL_NAME)


def lose_manifest_and_flip_report(folder: Path) -> None:
    lose_manifest(folder)
    flip_file(folder / "run-3" / REPORT)


def empty_manifest(folder: Path) -> None:
    (folder / "manifest.jsonl").write_bytes(b"")


def cut_report(folder: Path) -> None:
    path = folder / "run-1" / REPORT
    path.write_bytes(path.read_bytes()[:100])


def swap_reports(folder: Path) -> None:
    one, other = folder / "run-0" / REPORT, folder / "run-1" / REPORT
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def everything(folder: Path) -> None:
    flip_line(folder, line_number_of(folder, 3))
    flip_line(folder, 0)
    tear(folder)
    (folder / "run-0" / "note.parquet").unlink()
    flip_file(folder / "run-2" / REPORT)


@dataclass(frozen=True)
class Harm:
    """Something done to a sweep, what is said of it, and the runs that must be flown again."""

    do: Callable[[Path], object]
    said: str
    lost: tuple[int, ...] = ()
    loads: bool = False


HARMS = {
    "a flipped bit in the header": Harm(
        lambda folder: flip_line(folder, 0), "line 1: the line does not match its checksum"
    ),
    "a flipped bit in an entry": Harm(
        lambda folder: flip_line(folder, 2), "line 3: the line does not match its checksum"
    ),
    "a flipped bit in an entry whose run is not sealed": Harm(
        flip_entry_and_lose_seal, "the line does not match its checksum", (2,)
    ),
    "a lost line": Harm(
        lambda folder: lose_line(folder, 1), "3 lines, from line 2 on, do not stand where"
    ),
    "a lost header": Harm(lambda folder: lose_line(folder, 0), "4 lines, from line 1 on"),
    "swapped lines": Harm(swap_lines, "2 lines, from line 2 on, do not stand where"),
    "a repeated line": Harm(repeat_line, "do not stand where they were written"),
    "a torn last line": Harm(tear, "bytes without a newline", loads=True),
    "no manifest": Harm(lose_manifest, "the manifest manifest.jsonl is missing"),
    "an empty manifest": Harm(empty_manifest, "the file has no whole line"),
    "no manifest and a damaged seal": Harm(
        lose_manifest_and_flip_seal, f"the seal run-1/{SEAL_NAME} is damaged", (1,)
    ),
    "no manifest and a damaged report": Harm(
        lose_manifest_and_flip_report, "manifest.jsonl is missing", (3,)
    ),
    "a flipped bit in a report": Harm(
        lambda folder: flip_file(folder / "run-2" / REPORT), "has changed", (2,), loads=True
    ),
    "a truncated report": Harm(cut_report, "has 100 bytes, recorded were", (1,), loads=True),
    "an empty report": Harm(
        lambda folder: (folder / "run-1" / REPORT).write_bytes(b""), "has 0 bytes", (1,), loads=True
    ),
    "a deleted hook output": Harm(
        lambda folder: (folder / "run-0" / "note.parquet").unlink(),
        "note.parquet is missing",
        (0,),
        loads=True,
    ),
    "a deleted run folder": Harm(
        lambda folder: shutil.rmtree(folder / "run-3"), "is missing", (3,), loads=True
    ),
    "swapped reports": Harm(swap_reports, "has", (0, 1), loads=True),
    "a damaged copy of the header": Harm(
        lambda folder: flip_file(folder / "manifest.header.json"),
        "the copy of the header, is damaged",
        loads=True,
    ),
    "a damaged seal of a recorded run": Harm(
        lambda folder: flip_file(folder / "run-0" / SEAL_NAME), "the seal", loads=True
    ),
    "everything at once": Harm(everything, "does not match its checksum", (0, 2)),
}


# --- the contract --------------------------------------------------------------------------------


def test_a_sound_sweep_is_healthy_and_looking_at_it_changes_nothing(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(whole)

    health = check_sweep(whole)

    assert (health.is_healthy, health.damage, health.findings) == (True, (), ())
    assert (health.runs, health.ok, health.failed) == (4, 4, 0)
    assert main(["doctor", str(whole)]) == EXIT_OK
    assert capsys.readouterr().out == f"{whole}: 4 of 4 runs ok\n  healthy\n"
    assert main(["doctor", str(whole), "--repair"]) == EXIT_OK
    assert content(whole) == before


@pytest.mark.promise(
    "5", "21 kinds of harm: manifest lost, torn, edited; files truncated, empty, deleted, swapped"
)
@pytest.mark.parametrize("name", HARMS)
def test_harm_is_told_and_after_a_repair_resume_flies_just_what_was_lost(
    name: str,
    folder: Path,
    frame: pd.DataFrame,
    pool: LocalJoblibPool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    harm = HARMS[name]
    harm.do(folder)
    harmed = content(folder)

    assert main(["doctor", str(folder)]) == EXIT_DAMAGED
    told = capsys.readouterr().out
    assert harm.said in told
    assert "--repair" in told
    assert content(folder) == harmed, "looking changed something"

    assert main(["doctor", str(folder), "--repair"]) == EXIT_OK
    assert "healthy" in capsys.readouterr().out
    kept = set(content(folder).values())
    assert [path for path, data in harmed.items() if data not in kept] == [], "nothing is deleted"

    before = sum(1 for _ in Manifest.iter_entries(folder / "manifest.jsonl"))
    resumed = reopened(folder, pool).resume()
    assert sorted(ran(folder, before)) == list(harm.lost)
    assert same(resumed.to_dataframe(), frame)
    assert check_sweep(folder).is_healthy


@pytest.mark.parametrize("name", [name for name, harm in HARMS.items() if not harm.loads])
def test_a_manifest_that_is_refused_sends_its_reader_to_the_doctor(name: str, folder: Path) -> None:
    HARMS[name].do(folder)

    if not (folder / "manifest.jsonl").exists():
        with pytest.raises(FileNotFoundError):
            Manifest.load(folder / "manifest.jsonl")
        return
    with pytest.raises(ManifestCorruptError, match="gmat-sweep doctor") as caught:
        Manifest.load(folder / "manifest.jsonl")
    assert str(folder) in str(caught.value)


def test_a_sweep_that_is_not_finished_is_healthy_and_a_repair_records_what_had_ended(
    folder: Path, frame: pd.DataFrame, pool: LocalJoblibPool
) -> None:
    forget(folder, 1, 2)
    shutil.rmtree(folder / "run-2")

    health = check_sweep(folder)
    assert health.is_healthy
    told = str(health)
    assert "2 of 4 runs ok" in told
    assert "run 1: ended (ok) but is not recorded" in told
    assert "runs without an entry: 2" in told
    assert "gmat-sweep resume" in told

    check_sweep(folder, repair=True)

    assert same(reopened(folder, pool).resume().to_dataframe(), frame)
    assert ran(folder, 3) == [2]


def test_a_lost_extension_is_rebuilt_with_its_runs(folder: Path, pool: LocalJoblibPool) -> None:
    larger = reopened(folder, pool).extend(n=2).to_dataframe()
    lose_manifest(folder)

    health = check_sweep(folder, repair=True)

    assert (health.is_healthy, health.runs, health.ok) == (True, 6, 6)
    assert same(reopened(folder, pool).resume().to_dataframe(), larger)
    assert ran(folder, 6) == []


def test_a_failed_run_is_rebuilt_with_its_cause(pool: LocalJoblibPool, tmp_path: Path) -> None:
    sweep(SHORT, grid={"Sat.DryMass": [100.0, -5.0]}, backend=pool, out=tmp_path, progress=False)
    before = {e.run_id: e.stderr for e in Manifest.iter_entries(tmp_path / "manifest.jsonl")}
    lose_manifest(tmp_path)

    health = check_sweep(tmp_path, repair=True)

    assert (health.is_healthy, health.ok, health.failed) == (True, 1, 1)
    after = {e.run_id: e.stderr for e in Manifest.iter_entries(tmp_path / "manifest.jsonl")}
    assert after == before
    assert "is not an allowed value" in str(after[1])


@pytest.mark.promise("5", "a folder that another sweep used before")
def test_runs_of_another_sweep_in_the_same_folder_are_never_mixed_in(
    folder: Path, pool: LocalJoblibPool
) -> None:
    """A folder is used again, and the second sweep loses its manifest at once."""
    lose_manifest(folder)
    monte_carlo(
        SHORT, n=2, perturb=PERTURB, seed=8, backend=pool, out=folder, progress=False,
        run_options={"overwrite": True},
    )  # fmt: skip
    fresh = frame_of(folder)
    lose_manifest(folder)

    health = check_sweep(folder, repair=True)

    assert health.is_healthy
    entries = Manifest.load(folder / "manifest.jsonl").entries
    assert sorted(entry.run_id for entry in entries) == [0, 1]
    assert same(frame_of(folder), fresh)
    assert "is not of this sweep" in str(health)


def test_runs_of_another_script_are_never_mixed_in(
    folder: Path, tmp_path: Path, pool: LocalJoblibPool
) -> None:
    other = tmp_path / "other.script"
    other.write_text(SHORT.read_text().replace("ElapsedSecs = 60", "ElapsedSecs = 90"))
    assert other.read_text() != SHORT.read_text()
    forget(folder, 3)
    with pytest.warns(RuntimeWarning, match="script hash mismatch"):
        resumed = reopened(folder, pool, other, allow_script_drift=True).resume()
    flown = resumed.to_manifest()
    lose_manifest(folder)

    health = check_sweep(folder, repair=True)

    assert drift_of(flown, flown.entries) == {"script": [3]}
    assert flown.latest()[3].extra["script_sha256"] == canonical_script_sha256(other)
    assert health.ok == 3
    assert "run 3: run-3 is not of this sweep: it flew another script" in str(health)


def test_without_header_and_copy_it_says_that_the_plan_is_lost_and_changes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lose_manifest(folder)
    (folder / "manifest.header.json").unlink()
    before = content(folder)

    assert main(["doctor", str(folder), "--repair"]) == EXIT_DAMAGED

    told = capsys.readouterr().out
    assert "what the sweep was is lost" in told
    assert "4 run folders are sealed and keep their results" in told
    assert {path: data for path, data in content(folder).items() if path in before} == before


@pytest.mark.promise(
    "folders from somebody else", "files outside of the folder, listed in a manifest"
)
def test_files_outside_of_the_sweep_are_never_touched(folder: Path, tmp_path: Path) -> None:
    """A manifest is a file like any other: it may name whatever its writer liked."""
    precious = tmp_path / "precious.parquet"
    precious.write_bytes(b"mine")
    manifest = Manifest.load(folder / "manifest.jsonl")
    header, *lines = lines_of(folder)
    entry = next(entry for entry in manifest.entries if entry.run_id == 1)
    for number, path in enumerate([str(precious), "../precious.parquet"]):
        record = {
            **entry.to_dict(),
            "extra_outputs": {"theirs": path},
            "files": {path: {"size": 5, "sha256": "0" * 64}},
        }
        write_lines(folder, [header, *lines, line_of(record, len(lines) + 1)])

        health = check_sweep(folder, repair=True)

        assert health.is_healthy, number
        assert precious.read_bytes() == b"mine"


def test_leftovers_of_killed_processes_are_set_aside(folder: Path) -> None:
    left = folder / "run-0" / f".{REPORT}.tmp-123-0a1b2c3d"
    left.write_bytes(b"half")

    assert "1 temporary files were left" in str(check_sweep(folder))
    health = check_sweep(folder, repair=True)

    assert not left.exists()
    (kept,) = folder.glob(f"quarantine-*/run-0/{left.name}")
    assert kept.read_bytes() == b"half"
    assert health.findings == ()


@pytest.mark.soak
@pytest.mark.promise("5", "a repair killed at every call")
@pytest.mark.parametrize("call", ["open", "mkdir", "write", "fsync", "replace"])
def test_killed_anywhere_a_repair_can_be_made_again(call: str, whole: Path, tmp_path: Path) -> None:
    # Nothing changes from one open of a file to read it to the next.
    counts = is_to_write if call == "open" else None
    for nth in range(1, 60):
        folder = shutil.copytree(whole, tmp_path / f"{call}-{nth}")
        everything(folder)
        if not killed_at_nth(call, nth, partial(check_sweep, folder, repair=True), counts=counts):
            break
        health = check_sweep(folder, repair=True)
        assert health.is_healthy, nth
        statuses = {e.run_id: e.status for e in Manifest.load(folder / "manifest.jsonl").entries}
        assert {i for i, status in statuses.items() if status == "ok"} == {1, 3}, nth
    else:
        pytest.fail("it was killed every time")


def test_a_folder_in_use_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FolderLock(folder):
        for repair in (False, True):
            with pytest.raises(SweepFolderInUseError, match="in use by process"):
                check_sweep(folder, repair=repair)
        assert "in use by" in refused(capsys, EXIT_GENERIC, "doctor", folder)


def test_a_lock_file_left_by_a_killed_process_means_nothing(folder: Path) -> None:
    (folder / ".gmat-sweep.lock").write_text('{"pid": 1, "host": "gone"}')

    assert check_sweep(folder).is_healthy


def test_a_folder_without_a_sweep_is_refused_and_left_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for repair in (False, True):
        with pytest.raises(SweepConfigError, match="holds no sweep"):
            check_sweep(tmp_path, repair=repair)
    assert list(tmp_path.iterdir()) == []
    assert "no sweep folder" in refused(capsys, EXIT_CONFIG, "doctor", tmp_path / "nowhere")


def test_a_manifest_apart_from_its_runs_is_checked_by_its_own_name(
    folder: Path, tmp_path: Path
) -> None:
    apart = tmp_path / "apart" / "leo.jsonl"
    apart.parent.mkdir()
    manifest = Manifest.load(folder / "manifest.jsonl")
    manifest.output_dir = folder
    manifest.save(apart)
    manifest.close()
    flip_file(folder / "run-0" / REPORT)

    health: SweepHealth = check_sweep(apart, repair=True)

    assert (health.is_healthy, health.ok, health.failed) == (True, 3, 1)
    assert list(folder.glob(f"quarantine-*/run-0/{REPORT}"))
