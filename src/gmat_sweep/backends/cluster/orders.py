"""`Order` and `Reply`: a run as it goes to a worker on another host, and the answer.

Both are plain data. `OrderDesk` makes orders and takes replies on the side of the sweep. A worker
that does not see the sweep folder sends the files of the run with its reply. `OrderDesk` makes
these files durable in the run folder, under their own names and with the content that the worker
recorded, before it returns their outcome.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gmat_sweep.backends.process.worker_process import (
    WorkerDiedError,
    WorkerOverMemoryError,
    WorkerTimedOutError,
)
from gmat_sweep.disk import files as durable
from gmat_sweep.disk.held import held, make_folder, open_plain, read_plain
from gmat_sweep.folder.layout import order_mark_name
from gmat_sweep.folder.run_files import content_facts
from gmat_sweep.import_places import PlacesOfHooks
from gmat_sweep.mission.files import MissionFiles, naming_files
from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["Order", "OrderDesk", "Reply", "RunMark", "Sign"]


@dataclass(frozen=True, slots=True)
class Sign:
    """A file in the sweep folder by which a worker knows that it sees the same folder.

    Attributes
    ----------
    path : str
        Path of the file, as the sweep sees it.
    text : str
        Its content, which no other sign has.
    """

    path: str
    text: str

    def is_seen(self) -> bool:
        """Return whether this machine has the file at its place and may write beside it."""
        path = Path(self.path)
        try:
            return path.read_text(encoding="utf-8") == self.text and os.access(path.parent, os.W_OK)
        except OSError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run, for a worker that may be on another host.

    Attributes
    ----------
    ticket : str
        Name of the order. An order that the cluster carries out again keeps its ticket.
    spec : dict
        The run, as `RunSpec.to_dict` gives it.
    timeout_s : float or None
        Seconds after which the run is ended.
    memory_limit : int or None
        Bytes of memory beyond which the run is ended.
    sign : Sign
        Tells whether the worker sees the sweep folder.
    mission : MissionFiles
        The files that the mission needs.
    contents : dict of str to bytes
        Their contents, if the worker has asked for them.
    hooks : PlacesOfHooks, optional
        Where the sweep finds hooks, if the worker is on its host and the run has a hook.
    """

    ticket: str
    spec: dict[str, Any]
    timeout_s: float | None
    memory_limit: int | None
    sign: Sign
    mission: MissionFiles
    contents: dict[str, bytes] = field(default_factory=dict)
    hooks: PlacesOfHooks | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer of a worker to an order.

    Attributes
    ----------
    outcome : dict or None
        The run's outcome, as `RunOutcome.to_dict` gives it.
    files : dict of str to bytes or None
        Contents of the files that the run left, by name relative to the run folder; None if the
        worker wrote into that folder itself.
    fault : str or None
        Why the infrastructure could not carry out the order.
    timed_out : bool
        Whether the fault is that the run took longer than it may.
    over_memory : bool
        Whether the fault is that the run needed more memory than it may.
    lacks_mission : bool
        Whether the worker asks for the mission's files.
    """

    outcome: dict[str, Any] | None = None
    files: dict[str, bytes] | None = None
    fault: str | None = None
    timed_out: bool = False
    over_memory: bool = False
    lacks_mission: bool = False


class RunMark:
    """The file in a run folder that says that an order was begun, and later its outcome.

    If the worker that held the result of a finished order is gone, the cluster may carry out the
    order again. Each order has a mark of its own, because a run folder often has the mark of an
    answered order beside that of another attempt at the same run.

    Parameters
    ----------
    folder : Path
        The run folder.
    ticket : str
        Ticket of the order.
    """

    def __init__(self, folder: Path, ticket: str) -> None:
        self._path = folder.absolute() / order_mark_name(ticket)
        self._within = folder.absolute().parent

    def begin(self) -> tuple[bool, dict[str, Any] | None]:
        """Return whether this order was begun before, and its outcome if it was finished."""
        make_folder(self._path.parent, within=self._within)
        try:
            os.close(self._open(os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return True, self._outcome()
        return False, None

    def finish(self, outcome: dict[str, Any]) -> None:
        """Keep the outcome until the sweep has it."""
        # Appended: some systems write to disk when a file is truncated or replaces another.
        descriptor = self._open(os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        with os.fdopen(descriptor, "a", encoding="utf-8") as mark:
            # On a line of its own: the file may end with half a line.
            mark.write("\n" + json.dumps(outcome) + "\n")

    def remove(self) -> None:
        """Delete the mark, once the sweep has the outcome."""
        with (
            contextlib.suppress(OSError),
            held(self._path.parent, within=self._within) as folder,
        ):
            folder.remove(self._path.name)

    def _open(self, flags: int) -> int:
        return open_plain(self._path, flags, within=self._within)

    def _outcome(self) -> dict[str, Any] | None:
        """Return the outcome, if it was written; a line that was cut short says nothing."""
        with contextlib.suppress(IndexError, ValueError):
            last_whole_line = read_plain(self._path).decode().split("\n")[-2]
            outcome: dict[str, Any] = json.loads(last_whole_line)
            return outcome
        return None


class OrderDesk:
    """Makes orders and takes replies back, for one pool."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._signs: dict[Path, Sign] = {}
        self._missions: dict[tuple[Path, Any], MissionFiles] = {}

    def order(self, spec: RunSpec, timeout_s: float | None, memory_limit: int | None) -> Order:
        """Return the order for a run.

        Raises
        ------
        OSError
            The sweep folder cannot be written to, or a file of the mission cannot be read.
        """
        with self._lock:
            return Order(
                ticket=uuid.uuid4().hex,
                spec=replace(spec, output_dir=spec.output_dir.absolute()).to_dict(),
                timeout_s=timeout_s,
                memory_limit=memory_limit,
                sign=self._sign(spec.output_dir.absolute().parent),
                mission=self._mission(spec),
            )

    def outcome(self, spec: RunSpec, order: Order, reply: Reply) -> RunOutcome:
        """Return the outcome of an order, with its files in the run folder.

        Raises
        ------
        WorkerDiedError
            The worker could not carry it out; `WorkerTimedOutError` when its time was up,
            `WorkerOverMemoryError` when the run needed more memory than it may.
        OSError
            A file that came back has not the content that the worker recorded, or cannot be
            written.
        """
        if reply.fault is not None:
            if reply.over_memory:
                assert order.memory_limit is not None
                raise WorkerOverMemoryError(order.memory_limit, is_first=True)
            raise (WorkerTimedOutError if reply.timed_out else WorkerDiedError)(reply.fault, None)
        assert reply.outcome is not None
        outcome = RunOutcome.from_dict(reply.outcome)
        folder = spec.output_dir.absolute()
        if reply.files is not None:
            _write_back(folder, reply.files, outcome)
        return outcome

    def let_go(self, order: Order) -> None:
        """Delete the mark of an order that will not be carried out again."""
        RunMark(Path(order.spec["output_dir"]), order.ticket).remove()

    def close(self) -> None:
        """Delete the signs, the files by which workers know the sweep folders."""
        with self._lock:
            for sign in self._signs.values():
                Path(sign.path).unlink(missing_ok=True)
            self._signs.clear()

    def _sign(self, folder: Path) -> Sign:
        # A folder may have been deleted and made again.
        if folder not in self._signs or not Path(self._signs[folder].path).exists():
            text = uuid.uuid4().hex
            sign = Sign(str(folder / f".seen-{text[:12]}"), text)
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = open_plain(Path(sign.path), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            self._signs[folder] = sign
        return self._signs[folder]

    def _mission(self, spec: RunSpec) -> MissionFiles:
        named = naming_files(spec.script_path, spec.overrides)
        key = spec.script_path, tuple(sorted(named.items()))
        known = self._missions.get(key)
        if known is None or not known.are_here():
            known = self._missions[key] = MissionFiles.of(spec.script_path, named)
        return known


def _write_back(folder: Path, files: dict[str, bytes], outcome: RunOutcome) -> None:
    for name, content in files.items():
        path = folder / name
        recorded = outcome.files.get(name)
        if recorded is not None and content_facts(content) != recorded:
            raise OSError(
                f"{path} came back from {outcome.host} with another content than was recorded "
                "there. Check that host and the network."
            )
        make_folder(path.parent, within=folder.parent)
        durable.write_file(path, content, within=folder.parent)
