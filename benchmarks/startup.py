"""Seconds from Enter to the first recorded run, beside ``python -c "import prefect"``.

The command is one that a user would type: a Monte Carlo of four runs. Its time ends when the
manifest has its first run. Rounds alternate between the three: a server is up, none is, and the
import alone. The database has its tables: Prefect makes them once for each home. All modules have
their bytecode, as pip leaves them: a first round that is not counted writes it. Beside the median
stands the best, which a busy machine disturbs least.

``python benchmarks/startup.py [--rounds 5] [--json FILE]``
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

MISSION = Path(__file__).resolve().parent.parent / "examples" / "injection.script"
COMMAND = Path(sys.executable).with_name("gmat-sweep")
_TIMEOUT_S = 300.0
_LOOK_S = 0.01


def import_of_prefect(environment: dict[str, str]) -> float:
    """Return the seconds that Python takes to start and to load Prefect."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import prefect"], env=environment, check=True)
    return time.perf_counter() - started


def first_run(environment: dict[str, str], *, server_is_up: bool) -> float:
    """Return the seconds from the start of the command to its first recorded run.

    Raises
    ------
    RuntimeError
        The command ended without one, or takes too long.
    """
    ui = [str(COMMAND), "ui", "--no-browser" if server_is_up else "--stop"]
    subprocess.run(ui, env=environment, check=True, capture_output=True)
    with tempfile.TemporaryDirectory() as folder:
        words = ("monte-carlo", MISSION, "--n", 4, "--seed", 1, "--out", Path(folder) / "sweep")
        perturb = ("--perturb", "Sat.DryMass=normal:1200:10", "--quiet")
        manifest = Path(folder) / "sweep" / "manifest.jsonl"
        started = time.perf_counter()
        with subprocess.Popen(
            [str(word) for word in (COMMAND, *words, *perturb)],
            env=environment,
            stdout=subprocess.DEVNULL,
        ) as command:
            while not manifest.exists() or manifest.read_bytes().count(b"\n") < 2:
                taken = time.perf_counter() - started
                if command.poll() is not None or taken > _TIMEOUT_S:
                    command.kill()
                    raise RuntimeError("the command has recorded no run")
                time.sleep(_LOOK_S)
            taken = time.perf_counter() - started
            command.wait()
    return taken


def measure(rounds: int) -> dict[str, Any]:
    """Return the median and the best seconds of each, and how busy the machine was."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "PREFECT_HOME": home,
            "GMAT_SWEEP_SERVER_IDLE": "5min",
            # Whether or not the folder of the sources has bytecode, or may get it.
            "PYTHONPYCACHEPREFIX": str(Path(home) / "bytecode"),
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        timed: dict[str, Callable[[], float]] = {
            "import_s": lambda: import_of_prefect(environment),
            "with_server_s": lambda: first_run(environment, server_is_up=True),
            "without_server_s": lambda: first_run(environment, server_is_up=False),
        }
        try:
            first_run(environment, server_is_up=True)
            taken: dict[str, list[float]] = {name: [] for name in timed}
            for _ in range(rounds):
                for name, once in timed.items():
                    taken[name].append(once())
        finally:
            subprocess.run([COMMAND, "ui", "--stop"], env=environment, check=True)
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    best = {f"best_{name}": min(seconds) for name, seconds in taken.items()}
    return {**medians, **best, "rounds": rounds, "load": os.getloadavg()[0]}


def table(results: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    import_s = results["import_s"]
    rows = [
        ('`python -c "import prefect"`', "import_s"),
        ("first run recorded, a server is up", "with_server_s"),
        ("first run recorded, no server is up", "without_server_s"),
    ]
    lines = [
        f"| {what} | {results[name]:.1f} | {results[f'best_{name}']:.1f} | "
        f"{results[name] / import_s:.1f} |"
        for what, name in rows
    ]
    return "\n".join(["| | s | best | times the import |", "| --- | ---: | ---: | ---: |", *lines])


def main() -> None:
    """Measure, and print or write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    arguments = parser.parse_args()
    results = measure(arguments.rounds)
    print(table(results))
    print(f"medians of {results['rounds']} rounds; load of the machine {results['load']:.1f}")
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
