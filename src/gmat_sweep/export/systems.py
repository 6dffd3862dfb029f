"""Coordinate systems of a mission: which there are, and what others call them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.mission.statements import Statement, bare_value

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DEFAULT_SYSTEM", "IcrfTurn", "System", "systems_in"]

DEFAULT_SYSTEM = "EarthMJ2000Eq"
"""The coordinate system of ``Sat.X``, whatever the Spacecraft's own one is (measured)."""

_CENTERS = {"LUNA": "MOON", "SOLARSYSTEMBARYCENTER": "SOLAR SYSTEM BARYCENTER"}
# CCSDS 502.0-B-3, annex B; GMAT's own messages call Earth's body-fixed axes TDR, which leaves out
# the motion of the pole that GMAT applies.
_FRAMES = {"MJ2000Eq": "EME2000", "ICRF": "ICRF", "TODEq": "TOD"}
_EARTH = "EARTH"


@dataclass(frozen=True, slots=True)
class System:
    """A coordinate system.

    Attributes
    ----------
    name : str
        Its name in the script.
    origin : str
        The resource at its origin.
    axes : str
        GMAT's type of its axes.
    """

    name: str
    origin: str
    axes: str

    @property
    def is_fixed_to_earth(self) -> bool:
        """Whether it turns with Earth."""
        return self.origin.upper() == _EARTH and self.axes == "BodyFixed"

    @property
    def suits_czml(self) -> bool:
        """Whether CZML can have it: Earth's mean equator of J2000, ICRF, or axes fixed to Earth."""
        return self.origin.upper() == _EARTH and self.axes in {"MJ2000Eq", "ICRF", "BodyFixed"}

    @property
    def oem_frame(self) -> str | None:
        """What an OEM calls its axes; None if it has no name for them."""
        return "ITRF" if self.is_fixed_to_earth else _FRAMES.get(self.axes)

    @property
    def oem_center(self) -> str:
        """What an OEM calls its origin."""
        return _CENTERS.get(self.origin.upper(), self.origin.upper())


def systems_in(statements: Iterable[Statement], types: Mapping[str, str]) -> dict[str, System]:
    """Return the coordinate systems of a mission by name, GMAT's own among them.

    Parameters
    ----------
    statements : iterable of Statement
        The mission.
    types : mapping
        Type of each resource by its name.
    """
    fields: dict[str, dict[str, str]] = {
        name: {"Origin": "Earth", "Axes": "MJ2000Eq"}
        for name, kind in types.items()
        if kind == "CoordinateSystem"
    }
    for statement in statements:
        if statement.assigned is None:
            continue
        owner, field = statement.assigned
        if owner in fields and field in fields[owner]:
            fields[owner][field] = bare_value(statement)
    own = {
        name: System(name, "Earth", axes)
        for name, axes in (
            (DEFAULT_SYSTEM, "MJ2000Eq"),
            ("EarthMJ2000Ec", "MJ2000Ec"),
            ("EarthFixed", "BodyFixed"),
            ("EarthICRF", "ICRF"),
        )
    }
    return own | {name: System(name, each["Origin"], each["Axes"]) for name, each in fields.items()}


@dataclass(frozen=True, slots=True)
class IcrfTurn:
    """How GMAT turns vectors of its mean equator of J2000 into ICRF.

    GMAT's `MJ2000Eq` is that of the theories of 1976 and 1980. Their errors grow with time, so the
    turn does, too: it is more than the bias of 23 mas between the frames, in 2026 47 mas, 1.5 m in
    a low orbit. GMAT reads it, a rotation vector for each day, from its ``ICRF_FILE``.

    Attributes
    ----------
    days : ndarray
        GMAT's modified Julian dates (from JD 2430000.0).
    vectors : ndarray
        A rotation vector for each, in radians.
    """

    days: NDArray[np.float64]
    vectors: NDArray[np.float64]

    @classmethod
    def read(cls, path: Path) -> IcrfTurn:
        """Read GMAT's ``ICRF_Table.txt``.

        Raises
        ------
        SweepConfigError
            It cannot be read.
        """
        import numpy as np
        import pandas as pd

        try:
            # Its exponents have three digits, which pandas reads.
            table = pd.read_csv(path, header=None).to_numpy(dtype=np.float64)
            days, vectors = table[:, 0], table[:, 1:4]
        except (OSError, ValueError, IndexError) as error:
            raise SweepConfigError(
                f"{path}: GMAT's table of ICRF cannot be read: {error}. Restore the engine's file, "
                "or report in axes of the type ICRF."
            ) from error
        return cls(days, vectors)

    def matrices(self, tai: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """Return the matrix for each epoch (TAI): its product with an EME2000 vector is ICRF.

        Raises
        ------
        SweepConfigError
            An epoch is outside of the table.
        """
        import numpy as np
        from scipy.interpolate import make_interp_spline
        from scipy.spatial.transform import Rotation

        days = (tai - np.datetime64("1941-01-05T12:00:00", "ns")) / np.timedelta64(1, "D")
        first = int(np.searchsorted(self.days, days.min())) - 8
        last = int(np.searchsorted(self.days, days.max())) + 8
        if first < 0 or last > len(self.days):
            raise SweepConfigError(
                "GMAT's table of ICRF does not reach the epochs of the trajectories. Report them "
                "in EarthFixed, or in axes of the type ICRF."
            )
        spline = make_interp_spline(self.days[first:last], self.vectors[first:last], k=7)
        # The table turns axes: a vector's components turn the other way.
        return Rotation.from_rotvec(-spline(days)).as_matrix()
