"""The commands ``gmat-sweep nights prune`` and ``gmat-sweep sweeps prune``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.cli.endings import EXIT_OK, say, tell

if TYPE_CHECKING:
    import argparse

__all__ = ["prune"]


def prune(arguments: argparse.Namespace) -> int:
    """Print what goes and what is kept, a line each, and remove what goes unless it is a dry run.

    On standard output: ``remove`` or ``keep``, the folder, and the reason.
    """
    from gmat_sweep.analysis.nightly import retention

    look = retention.nights_in if arguments.command == "nights" else retention.sweeps_in
    place = Path(arguments.folder)
    found = look(place, arguments.keep)
    for each in found:
        tell(f"{'remove' if each.goes else 'keep  '} {each.path} ({each.reason})")
    leaving = sum(each.goes for each in found)
    if arguments.dry_run:
        say(f"{leaving} of {len(found)} {arguments.command} would go; nothing was removed")
        return EXIT_OK
    gone = retention.prune(place, found)
    say(f"{len(gone)} of {len(found)} {arguments.command} removed")
    return EXIT_OK
