"""An artifact of a flow run that is brought up to date in place, however often it changes.

Prefect keeps a row for each version that is created. One that changes while a sweep flies is
created once, and then changed by PATCH; a flow run that is retried goes on with the one that it
has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
)
from prefect.runtime import flow_run as this_flow_run

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient

__all__ = ["KeptArtifact"]


class KeptArtifact:
    """One artifact of a flow run.

    Parameters
    ----------
    flow_run_id : UUID
        The flow run.
    kind : str
        ``progress`` or ``markdown``.
    key : str
        Key of the artifact.
    """

    # What an earlier pass of the same flow run made is brought up to date: a sweep that grows by
    # batches has one.
    _made: ClassVar[dict[tuple[UUID, str], UUID]] = {}

    def __init__(self, flow_run_id: UUID, kind: str, key: str) -> None:
        self._flow_run_id = flow_run_id
        self._kind = kind
        self._key = key
        # Asked here, in the flow, and not in the thread that sends.
        self._is_retry = int(this_flow_run.run_count or 0) > 1

    def send(self, client: SyncPrefectClient, data: Any, description: str) -> None:
        """Make the artifact, or bring it up to date.

        Raises
        ------
        httpx.HTTPError, PrefectException
            The server did not take it.
        """
        made = (self._flow_run_id, self._key)
        if made not in self._made and self._is_retry:
            self._find(client)
        if made in self._made:
            update = ArtifactUpdate(data=data, description=description)
            client.update_artifact(self._made[made], update)
            return
        self._made[made] = client.create_artifact(
            ArtifactCreate(
                type=self._kind,
                key=self._key,
                data=data,
                description=description,
                flow_run_id=self._flow_run_id,
            )
        ).id

    def _find(self, client: SyncPrefectClient) -> None:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(
                key=ArtifactFilterKey(any_=[self._key]),
                flow_run_id=ArtifactFilterFlowRunId(any_=[self._flow_run_id]),
            ),
            limit=1,
        )
        for each in found:
            self._made[self._flow_run_id, self._key] = each.id
