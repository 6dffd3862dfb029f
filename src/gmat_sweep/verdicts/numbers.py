"""The numbers of the runs, kept from look to look: each run's files are read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from gmat_sweep.verdicts.requirement import Requirement

__all__ = ["KeptNumbers", "Numbers"]


class Numbers(NamedTuple):
    """The numbers of the runs for one requirement, in the order of the prefix.

    Attributes
    ----------
    values : array of float64
        The number of each run, in the requirement's unit; NaN where it has none.
    margins : array of float64
        By how much each run meets the limit; NaN where it has no number.
    """

    values: NDArray[np.float64]
    margins: NDArray[np.float64]

    def first(self, count: int) -> Numbers:
        """Return those of the first `count` runs."""
        return Numbers(self.values[:count], self.margins[:count])


class KeptNumbers:
    """A number per run and requirement, in the order of the prefix that was last asked for.

    Parameters
    ----------
    requirements : iterable of Requirement
        Those with a number of their own.
    """

    def __init__(self, requirements: Iterable[Requirement]) -> None:
        import numpy as np

        self._requirements = {each.name: each for each in requirements}
        self._run_ids: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._is_known: NDArray[np.bool_] = np.empty(0, dtype=np.bool_)
        self._found = {name: Numbers(np.empty(0), np.empty(0)) for name in self._requirements}
        self.unreadable: dict[int, str] = {}

    def unknown(self, run_ids: NDArray[np.int64], changed: Collection[int]) -> list[int]:
        """Arrange the numbers as `run_ids` are, and return the runs that have none yet.

        Parameters
        ----------
        run_ids : array of int64
            The prefix, in ascending order.
        changed : collection of int
            Runs that have a new entry: their numbers are forgotten.
        """
        import numpy as np

        n = len(self._run_ids)
        if len(run_ids) < n or not np.array_equal(run_ids[:n], self._run_ids):
            self._rearrange(run_ids)
        else:
            self._grow(len(run_ids) - n)
        self._run_ids = run_ids
        if changed:
            again = np.isin(run_ids, np.fromiter(changed, dtype=np.int64))
            self._is_known[again] = False
            for run_id in changed:
                self.unreadable.pop(run_id, None)
        return [int(run_id) for run_id in run_ids[~self._is_known]]

    def keep(
        self,
        run_ids: Sequence[int],
        values: Mapping[str, NDArray[np.float64]],
        unreadable: Mapping[int, str],
    ) -> None:
        """Take in the numbers of runs, and why the files of some could not be read."""
        import numpy as np

        places = np.searchsorted(self._run_ids, np.asarray(run_ids, dtype=np.int64))
        self._is_known[places] = True
        for name, requirement in self._requirements.items():
            found = self._found[name]
            found.values[places] = values[name]
            found.margins[places] = [requirement.margin(each) for each in values[name].tolist()]
        self.unreadable.update(unreadable)

    def of(self, name: str) -> Numbers:
        """Return the numbers of one requirement."""
        return self._found[name]

    def _grow(self, more: int) -> None:
        import numpy as np

        if more:
            self._is_known = np.append(self._is_known, np.zeros(more, dtype=np.bool_))
            tail = np.full(more, np.nan)
            self._found = {
                name: Numbers(*(np.append(each, tail) for each in found))
                for name, found in self._found.items()
            }

    def _rearrange(self, run_ids: NDArray[np.int64]) -> None:
        """Keep the numbers of the runs that are still in the prefix, at their new places."""
        import numpy as np

        _, new, old = np.intersect1d(run_ids, self._run_ids, return_indices=True)
        is_known = np.zeros(len(run_ids), dtype=np.bool_)
        is_known[new] = self._is_known[old]
        self._is_known = is_known

        def moved(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
            there = np.full(len(run_ids), np.nan)
            there[new] = numbers[old]
            return there

        self._found = {name: Numbers(*map(moved, found)) for name, found in self._found.items()}
