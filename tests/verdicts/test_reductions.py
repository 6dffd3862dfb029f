"""Reductions: rows of runs to one number per run, against formulae, fine grids and numpy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep.verdicts.conditions import Condition, parse_condition
from gmat_sweep.verdicts.reductions import (
    NEVER,
    Rows,
    at_event,
    at_time,
    duration,
    extremes,
    final,
    first,
    largest_step,
    spread,
    time_of,
)

BELOW_2 = parse_condition("x < 2")
# Whole numbers, so that crossings and grid points are exact; None is a row without a value.
VALUES = st.one_of(st.none(), st.integers(-4, 4))


def rows_of(*runs: Sequence[Sequence[float | None]], **more: Any) -> Rows:
    """Return runs of rows (time, value[, tested]); the tested quantity is the value by default."""
    filled = [[float("nan") if x is None else x for x in row] for run in runs for row in run]
    table = np.array(filled or np.empty((0, 2)), dtype=np.float64)
    return Rows(
        counts=np.array([len(run) for run in runs], dtype=np.int64),
        time=table[:, 0],
        value=table[:, 1],
        tested=table[:, -1],
        **more,
    )


@st.composite
def some_runs(draw: st.DrawFn) -> list[Sequence[Sequence[float | None]]]:
    """Runs forwards, backwards, there and back; with jumps, rows without values, and no rows."""
    return draw(
        st.lists(
            st.lists(st.tuples(st.integers(-4, 4), VALUES), max_size=6),
            min_size=1,
            max_size=3,
        )
    )


def walked(
    run: Sequence[Sequence[float | None]], per_step: int = 840
) -> list[tuple[float, float, float]]:
    """Return (time, value, seconds since the point before) along the straight lines of a run."""
    kept = [(float(t), float(v)) for t, v in run if t is not None and v is not None]
    points = [(t, v, 0.0) for t, v in kept[:1]]
    for (t0, v0), (t1, v1) in itertools.pairwise(kept):
        if t0 == t1:
            points.append((t1, v1, 0.0))
            continue
        for k in range(1, per_step + 1):
            share = k / per_step
            points.append((t0 + share * (t1 - t0), v0 + share * (v1 - v0), abs(t1 - t0) / per_step))
    return points


@settings(max_examples=40, deadline=None)
@given(runs=some_runs(), sign=st.sampled_from(["<", "<=", ">", ">="]), bound=st.integers(-4, 4))
def test_events_and_durations_are_those_of_a_walk_along_the_lines(
    runs: list[Sequence[Sequence[float | None]]], sign: str, bound: int
) -> None:
    condition = Condition("x", sign, float(bound))
    rows = rows_of(*runs)
    times, lasts = time_of(rows, condition), time_of(rows, condition, last=True)
    seconds = duration(rows, condition)

    for number, run in enumerate(runs):
        points = walked(run)
        if not points:
            assert math.isnan(times[number])
            assert math.isnan(lasts[number])
            assert math.isnan(seconds[number])
            continue
        holds = condition.holds(np.array([v for _, v, _ in points])).tolist()
        begun = [k for k, held in enumerate(holds) if held and (k == 0 or not holds[k - 1])]
        # Steps last at most 8 s, so that a point of the walk is at most 0.01 s away.
        expected = [points[begun[0]][0], points[begun[-1]][0]] if begun else [NEVER, NEVER]
        assert [times[number], lasts[number]] == pytest.approx(expected, abs=0.01)
        total = sum(step for (_, _, step), held in zip(points, holds, strict=True) if held)
        assert seconds[number] == pytest.approx(total, abs=0.01 * len(run))


@settings(max_examples=60, deadline=None)
@given(runs=some_runs(), moment=st.integers(-4, 4))
def test_at_is_the_first_point_of_the_walk_at_that_time(
    runs: list[Sequence[Sequence[float | None]]], moment: int
) -> None:
    rows = rows_of(*runs)

    found = at_time(rows, np.full(len(runs), float(moment)), at_a_row=False)
    at_rows = at_time(rows, np.full(len(runs), float(moment)), at_a_row=True)

    for number, run in enumerate(runs):
        # 840 points a step have every whole second of steps up to 8 s, but for rounding.
        points = [(t, v) for t, v, _ in walked(run)]
        there = [k for k, (t, _) in enumerate(points) if abs(t - moment) < 1e-9]
        if not there:
            assert math.isnan(found[number])
        else:
            last = there[0]
            while last + 1 < len(points) and abs(points[last + 1][0] - moment) < 1e-9:
                last += 1
            assert found[number] == pytest.approx(points[last][1], abs=1e-9)
        exact = [
            [v for _, v in group]
            for t, group in itertools.groupby(
                [row for row in run if row[1] is not None], key=lambda row: row[0]
            )
            if t == moment
        ]
        np.testing.assert_equal(at_rows[number], exact[0][-1] if exact else np.nan)


@settings(max_examples=40, deadline=None)
@given(runs=some_runs())
def test_ends_and_extremes_are_those_of_python(
    runs: list[Sequence[Sequence[float | None]]],
) -> None:
    rows = rows_of(*runs)
    least, greatest = extremes(rows)

    for number, run in enumerate(runs):
        values = [math.nan if v is None else float(v) for _, v in run] or [math.nan]
        finite = [v for v in values if not math.isnan(v)] or [math.nan]
        np.testing.assert_equal(final(rows)[number], values[-1])
        np.testing.assert_equal(first(rows)[number], values[0])
        np.testing.assert_equal(least[number], min(finite))
        np.testing.assert_equal(greatest[number], max(finite))


@given(st.lists(st.lists(st.integers(0, 359), max_size=8), min_size=1, max_size=4))
def test_the_range_of_an_angle_counts_on_over_a_turn(runs: list[list[int]]) -> None:
    """numpy's unwrap, run by run; both agree on which way half a turn goes by its length alone."""
    rows = rows_of(*([(i, angle) for i, angle in enumerate(run)] for run in runs), value_turns=True)
    told = [np.ptp(np.unwrap(run, period=360.0)) if run else np.nan for run in runs]
    np.testing.assert_array_equal(spread(rows), told)
    least, greatest = extremes(rows)
    plain = replace(rows, value_turns=False)
    np.testing.assert_array_equal(spread(plain), greatest - least)


def test_at_between_rows_is_what_numpy_interpolates() -> None:
    rng = np.random.default_rng(3)
    times = np.sort(rng.uniform(0, 100, (30, 20)))
    values = rng.normal(size=(30, 20))
    moments = rng.uniform(10, 90, 30)
    pairs = np.stack([times, values], axis=2).tolist()

    expected = [
        np.interp(moment, time, value, left=np.nan, right=np.nan)
        for moment, time, value in zip(moments, times, values, strict=True)
    ]

    found = at_time(rows_of(*pairs), moments, at_a_row=False)
    backwards = at_time(rows_of(*[run[::-1] for run in pairs]), moments, at_a_row=False)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(backwards, expected, rtol=1e-12, atol=1e-12)


def test_a_straight_line_is_crossed_where_its_formula_says() -> None:
    line = [(t, 10.0 - 0.7 * t) for t in (0.0, 3.0, 7.0, 20.0)]

    expected = (10.0 - 2.0) / 0.7

    assert time_of(rows_of(line), BELOW_2) == pytest.approx([expected], rel=1e-14)
    assert duration(rows_of(line), BELOW_2) == pytest.approx([20 - expected], rel=1e-14)


def test_an_eccentric_orbits_altitude_is_crossed_at_keplers_time() -> None:
    # Independent: Kepler's equation, r = a (1 - e cos E), t = (E - e sin E) / n.
    a, e, mu, altitude = 7000.0, 0.05, 398600.4415, 600.0
    n = math.sqrt(mu / a**3)
    time = np.arange(0.0, 6000.0, 1.0)
    anomaly = n * time
    for _ in range(50):
        anomaly = n * time + e * np.sin(anomaly)
    heights = a * (1 - e * np.cos(anomaly)) - 6378.1363
    crossing = math.acos((1 - (6378.1363 + altitude) / a) / e)
    expected = (crossing - e * math.sin(crossing)) / n
    orbit = rows_of(list(zip(time, heights, strict=True)))

    above = parse_condition(f"Sat.Earth.Altitude > {altitude}")

    assert time_of(orbit, above) == pytest.approx([expected], abs=1e-3)
    assert at_event(orbit, above) == pytest.approx([altitude], abs=1e-9)
    # The orbit is above it for the rest of its period, symmetric about the apoapsis.
    assert duration(orbit, above) == pytest.approx([2 * (math.pi / n - expected)], abs=2e-3)


def test_before_and_after_a_burn_the_rows_stand_in_the_order_written() -> None:
    burn: Sequence[Sequence[float | None]] = [(0, 5.0), (10, 5.0), (10, 1.0), (20, 1.0)]
    rows = rows_of(burn)

    assert at_time(rows, np.array([10.0]), at_a_row=False).tolist() == [1.0]
    assert at_time(rows, np.array([10.0]), at_a_row=True).tolist() == [1.0]
    assert at_time(rows, np.array([10.0 - 5e-7]), at_a_row=True).tolist() == [1.0]
    assert at_time(rows, np.array([9.999]), at_a_row=False).tolist() == [5.0]
    assert time_of(rows, BELOW_2).tolist() == [10.0]
    # Nothing is between 5 and 1: the state that the condition holds for is the one after.
    assert at_event(rows, BELOW_2).tolist() == [1.0]
    assert duration(rows, BELOW_2).tolist() == [10.0]


def test_a_mission_that_propagates_backwards_has_negative_times() -> None:
    rows = rows_of([(0, 4.0), (-10, 3.0), (-20, 1.0)])

    assert final(rows).tolist() == [1.0]
    assert time_of(rows, BELOW_2).tolist() == [-15.0]
    assert duration(rows, BELOW_2).tolist() == [5.0]
    assert largest_step(rows) == (10.0, 0)


def test_an_event_that_never_is_and_a_run_without_rows_are_told_apart() -> None:
    rows = rows_of([(0, 5.0), (1, 6.0)], [], [(0, None)])

    assert time_of(rows, BELOW_2)[0] == at_event(rows, BELOW_2)[0] == NEVER
    assert np.isnan(time_of(rows, BELOW_2)[1:]).all()
    assert duration(rows, BELOW_2)[0] == 0.0
    assert largest_step(rows_of([], [(0, 1.0)]))[1] == -1


def test_at_the_event_another_column_is_taken_or_missing() -> None:
    rows = rows_of([(0, 100.0, 4.0), (10, 200.0, 0.0)], [(0, None, 4.0), (10, 200.0, 0.0)])

    assert at_event(rows, BELOW_2)[0] == 150.0
    assert math.isnan(at_event(rows, BELOW_2)[1])


@pytest.mark.parametrize("start", [0.0, -180.0])
def test_an_angle_takes_the_short_way_around(start: float) -> None:
    # 4 degrees a second from 10 degrees below the top of the range in which GMAT writes it.
    time = np.array([0.0, 20.0, 40.0])

    def angle(seconds: Any) -> Any:
        return start + (350.0 + 4.0 * seconds) % 360.0

    def written(values: Any) -> Rows:
        return rows_of(list(zip(time, values, strict=True)), value_turns=True, tested_turns=True)

    up, down = written(angle(time)), written(angle(time[::-1]))

    for moment in (0.5, 2.4, 2.6, 7.0, 20.0, 30.0):
        expected = pytest.approx([angle(moment)])
        assert at_time(up, np.array([moment]), at_a_row=False) == expected
        assert at_time(down, np.array([40 - moment]), at_a_row=False) == expected
    # It begins a new turn after 2.5 s, and is there 2.5 s before the end on its way back.
    assert time_of(up, Condition("x", ">", start + 10), last=True) == pytest.approx([5.0])
    assert time_of(down, Condition("x", ">", start + 180)) == pytest.approx([37.5])
    assert duration(up, Condition("x", ">", start + 180)) == pytest.approx([2.5])
    assert at_event(up, Condition("x", "<", start + 180)) == pytest.approx([start])
