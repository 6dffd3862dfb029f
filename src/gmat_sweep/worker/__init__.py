"""One run on the GMAT engine of this process. Names are imported on first use."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmat_sweep.worker.hook import load_hook
    from gmat_sweep.worker.loading import MissionFacts, inspect_mission
    from gmat_sweep.worker.run import ENGINE_LOG_MARK, run_one

__all__ = ["ENGINE_LOG_MARK", "MissionFacts", "inspect_mission", "load_hook", "run_one"]

_HOMES = {
    "ENGINE_LOG_MARK": "run",
    "MissionFacts": "loading",
    "inspect_mission": "loading",
    "load_hook": "hook",
    "run_one": "run",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
