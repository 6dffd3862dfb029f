"""Make or update the automations of ``automations.yaml`` on the Prefect server in use.

``GMAT_SWEEP_WEBHOOK`` in the environment is an address that takes JSON with a field ``text`` by
POST, as the incoming webhooks of Slack and Mattermost do. It is kept on the server as the
notification block ``gmat-sweep-webhook``, encrypted there, and every automation sends to it. Later
calls without the variable go on using the block.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import yaml
from prefect.automations import AutomationCore
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.types import SecretDict

AUTOMATIONS = Path(__file__).resolve().parent / "automations.yaml"
WEBHOOK = "GMAT_SWEEP_WEBHOOK"
BLOCK = "gmat-sweep-webhook"


async def main() -> int:
    """Put every automation on the server; one of the same name is replaced."""
    address = os.environ.get(WEBHOOK, "").strip()
    if address and not is_address(address):
        # The address is a secret: it is not repeated.
        print(f"automations: {WEBHOOK} is no address of http or https.", file=sys.stderr)
        return 1
    async with get_client() as client:
        if address:
            await webhook_block(address).asave(BLOCK, overwrite=True)
        block = await _block_id(client)
        for each in yaml.safe_load(AUTOMATIONS.read_text(encoding="utf-8")):
            automation = AutomationCore.model_validate(with_notification(each, block))
            known = await client.read_automations_by_name(automation.name)
            if known:
                await client.update_automation(known[0].id, automation)
            else:
                await client.create_automation(automation)
            print(f"automation: {automation.name}")
    told = f"block {BLOCK}" if block else f"nobody: set {WEBHOOK} and deploy again"
    print(f"they tell:  {told}")
    return 0


def with_notification(automation: dict[str, Any], block: UUID | None) -> dict[str, Any]:
    """Return an automation of the file as Prefect takes it.

    Parameters
    ----------
    automation : dict
        An element of the file; ``notification`` is what to say, its ``subject`` and ``body``.
    block : UUID or None
        The notification block that takes it; without one the automation does the rest alone.
    """
    rest = {key: value for key, value in automation.items() if key != "notification"}
    if block is None or "notification" not in automation:
        return rest
    actions = [each for each in rest["actions"] if each["type"] != "do-nothing"]
    notification = {"type": "send-notification", "block_document_id": str(block)}
    return {**rest, "actions": [*actions, {**notification, **automation["notification"]}]}


def webhook_block(address: str) -> CustomWebhookNotificationBlock:
    """Return the block that posts a notification to an address."""
    return CustomWebhookNotificationBlock(
        name="gmat-sweep",
        # By name, so that the address itself is among what the server encrypts and does not show.
        url="{{address}}",
        headers=None,
        cookies=None,
        json_data={"text": "{{subject}}\n{{body}}"},
        secrets=SecretDict({"address": address}),
    )


def is_address(text: str) -> bool:
    """Return whether a text is an address of http or https."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


async def _block_id(client: PrefectClient) -> UUID | None:
    slug = CustomWebhookNotificationBlock.get_block_type_slug()
    try:
        return (await client.read_block_document_by_name(BLOCK, slug)).id
    except ObjectNotFound:
        return None


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
