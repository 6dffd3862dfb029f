"""Whether others than this package have used the engine of this process.

A mission that is kept between runs is only what it was as long as nobody else loads a script, sets
a field or runs something. A postprocess hook may do all of that, and so may the program around a
`DebugPool`. Python tells when a function of gmatpy begins (``sys.monitoring``), at no cost to any
other code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any

__all__ = ["WATCH", "EngineWatch"]

# Free for anybody's use; debuggers, coverage and profilers have numbers of their own.
_TOOL_IDS = (4, 3)
_NAME = "gmat-sweep"


class EngineWatch:
    """Notes each use of the engine that is not this package's own."""

    def __init__(self) -> None:
        self._is_ours = False
        self._is_watching = False
        self._was_used = False

    def watch(self, module: ModuleType) -> None:
        """Watch the functions of gmatpy's module from now on; again does nothing."""
        monitoring: Any = getattr(sys, "monitoring", None)
        if self._is_watching or monitoring is None:
            return
        for tool in _TOOL_IDS:
            try:
                monitoring.use_tool_id(tool, _NAME)
            except ValueError:
                continue
            begins = monitoring.events.PY_START
            monitoring.register_callback(tool, begins, self._note)
            for code in _codes_of(module):
                monitoring.set_local_events(tool, code, begins)
            self._is_watching = True
            return

    @contextmanager
    def ours(self) -> Iterator[None]:
        """Take what uses the engine in the block for this package's own."""
        before, self._is_ours = self._is_ours, True
        try:
            yield
        finally:
            self._is_ours = before

    @contextmanager
    def theirs(self) -> Iterator[None]:
        """Take the block for foreign code; if nothing can be seen of it, it uses the engine."""
        before, self._is_ours = self._is_ours, False
        try:
            yield
        finally:
            self._is_ours = before
            if not self._is_watching:
                self._was_used = True

    def was_used(self) -> bool:
        """Return whether others have used the engine since this was last asked."""
        was_used, self._was_used = self._was_used, False
        return was_used

    def _note(self, _code: CodeType, _offset: int) -> None:
        if not self._is_ours:
            self._was_used = True


WATCH = EngineWatch()
"""The watch on this process's engine."""


def _codes_of(module: ModuleType) -> Iterator[CodeType]:
    """Yield the code of each function and method that a module defines."""
    for value in list(vars(module).values()):
        members = vars(value).values() if isinstance(value, type) else [value]
        for member in members:
            function = getattr(member, "__func__", member)
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                yield function.__code__
