"""Who runs this process, and on which machine."""

from __future__ import annotations

import getpass
import os
import socket

__all__ = ["current_user", "origin"]


def current_user() -> str:
    """Return the user's name, or ``uid <number>`` where the number has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def origin() -> dict[str, str]:
    """Return ``user`` and ``host``, as the header of a manifest records them."""
    return {"user": current_user(), "host": socket.gethostname()}
