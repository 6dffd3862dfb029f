"""What a sweep costs beside GMAT: runs of an engine that does nothing, a Prefect task each.

Everything but GMAT is real: worker processes and their pipes, task runs on a Prefect server of the
sweep's own, fsynced manifest lines, the summary at the end. A run is an output file made beforehand
that is linked to its place. Each size is measured in a process and on a database of its own.

``python benchmarks/orchestration.py [--n 1000 10000 100000] [--workers 2] [--seconds 0]``
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Self

MISSION = Path(__file__).resolve().parent.parent / "tests" / "data" / "leo_short.script"
_MIB = 1 << 20
_SAMPLE_INTERVAL_S = 0.5
# Prefect sends log lines every two seconds.
_LAST_LINES_S = 3.0

_WORKER = """
import hashlib, json, os, shutil, sys, time
sys.path[:] = json.loads(sys.argv[1])
from datetime import UTC, datetime
from pathlib import Path
from gmat_sweep.backends.process import worker_main
from gmat_sweep.spec import RunOutcome
from gmat_sweep.worker import run

PREPARED = Path(os.environ["BENCHMARK_OUTPUT"])
LASTS_S = float(os.environ["BENCHMARK_SECONDS"])
FACTS = {
    "size": PREPARED.stat().st_size, "sha256": hashlib.sha256(PREPARED.read_bytes()).hexdigest()
}

def source(run_id):
    # File systems let a file have some ten thousand names.
    copy = PREPARED.with_name(f"prepared-{os.getpid()}-{run_id // 10_000}.parquet")
    return copy if copy.exists() else Path(shutil.copy(PREPARED, copy))

def nothing(spec):
    started_at = datetime.now(UTC)
    report = spec.output_dir / "report__RF.parquet"
    spec.output_dir.mkdir(parents=True, exist_ok=True)
    os.link(source(spec.run_id), report)
    time.sleep(LASTS_S)
    return RunOutcome.ok(
        run_id=spec.run_id,
        output_paths={"report__RF": report},
        started_at=started_at,
        ended_at=datetime.now(UTC),
        files={str(report): FACTS},
    )

run.run_one = nothing
worker_main.main(int(sys.argv[2]), int(sys.argv[3]))
"""


class Watch:
    """The largest resident memory of some processes, MiB, and the most threads of this one.

    It looks twice per second.
    """

    def __init__(self, **pids: int) -> None:
        self.first = {name: resident_mib(pid) for name, pid in pids.items()}
        self.largest = dict(self.first)
        self.threads = 0
        self._pids = pids
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        """Start looking."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look once more."""
        self._ended.set()
        self._thread.join()

    def growth(self, name: str) -> float:
        """Return by how much the memory of a process exceeded what it was at first, MiB."""
        return self.largest[name] - self.first[name]

    def _look(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._ended.wait(_SAMPLE_INTERVAL_S)
            for name, pid in self._pids.items():
                self.largest[name] = max(self.largest[name], resident_mib(pid))
            self.threads = max(self.threads, threading.active_count())


def resident_mib(pid: int) -> float:
    """Return the memory that a process has in use, MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used, s."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def write_prepared_output(path: Path) -> None:
    """Write the report of three rows that every run gets."""
    import pandas as pd

    times = pd.to_datetime(["2026-01-01 00:00:00", "2026-01-01 00:00:30", "2026-01-01 00:01:00"])
    pd.DataFrame(
        {"Sat.UTCGregorian": times, "Sat.X": [7000.0, 1.5, 2.5], "time": times}
    ).to_parquet(path)


def sweep_of_nothing(n: int, workers: int, folder: Path) -> Any:
    """Run a sweep of `n` runs that do nothing and return it."""
    from gmat_sweep.backends.joblib import LocalJoblibPool
    from gmat_sweep.flow.backlog import wait_until_recorded
    from gmat_sweep.flow.server import recorded_on
    from gmat_sweep.plans import grid_plan
    from gmat_sweep.sweep import Sweep

    plan = grid_plan({"Sat.SMA": [7000.0 + 1e-3 * number for number in range(n)]}, MISSION, folder)
    with LocalJoblibPool(workers) as pool:
        sweep = Sweep(
            runs=plan.runs,
            backend=pool,
            manifest_path=folder / "manifest.jsonl",
            output_dir=folder,
            script_path=MISSION,
            parameter_spec=plan.parameter_spec,
            progress=False,
        ).run()
    assert sweep.last_pass is not None
    assert sweep.last_pass.done == n
    assert sweep.last_pass.failed == 0
    assert sweep.last_pass.flow_run_id is not None
    with recorded_on():
        recorded = wait_until_recorded(sweep.last_pass.flow_run_id, n)
    if recorded < n:
        raise RuntimeError(f"the Prefect server has recorded {recorded} of {n} runs")
    return sweep


def measure_here(n: int, workers: int, seconds: float) -> dict[str, Any]:
    """Measure a sweep of `n` runs in this process, after a short one that warms everything up."""
    from gmat_sweep.backends.process import worker_process
    from gmat_sweep.engine import activate
    from gmat_sweep.flow.server import shared_server
    from gmat_sweep.manifest import Manifest

    activate()
    worker_process._PROGRAM = _WORKER
    with tempfile.TemporaryDirectory() as name:
        os.environ["BENCHMARK_OUTPUT"] = f"{name}/prepared.parquet"
        os.environ["BENCHMARK_SECONDS"] = str(seconds)
        write_prepared_output(Path(name) / "prepared.parquet")
        server = shared_server().record
        sweep_of_nothing(100, workers, Path(name) / "warm-up")
        folder = Path(name) / "sweep"
        with Watch(flow=os.getpid(), server=server.pid) as watch:
            cpu, servers, started = time.process_time(), cpu_s(server.pid), time.perf_counter()
            sweep = sweep_of_nothing(n, workers, folder)
            whole_s, own = time.perf_counter() - started, time.process_time() - cpu
            time.sleep(_LAST_LINES_S)
            servers = cpu_s(server.pid) - servers
        manifest_bytes = (folder / "manifest.jsonl").stat().st_size
        started = time.perf_counter()
        entries = len(Manifest.load(folder / "manifest.jsonl").entries)
        load_s = time.perf_counter() - started
    assert entries == n
    return {
        "n": n,
        "workers": workers,
        "seconds": seconds,
        "threads": watch.threads,
        "runs_per_s": n / sweep.last_pass.duration_s,
        "whole_s": whole_s,
        "flow_cpu_ms_per_run": 1e3 * own / n,
        "server_cpu_ms_per_run": 1e3 * servers / n,
        "flow_memory_growth_mib": watch.growth("flow"),
        "flow_memory_mib": watch.largest["flow"],
        "server_memory_growth_mib": watch.growth("server"),
        "server_memory_mib": watch.largest["server"],
        "manifest_mib": manifest_bytes / _MIB,
        "manifest_load_s": load_s,
    }


def measure(n: int, workers: int, seconds: float) -> dict[str, Any]:
    """Measure a sweep of `n` runs in a process of its own, on a new database."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [
                *(sys.executable, __file__, "--here", "--n", str(n)),
                *("--workers", str(workers), "--seconds", str(seconds)),
            ],
            env={**os.environ, "PREFECT_HOME": home, "GMAT_SWEEP_SERVER_IDLE": "0"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def table(results: list[dict[str, Any]]) -> str:
    """Return the measurements as a Markdown table."""
    columns = {
        "runs": "{n:,}",
        "runs/s": "{runs_per_s:.0f}",
        "flow CPU, ms/run": "{flow_cpu_ms_per_run:.1f}",
        "server CPU, ms/run": "{server_cpu_ms_per_run:.1f}",
        "flow memory, MiB": "{flow_memory_mib:.0f} (+{flow_memory_growth_mib:.0f})",
        "server memory, MiB": "{server_memory_mib:.0f} (+{server_memory_growth_mib:.0f})",
        "manifest, MiB": "{manifest_mib:.1f}",
        "loading it, s": "{manifest_load_s:.2f}",
    }
    lines = [" | ".join(columns), " | ".join(["---:"] * len(columns))]
    lines += [" | ".join(f.format(**result) for f in columns.values()) for result in results]
    return "\n".join(f"| {line} |" for line in lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--n", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.0, help="how long a run lasts")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        with contextlib.redirect_stdout(sys.stderr):
            result = measure_here(arguments.n[0], arguments.workers, arguments.seconds)
        print(json.dumps(result))
        return
    results = [measure(n, arguments.workers, arguments.seconds) for n in arguments.n]
    print(table(results))
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
