"""One run on the GMAT engine of this process. Names are imported on first use."""

from typing import TYPE_CHECKING

from gmat_sweep.lazy_names import lazy_names

if TYPE_CHECKING:
    from gmat_sweep.worker.hook import load_hook
    from gmat_sweep.worker.loading import MissionFacts, inspect_mission
    from gmat_sweep.worker.run import ENGINE_LOG_MARK, run_one

__all__ = ["ENGINE_LOG_MARK", "MissionFacts", "inspect_mission", "load_hook", "run_one"]

__getattr__ = lazy_names(
    __name__,
    {
        "ENGINE_LOG_MARK": "run",
        "MissionFacts": "loading",
        "inspect_mission": "loading",
        "load_hook": "hook",
        "run_one": "run",
    },
)
