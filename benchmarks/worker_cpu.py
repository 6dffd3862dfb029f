"""CPU of a worker per run, by part, and the memory of a worker.

Three missions are flown as a worker flies them, in a process each: a minute in low Earth orbit, an
injection burn under a gravity field, and a targeter. CPU is that of the process (user and system),
not seconds on the clock. Rounds alternate between the missions, and between this tree and the
sources that ``--beside`` names, because machines are noisy; what counts are the ratios.

``python benchmarks/worker_cpu.py [--n 60] [--rounds 5] [--beside SRC] [--json FILE]``
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MISSIONS = {
    "leo_basic": (ROOT / "tests/data/leo_basic.script", "Sat.SMA", 7000.1, 0.013),
    "injection": (ROOT / "examples/injection.script", "Injection.Element1", 2.42, 1e-5),
    "targeting": (ROOT / "tests/data/targeting.script", "Sat.SMA", 6900.1, 0.013),
}
# Where a part is spent: module, and the name in it.
_PARTS = {
    "load": (("gmat_sweep.worker.loading", "load_mission"),),
    "state": (("gmat_sweep.worker.mission_keeper", "_twin_state"),),
    "parse": (
        ("gmat_sweep.worker.parquet_outputs", "read_report"),
        ("gmat_sweep.worker.run", "solver_tables"),
    ),
    "Parquet": (("gmat_sweep.worker.parquet_outputs", "_as_parquet"),),
    "files": (
        ("gmat_sweep.worker.parquet_outputs", "durable.write_file"),
        ("gmat_sweep.worker.run", "seal_run"),
    ),
}


def measured(name: str, n: int) -> dict[str, float]:
    """Fly a mission here; return ms of CPU per run by part, and MiB of memory."""
    # The first runs load the script, and check the kept mission.
    first = 6
    os.environ["GMAT_SWEEP_CONDENSED_KERNELS"] = "1"
    script, field, start, step = MISSIONS[name]
    spent: dict[str, float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GMAT_SWEEP_SCRATCH"] = folder
        from gmat_sweep.backends.process import worker_main

        worker_main._import_engine()
        from gmat_sweep.spec import RunSpec
        from gmat_sweep.worker import run_one

        for part, places in _PARTS.items():
            for module, attribute in places:
                _timed(importlib.import_module(module), attribute, part, spent)

        def fly(number: int) -> None:
            spec = RunSpec(
                run_id=number,
                script_path=script,
                overrides={field: start + number * step},
                output_dir=Path(folder, f"run-{number}"),
                seed=None,
                run_options={},
            )
            outcome = run_one(spec)
            if outcome.status != "ok":
                raise RuntimeError(outcome.stderr)

        fly(0)
        import gmatpy

        _timed(gmatpy, "RunScript", "GMAT", spent)
        for number in range(1, first):
            fly(number)
        spent.clear()
        began = time.process_time()
        for number in range(first, first + n):
            fly(number)
        total = time.process_time() - began
    figures = {part: seconds / n * 1e3 for part, seconds in spent.items()}
    figures["rest"] = (total - sum(spent.values())) / n * 1e3
    return {**figures, "all": total / n * 1e3, **_memory()}


def _timed(module: Any, attribute: str, part: str, spent: dict[str, float]) -> None:
    """Have a function add its own CPU to a part."""
    *owners, last = attribute.split(".")
    for owner in owners:
        module = getattr(module, owner)
    function = getattr(module, last, None)
    if function is None:
        return

    @functools.wraps(function)
    def timed(*args: Any, **options: Any) -> Any:
        began = time.process_time()
        try:
            return function(*args, **options)
        finally:
            spent[part] += time.process_time() - began

    setattr(module, last, timed)


def _memory() -> dict[str, float]:
    found = {}
    for line in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name in {"Rss", "Pss", "Private_Dirty"}:
            found[f"{name} MiB"] = int(value.split()[0]) / 1024
    return found


def _elsewhere(name: str, n: int, sources: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--here", name, "--n", str(n)],
        env={**os.environ, "PYTHONPATH": sources, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def table(results: dict[str, dict[str, float]]) -> str:
    """Return the results of this tree as a Markdown table."""
    parts = ["GMAT", "state", "parse", "Parquet", "files", "rest", "all"]
    lines = [
        f"| mission | {' | '.join(parts)} | memory of its own, MiB |",
        f"| --- |{' ---: |' * (len(parts) + 1)}",
    ]
    for name in MISSIONS:
        figures = results[f"{name} this"]
        cells = [f"{figures.get(part, 0.0):.1f}" for part in parts]
        lines.append(f"| `{name}` | {' | '.join(cells)} | {figures['Private_Dirty MiB']:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Print one line per mission and tree: medians of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", help="sources of another state of this package")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", choices=MISSIONS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measured(options.here, options.n)))
        return
    trees = {"this": str(ROOT / "src")} | ({"beside": options.beside} if options.beside else {})
    rounds: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(options.rounds):
        for name in MISSIONS:
            for tree, sources in trees.items():
                rounds.setdefault((name, tree), []).append(_elsewhere(name, options.n, sources))
    medians = {
        key: {part: statistics.median(each.get(part, 0.0) for each in some) for part in some[0]}
        for key, some in rounds.items()
    }
    for (name, tree), figures in medians.items():
        print(f"{name} ({tree}):", *(f"{part} {value:.1f}" for part, value in figures.items()))
    if options.beside:
        for name in MISSIONS:
            pairs = zip(rounds[name, "this"], rounds[name, "beside"], strict=True)
            ratio = statistics.median(this["all"] / other["all"] for this, other in pairs)
            print(f"{name}: this / beside {ratio:.2f}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        named = {f"{name} {tree}": figures for (name, tree), figures in medians.items()}
        options.json.write_text(json.dumps(named, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
