"""Sobol' and Halton designs from Python: the points are scipy's, and the manifest names them."""

from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from gmat_sweep import LocalJoblibPool, Manifest, SweepConfigError, quasi_monte_carlo
from gmat_sweep.cli import main
from repository import DATA

SCRIPT = DATA / "leo_short.script"


def test_a_design_flies_scipys_points_and_is_that_of_the_shell(
    pool: LocalJoblibPool, tmp_path: Path
) -> None:
    perturb = {"Sat.SMA": ("normal", 7000.0, 5.0), "Sat.INC": ("uniform", 28.0, 29.0)}
    frame = quasi_monte_carlo(
        SCRIPT, n=2, perturb=perturb, design="halton", seed=3, backend=pool, out=tmp_path / "a",
        progress=False,
    )  # fmt: skip

    assert set(frame["__status"]) == {"ok"}
    manifest = Manifest.load(tmp_path / "a" / "manifest.jsonl")
    assert manifest.parameter_spec["_kind"] == "halton"
    points = scipy.stats.qmc.Halton(2, rng=np.random.default_rng(3)).random(2)
    flown = [manifest.latest()[run].overrides for run in (0, 1)]
    assert [run["Sat.INC"] for run in flown] == pytest.approx(28.0 + points[:, 0], rel=1e-15)
    sma = scipy.stats.norm(7000.0, 5.0).ppf(points[:, 1])
    assert [run["Sat.SMA"] for run in flown] == pytest.approx(sma, rel=1e-15)

    words = ["--n", "2", "--seed", "3", "--dry-run", "--out", str(tmp_path / "b")]
    for name, (kind, one, two) in perturb.items():
        words += ["--perturb", f"{name}={kind}:{one}:{two}"]
    draws = tmp_path / "draws.csv"
    assert main(["halton", str(SCRIPT), *words, "--draws", str(draws)]) == 0
    assert draws.read_text().splitlines()[1:] == [
        f"{number},{run['Sat.INC']!r},{run['Sat.SMA']!r}" for number, run in enumerate(flown)
    ]


def test_another_design_is_refused_before_the_mission_is_read() -> None:
    with pytest.raises(SweepConfigError, match="design must be one of sobol, halton, got 'lhs'"):
        quasi_monte_carlo("none.script", n=2, perturb={}, design="lhs")  # type: ignore[call-overload]
