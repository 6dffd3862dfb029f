"""The arithmetic of a stochastic sweep: seeds, draws, and distributions in a manifest."""

import json
import math
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep.distributions import (
    DistSpec,
    checked_count,
    checked_perturb,
    checked_seed,
    derive_param_seed,
    derive_run_seeds,
    draw_function,
    fresh_seed,
    latin_hypercube_unit,
    perturb_from_json,
    perturb_to_json,
    sample,
    to_rv_frozen,
)
from gmat_sweep.errors import SweepConfigError
from repository import DATA

GOLDEN: dict[str, Any] = json.loads((DATA / "draws.json").read_text())

FROZEN: dict[str, Any] = {
    "beta": scipy.stats.beta(2, 5),
    "triang": scipy.stats.triang(c=0.5, loc=-1, scale=2),
    "truncnorm": scipy.stats.truncnorm(-2, np.inf, loc=0.0, scale=10.0),
    "norm": scipy.stats.norm(7100.0, 50.0),
    "poisson": scipy.stats.poisson(3),
    "poisson_binom": scipy.stats.poisson_binom([0.1, 0.6, 0.7]),
    "randint": scipy.stats.randint(low=1, high=7),
}


def loose(value: object) -> DistSpec:
    """Pass off `value` as a distribution, as an unchecked caller can."""
    return cast("DistSpec", value)


# --- seeds


@pytest.mark.parametrize("parent", GOLDEN["derive_run_seeds"])
def test_run_seeds_are_the_reference_ones(parent: str) -> None:
    expected = GOLDEN["derive_run_seeds"][parent]

    assert expected == derive_run_seeds(int(parent), len(expected))


@pytest.mark.parametrize("case", GOLDEN["derive_param_seed"], ids=lambda c: f"{c['name']}")
def test_parameter_seeds_are_the_reference_ones(case: dict[str, Any]) -> None:
    assert case["value"] == derive_param_seed(case["run_seed"], case["name"])


@settings(max_examples=30)
@given(st.integers(0, 2**70), st.integers(0, 40), st.integers(0, 40))
def test_the_seed_of_a_run_does_not_depend_on_how_many_runs_there_are(
    parent: int, n: int, more: int
) -> None:
    assert derive_run_seeds(parent, n) == derive_run_seeds(parent, n + more)[:n]


@settings(max_examples=20)
@given(st.integers(0, 2**64), st.integers(0, 50))
def test_the_seed_of_a_run_is_that_of_the_child_with_its_spawn_key(parent: int, i: int) -> None:
    child = np.random.SeedSequence(parent, spawn_key=(i,))

    assert int(child.generate_state(1)[0]) == derive_run_seeds(parent, i + 1)[i]


def test_seeds_are_python_ints() -> None:
    assert {int} == {type(seed) for seed in derive_run_seeds(np.int64(42).item(), 3)}
    assert type(derive_param_seed(1, "Sat.SMA")) is int


def test_no_runs_have_no_seeds() -> None:
    assert derive_run_seeds(42, 0) == []


def test_without_a_parent_seed_the_operating_systems_entropy_is_used() -> None:
    assert derive_run_seeds(None, 4) != derive_run_seeds(None, 4)


def test_a_negative_number_of_seeds_is_refused() -> None:
    with pytest.raises(SweepConfigError, match="requires n >= 0, got -1"):
        derive_run_seeds(42, -1)


def test_a_fresh_seed_is_an_int_below_2_to_the_63_and_differs_every_time() -> None:
    seeds = [fresh_seed() for _ in range(100)]

    assert len(set(seeds)) == 100
    assert all(type(seed) is int and 0 <= seed < 2**63 for seed in seeds)
    assert any(seed >= 2**60 for seed in seeds)


@pytest.mark.parametrize("seed", [0, 2**63, 2**100, np.int64(7), np.uint32(7)])
def test_any_non_negative_integer_is_a_seed_and_becomes_a_python_int(seed: Any) -> None:
    checked = checked_seed(seed)

    assert checked == int(seed)
    assert type(checked) is int


def test_no_seed_stays_no_seed() -> None:
    assert checked_seed(None) is None


@pytest.mark.parametrize("seed", [1.0, "1", True, np.True_, datetime(2026, 1, 1)])  # noqa: DTZ001
def test_a_seed_that_is_no_integer_is_refused(seed: Any) -> None:
    with pytest.raises(SweepConfigError, match=r"seed must be an integer or None.*Pass a"):
        checked_seed(seed)


@pytest.mark.parametrize(
    "call",
    [
        lambda: checked_seed(-1),
        lambda: derive_run_seeds(-1, 3),
        lambda: derive_param_seed(-1, "Sat.SMA"),
        lambda: sample(("normal", 0.0, 1.0), -1),
    ],
)
def test_a_negative_seed_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(SweepConfigError, match="seed must not be negative, got -1"):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: derive_param_seed(cast("int", None), "Sat.SMA"),
        lambda: sample(("normal", 0.0, 1.0), cast("int", None)),
    ],
)
def test_a_draw_needs_a_seed(call: Callable[[], object]) -> None:
    with pytest.raises(SweepConfigError, match="seed must be an integer, got None"):
        call()


def test_a_count_may_be_numpys_integer_and_becomes_a_python_int() -> None:
    count = checked_count(np.int32(5), "n", "monte_carlo")

    assert count == 5
    assert type(count) is int


@pytest.mark.parametrize("n", [3.0, True, np.True_, "3", None, np.float64(3)])
def test_a_count_that_is_no_integer_is_refused(n: Any) -> None:
    with pytest.raises(SweepConfigError, match="monte_carlo requires n to be an integer"):
        checked_count(n, "n", "monte_carlo")


# --- draws


def test_reference_values_of_seed_42() -> None:
    run_seed = derive_run_seeds(42, 1)[0]

    def draw(name: str, spec: DistSpec) -> float:
        return sample(spec, derive_param_seed(run_seed, name))

    assert draw("Sat.SMA", ("normal", 7100.0, 50.0)) == 7034.515242138367
    assert draw("Sat.INC", ("uniform", 0.0, 90.0)) == 49.15440399182741
    assert draw("Sat.DryMass", ("lognormal", math.log(100), 0.1)) == 102.6235955481948


@pytest.mark.parametrize(
    "spec",
    [
        ("normal", 7100.0, 50.0),
        ("normal", -1e-3, 1e9),
        ("uniform", 0.0, 90.0),
        ("uniform", -180.1, 179.3),
        ("lognormal", math.log(100), 0.1),
        ("lognormal", -3.7, 2.3),
    ],
    ids=str,
)
def test_shorthand_draws_equal_scipys_to_the_last_bit(spec: DistSpec) -> None:
    """Checked over 3000 seeds each: the short way must never be another way."""
    rv = to_rv_frozen(spec)
    draw = draw_function(spec)

    differing = [
        seed
        for seed in range(3000)
        if draw(seed) != rv.rvs(size=1, random_state=np.random.default_rng(seed))[0]
    ]

    assert differing == []


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["normal", "uniform", "lognormal"]),
    st.floats(-500, 500),
    st.floats(1e-6, 1e3),
    st.integers(0, 2**32 - 1),
)
def test_shorthand_draws_equal_scipys_for_all_parameters(
    tag: str, first: float, spread: float, seed: int
) -> None:
    second = first + spread if tag == "uniform" else min(spread, 10.0)
    rv = to_rv_frozen((tag, first, second))

    expected = rv.rvs(size=1, random_state=np.random.default_rng(seed))[0]

    assert expected == sample((tag, first, second), seed)


@pytest.mark.parametrize("name", FROZEN)
def test_a_draw_is_a_python_float_of_the_frozen_distribution(name: str) -> None:
    rv = FROZEN[name]
    expected = rv.rvs(size=1, random_state=np.random.default_rng(5))[0]

    drawn = sample(rv, 5)

    assert float(expected) == drawn
    assert type(drawn) is float


@pytest.mark.parametrize("tag", ["normal", "uniform", "lognormal"])
def test_a_shorthand_draw_is_a_python_float(tag: str) -> None:
    assert type(sample((tag, 0.0, 1.0), 5)) is float


@pytest.mark.parametrize("name", FROZEN)
def test_drawing_leaves_the_distributions_own_state_alone(name: str) -> None:
    rv = FROZEN[name]
    rv.random_state = 11
    expected = rv.rvs(3).tolist()
    rv.random_state = 11

    sample(rv, 5)

    assert expected == rv.rvs(3).tolist()


# --- distributions


def test_a_frozen_distribution_comes_back_as_the_same_object() -> None:
    rv = FROZEN["beta"]

    assert to_rv_frozen(rv) is rv


@pytest.mark.parametrize(
    ("spec", "mean", "std"),
    [
        (("normal", 7100.0, 50.0), 7100.0, 50.0),
        (("uniform", 10.0, 22.0), 16.0, math.sqrt(12.0)),
        (("lognormal", 0.0, 1.0), math.exp(0.5), math.sqrt((math.e - 1) * math.e)),
    ],
)
def test_a_shorthand_is_the_distribution_it_says(spec: DistSpec, mean: float, std: float) -> None:
    rv = to_rv_frozen(spec)

    assert rv.mean() == pytest.approx(mean)
    assert rv.std() == pytest.approx(std)


@pytest.mark.parametrize(
    "spec",
    [
        ("normal", "7100", 50),
        ("normal", np.float32(7100), np.int64(50)),
        (np.str_("normal"), Decimal(7100), 50.0),
    ],
)
def test_parameters_may_be_anything_that_is_a_number(spec: Any) -> None:
    assert sample(("normal", 7100.0, 50.0), 3) == sample(spec, 3)


BAD_SPECS: list[tuple[Any, str]] = [
    (["normal", 0.0, 1.0], "must be a shorthand tuple or scipy rv_frozen, got list"),
    (7000.0, "must be a shorthand tuple or scipy rv_frozen, got float"),
    (scipy.stats.norm, "must be a shorthand tuple or scipy rv_frozen, got norm_gen"),
    ((), "distribution spec tuple is empty"),
    (("gauss", 0.0, 1.0), "unknown distribution shorthand tag 'gauss'.*normal.*uniform.*lognormal"),
    ((1, 0.0, 1.0), "unknown distribution shorthand tag 1"),
    (("normal", 0.0), "'normal' distribution spec must be a length-3 tuple"),
    (("uniform", 0.0, 1.0, 2.0), "'uniform' distribution spec must be a length-3 tuple"),
    (("normal", True, 1.0), "parameters must be numeric"),
    (("normal", 0.0, np.True_), "parameters must be numeric"),
    (("normal", "a", 1.0), "parameters must be numeric"),
    (("normal", None, 1.0), "parameters must be numeric"),
    (("normal", 10**400, 1.0), "parameters must be numeric"),
    (("normal", datetime(2026, 1, 1), 1.0), "parameters must be numeric"),  # noqa: DTZ001
    (("normal", math.nan, 1.0), "parameters must be finite"),
    (("uniform", 0.0, math.inf), "parameters must be finite"),
    (("uniform", -1.7e308, 1.7e308), "parameters must be finite"),
    (("normal", 0.0, 0.0), "'normal' distribution sigma must be > 0"),
    (("lognormal", 0.0, -1.0), "'lognormal' distribution sigma must be > 0"),
    (("uniform", 1.0, 1.0), "requires hi > lo"),
    (("uniform", 2.0, 1.0), "requires hi > lo"),
    (("lognormal", 7100.0, 1.0), r"exp\(mu\) .* is not representable"),
    (("lognormal", -7100.0, 1.0), r"exp\(mu\) .* is not representable"),
    (scipy.stats.norm(0.0, -1.0), r"scipy\.stats\.norm cannot draw"),
    (scipy.stats.norm([1.0, 2.0], 1.0), r"scipy\.stats\.norm cannot draw"),
    (scipy.stats.norm(math.nan, 1.0), "does not draw finite numbers"),
    (("normal", 1.7e308, 1.7e308), "does not draw finite numbers"),
    (("lognormal", 700.0, 300.0), "does not draw finite numbers"),
]


@pytest.mark.parametrize(
    ("spec", "message"), BAD_SPECS, ids=[str(i) for i in range(len(BAD_SPECS))]
)
def test_an_invalid_distribution_is_refused_with_its_field_and_what_to_do(
    spec: Any, message: str
) -> None:
    said = set()
    for checking in (to_rv_frozen, draw_function):
        with pytest.raises(SweepConfigError, match=message) as raised:
            checking(spec, "Sat.SMA")
        said.add(str(raised.value))

    (text,) = said
    assert text.startswith("perturb['Sat.SMA']: ")
    assert text.endswith(".")


def test_a_multivariate_distribution_is_refused() -> None:
    with pytest.raises(SweepConfigError, match="must be a shorthand tuple or scipy rv_frozen"):
        to_rv_frozen(loose(scipy.stats.multivariate_normal([0.0, 0.0])))


# --- perturbations


def test_a_perturbation_is_drawn_in_the_order_of_its_sorted_names() -> None:
    normal = ("normal", 0.0, 1.0)

    assert list(checked_perturb({"b": normal, "a": normal, "B": normal}, "x")) == ["B", "a", "b"]


@pytest.mark.parametrize(
    ("perturb", "message"),
    [
        ({}, "monte_carlo requires a non-empty perturb"),
        ([("Sat.SMA", ("normal", 0.0, 1.0))], "monte_carlo requires perturb to be a mapping"),
        ({1: ("normal", 0.0, 1.0)}, "monte_carlo requires perturb names to be strings, got int: 1"),
    ],
)
def test_a_perturbation_is_a_non_empty_mapping_of_names(perturb: Any, message: str) -> None:
    with pytest.raises(SweepConfigError, match=message):
        checked_perturb(perturb, "monte_carlo")


# --- distributions in a manifest


def test_a_tuple_is_kept_as_a_list_and_comes_back_as_a_tuple() -> None:
    perturb: dict[str, DistSpec] = {
        "Sat.SMA": ("normal", 7100.0, 50),
        "i": loose(("uniform", "0", 9)),
    }

    record = json.loads(json.dumps(perturb_to_json(perturb)))

    assert record == {"Sat.SMA": ["normal", 7100.0, 50], "i": ["uniform", "0", 9]}
    assert perturb_from_json(record) == perturb


def test_a_frozen_distribution_is_kept_as_its_name_and_parameters() -> None:
    record = perturb_to_json({"x": scipy.stats.triang(0.5, loc=-1, scale=2)})

    assert record == {"x": {"name": "triang", "args": [0.5], "kwds": {"loc": -1, "scale": 2}}}


@pytest.mark.parametrize("name", FROZEN)
def test_a_frozen_distribution_read_back_draws_the_same_numbers(name: str) -> None:
    record = json.loads(json.dumps(perturb_to_json({"x": FROZEN[name]})))
    rebuilt = draw_function(perturb_from_json(record)["x"])
    given_draw = draw_function(FROZEN[name])

    assert [given_draw(seed) for seed in range(50)] == [rebuilt(seed) for seed in range(50)]


def test_numpy_parameters_are_kept_as_json_numbers() -> None:
    perturb: dict[str, DistSpec] = {
        "frozen": scipy.stats.norm(np.float32(7000.5), scale=np.int64(50)),
        "array": scipy.stats.poisson_binom(np.array([0.5, 0.25])),
        "tuple": loose((np.str_("normal"), np.float32(0.5), np.int16(2))),
    }

    record = perturb_to_json(perturb)

    assert record == {
        "frozen": {"name": "norm", "args": [7000.5], "kwds": {"scale": 50}},
        "array": {"name": "poisson_binom", "args": [[0.5, 0.25]], "kwds": {}},
        "tuple": ["normal", 0.5, 2.0],
    }
    assert json.loads(json.dumps(record)) == record


def test_a_parameter_that_json_cannot_hold_is_refused_up_front() -> None:
    with pytest.raises(SweepConfigError, match=r"perturb\['x'\]: .*cannot be written as JSON"):
        perturb_to_json({"x": scipy.stats.norm(np.longdouble(1), 2.0)})


def test_a_distribution_that_scipy_has_no_name_for_is_refused_up_front() -> None:
    dice = scipy.stats.rv_discrete(values=([1, 2], [0.5, 0.5]))

    with pytest.raises(SweepConfigError, match=r"unknown scipy\.stats distribution"):
        perturb_to_json({"x": dice()})


def test_a_distribution_under_the_name_of_another_is_refused_up_front() -> None:
    """Its draws are those of scipy's, its quantiles are not."""

    class Ramp(type(scipy.stats.uniform)):  # type: ignore[misc]
        def _ppf(self, q: Any, *args: Any) -> Any:
            return np.sqrt(q)

    ramp = Ramp(a=0.0, b=1.0, name="uniform")()
    assert sample(ramp, 3) == sample(scipy.stats.uniform(), 3)

    with pytest.raises(SweepConfigError, match="does not draw what the given"):
        perturb_to_json({"x": ramp})


def test_a_distribution_with_settings_beside_its_parameters_is_refused_up_front() -> None:
    """Read back from the manifest it would draw other numbers than before."""
    stable = scipy.stats.levy_stable(1.5, 0.5)
    stable.dist.parameterization = "S0"

    with pytest.raises(SweepConfigError, match="does not draw what the given"):
        perturb_to_json({"x": stable})


@pytest.mark.parametrize("spec", [["normal", 0.0, 1.0], 7000.0, ("normal", 0.0, 0.0)])
def test_an_invalid_distribution_does_not_get_into_a_manifest(spec: Any) -> None:
    with pytest.raises(SweepConfigError, match=r"perturb\['Sat\.SMA'\]"):
        perturb_to_json({"Sat.SMA": spec})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "nosuch", "args": [], "kwds": {}}, r"unknown scipy\.stats distribution 'nosuch'"),
        ({"name": "norm_gen", "args": [], "kwds": {}}, r"unknown scipy\.stats distribution"),
        ({"name": "describe", "args": [], "kwds": {}}, r"unknown scipy\.stats distribution"),
        ({"name": 3, "args": [], "kwds": {}}, r"unknown scipy\.stats distribution 3"),
        ({"name": "norm", "args": [1, 2, 3, 4]}, "does not take the recorded parameters"),
        ({"name": "norm", "kwds": {"sigma": 3}}, "does not take the recorded parameters"),
        ({"args": []}, "unrecognised serialised shape"),
        ("normal", "unrecognised serialised shape"),
        (None, "unrecognised serialised shape"),
        (["gauss", 1, 2], "unknown distribution shorthand tag"),
    ],
)
def test_a_manifest_entry_of_another_shape_is_refused(entry: Any, message: str) -> None:
    with pytest.raises(SweepConfigError, match=message):
        perturb_from_json({"x": entry})


# --- Latin hypercube


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 50), st.integers(1, 6), st.integers(0, 2**32))
def test_a_latin_hypercube_has_one_point_in_every_stratum_of_every_column(
    n: int, d: int, seed: int
) -> None:
    unit = latin_hypercube_unit(n, d, seed)

    strata = np.sort(np.ceil(unit * n), axis=0)

    assert unit.shape == (n, d)
    assert (strata == np.arange(1, n + 1)[:, np.newaxis]).all()


def test_a_latin_hypercube_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    first = latin_hypercube_unit(8, 2, 1)

    assert (first == latin_hypercube_unit(8, 2, 1)).all()
    assert (first != latin_hypercube_unit(8, 2, 2)).any()


def test_importing_the_module_loads_neither_numpy_nor_scipy() -> None:
    import subprocess
    import sys

    code = (
        "import sys, gmat_sweep.distributions, gmat_sweep.grids; "
        "print([m for m in ('numpy', 'scipy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
