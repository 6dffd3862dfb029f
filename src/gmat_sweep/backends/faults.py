"""The outcome of a run that an exception ended where runs execute, not in GMAT."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime

from gmat_sweep.backends.process.worker_process import WorkerDiedError
from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["failed_by"]


def failed_by(spec: RunSpec, error: BaseException, started_at: datetime) -> RunOutcome:
    """Return the ``failed`` outcome of a run that `error` ended.

    A worker that ended says itself why, and the run took until then. Any other exception escaped
    what should have run the spec: its traceback is the cause, and no time is the run's.
    """
    died = isinstance(error, WorkerDiedError)
    return RunOutcome.failed(
        run_id=spec.run_id,
        stderr=str(error) if died else "".join(traceback.format_exception(error)),
        started_at=started_at,
        ended_at=datetime.now(UTC),
        duration_s=None if died else 0.0,
    )
