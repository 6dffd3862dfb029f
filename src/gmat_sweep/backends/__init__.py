"""The pools, in one module per back end.

Importing this package loads no library of a back end; a pool imports its own when it is used.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gmat_sweep.backends.base import Pool
    from gmat_sweep.backends.dask import DaskPool
    from gmat_sweep.backends.debug import DebugPool
    from gmat_sweep.backends.joblib import LocalJoblibPool
    from gmat_sweep.backends.process_pool import ProcessPoolExecutorPool
    from gmat_sweep.backends.ray import RayPool

__all__ = [
    "DaskPool",
    "DebugPool",
    "LocalJoblibPool",
    "Pool",
    "ProcessPoolExecutorPool",
    "RayPool",
]

_HOMES = {
    "DaskPool": "dask",
    "DebugPool": "debug",
    "LocalJoblibPool": "joblib",
    "Pool": "base",
    "ProcessPoolExecutorPool": "process_pool",
    "RayPool": "ray",
}
_EXTRAS = {
    "DaskPool": ("dask", ("distributed", "prefect_dask")),
    "RayPool": ("ray", ("ray", "prefect_ray")),
}

# Under `uv run`, Ray would have every Ray worker make an environment of its own.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")


def missing_extra(name: str) -> str | None:
    """Return a message that names the extra that a pool lacks; None when nothing is missing."""
    extra, packages = _EXTRAS.get(name, ("", ()))
    if all(importlib.util.find_spec(package) is not None for package in packages):
        return None
    return f"{name} requires the [{extra}] extra: pip install gmat-sweep[{extra}]"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    missing = missing_extra(name)
    if missing is not None:
        raise AttributeError(missing)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
