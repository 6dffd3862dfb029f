"""Where failed runs lie among the varied fields, and when nothing is said of it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact, mannwhitneyu

from gmat_sweep.analysis.clustering import LEVEL, _fisher, varied_values, where_marked
from gmat_sweep.draws.epochs import moved_epoch
from reported_runs import entry


def draws(n: int, seed: int = 1, fields: int = 2) -> dict[str, Any]:
    """Return independent normal draws of some fields."""
    rng = np.random.default_rng(seed)
    names = ("Sat.INC", "Sat.ECC", "Sat.SMA", "Sat.DryMass")[:fields]
    return {name: rng.normal(size=n) for name in names}


# Issue 17's oracles, section "fisher_exact_two_sided", by scipy.stats.fisher_exact.
@pytest.mark.parametrize(
    ("one", "of_one", "other", "of_other", "p"),
    [
        (0, 100, 5, 100, 0.059383210468586585),
        (2, 100, 9, 100, 0.058220717580287525),
        (10, 100, 25, 100, 0.008503571478623954),
        (3, 20, 3, 20, 1.0),
        (0, 20, 20, 20, 1.4508889103849688e-11),
    ],
)
def test_fishers_test_is_the_oracles(
    one: int, of_one: int, other: int, of_other: int, p: float
) -> None:
    assert _fisher(one, of_one, one + other, of_one + of_other) == pytest.approx(p, rel=1e-9)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=25))
@settings(max_examples=60)
def test_the_cut_is_the_best_of_all_by_scipys_test(runs: list[tuple[int, bool]]) -> None:
    values = np.array([value for value, _ in runs], dtype=float)
    failed = np.array([failed for _, failed in runs])
    cuts = np.unique(values)[1:]

    found = [
        each
        for each in where_marked({"Sat.X": values}, failed, level=0.4876)
        if each.test == "fisher"
    ]

    best = min(
        (
            fisher_exact(
                [
                    [(failed & (values < cut)).sum(), (~failed & (values < cut)).sum()],
                    [(failed & (values >= cut)).sum(), (~failed & (values >= cut)).sum()],
                ]
            ).pvalue
            for cut in cuts
        ),
        default=1.0,
    )
    if len(cuts) and best * len(cuts) <= 0.4876 and failed.any() and not failed.all():
        assert found[0].p_value == pytest.approx(best * len(cuts), rel=1e-9)
        inside = values < float(found[0].region.split()[-1])
        inside = inside if "<" in found[0].region else ~inside
        assert (int(inside.sum()), int((inside & failed).sum())) == (
            found[0].inside,
            found[0].inside_marked,
        )
    else:
        assert not found


def test_all_failures_below_a_cut_are_said_with_a_short_number() -> None:
    fields = draws(40)
    failed = fields["Sat.INC"] < 0

    (found,) = where_marked(fields, failed)

    assert found.text().startswith(f"{failed.sum()} of 40 failed, all with Sat.INC < 0 (p = ")
    # Both fields have 39 cuts; the table is that of 40 runs cut exactly at their failures.
    exact = fisher_exact([[failed.sum(), 0], [0, (~failed).sum()]]).pvalue
    assert found.p_value == pytest.approx(exact * 78)


def test_failures_that_mostly_lie_beyond_a_cut_are_said_with_their_share() -> None:
    fields = draws(200)
    failed = fields["Sat.ECC"] > 1.0
    failed[np.flatnonzero(~failed)[:2]] = True

    (found,) = where_marked(fields, failed)

    assert found.region.startswith("Sat.ECC >= ")
    assert f"failed, {failed.sum() - 2} of them with Sat.ECC >= " in found.text()
    assert ", where every run failed (p = " in found.text()


def test_failures_that_depend_on_nothing_are_said_in_one_of_a_hundred_sweeps_at_most() -> None:
    # Simulated: a cut is found by chance at most as often as the level says, and so is a finding
    # of ranks; corners are looked for in what is left.
    rng = np.random.default_rng(7)
    found = sum(bool(where_marked(draws(60, seed, 3), rng.random(60) < 0.2)) for seed in range(150))

    assert found <= 3 * LEVEL * 150 + 3 * np.sqrt(3 * LEVEL * 150)


def test_ranks_are_compared_where_no_cut_is_beyond_chance() -> None:
    rng = np.random.default_rng(4)
    fields = {name: rng.normal(size=40) for name in ("Sat.INC", "Sat.ECC")}
    failed = rng.random(40) < 1 / (1 + np.exp(-1.6 * fields["Sat.INC"]))

    (found,) = where_marked(fields, failed)

    exact = mannwhitneyu(fields["Sat.INC"][failed], fields["Sat.INC"][~failed], method="exact")
    assert found.p_value == pytest.approx(2 * exact.pvalue)
    assert found.text() == "20 of 40 failed, mostly at higher Sat.INC (p = 0.0008)"


def test_a_corner_of_two_fields_is_found_after_no_single_field_is() -> None:
    rng = np.random.default_rng(5)
    one, other = rng.uniform(-1, 1, 400), rng.uniform(-1, 1, 400)
    # Two opposite corners would hide a field altogether; one small corner hides it in noise.
    failed = (one < -0.6) & (other >= 0.6)
    failed |= rng.random(400) < 0.02

    found = where_marked({"Sat.INC": one, "Sat.ECC": other}, failed, level=1e-10)

    assert [each.fields for each in found] == [("Sat.INC", "Sat.ECC")]
    assert "Sat.INC < -0." in found[0].region
    assert "and Sat.ECC >= 0." in found[0].region
    inside = (one < float(found[0].region.split()[2])) & (
        other >= float(found[0].region.split()[-1])
    )
    counted = (int(inside.sum()), int((inside & failed).sum()))
    assert (found[0].inside, found[0].inside_marked) == counted


def test_a_text_is_a_class_and_a_missing_value_does_not_count() -> None:
    frames = np.array(["ICRF", "Luna"] * 20, dtype=object)
    failed = frames == "Luna"
    masses = np.where(np.arange(40) % 3 == 0, np.nan, 1.0)

    (found,) = where_marked({"Sat.CoordinateSystem": frames, "Sat.DryMass": masses}, failed)

    assert "all with Sat.CoordinateSystem = Luna" in found.text() or (
        "all with Sat.CoordinateSystem != ICRF" in found.text()
    )


def test_nothing_is_said_if_no_run_failed_or_all_did() -> None:
    fields = draws(40)

    assert where_marked(fields, np.zeros(40, dtype=bool)) == ()
    assert where_marked(fields, np.ones(40, dtype=bool)) == ()
    assert where_marked({}, np.arange(40) < 20) == ()


def test_the_values_come_from_the_entries_and_fields_that_do_not_vary_are_left_out() -> None:
    entries = [
        entry(0, overrides={"Sat.INC": 1, "Sat.SMA": 7000.0, "Sat.Id": "A"}),
        entry(1, overrides={"Sat.INC": 2.5, "Sat.SMA": 7000.0}),
        entry(2, overrides={"Sat.Id": "B"}),
    ]

    run_ids, fields = varied_values(entries)

    assert run_ids == [0, 1, 2]
    assert list(fields) == ["Sat.INC", "Sat.Id"]
    np.testing.assert_array_equal(fields["Sat.INC"], [1.0, 2.5, np.nan])
    assert fields["Sat.Id"].tolist() == ["A", None, "B"]


def test_epochs_are_cut_as_the_numbers_of_their_seconds_are() -> None:
    """As text, the many epochs of a dispersion were no classes, and nothing was said."""
    seconds = np.random.default_rng(4).normal(0, 30, 60)
    epochs = [
        moved_epoch("31 Jan 2026 23:59:50.000", "UTCGregorian", float(each)) for each in seconds
    ]
    failed = seconds > 20
    entries = [entry(run_id, overrides={"Sat.Epoch": each}) for run_id, each in enumerate(epochs)]
    entries.append(entry(60))

    _, fields = varied_values(entries)
    (found,) = where_marked(fields, np.append(failed, False))
    (numbers,) = where_marked({"s": seconds}, failed)

    first = sorted(zip(seconds, epochs, strict=True))[int((~failed).sum())][1]
    assert found.region == f"Sat.Epoch >= {first}"
    assert (found.p_value, found.inside, found.runs) == (
        numbers.p_value, numbers.inside, numbers.runs,
    )  # fmt: skip
    others = [
        entry(0, overrides={"Sat.Epoch": "31041.5"}),
        entry(1, overrides={"Sat.Epoch": epochs[0]}),
    ]
    assert varied_values(others)[1]["Sat.Epoch"].dtype == object


def test_a_hundred_thousand_runs_take_little_time() -> None:
    fields = draws(100_000, fields=4)
    failed = (fields["Sat.INC"] < -1.0) & (fields["Sat.ECC"] < 0.5)
    start = time.process_time()

    found = where_marked(fields, failed)
    nothing = where_marked(fields, np.random.default_rng(2).random(100_000) < 0.05)

    assert time.process_time() - start < 5.0
    assert {each.fields[0] for each in found} == {"Sat.INC", "Sat.ECC"}
    assert nothing == ()
