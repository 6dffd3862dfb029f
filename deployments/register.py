"""Put the deployments of ``prefect.yaml`` on the Prefect server in use, then the automations.

``TIMEZONE`` in the environment is the time zone of the schedules, such as ``America/New_York``. A
schedule that the server has already stays as a person left it: whether it is on, its time, and its
time zone unless ``TIMEZONE`` names one. So a schedule that is shipped off stays on once somebody
has turned it on, however often this program runs.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.flows import load_flow_from_entrypoint

if TYPE_CHECKING:
    from prefect.client.schemas.responses import DeploymentResponse

HERE = Path(__file__).resolve().parent
TIMEZONE = "TIMEZONE"


def main() -> int:
    """Register all of it; 1 if the time zone is none."""
    timezone = os.environ.get(TIMEZONE, "").strip() or None
    if timezone is not None and not is_timezone(timezone):
        message = f"TIMEZONE={timezone} is no time zone. Name one such as America/New_York."
        print(f"register: {message}", file=sys.stderr)
        return 1
    file = yaml.safe_load((HERE / "prefect.yaml").read_text(encoding="utf-8"))
    for deployment in file["deployments"]:
        if "schedules" in deployment:
            known = asyncio.run(_known(deployment))
            deployment["schedules"] = schedules(deployment["schedules"], known, timezone)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "prefect.yaml"
        written.write_text(yaml.safe_dump(file, sort_keys=False), encoding="utf-8")
        deploy = ("--no-prompt", "deploy", "--all", "--prefect-file", written)
        subprocess.run([sys.executable, "-P", "-m", "prefect", *map(str, deploy)], check=True)
    subprocess.run([sys.executable, HERE / "automations.py"], check=True)
    for deployment in file["deployments"]:
        for each in deployment.get("schedules", []):
            on = "on" if each["active"] else "off: turn it on at the deployment's page"
            print(f"schedule:   {deployment['name']} {each['cron']} {each['timezone']}, {on}")
    return 0


def schedules(
    shipped: list[dict[str, Any]], known: DeploymentResponse | None, timezone: str | None
) -> list[dict[str, Any]]:
    """Return the schedules to put on the server.

    Parameters
    ----------
    shipped : list of dict
        Those of the file.
    known : DeploymentResponse or None
        The deployment as the server has it; None if it has none.
    timezone : str or None
        What a person asks for.
    """
    found = [
        {
            "cron": each.schedule.cron,
            "timezone": each.schedule.timezone or "UTC",
            "active": bool(each.active),
        }
        for each in (known.schedules if known is not None else [])
        if isinstance(each.schedule, CronSchedule)
    ]
    return [
        each if timezone is None else {**each, "timezone": timezone} for each in found or shipped
    ]


def is_timezone(name: str) -> bool:
    """Return whether a name is that of a time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


async def _known(deployment: dict[str, Any]) -> DeploymentResponse | None:
    flow: Any = load_flow_from_entrypoint(deployment["entrypoint"])
    async with get_client() as client:
        try:
            return await client.read_deployment_by_name(f"{flow.name}/{deployment['name']}")
        except ObjectNotFound:
            return None


if __name__ == "__main__":
    sys.exit(main())
