"""A back end whose extra is not installed says what to install, and the others work."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from gmat_sweep import backends
from gmat_sweep.backends.dask import DaskPool
from gmat_sweep.backends.ray import RayPool
from gmat_sweep.errors import BackendError
from gmat_sweep.flow.runners.choice import runner_for


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

    with pytest.raises(BackendError, match=said) as refused:
        pool()
    assert isinstance(refused.value.__cause__, ImportError)
    with pytest.raises(AttributeError, match=said):
        getattr(backends, pool.__name__)
    assert backends.LocalJoblibPool is not None


@pytest.mark.parametrize(
    ("pool", "library"),
    [(DaskPool, "distributed"), (RayPool, "ray"), (DaskPool, "prefect_dask")],
)
def test_a_library_that_cannot_be_imported_is_the_cause(
    pool: type[DaskPool | RayPool],
    library: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / f"{library}.py").write_text("raise ImportError('libGL.so.1 is missing')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)

    # Prefect's part is imported when a flow takes the pool.
    monkeypatch.delitem(sys.modules, "gmat_sweep.flow.runners.dask", raising=False)
    used = pool if library in {"distributed", "ray"} else lambda: runner_for(pool(), 1)

    with pytest.raises(BackendError, match=r"requires .* extra: .*libGL\.so\.1 is miss") as refused:
        used()
    assert isinstance(refused.value.__cause__, ImportError)
