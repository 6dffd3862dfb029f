"""Sobol' samples and indices: the design of the reference draws, and the shares of known models."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.stats

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.grids import expand_samples_to_run_specs
from gmat_sweep.plans.independence import DESIGN
from gmat_sweep.sensitivity import sobol_analyze, sobol_sample
from repository import DATA

if TYPE_CHECKING:
    from gmat_sweep.distributions import DistSpec


_ANGLE: DistSpec = ("uniform", -math.pi, math.pi)
_ISHIGAMI = {"x3": _ANGLE, "x1": _ANGLE, "x2": _ANGLE}
_PAIR: dict[str, DistSpec] = {"Sat.SMA": ("normal", 7000.0, 10.0), "Sat.ECC": ("uniform", 0.0, 0.1)}


def _ishigami(samples: pd.DataFrame) -> pd.Series[float]:
    x1, x2, x3 = (samples[name] for name in ("x1", "x2", "x3"))
    return pd.Series(np.sin(x1) + 7 * np.sin(x2) ** 2 + 0.1 * x3**4 * np.sin(x1))


def _frame(values: pd.Series[float]) -> pd.DataFrame:
    """Return a sweep's frame that ends on `values`, one run per value and two epochs per run."""
    epochs = pd.date_range("2026-01-01", periods=2, freq="1D")
    index = pd.MultiIndex.from_product([values.index, epochs], names=["run_id", "time"])
    y = np.stack([np.zeros(len(values)), values.to_numpy()], axis=1).ravel()
    return pd.DataFrame({"y": y, "__status": "ok"}, index=index)


def _linear(second_order: bool = True, n: int = 64) -> pd.DataFrame:
    samples = sobol_sample(_PAIR, n, seed=5, calc_second_order=second_order)
    return _frame(3 * (samples["Sat.SMA"] - 7000.0) + samples["Sat.ECC"])


def _table(indices: pd.DataFrame, kind: str) -> dict[Any, float]:
    rows = indices[indices["kind"] == kind]
    pairs = zip(rows["param_a"], rows["param_b"], strict=True)
    keys = [a if pd.isna(b) else (a, b) for a, b in pairs]
    return dict(zip(keys, rows["value"], strict=True))


def test_the_samples_equal_the_reference_draws_bit_for_bit() -> None:
    reference = json.loads((DATA / "draws.json").read_text())["sobol_sample"]
    perturb: dict[str, Any] = {name: tuple(spec) for name, spec in reference["perturb"].items()}

    samples = sobol_sample(
        perturb,
        reference["n"],
        seed=reference["seed"],
        calc_second_order=reference["calc_second_order"],
    )

    assert list(samples.columns) == reference["columns"]
    assert [[value.hex() for value in row] for row in samples.to_numpy().tolist()] == reference[
        "rows"
    ]


@pytest.mark.parametrize(("second_order", "rows"), [(True, 4 * 8), (False, 4 * 5)])
def test_three_parameters_take_eight_runs_per_base_sample_or_five(
    second_order: bool, rows: int
) -> None:
    samples = sobol_sample(_ISHIGAMI, 4, seed=1, calc_second_order=second_order)

    assert samples.shape == (rows, 3)
    assert list(samples.columns) == ["x1", "x2", "x3"]
    assert set(samples.dtypes.astype(str)) == {"float64"}


def test_the_samples_are_runs_of_a_sweep(tmp_path: Path) -> None:
    samples = sobol_sample(_PAIR, 2, seed=1)

    specs = expand_samples_to_run_specs(samples, tmp_path / "mission.script", tmp_path)

    assert [spec.run_id for spec in specs] == list(range(12))
    assert specs[3].overrides == samples.iloc[3].to_dict()


def test_a_seed_repeats_the_samples_and_none_does_not() -> None:
    first, again = (sobol_sample(_PAIR, 4, seed=9) for _ in range(2))
    fresh, other = (sobol_sample(_PAIR, 4) for _ in range(2))

    assert first.equals(again)
    assert not fresh.equals(other)


def test_frozen_distributions_keep_their_quantiles() -> None:
    perturb: dict[str, DistSpec] = {
        "a": scipy.stats.triang(0.5, loc=10, scale=2),
        "b": _PAIR["Sat.ECC"],
    }

    samples = sobol_sample(perturb, 256, seed=0)

    assert samples["a"].between(10, 12).all()
    assert samples["a"].quantile(0.5) == pytest.approx(11.0, abs=0.02)


def test_a_number_of_samples_that_is_no_power_of_two_only_warns() -> None:
    with pytest.warns(UserWarning, match="power of 2"):
        samples = sobol_sample(_PAIR, 3, seed=1)

    assert len(samples) == 18


@pytest.mark.parametrize(
    ("perturb", "n", "message"),
    [
        ({}, 8, "non-empty perturb"),
        (_PAIR, 0, "requires n >= 1"),
        (_PAIR, 2.5, "requires n to be an integer"),
        ({"a": ("normal", 0.0, -1.0)}, 8, "sigma must be > 0"),
    ],
)
def test_arguments_are_checked_before_salib_is_looked_for(
    perturb: Any, n: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "SALib", None)

    with pytest.raises(SweepConfigError, match=message):
        sobol_sample(perturb, n)


def test_without_salib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = _linear()
    monkeypatch.setitem(sys.modules, "SALib", None)

    with pytest.raises(ImportError, match=r"pip install gmat-sweep\[sensitivity\]"):
        sobol_sample(_PAIR, 8)
    with pytest.raises(ImportError, match=r"pip install gmat-sweep\[sensitivity\]"):
        sobol_analyze(frame, _PAIR, "y")


def test_a_point_at_the_unbounded_end_of_a_distribution_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import SALib.sample.sobol

    monkeypatch.setattr(SALib.sample.sobol, "sample", lambda *args, **kw: np.zeros((4, 1)))

    with pytest.raises(SweepConfigError, match=r"perturb\['a'\].*unbounded end"):
        sobol_sample({"a": ("normal", 0.0, 1.0)}, 1)


def test_the_indices_of_the_ishigami_function_are_found() -> None:
    """Exact values: Ishigami and Homma (1990) with a = 7, b = 0.1."""
    samples = sobol_sample(_ISHIGAMI, 1024, seed=3)

    indices = sobol_analyze(_frame(_ishigami(samples)), _ISHIGAMI, "y", seed=3)

    assert _table(indices, "S1") == pytest.approx({"x1": 0.3139, "x2": 0.4424, "x3": 0.0}, abs=0.02)
    assert _table(indices, "ST") == pytest.approx(
        {"x1": 0.5576, "x2": 0.4424, "x3": 0.2437}, abs=0.02
    )
    assert _table(indices, "S2") == pytest.approx(
        {("x1", "x2"): 0.0, ("x1", "x3"): 0.2437, ("x2", "x3"): 0.0}, abs=0.03
    )


def test_the_estimators_are_those_of_saltelli_2010() -> None:
    perturb = _PAIR
    samples = sobol_sample(perturb, 16, seed=2, calc_second_order=False)
    y = samples["Sat.SMA"] * (1 + samples["Sat.ECC"])

    indices = sobol_analyze(_frame(y), perturb, "y", calc_second_order=False)

    scaled = ((y - y.mean()) / y.std(ddof=0)).to_numpy().reshape(16, 4)
    a, ab_first, ab_second, b = scaled.T
    variance = np.var(np.concatenate([a, b]))
    for name, ab in (("Sat.ECC", ab_first), ("Sat.SMA", ab_second)):
        first = np.mean(b * (ab - a)) / variance
        total = np.mean((a - ab) ** 2) / 2 / variance
        assert _table(indices, "S1")[name] == pytest.approx(first, rel=1e-9)
        assert _table(indices, "ST")[name] == pytest.approx(total, rel=1e-9)


def test_the_table_lists_first_total_and_second_order_with_sorted_parameters() -> None:
    indices = sobol_analyze(_linear(), _PAIR, "y", seed=1)

    assert list(indices.columns) == ["kind", "param_a", "param_b", "value", "conf"]
    assert indices["kind"].tolist() == ["S1", "S1", "ST", "ST", "S2"]
    assert indices["param_a"].tolist() == ["Sat.ECC", "Sat.SMA"] * 2 + ["Sat.ECC"]
    assert indices["param_b"].isna().tolist() == [True] * 4 + [False]
    assert indices["param_b"].iloc[0] is pd.NA
    assert indices["param_b"].iloc[-1] == "Sat.SMA"
    assert (indices["conf"] >= 0).all()


def test_without_second_order_there_are_no_pairs() -> None:
    indices = sobol_analyze(_linear(second_order=False), _PAIR, "y", calc_second_order=False)

    assert indices["kind"].tolist() == ["S1", "S1", "ST", "ST"]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_seed_repeats_the_confidence_and_leaves_numpys_global_state(seed: int) -> None:
    frame = _linear()
    np.random.seed(1)  # noqa: NPY002 - the state that must not be touched
    state = np.random.get_state()[1].tolist()  # noqa: NPY002

    first, again = (sobol_analyze(frame, _PAIR, "y", seed=seed) for _ in range(2))

    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_the_order_of_the_rows_does_not_matter() -> None:
    frame = _linear()
    shuffled = frame.sample(frac=1.0, random_state=4)

    expected = sobol_analyze(frame, _PAIR, "y", seed=1)

    pd.testing.assert_frame_equal(sobol_analyze(shuffled, _PAIR, "y", seed=1), expected)


def test_a_function_may_return_its_runs_in_any_order() -> None:
    frame = _linear()

    def at_the_end(df: pd.DataFrame) -> pd.Series[float]:
        return df["y"].groupby(level="run_id").tail(1).iloc[::-1]

    expected = sobol_analyze(frame, _PAIR, "y", seed=1)

    pd.testing.assert_frame_equal(sobol_analyze(frame, _PAIR, at_the_end, seed=1), expected)


def test_a_polars_frame_gives_the_same_indices() -> None:
    frame = _linear()

    found = sobol_analyze(pl.from_pandas(frame.reset_index()), _PAIR, "y", seed=1)

    pd.testing.assert_frame_equal(found, sobol_analyze(frame, _PAIR, "y", seed=1))


def test_a_failed_run_is_refused_by_its_number() -> None:
    frame = _linear()
    frame.loc[7, "__status"] = "failed"

    with pytest.raises(SweepConfigError, match="non-ok rows: run 7"):
        sobol_analyze(frame, _PAIR, "y")


def test_runs_missing_in_the_middle_are_refused_even_if_the_number_fits() -> None:
    frame = _linear().drop(index=range(6, 12), level="run_id")

    with pytest.raises(SweepConfigError, match="lacks 6 runs of the design, the first is run 6"):
        sobol_analyze(frame, _PAIR, "y")


def test_a_number_of_runs_that_fits_no_design_is_refused() -> None:
    with pytest.raises(SweepConfigError, match="a multiple of 4"):
        sobol_analyze(_linear().loc[:5], _PAIR, "y", calc_second_order=False)


def test_a_missing_value_is_refused_by_its_run() -> None:
    frame = _linear()
    frame.loc[3, "y"] = math.nan

    with pytest.raises(SweepConfigError, match="NaN in 1 runs: run 3"):
        sobol_analyze(frame, _PAIR, "y")


@pytest.mark.parametrize(
    ("change", "metric", "message"),
    [
        (lambda f: f, "z", "metric 'z' is not found in df"),
        (lambda f: f.droplevel("run_id"), "y", "'run_id' level"),
        (lambda f: f, lambda df: df["y"].to_numpy(), r"pandas\.Series"),
        (lambda f: f, lambda df: df["y"], "several values for runs 0, 1"),
        (lambda f: f.assign(y="a"), "y", "not numeric"),
        (lambda f: f.assign(y=math.inf), "y", "infinite in runs 0, 1"),
        (lambda f: f.assign(y=1.0), "y", r"is 1\.0 in every run"),
    ],
)
def test_a_metric_that_cannot_be_analysed_is_refused(
    change: Any, metric: Any, message: str
) -> None:
    with pytest.raises(SweepConfigError, match=message):
        sobol_analyze(change(_linear()), _PAIR, metric)


@pytest.mark.parametrize("design", ["monte_carlo", "latin_hypercube", "grid", "sobol", "halton"])
def test_a_sweep_of_another_design_is_refused_though_its_number_of_runs_fits(design: str) -> None:
    frame = _linear()
    frame.attrs[DESIGN] = design

    with pytest.raises(SweepConfigError, match=rf"of the kind '{design}', which is no design of"):
        sobol_analyze(frame, _PAIR, "y")


@pytest.mark.parametrize("design", ["sobol_sample", "explicit"])
def test_the_design_itself_and_a_table_read_from_a_file_are_analysed(design: str) -> None:
    frame = _linear()
    frame.attrs[DESIGN] = design

    pd.testing.assert_frame_equal(
        sobol_analyze(frame, _PAIR, "y", seed=1), sobol_analyze(_linear(), _PAIR, "y", seed=1)
    )


def test_an_angle_around_zero_has_the_indices_of_one_elsewhere() -> None:
    frame = _linear()
    narrow = frame["y"] - frame["y"].mean()
    assert np.abs(narrow).max() < 180
    around = frame.assign(**{"Sat.Earth.RAAN": narrow % 360}).drop(columns="y")

    found = sobol_analyze(around, _PAIR, "Sat.Earth.RAAN", seed=1)

    elsewhere = sobol_analyze(frame, _PAIR, "y", seed=1)
    assert _table(found, "S1") == pytest.approx(_table(elsewhere, "S1"), abs=1e-9)
    assert _table(found, "ST") == pytest.approx(_table(elsewhere, "ST"), abs=1e-9)
