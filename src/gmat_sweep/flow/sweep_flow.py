"""The flow ``gmat-sweep``: one Prefect task per run, a bounded number in flight.

`run_job` runs a job in the flow run ``gmat-sweep`` that is under way, such as a deployment's, or
else opens one. `orchestrate` gives outcomes to the collector as runs end. `final_state` computes
the state of the flow run from the manifest.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
from prefect.client.schemas.objects import State  # noqa: TC002 - Prefect reads annotations
from prefect.logging import get_run_logger
from prefect.runtime import flow_run as this_flow_run

from gmat_sweep.analysis.nightly.cohorts import is_rotating
from gmat_sweep.analysis.varied import flown_with, varied_fields, varied_text
from gmat_sweep.console import say
from gmat_sweep.disk.shortages import shortage
from gmat_sweep.errors import BackendError
from gmat_sweep.flow.artifacts import ProgressArtifact, publish_summary, slug
from gmat_sweep.flow.backlog import Backlog, wait_until_recorded
from gmat_sweep.flow.collector import Collector
from gmat_sweep.flow.final_state import SweepOutcome, final_state
from gmat_sweep.flow.interruption import say_interrupted, why, with_last_words
from gmat_sweep.flow.judgement import publish_verdicts
from gmat_sweep.flow.logs import load_prefect, off_the_terminal, quiet_runs
from gmat_sweep.flow.mission_keys import mission_key
from gmat_sweep.flow.pictures import last_pictures, leave_pictures, pictures_of
from gmat_sweep.flow.prefect_internals import flow_run_under_way
from gmat_sweep.flow.runners.choice import runner_for
from gmat_sweep.flow.server import (
    forget_unsent_events,
    recorded_on,
    server_is_gone,
    ui_address,
    without_retries,
)
from gmat_sweep.flow.task_runs import TaskRuns, stopped_by, threads_of
from gmat_sweep.folder.last_pass import LastPass, now
from gmat_sweep.folder.layout import ROTATING_FOLDER
from gmat_sweep.manifest import Manifest
from gmat_sweep.plans import kind_of
from gmat_sweep.printable import one_line
from gmat_sweep.spec import NOMINAL_RUN_ID
from gmat_sweep.sweep.recorded_script import MISSION_ABSOLUTE_KEY, resume_command

if TYPE_CHECKING:
    from prefect import Flow

    from gmat_sweep.flow.job import SweepJob
    from gmat_sweep.verdicts.results import Verdicts

__all__ = ["FLOW_NAME", "SweepReport", "published_end", "run_job"]

FLOW_NAME = "gmat-sweep"

# Prefect refuses parameters of more than 512 kB.
_MOST_FIELDS = 200

_log = logging.getLogger("gmat_sweep")


@dataclass(slots=True)
class SweepReport:
    """How many runs one pass recorded, and the error that ended it early.

    Attributes
    ----------
    flow_run_id : UUID or None
        The flow run.
    done, failed : int
        Runs recorded, and how many of them failed.
    duration_s : float
        Seconds from the first submission to the last manifest line.
    error : BaseException or None
        The exception that ended the pass early.
    """

    flow_run_id: UUID | None = None
    done: int = 0
    failed: int = 0
    duration_s: float = 0.0
    error: BaseException | None = None


@dataclass(slots=True)
class _SoFar:
    """The runs of the sweep of one flow run: one that grows has a pass for each batch.

    Attributes
    ----------
    count, done, failed : int
        Runs of the sweep, those that are recorded, and those that failed in this flow run.
    earlier : int
        Runs that were recorded before this flow run, or before it was retried.
    """

    count: int = 0
    done: int = 0
    failed: int = 0
    earlier: int = 0

    @classmethod
    def before(cls, job: SweepJob) -> _SoFar:
        """Count the runs that earlier passes recorded and that this one leaves as they are."""
        has_nominal = job.options.nominal or NOMINAL_RUN_ID in job.manifest.latest()
        left = max(0, job.planned + has_nominal - job.count) if job.action != "run" else 0
        return cls(count=left, done=left, earlier=left)

    def add(self, done: int, failed: int) -> None:
        """Count runs that are recorded now."""
        self.done += done
        self.failed += failed

    def shown(self) -> tuple[float, str]:
        """Return how far the flow run is, in percent and in words."""
        said = f"{self.done} of {self.count} runs done, {self.failed} failed"
        return 100.0 * self.done / max(1, self.count), said


_passes: dict[UUID, _SoFar] = {}


def run_job(job: SweepJob) -> SweepReport:
    """Run a job in a flow run ``gmat-sweep`` and return the report of the pass.

    If such a flow run is under way, as in a deployment, the job runs in it: one page in the UI
    shows its parameters, its task runs and its summary. Otherwise `run_job` opens a flow run, below
    the one that is under way if there is one. `run_job` raises an exception of the flow unchanged.
    """
    if (under_way := flow_run_under_way()) is not None:
        flow_run_id, flow_name = under_way
        if flow_name == FLOW_NAME:
            report = SweepReport(flow_run_id=flow_run_id)
            orchestrate(job, report)
            return report
    load_prefect()
    report = SweepReport()
    with off_the_terminal(), recorded_on(), contextlib.ExitStack() as at_the_end:
        try:
            _flow_of(job, report, at_the_end)(
                mission=job.mission,
                kind=job.kind,
                varied=dict(list(varied_fields(job.manifest).items())[:_MOST_FIELDS]),
                # As text: Prefect keeps integers in 64 bits.
                seed=str(job.manifest.sweep_seed),
                n=job.planned,
                runs=job.count,
                versions=flown_with(job.manifest),
                out=job.folder,
                resume=job.action != "run",
                pool=type(job.pool).__name__,
                options=job.options.told(),
                return_state=True,
            )
            if report.error is None and report.flow_run_id is not None:
                _wait_for_the_record(report.flow_run_id, report.done)
        except httpx.TransportError as gone:
            forget_unsent_events()
            _answer_for_the_manifest(job, report, gone)
    if report.error is not None:
        raise report.error
    return report


def _flow_of(
    job: SweepJob, report: SweepReport, at_the_end: contextlib.ExitStack
) -> Flow[..., State[SweepOutcome]]:
    """Return a flow that runs this one job; its parameters only show on its page in the UI.

    When the runs have ended and the server is gone, `at_the_end` gets the setting with which
    Prefect then ends the flow run.
    """
    # Here, because `load_prefect` must be the first to load all of Prefect.
    from prefect import flow

    def run_this_job(
        mission: Path,
        kind: str,
        varied: dict[str, str],
        seed: str,
        n: int,
        runs: int,
        versions: dict[str, str],
        out: Path,
        resume: bool,
        pool: str,
        options: dict[str, Any],
    ) -> State[SweepOutcome]:
        del mission, kind, varied, seed, n, runs, versions, out, resume, pool, options
        report.flow_run_id = UUID(this_flow_run.id)
        try:
            orchestrate(job, report)
            return published_end(report.flow_run_id, job.mission, job.manifest_path)
        except BaseException as error:
            report.error = error
            raise
        finally:
            leave_pictures(report.flow_run_id)
            if server_is_gone():
                forget_unsent_events()
                at_the_end.enter_context(without_retries())

    return flow(
        name=FLOW_NAME,
        flow_run_name=job.title,
        persist_result=False,
        validate_parameters=False,
        on_crashed=[say_interrupted],
    )(run_this_job)


def _wait_for_the_record(flow_run_id: UUID, done: int) -> None:
    recorded = wait_until_recorded(flow_run_id, done)
    if recorded < done:
        _log.warning(
            "the Prefect server has recorded only %d of %d runs, and makes no headway; all of them "
            "are in the manifest",
            recorded,
            done,
        )


def _answer_for_the_manifest(
    job: SweepJob, report: SweepReport, gone: httpx.TransportError
) -> None:
    """Go on without the server if all runs are in the manifest; else raise `BackendError`."""
    if report.error is not None:
        return
    if report.done < job.count:
        raise BackendError(
            f"The Prefect server went away ({gone}) when {report.done} of {job.count} runs were "
            "recorded in the manifest. Start it again and resume the sweep."
        ) from gone
    _log.warning(
        "the Prefect server went away (%s): its record of this flow run is not complete; all %d "
        "runs are in the manifest",
        gone,
        report.done,
    )


def published_end(
    flow_run_id: UUID,
    mission: Path | None,
    manifest_path: Path,
    max_failed: str | None = None,
    judged: Callable[[], Verdicts] | None = None,
) -> State[SweepOutcome]:
    """Publish the summary of a sweep whose flow run ends, and return the state of that flow run.

    Parameters
    ----------
    flow_run_id : UUID
        The flow run.
    mission : Path or None
        The mission script as the user named it; None if only the manifest names it.
    manifest_path : Path
        The sweep.
    max_failed : str or None
        As for `final_state`.
    judged : callable or None
        Returns what the sweep shows of its requirements, if it has any: this is published, too.

    Raises
    ------
    GmatSweepError, OSError
        As `judged`; the summary is published before.
    """
    manifest = Manifest.header_of(manifest_path)
    told = manifest.extra.get(MISSION_ABSOLUTE_KEY) or manifest.extra.get("mission") or "sweep"
    named = Path(str(told)) if mission is None else mission
    # A sweep that is resumed has the kind of its manifest, whatever a parameter says.
    key = _key_of(named, kind_of(manifest.parameter_spec), manifest_path.parent)
    publish_summary(flow_run_id, key, manifest_path)
    last_pictures(flow_run_id)
    verdicts = None if judged is None else judged()
    if verdicts is not None:
        publish_verdicts(flow_run_id, named, verdicts)
    # Only now: the summary reads the entries itself, and they would be in memory twice.
    return final_state(Manifest.outline(manifest_path), max_failed, verdicts)


def _key_of(mission: Path, kind: str, folder: Path) -> str:
    """Return the beginning of the keys of a sweep's artifacts.

    The two cohorts of a night have each their own: versions of one would alternate.
    """
    cohort = f"-{ROTATING_FOLDER}" if is_rotating(folder.absolute()) else ""
    return f"{mission_key(mission)}-{slug(kind)}{cohort}"


def orchestrate(job: SweepJob, report: SweepReport) -> None:
    """Run the job's specs as task runs of the current flow run and collect their outcomes."""
    assert report.flow_run_id is not None
    started = time.monotonic()
    if report.flow_run_id not in _passes:
        # A deployment's parameters may name a study, and a resume's a folder.
        get_run_logger().info("%s", "\n".join(varied_text(job.manifest, job.planned)))
        # The page of a flow run that is cancelled or fails has this line whatever ends it.
        get_run_logger().info(
            "the sweep is in %s; if it is interrupted, it goes on where it was with: %s",
            one_line(job.folder.absolute()),
            one_line(resume_command(job.manifest, job.manifest_path, job.folder)),
        )
        if job.options.progress:
            say(one_line(f"flow run {job.title!r}: {ui_address(report.flow_run_id)}"))
    so_far = _passes.setdefault(report.flow_run_id, _SoFar.before(job))
    so_far.count += job.count
    key = _key_of(job.mission, job.kind, job.manifest_path.parent)
    progress = ProgressArtifact(report.flow_run_id, f"{key}-progress", *so_far.shown())
    pictures = pictures_of(report.flow_run_id, f"{key}-pictures", job)
    backlog = Backlog(report.flow_run_id)
    with (
        with_last_words(report.flow_run_id, job.manifest_path.parent),
        _noted(job, report.flow_run_id),
        progress,
        runner_for(job.pool, threads_of(job)) as runner,
        Collector(job, so_far.done) as collector,
        quiet_runs(),
    ):
        for spec, outcome, attempts in TaskRuns(job, runner).outcomes():
            try:
                collector.add(spec, outcome, attempts)
            except OSError as error:
                if stopped := stopped_by(shortage(error), spec):
                    raise stopped from error
                raise
            so_far.add(collector.done - report.done, collector.failed - report.failed)
            report.done, report.failed = collector.done, collector.failed
            report.duration_s = time.monotonic() - started
            progress.show(*so_far.shown())
            pictures.add(spec, outcome)
            backlog.keep_short(so_far.done - so_far.earlier)


@contextlib.contextmanager
def _noted(job: SweepJob, flow_run_id: UUID) -> Iterator[None]:
    """Write to ``last-pass.json`` that this pass is under way, and at its end how it ended."""

    def note(state: Any, reason: str = "") -> None:
        LastPass(
            action=job.action,
            state=state,
            reason=reason,
            flow_run=str(flow_run_id),
            host=socket.gethostname(),
            process=os.getpid(),
            at=now(),
        ).write(job.manifest_path.parent)

    note("running")
    try:
        yield
    except BaseException as error:
        note("interrupted", why(error))
        if not isinstance(error, Exception):
            # An exception is in the state's message; a flow run that is cancelled has none.
            get_run_logger().error(
                "interrupted: %s; what is recorded stays. Go on with: %s",
                one_line(why(error)),
                one_line(resume_command(job.manifest, job.manifest_path, job.folder)),
            )
        raise
    note("finished")
