"""`Reaper`: no worker process outlives the sweep.

The reaper is a small process that holds the reading end of a pipe from the driver. However the
driver ends, SIGKILL included, the pipe closes. The reaper then kills every registered process
group, starts every registered program and removes every registered scratch folder. A worker
process cannot do this for itself, because GMAT may hold the interpreter lock for hours. A
parent-death signal would not do: it is bound to a thread, not to the driver, and does not reach
grandchildren.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Reaper"]

_PROGRAM = """\
import json, os, shutil, signal, subprocess, sys, time
books = {"group": set(), "program": set(), "folder": set()}
for line in sys.stdin:
    if not line.endswith("\\n"):
        break  # The driver ended while it was writing: half a number is another group.
    action, kind, value = line[:-1].split(" ", 2)
    (books[kind].add if action == "add" else books[kind].discard)(value)
for group in books["group"]:
    try:
        os.killpg(int(group), signal.SIGKILL)
    except OSError:
        continue  # It has ended, or is no longer ours to kill.
for program in books["program"]:
    try:
        subprocess.Popen(
            json.loads(program), cwd="/", stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError:
        continue  # Its Python is no longer there.
folders = books["folder"]
for attempt in range(50):
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    if not any(map(os.path.exists, folders)):
        break
    time.sleep(0.1)  # What is being killed may still be writing.
"""


class Reaper:
    """Kills process groups, starts programs and removes folders once this process is gone.

    One reaper serves the whole process. It starts with the first registration. If the reaper has
    died, the next call starts another one, with all that is registered. A forked child of this
    process neither keeps the pipe open nor answers for its parent's workers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._registered: set[tuple[str, str]] = set()
        os.register_at_fork(
            before=self._lock.acquire,
            after_in_parent=self._lock.release,
            after_in_child=self._forget,
        )

    def add_group(self, pid: int) -> None:
        """Have the process group of `pid` killed when this process is gone."""
        self._tell("add", "group", str(pid))

    def discard_group(self, pid: int) -> None:
        """Forget a process group that has ended."""
        self._tell("discard", "group", str(pid))

    def add_program(self, command: Sequence[str]) -> None:
        """Have a program started when this process is gone, with this process's environment."""
        self._tell("add", "program", json.dumps(list(command)))

    def discard_program(self, command: Sequence[str]) -> None:
        """Forget a program that is no longer needed."""
        self._tell("discard", "program", json.dumps(list(command)))

    def add_folder(self, folder: Path) -> None:
        """Have a folder removed when this process is gone."""
        self._tell("add", "folder", str(folder))

    def discard_folder(self, folder: Path) -> None:
        """Forget a folder that has been removed."""
        self._tell("discard", "folder", str(folder))

    def _tell(self, action: str, kind: str, value: str) -> None:
        with self._lock:
            if action == "add":
                self._registered.add((kind, value))
            else:
                self._registered.discard((kind, value))
            if not self._told(f"{action} {kind} {value}\n") and self._registered:
                self._start()
                self._told("".join(f"add {kind} {value}\n" for kind, value in self._registered))
            if not self._registered:
                self._let_go()

    def _told(self, lines: str) -> bool:
        """Write to the reaper; return False, and clear it away, if there is none or it died."""
        if self._process is None:
            return False
        assert self._process.stdin is not None
        if self._process.poll() is None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(lines)
                self._process.stdin.flush()
                return True
        self._let_go()
        return False

    def _let_go(self) -> None:
        """Close the pipe and wait for the reaper, which has died or has nothing registered."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()

    def _forget(self) -> None:
        process, self._process = self._process, None
        self._registered.clear()
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            process.poll()
        self._lock.release()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            # Out of reach of the terminal's Ctrl-C: the reaper must see the driver end first.
            start_new_session=True,
        )


REAPER = Reaper()
