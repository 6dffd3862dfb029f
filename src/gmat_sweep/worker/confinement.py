"""Confinement: GMAT writes a run's output files into the run folder, whatever the script says.

A script may name an output by an absolute path, or by one with ``..``. Every run of a sweep would
then write that one file, outside of the sweep folder. `confined` gives such an output its plain
file name while a run is under way; gmat-run then puts it into the run folder, as it does with
relative names.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gmat_run

__all__ = ["confined", "plain_name"]

# GMAT's names for the kinds of objects that write files, and the field that names the file.
_WRITERS = (("SUBSCRIBER", "Filename"), ("EVENT_LOCATOR", "Filename"), ("SOLVER", "ReportFile"))


@contextmanager
def confined(mission: gmat_run.Mission, log: logging.Logger) -> Iterator[None]:
    """Confine the mission's outputs to the run folder while the block runs.

    Parameters
    ----------
    mission : gmat_run.Mission
        The loaded mission; when the block ends, its fields are as before.
    log : logging.Logger
        The run's log, which gets a line for each output that was renamed.
    """
    written = list(_written_files(mission))
    taken = {name for _, _, name in written}
    renamed = []
    for owner, field, name in written:
        if (plain := plain_name(name)) == name:
            continue
        if plain in taken:
            plain = f"{owner}-{plain}"
        taken.add(plain)
        log.warning("%s.%s: %s is outside of the run's folder; wrote %s", owner, field, name, plain)
        _set(mission, owner, field, plain)
        renamed.append((owner, field, name))
    try:
        yield
    finally:
        for owner, field, name in renamed:
            _set(mission, owner, field, name)


def plain_name(name: str) -> str:
    """Return `name` itself if it stays in the folder it is relative to, else its last part.

    `name` may be a path in the form of Windows or in that of all other systems.
    """
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if posix.is_absolute() or windows.anchor or ".." in windows.parts:
        return windows.name if windows.name not in ("", "..") else "output.txt"
    return name


def _written_files(mission: gmat_run.Mission) -> Iterator[tuple[str, str, str]]:
    gmat = mission.gmat
    moderator = gmat.Moderator.Instance()
    for kind, field in _WRITERS:
        for owner in moderator.GetListOfObjects(getattr(gmat, kind)):
            writer = gmat.GetObject(owner)
            try:
                name = str(writer.GetField(field))
            except gmat.APIException:
                # A plot, for one, has no such field.
                continue
            yield str(owner), field, name


def _set(mission: gmat_run.Mission, owner: str, field: str, name: str) -> None:
    mission.gmat.GetObject(owner).SetField(field, name)
