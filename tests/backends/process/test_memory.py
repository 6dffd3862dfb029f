"""Amounts of memory as people write them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep.backends.process.memory import memory_bytes, memory_text
from gmat_sweep.errors import SweepConfigError


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (1, 1),
        (np.int64(4096), 4096),
        ("12", 12),
        ("7 B", 7),
        ("2 GiB", 2 * 1024**3),
        ("500MB", 500_000_000),
        (" 1.5 gib ", 3 * 1024**3 // 2),
        ("64 kB", 64_000),
        ("64KiB", 65_536),
        ("0.5 TB", 500_000_000_000),
    ],
)
def test_an_amount_is_bytes_or_a_number_with_a_unit(amount: Any, expected: int) -> None:
    assert memory_bytes(amount) == expected


@pytest.mark.parametrize(
    "amount",
    ["", "GB", "2 G", "2 parsecs", "2,5 GB", "2 GiB each", "-1 GB", "nan", "inf GB", "1e9", "0",
     "0.2 B", 0, -5, 1.5, True, None, b"2 GB", float("nan"), "\u0662 GB"],
)  # fmt: skip
def test_anything_else_is_refused(amount: Any) -> None:
    with pytest.raises(SweepConfigError) as caught:
        memory_bytes(amount)

    assert str(caught.value) == (
        f"{amount!r} is no amount of memory. Give a number of bytes, or text such as '2 GiB' or "
        "'500 MB'."
    )


@pytest.mark.parametrize(
    ("size", "expected"),
    [(1, "1 B"), (1000, "1 kB"), (1024, "1 KiB"), (1536 * 1024**2, "1536 MiB"), (10**12, "1 TB")],
)
def test_bytes_are_said_in_the_largest_unit_that_fits(size: int, expected: str) -> None:
    assert memory_text(size) == expected


@given(st.integers(1, 2**50))
def test_what_is_said_means_the_same_amount(size: int) -> None:
    assert memory_bytes(memory_text(size)) == size
