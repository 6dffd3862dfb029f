"""Where GMAT is: an installed one, or the engine of the wheel presented as an install."""

from gmat_sweep.engine.finding import (
    CONDENSED_VARIABLE,
    DATA_VARIABLE,
    NOTABLE_TYPES,
    ROOT_VARIABLE,
    SCRATCH_VARIABLE,
    Engine,
    activate,
    find_engine,
    offer_wheel,
)

__all__ = [
    "CONDENSED_VARIABLE",
    "DATA_VARIABLE",
    "NOTABLE_TYPES",
    "ROOT_VARIABLE",
    "SCRATCH_VARIABLE",
    "Engine",
    "activate",
    "find_engine",
    "offer_wheel",
]
