"""Seconds to turn the files of many small runs into one frame, and to load their manifest.

python benchmarks/aggregation.py [--n 10000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def write_sweep(folder: Path, n: int) -> Path:
    """Write a sweep of `n` runs with a report of three rows each and return its manifest."""
    import pandas as pd

    from gmat_sweep.manifest import Manifest, ManifestEntry

    times = pd.to_datetime(["2026-01-01 00:00:00", "2026-01-01 00:00:30", "2026-01-01 00:01:00"])
    manifest = Manifest(
        script_sha256="0" * 64,
        gmat_sweep_version="0",
        gmat_run_version="0",
        gmat_install_version="R2026a",
        python_version="3",
        os_platform="benchmark",
        sweep_seed=None,
        parameter_spec={"_kind": "grid", "Sat.SMA": list(range(n))},
        run_count=n,
        fsync_each=False,
        fsync_batch=n + 1,
    )
    path = folder / "manifest.jsonl"
    manifest.save(path)
    now = datetime.now(UTC)
    for run_id in range(n):
        run = folder / f"run-{run_id}"
        run.mkdir()
        report = run / "report__RF.parquet"
        pd.DataFrame(
            {"Sat.UTCGregorian": times, "Sat.X": [7000.0 + run_id, 1.5, 2.5], "time": times}
        ).to_parquet(report)
        manifest.append_entry(
            ManifestEntry(
                run_id=run_id,
                overrides={"Sat.SMA": run_id},
                status="ok",
                output_paths={"report__RF": report},
                started_at=now,
                ended_at=now,
                duration_s=0.05,
                stderr=None,
                log_path=run / "worker.log",
            )
        )
    manifest.close()
    return path


def measure(n: int) -> dict[str, Any]:
    """Return the seconds that loading the manifest and aggregating the reports take."""
    from gmat_sweep.aggregate import lazy_multiindex
    from gmat_sweep.manifest import Manifest

    with tempfile.TemporaryDirectory() as name:
        path = write_sweep(Path(name), n)
        started = time.perf_counter()
        manifest = Manifest.load(path)
        loaded = time.perf_counter()
        frame = lazy_multiindex(manifest, path.parent)
        done = time.perf_counter()
    assert frame.shape[0] == 3 * n
    return {"n": n, "rows": len(frame), "load_s": loaded - started, "aggregate_s": done - loaded}


def table(measured: dict[str, Any]) -> str:
    """Return the measurement as a Markdown table."""
    return (
        "| runs | rows | loading the manifest, s | one frame of all, s |\n"
        "| ---: | ---: | ---: | ---: |\n"
        f"| {measured['n']:,} | {measured['rows']:,} | {measured['load_s']:.2f} "
        f"| {measured['aggregate_s']:.2f} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Aggregate many small runs.")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    measured = measure(arguments.n)
    print(table(measured))
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
