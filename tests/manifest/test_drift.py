"""Entries of runs that were flown with another mission than the header's."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmat_sweep.manifest import Manifest
from gmat_sweep.manifest.drift import changed_files, drift_facts, drift_of
from manifests import entry, header

FILES = {"orbit.inc": "aa", "own.cof": "bb"}


def test_an_entry_has_the_keys_that_differ_and_no_others() -> None:
    sweep = header(extra={"mission_files": FILES, "hook_sha256": "cc"})
    same = {"script": "79ec", "engine": "R2026a", "hook": "cc", "files": FILES}

    assert drift_facts(sweep, **same) == {}  # type: ignore[arg-type]
    assert drift_facts(
        sweep, script="new", engine="R2027a", hook=None, files={"own.cof": "bb", "new.txt": "dd"}
    ) == {
        "script_sha256": "new",
        "gmat_install_version": "R2027a",
        "hook_sha256": None,
        "mission_files": {"orbit.inc": None, "new.txt": "dd"},
    }


def test_what_an_older_header_does_not_say_cannot_differ() -> None:
    assert drift_facts(header(), script="79ec", engine="R2026a", hook="cc", files=FILES) == {}


@pytest.mark.parametrize("recorded", [None, "text", []])
def test_files_are_compared_only_where_the_header_has_them(recorded: object) -> None:
    assert changed_files(recorded, FILES) == {}


def test_the_keys_survive_a_file_and_name_the_runs(tmp_path: Path) -> None:
    sweep = header(run_count=3)
    facts = drift_facts(sweep, script="new", engine="R2026a", hook=None, files={})
    sweep.entries = [entry(2, extra=facts), entry(0), entry(1, extra=facts)]
    sweep.save(tmp_path / "manifest.jsonl")

    loaded = Manifest.load(tmp_path / "manifest.jsonl")

    assert drift_of(loaded, loaded.entries) == {"script": [1, 2]}
