"""Shares of runs as people write them."""

from __future__ import annotations

import numpy as np
import pytest

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.verdicts.shares import percent, share_of


@pytest.mark.parametrize(
    "written",
    [
        0.997,
        "0.997",
        ".997",
        "99.7%",
        "99.7 %",
        " 99.70% ",
        "9.97e-1",
        "99.7 percent",
        np.float64(0.997),
    ],
)
def test_a_share_is_the_same_however_it_is_written(written: float | str) -> None:
    assert share_of(written, "probability") == 0.997


@pytest.mark.parametrize("written", ["0.07%", "0.0007", 0.0007])
def test_a_percentage_is_an_exact_decimal(written: float | str) -> None:
    # In floats 0.07 / 100 is 0.0007000000000000001.
    assert share_of(written, "expect") == 0.0007


@pytest.mark.parametrize(
    ("written", "shares"),
    [
        # The shares of the normal distribution, from tables.
        ("3 sigma", ("0.9973 (two-sided", "0.99865 (one-sided")),
        ("3-Sigma", ("0.9973 (two-sided", "0.99865 (one-sided")),
        ("3\u03c3", ("0.9973 (two-sided", "0.99865 (one-sided")),
        ("2sigma", ("0.9545 (two-sided", "0.9772 (one-sided")),
        ("4 sigma", ("0.9999367 (two-sided", "0.9999683 (one-sided")),
    ],
)
def test_sigmas_are_offered_as_the_two_shares_that_they_may_mean(
    written: str, shares: tuple[str, str]
) -> None:
    with pytest.raises(SweepConfigError, match="means two things") as caught:
        share_of(written, "--probability")

    assert str(caught.value).startswith("--probability")
    assert all(share in str(caught.value) for share in shares)


@pytest.mark.parametrize(
    "wrong",
    ["", "high", "nan", "inf", "0x1", "1_0%", "99.7%%", "100 sigma", "0 sigma", True, None, [0.9]],
)
def test_what_is_no_share_is_refused(wrong: object) -> None:
    with pytest.raises(SweepConfigError, match=r"^confidence .* is no share of runs\. Write it"):
        share_of(wrong, "confidence")


@pytest.mark.parametrize("wrong", [0, 1, 1.0, "0", "100%", "0%", "1e300", 250])
def test_shares_must_be_between_0_and_1(wrong: object) -> None:
    with pytest.raises(SweepConfigError, match="is not between 0 and 1"):
        share_of(wrong, "confidence")


def test_no_violation_at_all_can_be_expected() -> None:
    assert share_of("0%", "expect", or_none=True) == share_of(0, "expect", or_none=True) == 0.0
    with pytest.raises(SweepConfigError, match="is not between 0 and 1"):
        share_of("100%", "expect", or_none=True)


def test_a_negative_share_is_refused() -> None:
    with pytest.raises(SweepConfigError, match=r"confidence -0\.5 is no share"):
        share_of(-0.5, "confidence")


@pytest.mark.parametrize("wrong", [99.7, "99.7"])
def test_a_percentage_without_its_sign_is_refused_and_offered_with_it(wrong: object) -> None:
    with pytest.raises(SweepConfigError, match=r"For 99\.7 percent write 99\.7%\."):
        share_of(wrong, "confidence")


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.997, "99.7 %"), (0.07, "7 %"), (0.0995, "9.95 %"), (0.9, "90 %"), (1e-7, "0.00001 %")],
)
def test_a_share_is_shown_with_the_digits_that_it_has(share: float, text: str) -> None:
    assert percent(share) == text
