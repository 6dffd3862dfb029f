"""What is kept beside the manifest: the seal of each run, and the copy of the header."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fault_injection import OS_CALLS, disk_error, nth_call
from gmat_sweep.errors import DurabilityError
from gmat_sweep.folder.layout import SEAL_NAME, header_copy
from gmat_sweep.folder.run_seal import (
    break_seal,
    keep_header,
    read_seal,
    seal_run,
)
from gmat_sweep.manifest.entry import ManifestEntry
from gmat_sweep.mission.script import canonical_script_sha256
from gmat_sweep.spec import RunOutcome, RunSpec
from resumed_sweeps import SHORT, run_of
from sweep_on_disk import SweepOnDisk

_NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def ended(spec: RunSpec, **changes: Any) -> RunOutcome:
    """Return the outcome of a run with a file inside and one outside of its folder."""
    inside = spec.output_dir / "report__RF.parquet"
    outcome = RunOutcome.ok(
        run_id=spec.run_id,
        output_paths={"report__RF": inside},
        extra_outputs={"shared": spec.output_dir.parent / "shared.txt"},
        solver_paths={"DC": spec.output_dir / "solver__DC.parquet"},
        converged={"DC": True},
        started_at=_NOW,
        ended_at=_NOW,
        duration_s=0.5,
        files={inside.name: {"size": 3, "sha256": "ab"}},
    )
    return replace(outcome, **changes)


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    """A run of the short mission whose folder exists."""
    run = run_of(
        7, tmp_path, seed=2**63 - 1, context={"name": "Zoë"}, run_options={"overwrite": True}
    )
    run.output_dir.mkdir()
    return run


def test_a_seal_says_all_that_the_entry_says_wherever_the_folder_is_now(
    spec: RunSpec, tmp_path: Path
) -> None:
    seal_run(spec, ended(spec))
    moved = tmp_path / "elsewhere" / "run-7"
    moved.parent.mkdir()
    spec.output_dir.rename(moved)

    seal = read_seal(moved)

    assert seal.script_sha256 == canonical_script_sha256(SHORT)
    entry = ManifestEntry.from_dict(seal.record_below(tmp_path / "elsewhere"))
    assert entry.overrides == spec.overrides
    assert (entry.seed, entry.context) == (spec.seed, spec.context)
    assert entry.run_options == {"overwrite": True}
    assert (entry.status, entry.started_at, entry.duration_s) == ("ok", _NOW, 0.5)
    assert entry.output_paths == {"report__RF": Path("run-7/report__RF.parquet")}
    assert entry.solver_paths == {"DC": Path("run-7/solver__DC.parquet")}
    assert entry.extra_outputs == {"shared": Path("shared.txt")}
    assert entry.files == {"report__RF.parquet": {"size": 3, "sha256": "ab"}}
    assert entry.log_path == Path("run-7/worker.log")
    assert entry.converged == {"DC": True}
    assert entry.host


@pytest.mark.parametrize("call", OS_CALLS)
def test_whatever_fails_there_is_the_old_seal_the_new_one_or_none_but_never_a_part(
    spec: RunSpec, call: str
) -> None:
    for nth in range(1, 9):
        seal_run(spec, ended(spec, duration_s=1.0))
        with nth_call(call, nth, disk_error) as calls:
            try:
                seal_run(spec, ended(spec, duration_s=2.0))
            except DurabilityError:
                allowed = {1.0, 2.0}
            else:
                allowed = {2.0}
        assert read_seal(spec.output_dir).entry.duration_s in allowed
        if calls[0] < nth:
            break
    assert [path.name for path in spec.output_dir.iterdir()] == [SEAL_NAME]


@pytest.mark.promise("5", "a seal with any bit flipped, or cut anywhere")
def test_every_flipped_bit_and_every_cut_of_a_seal_is_found(spec: RunSpec) -> None:
    seal_run(spec, ended(spec))
    path = spec.output_dir / SEAL_NAME
    whole = path.read_bytes()

    for position in range(len(whole)):
        for harmed in (
            whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :],
            whole[:position],
        ):
            path.write_bytes(harmed)
            with pytest.raises(ValueError, match=r"."):
                read_seal(spec.output_dir)


def test_a_broken_seal_is_gone_and_breaking_it_again_does_nothing(spec: RunSpec) -> None:
    seal_run(spec, ended(spec))

    break_seal(spec.output_dir)
    break_seal(spec.output_dir)

    with pytest.raises(FileNotFoundError):
        read_seal(spec.output_dir)


def test_a_run_whose_script_is_gone_is_sealed_without_its_hash(spec: RunSpec) -> None:
    gone = replace(spec, script_path=Path("gone.script"))

    seal_run(gone, ended(gone, status="failed", stderr="no such script"))

    assert read_seal(spec.output_dir).script_sha256 is None


def test_the_copy_of_the_header_is_its_line_and_is_written_only_when_it_differs(
    tmp_path: Path,
) -> None:
    path = SweepOnDisk(tmp_path).save()
    line = path.read_bytes()

    keep_header(path)
    copy = header_copy(path)
    first = copy.stat().st_mtime_ns, copy.stat().st_ino
    keep_header(path)

    assert copy.name == "manifest.header.json"
    assert copy.read_bytes() == line
    assert (copy.stat().st_mtime_ns, copy.stat().st_ino) == first
    copy.write_bytes(b"of another sweep\n")
    keep_header(path)
    assert copy.read_bytes() == line
