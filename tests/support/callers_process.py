"""A program that makes sweeps and prints what of its own process they changed.

``callers_process.py LOGGING SCRIPT FOLDER``, where LOGGING is ``basic`` for a program that has
called `logging.basicConfig` with a file, and ``none`` for one that has not. ``prefect`` is a
program without `basicConfig` that has imported Prefect, and ``flow`` one that has set Prefect up
with a flow of its own.
"""

from __future__ import annotations

import builtins
import importlib
import json
import locale
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import gmat_sweep
import gmat_sweep.backends

__all__ = ["loggers_now", "process_now"]

PREFECTS = (
    "prefect", "prefect._internal", "prefect.extra", "prefect.flow_runs", "prefect.task_runs",
)  # fmt: skip


def loggers_now(*, prefects: bool = False) -> dict[str, Any]:
    """Return the state of the root logger and all others, those that are Prefect's if asked for."""
    loggers: dict[str, Any] = {"root": logging.root, **logging.root.manager.loggerDict}
    return {
        f"logger {name}": (
            *(logger.level, logger.propagate, logger.disabled),
            [*map(repr, logger.handlers)],
            # Prefect's own, which hides the API key, stays on what it is put on.
            [repr(each) for each in logger.filters if "ObfuscateApiKey" not in repr(each)],
        )
        for name, logger in loggers.items()
        if isinstance(logger, logging.Logger)
        and not isinstance(logger, logging.PlaceHolder)
        and (prefects or not name.startswith("prefect"))
    }


def process_now() -> dict[str, Any]:
    """Return all that a library could change in the process of its caller, signals aside."""
    mask = os.umask(0o22)
    os.umask(mask)
    return {
        **loggers_now(),
        "handlers that are open": sorted(repr(each()) for each in logging._handlerList),  # type: ignore[attr-defined]
        "named handlers": sorted(logging._handlers),  # type: ignore[attr-defined]
        "logging": repr(
            [logging.lastResort, logging.raiseExceptions, logging.root.manager.disable,
             logging.getLoggerClass(), logging.getLogRecordFactory(), logging._levelToName]
        ),
        "environment": dict(os.environ),
        "working directory": [str(Path.cwd()), oct(mask)],
        "import": repr([sys.path, sys.path_hooks, sys.argv, builtins.__import__]),
        "hooks": repr(
            [sys.excepthook, threading.excepthook, sys.unraisablehook, sys.displayhook,
             builtins.print, warnings.showwarning, sys.stdin, sys.stdout, sys.stderr]
        ),
        "limits": [sys.getrecursionlimit(), sys.getswitchinterval(), socket.getdefaulttimeout()],
        "locale": locale.setlocale(locale.LC_ALL),
    }  # fmt: skip


def signals_now() -> dict[str, str]:
    """Return the handlers of all signals."""
    return {str(number): repr(signal.getsignal(number)) for number in signal.valid_signals()}


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return what `before` names and `after` has otherwise; new loggers are no change."""
    return {
        name: [value, after.get(name)]
        for name, value in before.items()
        # The list of handlers may grow by Prefect's own, and must lose none.
        if (set(value) - set(after[name]) if "handlers" in name else value != after.get(name))
    }


def own_flow(name: str) -> None:
    """Run a flow of the program's own, which logs a line and a line of a task."""
    from prefect import flow, get_run_logger, task

    @task
    def step() -> None:
        get_run_logger().info("%s", f"the program's own task {name}")

    @flow(name=f"own {name}")
    def own() -> None:
        get_run_logger().info("%s", f"the program's own flow {name}")
        step()

    own()


def main(kind: str, script: str, folder: Path) -> dict[str, Any]:
    """Make sweeps and return what has changed during them and after them."""
    mine = folder / "mine.log"
    # A file of mode "w" that has been closed is never written again.
    own = logging.FileHandler(mine, mode="w")
    own.set_name("console")
    logging.getLogger("of.the.program").addHandler(own)
    if kind == "basic":
        logging.basicConfig(level=logging.INFO, filename=folder / "root.log")
    if kind == "prefect":
        importlib.import_module("prefect")
    if kind == "flow":
        own_flow("before")
    for name in ("uvicorn", "fastapi", "httpx", "asyncio", "distributed", *PREFECTS):
        logging.getLogger(name)
    before, signals, loggers = process_now(), signals_now(), loggers_now(prefects=True)
    said: dict[str, Any] = {"during": {}}

    def outcomes(name: str, values: list[float], field: str = "Sat.ECC") -> list[str]:
        runs = [
            gmat_sweep.RunSpec(Path(script), {field: value}, folder / name / f"run-{n}", n,
                               None, {})
            for n, value in enumerate(values)
        ]  # fmt: skip
        with gmat_sweep.LocalJoblibPool(1) as pool:
            sweep = gmat_sweep.Sweep(
                runs=runs, backend=pool, manifest_path=folder / name / "manifest.jsonl",
                output_dir=folder / name, script_path=Path(script), progress=True,
            )  # fmt: skip
            statuses: list[str] = []
            for _, outcome in sweep.iter_outcomes():
                statuses.append(str(outcome.status))
                if "after" not in said:
                    said["during"] |= changes(before, process_now())
        return statuses

    # Two sweeps at once, of which one has failed runs and ends later.
    other = threading.Thread(target=outcomes, args=("b", [0.001]))
    other.start()
    said["statuses"] = outcomes("a", [0.001, 1.0, 1.5])
    other.join()
    try:
        outcomes("refused", [0.001], "Sat.NoField")
    except gmat_sweep.GmatSweepError as error:
        said["refused"] = str(error)
    said["after"] = changes(before, process_now())
    said["loggers"] = changes(loggers, loggers_now(prefects=True))
    said["signals"] = changes(signals, signals_now())
    logging.getLogger("of.the.program").warning("still here")
    said["mine"] = mine.read_text()
    logging.basicConfig(level=logging.ERROR, filename=folder / "later.log")
    logging.getLogger("of.the.program").error("later")
    written = folder / ("root.log" if kind == "basic" else "later.log")
    said["later"] = written.read_text() if written.exists() else ""
    outcomes("c", [0.001])
    own_flow("after")
    outcomes("d", [0.001])
    return said


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]).absolute())))
