"""`LocalWorkers`: a Dask cluster on this machine.

Unlike those of ``distributed.LocalCluster``, its Dask workers are programs and not children of
`multiprocessing`. They do not import the caller's script again, so a script may call `sweep` at its
top level. The terminal's Ctrl-C does not reach them. They end with the process that started them,
however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import tempfile
import weakref
from pathlib import Path
from typing import Any

import dask.config
from distributed import Scheduler, SpecCluster

from gmat_sweep.backends.cluster.dask_internals import WorkerProgram, memory_limit
from gmat_sweep.backends.process.reaper import REAPER
from gmat_sweep.import_places import handed_hook_folders, import_paths

__all__ = ["LocalWorkers"]

_LOG = logging.getLogger(__name__)

# Dask's profiler looks a hundred times a second at threads that only wait. The other three look 2
# to 50 times a second after a process that does next to nothing itself.
_SELDOM = {
    "distributed.worker.profile.enabled": "False",
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
}


_LOOPS: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
"""The event loops of all `LocalWorkers` of this process."""


class _OfOtherClusters(logging.Filter):
    """Lets nothing pass that a cluster of `LocalWorkers` logs, unless it is critical.

    The entry of a run has its cause; Dask's log would bury the lines of the sweep. The levels and
    handlers of Dask's loggers are the caller's, who may have a cluster of its own.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record goes the usual way."""
        if record.levelno >= logging.CRITICAL:
            return True
        try:
            return asyncio.get_running_loop() not in _LOOPS
        except RuntimeError:
            return True


_OTHERS = _OfOtherClusters()


def _silence_own_clusters() -> None:
    # This one logs a line when it is imported, by the scheduler.
    logging.getLogger("distributed.http.proxy")
    # A filter sees the records of its own logger only, and none of those below it.
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.partition(".")[0] == "distributed" and isinstance(logger, logging.Logger):
            logger.addFilter(_OTHERS)


class LocalWorkers(SpecCluster):
    """A scheduler in this process and Dask workers beside it.

    Parameters
    ----------
    n_workers, threads_per_worker : int
        How many Dask workers, and how many runs each has at once.
    **worker_kwargs
        Options of ``distributed.Nanny``, such as ``lifetime="55m"``.
    """

    def __init__(
        self, *, n_workers: int, threads_per_worker: int = 1, **worker_kwargs: Any
    ) -> None:
        threads = n_workers * threads_per_worker
        memory = memory_limit(threads_per_worker, threads, _LOG)
        options = {
            "host": "127.0.0.1",
            "nthreads": threads_per_worker,
            "memory_limit": memory,
            "silence_logs": logging.CRITICAL,
            "dashboard": False,
            **worker_kwargs,
        }
        worker = {"cls": _LocalWorker, "options": {"worker_kwargs": options}}
        # Port 0 takes any free port: the usual one may be another cluster's.
        scheduler_options = {"host": "127.0.0.1", "port": 0, "dashboard_address": "127.0.0.1:0"}
        _silence_own_clusters()
        with dask.config.set(_SELDOM | {"distributed.worker.profile.enabled": False}):
            super().__init__(
                workers=dict.fromkeys(range(n_workers), worker),
                worker=worker,
                scheduler={"cls": Scheduler, "options": scheduler_options},
                name="gmat-sweep",
                silence_logs=False,
            )

    async def _start(self) -> None:
        _LOOPS.add(asyncio.get_running_loop())
        await super()._start()


class _LocalWorker(WorkerProgram):
    """A Dask worker in a process group of its own, with the import paths of this process."""

    async def launch(self) -> asyncio.subprocess.Process:
        """Start the Dask worker with a folder of its own."""
        self._folder = Path(tempfile.mkdtemp(prefix="gmat-sweep-dask-"))
        REAPER.add_folder(self._folder)
        process = await asyncio.create_subprocess_exec(
            *self.command(local_directory=str(self._folder)),
            env={
                **{_variable(name): value for name, value in _SELDOM.items()},
                **os.environ,
                "PYTHONPATH": os.pathsep.join(import_paths()),
                **handed_hook_folders(),
                # The Dask worker starts further ones by itself.
                "PYTHONSAFEPATH": "1",
            },
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        REAPER.add_group(process.pid)
        return process

    async def close(self) -> None:
        """End the Dask worker with all that it started."""
        if self.process is not None:
            # The whole group: the nanny, and the Dask worker that it keeps alive.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()
            REAPER.discard_group(self.process.pid)
            shutil.rmtree(self._folder, ignore_errors=True)
            REAPER.discard_folder(self._folder)
        await super().close()


def _variable(name: str) -> str:
    """Return the environment variable that sets an option of Dask's."""
    return "DASK_" + name.upper().replace(".", "__").replace("-", "_")
