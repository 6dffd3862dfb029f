"""Fields that are drawn together, from a covariance matrix.

A draw is ``mean + T L z``: `z` are standard normal numbers, `L` is the lower triangular factor of
the matrix, and `T` turns the axes of the matrix into those of the fields. The factor of a matrix is
unique, and it is computed here with Python's own arithmetic, in one order: LAPACK's would give
other last bits on another machine, and so other draws on a resume.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from gmat_sweep.disk.held import plain_reader
from gmat_sweep.draws.local_axes import LOCAL_AXES, local_axes
from gmat_sweep.draws.shorthands import refuse
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ELEMENTS", "Covariance", "Elements", "Frame", "lower_factor", "turned"]

type Frame = Literal["RIC", "VNB", "LVLH", "TNW"]
type Elements = Literal["cartesian", "keplerian", "equinoctial"]

ELEMENTS: Mapping[str, tuple[str, ...]] = {
    "cartesian": ("X", "Y", "Z", "VX", "VY", "VZ"),
    "keplerian": ("SMA", "ECC", "INC", "RAAN", "AOP", "TA"),
    "equinoctial": (
        "SMA",
        "EquinoctialH",
        "EquinoctialK",
        "EquinoctialP",
        "EquinoctialQ",
        "MLONG",
    ),
}
"""The fields of a Spacecraft for each set of elements, in the order of a matrix."""

# Shares of the diagonal: what is left of a column that depends on those before it, and how far a
# written matrix may be from symmetric.
_NOTHING_LEFT = 1e-12
_ASYMMETRY = 1e-9
_NEGATIVE = -1e-9


@dataclass(frozen=True, slots=True)
class Covariance:
    """A covariance matrix, and what it is the covariance of.

    In a perturbation its key is the name of a Spacecraft, whose state is drawn, or with `fields`
    any name.

    Attributes
    ----------
    matrix : sequence of sequence of float, or array
        Symmetric and positive semi-definite, in the squares of GMAT's units: km, km/s, degrees.
    elements : {"cartesian", "keplerian", "equinoctial"}
        What is drawn of the Spacecraft, in the order of `ELEMENTS`.
    frame : {"RIC", "VNB", "LVLH", "TNW"}, optional
        The axes of a Cartesian matrix; by default those of the spacecraft's coordinate system.
        They are taken at the nominal state and stand still: a velocity is one in these directions,
        not one relative to turning axes.
    fields : tuple of str
        The fields that are drawn, instead of a state.
    mean : tuple of float, optional
        The mean; by default what the script gives.
    source : str, optional
        The file that the matrix was read from; recorded, and not read again.
    epoch, reference_frame, center : str, optional
        What a CCSDS message says of its state. They must be the spacecraft's.
    """

    matrix: Sequence[Sequence[float]] | NDArray[Any]
    elements: Elements = "cartesian"
    frame: Frame | None = None
    fields: Sequence[str] = ()
    mean: Sequence[float] | None = None
    source: str | None = None
    epoch: str | None = None
    reference_frame: str | None = None
    center: str | None = None

    def __post_init__(self) -> None:
        """Make tuples of what is given as lists or arrays."""
        object.__setattr__(self, "matrix", tuple(tuple(map(float, row)) for row in self.matrix))
        object.__setattr__(self, "fields", tuple(self.fields))
        if self.mean is not None:
            object.__setattr__(self, "mean", tuple(map(float, self.mean)))

    @classmethod
    def from_csv(cls, path: str | Path, **options: Any) -> Covariance:
        """Read a matrix of numbers from a CSV file, a row a line; a line of names may come first.

        Parameters
        ----------
        path : str or Path
            The file. Its lower triangle alone will do. Lines that begin with ``#`` are left out. A
            line of names gives the order of rows and columns: ``X`` or ``Sat.X`` for the elements
            of a Spacecraft, whole names for `fields`.
        **options
            The other attributes.

        Raises
        ------
        SweepConfigError
            The file is not there, holds no square matrix of numbers, or names other fields; the
            message has the line.
        """
        matrix, names = _matrix_in(Path(path))
        given = cls(matrix, source=str(path), **options)
        if not names or given.elements not in ELEMENTS:
            return given
        order = _order_of(names, given.fields or ELEMENTS[given.elements], Path(path))
        return replace(given, matrix=tuple(tuple(matrix[i][j] for j in order) for i in order))

    @property
    def rows(self) -> tuple[tuple[float, ...], ...]:
        """The matrix as tuples."""
        return cast("tuple[tuple[float, ...], ...]", self.matrix)

    def names(self, key: str) -> tuple[str, ...]:
        """Return the GMAT fields that are drawn, for the key of the perturbation."""
        return tuple(self.fields) or tuple(f"{key}.{name}" for name in ELEMENTS[self.elements])

    def check(self, key: str) -> None:
        """Refuse what is no covariance matrix of these fields.

        Raises
        ------
        SweepConfigError
            The message names the entry or the eigenvalue.
        """
        if self.elements not in ELEMENTS:
            refuse(
                key,
                f"unknown elements {self.elements!r}",
                f"Use one of {', '.join(get_args(Elements.__value__))}",
            )
        if self.frame is not None:
            if self.frame not in LOCAL_AXES:
                refuse(key, f"unknown frame {self.frame!r}", f"Use one of {', '.join(LOCAL_AXES)}")
            if self.fields or self.elements != "cartesian":
                refuse(
                    key,
                    f"the frame {self.frame} is of no meaning for "
                    f"{'chosen fields' if self.fields else self.elements + ' elements'}",
                    "Leave the frame out, or give a covariance of position and velocity",
                )
        if len(set(self.fields)) < len(self.fields):
            refuse(key, f"a field stands twice in {list(self.fields)}", "Name each field once")
        _check_matrix(self.rows, self.names(key), key)
        if self.mean is not None and len(self.mean) != len(self.rows):
            refuse(
                key,
                f"the mean has {len(self.mean)} numbers and the matrix {len(self.rows)} rows",
                "Give a number for each field",
            )

    def to_json(self) -> dict[str, Any]:
        """Return the record of a manifest, without what is at its default."""
        record: dict[str, Any] = {"covariance": [list(row) for row in self.rows]}
        for name in ("frame", "source", "epoch", "reference_frame", "center"):
            if getattr(self, name) is not None:
                record[name] = getattr(self, name)
        if self.fields:
            record["fields"] = list(self.fields)
        else:
            record["elements"] = self.elements
        if self.mean is not None:
            record["mean"] = list(self.mean)
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any], key: str) -> Covariance:
        """Return the covariance of `to_json`'s record.

        Raises
        ------
        SweepConfigError
            The record is no such record.
        """
        known = {"frame", "source", "epoch", "reference_frame", "center", "elements", "mean"}
        try:
            made = cls(
                matrix=record["covariance"],
                fields=tuple(record.get("fields", ())),
                **{name: record[name] for name in known if name in record},
            )
        except (KeyError, TypeError, ValueError) as error:
            refuse(key, f"the covariance record is damaged: {error!r}", "Restore the manifest")
        made.check(key)
        return made


def _matrix_in(path: Path) -> tuple[tuple[tuple[float, ...], ...], list[str]]:
    """Return the matrix of a file, and the names of its first line if it has such a line."""
    try:
        with plain_reader(path) as file:
            lines = file.read().decode("utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise SweepConfigError(
            f"The covariance file {path} cannot be read: {error}. Check the path."
        ) from error
    rows: list[tuple[float, ...]] = []
    names: list[str] = []
    for number, line in enumerate(lines, 1):
        # The name of an Array's element has a comma, and stands in quotes.
        cells = [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True), [])]
        while cells and not cells[-1]:
            cells.pop()
        if not cells or cells[0].startswith("#"):
            continue
        try:
            rows.append(tuple(map(float, cells)))
        except ValueError:
            if rows or names:
                raise SweepConfigError(
                    f"{path}, line {number}: {line.strip()!r} is no row of numbers. Write a row of "
                    "the matrix on each line, with commas."
                ) from None
            names = cells
    sizes = [len(row) for row in rows]
    if sizes == list(range(1, len(rows) + 1)):
        whole = [
            tuple(rows[max(i, j)][min(i, j)] for j in range(len(rows))) for i in range(len(rows))
        ]
        return tuple(whole), names
    if not rows or any(size != len(rows) for size in sizes):
        raise SweepConfigError(
            f"{path} has rows of {sizes} numbers, which is no square matrix. Write all of it, or "
            "its lower triangle."
        )
    return tuple(rows), names


def _order_of(names: Sequence[str], fields: Sequence[str], path: Path) -> list[int]:
    """Return where each field stands among the names of a file's columns."""
    by_name = {name.casefold(): place for place, name in enumerate(names)}
    short = {name.rpartition(".")[2]: place for name, place in by_name.items()}
    # An element of a Spacecraft may be named with or without the Spacecraft.
    places = [
        by_name.get(field.casefold(), -1 if "." in field else short.get(field.casefold(), -1))
        for field in fields
    ]
    if sorted(places) != list(range(len(names))):
        raise SweepConfigError(
            f"{path} names its columns {', '.join(names)}, and the fields are {', '.join(fields)}. "
            "Name these, each once, or begin that line with '#' if the columns are in this order."
        )
    return places


def _check_matrix(matrix: Sequence[Sequence[float]], names: Sequence[str], key: str) -> None:
    size = len(names)
    if len(matrix) != size or any(len(row) != size for row in matrix):
        shape = " and ".join(sorted({f"{len(row)}" for row in matrix})) or "no"
        refuse(
            key,
            f"the covariance has {len(matrix)} rows of {shape} numbers, and there are {size} "
            f"fields: {', '.join(names)}",
            "Give a row and a column for each field",
        )
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            where = f"the covariance of {names[i]} and {names[j]}"
            if not math.isfinite(value):
                refuse(key, f"{where} is {value!r}", "Give finite numbers")
            if i == j and value < 0:
                refuse(
                    key,
                    f"the variance of {names[i]} is {value!r}, which is negative",
                    "Give the squares of the standard deviations on the diagonal",
                )
    for i in range(size):
        for j in range(i):
            scale = math.sqrt(matrix[i][i]) * math.sqrt(matrix[j][j])
            if abs(matrix[i][j] - matrix[j][i]) > _ASYMMETRY * scale:
                refuse(
                    key,
                    f"the covariance is not symmetric: that of {names[i]} and {names[j]} is "
                    f"{matrix[i][j]!r} in one place and {matrix[j][i]!r} in the other",
                    "Give the same number in both places",
                )
    _check_eigenvalues(matrix, names, key)


def _check_eigenvalues(matrix: Sequence[Sequence[float]], names: Sequence[str], key: str) -> None:
    """Refuse a matrix with a negative eigenvalue, whatever the units of its fields are."""
    import numpy as np

    sigmas = [math.sqrt(matrix[i][i]) or 1.0 for i in range(len(names))]
    correlation = np.asarray(matrix) / np.outer(sigmas, sigmas)
    values, vectors = np.linalg.eigh((correlation + correlation.T) / 2)
    if values[0] >= _NEGATIVE:
        return
    most = sorted(range(len(names)), key=lambda i: -abs(vectors[i, 0]))[:2]
    refuse(
        key,
        "the covariance is not positive semi-definite: its matrix of correlations has the "
        f"eigenvalue {values[0]:.6g}, mostly of {' and '.join(names[i] for i in sorted(most))}",
        "No correlations can be like that; check the numbers and their units",
    )


def lower_factor(matrix: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    """Return the lower triangular `L` with ``L L^T = matrix`` and no negative diagonal.

    A field that depends on those before it, or has no variance, gets a zero on the diagonal.

    Parameters
    ----------
    matrix : sequence of sequence of float
        Symmetric and positive semi-definite; the lower triangle is read.
    """
    size = len(matrix)
    factor = [[0.0] * size for _ in range(size)]
    for j in range(size):
        left = matrix[j][j]
        for k in range(j):
            left -= factor[j][k] * factor[j][k]
        if left <= _NOTHING_LEFT * matrix[j][j]:
            continue
        factor[j][j] = math.sqrt(left)
        for i in range(j + 1, size):
            rest = matrix[i][j]
            for k in range(j):
                rest -= factor[i][k] * factor[j][k]
            factor[i][j] = rest / factor[j][j]
    return tuple(map(tuple, factor))


def turned(
    factor: Sequence[Sequence[float]], frame: str, state: Sequence[float]
) -> tuple[tuple[float, ...], ...]:
    """Return the factor of a matrix in a local frame, with its rows in the axes of the state.

    Parameters
    ----------
    factor : sequence of sequence of float
        Six rows: position, then velocity, in the local axes.
    frame : str
        One of `LOCAL_AXES`.
    state : sequence of float
        The nominal position in km and velocity in km/s.
    """
    axes = local_axes(frame, state)
    rows: list[tuple[float, ...]] = []
    for first in (0, 3):
        rows += [
            tuple(
                axes[0][axis] * factor[first][column]
                + axes[1][axis] * factor[first + 1][column]
                + axes[2][axis] * factor[first + 2][column]
                for column in range(6)
            )
            for axis in range(3)
        ]
    return tuple(rows)
