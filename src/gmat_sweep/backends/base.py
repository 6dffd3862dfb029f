"""`Pool`: the base class of pools, which execute runs.

A pool takes specs with `submit` and yields outcomes with `as_completed`. Every run has an outcome,
whatever happens to the run. A pool that can run one spec on demand also has `execute`, which the
flow's tasks call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from gmat_sweep.backends.draining import Drain, End
from gmat_sweep.backends.faults import failed_by
from gmat_sweep.backends.process.worker_process import WorkerDiedError
from gmat_sweep.errors import BackendError
from gmat_sweep.spec import RunOutcome, RunSpec

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Pool"]


class Pool(ABC):
    """Abstract execution back end.

    Subclasses implement `submit`, `as_completed` and `close`. They run specs in worker processes,
    not in the calling process: a GMAT engine is global to its process. ``subprocess_isolated`` says
    so and must be exactly True, or ``"debug"`` for a pool that runs in the calling process on
    purpose. `gmat_sweep.backends._subprocess.run_spec_in_subprocess` runs a spec in a process of
    its own.

    One thread at a time calls `submit`, and one thread at a time calls `as_completed`. A sweep
    submits specs also while it waits for an iterator of `as_completed`. A pool that runs specs only
    when that iterator is advanced runs no more at once than one iterator does.

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
        """Run the specs of these futures and yield outcomes as runs end."""

    @abstractmethod
    def close(self) -> None:
        """Release workers. Calling it again does nothing."""

    def imap(
        self, specs: Iterable[RunSpec], *, in_flight: int | None = None
    ) -> Iterator[tuple[RunSpec, RunOutcome]]:
        """Run specs from an iterable of any length, a bounded number at a time.

        `imap` submits the next spec as soon as it has yielded an outcome. If the pool starts runs
        in `submit`, and completes their futures or yields outcomes as runs end, no run waits for a
        slower one. If the pool yields outcomes in an order of its own, `imap` keeps that order. One
        thread at a time calls `as_completed`, with all waiting futures. An outcome goes to the spec
        that has its ``run_id``. If the pool gives no outcome for a spec, `imap` yields a failed one
        that says so.

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
        BackendError
            The pool is closed or used wrongly.
        BaseException
            `as_completed` raised KeyboardInterrupt or another interruption that is no `Exception`.
        """
        bound = self._in_flight_bound(in_flight)
        remaining = iter(specs)
        ended: SimpleQueue[tuple[RunSpec, End]] = SimpleQueue()
        drain = Drain(self)
        under_way = 0
        try:
            while True:
                for spec in islice(remaining, bound - under_way):
                    drain.submit(spec, lambda spec, end: ended.put((spec, end)))
                    under_way += 1
                if not under_way:
                    return
                drain.advance()
                spec, end = ended.get()
                if isinstance(end, WorkerDiedError):
                    end = failed_by(spec, end, datetime.now(UTC))
                if isinstance(end, BaseException):
                    raise end
                yield spec, end
                under_way -= 1
        finally:
            # A caller that gives up or is interrupted then closes the pool, which ends its runs.
            drain.give_up()

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
