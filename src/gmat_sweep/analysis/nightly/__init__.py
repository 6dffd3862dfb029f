"""Nights of one mission: what moved, how far, which input changed, and what all nights show.

* `night_report` tells a night from its folder of nights; `night_page` writes it as a page.
* `accept` makes a night the baseline, and `accepted` finds it.
* `drift_over` tells how far each quantity is from a night, night by night; `creeping` picks those
  that are away.
* `accumulated` judges requirements by all nights with equal inputs; `rotating_seed` gives a night
  new draws.

Names are imported on first use. `gmat_sweep.analysis` has `compare_sweeps` and `input_hashes`.
"""

from typing import TYPE_CHECKING

from gmat_sweep.lazy_names import lazy_names

if TYPE_CHECKING:
    from gmat_sweep.analysis.nightly.accumulating import accumulated
    from gmat_sweep.analysis.nightly.accumulation import Accumulation
    from gmat_sweep.analysis.nightly.baseline import accept, accepted
    from gmat_sweep.analysis.nightly.cohorts import rotating_seed
    from gmat_sweep.analysis.nightly.creep import creeping, drift_over
    from gmat_sweep.analysis.nightly.page import night_page
    from gmat_sweep.analysis.nightly.report import NightReport, night_report

__all__ = [
    "Accumulation",
    "NightReport",
    "accept",
    "accepted",
    "accumulated",
    "creeping",
    "drift_over",
    "night_page",
    "night_report",
    "rotating_seed",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Accumulation": "accumulation",
        "NightReport": "report",
        "accept": "baseline",
        "accepted": "baseline",
        "accumulated": "accumulating",
        "creeping": "creep",
        "drift_over": "creep",
        "night_page": "page",
        "night_report": "report",
        "rotating_seed": "cohorts",
    },
)
