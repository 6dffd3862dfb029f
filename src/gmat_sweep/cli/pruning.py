"""The commands ``gmat-sweep nights prune`` and ``gmat-sweep sweeps prune``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmat_sweep.cli.endings import EXIT_OK, say, tell
from gmat_sweep.cli.nights import folder_of_nights
from gmat_sweep.disk.paths import absolute_path, user_path

if TYPE_CHECKING:
    import argparse

__all__ = ["prune"]


def prune(arguments: argparse.Namespace) -> int:
    """Print what goes and what is kept, a line each, and remove what goes unless it is a dry run.

    On standard output: ``remove`` or ``keep``, the folder, and the reason.
    """
    from gmat_sweep.analysis.nightly import retention

    # Named as the caller named it, in what is printed.
    named = arguments.folder
    if named is not None:
        absolute_path(named, "folder")
    place = folder_of_nights(None) if named is None else user_path(named, "folder")
    if arguments.command == "nights":
        keep_evidence = arguments.keep_evidence
        found = retention.nights_in(place, arguments.keep, keep_evidence=keep_evidence)
    else:
        found = retention.sweeps_in(place, arguments.keep)
    for each in found:
        lost = ", with evidence" if each.goes and each.is_evidence else ""
        tell(f"{'remove' if each.goes else 'keep  '} {each.path} ({each.reason}{lost})")
    if losing := sum(each.goes and each.is_evidence for each in found):
        say(
            f"evidence for requirements stands on {losing} of the nights that go, and is lost with "
            "them: it then begins at a later night. --keep-evidence keeps them"
        )
    leaving = sum(each.goes for each in found)
    if arguments.dry_run:
        say(f"{leaving} of {len(found)} {arguments.command} would go; nothing was removed")
        return EXIT_OK
    gone = retention.prune(place, found)
    say(f"{len(gone)} of {len(found)} {arguments.command} removed")
    return EXIT_OK
