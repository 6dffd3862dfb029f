"""Overrides that get in each other's way are refused."""

from __future__ import annotations

import pytest

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.sweep.field_conflicts import refuse_conflicting_fields

TYPES = {"Sat": "Spacecraft", "Other": "Spacecraft", "V": "Variable", "A": "Array", "X": "Array"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Sat.X", "Sat.SMA"], r"Sat\.SMA and Sat\.X are elements of two state types"),
        (["Sat.INC", "Sat.DryMass", "Sat.VZ"], r"Sat\.VZ and Sat\.INC"),
        (["Sat.RadPer", "Sat.SMA"], r"Sat\.SMA and Sat\.RadPer"),
        (["A(1,2)", "A(1, 2)"], r"'A\(1,2\)' and 'A\(1, 2\)' are the same field"),
        (["A(1,2)", "A( 2 )"], r"'A\(1,2\)' and 'A\( 2 \)' are the same field"),
        (["V", "V.Value"], r"'V' and 'V\.Value' are the same field"),
    ],
)
def test_they_are_named(names: list[str], message: str) -> None:
    with pytest.raises(SweepConfigError, match=message):
        refuse_conflicting_fields([["Sat.ECC"], names], TYPES, "m.script")


@pytest.mark.parametrize(
    "names",
    [
        ["Sat.X", "Other.SMA"],
        ["Sat.SMA", "Sat.EquinoctialH"],
        ["Sat.SMA", "Sat.TA", "Sat.DryMass"],
        ["Sat.RadPer", "Sat.RadApo", "Sat.INC"],
        ["A(1,2)", "A(2,1)"],
        ["A(2,1)", "A(2)"],
    ],
)
def test_others_are_let_through(names: list[str]) -> None:
    refuse_conflicting_fields([names], TYPES, "m.script")
