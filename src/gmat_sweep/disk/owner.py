"""Who runs this process, and on which machine."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from typing import Any

__all__ = ["current_user", "is_own", "origin"]


def current_user() -> str:
    """Return the user's name, or ``uid <number>`` where the number has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def origin() -> dict[str, str]:
    """Return ``user`` and ``host``, as the header of a manifest records them."""
    return {"user": current_user(), "host": socket.gethostname()}


def is_own(header: Mapping[str, Any]) -> bool:
    """Return whether a manifest's header says that this user wrote it on this machine."""
    writer = header.get("created_by")
    return isinstance(writer, dict) and {key: writer.get(key) for key in origin()} == origin()
