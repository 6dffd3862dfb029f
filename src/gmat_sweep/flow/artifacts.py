"""The artifacts of a sweep in the Prefect UI: its progress bar, its summary and its failures.

`gmat_sweep.flow.pictures` has one more.

A sweep of a million runs has as many artifacts as a sweep of one. Their keys are made from mission
and kind, so the artifacts of every night of a nightly sweep are versions of the same ones. A sweep
needs none of its artifacts. If the server does not take them, `publish` logs one warning, and the
progress bar logs on level DEBUG only.
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
from prefect.client.schemas.actions import ArtifactCreate
from prefect.exceptions import PrefectException

from gmat_sweep.analysis.report import sweep_report
from gmat_sweep.errors import GmatSweepError
from gmat_sweep.flow.kept_artifact import KeptArtifact
from gmat_sweep.flow.server import forget_unsent_events, server_is_gone

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from uuid import UUID

__all__ = ["ProgressArtifact", "publish", "publish_summary", "slug"]

_INTERVAL_S = 2.0
_LAST_WORD_S = 5.0
_SERVER_ERRORS = (httpx.HTTPError, PrefectException)

_log = logging.getLogger("gmat_sweep")


def slug(text: str) -> str:
    """Return `text` in lower-case letters, digits and dashes, as keys of artifacts must be."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "sweep"


class ProgressArtifact:
    """A progress bar in the UI, which a thread of its own keeps up to date.

    A slow or absent server does not delay the runs.

    Parameters
    ----------
    flow_run_id : UUID
        The flow run that the artifact belongs to.
    key : str
        Key of the artifact.
    percent, description : float, str
        What it shows at first.
    """

    def __init__(
        self, flow_run_id: UUID, key: str, percent: float = 0.0, description: str = ""
    ) -> None:
        self._artifact = KeptArtifact(flow_run_id, "progress", key)
        self._state = (percent, description)
        self._ended = threading.Event()
        # The copied context has the address of the server. A daemon keeps no program from ending.
        self._thread = threading.Thread(
            target=copy_context().run,
            args=(self._keep_up,),
            name="gmat-sweep-progress",
            daemon=True,
        )

    def show(self, percent: float, description: str) -> None:
        """Note how far it is, from 0 to 100, and what is to be read there."""
        self._state = (percent, description)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Show the last state; wait at most 5 s for the server to take it, if it is there."""
        self._ended.set()
        if not server_is_gone():
            self._thread.join(_LAST_WORD_S)

    def _keep_up(self) -> None:
        shown: tuple[float, str] | None = None
        ended = False
        with get_client(sync_client=True) as client:
            while True:
                state = self._state
                if server_is_gone():
                    # Here and not at the end of the runs only, which then comes the sooner.
                    forget_unsent_events()
                elif state != shown:
                    try:
                        self._artifact.send(client, *state)
                        shown = state
                    except _SERVER_ERRORS as error:
                        _log.debug("the server did not take the progress of the sweep: %s", error)
                if ended:
                    return
                ended = self._ended.wait(_INTERVAL_S)


def publish_summary(flow_run_id: UUID, key: str, manifest_path: Path) -> None:
    """Publish the summary of a sweep and the table of its failures, made from the manifest.

    Parameters
    ----------
    flow_run_id : UUID
        The flow run that the artifacts belong to.
    key : str
        Beginning of their keys.
    manifest_path : Path
        The manifest of the sweep.
    """
    try:
        report = sweep_report(manifest_path)
    except (OSError, ValueError, GmatSweepError) as error:
        _log.warning("no summary for the Prefect UI: %s", error)
        return
    summary = report.to_markdown(narrow=True)
    pieces = {f"{key}-summary": ("markdown", summary, "What came of the sweep")}
    failures = report.failure_rows()
    if failures:
        rows = json.dumps(failures)
        # The UI shows the beginning of a long cause in the table, and the description whole.
        description = f"Failed runs, grouped by cause:\n\n{report.failure_list()}"
        pieces[f"{key}-failures"] = ("table", rows, description)
    publish(flow_run_id, pieces)


def publish(flow_run_id: UUID, artifacts: dict[str, tuple[str, str, str]]) -> None:
    """Put artifacts on the server; log a warning if the server does not take them.

    Parameters
    ----------
    flow_run_id : UUID
        The flow run that the artifacts belong to.
    artifacts : dict of str to tuple
        By key: type, data and description.
    """
    if server_is_gone():
        _log.warning("the Prefect server is gone and did not take %s", ", ".join(artifacts))
        return
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
