"""How many worker processes a pool on this machine has."""

from __future__ import annotations

import os

from gmat_sweep.limits import checked_workers

__all__ = ["available_cores", "worker_count"]


def available_cores() -> int:
    """Return how many cores this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def worker_count(max_workers: int | None) -> int:
    """Return `max_workers`; one per core for None and -1.

    Raises
    ------
    BackendError
        `max_workers` is another number below 1, no integer, or more than
        `gmat_sweep.limits.MOST_WORKERS`.
    """
    if max_workers is None or (max_workers == -1 and not isinstance(max_workers, float)):
        return available_cores()
    return checked_workers(max_workers, "max_workers", ", or -1 for one per core")
