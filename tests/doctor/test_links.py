"""A repair of a sweep folder from somebody else harms nothing outside of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gmat_sweep.cli import EXIT_CONFIG, EXIT_DAMAGED, main
from gmat_sweep.disk.owner import origin
from gmat_sweep.doctor import check_sweep
from gmat_sweep.errors import NotPlainFileError, SweepConfigError
from gmat_sweep.folder.last_pass import LastPass, now
from gmat_sweep.folder.layout import LAST_PASS_NAME, SEAL_NAME, header_copy
from gmat_sweep.folder.run_seal import keep_header
from gmat_sweep.manifest import Manifest
from sweep_on_disk import SweepOnDisk, report

MINE = "mine\n"


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file of the user's, outside of the sweep folder."""
    path = tmp_path / "precious"
    path.write_text(MINE)
    return path


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A whole sweep of one run."""
    made = SweepOnDisk(tmp_path / "sweep")
    made.ok(0, {"report__R": report()})
    keep_header(made.save())
    return made.folder


@pytest.mark.promise("folders from somebody else", "doctor --repair of a linked header copy")
def test_a_linked_copy_of_the_header_is_set_aside_and_written_anew(
    sweep: Path, precious: Path
) -> None:
    copy = header_copy(sweep / "manifest.jsonl")
    line = copy.read_bytes()
    copy.unlink()
    copy.symlink_to(precious)
    told = str(check_sweep(sweep))
    health = check_sweep(sweep, repair=True)

    assert "manifest.header.json is a symbolic link" in told
    assert health.is_healthy
    assert precious.read_text() == MINE
    assert not copy.is_symlink()
    assert copy.read_bytes() == line
    [aside] = sweep.glob("quarantine-*/manifest.header.json")
    assert aside.is_symlink()


def test_a_manifest_or_a_lock_that_is_a_link_is_not_repaired(sweep: Path, precious: Path) -> None:
    manifest, lock = sweep / "manifest.jsonl", sweep / ".gmat-sweep.lock"
    lock.symlink_to(precious)
    with pytest.raises(NotPlainFileError, match=r"gmat-sweep\.lock is a symbolic link"):
        check_sweep(sweep, repair=True)
    lock.unlink()
    manifest.rename(sweep / "real.jsonl")
    for target in (precious, Path("gone")):
        manifest.symlink_to(target)
        with pytest.raises(NotPlainFileError, match=r"manifest\.jsonl is a symbolic link"):
            check_sweep(sweep, repair=True)
        manifest.unlink()

    assert precious.read_text() == MINE
    assert not list(sweep.glob("quarantine-*"))


@pytest.mark.promise("folders from somebody else", "FIFOs in a sweep folder that is looked at")
def test_a_fifo_in_place_of_any_file_is_refused_at_once(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("manifest.jsonl", ".gmat-sweep.lock"):
        path = sweep / name
        kept = path.read_bytes() if path.exists() else b""
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        assert main(["doctor", str(sweep)]) == EXIT_CONFIG
        assert f"{name} is a FIFO" in capsys.readouterr().err
        path.unlink()
        if kept:
            path.write_bytes(kept)
    copy = header_copy(sweep / "manifest.jsonl")
    copy.unlink()
    for path in (copy, sweep / "run-0" / SEAL_NAME, sweep / LAST_PASS_NAME):
        os.mkfifo(path)
    report_file = sweep / "run-0" / "report__R.parquet"
    report_file.unlink()
    os.mkfifo(report_file)

    assert LastPass.of(sweep) is None
    assert main(["doctor", str(sweep)]) == EXIT_DAMAGED
    told = capsys.readouterr().out
    for said in (
        "manifest.header.json is a FIFO",
        f"run-0/{SEAL_NAME} is damaged",
        "last-pass.json is no plain file",
        "report__R.parquet is missing",
    ):
        assert said in told.replace("\n", " "), said


def test_a_linked_run_folder_is_told_and_what_lies_there_stays(sweep: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (sweep / "run-0").rename(outside)
    (sweep / "run-0").symlink_to(outside)
    flipped = outside / "report__R.parquet"
    flipped.write_bytes(b"PAR1")
    (outside / SEAL_NAME).write_text("no seal\n")
    (outside / ".a.tmp-1-0123abcd").touch()
    names = sorted(path.name for path in outside.iterdir())
    health = check_sweep(sweep, repair=True)

    assert "run-0 is a symbolic link" in str(health)
    assert not health.is_healthy
    assert sorted(path.name for path in outside.iterdir()) == names
    assert flipped.read_bytes() == b"PAR1"


def test_a_folder_that_only_a_strangers_manifest_names_is_not_repaired(
    sweep: Path, tmp_path: Path
) -> None:
    apart = tmp_path / "apart" / "manifest.jsonl"
    for writer, allowed in (({**origin(), "user": "mallory"}, False), (origin(), True)):
        manifest = Manifest.load(sweep / "manifest.jsonl")
        manifest.extra["created_by"], manifest.output_dir = writer, sweep
        manifest.save(apart)
        manifest.close()
        (sweep / "run-0" / ".a.tmp-1-0123abcd").touch()
        if allowed:
            check_sweep(apart.parent, repair=True)
            assert list(sweep.glob("quarantine-*/run-0/.a.tmp-1-0123abcd"))
        else:
            with pytest.raises(SweepConfigError, match="another user"):
                check_sweep(apart.parent, repair=True)
            assert not list(sweep.glob("quarantine-*"))


def test_the_last_pass_is_not_written_through_a_link(sweep: Path, precious: Path) -> None:
    (sweep / LAST_PASS_NAME).symlink_to(precious)
    last = LastPass(
        action="run", state="running", reason="", flow_run="", host="", process=1, at=now()
    )
    with pytest.raises(NotPlainFileError):
        last.write(sweep)

    assert precious.read_text() == MINE
    (sweep / LAST_PASS_NAME).rename(sweep / "link")
    last.write(sweep)
    assert LastPass.of(sweep) == last
    (sweep / LAST_PASS_NAME).rename(sweep / "real")
    (sweep / LAST_PASS_NAME).symlink_to("real")
    assert LastPass.of(sweep) is None
