"""`failed_by`: the outcome of a run that ended with an exception outside GMAT."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime

from gmat_sweep.backends.process.worker_process import WorkerDiedError
from gmat_sweep.failure_kinds import kind_of_error
from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["failed_by"]


def failed_by(spec: RunSpec, error: BaseException, started_at: datetime) -> RunOutcome:
    """Return the ``failed`` outcome of a run that `error` ended.

    The message of a `WorkerDiedError` says why the worker ended, and the run took until now. Any
    other exception escaped the code that should have run the spec: its traceback is kept as
    ``stderr``, and the run took no time.
    """
    died = isinstance(error, WorkerDiedError)
    stderr = str(error) if died else "".join(traceback.format_exception(error))
    return RunOutcome.failed(
        run_id=spec.run_id,
        stderr=stderr,
        started_at=started_at,
        ended_at=datetime.now(UTC),
        duration_s=None if died else 0.0,
        failure_kind=kind_of_error(error, stderr),
    )
