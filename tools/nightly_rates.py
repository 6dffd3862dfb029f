#!/usr/bin/env python3
"""How often nights are called moved, with nothing changed and with something: simulated.

    python tools/nightly_rates.py

Rewrites the two tables of docs/nightly.md, in half a minute. The tests and the judgement are those
of the package; whole sets of nights go through them at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmat_sweep.analysis import MaterialRule
from gmat_sweep.analysis.nightly.chance import (
    LEAST_RUNS,
    LEAST_RUNS_OF_SPREAD,
    adjusted,
    fisher,
    from_median,
    kolmogorov_smirnov,
    of_similar_sizes,
    welch,
)
from gmat_sweep.analysis.nightly.sizes import paired_shift

PAGE = Path(__file__).resolve().parent.parent / "docs" / "nightly.md"
NIGHTS = 2000
RUNS = (5, 20, 100)
QUANTITIES = (1, 10, 100)
SAME_NIGHTS = 500
"""With the same draws the share is nearly 0 or 1, so that fewer nights tell it."""
SEED = 18
RULE = MaterialRule()
FAILURES = 0.05
"""Share of runs that fail in the mission, in every night."""

# So many values are drawn at a time, which bounds the memory.
_VALUES = 4_000_000

type Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]


@dataclass(frozen=True)
class Change:
    """What is different tonight in one quantity, in units of its sigma.

    Attributes
    ----------
    name : str
        The change, for a table.
    shift : float
        Added to every run.
    spread : float
        What the distance of every run from the mean is multiplied by.
    share, by : float
        A share of the runs, and what is added to these.
    """

    name: str
    shift: float = 0.0
    spread: float = 1.0
    share: float = 0.0
    by: float = 0.0

    def applied(
        self, values: NDArray[np.float64], random: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return changed values, of a distribution with mean 0 and sigma 1."""
        some = random.random(values.shape) < self.share
        return self.spread * values + self.shift + self.by * some


NOTHING = Change("nothing")
CHANGES = (
    NOTHING,
    *(Change(f"mean by {by:g} sigma", shift=by) for by in (0.1, 0.2, 0.3, 0.5, 1.0)),
    *(Change(f"sigma times {by:g}", spread=by) for by in (1.1, 1.2, 1.3, 1.5)),
    *(Change(f"10 % of runs by {by:g} sigma", share=0.1, by=by) for by in (1.0, 3.0)),
)


def normal(random: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return normal draws."""
    return random.normal(size=size)


def exponential(random: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return draws of a skewed distribution."""
    return random.exponential(size=size)


def fresh_nights(
    nights: int,
    quantities: int,
    runs: int,
    change: Change = NOTHING,
    *,
    runs_last: int | None = None,
    draw: Draw = normal,
    seed: int = SEED,
) -> NDArray[np.bool_]:
    """Return which nights are called moved that drew other runs than the nights before.

    Parameters
    ----------
    nights, quantities, runs : int
        How many nights, quantities of each, and runs of each.
    change : Change
        What is different in the first quantity.
    runs_last : int, optional
        How many runs the night before has, if not as many.
    draw : callable
        The distribution.
    seed : int
        Of the draws.
    """
    random = np.random.default_rng(seed)
    before = runs if runs_last is None else runs_last
    at_a_time = max(1, _VALUES // ((runs + before) * quantities))
    moved = np.zeros(nights, np.bool_)
    for start in range(0, nights, at_a_time):
        count = min(at_a_time, nights - start)
        tonight, last = (draw(random, (each, count * quantities)) for each in (runs, before))
        tonight[:, ::quantities] = change.applied(tonight[:, ::quantities], random)
        failed = [random.binomial(each, FAILURES, count) for each in (runs, before)]
        judged = _judged(tonight, last, failed[0], failed[1])
        moved[start : start + count] = (judged <= RULE.false_alarms).any(axis=1)
    return moved


def baseline_nights(
    nights: int, quantities: int, runs: int, *, share: float = 0.5, seed: int = SEED
) -> NDArray[np.bool_]:
    """Return which nights are called moved that are compared with a baseline, too.

    Nothing changed. The night before, the baseline and tonight drew other runs each. News is what
    moved since last night, and what moved from the baseline and had not last night.

    Parameters
    ----------
    nights, quantities, runs, seed
        As for `fresh_nights`.
    share : float
        Which share of the rule's false alarms each of the two comparisons has.
    """
    random = np.random.default_rng(seed)
    at_a_time = max(1, _VALUES // (3 * runs * quantities))
    moved = np.zeros(nights, np.bool_)
    for start in range(0, nights, at_a_time):
        count = min(at_a_time, nights - start)
        drawn = [normal(random, (runs, count * quantities)) for _ in range(3)]
        failed = [random.binomial(runs, FAILURES, count) for _ in range(3)]
        since, away, before = (
            _judged(drawn[one], drawn[other], failed[one], failed[other])
            <= share * RULE.false_alarms
            for one, other in ((0, 1), (0, 2), (1, 2))
        )
        moved[start : start + count] = (since | (away & ~before)).any(axis=1)
    return moved


def _judged(
    tonight: NDArray[np.float64],
    last: NDArray[np.float64],
    failed: NDArray[np.int64],
    failed_last: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the adjusted p values of all tests of each night; the last is that of the failures."""
    runs, before, count = len(tonight), len(last), len(failed)
    tests = [_shape_pvalues(tonight, last)]
    if min(runs, before) >= LEAST_RUNS:
        tests.append(welch(*of_similar_sizes(tonight, last)).pvalue)
    if min(runs, before) >= LEAST_RUNS_OF_SPREAD:
        distances = map(from_median, of_similar_sizes(tonight, last))
        tests.append(welch(*distances).pvalue)
    both = zip(failed.tolist(), failed_last.tolist(), strict=True)
    failures = [_fisher(runs, now, before, then) for now, then in both]
    together = [*(each.reshape(count, -1) for each in tests), np.c_[failures]]
    return adjusted(np.concatenate(together, axis=1))


def _shape_pvalues(tonight: NDArray[np.float64], last: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the p value of the Kolmogorov-Smirnov test of each column.

    The p value depends on the statistic alone, which takes few values: one column of each is
    tested by the package. No two draws are equal.
    """
    runs, before = len(tonight), len(last)
    order = np.argsort(np.concatenate([tonight, last]).T, axis=1)
    # In steps of one over both numbers of runs, so that the statistic is a whole number.
    steps = np.where(order < runs, before, -runs).astype(np.int32)
    statistic = np.abs(np.cumsum(steps, axis=1, dtype=np.int32)).max(axis=1)
    _, first, which = np.unique(statistic, return_index=True, return_inverse=True)
    pvalues: NDArray[np.float64] = kolmogorov_smirnov(tonight[:, first], last[:, first])[1]
    return pvalues[which]


@cache
def _fisher(runs: int, failed: int, runs_last: int, failed_last: int) -> float:
    return fisher((runs, failed), (runs_last, failed_last))


def same_nights(
    nights: int, runs: int, change: Change = NOTHING, *, seed: int = SEED
) -> NDArray[np.bool_]:
    """Return which nights are called moved that drew the same runs as the nights before.

    Parameters
    ----------
    nights, runs, change, seed
        As for `fresh_nights`; of one quantity, because others that are equal change nothing.
    """
    random = np.random.default_rng(seed)
    last = random.normal(size=(nights, runs))
    tonight = change.applied(last, random)
    ids = np.arange(runs)
    found = [
        paired_shift("R", "x", "", ids, now, then, RULE).verdict == "moved"
        for now, then in zip(tonight, last, strict=True)
    ]
    return np.array(found)


def alarms_table(nights: int = NIGHTS) -> str:
    """Return the table of false alarms of nights with fresh draws."""
    rows = [
        [f"{runs}", *(_percent(fresh_nights(nights, each, runs)) for each in QUANTITIES)]
        for runs in RUNS
    ]
    skewed = (
        _percent(fresh_nights(nights, each, 20, runs_last=100, draw=exponential))
        for each in QUANTITIES
    )
    rows.append(["20, 100 the night before, exponential", *skewed])
    both = (_percent(baseline_nights(nights, each, 20)) for each in QUANTITIES)
    rows.append(["20, against last night and a baseline", *both])
    heads = ["runs", *(f"{each} quantit{'y' if each == 1 else 'ies'}" for each in QUANTITIES)]
    return _table(heads, rows)


def power_table(nights: int = NIGHTS, same: int = SAME_NIGHTS) -> str:
    """Return the table of how often a change is seen, with the same draws and with fresh ones."""
    rows = [
        [
            change.name,
            *(_percent(same_nights(same, runs, change)) for runs in RUNS),
            *(_percent(fresh_nights(nights, 10, runs, change)) for runs in RUNS),
        ]
        for change in CHANGES
    ]
    kinds = [f"{kind}, {runs} runs" for kind in ("same", "fresh") for runs in RUNS]
    return _table(["what changed in one of 10 quantities", *kinds], rows)


def _percent(moved: NDArray[np.bool_]) -> str:
    return f"{100 * float(moved.mean()):.3g} %"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Rewrite the tables of the page."""
    page = PAGE.read_text(encoding="utf-8")
    for name, text in (("alarms", alarms_table()), ("power", power_table())):
        block = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end of {name} -->)", re.DOTALL)
        place = block.search(page)
        assert place is not None, f"{PAGE.name} has no block named {name}"
        page = f"{page[: place.end(1)]}{text}{page[place.start(2) :]}"
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
