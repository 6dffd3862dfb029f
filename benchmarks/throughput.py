"""Runs per second of the flow beside those of the bare engine loop, in one run.

The bare loop is what a patient user would write without this package: as many processes as cores,
each loading the script, setting one field and running it with gmat-run, and nothing else: no
reading of reports, no Parquet, no manifest, no Prefect. Rounds alternate between the two, because
machines are noisy; what counts is the ratio.

``python benchmarks/throughput.py [--n 200] [--workers 2] [--rounds 3] [--json FILE]``
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MISSION = Path(__file__).resolve().parent.parent / "tests" / "data" / "leo_basic.script"

_BARE_LOOP = """
import json, sys, tempfile, time
from gmat_run import Mission
script, values = sys.argv[1], json.loads(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
with tempfile.TemporaryDirectory() as folder:
    for number, value in enumerate(values):
        mission = Mission.load(script)
        mission["Sat.SMA"] = value
        mission.run(working_dir=f"{folder}/{number}")
"""


def semi_major_axes(n: int) -> list[float]:
    """Return `n` distinct semi-major axes, km."""
    return [7000.0 + 0.25 * number for number in range(n)]


def bare_loop(n: int, workers: int) -> float:
    """Return the seconds that `workers` bare processes take for `n` runs, start-up not counted."""
    from gmat_sweep.engine import activate

    activate()
    values = semi_major_axes(n)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _BARE_LOOP, str(MISSION), json.dumps(values[first::workers])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for first in range(workers)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    started = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        if process.wait() != 0:
            raise RuntimeError("a process of the bare loop failed")
    return time.perf_counter() - started


def flow(n: int, workers: int) -> float:
    """Return the seconds from the flow's first submission to its last manifest line."""
    from gmat_sweep.backends.joblib import LocalJoblibPool
    from gmat_sweep.plans import grid_plan
    from gmat_sweep.sweep import Sweep

    with tempfile.TemporaryDirectory() as name, LocalJoblibPool(workers) as pool:
        folder = Path(name)
        plan = grid_plan({"Sat.SMA": semi_major_axes(n)}, MISSION, folder)
        sweep = Sweep(
            runs=plan.runs,
            backend=pool,
            manifest_path=folder / "manifest.jsonl",
            output_dir=folder,
            script_path=MISSION,
            parameter_spec=plan.parameter_spec,
            progress=False,
        ).run()
        failed = sweep.to_manifest().find_failed()
        if failed:
            raise RuntimeError(f"{len(failed)} runs failed")
        assert sweep.report is not None
        return sweep.report.duration_s


def measure(n: int, workers: int, rounds: int) -> dict[str, Any]:
    """Return runs per second of both, round by round, and the median ratio."""
    results: list[dict[str, float]] = []
    for _ in range(rounds):
        bare_s, flow_s = bare_loop(n, workers), flow(n, workers)
        results.append({"bare": n / bare_s, "flow": n / flow_s, "ratio": bare_s / flow_s})
    return {
        "mission": MISSION.name,
        "n": n,
        "workers": workers,
        "rounds": results,
        "ratio": statistics.median(result["ratio"] for result in results),
    }


def table(measured: dict[str, Any]) -> str:
    """Return the measurement as a table."""
    lines = [
        f"{measured['n']} runs of {measured['mission']}, {measured['workers']} processes",
        f"{'round':>6} {'bare runs/s':>12} {'flow runs/s':>12} {'flow/bare':>10}",
    ]
    for number, result in enumerate(measured["rounds"], 1):
        lines.append(
            f"{number:>6} {result['bare']:>12.1f} {result['flow']:>12.1f} {result['ratio']:>10.2f}"
        )
    lines.append(f"{'median':>6} {'':>12} {'':>12} {measured['ratio']:>10.2f}")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    measured = measure(arguments.n, arguments.workers, arguments.rounds)
    print(table(measured))
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
