"""Sequences that make a run when it is read, so that a large sweep needs no list of its runs.

A `RunSpec` takes ten times the memory of the values that it is made of. `PlannedRuns` keeps the
values. `ChangedRuns` applies a change to each run of another sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from itertools import islice
from pathlib import Path
from typing import Any, overload

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import run_folder
from gmat_sweep.limits import check_run_count, number_text
from gmat_sweep.spec import RunSpec

__all__ = ["ChangedRuns", "LazyRuns", "PlannedRuns", "listed"]


class LazyRuns(Sequence[RunSpec]):
    """A sequence that makes a run anew each time it is read: an equal `RunSpec`, not the same."""

    def __init__(self, count: int, make: Callable[[int], RunSpec]) -> None:
        self._count = count
        self._make = make

    def __len__(self) -> int:
        """Return how many runs there are."""
        return self._count

    @overload
    def __getitem__(self, index: int) -> RunSpec: ...
    @overload
    def __getitem__(self, index: slice) -> list[RunSpec]: ...
    def __getitem__(self, index: int | slice) -> RunSpec | list[RunSpec]:
        """Return a run, or a list of runs."""
        places = range(self._count)[index]
        if isinstance(places, range):
            return [self._make(place) for place in places]
        return self._make(places)


class PlannedRuns(LazyRuns):
    """Runs of one design: the same fields in each, other values.

    Parameters
    ----------
    fields : sequence of str
        GMAT's dotted names of the overridden fields.
    rows : sequence of tuple
        For each run, a value for each field.
    script_path : Path
        The GMAT script.
    output_dir : Path
        Folder under which each run gets its own, ``run-<run_id>``.
    first : int
        Id of the first run.
    seeds : sequence of int, optional
        The runs' own seeds.
    """

    def __init__(
        self,
        fields: Sequence[str],
        rows: Sequence[tuple[Any, ...]],
        script_path: Path,
        output_dir: Path,
        *,
        first: int = 0,
        seeds: Sequence[int] | None = None,
    ) -> None:
        def make(place: int) -> RunSpec:
            run_id = first + place
            return RunSpec(
                script_path=script_path,
                overrides=dict(zip(fields, rows[place], strict=True)),
                output_dir=run_folder(output_dir, run_id),
                run_id=run_id,
                seed=None if seeds is None else seeds[place],
                run_options={},
            )

        super().__init__(len(rows), make)


class ChangedRuns(LazyRuns):
    """The runs of another sequence, each with a change.

    Parameters
    ----------
    runs : sequence of RunSpec
        The other sequence.
    change : callable
        Gets a run and returns the changed one.
    """

    def __init__(self, runs: Sequence[RunSpec], change: Callable[[RunSpec], RunSpec]) -> None:
        super().__init__(len(runs), lambda place: change(runs[place]))


def listed(
    runs: Iterable[RunSpec], expected: int | None, parameter_spec: Mapping[str, Any] | None
) -> Sequence[RunSpec]:
    """Return runs as a sequence that the caller cannot change; an iterable is read to its end.

    Parameters
    ----------
    runs : iterable of RunSpec
        The runs. A lazy sequence stays as it is.
    expected : int or None
        How many there are; needed if `runs` is no sequence.
    parameter_spec : mapping or None
        The record of the plan; needed if `runs` is no sequence.

    Raises
    ------
    SweepConfigError
        A needed argument is missing, or there are more or fewer runs than `expected`.
    """
    if isinstance(runs, Sized):
        check_run_count(len(runs), "runs")
    if isinstance(runs, LazyRuns):
        return runs
    if isinstance(runs, Sequence):
        return list(runs)
    if expected is None:
        raise SweepConfigError(
            "runs is not a sequence, so its length is not known. Pass expected_run_count."
        )
    if expected < 0:
        raise SweepConfigError(
            f"expected_run_count must be 0 or more, got {number_text(expected)}."
        )
    check_run_count(expected, "expected_run_count")
    if parameter_spec is None:
        raise SweepConfigError(
            "runs is a streaming iterator, so parameter_spec cannot be made from it. Pass it."
        )
    # One run more than expected tells that there are too many, also where they have no end.
    given = list(islice(runs, expected + 1))
    if len(given) != expected:
        more = " or more" * (len(given) > expected)
        raise SweepConfigError(
            f"expected_run_count is {expected}, but runs gave {len(given)}{more}. Correct the "
            "count."
        )
    return given
