"""Statistics over the frame of a sweep.

* `sweep_summary`: mean, spread and quantiles over the runs at each epoch.
* `sweep_diff`: one sweep minus another, run by run.
* `mc_convergence`: how the mean of a metric settles as runs are added.

Every function takes the frame of a sweep, with ``run_id`` as an index level, in pandas or in
polars, and leaves it as it is. Rows whose ``__status`` is not ``"ok"`` are no data.
"""

from gmat_sweep.analysis.convergence import mc_convergence
from gmat_sweep.analysis.difference import sweep_diff
from gmat_sweep.analysis.summary import sweep_summary

__all__ = ["mc_convergence", "sweep_diff", "sweep_summary"]
