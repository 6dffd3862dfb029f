"""The sizes and hashes of an entry's files, by paths that hold wherever the sweep folder is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gmat_sweep.folder.run_files import damage, facts_of, fsynced_facts
from gmat_sweep.manifest.entry import ManifestEntry, line_record, path_prefixes
from gmat_sweep.manifest.file_keys import file_key, from_the_run_folder

_NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_FACTS = {"size": 1, "sha256": "a"}


def entry_of(**changes: Any) -> ManifestEntry:
    plain = ManifestEntry(7, {}, "ok", {}, _NOW, _NOW, 1.0, None, None)
    return replace(plain, **changes)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/s/run-7/a.txt", "a.txt"),
        ("/s/run-7/plots/a.txt", "plots/a.txt"),
        ("/s/a.txt", "../a.txt"),
        ("/s/run-77/a.txt", "../run-77/a.txt"),
        ("/elsewhere/a.txt", "/elsewhere/a.txt"),
    ],
)
def test_a_file_is_known_by_its_path_from_the_run_folder(path: str, key: str) -> None:
    assert file_key(Path(path), Path("/s/run-7")) == key
    assert facts_of(
        entry_of(files={key: _FACTS, "other": {}}), Path(path), [Path("/s")]
    ) == _FACTS  # fmt: skip


@pytest.mark.parametrize("name", ["a.parquet", "plots/a.parquet", "run-7/a.parquet"])
@pytest.mark.parametrize("own_folder", [None, "cases/seven"])
def test_equal_sweeps_in_two_folders_have_equal_files(
    tmp_path: Path, name: str, own_folder: str | None
) -> None:
    """Also if a pool of somebody else's gives absolute keys, and if a folder is moved."""
    loaded = []
    for sweep in (tmp_path / "one", tmp_path / "deeper" / "two"):
        run = sweep / (own_folder or "run-7")
        file = run / name
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x")
        entry = entry_of(
            output_paths={"report__A": file},
            files={str(file): fsynced_facts(file)},
            output_dir=None if own_folder is None else str(run),
        )
        record = line_record(entry, path_prefixes(sweep))
        assert list(record["files"]) == [name]
        loaded.append(ManifestEntry.from_dict(record, anchor=f"{sweep}/"))
        moved = sweep.rename(sweep.with_name("moved"))
        again = ManifestEntry.from_dict(record, anchor=f"{moved}/")
        assert damage(again, [moved]) == []
        (moved / file.relative_to(sweep)).write_bytes(b"y")
        (said,) = damage(again, [moved])
        assert "has changed" in said
        # With the recorded paths of the place before.
        assert "has changed" in damage(loaded[-1], [moved, sweep])[0]

    assert loaded[0].files == loaded[1].files


class TestEarlierVersions:
    """Keys were relative to the sweep folder, absolute outside of it."""

    @pytest.mark.parametrize(
        ("listed", "keys", "expected"),
        [
            (["run-7/a"], ["run-7/a"], ["a"]),
            (["run-7/a", "/far/b"], ["run-7/a", "/far/b"], ["a", "/far/b"]),
            (["run-7/a", "shared"], ["run-7/a", "shared"], ["a", "shared"]),
            # A folder of the run folder's name in it: as this version writes it, and as earlier.
            (["run-7/run-7/a"], ["run-7/a"], ["run-7/a"]),
            (["run-7/run-7/a"], ["run-7/run-7/a"], ["run-7/a"]),
            (["run-7/a", "run-7/run-7/a"], ["a", "run-7/a"], ["a", "run-7/a"]),
        ],
    )
    def test_their_keys_become_those_of_this_version(
        self, listed: list[str], keys: list[str], expected: list[str]
    ) -> None:
        record = {"run_id": 7, "output_paths": {str(n): text for n, text in enumerate(listed)}}
        files = {key: {"size": n} for n, key in enumerate(keys)}

        assert from_the_run_folder(files, record) == dict(
            zip(expected, files.values(), strict=True)
        )

    @pytest.mark.parametrize("path", ["run-7/a", "shared", "{sweep}/run-7/a", "{sweep}/shared"])
    def test_a_file_is_still_checked_by_its_hash(self, tmp_path: Path, path: str) -> None:
        path = path.format(sweep=tmp_path)
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
        record = entry_of().to_dict()
        record |= {"extra_outputs": {"a": path}, "files": {path: fsynced_facts(file)}}

        for entry in (
            ManifestEntry.from_dict(record),
            ManifestEntry.from_dict(record, anchor=f"{tmp_path}/"),
        ):
            file.write_bytes(b"x")
            assert damage(entry, [tmp_path]) == []
            file.write_bytes(b"y")
            assert "has changed" in damage(entry, [tmp_path])[0]
