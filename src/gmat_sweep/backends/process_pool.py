"""`ProcessPoolExecutorPool`: a fresh worker process for every run."""

from __future__ import annotations

from gmat_sweep.backends.joblib import LocalJoblibPool

__all__ = ["ProcessPoolExecutorPool"]


class ProcessPoolExecutorPool(LocalJoblibPool):
    """Worker processes on this machine, each used for one run.

    Every run starts with a new interpreter and a new engine, whatever the run before it did. That
    takes about 1.5 s a run. A crash costs its own run, as in every pool of this package.

    Parameters
    ----------
    max_workers : int, optional
        How many runs execute at once. None or -1 means one per available core.
    reuse_gmat_context : bool
        Accepted for symmetry with the other pools; no process is used twice in either case.
    memory_limit : int or str, optional
        As for `LocalJoblibPool`.

    Raises
    ------
    BackendError
        The count is 0 or below -1.
    SweepConfigError
        The memory limit is no amount of memory.
    """

    def __init__(
        self,
        *,
        max_workers: int | None = None,
        reuse_gmat_context: bool = True,
        memory_limit: int | str | None = None,
    ) -> None:
        del reuse_gmat_context
        super().__init__(max_workers, reuse_gmat_context=False, memory_limit=memory_limit)
