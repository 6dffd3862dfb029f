"""Runs per second of the flow beside those of the bare engine loop, in one run.

The bare loop is what a patient user would write without this package: as many processes as cores,
each loading the script, setting one field and running it with gmat-run, and nothing else: no
reading of reports, no Parquet, no manifest, no Prefect. The flow has the same number of processes,
on local workers and on a Dask cluster of this machine. Start-up is not counted for anyone. Rounds
alternate between them, because machines are noisy; what counts are the ratios.

With PEER_PYTHON naming an interpreter that has gmat-sweep of PyPI and gmat-run, one program that
calls ``sweep()`` is timed under that interpreter and under this one, on the same engine.

``python benchmarks/throughput.py [--n 200 2000] [--workers 2] [--rounds 3] [--json FILE]``
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gmat_sweep.backends.base import Pool

MISSION = Path(__file__).resolve().parent.parent / "tests" / "data" / "leo_basic.script"
PEER = os.environ.get("PEER_PYTHON")
_RUNS_OF_ALL_ROUNDS = 1500
_FEWEST_ROUNDS = 3

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

_SWEEP_PROGRAM = """
import json, sys, tempfile, time
from gmat_sweep import LocalJoblibPool, sweep

if __name__ == "__main__":
    script, values, workers = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder, LocalJoblibPool(workers=workers) as pool:
        # The first is for the start of workers, and is not counted.
        for name, some in (("first", values[: 2 * workers]), ("timed", values)):
            started = time.perf_counter()
            frame = sweep(script, grid={"Sat.SMA": some}, backend=pool, out=f"{folder}/{name}",
                          progress=False)
            seconds = time.perf_counter() - started
        assert (frame["__status"] == "ok").all()
        assert frame.index.get_level_values("run_id").nunique() == len(values)
    print(seconds)
"""


def semi_major_axes(n: int) -> list[float]:
    """Return `n` distinct semi-major axes, km."""
    return [7000.0 + 250.0 * number / n for number in range(n)]


def bare_loop(n: int, workers: int) -> float:
    """Return the seconds that `workers` bare processes take for `n` runs, start-up not counted."""
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


def local_flow(n: int, workers: int) -> float:
    """Return the seconds of the flow on local workers, to its last manifest line."""
    return _flow_elsewhere("local", n, workers)


def dask_flow(n: int, workers: int) -> float:
    """Return the seconds of the flow on a Dask cluster, to its last manifest line."""
    return _flow_elsewhere("Dask", n, workers)


def _flow_elsewhere(name: str, n: int, workers: int) -> float:
    """Return the seconds of the flow in a process and on a database of its own."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [
                *(sys.executable, __file__, "--here", name),
                *("--n", str(n), "--workers", str(workers)),
            ],
            env={**os.environ, "PREFECT_HOME": home, "GMAT_SWEEP_SERVER_IDLE": "0"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return float(done.stdout.splitlines()[-1])


def flow_here(name: str, n: int, workers: int) -> float:
    """Return the seconds of the flow in this process."""
    from gmat_sweep.backends.dask import DaskPool
    from gmat_sweep.backends.joblib import LocalJoblibPool
    from gmat_sweep.engine import activate

    activate()
    pool = LocalJoblibPool(workers) if name == "local" else DaskPool(n_workers=workers)
    with pool:
        return _flow(n, pool)


def _flow(n: int, pool: Pool) -> float:
    from gmat_sweep.plans import grid_plan
    from gmat_sweep.sweep import Sweep

    with tempfile.TemporaryDirectory() as name:
        # As for the bare loop, all processes are up before the clock runs.
        for folder, values in (
            (Path(name) / "first", semi_major_axes(4)),
            (Path(name) / "timed", semi_major_axes(n)),
        ):
            plan = grid_plan({"Sat.SMA": values}, MISSION, folder)
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
        assert sweep.last_pass is not None
        return sweep.last_pass.duration_s


def _sweep_program(python: str, n: int, workers: int) -> float:
    done = subprocess.run(
        [
            *(python, "-c", _SWEEP_PROGRAM),
            *(str(MISSION), json.dumps(semi_major_axes(n)), str(workers)),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


def contenders() -> dict[str, Callable[[int, int], float]]:
    """Return who is timed, by name."""
    timed: dict[str, Callable[[int, int], float]] = {
        "bare loop": bare_loop,
        "flow, local": local_flow,
        "flow, Dask": dask_flow,
    }
    if PEER:
        peer = PEER
        timed["sweep() here"] = lambda n, workers: _sweep_program(sys.executable, n, workers)
        timed["sweep() of the peer"] = lambda n, workers: _sweep_program(peer, n, workers)
    return timed


def measure(n: int, workers: int, rounds: int) -> dict[str, Any]:
    """Return runs per second of everyone, round by round, and the medians of the ratios."""
    from gmat_sweep.engine import activate

    # For the processes of the bare loop, which inherit where it is.
    activate()
    measured = [
        {name: n / timed(n, workers) for name, timed in contenders().items()} for _ in range(rounds)
    ]
    compared = [("flow, local", "bare loop"), ("flow, Dask", "flow, local")]
    if PEER:
        compared.append(("sweep() here", "sweep() of the peer"))
    return {
        "mission": MISSION.name,
        "n": n,
        "workers": workers,
        "rounds": measured,
        "ratios": {
            f"{one} / {other}": statistics.median(each[one] / each[other] for each in measured)
            for one, other in compared
        },
    }


def table(results: list[dict[str, Any]]) -> str:
    """Return the measurements as a Markdown table: median runs per second, and ratios."""
    names = list(results[0]["rounds"][0])
    ratios = list(results[0]["ratios"])
    heads = ["runs", *(f"{name}, runs/s" for name in names), *ratios]
    lines = [" | ".join(heads), " | ".join(["---:"] * len(heads))]
    for result in results:
        paces = [statistics.median(each[name] for each in result["rounds"]) for name in names]
        cells = [f"{result['n']:,}", *(f"{pace:.1f}" for pace in paces)]
        lines.append(" | ".join([*cells, *(f"{result['ratios'][each]:.2f}" for each in ratios)]))
    return "\n".join(f"| {line} |" for line in lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--n", type=int, nargs="+", default=[200, 500, 2000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--rounds", type=int, help="by default enough for some 1500 runs, and at least three"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", choices=["local", "Dask"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        with contextlib.redirect_stdout(sys.stderr):
            seconds = flow_here(arguments.here, arguments.n[0], arguments.workers)
        print(seconds)
        return
    with contextlib.redirect_stdout(sys.stderr):
        results = [
            measure(
                n,
                arguments.workers,
                arguments.rounds or max(_FEWEST_ROUNDS, round(_RUNS_OF_ALL_ROUNDS / n)),
            )
            for n in arguments.n
        ]
    print(table(results))
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
