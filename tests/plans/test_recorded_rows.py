"""Runs of a table keep the ids and the values that their entries have."""

from __future__ import annotations

import math
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep.manifest.entry import ManifestEntry
from gmat_sweep.plans.recorded_rows import as_recorded
from gmat_sweep.spec import RunSpec

FOLDER = Path("/sweeps/one")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rows(*overrides: dict[str, Any]) -> list[RunSpec]:
    """Return a run per row, as the header alone gives them."""
    return [
        RunSpec(Path("leo.script"), each, FOLDER / f"run-{row}", row, None, {})
        for row, each in enumerate(overrides)
    ]


def entry(run_id: int, **overrides: Any) -> ManifestEntry:
    return ManifestEntry(run_id, overrides, "ok", {}, NOW, NOW, 1.0, None, None)


def ids_and_values(runs: list[RunSpec]) -> list[tuple[int, str]]:
    """Return the runs so that 7000 and 7000.0 differ."""
    return [(run.run_id, repr(run.overrides)) for run in runs]


def test_ids_are_those_of_the_entries_whatever_their_order() -> None:
    runs = as_recorded(
        rows({"a": 1}, {"a": 2}, {"b": 3}), [entry(30, b=3), entry(1, a=1), entry(20, a=2)], FOLDER
    )

    assert ids_and_values(runs) == [(1, "{'a': 1}"), (20, "{'a': 2}"), (30, "{'b': 3}")]
    assert [run.output_dir for run in runs] == [FOLDER / f"run-{n}" for n in (1, 20, 30)]


def test_values_have_the_type_they_were_flown_with_and_the_order_of_the_columns() -> None:
    (run,) = as_recorded(rows({"b": 7000.0, "a": "x"}), [entry(0, a="x", b=7000)], FOLDER)

    assert ids_and_values([run]) == [(0, "{'b': 7000, 'a': 'x'}")]


def test_cells_that_are_not_set_do_not_count() -> None:
    (run,) = as_recorded(rows({"a": 1}), [entry(7, a=1, b=math.nan, c=None)], FOLDER)

    assert ids_and_values([run]) == [(7, "{'a': 1}")]


def test_equal_rows_are_told_apart_by_their_entries() -> None:
    runs = as_recorded(rows({}, {}, {}), [entry(5), entry(0), entry(9)], FOLDER)

    assert sorted(run.run_id for run in runs) == [0, 5, 9]


def test_runs_without_an_entry_get_a_free_id_and_are_named() -> None:
    with pytest.warns(RuntimeWarning, match=r"they are runs 0, 3; compare their overrides"):
        runs = as_recorded(rows({"a": 1}, {"a": 2}, {"a": 3}), [entry(2, a=2)], FOLDER)

    assert [run.run_id for run in runs] == [0, 2, 3]


def test_where_ids_are_the_rows_a_run_without_an_entry_is_nothing_special() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = as_recorded(rows({"a": 1}, {"a": 2}), [entry(1, a=2)], FOLDER)

    assert ids_and_values(runs) == [(0, "{'a': 1}"), (1, "{'a': 2}")]


@pytest.mark.parametrize("entries", [[entry(4, a=5)], [entry(4, a=1), entry(5, a=1)], []])
def test_rows_that_do_not_describe_the_entries_are_taken_as_they_are(
    entries: list[ManifestEntry],
) -> None:
    runs = rows({"a": 1}, {"a": 2})

    assert as_recorded(runs, entries, FOLDER) == runs


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 2)), unique_by=lambda run: run[0]),
    st.randoms(use_true_random=False),
)
def test_a_finished_sweep_has_exactly_its_entries_runs(
    flown: list[tuple[int, int]], random: Any
) -> None:
    entries = [entry(run_id, a=value) for run_id, value in flown]
    random.shuffle(entries)
    runs = as_recorded(rows(*({"a": value} for _, value in flown)), entries, FOLDER)

    assert sorted((run.run_id, run.overrides["a"]) for run in runs) == sorted(flown)


def test_the_work_grows_as_the_number_of_runs() -> None:
    """The ids that are recorded are the numbers of rows whose own ids are lost."""
    compared = 0

    class Id(int):
        def __gt__(self, other: int) -> bool:
            nonlocal compared
            compared += 1
            return int(self) > other

    runs = rows(*({"Sat.SMA": float(n)} for n in range(400)))
    entries = [entry(Id(n), **{"Sat.SMA": float(n + 200)}) for n in range(200)]

    with pytest.warns(RuntimeWarning, match="does not record the ids"):
        found = as_recorded(runs, entries, FOLDER)

    assert len({run.run_id for run in found}) == 400
    assert compared < 5 * 400
