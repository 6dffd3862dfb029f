"""The collector: one fsynced manifest line per outcome, in completion order, and the progress.

The collector counts and shows an outcome only after its line is in the manifest.
"""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any, Self

from prefect.logging import get_run_logger

from gmat_sweep.analysis.outcomes import groups_of, run_list
from gmat_sweep.errors import DurabilityError
from gmat_sweep.flow.common_cause import FIRST_FAILURES, CommonCause
from gmat_sweep.flow.progress import Progress
from gmat_sweep.folder.run_seal import entry_of
from gmat_sweep.printable import printable

if TYPE_CHECKING:
    from types import TracebackType

    from gmat_sweep.flow.job import SweepJob
    from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["Collector"]

_log = logging.getLogger("gmat_sweep")


class Collector:
    """Appends outcomes to a sweep's manifest and advances its progress.

    Parameters
    ----------
    job : SweepJob
        The pass whose outcomes are collected.
    earlier : int
        Runs of the sweep that are recorded and stay as they are: the progress counts from all.
    """

    def __init__(self, job: SweepJob, earlier: int) -> None:
        self._job = job
        self._host = socket.gethostname()
        self.done = 0
        self.failed = 0
        self._unconverged = 0
        self._common_cause = CommonCause()
        self._notes: dict[str, list[int]] = {}
        description = "gmat-sweep" if job.action == "run" else f"gmat-sweep {job.action}"
        self._progress = Progress(
            description, earlier + job.count, earlier=earlier, is_shown=job.options.progress
        )

    def add(self, spec: RunSpec, outcome: RunOutcome, attempts: list[dict[str, Any]]) -> None:
        """Append the outcome of one run to the manifest, then count and show it.

        Parameters
        ----------
        spec : RunSpec
            The run.
        outcome : RunOutcome
            How it ended.
        attempts : list of dict
            Earlier attempts that an infrastructure fault ended: cause, started_at, ended_at.
        """
        if self._job.listener is not None:
            self._job.listener.before()
        self._job.manifest.append_entry(
            entry_of(
                spec,
                outcome,
                host=outcome.host or self._host,
                attempts=attempts,
                extra=self._job.entry_facts,
            ),
            hold=False,
        )
        self.done += 1
        self.failed += outcome.status == "failed"
        self._unconverged += outcome.status == "ok" and not all(outcome.converged.values())
        counts = {"unconverged": self._unconverged} if self._unconverged else {}
        self._progress.advance({"failed": self.failed, **counts})
        for note in outcome.notes:
            self._notes.setdefault(note, []).append(spec.run_id)
        if cause := self._common_cause.seen_in(outcome):
            self._say_common_cause(cause)
        if self._job.listener is not None:
            self._job.listener.after(spec, outcome)

    def _say_common_cause(self, cause: str) -> None:
        message = (
            f"the first {FIRST_FAILURES} runs all failed of the same cause: {cause}. The others "
            "will most likely fail too: stop the sweep, mend the cause and resume it."
        )
        self._progress.make_room()
        _log.warning("%s", message)
        get_run_logger().warning("%s", printable(message))
        self._progress.describe("all runs fail alike")

    def _say_notes(self) -> None:
        """Say each kind of note once, with its runs."""
        for group in groups_of(
            (run_id, note) for note, run_ids in self._notes.items() for run_id in run_ids
        ):
            count = len(group.run_ids)
            runs = f"{count} {'run' if count == 1 else 'runs'} ({run_list(group.run_ids)})"
            _log.warning("%s: %s", runs, group.cause)
            get_run_logger().warning("%s: %s", runs, printable(group.cause))

    def __enter__(self) -> Self:
        """Return the collector."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the bar, say the runs' notes, and make the manifest durable."""
        self._progress.close()
        self._say_notes()
        try:
            self._job.manifest.close()
        except DurabilityError:
            # The error that ended the sweep matters more, and may come from the same disk.
            if exc is None:
                raise
            _log.warning("the manifest's last lines may not be on disk", exc_info=True)
