"""The engine's own tables: leap seconds, and how its axes lie in ICRF."""

from __future__ import annotations

import functools
from pathlib import Path

from gmat_sweep.engine.finding import find_engine
from gmat_sweep.engine.startup_files import startup_files
from gmat_sweep.errors import EngineError
from gmat_sweep.export.scales import LeapSeconds
from gmat_sweep.export.systems import IcrfTurn

__all__ = ["icrf_turn", "leap_seconds"]


def leap_seconds() -> LeapSeconds:
    """Return the leap seconds of the engine that is found.

    Raises
    ------
    EngineError, SweepConfigError
        There is no engine, or no such file.
    """
    return _leap_seconds(_file("LEAP_SECS_FILE"))


def icrf_turn() -> IcrfTurn:
    """Return the turn to ICRF of the engine that is found.

    Raises
    ------
    EngineError, SweepConfigError
        There is no engine, or no such file.
    """
    return _icrf_turn(_file("ICRF_FILE"))


def _file(key: str) -> Path:
    engine = find_engine()
    path = startup_files(engine.root).get(key)
    if path is None:
        raise EngineError(
            f"{engine.describe()} names no {key} that is there. Restore its startup file and data."
        )
    return path


@functools.lru_cache(maxsize=2)
def _leap_seconds(path: Path) -> LeapSeconds:
    return LeapSeconds.read(path)


@functools.lru_cache(maxsize=2)
def _icrf_turn(path: Path) -> IcrfTurn:
    return IcrfTurn.read(path)
