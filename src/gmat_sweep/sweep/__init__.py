"""A sweep: runs, a pool and a manifest in one object that can run, resume and read.

`Sweep` is imported on first use, so that importing this package costs nothing.
"""

from typing import TYPE_CHECKING

from gmat_sweep.lazy_names import lazy_names

if TYPE_CHECKING:
    from gmat_sweep.sweep.running import Sweep

__all__ = ["Sweep"]

__getattr__ = lazy_names(__name__, {"Sweep": "running"})
