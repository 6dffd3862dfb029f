"""What the runs of a night ended with, for two nights side by side."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.final_values import final_values
from gmat_sweep.analysis.nightly.goals import goals_met
from gmat_sweep.analysis.recorded import RecordedSweep, SweepSource
from gmat_sweep.analysis.units import unit_of
from gmat_sweep.plans.independence import design_name

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = ["NightEnds", "column_of", "same_overrides", "unit_at_end"]

# Such epochs are compared in seconds.
_GREGORIAN = "Gregorian"


class NightEnds:
    """The last values of a sweep, the goals of its solvers, and what each run was given.

    Parameters
    ----------
    source : str, Path, Manifest or Sweep
        The sweep.

    Attributes
    ----------
    sweep : RecordedSweep
        The sweep.
    ran : dict of int to ManifestEntry
        Its runs that are ok or failed, by their ids.
    design : str
        Its design.
    """

    def __init__(self, source: SweepSource) -> None:
        self.sweep = RecordedSweep.of(source)
        self.ran: dict[int, ManifestEntry] = {
            entry.run_id: entry for entry in self.sweep.entries if entry.status in {"ok", "failed"}
        }
        self.design = design_name(self.sweep.manifest.parameter_spec)

    @cached_property
    def last_values(self) -> pd.DataFrame:
        """What `final_values` gives, Gregorian epochs in seconds."""
        return final_values(self.sweep.manifest, epochs=True)

    @cached_property
    def goals(self) -> pd.DataFrame:
        """What `goals_met` gives."""
        return goals_met(self.sweep, self.last_values)


def same_overrides(now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Return whether two runs were given the same values."""
    # NaN is the same override as NaN, although it does not equal itself.
    return now == before or repr(sorted(now.items())) == repr(sorted(before.items()))


def unit_at_end(quantity: str) -> str:
    """Return the unit in which the last values of a quantity are."""
    return "s" if quantity.endswith(_GREGORIAN) else unit_of(quantity)


def column_of(frame: pd.DataFrame, column: tuple[str, str]) -> NDArray[np.float64]:
    """Return a column, without a value where the night has no such column."""
    import numpy as np

    if column not in frame.columns:
        return np.full(len(frame), np.nan)
    values: NDArray[np.float64] = frame[column].to_numpy()
    return values
