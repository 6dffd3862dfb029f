"""Axes that move with the spacecraft, from its position and velocity.

Each is a triad of unit vectors in the axes that the state is given in. The position `r` and the
velocity `v` are relative to the central body, in axes that do not rotate; ``h = r x v``.

========  =======================  ================  =================
name      first axis               second axis       third axis
========  =======================  ================  =================
``RIC``   along `r` (radial)       h x r (in-track)  along `h`
                                                     (cross-track)
``LVLH``  along `r`                h x r             along `h`
``VNB``   along `v`                along `h`         v x h (bi-normal)
``TNW``   along `v`                h x v             along `h`
========  =======================  ================  =================

`LVLH` and `VNB` are those of GMAT's burns. CCSDS calls the first ``RSW`` and ``RTN``; what some
call LVLH, with its third axis to the nadir, is another frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gmat_sweep.errors import SweepConfigError

__all__ = ["LOCAL_AXES", "local_axes"]

type Vector = tuple[float, float, float]

LOCAL_AXES = ("RIC", "VNB", "LVLH", "TNW")
"""The names of the frames."""

_LEAST_SINE = 1e-12


def local_axes(name: str, state: Sequence[float]) -> tuple[Vector, Vector, Vector]:
    """Return the unit vectors of a frame, its first axis first.

    Parameters
    ----------
    name : str
        One of `LOCAL_AXES`.
    state : sequence of float
        Position in km and velocity in km/s, six numbers.

    Raises
    ------
    SweepConfigError
        The position and the velocity are parallel, or one is zero: there is no orbit plane.
    """
    position: Vector = (state[0], state[1], state[2])
    velocity: Vector = (state[3], state[4], state[5])
    momentum = _cross(position, velocity)
    if not _length(momentum) > _LEAST_SINE * _length(position) * _length(velocity):
        raise SweepConfigError(
            f"{name} axes need an orbit plane, and the position {position} and the velocity "
            f"{velocity} have none. Give the covariance in the spacecraft's own frame."
        )
    normal = _unit(momentum)
    if name in ("RIC", "LVLH"):
        radial = _unit(position)
        return radial, _cross(normal, radial), normal
    along = _unit(velocity)
    if name == "VNB":
        return along, normal, _cross(along, normal)
    if name == "TNW":
        return along, _cross(normal, along), normal
    raise SweepConfigError(f"unknown axes {name!r}. Use one of {', '.join(LOCAL_AXES)}.")


def _cross(a: Vector, b: Vector) -> Vector:
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


def _length(a: Vector) -> float:
    return math.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2])


def _unit(a: Vector) -> Vector:
    length = _length(a)
    return (a[0] / length, a[1] / length, a[2] / length)
