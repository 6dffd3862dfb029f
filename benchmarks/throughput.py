"""Runs per second of the flow beside those of the bare engine loop, in one run.

The bare loop is what a patient user would write without this package: as many processes as cores,
each loading the script, setting one field and running it with gmat-run, and nothing else: no
reading of reports, no Parquet, no manifest, no Prefect. The flow has the same number of processes,
on local workers, and on a Dask and a Ray cluster of this machine. Start-up is not counted
for these. Rounds alternate between them, because machines are noisy; what counts are the ratios.

Beside them, by the clock, stands one program that calls ``sweep()``: from the call to the frame,
workers' start counted, with the most memory of all its processes. With PEER_PYTHON naming an
interpreter that has gmat-sweep of PyPI and gmat-run, the same program is timed there too, on the
same engine. Last come runs of about a second, on local workers and in the bare loop.

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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from gmat_sweep.backends.base import Pool

MISSION = Path(__file__).resolve().parent.parent / "tests" / "data" / "leo_basic.script"
LONG_MISSION = Path(__file__).resolve().parent / "one_second.script"
PEER = os.environ.get("PEER_PYTHON")
_RUNS_OF_ALL_ROUNDS = 1500
_FEWEST_ROUNDS = 3
_LOOK_S = 0.1
_MIB = 2.0**20

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

# Programs for either package: it must not use what only one of them has.
_SWEEP_PROGRAM = """
import json, sys, tempfile, time
from gmat_sweep import LocalJoblibPool, sweep

if __name__ == "__main__":
    script, values, workers = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder, LocalJoblibPool(workers=workers) as pool:
        started = time.perf_counter()
        frame = sweep(script, grid={"Sat.SMA": values}, backend=pool, out=f"{folder}/timed",
                      progress=False)
        seconds = time.perf_counter() - started
    failed = int((frame["__status"] != "ok").sum())
    flown = frame.index.get_level_values("run_id").nunique()
    if failed or flown != len(values):
        sys.exit(f"{failed} rows are not ok, and {flown} of {len(values)} runs are in the frame")
    print(seconds)
"""


def semi_major_axes(n: int) -> list[float]:
    """Return `n` distinct semi-major axes, km.

    None is a whole number: GMAT reports these without a point, and not every reader of reports
    takes them for the same type as the others.
    """
    return [7000.0 + 250.0 * (number + 0.317) / n for number in range(n)]


def bare_loop(n: int, workers: int, mission: Path = MISSION) -> float:
    """Return the seconds that `workers` bare processes take for `n` runs, start-up not counted."""
    values = semi_major_axes(n)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _BARE_LOOP, str(mission), json.dumps(values[first::workers])],
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


def ray_flow(n: int, workers: int) -> float:
    """Return the seconds of the flow on a Ray cluster, to its last manifest line."""
    return _flow_elsewhere("Ray", n, workers)


def long_flow(n: int, workers: int) -> float:
    """Return the seconds of the flow on local workers, for runs of about a second."""
    return _flow_elsewhere("local", n, workers, "--long")


def long_bare_loop(n: int, workers: int) -> float:
    """Return the seconds of the bare loop for runs of about a second."""
    return bare_loop(n, workers, LONG_MISSION)


def _flow_elsewhere(name: str, n: int, workers: int, *more: str) -> float:
    """Return the seconds of the flow in a process and on a database of its own."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [
                *(sys.executable, __file__, "--here", name),
                *("--n", str(n), "--workers", str(workers), *more),
            ],
            env={**os.environ, "PREFECT_HOME": home, "GMAT_SWEEP_SERVER_IDLE": "0"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return float(done.stdout.splitlines()[-1])


def flow_here(name: str, n: int, workers: int, mission: Path) -> float:
    """Return the seconds of the flow in this process."""
    from gmat_sweep.backends.dask import DaskPool
    from gmat_sweep.backends.joblib import LocalJoblibPool
    from gmat_sweep.backends.ray import RayPool
    from gmat_sweep.engine import activate

    activate()
    pools: dict[str, Callable[[], Pool]] = {
        "local": lambda: LocalJoblibPool(workers),
        "Dask": lambda: DaskPool(n_workers=workers),
        "Ray": lambda: RayPool(num_cpus=workers),
    }
    with pools[name]() as pool:
        return _flow(n, pool, mission)


def _flow(n: int, pool: Pool, mission: Path) -> float:
    from gmat_sweep.plans import grid_plan
    from gmat_sweep.sweep import Sweep

    with tempfile.TemporaryDirectory() as name:
        # As for the bare loop, all processes are up before the clock runs.
        for folder, values in (
            (Path(name) / "first", semi_major_axes(4)),
            (Path(name) / "timed", semi_major_axes(n)),
        ):
            plan = grid_plan({"Sat.SMA": values}, mission, folder)
            sweep = Sweep(
                runs=plan.runs,
                backend=pool,
                manifest_path=folder / "manifest.jsonl",
                output_dir=folder,
                script_path=mission,
                parameter_spec=plan.parameter_spec,
                progress=False,
            ).run()
        failed = sweep.to_manifest().find_failed()
        if failed:
            raise RuntimeError(f"{len(failed)} runs failed")
        assert sweep.last_pass is not None
        return sweep.last_pass.duration_s


@dataclass(frozen=True, slots=True)
class SweepTaken:
    """What a program that calls ``sweep()`` took."""

    seconds: float
    memory_mib: float


def sweep_program(python: str, n: int, workers: int) -> SweepTaken:
    """Run the program that calls ``sweep()`` with an interpreter.

    Returns
    -------
    SweepTaken
        The seconds from the call to the frame, and the most memory of all processes, each page
        counted once.

    Raises
    ------
    RuntimeError
        The program failed, or a run did; the message has what it said.
    """
    values = json.dumps(semi_major_axes(n))
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as printed:
        program = subprocess.Popen(
            [python, "-c", _SWEEP_PROGRAM, str(MISSION), values, str(workers)],
            stdout=printed,
            stderr=said,
            text=True,
        )
        most = 0.0
        while program.poll() is None:
            most = max(most, _memory_mib(program.pid))
            time.sleep(_LOOK_S)
        said.seek(0)
        printed.seek(0)
        if program.returncode != 0:
            raise RuntimeError(
                f"sweep() with {python} ended with {program.returncode}:\n{said.read()[-2000:]}"
            )
        return SweepTaken(float(printed.read().splitlines()[-1]), most)


def _memory_mib(pid: int) -> float:
    """Return the memory of a process and of those below it, shared pages divided among them."""
    total = 0
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total / _MIB


def contenders() -> dict[str, Callable[[int, int], float]]:
    """Return whose pace of flying is timed, by name."""
    return {
        "bare loop": bare_loop,
        "flow, local": local_flow,
        "flow, Dask": dask_flow,
        "flow, Ray": ray_flow,
    }


def programs() -> dict[str, str]:
    """Return the interpreters under which the program that calls ``sweep()`` is timed, by name."""
    here = {"sweep() here": sys.executable}
    return {**here, "sweep() of the peer": PEER} if PEER else here


def measure(n: int, workers: int, rounds: int) -> dict[str, Any]:
    """Return runs per second of everyone, round by round, and the medians of the ratios."""
    from gmat_sweep.engine import activate

    # For the processes of the bare loop, which inherit where it is.
    activate()
    paces: list[dict[str, float]] = []
    memory: dict[str, list[float]] = {name: [] for name in programs()}
    for _ in range(rounds):
        pace = {name: n / timed(n, workers) for name, timed in contenders().items()}
        for name, python in programs().items():
            taken = sweep_program(python, n, workers)
            pace[name] = n / taken.seconds
            memory[name].append(taken.memory_mib)
        paces.append(pace)
    compared = [
        ("flow, local", "bare loop"),
        ("flow, Dask", "flow, local"),
        ("flow, Ray", "flow, local"),
    ]
    if PEER:
        compared.append(("sweep() here", "sweep() of the peer"))
    return {
        "mission": MISSION.name,
        "n": n,
        "workers": workers,
        "rounds": paces,
        "memory_mib": {name: statistics.median(each) for name, each in memory.items()},
        "ratios": _ratios(paces, compared),
    }


def measure_long(n: int, workers: int, rounds: int) -> dict[str, Any]:
    """Return as `measure` what runs of about a second take."""
    from gmat_sweep.engine import activate

    activate()
    timed = {"bare loop": long_bare_loop, "flow, local": long_flow}
    paces = [{name: n / once(n, workers) for name, once in timed.items()} for _ in range(rounds)]
    return {
        "mission": LONG_MISSION.name,
        "n": n,
        "workers": workers,
        "rounds": paces,
        "memory_mib": {},
        "ratios": _ratios(paces, [("flow, local", "bare loop")]),
    }


def _ratios(paces: list[dict[str, float]], compared: list[tuple[str, str]]) -> dict[str, float]:
    return {
        f"{one} / {other}": statistics.median(each[one] / each[other] for each in paces)
        for one, other in compared
    }


def table(results: list[dict[str, Any]]) -> str:
    """Return the measurements as a Markdown table: median runs per second, memory and ratios."""
    names = list(results[0]["rounds"][0])
    ratios = list(results[0]["ratios"])
    memory = list(results[0]["memory_mib"])
    heads = [
        "mission",
        "runs",
        *(f"{name}, runs/s" for name in names),
        *(f"{name}, MiB" for name in memory),
        *ratios,
    ]
    lines = [" | ".join(heads), " | ".join(["---", *["---:"] * (len(heads) - 1)])]
    for result in results:
        rounds = result["rounds"]
        paces = [
            f"{statistics.median(each[name] for each in rounds):.1f}" if name in rounds[0] else ""
            for name in names
        ]
        used = [
            f"{result['memory_mib'][each]:.0f}" if result["memory_mib"] else "" for each in memory
        ]
        compared = [
            f"{result['ratios'][each]:.2f}" if each in result["ratios"] else "" for each in ratios
        ]
        name = result["mission"].removesuffix(".script")
        lines.append(" | ".join([name, f"{result['n']:,}", *paces, *used, *compared]))
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
    parser.add_argument(
        "--long-runs", type=int, default=40, help="number of the runs of about a second"
    )
    parser.add_argument("--here", choices=["local", "Dask", "Ray"], help=argparse.SUPPRESS)
    parser.add_argument("--long", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    workers: int = arguments.workers
    if arguments.here:
        with contextlib.redirect_stdout(sys.stderr):
            mission = LONG_MISSION if arguments.long else MISSION
            seconds = flow_here(arguments.here, arguments.n[0], workers, mission)
        print(seconds)
        return
    with contextlib.redirect_stdout(sys.stderr):
        results = [
            measure(
                n,
                workers,
                arguments.rounds or max(_FEWEST_ROUNDS, round(_RUNS_OF_ALL_ROUNDS / n)),
            )
            for n in arguments.n
        ]
        if arguments.long_runs:
            rounds = arguments.rounds or _FEWEST_ROUNDS
            results.append(measure_long(arguments.long_runs, workers, rounds))
    print(table(results))
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
