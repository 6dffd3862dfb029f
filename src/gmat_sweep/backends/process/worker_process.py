"""A long-lived, isolated worker process, seen from the process that drives it.

`WorkerProcess.run` returns the outcome of a run, or raises an error. It raises
`WorkerTimedOutError` if it killed the worker because the time was up, `WorkerOverMemoryError` if it
killed the worker because the run needed too much memory, and `WorkerDiedError` if the worker ended
by itself. After each of these errors the process group is gone, and only the one run is lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from gmat_sweep import engine
from gmat_sweep.backends.process.memory import MemoryWatch, memory_text
from gmat_sweep.backends.process.reaper import REAPER
from gmat_sweep.causes import OUTPUT_MARK
from gmat_sweep.errors import BackendError
from gmat_sweep.import_places import (
    PlacesOfHooks,
    handed_hook_folders,
    import_paths,
    places_of_hooks,
    python_command,
)
from gmat_sweep.spec import FailureKind, RunOutcome, RunSpec
from gmat_sweep.worker import MissionFacts

__all__ = [
    "WorkerDiedError",
    "WorkerLimitError",
    "WorkerOverMemoryError",
    "WorkerProcess",
    "WorkerTimedOutError",
]

START_TIMEOUT_S = 120.0
_LIVENESS_S = 1.0
_MEMORY_INTERVAL_S = 0.1
_TAIL_BYTES = 8192
_PROGRAM = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from gmat_sweep.backends.process.worker_main import main; "
    "main(int(sys.argv[2]), int(sys.argv[3]))"
)


class WorkerDiedError(BackendError):
    """A worker process ended while it had work: an infrastructure fault, not an answer of GMAT's.

    Attributes
    ----------
    returncode : int or None
        As `subprocess.Popen` gives it: negative for a signal.
    failure_kind : str
        What the run's entry says of the failure.
    """

    failure_kind: ClassVar[FailureKind] = "worker"

    def __init__(self, message: str, returncode: int | None) -> None:
        super().__init__(message)
        self.returncode = returncode


class WorkerLimitError(WorkerDiedError):
    """A run needed more than it may, and its worker was killed; another attempt would, too."""


class WorkerTimedOutError(WorkerLimitError):
    """A run did not end in its time, and its worker was killed."""

    failure_kind: ClassVar[FailureKind] = "timeout"


class WorkerOverMemoryError(WorkerLimitError):
    """A run needed too much memory, and its worker was killed.

    Attributes
    ----------
    memory_limit : int
        Bytes that the run was allowed.
    is_first : bool
        Whether the worker had done nothing before, so that all the memory was this run's.
    """

    failure_kind: ClassVar[FailureKind] = "memory"

    def __init__(self, memory_limit: int, *, is_first: bool) -> None:
        super().__init__(
            f"The run needed more than {memory_text(memory_limit)} of memory and its worker "
            "process was killed. Raise the memory limit if the case is meant to need that much.",
            None,
        )
        self.memory_limit = memory_limit
        self.is_first = is_first


class WorkerProcess:
    """One worker process with its pipes, its scratch folder and its output file.

    The constructor starts the process, which gets ready in the background. The first request waits
    until it is ready.

    Raises
    ------
    WorkerDiedError
        The operating system cannot start another process.
    """

    def __init__(self) -> None:
        self._received = bytearray()
        self._ready = False
        self._used = False
        self._hooks: PlacesOfHooks | None = None
        self._closed = False
        self._ending = threading.Lock()
        with contextlib.ExitStack() as held:
            try:
                self._start(held)
            except OSError as error:
                raise WorkerDiedError(
                    f"A worker process could not be started: {error}. Free what the machine is "
                    "short of, or use fewer workers.",
                    None,
                ) from error
            self._held = held.pop_all()

    def _start(self, held: contextlib.ExitStack) -> None:
        """Start the process; `held` gets a callback for each resource, which gives it back."""
        self._scratch = Path(tempfile.mkdtemp(prefix="gmat-sweep-worker-"))
        held.callback(REAPER.discard_folder, self._scratch)
        held.callback(shutil.rmtree, self._scratch, ignore_errors=True)
        REAPER.add_folder(self._scratch)
        self._output = self._scratch / "output.txt"
        environment = {
            engine.CONDENSED_VARIABLE: "1",
            **os.environ,
            engine.SCRATCH_VARIABLE: str(self._scratch),
            **handed_hook_folders(),
        }
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            # As many workers as cores run side by side: threads inside each would only contend.
            environment.setdefault(variable, "1")
        with contextlib.ExitStack() as given_away:
            request_read, self._request_fd = _pipe()
            given_away.callback(os.close, request_read)
            held.callback(os.close, self._request_fd)
            self._reply_fd, reply_write = _pipe()
            given_away.callback(os.close, reply_write)
            held.callback(os.close, self._reply_fd)
            output = given_away.enter_context(self._output.open("ab"))
            # Unbuffered, so that the output file has the last words of a process that crashes.
            program = [*python_command(), "-u", "-c", _PROGRAM]
            self._process = subprocess.Popen(
                [*program, json.dumps(import_paths()), str(request_read), str(reply_write)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                pass_fds=(request_read, reply_write),
                # A group of its own: kill() ends it as a whole, and Ctrl-C does not reach it.
                start_new_session=True,
            )
        held.callback(REAPER.discard_group, self._process.pid)
        held.callback(self._process.wait)
        held.callback(self._kill_group)
        REAPER.add_group(self._process.pid)

    @property
    def pid(self) -> int:
        """The process id, which is also that of its process group."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def run(
        self, spec: RunSpec, *, timeout_s: float | None = None, memory_limit: int | None = None
    ) -> RunOutcome:
        """Run one spec.

        Parameters
        ----------
        spec : RunSpec
            The run.
        timeout_s : float, optional
            Seconds after which the worker is killed; no limit by default.
        memory_limit : int, optional
            Bytes of main memory that the worker, with all it has started, may have in use; no limit
            by default. `run` looks at it ten times per second.

        Raises
        ------
        WorkerTimedOutError
            The time was up.
        WorkerOverMemoryError
            More memory was in use.
        WorkerDiedError
            The process ended by itself before the run did.
        """
        self._become_ready()
        request: dict[str, Any] = {"kind": "run", "spec": spec.to_dict()}
        if spec.postprocess is not None and self._hooks != (hooks := places_of_hooks()):
            # They may be others than when the process was started, and their files edited.
            request["hooks"] = self._hooks = hooks
        reply = self._ask(request, timeout_s, memory_limit)
        return RunOutcome.from_dict(reply["outcome"])

    def inspect(
        self,
        script_path: Path | None,
        overrides: dict[str, Any],
        *,
        wanted: Sequence[str] = (),
        memory_limit: int | None = None,
    ) -> MissionFacts:
        """Load a script, try overrides on it and say what it itself says, without running it."""
        self._become_ready()
        path = None if script_path is None else str(script_path)
        request = {
            "kind": "inspect",
            "script_path": path,
            "overrides": overrides,
            "wanted": list(wanted),
        }
        facts = self._ask(request, START_TIMEOUT_S, memory_limit)["facts"]
        return MissionFacts(
            resource_types=frozenset(facts["resource_types"]),
            problems=tuple(facts["problems"]),
            refused=facts["refused"],
            refused_together=facts["refused_together"],
            engine_log=facts["engine_log"],
            words={kind: tuple(words) for kind, words in facts["words"].items()},
            own_values=facts["own_values"],
        )

    def kill(self) -> None:
        """Kill the process group; a thread that waits for a reply then gets `WorkerDiedError`."""
        with self._ending:
            # After close() the process id may be that of another process.
            if not self._closed:
                self._kill_group()

    def close(self) -> None:
        """Kill the process group and remove the scratch folder. Calling it again does nothing."""
        with self._ending:
            self._closed = True
            held = self._held.pop_all()
        held.close()

    def _kill_group(self) -> None:
        # Some systems raise PermissionError when the last process of the group has ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _become_ready(self) -> None:
        if self._ready:
            return
        deadline = time.monotonic() + START_TIMEOUT_S
        if self._receive(deadline, "A worker process ended before it was ready") is None:
            raise self._died(f"A worker process was not ready within {START_TIMEOUT_S:g} s")
        self._ready = True

    def _ask(
        self, request: dict[str, Any], timeout_s: float | None, memory_limit: int | None
    ) -> dict[str, Any]:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        message = (json.dumps(request) + "\n").encode()
        try:
            while message:
                message = message[os.write(self._request_fd, message) :]
        except BrokenPipeError:
            raise self._died("The worker process ended before the run") from None
        reply = self._receive(deadline, "The worker process ended during the run", memory_limit)
        self._used = True
        if reply is None:
            self.close()
            raise WorkerTimedOutError(
                f"The run did not end within its timeout of {timeout_s:g} s and its worker process "
                "was killed. Raise the timeout if the case is meant to take longer.",
                None,
            )
        return reply

    def _receive(
        self, deadline: float | None, if_it_ends: str, memory_limit: int | None = None
    ) -> dict[str, Any] | None:
        """Return the next reply, or None when the deadline passes first."""
        interval = _LIVENESS_S if memory_limit is None else _MEMORY_INTERVAL_S
        memory = MemoryWatch(self._process.pid)
        poll = select.poll()
        poll.register(self._reply_fd, select.POLLIN)
        while (end := self._received.find(b"\n")) < 0:
            left = interval if deadline is None else deadline - time.monotonic()
            # The pipe of a worker that has ended stays open while a process it forked holds it.
            alive = self.is_alive
            if poll.poll(max(0.0, min(left, interval)) * 1000):
                chunk = os.read(self._reply_fd, 65536)
                if not chunk:
                    raise self._died(if_it_ends)
                self._received += chunk
            elif not alive:
                raise self._died(if_it_ends)
            elif left <= 0:
                return None
            elif memory_limit is not None and memory.used() > memory_limit:
                self.close()
                raise WorkerOverMemoryError(memory_limit, is_first=not self._used)
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _died(self, what: str) -> WorkerDiedError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        returncode = self._process.poll()
        tail = self._output_tail()
        self.close()
        how = _how_it_ended(returncode)
        if returncode and returncode > 0 and tail and not self._ready:
            how = f"{how} ({tail.splitlines()[-1]}). Mend what its output names"
        said = f"\n{OUTPUT_MARK}\n{tail}" if tail else ""
        return WorkerDiedError(f"{what}: {how}{said}", returncode)

    def _output_tail(self) -> str:
        try:
            with self._output.open("rb") as output:
                size = output.seek(0, os.SEEK_END)
                output.seek(max(0, size - _TAIL_BYTES))
                return output.read().decode("utf-8", errors="replace").strip()
        except OSError as error:
            return f"(cannot be read: {error})"


def _how_it_ended(returncode: int | None) -> str:
    if returncode is None:
        return "it had to be killed"
    if returncode < 0:
        try:
            name = signal.Signals(-returncode).name
        except ValueError:
            name = f"signal {-returncode}"
        return f"killed by {name}"
    return f"it exited with code {returncode}"


def _pipe() -> tuple[int, int]:
    """Return the ends of a pipe, whose numbers are none of the standard streams'.

    A program whose streams are closed has these numbers free, and the worker has its own streams.
    """
    ends = os.pipe()
    if min(ends) > 2:
        return ends
    try:
        reader, writer = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends)
    finally:
        for end in ends:
            os.close(end)
    return reader, writer
