"""The hook of a replay is called again, if it may be, and what it returns is compared."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gmat_sweep.cli import main
from gmat_sweep.disk.owner import origin
from gmat_sweep.import_places import hook_digest, hook_module
from gmat_sweep.spec import RunOutcome
from gmat_sweep.sweep.replay_kit import _told
from gmat_sweep.sweep.replayed_hook import HookReplay, hook_record, replayed_hook
from manifests import entry, header

HOOK = """\
import pandas as pd

def write(spec, outcome):
    value = spec.overrides["Sat.SMA"] + spec.context["by"]
    frame = pd.DataFrame({"value": [value]})
    frame.to_parquet(spec.output_dir / "a.parquet", compression=spec.context["packed"])
    (spec.output_dir / "b.txt").write_text(f"{value:g}")
    return {"a": "a.parquet", "b": "b.txt"}

def fail(spec, outcome):
    raise ValueError("no luck today")
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module of hooks, which a run folder lies in."""
    (tmp_path / "hooks_of_replay.py").write_text(HOOK)
    (tmp_path / "run-3").mkdir()
    monkeypatch.setenv("GMAT_SWEEP_HOOKS", str(tmp_path))
    yield tmp_path
    sys.modules.pop("hooks_of_replay", None)


def again(
    place: Path,
    called: str = "write",
    *,
    trusted: bool = False,
    by: Any = None,
    digest: str | None = None,
    ok: bool = True,
    **expected: Any,
) -> HookReplay:
    """Call the hook as `check_replay` does; its run wrote 7005 and "7005"."""
    was = place / "was"
    was.mkdir(exist_ok=True)
    pd.DataFrame({"value": [7005.0]}).to_parquet(was / "a.parquet", compression="gzip")
    (was / "b.txt").write_text("7005")
    of_run = replace(
        entry(3),
        context={"by": 5.0, "packed": "snappy"},
        extra_outputs={"a": was / "a.parquet", "b": was / "b.txt"},
    )
    at = datetime.now(UTC)
    made = {
        "postprocess": f"hooks_of_replay:{called}",
        "hook": hook_record(header(), of_run, [was], _told),
        "overrides": {"Sat.SMA": 7000.0},
        "run_id": 3,
        "seed": 1,
        "run_options": {},
        "failure_kind": None,
        "cause": None,
        **expected,
    }
    outcome = RunOutcome.ok(run_id=3, output_paths={}, started_at=at, ended_at=at)
    if not ok:
        outcome = RunOutcome.failed(run_id=3, stderr="GMAT", started_at=at, ended_at=at)
    hook_module("hooks_of_replay")
    own = hook_digest("hooks_of_replay") if digest is None else digest
    versions = {"created_by": origin() if by is None else by, "hook_sha256": own}
    return replayed_hook(
        place / "m.script", place / "run-3", made, versions, outcome, _told, trusted=trusted
    )


def test_tables_are_equal_by_their_values_and_other_files_byte_by_byte(place: Path) -> None:
    found = again(place)

    assert (found.differences, found.notes) == ([], [])
    assert found.compared == ["a, of the hook, is equal", "b, of the hook, is equal"]
    other = again(place, overrides={"Sat.SMA": 7001.0})
    assert other.differences == ["a, of the hook, differs", "b, of the hook, differs"]


def test_a_hook_that_fails_is_equal_if_the_run_failed_so(place: Path) -> None:
    failed: dict[str, Any] = {"failure_kind": "hook", "cause": "ValueError: no luck today"}

    assert again(place, "fail", **failed).compared == [
        "the hook failed as that of the run did: no luck today"
    ]
    assert "that of the run did not" in again(place, "fail").differences[0]
    assert again(place, **failed).differences == [
        "the hook ended well; the run: ValueError: no luck today"
    ]
    assert again(place, ok=False) == HookReplay()


def test_a_strangers_hook_is_called_only_if_it_is_trusted(place: Path) -> None:
    stranger = {"user": "somebody", "host": "elsewhere"}
    [note] = again(place, by=stranger).notes

    assert "--trust-hook calls it" in note
    assert not (place / "run-3" / "b.txt").exists()
    assert len(again(place, by=stranger, trusted=True).compared) == 2


def test_a_hook_that_is_not_here_or_another_one_is_told(place: Path) -> None:
    [gone] = again(place, postprocess="no_such_module:f").notes
    assert "the hook no_such_module:f was not called: it cannot be imported here" in gone
    other = again(place, digest="5c" * 32)
    [note] = other.notes
    assert "is in another file than that of the sweep" in note
    assert len(other.compared) == 2
    [old] = again(place, hook=None).notes
    assert "an earlier version wrote this replay" in old


def test_options_of_hooks_are_for_the_check_alone(capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--no-hook", "--trust-hook"):
        assert main(["replay", "nowhere", "--run", "1", option]) == 2
        assert f"{option} is for --check alone" in capsys.readouterr().err
