"""One run in a fresh worker process, for authors of pools.

A pool whose own processes must stay free of GMAT, or that wants a new engine for every run, calls
`run_spec_in_subprocess` where it would call `gmat_sweep.worker.run_one`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from gmat_sweep.backends.faults import failed_by
from gmat_sweep.backends.process.worker_process import WorkerDiedError, WorkerProcess
from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["run_spec_in_subprocess"]


def run_spec_in_subprocess(
    spec: RunSpec, *, timeout_s: float | None = None, memory_limit: int | None = None
) -> RunOutcome:
    """Run one spec in a worker process of its own and return its outcome.

    When this function returns, the process has ended, with every process that the run has started.
    Any process or thread may call this function, daemonic processes included.

    Parameters
    ----------
    spec : RunSpec
        The run.
    timeout_s : float, optional
        Seconds after which the run is ended.
    memory_limit : int, optional
        Bytes of main memory; a run that needs more is ended.

    Returns
    -------
    RunOutcome
        As `gmat_sweep.worker.run_one` returns it. If the process crashes, is killed or cannot be
        started, the status is ``failed`` and ``stderr`` has the last output of the process.
    """
    started_at = datetime.now(UTC)
    try:
        worker = WorkerProcess()
        try:
            return worker.run(spec, timeout_s=timeout_s, memory_limit=memory_limit)
        finally:
            worker.close()
    except WorkerDiedError as error:
        return failed_by(spec, error, started_at)
