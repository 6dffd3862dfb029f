"""What a manifest can hold."""

import json
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.manifest.values import jsonable, take, take_members


class Kind(IntEnum):
    ONE = 1


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_a_json_value_is_given_back_bit_equal_after_json(value: Any) -> None:
    read = json.loads(json.dumps(jsonable(value, "context")))

    assert json.dumps(value) == json.dumps(read)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.int64(2**63 - 1), 2**63 - 1),
        (np.bool_(True), True),
        (np.str_("é"), "é"),
        ((1, 2.0), [1, 2.0]),
        (OrderedDict(a=1), {"a": 1}),
        (Kind.ONE, 1),
        ("\udc80.script", "\udc80.script"),
    ],
)
def test_values_that_mean_a_json_value_become_exactly_that(value: Any, expected: Any) -> None:
    plain = jsonable(value, "context")

    assert expected == plain
    assert type(expected) is type(plain)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros(3), "numpy.ndarray, which JSON cannot hold. Convert it with .tolist()."),
        (datetime(2026, 1, 1, tzinfo=UTC), "datetime.datetime, .*isoformat"),
        (date(2026, 1, 1), "datetime.date, .*isoformat"),
        (timedelta(1), "timedelta, .*total_seconds"),
        (np.datetime64("2026-01-01T00:00:00", "us"), "numpy.datetime64, .*isoformat"),
        (Path("a"), r"Path, .*str\(\)"),
        (Decimal(1), "Decimal, .*float"),
        (np.complex128(1j), "complex128, .*float"),
        (b"a", "bytes, .*Decode"),
        ({1}, "set, .*list"),
        (object(), "is a object, .*Use numbers, text"),
        ({1: 2}, "has the key 1 of type int. Use text as keys."),
        (10**4299, "more than 4000 digits"),
        ("\ud83d\ude00", "surrogates"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_place_and_what_to_write(
    value: object, words: str
) -> None:
    with pytest.raises(SweepConfigError, match=rf"^context\.truth\[3\]\[\"Sat\.SMA\"\] .*{words}"):
        jsonable({"truth": [0, 1, 2, {"Sat.SMA": value}]}, "context")


def test_a_structure_that_holds_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)

    with pytest.raises(SweepConfigError, match=r"^context\[0\].* levels deep or in itself"):
        jsonable(loop, "context")


def test_without_a_name_the_keys_stand_for_themselves() -> None:
    with pytest.raises(SweepConfigError, match=r"^context\.a is a set"):
        jsonable({"context": {"a": set()}}, "")


def test_taking_a_value_checks_its_type_and_names_the_key() -> None:
    record = {"n": True, "maps": {"a": "x"}}

    with pytest.raises(ValueError, match="n must be int or null, not bool True"):
        take(record, "n", int, type(None))
    with pytest.raises(ValueError, match="seed is missing"):
        take(record, "seed", int)
    with pytest.raises(ValueError, match="maps must hold dict values, not 'x'"):
        take_members(record, "maps", dict, {})
    assert take(record, "seed", int, default=3) == 3
    assert take({"x": np.float64(2.0)}, "x", float) == 2.0
