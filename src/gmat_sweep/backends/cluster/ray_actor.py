"""`GmatActor`: the actor that a `RayPool` places on a cluster, with a worker process beside it."""

from __future__ import annotations

import os
import pickle
import sys

from gmat_sweep.backends.cluster.remote_worker import RemoteWorker

__all__ = ["GmatActor"]


class GmatActor:
    """Carries out orders one after another. Its worker process ends with it, however it ends.

    Parameters
    ----------
    reuse_gmat_context : bool
        Whether the worker process is kept from run to run.
    import_paths : list of str
        Folders to import from, besides those that Ray knows.
    hook_folders : dict of str to str
        Environment variable with the folders from which only hooks are imported.
    """

    def __init__(
        self,
        *,
        reuse_gmat_context: bool,
        import_paths: list[str],
        hook_folders: dict[str, str],
    ) -> None:
        sys.path += [path for path in import_paths if path not in sys.path]
        os.environ.update(hook_folders)
        self._runs = RemoteWorker(reuse_gmat_context=reuse_gmat_context)
        self._runs.warm_up(1)

    def carry_out(self, order: bytes) -> bytes:
        """Carry out a pickled order and return the pickled reply."""
        return pickle.dumps(self._runs.carry_out(pickle.loads(order)))  # noqa: S301 - our own sweep
