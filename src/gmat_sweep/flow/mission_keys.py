"""Keys that tell missions of one file name in different folders apart.

Artifacts of a mission are versions of the same key, night by night, and its nights share a folder.
The first mission of a name holds the plain key; `mission_key` notes its place in
``GMAT_SWEEP_HOME``. A mission of that name in another folder gets a key with a hash of its place.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from pathlib import Path

from gmat_sweep.disk.paths import HOME_VARIABLE
from gmat_sweep.flow.artifacts import slug

__all__ = ["mission_key"]

_HOLDERS = ".mission-keys"
_HASH_LENGTH = 8

_log = logging.getLogger("gmat_sweep")


def mission_key(mission: Path, study: Path | None = None, *, home: Path | None = None) -> str:
    """Return what the names of folders, artifacts and events of a mission begin with.

    Parameters
    ----------
    mission : Path
        The mission script, as an absolute path.
    study : Path, optional
        The study file, where there is one: its name and place are part of the key.
    home : Path, optional
        The folder that relative paths in parameters start from; ``GMAT_SWEEP_HOME`` by default.

    Returns
    -------
    str
        Lower-case letters, digits and dashes: the names of the files, and a hash of their folders
        if a mission of this name in another folder was there first. So it is where nobody can tell:
        without ``GMAT_SWEEP_HOME``, or if nothing can be written there.

    Notes
    -----
    The holder of a plain key is a file in the folder ``.mission-keys``. A mission that has moved
    for good gets its old key back if somebody deletes that file.
    """
    files = [each for each in (mission, study) if each is not None]
    name = slug(" ".join(each.stem for each in files))
    if home is None:
        named = os.environ.get(HOME_VARIABLE)
        home = Path(named).expanduser().absolute() if named else None
    place = "\n".join(_place(each, home) for each in files)
    if home is not None and _holds(home / _HOLDERS / name, place):
        return name
    return f"{name}-{hashlib.sha256(place.encode()).hexdigest()[:_HASH_LENGTH]}"


def _place(file: Path, home: Path | None) -> str:
    """Return a file's path; one below `home` is named from there, as another host may mount it."""
    path = Path(os.path.normpath(file.absolute()))
    if home is not None and path.is_relative_to(home):
        return path.relative_to(home).as_posix()
    return path.as_posix()


def _holds(holder: Path, place: str) -> bool:
    """Return whether a place holds a name; the first that asks does."""
    try:
        holder.parent.mkdir(parents=True, exist_ok=True)
        # A link to a whole file: of several that ask at once one is first, and none reads half.
        own = holder.with_name(f".{holder.name}.{secrets.token_hex(8)}")
        own.write_text(place, encoding="utf-8")
        try:
            os.link(own, holder)
        except FileExistsError:
            return holder.read_text(encoding="utf-8") == place
        finally:
            own.unlink()
    except (OSError, UnicodeDecodeError) as error:
        _log.debug("who holds %s cannot be told: %s", holder, error)
        return False
    return True
