"""Confinement: GMAT writes a run's output files into the run folder, whatever the script says.

A script may name an output by an absolute path, or by one with ``..``. Every run of a sweep would
then write that one file, outside of the sweep folder. Or it gives two outputs one name, or names a
folder that is not there. `confined` gives each output its place in the run folder while a run is
under way.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gmat_sweep.disk.held import make_folder, refuse_link
from gmat_sweep.mission.output_places import OutputPlace, own_place, plain_name
from gmat_sweep.worker.solver_tables import progress_shown

if TYPE_CHECKING:
    import gmat_run

__all__ = ["confined"]

ENGINE_LOG_NAME = "GmatLog.txt"
"""The engine's log in the folder of a run, as gmat-run names it."""

# GMAT's names for the kinds of objects that write files, and the field that names the file.
_WRITERS = (("SUBSCRIBER", "Filename"), ("EVENT_LOCATOR", "Filename"), ("SOLVER", "ReportFile"))


@contextmanager
def confined(
    mission: gmat_run.Mission,
    places: Mapping[str, OutputPlace],
    folder: Path,
    log: logging.Logger,
) -> Iterator[None]:
    """Confine the mission's outputs to the run folder while the block runs.

    GMAT itself opens them, and its log, by their paths: a link in the place of one is refused here.

    Parameters
    ----------
    mission : gmat_run.Mission
        The loaded mission; when the block ends, its fields are as before.
    places : mapping
        Where the outputs go that the script names, by target (``R.Filename``).
    folder : Path
        The run folder.
    log : logging.Logger
        The run's log, which gets a line for each output that was renamed.

    Raises
    ------
    NotPlainFileError
        A link, or something else than a plain file, stands where GMAT would write.
    """
    refuse_link(folder / ENGINE_LOG_NAME, within=folder.parent)
    taken = {place.place for place in places.values()}
    renamed = []
    for owner, field, name in list(_written_files(mission)):
        place = places.get(f"{owner}.{field}")
        if place is None:
            plain = PurePosixPath(plain_name(name).replace("\\", "/"))
            place = OutputPlace(name, name, str(own_place(plain, owner, taken)))
        _say(log, f"{owner}.{field}", place)
        path = folder / place.place
        refuse_link(path, within=folder.parent)
        if place.place == name:
            continue
        # GMAT looks for the folder as soon as it is told the name.
        make_folder(path.parent, within=folder.parent)
        _set(mission, owner, field, str(path))
        renamed.append((owner, field, name))
    try:
        with progress_shown(mission):
            yield
    finally:
        for owner, field, name in renamed:
            _set(mission, owner, field, name)


def _say(log: logging.Logger, target: str, place: OutputPlace) -> None:
    wanted = plain_name(place.declared)
    if wanted != place.declared:
        log.warning(
            "%s: %s is outside of the run's folder; wrote %s", target, place.declared, place.place
        )
    elif str(PurePosixPath(wanted.replace("\\", "/"))) != place.place:
        log.warning("%s: %s is taken; wrote %s", target, place.declared, place.place)


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
