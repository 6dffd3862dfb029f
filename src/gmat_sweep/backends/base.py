"""`Pool`: where runs execute.

A pool takes specs with `submit` and gives outcomes with `as_completed`; whatever happens to a run,
its outcome comes back. Pools that can run one spec on demand also offer `execute`, which is what
the flow's tasks call.
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

    Subclasses implement `submit`, `as_completed` and `close`, and run every spec in a process of
    its own kind: a GMAT engine is global to its process. ``subprocess_isolated`` says so and must
    be exactly True, or ``"debug"`` for a pool that runs in the calling process on purpose.
    `gmat_sweep.backends._subprocess.run_spec_in_subprocess` runs a spec in a process of its own.

    One thread at a time calls `submit`, and one at a time `as_completed`. Under a sweep, specs are
    submitted also while an iterator of `as_completed` is waited for. A pool that runs specs only
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
        """Run what was submitted and yield outcomes as runs end."""

    @abstractmethod
    def close(self) -> None:
        """Release workers. Calling it again does nothing."""

    def imap(
        self, specs: Iterable[RunSpec], *, in_flight: int | None = None
    ) -> Iterator[tuple[RunSpec, RunOutcome]]:
        """Run specs from an iterable of any length, a bounded number at a time.

        The next spec is submitted as soon as any outcome is yielded. A pool that starts runs in
        `submit`, and settles their futures or yields outcomes in the order in which runs end, has
        no run wait for a slower one; the order of a pool that keeps one is kept. `as_completed` is
        called by one thread at a time, with all that is waiting. An outcome goes to the spec of
        its ``run_id``; a spec whose outcome the pool does not give has a failed one that says so.

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
            What the pool raises when it is closed or used wrongly.
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
                if isinstance(end, BackendError):
                    raise end
                yield spec, end
                under_way -= 1
        finally:
            # Whoever gives up or is interrupted goes on to close the pool, which ends the rest.
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
