"""`ParkedRuns`: the specs that a pool was given and has not been asked for yet."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future

from gmat_sweep.errors import BackendError
from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = ["ParkedRuns"]


class ParkedRuns:
    """Keeps each submitted spec under its future until `as_completed` asks for it.

    A pool that is used as `concurrent.futures` would be begins with a run only then.
    """

    def __init__(self) -> None:
        self._specs: dict[Future[RunOutcome], RunSpec] = {}

    def park(self, spec: RunSpec) -> Future[RunOutcome]:
        """Keep a spec and return its future."""
        future: Future[RunOutcome] = Future()
        self._specs[future] = spec
        return future

    def claim(self, futures: Iterable[Future[RunOutcome]]) -> dict[Future[RunOutcome], RunSpec]:
        """Hand out the specs of some futures, in their order.

        Raises
        ------
        BackendError
            A future is not of this pool, or was claimed already; none is handed out then.
        """
        wanted = list(futures)
        unknown = len(wanted) - len(self._specs.keys() & set(wanted))
        if unknown:
            raise BackendError(
                f"{unknown} of {len(wanted)} futures are not waiting in this pool. Pass "
                "each future that submit() returned once."
            )
        return {future: self._specs.pop(future) for future in wanted}

    def cancel(self) -> None:
        """Cancel all futures that are left."""
        for future in self._specs:
            future.cancel()
        self._specs.clear()
