"""Loading a mission on this process's engine, and asking the engine about it without running it.

`KEEPER` is the one mission that the process keeps loaded between runs.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep import engine
from gmat_sweep.causes import plain_refusal
from gmat_sweep.worker.mission_keeper import MissionKeeper

if TYPE_CHECKING:
    from collections.abc import Iterator

    import gmat_run

__all__ = [
    "KEEPER",
    "MissionFacts",
    "inspect_mission",
    "load_mission",
    "scratch_folder",
]


def load_mission(script_path: Path) -> gmat_run.Mission:
    """Load a script on this process's engine; if GMAT refuses it, the error has GMAT's log."""
    from gmat_run import GmatLoadError, Mission

    gmat = _engine_module()
    with _engine_log(gmat) as engine_log:
        try:
            return Mission.load(script_path)
        except GmatLoadError as error:
            gmat.UseLogFile(os.devnull)
            error.log = engine_log.read_text(encoding="utf-8", errors="replace")  # type: ignore[attr-defined]
            raise


@functools.cache
def _engine_module() -> Any:
    from gmat_run import bootstrap, locate_gmat

    engine.activate()
    return bootstrap(locate_gmat())


@contextmanager
def _engine_log(gmat: Any) -> Iterator[Path]:
    """Have the engine log to a file of this process's own while the block runs."""
    with tempfile.TemporaryDirectory(prefix="load-", dir=scratch_folder()) as scratch:
        path = Path(scratch) / "GmatLog.txt"
        gmat.UseLogFile(str(path))
        try:
            yield path
        finally:
            gmat.UseLogFile(os.devnull)


def scratch_folder() -> str | None:
    """Return the folder for this process's logs and checks; None is the system's temporary one."""
    return os.environ.get(engine.SCRATCH_VARIABLE)


KEEPER = MissionKeeper(load_mission)


@dataclass(frozen=True, slots=True)
class MissionFacts:
    """The engine's answers about a mission that it has loaded and not run.

    Attributes
    ----------
    resource_types : frozenset of str
        Every type of resource this engine can create.
    problems : tuple of str
        Why no run could use this script or these fields; empty when nothing is wrong.
    refused : dict of str to str
        Fields whose value GMAT refused, with its words. Another value may do.
    engine_log : str
        The engine's log of a refused script.
    """

    resource_types: frozenset[str]
    problems: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    engine_log: str = ""


def inspect_mission(script_path: Path | None, overrides: Mapping[str, Any]) -> MissionFacts:
    """Load a script and try `overrides` on it, without running it.

    Parameters
    ----------
    script_path : Path or None
        The script; None asks only for the resource types.
    overrides : mapping
        Dotted path to a value that a run will give to the field.
    """
    from gmat_run import GmatFieldError, GmatLoadError

    KEEPER.forget()
    gmat = _engine_module()
    types = frozenset(map(str, gmat.Moderator.Instance().GetListOfAllFactoryItems()))
    if script_path is None:
        return MissionFacts(types)
    try:
        mission = load_mission(script_path)
    except GmatLoadError as error:
        return MissionFacts(types, (str(error),), engine_log=getattr(error, "log", ""))
    problems, refused = [], {}
    for path, value in overrides.items():
        try:
            mission[path] = value
        except GmatFieldError as error:
            # gmat-run chains the engine's exception only where the engine itself said no.
            said_by_gmat = error.__cause__ is not None and "rejected" in str(error)
            if said_by_gmat:
                refused[path] = plain_refusal(str(error))
            else:
                problems.append(str(error))
    return MissionFacts(types, tuple(problems), refused)
