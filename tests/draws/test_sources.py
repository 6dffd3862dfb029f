"""What is drawn, against scipy, formulae by another route, and moments of many draws."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from gmat_sweep import Manifest, grids, plans
from gmat_sweep.distributions import derive_param_seed, derive_run_seeds
from gmat_sweep.draws.covariance import Covariance
from gmat_sweep.draws.designs import DESIGNS
from gmat_sweep.draws.sources import Source, needed_of_nominal, sources_of
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.plan import random_plan
from gmat_sweep.spec import RunSpec
from gmat_sweep.sweep.resuming import planned_extension
from manifests import entry, header

STATE = {
    "Sat.X": 5100.0,
    "Sat.Y": -3300.0,
    "Sat.Z": 2900.0,
    "Sat.VX": 3.1,
    "Sat.VY": 6.4,
    "Sat.VZ": 1.7,
}
NOMINAL: dict[str, Any] = {
    **STATE,
    "Sat.CoordinateSystem.Axes": "MJ2000Eq",
    "Sat.Epoch": "01 Jan 2026 00:00:00.000",
    "Sat.DateFormat": "UTCGregorian",
    "Tank.FuelMass": 756.0,
    "Thr.C1": -10.0,
}
SIGMAS = (0.3, 0.9, 0.2, 1e-3, 3e-4, 2e-4)


def correlated() -> tuple[tuple[float, ...], ...]:
    """Return a covariance of position and velocity with strong correlations."""
    mixing = np.random.default_rng(3).normal(size=(6, 6)) + 2 * np.eye(6)
    matrix = mixing @ mixing.T
    scale = np.array(SIGMAS) / np.sqrt(np.diag(matrix))
    return tuple(map(tuple, matrix * np.outer(scale, scale)))


# Each spec, and the distribution of its field by scipy.
NUMBERS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "normal": (("normal", 7000.0, 5.0), scipy.stats.norm(7000, 5)),
    "three sigma": (("normal", 7000.0, "15@3"), scipy.stats.norm(7000, 5)),
    "uniform": (("uniform", -2.0, 3.0), scipy.stats.uniform(-2, 5)),
    "lognormal": (("lognormal", 0.1, 0.4), scipy.stats.lognorm(0.4, scale=math.exp(0.1))),
    "truncnorm": (
        ("truncnorm", 0.01, 0.01, 0.0, 0.025),
        scipy.stats.truncnorm(-1, 1.5, loc=0.01, scale=0.01),
    ),
    "triangular": (("triangular", 1.0, 2.0, 5.0), scipy.stats.triang(0.25, loc=1, scale=4)),
    "beta": (("beta", 2.0, 5.0), scipy.stats.beta(2, 5)),
    "beta between": (("beta", 2.0, 5.0, 10.0, 20.0), scipy.stats.beta(2, 5, loc=10, scale=10)),
    "delta_normal": (("delta_normal", 2.0), scipy.stats.norm(756, 2)),
    "delta_uniform": (("delta_uniform", 2.0), scipy.stats.uniform(754, 4)),
    "delta_uniform to": (("delta_uniform", -1.0, 3.0), scipy.stats.uniform(755, 4)),
    "rel_normal": (("rel_normal", "1%"), scipy.stats.norm(756, 7.56)),
    "rel three sigma": (("rel_normal", "3%@3"), scipy.stats.norm(756, 7.56)),
    "rel_uniform": (("rel_uniform", -0.01, "2%"), scipy.stats.uniform(748.44, 22.68)),
}


def draws_of(source: Source, n: int, seed: int = 42) -> list[tuple[Any, ...]]:
    """Return the draws of a source in the runs of a sweep."""
    return [
        source.draw(derive_param_seed(run, source.seed_name)) for run in derive_run_seeds(seed, n)
    ]


def only_source(name: str, spec: Any, nominal: Mapping[str, Any] = NOMINAL) -> Source:
    (source,) = sources_of({name: spec}, "a test", nominal)
    return source


def check_numbers(name: str, n: int) -> None:
    spec, expected = NUMBERS[name]
    drawn = np.array(draws_of(only_source("Tank.FuelMass", spec), n))[:, 0]
    # One chance in 10,000 to fail for each, and the seed is fixed.
    assert scipy.stats.kstest(drawn, expected.cdf).pvalue > 1e-4
    mean_error = (drawn.mean() - expected.mean()) / (expected.std() / math.sqrt(n))
    assert abs(mean_error) < 4
    assert drawn.std() == pytest.approx(expected.std(), rel=6 / math.sqrt(n))


@pytest.mark.parametrize("name", NUMBERS)
def test_draws_have_the_distribution_and_the_moments_of_scipys(name: str) -> None:
    check_numbers(name, 500)


@pytest.mark.soak
@pytest.mark.parametrize("name", NUMBERS)
def test_many_draws_have_the_distribution_and_the_moments_of_scipys(name: str) -> None:
    check_numbers(name, 20_000)


@pytest.mark.parametrize("name", NUMBERS)
def test_the_points_of_a_design_are_quantiles(name: str) -> None:
    spec, expected = NUMBERS[name]
    units = np.linspace(0.01, 0.99, 50)
    (column,) = only_source("Tank.FuelMass", spec).at(units[:, None])
    np.testing.assert_allclose(column, expected.ppf(units), rtol=1e-12)


def test_a_share_of_a_negative_value_spreads_as_that_of_a_positive_one() -> None:
    source = only_source("Thr.C1", ("rel_uniform", 0.0, 0.1))
    drawn = [value for (value,) in draws_of(source, 200)]
    assert -10.0 <= min(drawn) < -9.95
    assert -9.05 < max(drawn) <= -9.0


def test_choices_come_in_the_shares_of_their_weights() -> None:
    source = only_source("FM.Drag", ("discrete", {"JacchiaRoberts": 1, "MSISE90": 3}))
    drawn = [value for (value,) in draws_of(source, 4000)]
    seen = [drawn.count(name) for name in ("JacchiaRoberts", "MSISE90")]
    assert sum(seen) == 4000
    assert scipy.stats.chisquare(seen, [1000, 3000]).pvalue > 1e-4
    numbers = only_source("V", ("choice", [1, 2.5, "x"]))
    assert {value for (value,) in draws_of(numbers, 60)} == {1, 2.5, "x"}
    (column,) = numbers.at(np.array([[0.0], [0.3], [0.34], [0.99], [1.0]]))
    assert column == [1, 1, 2.5, "x", "x"]


def test_draws_depend_on_seed_run_and_name_only() -> None:
    perturb: dict[str, Any] = {
        "Sat": Covariance(correlated(), frame="RIC"),
        "Sat.Epoch": ("normal_seconds", 30.0),
        "Tank.FuelMass": ("rel_normal", "1%"),
        "FM.Drag": ("choice", ["JacchiaRoberts", "MSISE90"]),
    }
    whole = grids.expand_monte_carlo_to_run_specs(perturb, 8, 7, "m", "o", nominal=NOMINAL)
    begun = grids.expand_monte_carlo_to_run_specs(perturb, 3, 7, "m", "o", nominal=NOMINAL)
    added = grids.expand_monte_carlo_extension_to_run_specs(
        perturb, 3, 5, 7, "m", "o", nominal=NOMINAL
    )
    assert [*begun, *added] == whole
    for name, spec in perturb.items():
        alone = grids.expand_monte_carlo_to_run_specs({name: spec}, 8, 7, "m", "o", nominal=NOMINAL)
        for run, of_all in zip(alone, whole, strict=True):
            assert run.overrides.items() <= of_all.overrides.items()


EVERY_KIND: dict[str, Any] = {
    **{f"Tank.{i}": spec for i, (spec, _) in enumerate(NUMBERS.values())},
    "Sat": Covariance(correlated(), frame="RIC"),
    "Kep": Covariance(np.diag([1.0, 1e-8, 0.01, 0.01, 0.01, 0.01]), elements="keplerian"),
    "two": Covariance([[1.0, 0.5], [0.5, 1.0]], fields=("A(1,1)", "V"), mean=(0, 1)),
    "Sat.Epoch": ("normal_seconds", 30.0),
    "Late.Epoch": ("uniform_seconds", -60, 60),
    "FM.Drag": ("choice", ["JacchiaRoberts", "MSISE90"]),
    "Order": ("discrete", {2: 1, 4: 3}),
    "frozen": scipy.stats.gamma(2.0, scale=3.0),
}
NOMINAL_OF_EVERY_KIND = {
    **dict.fromkeys(needed_of_nominal(EVERY_KIND), 5.0),
    **NOMINAL,
    "Late.Epoch": 31042.0,
    "Late.DateFormat": "TAIModJulian",
}


def manifest_on_disk(folder: Path, plan: plans.Plan, runs: Sequence[RunSpec], planned: int) -> Path:
    """Write what a sweep leaves that was killed after some runs, within a line."""
    extra = {plans.PLANNED_KEY: planned} if planned > plan.parameter_spec["n"] else {}
    path = folder / "manifest.jsonl"
    header(
        parameter_spec=plan.parameter_spec,
        sweep_seed=plan.seed,
        run_count=plan.parameter_spec["n"],
        entries=[
            entry(run.run_id, overrides=run.overrides, output_paths={}, extra=extra) for run in runs
        ],
    ).save(path)
    return path


@pytest.mark.parametrize("kind", ["monte_carlo", *DESIGNS])
@pytest.mark.parametrize("finished", [0, 3])
def test_a_killed_sweep_draws_what_is_left_as_the_unbroken_one_would(
    kind: str, finished: int, tmp_path: Path
) -> None:
    nominal = {name: NOMINAL_OF_EVERY_KIND[name] for name in needed_of_nominal(EVERY_KIND)}
    plan = random_plan(kind, EVERY_KIND, 8, 7, Path("m"), tmp_path, nominal)
    path = manifest_on_disk(tmp_path, plan, plan.runs[: finished + 1], 8)
    path.write_bytes(path.read_bytes()[: -20 if finished else None])

    again = plans.rebuild_runs(Manifest.load(path), Path("m"), tmp_path)

    assert again == list(plan.runs)
    assert json.dumps([run.overrides for run in again]) == json.dumps(
        [run.overrides for run in plan.runs]
    ), "to the last bit, and the same types"


def test_an_extension_killed_or_not_draws_as_the_longer_sweep_does(tmp_path: Path) -> None:
    nominal = {name: NOMINAL_OF_EVERY_KIND[name] for name in needed_of_nominal(EVERY_KIND)}
    long, short = (
        random_plan("monte_carlo", EVERY_KIND, n, 7, Path("m"), tmp_path, nominal) for n in (8, 5)
    )
    whole = list(long.runs)
    path = manifest_on_disk(tmp_path, short, short.runs, 5)
    loaded = Manifest.load(path)
    runs = plans.rebuild_runs(loaded, Path("m"), tmp_path)
    assert [*runs, *planned_extension(loaded, runs, 3, Path("m"), tmp_path)] == whole

    killed = manifest_on_disk(tmp_path, short, whole[:6], 8)
    assert plans.rebuild_runs(Manifest.load(killed), Path("m"), tmp_path) == whole


class TestCovariances:
    """Position and velocity drawn together."""

    @pytest.mark.parametrize("frame", [None, "RIC", "VNB", "LVLH", "TNW"])
    def test_many_draws_have_the_matrix_in_its_frame(self, frame: Any) -> None:
        """The frame's axes come from another route: QR of position and velocity."""
        matrix = np.array(correlated())
        source = only_source("Sat", Covariance(matrix, frame=frame))
        # Not each with its own seed: 100,000 draws of that would take half a minute.
        n = 100_000 if frame == "RIC" else 5_000
        units = np.random.default_rng(1).random((n, 6))
        drawn = np.array(source.at(units)).T - np.array(list(STATE.values()))
        turn = np.eye(6) if frame is None else np.kron(np.eye(2), axes_by_qr(frame))
        seen = np.cov((drawn @ turn.T).T)
        sigma = np.sqrt(np.diag(matrix))
        # The standard error of a covariance is at most sqrt(2/n) of the sigmas.
        errors = (seen - matrix) / np.outer(sigma, sigma) / math.sqrt(2 / n)
        assert abs(errors).max() < 4.5
        assert abs(drawn.mean(axis=0) / drawn.std(axis=0)).max() < 4.5 / math.sqrt(n)

    def test_a_run_draws_from_the_same_matrix(self) -> None:
        matrix = np.array(correlated())
        drawn = np.array(draws_of(only_source("Sat", Covariance(matrix)), 2000))
        whitened = np.linalg.solve(np.linalg.cholesky(matrix), (drawn - list(STATE.values())).T)
        assert scipy.stats.kstest(whitened.ravel(), "norm").pvalue > 1e-4
        assert abs(np.cov(whitened) - np.eye(6)).max() < 5 / math.sqrt(2000)

    def test_a_matrix_without_full_rank_keeps_what_depends_on_the_rest(self) -> None:
        matrix = [[4.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
        source = only_source("three", Covariance(matrix, fields=("a", "b", "c"), mean=(1, 2, 3)))
        for a, b, c in draws_of(source, 20):
            assert b - 2 == pytest.approx((a - 1) / 2)
            assert c == 3

    @pytest.mark.parametrize("elements", ["keplerian", "equinoctial"])
    def test_elements_are_drawn_about_the_scripts_own(self, elements: Any) -> None:
        spec = Covariance(np.diag([1.0, 1e-8, 0.01, 0.01, 0.01, 0.01]), elements=elements)
        needed = needed_of_nominal({"Sat": spec})
        source = only_source("Sat", spec, dict.fromkeys(needed, 0.5))
        assert source.fields == needed
        assert source.fields[0] == "Sat.SMA"
        assert np.std(draws_of(source, 300), axis=0) == pytest.approx(
            [1.0, 1e-4, 0.1, 0.1, 0.1, 0.1], rel=0.2
        )


def axes_by_qr(frame: str) -> Any:
    """Return the rows of a local frame by Gram and Schmidt, as LAPACK's QR does it."""
    position, velocity = np.array(list(STATE.values())).reshape(2, 3)
    first, second = (position, velocity) if frame in ("RIC", "LVLH") else (velocity, position)
    q, r = np.linalg.qr(np.column_stack([first, second]))
    along, other = (q * np.sign(np.diag(r))).T
    normal = np.cross(along, other) if frame in ("RIC", "LVLH") else np.cross(other, along)
    if frame in ("RIC", "LVLH"):
        return np.array([along, other, normal])
    if frame == "VNB":
        # The part of the position across the velocity points where v x h does.
        return np.array([along, normal, other])
    return np.array([along, -other, normal])


@pytest.mark.parametrize("design", DESIGNS)
def test_a_design_fills_the_space_of_every_source(design: str) -> None:
    perturb: dict[str, Any] = {
        "Sat": Covariance(correlated()),
        "Sat.Epoch": ("normal_seconds", 30.0),
        "FM.Drag": ("choice", ["a", "b"]),
        "Tank.FuelMass": ("delta_normal", 2.0),
    }
    frame = grids.design_samples(design, perturb, 256, 9, nominal=NOMINAL)
    again = grids.design_samples(design, perturb, 256, 9, nominal=NOMINAL)
    assert frame.equals(again)
    assert list(frame) == ["FM.Drag", *STATE, "Sat.Epoch", "Tank.FuelMass"]
    assert abs((frame["FM.Drag"] == "a").sum() - 128) <= (2 if design == "halton" else 0)
    # Closer than 256 independent draws come, whose error is 1/16 of a sigma.
    assert abs(frame["Tank.FuelMass"].mean() - 756) / 2 < 1 / 64
    other = grids.design_samples(design, perturb, 256, 10, nominal=NOMINAL)
    assert not frame["Sat.X"].equals(other["Sat.X"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (("truncnorm", 0, 1), "length-5 tuple"),
        (("truncnorm", 0, 1, 30, 40), "nothing between its bounds"),
        (("truncnorm", 0, -1, 0, 1), "sigma must be > 0"),
        (("triangular", 0, 5, 2), "lo <= mode <= hi"),
        (("beta", -1, 2), "a > 0 and b > 0"),
        (("beta", 1, 2, 3), "requires hi > lo"),
        (("normal", 0, "15@0"), "a sigma alone and has a number above 0 after it"),
        (("normal", 0, "15@"), "'15@3' where 15 is three"),
        (("uniform", 0, "15@3"), "'@' is for a sigma alone"),
        (("delta_normal",), "cannot be"),
        (("delta_normal", 0), "a standard deviation above"),
        (("delta_uniform", 3, 1), "an upper bound above"),
        (("rel_normal", "x%"), "must be finite numbers"),
        (("rel_normal", "1%"), "which is 0"),
        (("rel_normal", 1), "a share of 1 in .* is 100 % of .* Write '1%' or '100%'"),
        (("rel_uniform", "-1%", 2.0), "a share of 2.0 in .* is 200 %"),
        (("normal_seconds", math.nan), "must be finite numbers"),
        (("choice", []), "0 values"),
        (("choice", "JGM2"), "cannot be"),
        (("choice", [None]), "no value of"),
        (("choice", ["a", "a"]), "stands twice"),
        (("discrete", {"a": 0}), "no number above 0"),
        (("discrete", ["a"], [1, 2]), "1 values and 2 weights"),
    ],
)
def test_a_bad_distribution_is_refused_with_its_name(spec: Any, message: str) -> None:
    nominal = {"Sat.Epoch": 0.0, "Sat.DateFormat": "A1ModJulian"}
    with pytest.raises(SweepConfigError, match=message) as caught:
        sources_of({"Sat.Epoch": spec}, "a test", nominal)
    assert "Sat.Epoch" in str(caught.value)


def test_what_the_script_says_must_be_known_and_be_a_number() -> None:
    with pytest.raises(SweepConfigError, match=r"the script's own Sat\.SMA, which is not known"):
        sources_of({"Sat.SMA": ("delta_normal", 1.0)}, "a test")
    with pytest.raises(SweepConfigError, match=r"Move an epoch with \('normal_seconds', 30\)"):
        sources_of({"Sat.Epoch": ("delta_normal", 1.0)}, "a test", {"Sat.Epoch": "1 Jan 2026"})
    with pytest.raises(SweepConfigError, match="'JGM2' and no number"):
        sources_of({"FM.M": ("delta_normal", 1.0)}, "a test", {"FM.M": "JGM2"})
    with pytest.raises(SweepConfigError, match="does not assign it a number"):
        sources_of({"Sat.TA": ("delta_normal", 1.0)}, "a test", {"Sat.TA": None})
    with pytest.raises(SweepConfigError, match="does not assign V a number"):
        sources_of({"two": Covariance([[1.0]], fields=("V",))}, "a test", {"V": None})


def test_a_field_is_drawn_once() -> None:
    perturb: dict[str, Any] = {"Sat": Covariance(correlated()), "Sat.VX": ("normal", 0.0, 1.0)}
    with pytest.raises(SweepConfigError, match=r"Sat\.VX is drawn twice: by 'Sat' and by 'Sat.VX'"):
        sources_of(perturb, "a test", NOMINAL)


def damaged(change: Any) -> Any:
    matrix = np.array(correlated())
    change(matrix)
    return matrix


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (lambda: Covariance(correlated()[:5]), "5 rows"),
        (lambda: Covariance(damaged(lambda m: m.__setitem__((0, 1), 0.5))), "not symmetric"),
        (lambda: Covariance(damaged(lambda m: m.__setitem__((2, 2), -1))), "Sat.Z is -1.0"),
        (lambda: Covariance(damaged(lambda m: m.__setitem__((2, 2), math.inf))), "is inf"),
        (
            lambda: Covariance([[1.0, 2.0], [2.0, 1.0]], fields=("Sat.X", "Sat.VX")),
            r"the eigenvalue -1, mostly of Sat\.X and Sat\.VX",
        ),
        (
            # Units that are far apart must not hide it.
            lambda: Covariance([[1e8, 2e-2], [2e-2, 1e-12]], fields=("Sat.X", "Sat.VX")),
            "the eigenvalue -1,",
        ),
        (lambda: Covariance(correlated(), frame="ECI"), "unknown frame 'ECI'"),  # type: ignore[arg-type]
        (
            lambda: Covariance(correlated(), elements="keplerian", frame="RIC"),
            "of no meaning for keplerian elements",
        ),
        (lambda: Covariance([[1.0, 0.0], [0.0, 1.0]], fields=("a", "a")), "stands twice"),
    ],
)
def test_what_is_no_covariance_is_refused(spec: Any, message: str) -> None:
    with pytest.raises(SweepConfigError, match=message):
        sources_of({"Sat": spec()}, "a test", NOMINAL)


def test_a_local_frame_needs_axes_at_rest_and_an_orbit() -> None:
    spec = Covariance(correlated(), frame="RIC")
    turning = {**NOMINAL, "Sat.CoordinateSystem.Axes": "BodyFixed"}
    with pytest.raises(SweepConfigError, match=r"Sat\.CoordinateSystem are BodyFixed"):
        sources_of({"Sat": spec}, "a test", turning)
    falling = {**NOMINAL, "Sat.VX": 5.1, "Sat.VY": -3.3, "Sat.VZ": 2.9}
    with pytest.raises(SweepConfigError, match="need an orbit plane"):
        sources_of({"Sat": spec}, "a test", falling)
