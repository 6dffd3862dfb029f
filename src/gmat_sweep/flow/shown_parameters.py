"""Parameters of a flow run on its page: those that were left out get the value that they came to.

A seed that was drawn, and the number of runs that a study asks for, stand on the page of the flow
run then, and a copy of the flow run flies the same. A sweep does not need it: if the server does
not take the values, a line on level DEBUG says so.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException

from gmat_sweep.flow.server import server_is_gone

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["seed_to_show", "show_parameters"]

# A browser reads numbers of JSON into 53 bits.
_BITS_OF_A_PAGE = 53

_log = logging.getLogger("gmat_sweep")


def seed_to_show() -> int:
    """Return a seed from the operating system's entropy that a page shows to its last digit."""
    return secrets.randbits(_BITS_OF_A_PAGE)


def show_parameters(flow_run_id: UUID, **values: Any) -> None:
    """Set parameters of a flow run that were left out, on the server alone.

    Parameters
    ----------
    flow_run_id : UUID
        The flow run that is under way.
    **values
        Values by the name of their parameter. None, and a parameter that was given, change nothing.
    """
    if server_is_gone():
        return
    try:
        with get_client(sync_client=True) as client:
            given = client.read_flow_run(flow_run_id).parameters
            left_out = {
                name: value
                for name, value in values.items()
                if value is not None and given.get(name) is None
            }
            if left_out:
                client.update_flow_run(flow_run_id, parameters={**given, **left_out})
    except (httpx.HTTPError, PrefectException) as error:
        _log.debug("the server did not take the parameters of the flow run: %s", error)
