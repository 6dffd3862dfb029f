"""The pools, in one module per back end.

Importing this package loads no library of a back end; a pool imports its own when it is used.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
from typing import TYPE_CHECKING, Any

from gmat_sweep.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def require_extra(name: str) -> None:
    """Import the library of a pool's back end, or say which extra the pool lacks.

    Raises
    ------
    BackendError
        The library or Prefect's part for it is not installed, or cannot be imported; the
        ImportError is its cause.
    """
    _, packages = _EXTRAS[name]
    with needs_extra(name):
        for package in packages:
            _import(package, only_look=package != packages[0])


@contextlib.contextmanager
def needs_extra(name: str) -> Iterator[None]:
    """Turn an ImportError of a block into the BackendError that names the extra of a pool."""
    try:
        yield
    except ImportError as error:
        extra, _ = _EXTRAS[name]
        why = "" if isinstance(error, ModuleNotFoundError) else f" ({error})"
        raise BackendError(
            f"{name} requires the [{extra}] extra: pip install gmat-sweep[{extra}]{why}"
        ) from error


def _import(package: str, *, only_look: bool) -> None:
    if importlib.util.find_spec(package) is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    # Prefect's part needs seconds, and the flow imports it anyway.
    if not only_look:
        importlib.import_module(package)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    missing = missing_extra(name)
    if missing is not None:
        raise AttributeError(missing)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
