"""Replay folders from somebody else: read as plain files, and told in words if they are odd."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gmat_sweep.cli import main
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.sweep.replay_kit import check_replay

FILES = ("hashes.json", "expected.json", "versions.json")


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A folder with the records of a replay, which none of these tests gets to fly."""
    folder = tmp_path / "replay"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(json.dumps({"schema_version": 1}))
    return folder


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["FIFO", "device", "symbolic link"])
def test_what_is_no_plain_file_is_refused_before_it_is_opened(
    name: str, kind: str, kit: Path, tmp_path: Path
) -> None:
    path = kit / name
    if kind == "FIFO":
        path.unlink()
        os.mkfifo(path)
    else:
        theirs = path.rename(tmp_path / "theirs.json")
        path.symlink_to("/dev/zero" if kind == "device" else theirs)

    with pytest.raises(SweepConfigError, match=rf"{name} cannot be read .*is a "):
        check_replay(kit)


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": -Infinity}', "[]", "3", "", "{", "[" * 9**5])
def test_a_record_that_is_no_record_is_told(
    text: str, kit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (kit / "hashes.json").write_text(text)

    assert main(["replay", str(kit), "--check"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_that_cannot_be_one_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for words in (
        ("replay", "~nosuchuser/x", "--check"),
        ("nights", "prune", "~nosuchuser/x", "--keep", "1"),
        ("nights", "prune", "a" * 100_000, "--keep", "1"),
        ("sweeps", "prune", "", "--keep", "1"),
        ("study", "schema", "--out", "~nosuchuser/x"),
    ):
        assert main(list(words)) == 2, words
        said = capsys.readouterr().err
        assert len(said) < 300
        assert said.count("\n") == 1
