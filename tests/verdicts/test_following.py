"""A manifest is read as it grows: each look takes in only what is new, and misses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmat_sweep.errors import ManifestCorruptError
from gmat_sweep.manifest import Manifest
from gmat_sweep.manifest.manifest import ManifestEntry, entry_on
from gmat_sweep.verdicts import following
from gmat_sweep.verdicts.following import FollowedManifest
from judged_sweeps import JudgedSweep


def test_each_update_names_the_runs_that_are_new_and_agrees_with_a_load(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 6).fly(3)
    followed = FollowedManifest(sweep.path)

    assert followed.update() is None, "the first update reads everything"
    assert followed.update() == set()

    sweep.fly(6, [4], begin=3)

    assert followed.update() == {3, 4, 5}
    assert followed.lines == 7
    loaded = Manifest.load(sweep.path)
    assert list(followed.entries.values()) == loaded.entries
    assert followed.header.parameter_spec == loaded.parameter_spec


def test_a_line_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = JudgedSweep(tmp_path, 300).fly(200)
    followed = FollowedManifest(sweep.path)
    followed.update()
    parsed: list[int] = []

    def noted(line: bytes, path: Path, number: int, anchor: str) -> ManifestEntry:
        parsed.append(number)
        return entry_on(line, path, number, anchor)

    monkeypatch.setattr(following, "entry_on", noted)

    for run_id in range(200, 210):
        sweep.add(run_id)
        followed.update()

    assert parsed == list(range(202, 212))


def test_a_torn_line_is_left_until_it_is_whole(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 3).fly(2)
    followed = FollowedManifest(sweep.path)
    whole = sweep.path.read_bytes()
    cut = len(whole) - 5
    sweep.path.write_bytes(whole[:cut])

    followed.update()

    assert list(followed.entries) == [0]

    with sweep.path.open("ab") as file:
        file.write(whole[cut:])

    assert followed.update() == {1}


def test_the_entries_before_the_last_one_of_a_run_are_kept(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 2).fly(2, [1])
    followed = FollowedManifest(sweep.path)
    followed.update()
    sweep.add(1)

    assert followed.update() == {1}
    assert followed.entries[1].status == "ok"
    assert [each.status for each in followed.earlier[1]] == ["failed"]


@pytest.mark.parametrize("how", ["replaced", "shorter", "other last line"])
def test_another_file_is_read_anew(tmp_path: Path, how: str) -> None:
    sweep = JudgedSweep(tmp_path / "one", 4).fly(3)
    followed = FollowedManifest(sweep.path)
    followed.update()
    lines = sweep.path.read_bytes().splitlines(keepends=True)
    if how == "replaced":
        JudgedSweep(tmp_path / "two", 4).fly(4, [0]).path.replace(sweep.path)
    elif how == "shorter":
        sweep.path.write_bytes(b"".join(lines[:2]))
    else:
        other = JudgedSweep(tmp_path / "two", 4).fly(3, [2]).path.read_bytes().splitlines(True)
        sweep.path.write_bytes(b"".join([*lines[:3], other[3]]))

    assert followed.update() is None
    assert list(followed.entries.values()) == Manifest.load(sweep.path).entries


@pytest.mark.parametrize("content", [b"", b'{"half', b"{}\n", b"no json\n"])
def test_a_file_without_a_header_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(content)

    with pytest.raises(ManifestCorruptError) as caught:
        FollowedManifest(path).update()
    with pytest.raises(ManifestCorruptError) as loaded:
        Manifest.load(path)

    assert str(caught.value) == str(loaded.value)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 3).fly(3)
    content = sweep.path.read_bytes().replace(b'"run_id": 1', b'"run_id": 7')
    sweep.path.write_bytes(content)

    with pytest.raises(ManifestCorruptError, match="line 3") as caught:
        FollowedManifest(sweep.path).update()

    assert caught.value.line_number == 3


def test_a_shrunk_entry_keeps_how_the_run_ended_and_its_values(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path, 2).add(0, 1.0).fail(1)
    followed = FollowedManifest(sweep.path)
    followed.update()
    whole = dict(followed.entries)

    followed.shrink([0, 1])

    for run_id, entry in followed.entries.items():
        assert entry.output_paths == {}
        for kept in ("run_id", "status", "overrides", "failure_kind", "seed", "stderr", "extra"):
            assert getattr(entry, kept) == getattr(whole[run_id], kept)
