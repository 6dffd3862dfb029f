"""gmat-run without pandas, until something needs it.

gmat-run imports pandas at its top, and a worker whose reports go to Parquet by way of Arrow never
uses it. `import_gmat_run` imports gmat-run with a stand-in for pandas. The first use of the
stand-in imports pandas and puts it in its place everywhere, so that all of gmat-run works as ever;
any other code that imports pandas gets the real one.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

__all__ = ["import_gmat_run"]

_PACKAGE = "gmat_run"


def import_gmat_run() -> None:
    """Import gmat-run; pandas stays away if it is not loaded yet."""
    if "pandas" in sys.modules or _PACKAGE in sys.modules:
        importlib.import_module(_PACKAGE)
        return
    stand_in = _StandIn("pandas")
    sys.modules["pandas"] = stand_in
    try:
        importlib.import_module(_PACKAGE)
    except Exception:  # noqa: BLE001 - a release that asks more of pandas at once gets pandas
        for name in _modules():
            del sys.modules[name]
        is_imported = False
    else:
        is_imported = True
    finally:
        del sys.modules["pandas"]
        stand_in.is_asleep = False
    if not is_imported:
        importlib.import_module(_PACKAGE)


def _modules() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]


class _StandIn(ModuleType):
    """Pandas, as long as nobody needs it."""

    is_asleep = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self.is_asleep:
            return _Later((name,))
        pandas = importlib.import_module("pandas")
        for module in map(sys.modules.get, _modules()):
            for known, value in list(vars(module).items()):
                if value is self:
                    setattr(module, known, pandas)
                elif isinstance(value, _Later):
                    setattr(module, known, value.real())
        return getattr(pandas, name)


class _Later:
    """Something of pandas that gmat-run names while it is imported: in annotations, as a constant.

    Parameters
    ----------
    path : tuple of str
        Its names below pandas.
    arguments : tuple, optional
        What it was called with.
    """

    def __init__(self, path: tuple[str, ...], arguments: tuple[Any, ...] | None = None) -> None:
        self._path = path
        self._arguments = arguments

    def real(self) -> Any:
        """Return what it stands for."""
        found: Any = importlib.import_module("pandas")
        for name in self._path:
            found = getattr(found, name)
        return found if self._arguments is None else found(*self._arguments)

    def __call__(self, *arguments: Any) -> _Later:
        return _Later(self._path, arguments)

    def __getattr__(self, name: str) -> _Later:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Later((*self._path, name))

    def __getitem__(self, _: object) -> _Later:
        return self

    def __or__(self, _: object) -> _Later:
        return self

    __ror__ = __or__

    def __add__(self, other: Any) -> Any:
        return self.real() + other

    def __radd__(self, other: Any) -> Any:
        return other + self.real()

    def __sub__(self, other: Any) -> Any:
        return self.real() - other

    def __rsub__(self, other: Any) -> Any:
        return other - self.real()
