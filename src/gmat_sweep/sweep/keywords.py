"""The keywords that the functions which fly a sweep have in common, for type checkers.

`gmat_sweep.sweep` and its kin give a frame of pandas or of polars. Their two typed signatures name
these keywords once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gmat_sweep.backends.base import Pool
    from gmat_sweep.spec import Unconverged

__all__ = ["ExtendKeywords", "FlightKeywords", "RunKeywords"]


class FlightKeywords(TypedDict, total=False):
    """Where and how runs are flown."""

    backend: Pool | None
    postprocess: str | None
    progress: bool
    fsync_each: bool
    fsync_batch: int
    name: str | None
    timeout: float | None
    retries: int
    memory_limit: int | str | None
    unconverged: Unconverged


class RunKeywords(FlightKeywords, total=False):
    """What a new sweep takes besides."""

    seed: int | None
    out: str | Path | None
    context: Mapping[int, dict[str, Any]] | Callable[[int], dict[str, Any]] | None
    run_options: Mapping[str, Any] | None
    end_state: bool
    nominal: bool


class ExtendKeywords(FlightKeywords, total=False):
    """What an extension takes besides."""

    allow_script_drift: bool
    output_dir: str | Path | None
    context_provider: Callable[[int], dict[str, Any]] | None
    trust_hook: bool
    allow_failed: bool
