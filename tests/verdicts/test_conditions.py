"""Conditions: a column, a comparison and a number."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.verdicts.conditions import Condition, parse_condition

PYTHONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@pytest.mark.parametrize("sign", PYTHONS)
def test_a_condition_holds_where_python_says_so(sign: str) -> None:
    condition = parse_condition(f"Sat.X {sign} 1.5")
    values = np.array([1.0, 1.5, 2.0, np.nan, np.inf, -np.inf])

    expected = [PYTHONS[sign](value, 1.5) for value in values]

    assert condition == Condition("Sat.X", sign, 1.5)
    assert condition.holds(values).tolist() == expected


@pytest.mark.parametrize(
    ("text", "column", "bound"),
    [
        ("Sat.Earth.Altitude<120", "Sat.Earth.Altitude", 120.0),
        ("Sat.Earth.Altitude < 120000 m", "Sat.Earth.Altitude", 120.0),
        ("Sat.VX < -1e3 m/s", "Sat.VX", -1.0),
        ("dv of burn < 3 m/s", "dv of burn", 3.0),
        ("A(1,2) < +.5", "A(1,2)", 0.5),
    ],
)
def test_the_number_is_in_the_unit_of_the_column(text: str, column: str, bound: float) -> None:
    assert parse_condition(text) == Condition(column, "<", bound)


@pytest.mark.parametrize(
    "text",
    ["", "Sat.X", "Sat.X < ", "< 3", "Sat.X == 3", "Sat.X != 3", "0 < Sat.X < 3", "Sat.X < Sat.Y",
     "Sat.X < nan", "Sat.X < 1e999", "Sat.X =< 3", 3, None],
)  # fmt: skip
def test_what_is_no_condition_is_refused_with_what_one_is(text: Any) -> None:
    with pytest.raises(SweepConfigError, match=r"Sat\.Earth\.Altitude < 120"):
        parse_condition(text)


def test_a_unit_of_something_else_and_an_epoch_are_refused() -> None:
    with pytest.raises(SweepConfigError, match=r"is in km, got 's'\. Write the number"):
        parse_condition("Sat.Earth.Altitude < 120 s")
    with pytest.raises(SweepConfigError, match="condition on an epoch"):
        parse_condition("Sat.UTCModJulian > 21545")
