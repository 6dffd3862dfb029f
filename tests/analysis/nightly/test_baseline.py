"""accept, accepted: a night that a person has accepted, found again while it is what it was."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from gmat_sweep import SweepConfigError
from gmat_sweep.analysis.nightly.baseline import accept, accepted, baseline_of
from gmat_sweep.cli import main
from gmat_sweep.disk.owner import origin
from judged_nights import night


def test_what_is_accepted_is_found_again_with_who_when_and_why(tmp_path: Path) -> None:
    first, second = night(tmp_path, 1), night(tmp_path, 2)
    assert accepted(tmp_path) is None

    path = accept(first, note="review of May")

    assert path == tmp_path / "baseline.json"
    assert accepted(tmp_path) == first
    record = json.loads(path.read_text())
    digest = hashlib.sha256((first / "manifest.jsonl").read_bytes()).hexdigest()
    assert (record["night"], record["manifest_sha256"]) == (first.name, digest)
    assert (record["accepted_by"], record["note"]) == (origin(), "review of May")
    found = baseline_of(tmp_path)
    assert found is not None
    assert found.accepted_at.utcoffset() is not None
    accept(second / "manifest.jsonl")
    assert accepted(tmp_path) == second


def test_nights_that_move_to_another_place_keep_their_baseline(tmp_path: Path) -> None:
    first = night(tmp_path / "a", 1)
    accept(first)
    (tmp_path / "a").rename(tmp_path / "b")

    assert accepted(tmp_path / "b") == tmp_path / "b" / first.name


@pytest.mark.parametrize("flown", [0, 9])
def test_a_night_that_is_not_complete_is_no_baseline(flown: int, tmp_path: Path) -> None:
    half = night(tmp_path, 1, flown=flown)
    with pytest.raises(SweepConfigError, match="not every run of this night is recorded"):
        accept(half)
    assert accepted(tmp_path) is None
    night(tmp_path, 2)
    night(tmp_path, 2, cohort="rotating", flown=flown)
    with pytest.raises(SweepConfigError, match="rotating: not every run"):
        accept(tmp_path / "2026-11-02T033000Z")


def test_a_folder_without_a_sweep_is_no_night(tmp_path: Path) -> None:
    with pytest.raises(SweepConfigError, match="is no night"):
        accept(tmp_path)


def test_a_baseline_that_has_changed_or_gone_is_not_compared_with(tmp_path: Path) -> None:
    first = night(tmp_path, 1)
    accept(first)
    manifest = first / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    with pytest.raises(SweepConfigError, match="has changed since it was accepted"):
        accepted(tmp_path)
    manifest.unlink()
    with pytest.raises(SweepConfigError, match="is gone"):
        accepted(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"night": "../other"}, "is no night beside it"),
        ({"night": ".."}, "is no night beside it"),
        ({"schema_version": 2}, "schema_version 2"),
        ({"accepted_at": "yesterday"}, "cannot be understood"),
        ({"accepted_by": None}, "cannot be understood"),
    ],
)
def test_a_damaged_record_is_named(change: dict[str, object], said: str, tmp_path: Path) -> None:
    path = accept(night(tmp_path, 1))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SweepConfigError, match=said):
        accepted(tmp_path)


def test_the_commands_accept_and_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = night(tmp_path, 1)
    assert main(["baseline", "show", str(tmp_path)]) == 2
    assert "has no baseline" in capsys.readouterr().err
    assert main(["baseline", "accept", str(first), "--note", "as flown"]) == 0
    assert f"{tmp_path / 'baseline.json'}: {first.name}, accepted" in capsys.readouterr().out
    assert main(["baseline", "show", str(tmp_path)]) == 0
    assert capsys.readouterr().out.rstrip().endswith(": as flown")
    assert main(["baseline", "accept", str(tmp_path / "gone")]) == 2
    (first / "manifest.jsonl").unlink()
    assert main(["baseline", "show", str(tmp_path)]) == 2
    assert "is gone" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["FIFO", "device"])
def test_a_night_whose_manifest_is_no_plain_file_is_not_opened(kind: str, tmp_path: Path) -> None:
    """To open a FIFO would wait for its writer, and a device has no end."""
    first = night(tmp_path, 1)
    accept(first)
    manifest = first / "manifest.jsonl"
    manifest.unlink()
    if kind == "FIFO":
        os.mkfifo(manifest)
    else:
        manifest.symlink_to("/dev/zero")

    with pytest.raises(SweepConfigError, match=rf"cannot be read: \S+ is a {kind}"):
        accepted(tmp_path)
    assert main(["baseline", "show", str(tmp_path)]) == 2
