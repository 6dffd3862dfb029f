"""The GMAT engine: an installed GMAT, or the engine of the wheel presented as an install."""

from gmat_sweep.engine.engine import (
    CONDENSED_VARIABLE,
    DATA_VARIABLE,
    ROOT_VARIABLE,
    SCRATCH_VARIABLE,
    Engine,
)
from gmat_sweep.engine.finding import activate, find_engine, offer_wheel
from gmat_sweep.engine.presentation import read_presentation

__all__ = [
    "CONDENSED_VARIABLE",
    "DATA_VARIABLE",
    "ROOT_VARIABLE",
    "SCRATCH_VARIABLE",
    "Engine",
    "activate",
    "find_engine",
    "offer_wheel",
    "read_presentation",
]
