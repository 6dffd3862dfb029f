"""Make or update the automations of ``automations.yaml`` on the Prefect server in use."""

from __future__ import annotations

import asyncio
from pathlib import Path

import yaml
from prefect.automations import AutomationCore
from prefect.client.orchestration import get_client

AUTOMATIONS = Path(__file__).resolve().parent / "automations.yaml"


async def main() -> None:
    """Put every automation on the server; one of the same name is replaced."""
    wanted = [
        AutomationCore.model_validate(each)
        for each in yaml.safe_load(AUTOMATIONS.read_text(encoding="utf-8"))
    ]
    async with get_client() as client:
        for automation in wanted:
            known = await client.read_automations_by_name(automation.name)
            if known:
                await client.update_automation(known[0].id, automation)
            else:
                await client.create_automation(automation)
            print(f"automation: {automation.name}")


if __name__ == "__main__":
    asyncio.run(main())
