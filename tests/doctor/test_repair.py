"""A repair takes as long for each damaged file, however many there are."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from counted_calls import calls_of
from gmat_sweep.doctor import check_sweep
from manifests import entry, header


def damaged_sweep(folder: Path, count: int) -> Path:
    """Return a sweep folder whose every report is another than the recorded one."""
    manifest = header(
        parameter_spec={"_kind": "grid", "Sat.SMA": [7000.0 + n for n in range(count)]},
        run_count=count,
    )
    for run_id in range(count):
        report = folder / f"run-{run_id}" / "report__Eph.parquet"
        report.parent.mkdir(parents=True)
        report.write_bytes(b"short")
        recorded = {"size": 7, "sha256": "0" * 64}
        manifest.entries.append(entry(run_id, files={f"run-{run_id}/{report.name}": recorded}))
    manifest.save(folder / "manifest.jsonl")
    manifest.close()
    return folder


def test_the_work_of_a_repair_grows_as_the_number_of_damaged_files(tmp_path: Path) -> None:
    # The first repair imports what the others find there.
    _, few, many = (
        calls_of(partial(check_sweep, damaged_sweep(tmp_path / str(count), count), repair=True))
        for count in (1, 20, 80)
    )

    assert many < 4.5 * few
    assert len(list(tmp_path.glob("80/quarantine-*/run-*/report__Eph.parquet"))) == 80


def test_a_damaged_file_that_another_run_lists_too_stays(tmp_path: Path) -> None:
    folder = damaged_sweep(tmp_path, 2)
    manifest = header()
    for run_id, recorded in enumerate(("run-0/report__Eph.parquet", "./run-0/report__Eph.parquet")):
        manifest.entries.append(entry(run_id, extra_outputs={"theirs": Path(recorded)}))
    manifest.save(folder / "manifest.jsonl")
    manifest.close()

    health = check_sweep(folder, repair=True)

    assert health.failed == 2
    assert (folder / "run-0" / "report__Eph.parquet").exists()
