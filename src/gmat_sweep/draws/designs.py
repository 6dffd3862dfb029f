"""Designs that fill the unit cube: the points at which distributions are inverted.

``latin_hypercube`` stratifies each axis. ``sobol`` and ``halton`` are scrambled quasi-random
sequences (scipy's `qmc`): their points fill the cube more evenly than independent ones, so means
converge faster; no statistic that counts independent runs holds for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmat_sweep.distributions import latin_hypercube_unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DESIGNS", "unit_points"]

DESIGNS = ("latin_hypercube", "sobol", "halton")
"""The names of the designs."""

# Within half a step of the ends, where distributions without bounds have no quantile.
_NEAREST_END = 2.0**-54


def unit_points(design: str, n: int, d: int, seed: int | None) -> NDArray[np.float64]:
    """Return `n` points of the unit cube, as an array of shape ``(n, d)``.

    A sequence of more points starts with those of a shorter one, except for a Latin hypercube.

    Parameters
    ----------
    design : {"latin_hypercube", "sobol", "halton"}
        The design.
    n, d : int
        The number of points and of axes.
    seed : int or None
        The sweep's seed; None scrambles with entropy from the operating system.
    """
    if design == "latin_hypercube":
        return latin_hypercube_unit(n, d, seed)
    import numpy as np
    from scipy.stats import qmc

    generator = np.random.default_rng(seed)
    # 64 bits: the points of the default 30 have the resolution of a float32.
    sequence = (
        qmc.Sobol(d, bits=64, rng=generator) if design == "sobol" else qmc.Halton(d, rng=generator)
    )
    return np.clip(sequence.random(n), _NEAREST_END, 1 - _NEAREST_END * 2)
