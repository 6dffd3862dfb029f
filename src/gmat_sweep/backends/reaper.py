"""Nothing outlives the sweep.

A small process of its own holds the reading end of a pipe from the driver. However the driver ends
- SIGKILL included - the pipe closes, and the reaper kills the process group of every worker that
was registered and removes the scratch folders they leave. A worker cannot do this for itself: GMAT
may hold the interpreter lock for hours, and a parent-death signal is bound to a thread, not to the
driver, and does not reach grandchildren.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

__all__ = ["Reaper"]

_PROGRAM = """\
import os, shutil, signal, sys
groups, folders = set(), set()
for line in sys.stdin:
    action, kind, value = line.rstrip("\\n").split(" ", 2)
    book = groups if kind == "group" else folders
    (book.add if action == "add" else book.discard)(value)
for group in groups:
    try:
        os.killpg(int(group), signal.SIGKILL)
    except ProcessLookupError:
        continue
for folder in folders:
    shutil.rmtree(folder, ignore_errors=True)
"""


class Reaper:
    """Kills registered process groups once this process is gone.

    One serves the whole process; it starts with the first registration and is started again, with
    all that is registered, should it die.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._registered: set[tuple[str, str]] = set()

    def add_group(self, pid: int) -> None:
        """Have the process group of `pid` killed when this process is gone."""
        self._tell("add", "group", str(pid))

    def discard_group(self, pid: int) -> None:
        """Forget a process group that has ended."""
        self._tell("discard", "group", str(pid))

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
            process = self._running()
            if process is None:
                if not self._registered:
                    return
                process = self._start()
                lines = [f"add {kind} {value}\n" for kind, value in sorted(self._registered)]
            else:
                lines = [f"{action} {kind} {value}\n"]
            assert process.stdin is not None
            process.stdin.writelines(lines)
            process.stdin.flush()
            if not self._registered:
                process.stdin.close()
                process.wait()
                self._process = None

    def _running(self) -> subprocess.Popen[str] | None:
        if self._process is not None and self._process.poll() is None:
            return self._process
        return None

    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            # Out of reach of the terminal's Ctrl-C: it must see the driver end first.
            start_new_session=True,
        )
        return self._process


REAPER = Reaper()
