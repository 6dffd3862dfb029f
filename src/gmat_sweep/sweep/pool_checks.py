"""Whether a pool can do what a sweep asks of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gmat_sweep.backends.on_demand import RunsOnDemand
from gmat_sweep.errors import BackendError, SweepConfigError

if TYPE_CHECKING:
    from gmat_sweep.backends.base import Pool
    from gmat_sweep.spec import RunSpec
    from gmat_sweep.sweep.options import SweepOptions

__all__ = ["check_debug", "check_isolation", "check_limits"]


def check_isolation(pool: Pool, allow_unisolated_pool: bool) -> None:
    """Refuse a pool that runs GMAT in the calling process, unless that is allowed."""
    value = pool.subprocess_isolated
    if value is not True and not allow_unisolated_pool:
        raise BackendError(
            f"{type(pool).__name__}.subprocess_isolated is {value!r}: it runs GMAT in the calling "
            "process. Pass allow_unisolated_pool=True if that is what you want."
        )


def check_limits(pool: Pool, options: SweepOptions) -> None:
    """Refuse limits on runs where the pool has no way to end one."""
    if isinstance(pool, RunsOnDemand):
        return
    if options.timeout is not None:
        raise SweepConfigError(
            f"timeout is given, but {type(pool).__name__} cannot end a run that takes too long. "
            "Leave timeout out, or use a pool of this package."
        )
    if options.memory_limit is not None:
        raise SweepConfigError(
            f"memory_limit is given, but {type(pool).__name__} cannot end a run that needs too "
            "much. Leave memory_limit out, or use a pool of this package."
        )


def check_debug(pool: Pool, runs: Iterable[RunSpec]) -> None:
    """Refuse anything but a list of one run for a pool that a debugger follows."""
    if pool.subprocess_isolated != "debug":
        return
    if not isinstance(runs, Sequence):
        raise BackendError(
            f"{type(pool).__name__} takes exactly one spec, not a streaming iterator. Pass a list "
            "with one spec."
        )
    if len(runs) != 1:
        raise BackendError(
            f"{type(pool).__name__} takes exactly one spec, got {len(runs)}. Pass a list with one."
        )
