"""`Pool`: where runs execute.

A pool takes specs with `submit` and gives outcomes with `as_completed`; whatever happens to a run,
its outcome comes back. Pools that can run one spec on demand also offer `execute`, which is what
the flow's tasks call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from gmat_sweep.errors import BackendError
from gmat_sweep.spec import RunOutcome, RunSpec

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Pool"]


class Pool(ABC):
    """Abstract execution back end.

    Subclasses implement `submit`, `as_completed` and `close`, and run every spec in a process of
    its own kind: a GMAT engine is global to its process. ``subprocess_isolated`` says so and must
    be exactly True, or ``"debug"`` for a pool that runs in the calling process on purpose.

    Raises
    ------
    BackendError
        When a subclass is defined with another value of ``subprocess_isolated``.
    """

    subprocess_isolated: ClassVar[bool | Literal["debug"]] = True

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        value = cls.subprocess_isolated
        if value is not True and value != "debug":
            raise BackendError(
                f"{cls.__name__}.subprocess_isolated is {value!r}: a pool must run GMAT in worker "
                "processes. Set it to True, or to 'debug' for a pool that runs in the calling "
                "process on purpose."
            )

    @property
    def max_workers(self) -> int:
        """How many runs the pool executes at once."""
        return 1

    @abstractmethod
    def submit(self, spec: RunSpec) -> Future[RunOutcome]:
        """Take a spec and return the future of its outcome."""

    @abstractmethod
    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        """Run what was submitted and yield outcomes as runs end."""

    @abstractmethod
    def close(self) -> None:
        """Release workers. Calling it again does nothing."""

    def imap(
        self, specs: Iterable[RunSpec], *, in_flight: int | None = None
    ) -> Iterator[tuple[RunSpec, RunOutcome]]:
        """Run specs from an iterable of any length, a bounded number at a time.

        The next spec is taken as soon as any run ends: no run waits for a slower one.

        Parameters
        ----------
        specs : iterable of RunSpec
            Consumed lazily.
        in_flight : int, optional
            Specs submitted and not yet yielded; four per worker by default.

        Raises
        ------
        ValueError
            ``in_flight`` is below 1.
        """
        bound = self._in_flight_bound(in_flight)
        remaining = iter(specs)
        ended: SimpleQueue[Future[tuple[RunSpec, RunOutcome]]] = SimpleQueue()

        def wait(spec: RunSpec, future: Future[RunOutcome]) -> tuple[RunSpec, RunOutcome]:
            return spec, next(iter(self.as_completed([future])))

        threads = ThreadPoolExecutor(max(1, self.max_workers), "gmat-sweep-imap")
        under_way = 0
        try:
            while True:
                for spec in islice(remaining, bound - under_way):
                    future = self.submit(spec)
                    threads.submit(wait, spec, future).add_done_callback(ended.put)
                    under_way += 1
                if not under_way:
                    return
                yield ended.get().result()
                under_way -= 1
        finally:
            # Whoever gives up or is interrupted goes on to close the pool, which ends the rest.
            threads.shutdown(wait=False, cancel_futures=True)

    def _in_flight_bound(self, in_flight: int | None) -> int:
        bound = max(1, 4 * self.max_workers) if in_flight is None else in_flight
        if bound < 1:
            raise ValueError(f"in_flight must be at least 1, got {in_flight}")
        return bound

    def __enter__(self) -> Self:
        """Return the pool."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the pool."""
        self.close()
