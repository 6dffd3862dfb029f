"""What made a run fail, by every way in which one does."""

from __future__ import annotations

import errno
import traceback
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from pathlib import Path

import pytest
from gmat_run.errors import GmatFieldError, GmatLoadError, GmatOutputParseError, GmatRunError

from gmat_sweep import RunSpec, SweepConfigError
from gmat_sweep.backends.faults import failed_by
from gmat_sweep.backends.process.worker_process import (
    WorkerDiedError,
    WorkerOverMemoryError,
    WorkerTimedOutError,
)
from gmat_sweep.causes import OUTPUT_MARK
from gmat_sweep.failure_kinds import kind_of, kind_of_error
from gmat_sweep.manifest import ManifestEntry
from gmat_sweep.worker.hook import HookFailedError
from manifests import entry

SPEC = RunSpec(Path("m.script"), {}, Path("run-0"), 0, None, {})
REFUSED = GmatFieldError("Sat.DryMass: the value -5 is not allowed", "Sat.DryMass", -5)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """Return an error as an except clause has it, with a traceback and perhaps a cause."""
    try:
        raise error from cause  # noqa: TRY301
    except BaseException as caught:  # noqa: BLE001 - SystemExit is one of them
        return caught


TAIL = "".join(traceback.format_exception(raised(REFUSED)))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        pytest.param("mission", raised(REFUSED), id="GMAT refuses a value"),
        pytest.param("mission", raised(GmatRunError("GMAT stopped", "")), id="GMAT stops"),
        pytest.param(
            "mission",
            raised(GmatLoadError("GMAT could not parse m.script")),
            id="no script of GMAT",
        ),
        pytest.param("mission", raised(SweepConfigError("no text holds it")), id="no such value"),
        pytest.param("hook", raised(HookFailedError(), ValueError("no")), id="the hook raises"),
        pytest.param("hook", raised(HookFailedError(), REFUSED), id="the hook flies a mission"),
        pytest.param("worker", WorkerDiedError("killed by SIGSEGV", -11), id="a signal"),
        pytest.param(
            "worker", WorkerDiedError(f"killed\n{OUTPUT_MARK}\n{TAIL}", -9), id="with last words"
        ),
        pytest.param("worker", raised(BrokenProcessPool("lost")), id="a pool that raises"),
        pytest.param("worker", raised(RuntimeError("no worker is left")), id="a cluster's worker"),
        pytest.param("worker", raised(SystemExit(3)), id="the interpreter is left"),
        pytest.param("worker", raised(GmatLoadError("gmatpy not found")), id="no engine"),
        pytest.param("memory", WorkerOverMemoryError(1 << 30, is_first=True), id="the limit"),
        pytest.param("memory", raised(MemoryError()), id="Python has none"),
        pytest.param("memory", raised(GmatRunError("std::bad_alloc", "")), id="GMAT has none"),
        pytest.param("timeout", WorkerTimedOutError("not in 9 s", None), id="the time is up"),
        pytest.param("storage", raised(OSError(errno.ENOSPC, "full", "a")), id="the disk is full"),
        pytest.param("storage", raised(PermissionError(errno.EACCES, "no", "a")), id="no right"),
        pytest.param(
            "storage",
            raised(GmatRunError("GMAT stopped", ""), OSError(errno.ENOSPC, "full")),
            id="GMAT's disk is full",
        ),
        pytest.param(
            "storage",
            raised(HookFailedError(), OSError(errno.EDQUOT, "quota")),
            id="the hook's disk is full",
        ),
        pytest.param(
            "storage", raised(GmatRunError("it exists", "", path=Path("a"))), id="in the way"
        ),
        pytest.param(
            "storage", raised(GmatOutputParseError("cut short", Path("a"))), id="cut short"
        ),
    ],
)
def test_every_failure_has_its_kind_and_so_has_its_entry(kind: str, error: BaseException) -> None:
    outcome = failed_by(SPEC, error, datetime.now(UTC))

    assert kind_of_error(error) == kind
    assert outcome.failure_kind == kind
    assert kind_of(ManifestEntry.from_outcome(outcome, overrides={})) == kind


@pytest.mark.parametrize(
    ("kind", "stderr", "hook"),
    [
        ("mission", TAIL, "none"),
        ("mission", "solver 'DC' did not converge", "none"),
        (None, TAIL, "failed"),
        (None, f"The worker process ended: killed by SIGKILL\n{OUTPUT_MARK}\n{TAIL}", "none"),
        (None, "".join(traceback.format_exception(MemoryError())), "none"),
        (None, "The run did not end within its timeout of 9 s", "none"),
        (None, None, "none"),
    ],
)
def test_an_entry_of_an_earlier_version_tells_only_what_gmat_said(
    kind: str | None, stderr: str | None, hook: str
) -> None:
    older = entry(0, "failed", output_paths={}, stderr=stderr, postprocess_status=hook)

    assert older.failure_kind is None
    assert kind_of(older) == kind
