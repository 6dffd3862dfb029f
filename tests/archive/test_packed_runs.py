"""Run folders in few zip files: read as if they were there, and back to the byte."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from compacted_sweep import READERS, bits, outputs_of_all_kinds, reports_of_many_shapes
from gmat_sweep.archive import archive_sweep, compact, pack, packed_runs, unpack
from gmat_sweep.cli import main
from gmat_sweep.disk.lock import FolderLock
from gmat_sweep.doctor import check_sweep
from gmat_sweep.doctor.examination import examined
from gmat_sweep.doctor.repair import repaired
from gmat_sweep.errors import DurabilityError, SweepConfigError, SweepFolderInUseError
from gmat_sweep.folder import packed
from gmat_sweep.folder.packed import packed_files
from gmat_sweep.manifest import Manifest
from gmat_sweep.sweep.replaying import replay_run
from repository import SUPPORT

READ = {
    "shapes": (reports_of_many_shapes, ["report", "fused", "final_values", "runs_table"]),
    "kinds": (
        outputs_of_all_kinds,
        ["report", "ephemeris", "contacts", "extra", "solvers", "final_values", "runs_table"],
    ),
}


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return what is in the run folders, with the modes of the files."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0].startswith("run-")
    }


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A compacted sweep with logs and earlier attempts beside the tables."""
    folder = outputs_of_all_kinds(tmp_path / "sweep")
    for run in folder.glob("run-*"):
        (run / "worker.log").write_text(f"log of {run.name}\n" * 50)
        (run / ".attempt-1").mkdir()
        (run / ".attempt-1" / "worker.log").write_text("")
    (folder / "run-0" / "worker.log").chmod(0o600)
    compact(folder)
    return folder


@pytest.mark.parametrize("shape", READ)
def test_all_is_read_from_packed_runs_and_they_come_back_to_the_byte(
    shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, names = READ[shape]
    folder = make(tmp_path / "sweep")
    before = content(folder)
    expected = {name: bits(READERS[name](folder)) for name in names}
    monkeypatch.setattr(packed_runs, "_RUNS_PER_FILE", 3)

    compact(folder)
    made = pack(folder)

    runs = {name.partition("/")[0] for name in before}
    assert (made.packed, made.left) == (len(runs), {})
    assert made.files == len(packed_files(folder)) == -(-len(runs) // 3) > 1
    assert made.size == sum(path.stat().st_size for path in packed_files(folder))
    assert content(folder) == {}
    for name in names:
        assert bits(READERS[name](folder)) == expected[name], name
    assert unpack(folder) == made.packed
    assert content(folder) == before
    assert not (folder / "packed").exists()


def test_logs_modes_and_earlier_attempts_come_back(sweep: Path) -> None:
    before = content(sweep)
    pack(sweep)
    assert not list(sweep.glob("run-*"))
    unpack(sweep)

    assert content(sweep) == before


def test_a_run_that_cannot_be_read_from_a_copy_keeps_its_folder(
    sweep: Path, tmp_path: Path
) -> None:
    (sweep / "run-1" / "link").symlink_to(tmp_path)
    (sweep / "run-2" / "worker.log").unlink()
    os.mkfifo(sweep / "run-2" / "worker.log")
    with (sweep / "run-3" / "report__R.parquet").open("ab") as file:
        file.write(b"x")

    assert pack(sweep).left == {
        packed_runs.NOT_AS_RECORDED: 1,
        packed_runs.NOT_PLAIN: 2,
    }
    assert sorted(path.name for path in sweep.glob("run-*")) == ["run-1", "run-2", "run-3"]


def test_a_run_without_a_copy_keeps_its_folder(tmp_path: Path) -> None:
    folder = outputs_of_all_kinds(tmp_path / "sweep")
    compact(folder)
    (folder / "compact" / "index.json").unlink()
    with pytest.raises(FileNotFoundError):
        pack(folder)
    assert len(list(folder.glob("run-*"))) == 4


def test_what_needs_the_folders_says_how_they_come_back(sweep: Path) -> None:
    pack(sweep)
    manifest = sweep / "manifest.jsonl"
    loaded = Manifest.load(manifest)
    refused: list[Callable[[], object]] = [
        lambda: replay_run(manifest, 1, sweep.parent / "replay"),
        lambda: archive_sweep(loaded, sweep, manifest, sweep.parent / "a.zip"),
        lambda: repaired(examined(manifest)),
    ]
    for each in refused:
        with pytest.raises(SweepConfigError, match=r"are packed.*compact --unpack"):
            each()
    notes = [finding.text for finding in check_sweep(sweep).findings]
    assert any("4 runs are packed" in text for text in notes)
    assert not any("missing" in text for text in notes)


def test_the_doctor_and_unpack_see_a_damaged_zip(sweep: Path) -> None:
    pack(sweep)
    (path,) = packed_files(sweep)
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("run-2/report__R.parquet").header_offset + 200
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])

    (damage,) = [each for each in check_sweep(sweep).findings if each.kind == "damage"]
    assert damage.run_id == 2
    with pytest.raises(SweepConfigError, match=r"000000\.zip is damaged"):
        unpack(sweep)
    assert {path.name for path in sweep.glob("run-*")} == {"run-0", "run-1"}
    assert not list(sweep.glob(".unpacking-*/outcome*"))
    path.write_bytes(whole)
    assert unpack(sweep) == 2
    assert len(list(sweep.glob("run-*"))) == 4


@pytest.mark.parametrize("kind", ["FIFO", "device"])
def test_what_is_no_plain_file_in_place_of_a_zip_is_not_opened(kind: str, sweep: Path) -> None:
    """To open a FIFO would wait for its writer, and a device has no end."""
    pack(sweep)
    (path,) = packed_files(sweep)
    path.unlink()
    if kind == "FIFO":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")

    with pytest.raises(SweepConfigError, match=rf"000000\.zip is a {kind}"):
        unpack(sweep)
    said = [each.text for each in check_sweep(sweep).findings]
    assert any(f"000000.zip is damaged: {path} is a {kind}" in text for text in said)


@pytest.mark.parametrize("name", ["../out", "run-0/../../out", "/run-0/x", "run-0", "other/x"])
def test_a_zip_of_a_stranger_writes_nowhere_else(name: str, sweep: Path) -> None:
    pack(sweep)
    with zipfile.ZipFile(sweep / "packed" / "000001.zip", "x") as archive:
        archive.writestr(name, "x")

    with pytest.raises(SweepConfigError, match="is no file of a run folder"):
        unpack(sweep)
    assert not (sweep.parent / "out").exists()
    assert not (sweep / "out").exists()
    assert any("000001.zip is damaged" in each.text for each in check_sweep(sweep).findings)


def test_a_folder_that_was_flown_again_is_newer_than_its_zip(sweep: Path) -> None:
    old = content(sweep)
    shutil.copytree(sweep / "run-1", sweep.parent / "again")
    pack(sweep)
    shutil.copytree(sweep.parent / "again", sweep / "run-1")
    (sweep / "run-1" / "worker.log").write_text("flown again")
    assert pack(sweep).packed == 1
    assert len(packed_files(sweep)) == 2
    unpack(sweep)

    new = content(sweep)
    assert new["run-1/worker.log"][0] == b"flown again"
    assert {name: new[name] for name in new if name != "run-1/worker.log"} == {
        name: old[name] for name in old if name != "run-1/worker.log"
    }


KILL = """
    import os, signal, sys
    from pathlib import Path
    from gmat_sweep.archive import pack, packed_runs, unpack
    from gmat_sweep.disk.held import HeldFolder

    what, at, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    packed_runs._RUNS_PER_FILE = 2

    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    if at == "writing":
        packed_runs._add = die
    elif at == "tree":
        HeldFolder.remove_tree = die
    elif at == "zip":
        HeldFolder.remove = die
    else:
        count = iter(range(99))
        replace = HeldFolder.replace
        def second(*given, **named):
            if next(count) == int(at):
                die()
            return replace(*given, **named)
        HeldFolder.replace = second
    {"pack": pack, "unpack": unpack}[what](folder)
"""


@pytest.mark.parametrize(
    ("what", "at"),
    [
        ("pack", "writing"),
        *(("pack", str(at)) for at in range(3)),
        ("pack", "tree"),
        *(("unpack", str(at)) for at in (0, 6)),
        ("unpack", "zip"),
    ],
)
def test_a_killed_call_loses_nothing_and_is_gone_on_with(
    what: str, at: str, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, read = content(sweep), bits(READERS["report"](sweep))
    monkeypatch.setattr(packed_runs, "_RUNS_PER_FILE", 2)
    if what == "unpack":
        pack(sweep)
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILL), what, at, str(sweep)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), *sys.path])},
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL

    assert bits(READERS["report"](sweep)) == read
    pack(sweep)
    assert not list(sweep.glob("run-*"))
    assert bits(READERS["report"](sweep)) == read
    unpack(sweep)
    assert content(sweep) == before
    assert not list(sweep.glob(".[pu]*packed-*")) + list(sweep.glob(".unpacking-*"))


@pytest.mark.promise("short of disk", "a full disk while run folders are packed")
def test_a_zip_that_is_not_written_as_it_is_removes_nothing(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(sweep)
    read = packed.hash_of
    monkeypatch.setattr(
        "gmat_sweep.archive.packed_runs.hash_of", lambda chunks: read([*chunks, b"other bits"])
    )
    with pytest.raises(DurabilityError, match="was not written as it is"):
        pack(sweep)
    monkeypatch.undo()

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packed_runs, "_add", full)
    with pytest.raises(DurabilityError, match="No space left"):
        pack(sweep)
    assert content(sweep) == before
    assert packed_files(sweep) == []


def test_a_sweep_in_use_is_left_alone(sweep: Path) -> None:
    with FolderLock(sweep), pytest.raises(SweepFolderInUseError):
        pack(sweep)
    pack(sweep)
    with FolderLock(sweep), pytest.raises(SweepFolderInUseError):
        unpack(sweep)


def test_the_command_packs_and_unpacks(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(sweep)
    assert main(["compact", "--pack", str(sweep)]) == 0
    said = capsys.readouterr().out
    assert "4 run folders, now in 1 files" in said
    # A damaged copy could be made again only of the runs' own files.
    (part,) = list((sweep / "compact").glob("0000.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    assert main(["compact", str(sweep)]) == 2
    assert "compact --unpack" in capsys.readouterr().err
    assert main(["compact", "--unpack", str(sweep)]) == 0
    assert "4 run folders are back" in capsys.readouterr().out
    assert content(sweep) == before
    assert main(["compact", str(sweep)]) == 0
    with pytest.raises(SystemExit):
        main(["compact", "--pack", "--unpack", str(sweep)])
