"""A back end whose extra is not installed says what to install, and the others work."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec

import pytest

from gmat_sweep import backends
from gmat_sweep.backends.dask import DaskPool
from gmat_sweep.backends.ray import RayPool
from gmat_sweep.errors import BackendError


@pytest.fixture
def without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the extras install."""
    find = importlib.util.find_spec

    def found(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in {"distributed", "ray"} else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", found)


@pytest.mark.usefixtures("without_extras")
@pytest.mark.parametrize(("pool", "extra"), [(DaskPool, "dask"), (RayPool, "ray")])
def test_a_missing_extra_is_named(pool: type[DaskPool | RayPool], extra: str) -> None:
    said = rf"{pool.__name__} requires the \[{extra}\] extra: pip install gmat-sweep\[{extra}\]"

    with pytest.raises(BackendError, match=said):
        pool()
    with pytest.raises(AttributeError, match=said):
        getattr(backends, pool.__name__)
    assert backends.LocalJoblibPool is not None
