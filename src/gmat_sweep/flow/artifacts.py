"""What a sweep shows in the Prefect UI: a progress bar while it runs, a summary and its failures.

There are as many artifacts for a million runs as for one. Their keys are those of the mission and
of what is done with it, so the history of a nightly sweep is the versions of its artifacts. None of
them is needed for anything: where the server does not take one, that is said once in the log.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Self

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.exceptions import PrefectException

from gmat_sweep.analysis.report import sweep_report
from gmat_sweep.errors import GmatSweepError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient

__all__ = ["ProgressArtifact", "publish", "publish_summary", "slug"]

_INTERVAL_S = 2.0
_LAST_WORD_S = 5.0
_SERVER_ERRORS = (httpx.HTTPError, PrefectException)

_log = logging.getLogger("gmat_sweep")


def slug(text: str) -> str:
    """Return `text` in lower-case letters, digits and dashes, as keys of artifacts must be."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "sweep"


class ProgressArtifact:
    """A progress bar in the UI, kept up to date from a thread of its own.

    A server that is slow or away holds nothing up.

    Parameters
    ----------
    flow_run_id : UUID
        The flow run that it belongs to.
    key : str
        Its key.
    total : int
        How many runs there are.
    """

    def __init__(self, flow_run_id: UUID, key: str, total: int) -> None:
        self._flow_run_id = flow_run_id
        self._key = key
        self._total = total
        self._done = 0
        self._failed = 0
        self._ended = threading.Event()
        # In this thread's context, which knows the server; a program never waits for its end.
        self._thread = threading.Thread(
            target=copy_context().run,
            args=(self._keep_up,),
            name="gmat-sweep-progress",
            daemon=True,
        )

    def show(self, done: int, failed: int) -> None:
        """Note how many runs are done, and how many of them failed."""
        self._done, self._failed = done, failed

    def __enter__(self) -> Self:
        """Start showing."""
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Show the last state."""
        self._ended.set()
        self._thread.join(_LAST_WORD_S)

    def _keep_up(self) -> None:
        artifact_id, shown, ended = None, (-1, -1), False
        with get_client(sync_client=True) as client:
            while True:
                state = (self._done, self._failed)
                if state != shown:
                    try:
                        artifact_id = self._send(client, artifact_id, *state)
                        shown = state
                    except _SERVER_ERRORS as error:
                        _log.debug("the server did not take the progress of the sweep: %s", error)
                if ended:
                    return
                ended = self._ended.wait(_INTERVAL_S)

    def _send(
        self, client: SyncPrefectClient, artifact_id: UUID | None, done: int, failed: int
    ) -> UUID:
        percent = 100.0 * done / max(1, self._total)
        description = f"{done} of {self._total} runs done, {failed} failed"
        if artifact_id is None:
            return client.create_artifact(
                ArtifactCreate(
                    type="progress",
                    key=self._key,
                    data=percent,
                    description=description,
                    flow_run_id=self._flow_run_id,
                )
            ).id
        client.update_artifact(artifact_id, ArtifactUpdate(data=percent, description=description))
        return artifact_id


def publish_summary(flow_run_id: UUID, key: str, manifest_path: Path) -> None:
    """Publish the summary of a sweep and the table of its failures, made from the manifest.

    Parameters
    ----------
    flow_run_id : UUID
        The flow run that they belong to.
    key : str
        What their keys begin with.
    manifest_path : Path
        The sweep.
    """
    try:
        report = sweep_report(manifest_path)
    except (OSError, ValueError, GmatSweepError) as error:
        _log.warning("no summary for the Prefect UI: %s", error)
        return
    pieces = {f"{key}-summary": ("markdown", report.to_markdown(), "What came of the sweep")}
    failures = report.failure_rows()
    if failures:
        rows = json.dumps(failures)
        pieces[f"{key}-failures"] = ("table", rows, "Failed runs, grouped by cause")
    publish(flow_run_id, pieces)


def publish(flow_run_id: UUID, artifacts: dict[str, tuple[str, str, str]]) -> None:
    """Put artifacts on the server, or say in the log that it did not take them.

    Parameters
    ----------
    flow_run_id : UUID
        The flow run that they belong to.
    artifacts : dict of str to tuple
        By key: type, data and description.
    """
    try:
        with get_client(sync_client=True) as client:
            for key, (kind, data, description) in artifacts.items():
                client.create_artifact(
                    ArtifactCreate(
                        type=kind,
                        key=key,
                        data=data,
                        description=description,
                        flow_run_id=flow_run_id,
                    )
                )
    except _SERVER_ERRORS as error:
        _log.warning("the Prefect server did not take %s: %s", ", ".join(artifacts), error)
