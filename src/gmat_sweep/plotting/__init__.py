"""Pictures of a sweep, drawn with matplotlib, an optional dependency imported on first use.

* `sweep_corner`: a metric over every pair of parameters.
* `sweep_heatmap`: a metric over the two axes of a grid.
* `sweep_band_plot`: the dispersion of a field over time, from a summary.
* `mc_convergence_plot`, `mc_convergence_over_time_plot`: whether there are enough runs.

Every function draws into the axes it is given, or into a new figure of pyplot, and returns the
axes; the caller shows or saves them. Further keywords go to matplotlib's drawing call. Runs that
failed are never drawn as if they had a value, and the picture says how many there were, if the
frame tells. Axes have GMAT's names as labels, with the unit if the name tells it.
"""

from gmat_sweep.plotting.corner import sweep_corner
from gmat_sweep.plotting.curves import (
    mc_convergence_over_time_plot,
    mc_convergence_plot,
    sweep_band_plot,
)
from gmat_sweep.plotting.heatmap import sweep_heatmap

__all__ = [
    "mc_convergence_over_time_plot",
    "mc_convergence_plot",
    "sweep_band_plot",
    "sweep_corner",
    "sweep_heatmap",
]
