"""A covariance from a CSV file, whose first line may say which column is which."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gmat_sweep.draws.ccsds import covariance_of_message
from gmat_sweep.draws.covariance import ELEMENTS, Covariance
from gmat_sweep.errors import SweepConfigError

STATE = ELEMENTS["cartesian"]


def written(path: Path, matrix: Any, names: str | None) -> Path:
    rows = [",".join(map(repr, row)) for row in matrix.tolist()]
    path.write_text("\n".join([names, *rows] if names else rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (None, STATE),
        ("X, Y, Z, VX, VY, VZ", STATE),
        ("VX,VY,VZ,X,Y,Z", ("VX", "VY", "VZ", "X", "Y", "Z")),
        ("Sat.X,Sat.VX,Sat.Y,Sat.VY,Sat.Z,Sat.VZ", ("X", "VX", "Y", "VY", "Z", "VZ")),
        ("x,vx,y,vy,z,vz,", ("X", "VX", "Y", "VY", "Z", "VZ")),
        ("# anything, at all", STATE),
    ],
)
def test_the_columns_are_those_that_the_file_names(
    names: str | None, order: tuple[str, ...], tmp_path: Path
) -> None:
    """numpy's indices say the same by another route: each variance stays with its name."""
    mixing = np.random.default_rng(5).normal(size=(6, 6))
    matrix = mixing @ mixing.T
    places = [STATE.index(name) for name in order]
    path = written(tmp_path / "c.csv", matrix[np.ix_(places, places)], names)
    read = Covariance.from_csv(path, frame="RIC")
    assert np.array_equal(read.rows, matrix)
    assert (read.frame, read.source) == ("RIC", str(path))


def test_other_elements_and_chosen_fields_have_their_own_names(tmp_path: Path) -> None:
    path = written(tmp_path / "k.csv", np.diag([1.0, 2, 3, 4, 5, 6]), "TA,SMA,ECC,INC,RAAN,AOP")
    read = Covariance.from_csv(path, elements="keplerian")
    assert np.diag(read.rows).tolist() == [2.0, 3.0, 4.0, 5.0, 6.0, 1.0]
    path = written(tmp_path / "f.csv", np.diag([1.0, 2.0]), 'Thr.C1, "A(1,2)"')
    read = Covariance.from_csv(path, fields=("A(1,2)", "Thr.C1"))
    assert np.diag(read.rows).tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("R,I,C\n1,0,0\n0,1,0\n0,0,1\n", "names its columns R, I, C, and the fields are A, B, C"),
        ("A,A,B\n1,0,0\n0,1,0\n0,0,1\n", "each once"),
        ("A,B\n1,0,0\n0,1,0\n0,0,1\n", "names its columns A, B, and"),
        ("A,B,C\nA,1,0,0\nB,0,1,0\nC,0,0,1\n", "line 2: 'A,1,0,0' is no row of numbers"),
        ("1,0,0\n0,l,0\n0,0,1\n", "line 2: '0,l,0' is no row of numbers"),
        ("1,0\n0,1,0\n", "rows of [2, 3] numbers"),
    ],
)
def test_a_file_with_other_names_or_no_matrix_is_refused(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.csv"
    path.write_text(text)
    with pytest.raises(SweepConfigError) as told:
        Covariance.from_csv(path, fields=("A", "B", "C"))
    assert message in str(told.value)
    assert str(path) in str(told.value)


@pytest.mark.parametrize("read", [Covariance.from_csv, covariance_of_message])
def test_a_fifo_or_a_device_is_refused_at_once(
    read: Callable[[Path], Covariance], tmp_path: Path
) -> None:
    fifo = tmp_path / "matrix.csv"
    os.mkfifo(fifo)

    for path in (fifo, Path("/dev/zero")):
        with pytest.raises(SweepConfigError, match=r"cannot be read: .* is a "):
            read(path)
