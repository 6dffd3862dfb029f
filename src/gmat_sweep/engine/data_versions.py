"""`data_versions`: which data an engine reads, of those that are replaced as time goes by."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gmat_sweep.engine.startup_keys import FILE_KEYS

if TYPE_CHECKING:
    from gmat_sweep.engine.engine import Engine

__all__ = ["data_versions"]

# Leap seconds, Earth orientation, solar flux: the other data are those of the release.
_REPLACED = ("EOP_FILE", "LEAP_SECS_FILE", "CSSI_FLUX_FILE", "SCHATTEN_FILE")
_HASH_SHOWN = 12


def data_versions(engine: Engine) -> dict[str, str]:
    """Return the beginning of the SHA-256 of each file, by its name.

    They are a few megabytes, and are read from GMAT's usual places. ``inputs.json`` of a night has
    the hashes of all data.

    Parameters
    ----------
    engine : Engine
        The engine.
    """
    found: dict[str, str] = {}
    for key in _REPLACED:
        for name in FILE_KEYS[key]:
            try:
                with (engine.root / "data" / name).open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                # An engine without it flies what does not need it.
                continue
            found[name.rpartition("/")[2]] = digest[:_HASH_SHOWN]
    return found
