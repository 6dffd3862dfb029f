"""Sweeps that are too large and workers that are no number are refused at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gmat_sweep.backends.cores import available_cores
from gmat_sweep.backends.dask import DaskPool
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.backends.process_pool import ProcessPoolExecutorPool
from gmat_sweep.backends.ray import RayPool
from gmat_sweep.distributions import derive_run_seeds
from gmat_sweep.errors import BackendError, SweepConfigError
from gmat_sweep.grids import (
    expand_grid_to_run_specs,
    expand_monte_carlo_extension_to_run_specs,
    full_factorial_size,
    iter_grid_run_specs,
    latin_hypercube_samples,
    materialise_grid,
)
from gmat_sweep.lazy_runs import listed
from gmat_sweep.limits import MOST_RUNS, MOST_WORKERS, check_run_count, number_text, shown
from gmat_sweep.plans import grid_plan, latin_hypercube_plan, monte_carlo_plan
from gmat_sweep.plans.notation import parse_grid
from gmat_sweep.sensitivity import sobol_sample

HERE = Path("mission.script"), Path("sweep")
NORMAL: dict[str, Any] = {"Sat.SMA": ("normal", 7000.0, 1.0)}
AXES = {name: range(100) for name in "abcde"}

TOO_MANY: dict[str, Callable[[], object]] = {
    "grid points": lambda: grid_plan(AXES, *HERE),
    "grid points as a list": lambda: expand_grid_to_run_specs(AXES, *HERE),
    "values of a field": lambda: materialise_grid({"a": range(10**11)}),
    "values that have no length": lambda: materialise_grid({"a": range(10**30)}),
    "draws": lambda: monte_carlo_plan(NORMAL, 10**11, 1, *HERE),
    "strata": lambda: latin_hypercube_plan(NORMAL, 10**11, 1, *HERE),
    "samples": lambda: latin_hypercube_samples(NORMAL, 10**30, 1),
    "an extension": lambda: expand_monte_carlo_extension_to_run_specs(
        NORMAL, MOST_RUNS - 1, 2, 1, *HERE
    ),
    "seeds": lambda: derive_run_seeds(1, 10**11),
    "sensitivity": lambda: sobol_sample(NORMAL, MOST_RUNS // 2),
    "runs": lambda: listed(range(10**11), None, None),  # type: ignore[arg-type]
    "runs of an iterator": lambda: listed(itertools.count(), 10**11, {}),  # type: ignore[arg-type]
    "the command line": lambda: parse_grid(["a=0:1:10000000000"]),
    "the command line's axes": lambda: grid_plan(parse_grid(["a=0:1:10000", "b=0:1:10000"]), *HERE),
}


@pytest.mark.parametrize("ask", TOO_MANY.values(), ids=TOO_MANY.keys())
def test_more_runs_than_a_sweep_may_have_are_refused_in_one_short_line(
    ask: Callable[[], object],
) -> None:
    with pytest.raises(SweepConfigError) as caught:
        ask()

    assert f"and a sweep may have {MOST_RUNS:,} at most" in str(caught.value)
    assert len(str(caught.value)) < 250


def test_values_without_an_end_are_read_no_further_than_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("grids", "limits"):
        monkeypatch.setattr(f"gmat_sweep.{module}.MOST_RUNS", 100)
    values = itertools.count()

    with pytest.raises(SweepConfigError, match="makes 101 runs"):
        materialise_grid({"a": values})

    assert next(values) == 101


def test_an_iterator_of_runs_is_read_no_further_than_it_should_be() -> None:
    runs = itertools.count()

    with pytest.raises(SweepConfigError, match="is 5, but runs gave 6 or more"):
        listed(runs, 5, {})  # type: ignore[arg-type]

    assert next(runs) == 6


def test_a_sweep_of_the_limit_is_not_refused() -> None:
    assert check_run_count(MOST_RUNS, "it") == MOST_RUNS


def test_what_makes_no_sweep_has_no_limit() -> None:
    assert full_factorial_size(AXES) == 10**10
    assert next(iter_grid_run_specs(AXES, *HERE)).run_id == 0


POOLS: dict[str, Callable[[Any], object]] = {
    "LocalJoblibPool": LocalJoblibPool,
    "ProcessPoolExecutorPool": lambda count: ProcessPoolExecutorPool(max_workers=count),
    "DaskPool": lambda count: DaskPool(n_workers=count),
    "DaskPool threads": lambda count: DaskPool(threads_per_worker=count),
    "RayPool": lambda count: RayPool(num_cpus=count),
}


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS.keys())
@pytest.mark.parametrize(
    "count",
    [math.nan, math.inf, 2.5, 2.0, -1.0, "2", True, 0, -7, 10**20, MOST_WORKERS + 1, [2]],
    ids=str,
)
def test_a_number_of_workers_that_is_none_is_refused(
    pool: Callable[[Any], object], count: object
) -> None:
    with pytest.raises(BackendError, match="Pass a positive count, up to 4096"):
        pool(count)


def test_numpys_integers_are_numbers_of_workers() -> None:
    count: Any = np.int64(3)
    with LocalJoblibPool(count) as three, LocalJoblibPool(-1) as every_core:
        assert (three.max_workers, every_core.max_workers) == (3, available_cores())


@pytest.mark.parametrize("keywords", [5, "queue", ["queue"]], ids=str)
@pytest.mark.parametrize("name", ["cluster_kwargs", "adapt_kwargs"])
def test_keywords_of_a_cluster_are_a_mapping(name: str, keywords: Any) -> None:
    with pytest.raises(BackendError, match=f"{name} is .*Pass a mapping"):
        DaskPool(**{name: keywords})


@pytest.mark.parametrize(
    "value",
    ["a" * 1_000_000, b"a" * 1_000_000, ["a" * 1_000_000], 10**5000, -(10**5000)],
    ids=["text", "bytes", "list", "number", "negative"],
)
def test_a_long_value_is_shown_in_short(value: object) -> None:
    assert len(shown(value)) < 150


def test_a_short_value_is_shown_as_it_is() -> None:
    assert [shown(value) for value in ("it's", 5, None, math.nan)] == [
        '"it\'s"',
        "5",
        "None",
        "nan",
    ]
    assert [number_text(number) for number in (10**15, 10**30)] == [
        "1,000,000,000,000,000", "about 1e30",
    ]  # fmt: skip


def test_the_samples_of_a_sweep_are_counted_before_they_are_read() -> None:
    from gmat_sweep.plans import samples_plan

    frame = pd.DataFrame({"a": np.broadcast_to(np.float64(1), MOST_RUNS + 1)}, copy=False)

    with pytest.raises(SweepConfigError, match="samples makes 10,000,001 runs"):
        samples_plan(frame, *HERE)
