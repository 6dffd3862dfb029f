"""The page of pictures: what is drawn first, from how many runs, and how large it gets."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from scipy import stats

from gmat_sweep import Manifest, ManifestEntry
from gmat_sweep.analysis.pictures import page as page_module
from gmat_sweep.analysis.pictures.drawing import distribution, running_mean
from gmat_sweep.analysis.pictures.page import MOST_BYTES, pictures_page
from gmat_sweep.analysis.pictures.quantities import Quantity, strongest
from gmat_sweep.analysis.pictures.sample import Curve, RunSample
from gmat_sweep.analysis.pictures.svg import Card, ticks
from gmat_sweep.analysis.pictures.wanted import Wanted, wanted, wanted_now
from gmat_sweep.verdicts.reading import load_requirements
from reported_sweep import REQUIRED, reported_sweep

if TYPE_CHECKING:
    from gmat_sweep.spec import RunStatus

IMAGE = re.compile(r"!\[[^]]*\]\(data:image/svg\+xml;base64,([^)]*)\)")
REQUIREMENTS = load_requirements(REQUIRED).requirements


def sample_of(folder: Path, runs: int, **sweep: Any) -> RunSample:
    """Return a sample of a recorded sweep, whose files were read."""
    sample = RunSample((folder,), REQUIREMENTS)
    for each in Manifest.iter_entries(reported_sweep(folder, runs, **sweep)):
        sample.add(each.run_id, each.status, lambda each=each: each)  # type: ignore[misc]
    sample.read(1e9)
    return sample


def texts(page: str) -> list[list[str]]:
    """Return what is written on each card; each is well-formed XML."""
    cards = [ET.fromstring(base64.b64decode(each)) for each in IMAGE.findall(page)]
    return [
        ["".join(each.itertext()) for each in card.iter("{http://www.w3.org/2000/svg}text")]
        for card in cards
    ]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> RunSample:
    """A sweep of 120 runs; those that are light fail."""
    return sample_of(tmp_path_factory.mktemp("sweep"), 120)


def test_required_quantities_come_first_then_chosen_ones_then_those_that_spread(
    sample: RunSample,
) -> None:
    about = Wanted(REQUIREMENTS, ())
    page = pictures_page(sample, 200, "monte_carlo", about)
    headings = re.findall("^## (.*)$", page, re.MULTILINE)

    assert headings == [
        "apogee: final Sat.Earth.RadApo",
        "perigee: final Sat.Earth.RadPer",
        "Sat.EarthMJ2000Eq.RAAN",
        "Where runs fail",
    ]
    ended = sample.ok + sample.failed
    assert page.startswith(f"**{ended} of 200 runs have ended, while it flies: {sample.ok} ok, ")
    assert f"{sample.failed} of {ended} failed, all with Sat.DryMass &lt; 6" in page
    violating = [
        run.entry.run_id
        for run in sample.ok_runs()
        if not 41964 <= dict(zip(run.names, run.values or (), strict=True))[
            "Final", "Sat.Earth.RadApo"
        ] <= 42364
    ]  # fmt: skip
    assert f"{len(violating)} of these {sample.ok} runs violate" in page
    cards = texts(page)
    assert any("Over Injection.Element1: rank correlation +1.00" in each for each in cards[0])
    assert any("limit" in each for each in cards[0])
    assert "How the mean settles" in cards[0]

    chosen = pictures_page(sample, 200, "monte_carlo", Wanted((), ("Sat.Earth.RadPer",)))
    assert re.findall("^## (.*)$", chosen, re.MULTILINE)[0] == "Sat.Earth.RadPer"


def test_a_grid_has_neither_percentiles_nor_a_mean_that_settles(sample: RunSample) -> None:
    page = pictures_page(sample, 120, "grid", Wanted())
    said = [text for card in texts(page) for text in card]

    assert "How the mean settles" not in said
    assert not [text for text in said if "95 %" in text]
    assert "sigma" not in page
    # Draws that are not independent have a mean, and no interval.
    hypercube = pictures_page(sample, 120, "latin_hypercube", Wanted())
    said = [text for card in texts(hypercube) for text in card]
    assert "How the mean settles" in said
    assert not [text for text in said if "its 95 % interval" in text]


def test_a_page_is_bounded_and_well_formed_whatever_runs_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The largest sample with the longest curves, odd names, huge and missing numbers."""
    rng = np.random.default_rng(1)
    sample = RunSample((Path(),))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for run_id in range(1300):
        given = {f"Sat.<&]{name}": float(rng.normal()) for name in "abc"}
        status: RunStatus = "failed" if given["Sat.<&]a"] < -0.5 else "ok"
        made = ManifestEntry(
            run_id, given, status, {}, now, now, 1.0, None, None, failure_kind="mission"
        )
        sample.add(run_id, status, lambda made=made: made)  # type: ignore[misc]
    names = tuple((f"R<&\x07]{place}", f"Sat.V{place}") for place in range(6))
    for number, run in enumerate(sample._ok.runs.values()):
        drawn = rng.normal(size=5).tolist()
        run.names, run.values = names, (1e300 if number == 3 else float("nan"), *drawn)
        run.curves = {
            report: Curve(1e6, {name: (np.linspace(0, 1e6, 82), rng.normal(size=82) * 1e9)})
            for report, name in names
        }
    page = pictures_page(sample, 1300, "monte_carlo", Wanted())

    assert len(page.encode()) <= MOST_BYTES
    assert len(texts(page)) == 5
    monkeypatch.setattr(page_module, "MOST_BYTES", 150_000)
    page = pictures_page(sample, 1300, "monte_carlo", Wanted())
    assert len(page.encode()) <= 150_000
    assert 1 <= len(texts(page)) < 5
    assert "Further pictures would make this page too large" in page


def test_a_page_is_there_before_there_is_anything_to_draw() -> None:
    sample = RunSample((Path(),))
    assert "No run has ended with a number to draw yet." in pictures_page(
        sample, 5, "monte_carlo", Wanted()
    )


@pytest.mark.parametrize("values", [[5.0], [7000.0] * 3, [0.0, 0.0], [1e-300, 2e-300], [1e149, 3]])
def test_a_distribution_of_equal_few_or_extreme_values_is_drawn(values: list[float]) -> None:
    each = Quantity(
        "x", "km", np.array([*values, np.nan]), nominal=6999.0, limits=(-np.inf, 7000.0)
    )
    ET.fromstring(base64.b64decode(Card([distribution(each, "monte_carlo")]).to_uri()[26:]))


def test_the_mean_and_its_interval_are_students_also_far_from_zero() -> None:
    values = 4.2e9 + np.random.default_rng(5).normal(0, 1e-3, 60)
    means, half = running_mean(values)

    for n in (2, 6, 60):
        first = values[:n]
        low, high = stats.t.interval(0.95, n - 1, first.mean(), stats.sem(first))
        assert means[n - 1] == pytest.approx(first.mean(), abs=1e-6)
        assert half[n - 1] == pytest.approx((high - low) / 2, rel=1e-3)


def test_rank_correlations_are_spearmans() -> None:
    rng = np.random.default_rng(7)
    x, noise = rng.integers(0, 9, 80).astype(float), rng.normal(size=80)
    y = np.exp(x + noise)
    y[3] = np.nan
    given = {"tied": x, "noise": noise, "constant": np.ones(80), "few": np.full(80, np.nan)}
    found = strongest(y, given)

    assert [name for name, _ in found] == ["tied", "noise"]
    for name, correlation in found:
        expected = stats.spearmanr(given[name], y, nan_policy="omit").statistic
        assert correlation == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 1),
        (-3e-9, 5e-9),
        (42164.0001, 42164.0009),
        (1e12, 1.0000001e12),
        (-1e5, 3e5),
        (6.9e6, 7e6),
    ],
)
def test_labels_of_ticks_are_short_differ_and_tell_their_place(low: float, high: float) -> None:
    positions, labels, base = ticks(low, high)

    assert 3 <= len(positions) <= 9
    assert len(set(labels)) == len(labels)
    assert max(map(len, labels)) <= 8
    start = float(base.rstrip(" +")) if base else 0.0
    step = positions[1] - positions[0]
    for position, label in zip(positions, labels, strict=True):
        assert start + float(label) == pytest.approx(position, abs=0.02 * step)


def test_what_is_wanted_is_of_the_block_alone() -> None:
    with wanted(REQUIREMENTS), wanted(names=("Sat.X",)):
        assert wanted_now() == Wanted(REQUIREMENTS, ("Sat.X",))
    assert wanted_now() == Wanted()
