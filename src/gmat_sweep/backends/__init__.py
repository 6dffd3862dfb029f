"""Where runs execute: one module per back end.

A back end's own library is imported when the back end is used.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gmat_sweep.backends.base import Pool
    from gmat_sweep.backends.debug import DebugPool
    from gmat_sweep.backends.joblib import LocalJoblibPool
    from gmat_sweep.backends.process_pool import ProcessPoolExecutorPool

# Where a program is started by `uv run`, Ray would start each of its workers by that again.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

__all__ = ["DebugPool", "LocalJoblibPool", "Pool", "ProcessPoolExecutorPool"]

_HOMES = {
    "DebugPool": "debug",
    "LocalJoblibPool": "joblib",
    "Pool": "base",
    "ProcessPoolExecutorPool": "process_pool",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
