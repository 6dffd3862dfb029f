"""Seconds to read the files of many small runs: one by one, and from a compacted sweep.

python benchmarks/aggregation.py [--n 10000] [--large 100000] [--json FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROUNDS = 3


def write_sweep(folder: Path, n: int) -> Path:
    """Write a sweep of `n` runs with a report of three rows each and return its manifest."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from gmat_sweep.manifest import Manifest, ManifestEntry

    times = pd.to_datetime(["2026-01-01 00:00:00", "2026-01-01 00:00:30", "2026-01-01 00:01:00"])
    columns = {"Sat.UTCGregorian": times, "Sat.X": [0.0, 1.5, 2.5], "time": times}
    table = pa.Table.from_pandas(pd.DataFrame(columns))
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
        values = pa.array([7000.0 + run_id, 1.5, 2.5])
        pq.write_table(table.set_column(1, "Sat.X", values), report)
        content = report.read_bytes()
        facts = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
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
                files={report.name: facts},
                output_dir=str(run),
            )
        )
    manifest.close()
    return path


def seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the seconds that some work takes at best."""
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


def measure(n: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """Return the seconds that reading a sweep takes before and after it is compacted."""
    from gmat_sweep.aggregate import lazy_multiindex
    from gmat_sweep.analysis import runs_table
    from gmat_sweep.archive import compact
    from gmat_sweep.manifest import Manifest

    with tempfile.TemporaryDirectory() as name:
        path = write_sweep(Path(name), n)

        def frame() -> None:
            assert len(lazy_multiindex(Manifest.load(path), path.parent)) == 3 * n

        def table() -> None:
            assert len(runs_table(path)) == n

        def readings() -> dict[str, float]:
            return {"frame_s": seconds(frame, rounds), "runs_table_s": seconds(table, rounds)}

        # The first of all reads the files from the disk and imports the libraries.
        seconds(table, 1)
        load_s = seconds(lambda: Manifest.load(path), rounds)
        before = readings()
        compact_s = seconds(lambda: compact(path), 1)
        return {
            "n": n,
            "rows": 3 * n,
            "load_s": load_s,
            "compact_s": compact_s,
            "before": before,
            "after": readings(),
        }


def table(measured: list[dict[str, Any]]) -> str:
    """Return the measurements as a Markdown table."""
    names = ["runs", "rows", "loading the manifest, s", "one frame of all, s", "compacted"]
    names += ["`runs_table`, s", "compacted", "compacting, s"]
    lines = [f"| {' | '.join(names)} |", f"|{' ---: |' * len(names)}"]
    lines += [
        f"| {each['n']:,} | {each['rows']:,} | {each['load_s']:.2f} "
        f"| {each['before']['frame_s']:.2f} | {each['after']['frame_s']:.2f} "
        f"| {each['before']['runs_table_s']:.2f} | {each['after']['runs_table_s']:.2f} "
        f"| {each['compact_s']:.1f} |"
        for each in measured
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Read the files of many small runs.")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    measured = [measure(each) for each in (arguments.n, arguments.large) if each]
    print(table(measured))
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
