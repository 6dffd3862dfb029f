"""The runs of a recorded plan by their ids, each made when it is asked for.

Whoever looks at a sweep needs a few of its runs: those with a seal, the one to replay.
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.distributions import (
    DistSpec,
    checked_count,
    checked_seed,
    run_seed_function,
)
from gmat_sweep.draws.sources import sources_of, values_in_run
from gmat_sweep.folder.layout import run_folder, run_folder_name
from gmat_sweep.grids import design_samples, materialise_grid
from gmat_sweep.spec import RunSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["RecordedPlan", "design_values", "drawn_values", "grid_values"]

type Values = Callable[[int], tuple[dict[str, Any], int | None]]
"""Returns the overrides and the seed of a run that a rule makes, by its id."""


def grid_values(grid: Mapping[str, Any]) -> tuple[int, Values]:
    """Return how many runs a grid has, and the function that makes their values.

    Raises
    ------
    SweepConfigError
        As `gmat_sweep.grids.materialise_grid`.
    """
    axes = sorted(materialise_grid(grid).items(), reverse=True)
    count = 1
    for _, axis in axes:
        count *= len(axis)

    def values(run_id: int) -> tuple[dict[str, Any], None]:
        chosen = {}
        for name, axis in axes:
            run_id, place = divmod(run_id, len(axis))
            chosen[name] = axis[place]
        return dict(reversed(chosen.items())), None

    return count, values


def drawn_values(
    perturb: Mapping[str, DistSpec], seed: int, nominal: Mapping[str, Any] | None = None
) -> Values:
    """Return the function that makes the values of a Monte Carlo.

    Raises
    ------
    SweepConfigError
        As `gmat_sweep.grids.expand_monte_carlo_to_run_specs`.
    """
    sources = sources_of(perturb, "monte_carlo", nominal)
    seed_of = run_seed_function(checked_seed(seed))

    def values(run_id: int) -> tuple[dict[str, Any], int]:
        own = seed_of(run_id)
        return values_in_run(sources, own), own

    return values


def design_values(
    design: str,
    perturb: Mapping[str, DistSpec],
    n: int,
    seed: int,
    nominal: Mapping[str, Any] | None = None,
) -> Values:
    """Return the function that makes the values of a design; the first call draws all.

    Raises
    ------
    SweepConfigError
        As `gmat_sweep.grids.design_samples`.
    """
    sources_of(perturb, design, nominal)
    checked_count(n, "n", design)
    checked_seed(seed)

    @functools.cache
    def columns() -> dict[str, list[Any]]:
        samples = design_samples(design, perturb, n, seed, nominal=nominal)
        return {str(name): samples[name].tolist() for name in samples.columns}

    def values(run_id: int) -> tuple[dict[str, Any], None]:
        return {name: column[run_id] for name, column in columns().items()}, None

    return values


class RecordedPlan(Mapping[int, RunSpec]):
    """The runs of a sweep by id, as its header has them.

    Parameters
    ----------
    listed : sequence of RunSpec
        The runs that the header holds one by one; the plan is in their order.
    numbered : range
        Ids of further runs, which a rule makes.
    values : callable, optional
        That rule.
    script, folder : Path
        The mission script and the sweep folder, for the runs that the rule makes.
    contexts : mapping of str to dict
        Contexts by the text of the run's id, for the runs that the rule makes.
    """

    def __init__(
        self,
        listed: Sequence[RunSpec],
        numbered: range = range(0),
        values: Values | None = None,
        *,
        script: Path,
        folder: Path,
        contexts: Mapping[str, dict[str, Any]],
    ) -> None:
        self.listed = listed
        self.numbered = numbered
        self._values = values
        self._script = script
        self._folder = folder
        self._contexts = contexts
        self._by_id = {run.run_id: run for run in listed}

    def __len__(self) -> int:
        """Return how many runs there are."""
        both = sum(run_id in self.numbered for run_id in self._by_id)
        return len(self._by_id) + len(self.numbered) - both

    def __iter__(self) -> Iterator[int]:
        """Yield the ids, those of listed runs first."""
        yield from self._by_id
        yield from (run_id for run_id in self.numbered if run_id not in self._by_id)

    def __contains__(self, run_id: object) -> bool:
        """Return whether there is a run of that id; no run is made."""
        return run_id in self._by_id or run_id in self.numbered

    def __getitem__(self, run_id: int) -> RunSpec:
        """Return the run of that id, made anew if a rule makes it."""
        if run_id in self._by_id:
            return self._by_id[run_id]
        if run_id not in self.numbered or self._values is None:
            raise KeyError(run_id)
        overrides, seed = self._values(run_id)
        return RunSpec(
            script_path=self._script,
            overrides=overrides,
            output_dir=run_folder(self._folder, run_id),
            run_id=run_id,
            seed=seed,
            run_options={},
            context=self._contexts.get(str(run_id), {}),
        )

    def runs(self) -> Iterator[RunSpec]:
        """Yield every run in the order of the plan, repeated ids included."""
        yield from self.listed
        yield from (self[run_id] for run_id in self.numbered)

    def without(self, known: Iterable[int]) -> tuple[int, Iterator[int]]:
        """Return how many runs are not among those `known`, and their ids in ascending order."""
        taken = {run_id for run_id in known if run_id in self}
        by_rule = (run_id for run_id in self.numbered if run_id not in self._by_id)
        ids = heapq.merge(sorted(self._by_id), by_rule)
        return len(self) - len(taken), (run_id for run_id in ids if run_id not in taken)

    def ends(self) -> str:
        """Return the lowest and the highest id as text, such as ``0 to 3``; empty without runs."""
        ids = [*self._by_id, *self.numbered[:1], *self.numbered[-1:]]
        return f"{min(ids)} to {max(ids)}" if ids else ""

    def scripts(self) -> list[Path]:
        """Return the scripts of the runs, each once, in the order of the plan."""
        scripts = dict.fromkeys(run.script_path for run in self.listed)
        return list(scripts | {self._script: None} if self.numbered else scripts)

    def folder_names(self) -> Callable[[str], bool]:
        """Return the function that tells whether the folder of some run has a name."""
        listed = {run.output_dir.name for run in self.listed}

        def is_one(name: str) -> bool:
            if name in listed:
                return True
            number = name.rpartition("-")[2]
            run_id = int(number) if number.isdecimal() else -1
            return name == run_folder_name(run_id) and run_id in self.numbered

        return is_one
