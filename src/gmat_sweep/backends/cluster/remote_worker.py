"""`RemoteWorker`: the far end of a pool on a cluster, which carries out orders on its host.

A `RemoteWorker` lives in a process of the cluster's own (a Dask worker, a Ray actor) and keeps an
isolated `WorkerProcess` for each run that it has at once. A crash, a hang or a timeout there costs
that run, and the cluster's process lives on. A `RemoteWorker` needs neither Prefect nor the sweep's
disk. Everything it started ends with the process it lives in, however that ends.
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gmat_sweep.backends.cluster.orders import Order, Reply, RunMark
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.backends.process.reaper import REAPER
from gmat_sweep.backends.process.worker_process import (
    WorkerDiedError,
    WorkerOverMemoryError,
    WorkerTimedOutError,
)
from gmat_sweep.errors import BackendError
from gmat_sweep.folder.run_seal import seal_run
from gmat_sweep.import_places import PlacesOfHooks, look_for_hooks_in
from gmat_sweep.manifest.file_keys import file_key
from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["RemoteWorker"]


class RemoteWorker:
    """Carries out orders, as many at once as it is called.

    Parameters
    ----------
    reuse_gmat_context : bool
        Whether a worker process is kept from run to run.
    """

    def __init__(self, *, reuse_gmat_context: bool) -> None:
        self._reuse = reuse_gmat_context
        self._lock = threading.Lock()
        self._idle: list[LocalJoblibPool] = []
        self._running: dict[str, LocalJoblibPool] = {}
        self._taken: set[str] = set()
        self._withdrawn: set[str] = set()
        self._scratch: Path | None = None
        self._hooks: PlacesOfHooks | None = None
        self.is_closed = False

    def warm_up(self, count: int) -> None:
        """Start worker processes now, so that they are ready when the first runs come."""
        pools = [self._new() for _ in range(count)]
        for pool in pools:
            pool.warm_up()
        with self._lock:
            self._idle += pools

    def carry_out(self, order: Order) -> Reply:
        """Carry out an order.

        If the mark in the run folder says that the order is finished already, `carry_out` returns
        the outcome in the mark and does not fly the run again.

        Raises
        ------
        BackendError
            The worker has been closed: nothing is known of the run.
        """
        with self._lock:
            self._taken.add(order.ticket)
        try:
            return self._reply(order)
        finally:
            with self._lock:
                self._taken.discard(order.ticket)
                self._withdrawn.discard(order.ticket)

    def kill(self, ticket: str) -> None:
        """End an order that is being carried out, with its worker process."""
        with self._lock:
            if ticket not in self._taken:
                return
            # The order may not have a worker process yet.
            self._withdrawn.add(ticket)
            pool = self._running.get(ticket)
        if pool is not None:
            pool.close()

    def close(self) -> None:
        """End every worker process and remove the scratch folder on this host's disk."""
        with self._lock:
            self.is_closed = True
            pools = [*self._idle, *self._running.values()]
            self._idle.clear()
        for pool in pools:
            pool.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            REAPER.discard_folder(self._scratch)

    def _reply(self, order: Order) -> Reply:
        spec = RunSpec.from_dict(order.spec)
        if order.hooks is not None and order.hooks != self._hooks:
            look_for_hooks_in(order.hooks)
            self._hooks = order.hooks
        try:
            if not order.mission.are_here():
                below = self._folder() / "missions"
                script = self._mirrored(below, order)
                if script is None:
                    return Reply(lacks_mission=True)
                values = order.mission.mirrored_values(below, spec.overrides)
                spec = replace(spec, script_path=script, overrides=values)
            if order.sign.is_seen():
                return Reply(outcome=self._in_the_sweep_folder(spec, order))
            return self._in_scratch(spec, order)
        except (BackendError, OSError) as error:
            if self.is_closed:
                raise BackendError("The worker was closed before this run ended.") from error
            where = f"{error} (on {socket.gethostname()})"
            return Reply(
                fault=where,
                timed_out=isinstance(error, WorkerTimedOutError),
                over_memory=isinstance(error, WorkerOverMemoryError),
            )

    def _in_the_sweep_folder(self, spec: RunSpec, order: Order) -> dict[str, Any]:
        mark = RunMark(spec.output_dir, order.ticket)
        begun, finished = mark.begin()
        if finished is not None:
            return finished
        if begun:
            spec = replace(spec, run_options={**spec.run_options, "overwrite": True})
        outcome = self._run(spec, order).to_dict()
        mark.finish(outcome)
        return outcome

    def _in_scratch(self, spec: RunSpec, order: Order) -> Reply:
        with tempfile.TemporaryDirectory(prefix="run-", dir=self._folder()) as scratch:
            folder = Path(scratch).resolve() / spec.output_dir.name
            here = replace(spec, output_dir=folder)
            outcome = _brought_in(self._run(here, order), here)
            files = {
                path.relative_to(folder).as_posix(): path.read_bytes()
                for path in folder.rglob("*")
                if path.is_file()
            }
        return Reply(outcome=_told_at_home(outcome, folder, spec.output_dir), files=files)

    def _run(self, spec: RunSpec, order: Order) -> RunOutcome:
        with self._process(order.ticket) as pool:
            outcome = pool.execute(spec, timeout_s=order.timeout_s, memory_limit=order.memory_limit)
        return replace(outcome, host=socket.gethostname())

    @contextmanager
    def _process(self, ticket: str) -> Iterator[LocalJoblibPool]:
        with self._lock:
            if ticket in self._withdrawn:
                raise WorkerDiedError("The run was ended with its sweep", None)
            pool = self._idle.pop() if self._idle else self._new()
            self._running[ticket] = pool
        try:
            yield pool
        finally:
            with self._lock:
                del self._running[ticket]
                if not (self.is_closed or ticket in self._withdrawn):
                    self._idle.append(pool)
            if self.is_closed:
                pool.close()

    def _new(self) -> LocalJoblibPool:
        return LocalJoblibPool(1, reuse_gmat_context=self._reuse)

    def _mirrored(self, below: Path, order: Order) -> Path | None:
        """Return the script of the mission's copy; None if the sweep must send its files first."""
        script = order.mission.mirrored(below)
        with self._lock:
            if script.is_file():
                return script
            return order.mission.mirror(below, order.contents) if order.contents else None

    def _folder(self) -> Path:
        with self._lock:
            if self._scratch is None:
                self._scratch = Path(tempfile.mkdtemp(prefix="gmat-sweep-host-"))
                REAPER.add_folder(self._scratch)
            return self._scratch


def _brought_in(outcome: RunOutcome, spec: RunSpec) -> RunOutcome:
    """Copy the listed files that are elsewhere into the run folder, each under a name of its own.

    The run is sealed again, because its seal names them where only this host has them.
    """
    folder = spec.output_dir
    inside: dict[Path, Path] = {}
    for path in _listed(outcome):
        if not path.is_relative_to(folder) and path not in inside:
            inside[path] = shutil.copyfile(path, _unused(folder, path))
    if not inside:
        return outcome
    keys = {file_key(path, folder): copy.name for path, copy in inside.items()}
    moved = replace(
        _moved(outcome, lambda path: inside.get(path, path)),
        files={keys.get(key, key): facts for key, facts in outcome.files.items()},
    )
    seal_run(spec, moved)
    return moved


def _unused(folder: Path, path: Path) -> Path:
    numbered = (folder / f"{path.stem}-{number}{path.suffix}" for number in itertools.count(2))
    candidates = itertools.chain([folder / path.name], numbered)
    return next(each for each in candidates if not os.path.lexists(each))


def _told_at_home(outcome: RunOutcome, scratch: Path, folder: Path) -> dict[str, Any]:
    """Return the record of an outcome with the paths that its files have in the sweep folder."""
    told = _moved(outcome, lambda path: folder / path.relative_to(scratch)).to_dict()
    if told["stderr"]:
        told["stderr"] = told["stderr"].replace(str(scratch), str(folder))
    return told


def _listed(outcome: RunOutcome) -> Iterator[Path]:
    for paths in (outcome.output_paths, outcome.extra_outputs, outcome.solver_paths):
        yield from paths.values()


def _moved(outcome: RunOutcome, to: Callable[[Path], Path]) -> RunOutcome:
    def all_of(paths: dict[str, Path]) -> dict[str, Path]:
        return {name: to(path) for name, path in paths.items()}

    return replace(
        outcome,
        output_paths=all_of(outcome.output_paths),
        extra_outputs=all_of(outcome.extra_outputs),
        solver_paths=all_of(outcome.solver_paths),
    )
