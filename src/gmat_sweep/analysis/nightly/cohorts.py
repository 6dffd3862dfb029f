"""The two cohorts of a night: the same draws every night, and new ones.

The *frozen* cohort has one seed for all nights, so its runs are compared one by one with those of
other nights. The *rotating* cohort has a seed of its own each night: its runs are new evidence for
requirements. A night that has both keeps the frozen one in its own folder and the rotating one in
the folder `ROTATING_FOLDER` within it; a night of one cohort has no such folder.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import MANIFEST_NAME, ROTATING_FOLDER

__all__ = [
    "NIGHT_FORMAT",
    "all_nights",
    "cohorts_of",
    "date_of",
    "is_rotating",
    "missions_with_nights",
    "rotating_folder",
    "rotating_seed",
    "sweeps_of",
]

NIGHT_FORMAT = "%Y-%m-%dT%H%M%SZ"
"""How the flow ``nightly-dispersion`` names a night, by the time it was scheduled for, in UTC."""

# A night that another program flies may be named by its date alone.
_DATED = re.compile(r"\d{4}-\d\d-\d\d")
_EPOCH = date(1970, 1, 1)


def rotating_seed(seed: int, night: date) -> int:
    """Return the seed of a night's rotating cohort.

    It is the first 32-bit word of ``numpy.random.SeedSequence([seed, days since 1970-01-01])``:
    the same for a night that is retried, and another for each night and each `seed`.

    Parameters
    ----------
    seed : int
        The seed of the nightly job, 0 or more.
    night : date
        The day of the night's scheduled time, in UTC; a `datetime` counts by its date.

    Raises
    ------
    SweepConfigError
        The seed is negative, or the night before 1970.

    Examples
    --------
    >>> rotating_seed(0, date(2026, 11, 20)) == rotating_seed(0, date(2026, 11, 21))
    False
    """
    import numpy as np

    if isinstance(night, datetime):
        night = night.astimezone(UTC).date() if night.tzinfo else night.date()
    days = (night - _EPOCH).days
    if seed < 0 or days < 0:
        raise SweepConfigError(
            f"seed {seed} on {night.isoformat()}: nights have a seed of 0 or more, from 1970 on."
        )
    return int(np.random.SeedSequence([seed, days]).generate_state(1)[0])


def rotating_folder(night: Path) -> Path:
    """Return the sweep folder of a night's rotating cohort, where the night has a frozen one."""
    return night / ROTATING_FOLDER


def is_rotating(sweep: Path) -> bool:
    """Return whether a sweep folder is that of a rotating cohort beside a frozen one."""
    return sweep.name == ROTATING_FOLDER and _DATED.match(sweep.parent.name) is not None


def sweeps_of(night: Path) -> tuple[Path, ...]:
    """Return the sweep folders of a night that have a manifest: its own, then the rotating one."""
    places = (night, rotating_folder(night))
    return tuple(place for place in places if (place / MANIFEST_NAME).is_file())


def cohorts_of(night: Path) -> tuple[Path, ...]:
    """Return the sweep folders of a night, also of a cohort that has no manifest yet."""
    rotating = rotating_folder(night)
    return (night, rotating) if rotating.is_dir() else (night,)


def date_of(night: Path) -> date:
    """Return the day that a night was scheduled for, in UTC, by its folder's name.

    Raises
    ------
    SweepConfigError
        The name is not that of a night.
    """
    try:
        return date.fromisoformat(night.name[:10])
    except ValueError:
        raise SweepConfigError(
            f"{night} is no night, whose name is a time such as 2026-11-20T033000Z."
        ) from None


def all_nights(place: Path) -> list[Path]:
    """Return the nights in a folder of nights that have flown something, the oldest first.

    Those are the folders with a manifest whose names begin with a date.

    Raises
    ------
    SweepConfigError
        There is no such folder, or it has no night.
    """
    if not place.is_dir():
        raise SweepConfigError(f"{place} is no folder. Name a folder of nights.")
    nights = _nights_in(place)
    if not nights:
        raise SweepConfigError(
            f"{place} has no nights, which are folders with names such as 2026-11-20T033000Z. Name "
            "the folder of one mission's nights, such as nights/injection."
        )
    return nights


def missions_with_nights(place: Path) -> list[Path]:
    """Return the folders of nights in a folder of missions, such as ``nights``, by name."""
    if not place.is_dir():
        return []
    return sorted(each for each in place.iterdir() if each.is_dir() and _nights_in(each))


def _nights_in(place: Path) -> list[Path]:
    return sorted(each for each in place.iterdir() if _DATED.match(each.name) and sweeps_of(each))
