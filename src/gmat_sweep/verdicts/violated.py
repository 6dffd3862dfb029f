"""Where the runs that violate a requirement lie among the values that were varied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmat_sweep.analysis.clustering import varied_values, where_marked
from gmat_sweep.verdicts.outcomes import HOLDS, VIOLATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = ["where_violated"]


def where_violated(entries: Sequence[ManifestEntry], codes: NDArray[np.int8]) -> tuple[str, ...]:
    """Return in words where violating runs lie, those that failed included; the clearest first.

    Such as ``23 of 40 violate, all with Sat.INC < 0 (p = 1e-11)``; empty if they may lie where they
    do by chance.

    Parameters
    ----------
    entries : sequence of ManifestEntry
        The runs, with their overrides.
    codes : array of int8
        The outcome of each. Runs that say nothing, and those left out, count neither way.
    """
    violates = codes == VIOLATES
    told = violates | (codes == HOLDS)
    marked = violates[told]
    if not marked.any() or marked.all():
        return ()
    chosen = [entry for entry, is_told in zip(entries, told.tolist(), strict=True) if is_told]
    _, fields = varied_values(chosen)
    return tuple(each.text("violate") for each in where_marked(fields, marked))
