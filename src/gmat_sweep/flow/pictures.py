"""The pictures of a sweep in the Prefect UI, brought up to date while it flies.

A flow run has one artifact of them, and a thread that draws it. The collector tells the thread of
each run, which opens no file; the thread reads the files of a sample of the runs. Reading, drawing
and sending take less than one hundredth of the flow's time, by the processor's clock of the thread:
after each round it waits until that is so. Whatever fails here is a warning in the log of the flow
run, and no concern of the sweep.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

from gmat_sweep.aggregate.entries import anchors_of
from gmat_sweep.analysis.pictures.sample import RunSample
from gmat_sweep.analysis.pictures.wanted import wanted_now
from gmat_sweep.flow.kept_artifact import KeptArtifact
from gmat_sweep.flow.server import server_is_gone
from gmat_sweep.folder.run_seal import entry_of
from gmat_sweep.manifest import Manifest
from gmat_sweep.plans.independence import design_name

if TYPE_CHECKING:
    from uuid import UUID

    from gmat_sweep.flow.job import SweepJob
    from gmat_sweep.manifest.entry import ManifestEntry
    from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["Pictures", "last_pictures", "leave_pictures", "pictures_of"]

SHARE = 0.01
"""The largest share of the flow's time that pictures take."""

_FIRST_S = 3.0
_INTERVAL_S = 4.0
_LAST_WORD_S = 5.0
# So many runs are read for the first round and the last, whatever their share of the time.
_LEAST_RUNS = 40
_LINES_AT_A_TIME = 200
_RUNS_AT_A_TIME = 50
# What a round is believed to take before the first one was measured.
_GUESS_S = 0.05

_log = logging.getLogger("gmat_sweep")


class Pictures:
    """The pictures of one flow run.

    Parameters
    ----------
    flow_run_id : UUID
        The flow run.
    key : str
        Key of the artifact.
    job : SweepJob
        The first pass over the sweep.
    """

    def __init__(self, flow_run_id: UUID, key: str, job: SweepJob) -> None:
        self._artifact = KeptArtifact(flow_run_id, "markdown", key)
        self._about = wanted_now()
        self._sample = RunSample(anchors_of(job.manifest, job.folder), self._about.requirements)
        self._design = design_name(job.manifest.parameter_spec)
        self._logger = get_run_logger()
        self._earlier = _earlier_entries(job) if job.action != "run" else iter(())
        self._heard: deque[tuple[RunSpec, RunOutcome]] = deque()
        self._hearing = threading.Lock()
        self._began = time.monotonic()
        self._spent = 0.0
        self._round = _GUESS_S
        self._drawn: tuple[int, ...] = ()
        self._ended = threading.Event()
        self._wants_last = False
        self.planned = job.planned
        # The copied context has the address of the server. A daemon keeps no program from ending.
        self._thread = threading.Thread(
            target=copy_context().run,
            args=(self._keep_up,),
            name="gmat-sweep-pictures",
            daemon=True,
        )
        self._thread.start()

    def add(self, spec: RunSpec, outcome: RunOutcome) -> None:
        """Take note of a run that is recorded."""
        self._heard.append((spec, outcome))
        if len(self._heard) >= _RUNS_AT_A_TIME:
            self._hear()

    def _hear(self) -> None:
        """Give the sample the runs noted, many at once: one by one they cost several times that."""
        with self._hearing:
            while self._heard:
                spec, outcome = self._heard.popleft()
                self._sample.add(spec.run_id, outcome.status, partial(_entry_of, spec, outcome))

    def end(self, *, with_last: bool) -> None:
        """End the thread, with the last pictures or without; wait at most 5 s for them."""
        self._wants_last = with_last and not server_is_gone()
        self._ended.set()
        if self._wants_last:
            self._thread.join(_LAST_WORD_S)

    def _keep_up(self) -> None:
        try:
            self._draw_now_and_then()
        except Exception as error:  # noqa: BLE001 - a sweep needs no pictures
            self._logger.warning(
                "no further pictures of this sweep: %s: %s", type(error).__name__, error
            )

    def _draw_now_and_then(self) -> None:
        wait = _FIRST_S
        with contextlib.ExitStack() as stack:
            client: Any = None
            while not self._ended.wait(wait) or self._wants_last:
                is_last = self._ended.is_set()
                wait = _INTERVAL_S
                if self._has_news() and not server_is_gone():
                    _load()
                    began = time.thread_time()
                    if client is None:
                        client = stack.enter_context(get_client(sync_client=True))
                    self._draw(client, is_last=is_last)
                    self._round = time.thread_time() - began
                    self._spent += self._round
                    wait = max(_INTERVAL_S, -self._allowance() / SHARE)
                if is_last:
                    return

    def _allowance(self) -> float:
        """Return the seconds that reading may take now; below 0 if a round must wait."""
        allowed = SHARE * (time.monotonic() - self._began)
        return allowed - self._spent - min(self._round, 4 * _GUESS_S)

    def _has_news(self) -> bool:
        self._hear()
        seen = self._state()
        return sum(seen[:3]) > 0 and seen != self._drawn

    def _state(self) -> tuple[int, ...]:
        sample = self._sample
        return sample.ok, sample.failed, sample.other, self.planned, int(self._ended.is_set())

    def _draw(self, client: Any, *, is_last: bool) -> None:
        from gmat_sweep.analysis.pictures.page import pictures_page

        began = time.thread_time()
        allowance = self._allowance()
        self._read_earlier(began, allowance / 2)
        least = _LEAST_RUNS if is_last or not self._spent else 0
        self._sample.read(allowance - (time.thread_time() - began), least)
        state = self._state()
        page = pictures_page(self._sample, self.planned, self._design, self._about, at_rest=is_last)
        ended = sum(state[:3])
        when = f"{datetime.now(UTC):%H:%M:%S} UTC"
        try:
            self._artifact.send(
                client, page, f"Pictures of {ended} of {self.planned} runs, drawn {when}"
            )
            self._drawn = state
        except (httpx.HTTPError, PrefectException) as error:
            _log.debug("the server did not take the pictures of the sweep: %s", error)

    def _read_earlier(self, began: float, seconds: float) -> None:
        """Take note of runs that earlier passes recorded, for so long."""
        for number, entry in enumerate(self._earlier, 1):
            self._sample.add(entry.run_id, entry.status, partial(_same, entry), earlier=True)
            if number % _LINES_AT_A_TIME == 0 and time.thread_time() - began >= seconds:
                return


def _earlier_entries(job: SweepJob) -> Iterator[ManifestEntry]:
    """Yield what is recorded of a sweep before this pass."""
    began = datetime.now(UTC)
    for entry in Manifest.iter_entries(job.manifest_path):
        if entry.ended_at > began:
            return
        yield entry


def _entry_of(spec: RunSpec, outcome: RunOutcome) -> ManifestEntry:
    return entry_of(spec, outcome, host=outcome.host or "")


def _same(entry: ManifestEntry) -> ManifestEntry:
    return entry


def _load() -> None:
    """Load what the summary at the end needs, too: it is not what pictures take."""
    for name in ("numpy", "pandas", "pyarrow.parquet", "scipy.special"):
        importlib.import_module(name)
    importlib.import_module("gmat_sweep.analysis.pictures.page")


_of_flow_runs: dict[UUID, Pictures] = {}


def pictures_of(flow_run_id: UUID, key: str, job: SweepJob) -> Pictures:
    """Return the pictures of a flow run, which has several passes if its sweep grows."""
    found = _of_flow_runs.get(flow_run_id)
    if found is None:
        found = _of_flow_runs[flow_run_id] = Pictures(flow_run_id, key, job)
    found.planned = job.planned
    return found


def last_pictures(flow_run_id: UUID) -> None:
    """Draw the runs of a flow run for the last time, when all have ended."""
    if (found := _of_flow_runs.pop(flow_run_id, None)) is not None:
        found.end(with_last=True)


def leave_pictures(flow_run_id: UUID | None) -> None:
    """Leave the pictures of a flow run as they are, if it ends without the last ones."""
    if flow_run_id is not None and (found := _of_flow_runs.pop(flow_run_id, None)) is not None:
        found.end(with_last=False)
