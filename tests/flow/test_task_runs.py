"""What a task run says of its run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gmat_sweep.flow.task_runs import _some_ahead, _Turns, values_of
from gmat_sweep.spec import RunSpec


def spec(**overrides: Any) -> RunSpec:
    """Return a run with these overrides, whose names have two underscores for the dot."""
    named = {name.replace("__", "."): value for name, value in overrides.items()}
    return RunSpec(Path("m.script"), named, Path("run-0"), 0, None, {})


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            {"Sat__SMA": 7000.1, "Sat__Epoch": "01 Jan 2026 00:00:00.000"},
            "Sat.SMA = 7000.1; Sat.Epoch = 01 Jan 2026 00:00:00.000",
        ),
        # All digits: the number that stands in the manifest.
        ({"Sat__SMA": 0.1 + 0.2}, "Sat.SMA = 0.30000000000000004"),
        ({"Sat__Id": "a\nb\x1b[31m"}, "Sat.Id = a\\nb\\x1b[31m"),
        ({}, "nothing is varied"),
    ],
)
def test_it_shows_the_value_of_each_field(overrides: dict[str, Any], said: str) -> None:
    assert values_of(spec(**overrides)) == said


def test_a_run_with_very_many_or_very_long_values_shows_the_beginning() -> None:
    said = values_of(spec(**{f"Sat__Field{number}": number for number in range(1000)}))

    fields = said.split("; ")
    assert len(fields) == 31
    assert fields[-1] == "and 970 further fields"
    assert values_of(spec(**dict.fromkeys(map(str, range(31)), 1))).endswith("and 1 further field")
    long = values_of(spec(Sat__Text="x" * 10**6))
    assert long == f"Sat.Text = {'x' * 77}..."
    # Controls grow as they are made printable.
    assert len(values_of(spec(Sat__Text="\x1b" * 10**6))) < 400


class TestTurns:
    """The order in which runs begin, whatever thread comes first."""

    @staticmethod
    def run(turns: _Turns, positions: list[int]) -> tuple[list[int], int]:
        """Run each position in a thread of its own; return the order, and the most at once."""
        begun: list[int] = []
        most = 0

        def body(position: int) -> None:
            nonlocal most
            with turns.turn(position):
                most = max(most, turns.under_way)
                begun.append(position)

        threads = [threading.Thread(target=body, args=(each,)) for each in positions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads)
        return begun, most

    @pytest.mark.parametrize("at_once", [1, 3])
    def test_runs_begin_in_the_order_of_their_submission(self, at_once: int) -> None:
        begun, most = self.run(_Turns(at_once), [4, 2, 5, 0, 3, 1])

        assert sorted(begun) == list(range(6))
        assert most <= at_once
        if at_once == 1:
            assert begun == list(range(6))

    def test_a_run_that_is_tried_again_has_its_turn_before_later_ones(self) -> None:
        turns = _Turns(1)
        assert self.run(turns, [0, 1])[0] == [0, 1]
        assert self.run(turns, [0])[0] == [0]
        assert self.run(turns, [2])[0] == [2]

    def test_a_free_worker_wakes_one_thread_and_not_all_that_wait(self) -> None:
        turns = _Turns(1)
        waiting = [threading.Event() for _ in range(50)]
        with turns._lock:
            turns._waiting.update(enumerate(waiting))
            turns._begin_all()

        assert [event.is_set() for event in waiting] == [True] + [False] * 49

    @pytest.mark.parametrize("has_begun", [False, True])
    def test_a_thread_that_is_ended_while_it_waits_keeps_no_turn(self, has_begun: bool) -> None:
        turns = _Turns(2 if has_begun else 1)
        with turns.turn(0), pytest.MonkeyPatch.context() as patch:

            def ended(_: threading.Event) -> None:
                raise KeyboardInterrupt

            patch.setattr(threading.Event, "wait", ended)
            with pytest.raises(KeyboardInterrupt), turns.turn(1):
                raise AssertionError
        assert turns.under_way == 0
        assert self.run(turns, [1, 2])[0] == [1, 2]

    def test_more_workers_begin_more_runs_and_the_end_begins_all(self) -> None:
        turns = _Turns(1)
        waiting = [threading.Event() for _ in range(6)]
        with turns._lock:
            turns._waiting.update(enumerate(waiting))
        turns.allow(2)
        assert [event.is_set() for event in waiting] == [True] * 2 + [False] * 4
        turns.end()
        assert all(event.is_set() for event in waiting)
        assert turns.under_way == 6


def test_no_more_specs_are_made_ahead_than_some() -> None:
    made: list[int] = []

    def specs() -> Iterator[RunSpec]:
        for number in range(100_000):
            made.append(number)
            yield spec(Sat__SMA=number)

    first = next(_some_ahead(specs()))

    assert first == spec(Sat__SMA=0)
    assert len(made) <= 50
