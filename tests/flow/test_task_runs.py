"""What a task run says of its run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gmat_sweep.flow.task_runs import values_of
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
