"""A sweep under way holds no entries: they are in the manifest's file until somebody asks."""

from __future__ import annotations

import gc
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep import LocalJoblibPool, Manifest
from gmat_sweep.analysis import sweep_report
from gmat_sweep.analysis.pictures.sample import RunSample
from gmat_sweep.flow import pictures
from gmat_sweep.manifest.entry import ManifestEntry, outline_of
from manifests import entry, header, ids
from resumed_sweeps import forget, hand_made, reopened, run_of

if TYPE_CHECKING:
    import pytest


def entries_alive() -> int:
    """Return how many entries are in memory, whoever holds them."""
    gc.collect()
    return sum(isinstance(each, ManifestEntry) for each in gc.get_objects())


def test_what_is_recorded_is_read_from_the_file_in_mid_sweep_and_afterwards(
    pool: LocalJoblibPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "RunSample", partial(RunSample, most_ok=1))
    sweep = hand_made([run_of(run_id, tmp_path) for run_id in range(4)], tmp_path, pool)
    before = entries_alive()
    for number, _ in enumerate(sweep.iter_outcomes(), 1):
        assert entries_alive() <= before + 1, "the one of the sample for the pictures"
        assert len(sweep.to_manifest().entries) == number

    assert {each.run_id for each in sweep.to_manifest().entries} == {0, 1, 2, 3}
    assert sweep.to_manifest() is sweep.to_manifest(), "read once"
    forget(tmp_path, 2)
    resumed = reopened(tmp_path, pool).resume()
    assert len(resumed.to_manifest().entries) == 4


def test_an_entry_that_is_not_held_is_in_the_file_and_batches_count_it(tmp_path: Path) -> None:
    manifest = header()
    manifest.save(tmp_path / "manifest.jsonl")
    assert not manifest.is_behind

    manifest.append_entry(entry(0), hold=False)
    manifest.append_entry(entry(1))

    assert manifest.is_behind
    assert [each.run_id for each in manifest.entries] == [1]
    assert [each.run_id for each in Manifest.iter_entries(tmp_path / "manifest.jsonl")] == [0, 1]


def test_loading_leaves_the_collector_as_it_was_and_nothing_young_for_it(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    manifest = header(fsync_each=False, fsync_batch=3001)
    manifest.save(path)
    for run_id in range(3000):
        manifest.append_entry(entry(run_id))
    manifest.close()
    gc.collect()
    frozen = gc.get_freeze_count()

    loaded = Manifest.load(path)
    young = len(gc.get_objects(generation=0)) + len(gc.get_objects(generation=1))
    assert len(loaded.entries) == 3000
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen
    # What others have frozen is left alone.
    assert frozen or young < 3000

    gc.disable()
    try:
        Manifest.load(path)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_outline_says_how_runs_ended_and_no_more(tmp_path: Path) -> None:
    manifest = header(entries=[entry(0), entry(1, "failed", stderr="GMAT: no"), entry(0, "failed")])
    manifest.save(tmp_path / "manifest.jsonl")

    outline = Manifest.outline(tmp_path / "manifest.jsonl")

    whole = Manifest.load(tmp_path / "manifest.jsonl")
    assert outline.entries == [outline_of(each) for each in whole.entries]
    assert len({id(each.status) for each in outline.entries}) == 1, "one text, not one a line"
    ended = [(each.run_id, each.status) for each in outline.entries]
    assert ended == [(0, "failed"), (1, "failed")]
    assert outline.entries[1].stderr == "GMAT: no"
    assert all(each.overrides == each.output_paths == {} for each in outline.entries)


def test_a_report_of_a_path_is_that_of_the_manifest(pool: LocalJoblibPool, tmp_path: Path) -> None:
    hand_made([run_of(run_id, tmp_path) for run_id in range(4)], tmp_path, pool).run()
    forget(tmp_path, 3)
    reopened(tmp_path, pool).resume()

    assert sweep_report(tmp_path) == sweep_report(Manifest.load(tmp_path / "manifest.jsonl"))
    assert sweep_report(tmp_path).quantities


def test_a_manifest_that_is_behind_is_saved_whole_and_tells_what_its_file_tells(
    tmp_path: Path,
) -> None:
    manifest = header()
    manifest.save(tmp_path / "manifest.jsonl")
    manifest.append_entry(entry(0, "failed"), hold=False)
    manifest.append_entry(entry(1), hold=False)

    assert manifest.find_failed() == [0]
    assert manifest.find_missing([0, 1, 2]) == [2]
    manifest.append_entry(entry(4), hold=False)
    assert manifest.total_run_count == 5
    manifest.append_entry(entry(5), hold=False)
    manifest.save(tmp_path / "copy.jsonl")
    assert ids(tmp_path / "copy.jsonl") == [0, 1, 4, 5]
    manifest.append_entry(entry(6), hold=False)
    manifest.save(tmp_path / "copy.jsonl")
    assert ids(tmp_path / "copy.jsonl") == [0, 1, 4, 5, 6], "over its own file"
    assert not manifest.is_behind
