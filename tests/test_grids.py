"""Designs: what to vary becomes a list of runs."""

import enum
import itertools
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep.distributions import DistSpec
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.grids import (
    expand_grid_to_run_specs,
    expand_latin_hypercube_to_run_specs,
    expand_monte_carlo_extension_to_run_specs,
    expand_monte_carlo_to_run_specs,
    expand_samples_to_run_specs,
    full_factorial,
    full_factorial_size,
    iter_grid_run_specs,
    latin_hypercube_samples,
    materialise_grid,
    plain_value,
)
from gmat_sweep.spec import RunSpec
from repository import DATA

GOLDEN: dict[str, Any] = json.loads((DATA / "draws.json").read_text())
SCRIPT = Path("mission.script")
OUT = Path("out")
NORMAL: dict[str, DistSpec] = {"Sat.SMA": ("normal", 7100.0, 50.0)}


def golden_perturb(case: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(spec) for name, spec in case["perturb"].items()}


def golden_overrides(case: dict[str, Any]) -> list[dict[str, float]]:
    return [
        {name: float.fromhex(value) for name, value in run.items()} for run in case["overrides"]
    ]


def overrides(specs: list[RunSpec]) -> list[dict[str, Any]]:
    return [spec.overrides for spec in specs]


def samples_runs(frame: Any) -> list[RunSpec]:
    return expand_samples_to_run_specs(frame, SCRIPT, OUT)


# --- values


class Colour(enum.StrEnum):
    RED = "red"


class OldColour(str, enum.Enum):  # noqa: UP042 - its str() is not its value
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(7000), 7000),
        (np.uint8(3), 3),
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.True_, True),
        (np.str_("Earth"), "Earth"),
        (Colour.RED, "red"),
        (OldColour.RED, "red"),
        (Level.HIGH, 3),
        ((1, np.int64(2)), [1, 2]),
        ([np.float32(0.5), [np.True_]], [0.5, [True]]),
        ({"a": np.int64(1)}, {"a": 1}),
        ("abc", "abc"),
        (None, None),
        (True, True),
        (math.inf, math.inf),
    ],
    ids=repr,
)
def test_an_override_becomes_the_python_value_it_stands_for(value: Any, expected: Any) -> None:
    plain = plain_value(value, "Sat.X", "run 0")

    assert expected == plain
    assert type(expected) is type(plain)
    assert json.loads(json.dumps(plain)) == expected


EPOCH = "'01 Jan 2026 12:00:00.000'"


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), EPOCH),
        (date(2026, 1, 1), EPOCH),
        (pd.Timestamp("2026-01-01"), EPOCH),
        (pd.NaT, EPOCH),
        (np.datetime64("2026-01-01"), EPOCH),
        (np.datetime64("2026-01-01", "ns"), EPOCH),
        (np.array([1.0, 2.0]), r"\.tolist\(\)"),
        (pd.Timedelta("3s"), "durations numbers"),
        (np.timedelta64(3, "s"), "durations numbers"),
        (np.timedelta64(3, "ns"), "durations numbers"),
        (Decimal("1.5"), "as a float"),
        (Path("x"), "as text"),
        ({1, 2}, "as a list"),
        (object(), "Use numbers, text"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_value_that_json_cannot_hold_is_refused_with_field_place_and_remedy(
    value: Any, remedy: str
) -> None:
    with pytest.raises(SweepConfigError, match=remedy) as raised:
        plain_value(value, "Sat.Epoch", "run 3")

    assert str(raised.value).startswith("run 3: the value for 'Sat.Epoch' is a ")


def test_a_value_inside_a_list_is_named_by_its_place_in_it() -> None:
    with pytest.raises(SweepConfigError, match=r"run 3: the value for 'Sat\.X'\[1\] is a set"):
        plain_value([1, {2}], "Sat.X", "run 3")


# --- grids


def test_a_grid_varies_its_first_sorted_field_slowest() -> None:
    grid: dict[str, list[Any]] = {"b": [1, 2], "a": ["x", "y"]}

    combinations = list(full_factorial(grid))

    assert combinations == [
        {"a": "x", "b": 1},
        {"a": "x", "b": 2},
        {"a": "y", "b": 1},
        {"a": "y", "b": 2},
    ]
    assert [list(combination) for combination in combinations] == [["a", "b"]] * 4


def test_an_empty_grid_is_one_run_without_overrides() -> None:
    assert list(full_factorial({})) == [{}]
    assert full_factorial_size({}) == 1
    assert overrides(expand_grid_to_run_specs({}, SCRIPT, OUT)) == [{}]


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.text(max_size=3).filter(lambda key: key != "_kind"),
        st.lists(st.integers() | st.floats(allow_nan=False) | st.text(), min_size=1, max_size=3),
        max_size=3,
    )
)
def test_a_grid_has_every_combination_in_product_order(grid: dict[str, list[Any]]) -> None:
    fields = sorted(grid)
    expected = [
        dict(zip(fields, values, strict=True))
        for values in itertools.product(*(grid[field] for field in fields))
    ]

    assert expected == list(full_factorial(grid))
    assert len(expected) == full_factorial_size(grid)


def test_the_size_of_a_grid_is_known_without_building_it() -> None:
    assert full_factorial_size({f"p{i}": range(1000) for i in range(6)}) == 10**18


def test_a_generator_is_read_once() -> None:
    grid: dict[str, Any] = {"a": (i for i in range(2)), "b": iter([np.float32(0.5)])}

    assert list(full_factorial(grid)) == [{"a": 0, "b": 0.5}, {"a": 1, "b": 0.5}]


def test_a_materialised_grid_can_be_counted_and_expanded_and_keeps_its_order() -> None:
    grid = materialise_grid({"b": (i for i in range(3)), "a": np.array([1, 2])})

    assert grid == {"b": [0, 1, 2], "a": [1, 2]}
    assert list(grid) == ["b", "a"]
    assert full_factorial_size(grid) == len(list(full_factorial(grid))) == 6


BAD_GRIDS: list[tuple[Any, str]] = [
    ({1: [1]}, "grid keys must be strings, got int: 1"),
    ({"a": []}, "grid value for 'a' is empty"),
    ({"a": iter(())}, "grid value for 'a' is empty"),
    ({"a": "abc"}, r"grid value for 'a' must be a list.*\['abc'\]"),
    ({"a": b"abc"}, "grid value for 'a' must be a list"),
    ({"a": 7000.0}, r"grid value for 'a' must be a list.*\[7000\.0\]"),
    ({"a": {"b": 1}}, "grid value for 'a' must be a list"),
    ({"_kind": [1]}, "grid key '_kind' is reserved"),
    ([("a", [1])], "grid must be a mapping"),
    ({"a": [1, datetime(2026, 1, 1, tzinfo=UTC)]}, rf"grid value 1: .*'a'.*{EPOCH}"),
    ({"a": pd.date_range("2026-01-01", periods=2)}, rf"grid value 0: .*'a'.*{EPOCH}"),
]


@pytest.mark.parametrize(
    ("grid", "message"), BAD_GRIDS[:2] + BAD_GRIDS[3:], ids=lambda v: str(v)[:30]
)
@pytest.mark.parametrize(
    "call",
    [
        materialise_grid,
        full_factorial_size,
        lambda grid: next(full_factorial(grid)),
        lambda grid: next(iter_grid_run_specs(grid, SCRIPT, OUT)),
        lambda grid: expand_grid_to_run_specs(grid, SCRIPT, OUT),
    ],
    ids=["materialise", "size", "factorial", "iter", "expand"],
)
def test_an_invalid_grid_is_refused(call: Callable[[Any], Any], grid: Any, message: str) -> None:
    with pytest.raises(SweepConfigError, match=message):
        call(grid)


def test_an_exhausted_generator_is_an_empty_value() -> None:
    grid, message = BAD_GRIDS[2]

    with pytest.raises(SweepConfigError, match=message):
        full_factorial_size(grid)


def test_a_grid_is_checked_when_the_first_combination_is_asked_for() -> None:
    combinations = full_factorial({"a": []})

    with pytest.raises(SweepConfigError):
        next(combinations)


def test_a_grid_run_is_numbered_and_has_its_own_folder() -> None:
    specs = expand_grid_to_run_specs({"Sat.SMA": [7000.0, 7100.0]}, SCRIPT, OUT)

    assert specs == [
        RunSpec(SCRIPT, {"Sat.SMA": 7000.0}, OUT / "run-0", 0, None, {}),
        RunSpec(SCRIPT, {"Sat.SMA": 7100.0}, OUT / "run-1", 1, None, {}),
    ]


def test_grid_runs_are_made_one_at_a_time() -> None:
    runs = iter_grid_run_specs({f"p{i}": range(1000) for i in range(6)}, SCRIPT, OUT)

    assert isinstance(runs, Iterator)
    assert [next(runs).run_id for _ in range(3)] == [0, 1, 2]


# --- samples


def test_a_row_of_samples_is_a_run() -> None:
    specs = samples_runs(pd.DataFrame({"Sat.SMA": [7000.0, 7100.0], "Sat.X": ["a", "b"]}))

    assert specs == [
        RunSpec(SCRIPT, {"Sat.SMA": 7000.0, "Sat.X": "a"}, OUT / "run-0", 0, None, {}),
        RunSpec(SCRIPT, {"Sat.SMA": 7100.0, "Sat.X": "b"}, OUT / "run-1", 1, None, {}),
    ]


def test_samples_of_every_column_type_become_python_values() -> None:
    frame = pd.DataFrame(
        {
            "i": np.array([1], dtype="int32"),
            "f": np.array([0.5], dtype="float32"),
            "b": [True],
            "o": pd.Series([np.int64(3)], dtype="object"),
            "s": pd.Series(["x"], dtype="string"),
            "n": pd.Series([4], dtype="Int64"),
            "c": pd.Categorical(["y"]),
        }
    )

    row = samples_runs(frame)[0].overrides

    assert row == {"i": 1, "f": 0.5, "b": True, "o": 3, "s": "x", "n": 4, "c": "y"}
    assert [type(value) for value in row.values()] == [int, float, bool, int, str, int, str]


def test_a_nan_cell_is_kept() -> None:
    frame = pd.DataFrame(
        {"a": [1.0, math.nan], "b": [1, 2], "c": pd.Series([pd.NA, 3], dtype="Int64")}
    )

    rows = overrides(samples_runs(frame))

    assert math.isnan(rows[1]["a"])
    assert [rows[0]["a"], rows[0]["b"], rows[1]["b"]] == [1.0, 1, 2]
    assert [rows[0]["c"], rows[1]["c"]] == [None, 3]


def test_a_frame_without_rows_has_no_runs() -> None:
    assert samples_runs(pd.DataFrame({"a": []})) == []


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"a": [1]}, "must be a pandas.DataFrame, got dict"),
        (pd.Series([1.0]), "must be a pandas.DataFrame, got Series"),
        (pd.DataFrame({"a": [1], 2: [1]}), r"column names must be strings, got \[2\]"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), r"duplicate column names: \['a'\]"),
        (
            pd.DataFrame({"a": [1, 2]}, index=[5, 6]),
            r"default RangeIndex.*reset_index\(drop=True\)",
        ),
        (pd.DataFrame({"a": [1, 2]}, index=["x", "y"]), "default RangeIndex"),
        (pd.DataFrame({"a": [math.nan] * 2, "b": [1, 2]}), r"all-NaN columns: \['a'\]"),
        (
            pd.DataFrame({"a": [1, 2], "t": ["x", pd.Timestamp("2026-01-01")]}),
            rf"samples row 1: .*'t'.*Timestamp.*{EPOCH}",
        ),
        (
            pd.DataFrame({"t": pd.to_datetime(["2026-01-01"])}),
            rf"samples row 0: .*'t'.*Timestamp.*{EPOCH}",
        ),
    ],
)
def test_invalid_samples_are_refused(frame: Any, message: str) -> None:
    with pytest.raises(SweepConfigError, match=message):
        samples_runs(frame)


def test_samples_are_checked_for_names_duplicates_index_and_content_in_that_order() -> None:
    frame = pd.DataFrame([[math.nan] * 3] * 2, columns=[1, "a", "a"], index=[5, 6])
    messages = []
    repairs: list[Callable[[pd.DataFrame], pd.DataFrame]] = [
        lambda f: f.rename(columns={1: "b"}),
        lambda f: f.set_axis(["b", "a", "c"], axis=1),
        lambda f: f.reset_index(drop=True),
        lambda f: f.fillna(1.0),
    ]
    for repair in repairs:
        with pytest.raises(SweepConfigError) as raised:
            samples_runs(frame)
        messages.append(str(raised.value))
        frame = repair(frame)

    for expected, message in zip(
        ["must be strings", "duplicate column", "RangeIndex", "all-NaN"], messages, strict=True
    ):
        assert expected in message
    assert len(samples_runs(frame)) == 2


# --- Monte Carlo


@pytest.mark.parametrize("case", GOLDEN["monte_carlo"], ids=lambda c: f"{c['seed']}-{c['n']}")
def test_monte_carlo_draws_are_the_reference_ones(case: dict[str, Any]) -> None:
    specs = expand_monte_carlo_to_run_specs(
        golden_perturb(case), case["n"], case["seed"], SCRIPT, OUT
    )

    assert golden_overrides(case) == overrides(specs)
    assert case["run_seeds"] == [spec.seed for spec in specs]


def test_monte_carlo_draws_of_frozen_distributions_are_the_reference_ones() -> None:
    case = GOLDEN["monte_carlo_rv_frozen"]
    assert case["rvs"] == {
        "a": "beta(2,5)",
        "b": "triang(c=0.5,loc=-1,scale=2)",
        "c": "truncnorm(a=-2,b=2,loc=0.0,scale=10.0)",
        "d": "norm(7100.0,50.0)",
    }
    perturb: dict[str, DistSpec] = {
        "a": scipy.stats.beta(2, 5),
        "b": scipy.stats.triang(c=0.5, loc=-1, scale=2),
        "c": scipy.stats.truncnorm(a=-2, b=2, loc=0.0, scale=10.0),
        "d": scipy.stats.norm(7100.0, 50.0),
    }

    specs = expand_monte_carlo_to_run_specs(perturb, case["n"], case["seed"], SCRIPT, OUT)

    assert golden_overrides(case) == overrides(specs)


def test_a_monte_carlo_run_is_numbered_and_records_its_seed() -> None:
    spec = expand_monte_carlo_to_run_specs(NORMAL, 2, 42, SCRIPT, OUT)[1]

    assert spec == RunSpec(SCRIPT, {"Sat.SMA": 7029.214611587769}, OUT / "run-1", 1, 4091952314, {})


def test_overrides_are_in_the_order_of_their_sorted_names() -> None:
    perturb: dict[str, DistSpec] = {"b": ("uniform", 0.0, 1.0), "a": ("uniform", 0.0, 1.0)}

    spec = expand_monte_carlo_to_run_specs(perturb, 1, 0, SCRIPT, OUT)[0]

    assert list(spec.overrides) == ["a", "b"]


def test_a_parameters_draws_do_not_depend_on_the_other_parameters() -> None:
    alone = expand_monte_carlo_to_run_specs(NORMAL, 5, 42, SCRIPT, OUT)
    more: dict[str, DistSpec] = {"Sat.INC": ("uniform", 0.0, 90.0), **NORMAL}

    together = expand_monte_carlo_to_run_specs(more, 5, 42, SCRIPT, OUT)

    assert [run["Sat.SMA"] for run in overrides(together)] == [
        run["Sat.SMA"] for run in overrides(alone)
    ]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**64), st.integers(0, 12), st.integers(1, 12))
def test_an_extension_equals_the_end_of_a_longer_sweep(seed: int, old_n: int, n: int) -> None:
    whole = expand_monte_carlo_to_run_specs(NORMAL, old_n + n, seed, SCRIPT, OUT)

    extension = expand_monte_carlo_extension_to_run_specs(NORMAL, old_n, n, seed, SCRIPT, OUT)

    assert whole[old_n:] == extension


def test_without_a_seed_every_monte_carlo_sweep_differs() -> None:
    first = expand_monte_carlo_to_run_specs(NORMAL, 1, None, SCRIPT, OUT)

    assert first != expand_monte_carlo_to_run_specs(NORMAL, 1, None, SCRIPT, OUT)


def test_numpy_integers_are_counts_and_seeds() -> None:
    n: Any = np.int64(2)
    seed: Any = np.uint32(42)

    specs = expand_monte_carlo_to_run_specs(NORMAL, n, seed, SCRIPT, OUT)

    assert specs == expand_monte_carlo_to_run_specs(NORMAL, 2, 42, SCRIPT, OUT)


def test_every_distribution_is_checked_before_the_first_draw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    perturb: dict[str, DistSpec] = {**NORMAL, "Sat.Z": ("normal", 0.0, -1.0)}
    seeded: list[object] = []
    monkeypatch.setattr("gmat_sweep.grids.derive_run_seeds", lambda *args: seeded.append(args))

    with pytest.raises(SweepConfigError, match=r"perturb\['Sat\.Z'\].*sigma must be > 0"):
        expand_monte_carlo_to_run_specs(perturb, 3, 42, SCRIPT, OUT)
    assert seeded == []


def monte_carlo(perturb: Any, n: Any, seed: Any) -> object:
    return expand_monte_carlo_to_run_specs(perturb, n, seed, SCRIPT, OUT)


def extension(perturb: Any, n: Any, seed: Any) -> object:
    return expand_monte_carlo_extension_to_run_specs(perturb, 3, n, seed, SCRIPT, OUT)


def hypercube(perturb: Any, n: Any, seed: Any) -> object:
    return expand_latin_hypercube_to_run_specs(perturb, n, seed, SCRIPT, OUT)


@pytest.mark.parametrize(
    ("design", "caller"),
    [
        (monte_carlo, "monte_carlo"),
        (extension, "monte_carlo_extend"),
        (hypercube, "latin_hypercube"),
        (latin_hypercube_samples, "latin_hypercube"),
    ],
)
@pytest.mark.parametrize(
    ("perturb", "n", "seed", "message"),
    [
        ({}, 3, 42, "^{} requires a non-empty perturb"),
        (NORMAL, 0, 42, "^{} requires n >= 1, got 0"),
        (NORMAL, 3.0, 42, "^{} requires n to be an integer, got float: 3.0"),
        (NORMAL, True, 42, "^{} requires n to be an integer, got bool"),
        (NORMAL, 3, -1, "seed must not be negative, got -1"),
        (NORMAL, 3, 1.5, "seed must be an integer or None"),
        ({"x": ["normal", 0.0, 1.0]}, 3, 42, "must be a shorthand tuple or scipy rv_frozen"),
        ({1: ("normal", 0.0, 1.0)}, 3, 42, "^{} requires perturb names to be strings"),
    ],
)
def test_an_invalid_stochastic_design_is_refused(
    design: Callable[[Any, Any, Any], object],
    caller: str,
    perturb: Any,
    n: Any,
    seed: Any,
    message: str,
) -> None:
    with pytest.raises(SweepConfigError, match=message.format(caller)):
        design(perturb, n, seed)


def test_an_extension_of_a_negative_number_of_runs_is_refused() -> None:
    with pytest.raises(SweepConfigError, match="monte_carlo_extend requires old_n >= 0, got -1"):
        expand_monte_carlo_extension_to_run_specs(NORMAL, -1, 3, 42, SCRIPT, OUT)


# --- Latin hypercube


@pytest.mark.parametrize("case", GOLDEN["latin_hypercube"], ids=lambda c: f"{c['seed']}-{c['n']}")
def test_latin_hypercube_samples_are_the_reference_ones(case: dict[str, Any]) -> None:
    specs = expand_latin_hypercube_to_run_specs(
        golden_perturb(case), case["n"], case["seed"], SCRIPT, OUT
    )

    assert golden_overrides(case) == overrides(specs)


def test_latin_hypercube_samples_of_seed_42() -> None:
    frame = latin_hypercube_samples({**NORMAL, "Sat.INC": ("uniform", 0.0, 90.0)}, 4, 42)

    assert frame.iloc[0].tolist() == [27.585988907490826, 7046.04697744106]


def test_latin_hypercube_samples_are_floats_in_sorted_columns() -> None:
    frame = latin_hypercube_samples({"b": scipy.stats.poisson(3), **NORMAL}, 5, 42)

    assert frame.columns.tolist() == ["Sat.SMA", "b"]
    assert [str(dtype) for dtype in frame.dtypes] == ["float64", "float64"]
    assert isinstance(frame.index, pd.RangeIndex)


def test_a_latin_hypercube_run_has_no_seed_of_its_own() -> None:
    specs = expand_latin_hypercube_to_run_specs(NORMAL, 3, 42, SCRIPT, OUT)

    assert [spec.seed for spec in specs] == [None] * 3
    assert [spec.run_id for spec in specs] == [0, 1, 2]
    assert specs[2].output_dir == OUT / "run-2"


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 30), st.integers(0, 2**32))
def test_every_quantile_of_a_latin_hypercube_is_hit_once(n: int, seed: int) -> None:
    frame = latin_hypercube_samples({"x": ("uniform", 0.0, 1.0)}, n, seed)

    assert sorted(np.ceil(frame["x"] * n)) == list(range(1, n + 1))


def test_every_design_can_be_written_as_json() -> None:
    grid: dict[str, Any] = {
        "a": np.arange(2),
        "b": np.array([0.5], dtype="float32"),
        "c": [np.True_],
    }

    designs = [
        expand_grid_to_run_specs(grid, SCRIPT, OUT),
        expand_monte_carlo_to_run_specs(NORMAL, 2, 1, SCRIPT, OUT),
        expand_latin_hypercube_to_run_specs(NORMAL, 2, 1, SCRIPT, OUT),
    ]

    for spec in itertools.chain(*designs):
        assert RunSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
