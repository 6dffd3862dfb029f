"""``gmat-sweep ui``: the pages of sweeps, on the local server or on the one that is configured."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING

from gmat_sweep.cli.endings import EXIT_OK, say, tell

if TYPE_CHECKING:
    import argparse

__all__ = ["ui"]

# On these, programs reach the user's screen without being told which.
_HAVE_ONE_SCREEN = ("darwin", "win32")


def ui(arguments: argparse.Namespace) -> int:
    """Open the pages, start the local server for it if need be, or end that server.

    Raises
    ------
    BackendError
        The local server does not start, or must not be ended.
    """
    from gmat_sweep.flow.server import (
        configured_pages,
        end_local_server,
        local_server_lasts,
        shared_server,
    )

    if arguments.stop:
        ended = end_local_server()
        say("the local Prefect server has ended" if ended else "no local Prefect server runs")
        return EXIT_OK
    if (configured := configured_pages()) is not None:
        tell(configured)
        if arguments.browser:
            _browse(configured)
        return EXIT_OK
    server = shared_server()
    tell(server.record.link())
    if arguments.browser:
        _browse(server.page_for_a_browser().as_uri())
    if not local_server_lasts():
        say("the server ends with this command: press Ctrl-C")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return EXIT_OK


def _browse(address: str) -> None:
    """Open an address in the user's browser, if this is where the user's screen is."""
    import webbrowser

    # Without a screen, Python would open a browser in the terminal.
    has_screen = sys.platform in _HAVE_ONE_SCREEN or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if has_screen:
        webbrowser.open(address)
