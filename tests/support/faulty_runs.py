"""Missions and hooks that crash, hang or leave processes behind, and functions that find these.

Worker processes import this module for its hooks, so it must stay free of pytest.
"""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from gmat_sweep.spec import RunOutcome, RunSpec
from gmat_sweep.worker import run_one
from repository import DATA

FINE = (DATA / "leo_short.script").read_text(encoding="utf-8")
_SETUP, _SEQUENCE = FINE.split("BeginMissionSequence;")

SCRIPTS = {
    "fine": FINE,
    "SIGSEGV": (
        f"{_SETUP}Create String S;\nCreate Variable V;\nBeginMissionSequence;\n"
        "V = 1;\nS = sprintf('%n', V);\n"
    ),
    "SIGABRT": f"{_SETUP}Create Array A[50000,50000];\nBeginMissionSequence;{_SEQUENCE}",
    # 1.8 GB twice, after several seconds.
    "big array": f"{_SETUP}Create Array A[15000,15000];\nBeginMissionSequence;{_SEQUENCE}",
    # One native call that never returns, and reports nothing meanwhile.
    "endless propagation": (
        _SETUP.replace("Step = 30", "Step = 0.001").replace("StepSize = 30", "StepSize = 0.001")
        + "GMAT RF.WriteReport = false;\nBeginMissionSequence;\n"
        "Propagate Prop(Sat) {Sat.ElapsedDays = 1e9};\n"
    ),
    "endless loop": (
        f"{_SETUP}Create Variable V;\nBeginMissionSequence;\n"
        "V = 1;\nWhile V > 0\n V = V + 1;\nEndWhile;\n"
    ),
    "refused": FINE.replace("{Sat.ElapsedSecs = 60}", "{Sat.ElapsedSecs = 60"),
}


def spec_of(
    folder: Path, run_id: int = 0, script: str = "fine", hook: str | None = None, **context: object
) -> RunSpec:
    """Return a spec of one of `SCRIPTS` that writes below `folder`; hooks are of this module."""
    path = folder / f"{script}.script"
    if not path.exists():
        path.write_text(SCRIPTS[script], encoding="utf-8")
    return RunSpec(
        script_path=path,
        overrides={"Sat.SMA": 7000.0 + run_id} if script == "fine" else {},
        output_dir=folder / f"run-{run_id}",
        run_id=run_id,
        seed=None,
        run_options={},
        postprocess=None if hook is None else f"{__name__}:{hook}",
        context=dict(context),
    )


# --- hooks ---------------------------------------------------------------------------------------


def note_process(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Write the id of this process to a file."""
    path = spec.output_dir / "process.txt"
    path.write_text(str(os.getpid()))
    return {"process": path}


def note_threads(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Write to a file how many threads numerical libraries may use."""
    path = spec.output_dir / "threads.txt"
    path.write_text(f"{os.environ['OMP_NUM_THREADS']} {os.environ['OPENBLAS_NUM_THREADS']}")
    return {"threads": path}


def take_time(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Write a file that says that the run is under way, and sleep."""
    (spec.output_dir / "began").touch()
    time.sleep(spec.context["seconds"])
    return {}


def exit_at_once(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """End the process as no Python code can prevent."""
    print("said before the end")
    os._exit(3)


def exit_speaking_in_tongues(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """End the process after output that is not UTF-8."""
    os.write(2, b"caf\xe9 \xff\xfe\x00 end")
    os._exit(4)


def be_interrupted(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Raise what `run_one` lets pass."""
    raise KeyboardInterrupt


def flood(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Write 100 MB to standard error."""
    for _ in range(100):
        os.write(2, b"x" * 1_000_000)
    return {}


def flood_and_exit(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Write 100 MB to standard error and end the process."""
    flood(spec, outcome)
    os.write(2, b"the end")
    os._exit(5)


def take_standard_error(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Leave the process without a standard error."""
    sys.stderr = io.StringIO()
    os.close(2)
    return {}


def leave_a_fork_and_exit(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """End the process while a fork of it lives on, with all its pipes."""
    child = os.fork()
    if child == 0:
        signal.pause()
    (spec.output_dir / "left.txt").write_text(str(child))
    os._exit(6)


def leave_a_program(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Start a program and forget it."""
    program = subprocess.Popen(["sleep", "1000"])
    path = spec.output_dir / "left.txt"
    path.write_text(str(program.pid))
    return {"left": path}


def leave_a_program_and_fly_on(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Start a program and go into a native call that never comes back."""
    leave_a_program(spec, outcome)
    note_process(spec, outcome)
    endless = spec_of(spec.output_dir, script="endless propagation")
    inner = run_one(replace(endless, output_dir=spec.output_dir / "endless"))
    raise AssertionError(f"the endless propagation ended: {inner.stderr}")


_kept: list[bytearray] = []


def take_memory(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Take ``megabytes`` of memory for a second, and for good if ``keep`` is set."""
    taken = [bytearray(b"x") * 1_000_000 for _ in range(spec.context["megabytes"])]
    if spec.context.get("keep"):
        _kept.extend(taken)
    time.sleep(1)
    return note_process(spec, outcome)


def take_memory_for_good(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
    """Take 700 MB in a program of its own, and wait for it."""
    program = "import time\ntaken = bytearray(b'x') * 700_000_000\ntime.sleep(1000)"
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        (spec.output_dir / "left.txt").write_text(str(process.pid))
    return {}


# --- what is left --------------------------------------------------------------------------------


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 30.0) -> None:
    """Return once `condition` holds; fail in the end, and say `what` did not happen."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.02)


def has_ended(pid: int) -> bool:
    """Whether a process is gone; one that only waits to be collected by init is."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def number_in(path: Path) -> int:
    """Wait until a process has written its id to a file, and return the id."""
    wait_until(lambda: path.exists() and path.read_text().strip(), f"a number in {path}")
    return int(path.read_text())


def wait_until_in_native_call(spec: RunSpec) -> int:
    """Wait until a run of `leave_a_program_and_fly_on` is deep in GMAT; return its process."""
    pid = number_in(spec.output_dir / "process.txt")
    log = spec.output_dir / "endless" / "worker.log"
    wait_until(lambda: log.exists() and "overrides=" in log.read_text(), "the endless run")
    process = psutil.Process(pid)
    begun = process.cpu_times().user
    # Loading the script takes a third of 0.3 s.
    wait_until(lambda: process.cpu_times().user > begun + 0.3, "a long propagation")
    return pid


def workers_of(pid: int | None = None) -> set[int]:
    """Return the worker processes that a process, by default this one, has started."""
    found = set()
    for child in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):
            if any("worker_main" in word for word in child.cmdline()):
                found.add(child.pid)
    return found
