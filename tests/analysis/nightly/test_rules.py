"""MaterialRule: what matters of a quantity, and what is rounding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gmat_sweep import SweepConfigError
from gmat_sweep.analysis import MaterialRule
from gmat_sweep.analysis.nightly.rules import rounding


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *((name, value) for name in ("material", "run_sigmas") for value in (-1.0, math.nan)),
        ("material", True),
        *(("false_alarms", value) for value in (0.0, 1.0, -1.0, math.nan, "0.01")),
        *(("quantities", {"x": value}) for value in (-1.0, math.inf, "m 5", "-5 m", None, True)),
    ],
)
def test_what_is_no_size_is_refused(field: str, wrong: Any) -> None:
    with pytest.raises(SweepConfigError, match=field):
        MaterialRule(**{field: wrong})


@pytest.mark.parametrize(
    ("size", "unit", "expected"),
    [
        (None, "km", 0.3),
        (0.5, "km", 0.5),
        ("0.5", "km", 0.5),
        ("500 m", "km", 0.5),
        ("0.2 sigma", "km", 0.6),
        ("1 s", "d", 1 / 86400),
        ("2 kg", "kg", 2.0),
    ],
)
def test_a_size_is_a_share_of_sigma_or_an_amount(
    size: float | str | None, unit: str, expected: float
) -> None:
    rule = MaterialRule(quantities={} if size is None else {"x": size})

    assert rule.size_of("x", unit, 3.0) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("unit", "said"), [("km", "x is in km, got 's'"), ("", "unit of x is not known")]
)
def test_a_size_in_another_unit_is_refused(unit: str, said: str) -> None:
    with pytest.raises(SweepConfigError, match=said):
        MaterialRule(quantities={"x": "5 s"}).size_of("x", unit, 1.0)


@pytest.mark.parametrize(
    ("unit", "floor"), [("km", 1e-6), ("km/s", 1e-9), ("deg", 1e-9), ("s", 1e-6), ("", 0.0)]
)
def test_rounding_is_an_absolute_amount_or_a_billionth_of_the_spread(
    unit: str, floor: float
) -> None:
    assert rounding(unit, 1.0) == pytest.approx(max(floor, 1e-9))
    assert rounding(unit, 1e6) == pytest.approx(1e-3)


def test_of_a_modified_julian_date_less_than_a_microsecond_is_rounding() -> None:
    days = rounding("d", 0.0, np.array([31041.5]))

    assert 86400 * days == pytest.approx(1e-6, rel=1e-9)
