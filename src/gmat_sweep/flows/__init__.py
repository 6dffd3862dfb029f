"""The flows as deployments load them: ``gmat_sweep.flows.gmat_sweep_flow`` and its nightly use.

A deployment that names a flow by its module needs nothing on a worker's machine but this package.
Another flow may call them: `SweepOutcome` and `NightOutcome` say what they return.
"""

from gmat_sweep.flow.final_state import SweepOutcome
from gmat_sweep.flows.nightly import NightOutcome, nightly_dispersion
from gmat_sweep.flows.sweep import gmat_sweep_flow

__all__ = ["NightOutcome", "SweepOutcome", "gmat_sweep_flow", "nightly_dispersion"]
