"""A sweep: runs, a pool and a manifest in one object that can run, resume and read.

`Sweep` is imported on first use, so that importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmat_sweep.sweep.running import Sweep

__all__ = ["Sweep"]


def __getattr__(name: str) -> object:
    if name != "Sweep":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.running").Sweep
