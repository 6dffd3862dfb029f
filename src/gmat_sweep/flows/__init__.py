"""The flows as deployments load them: `gmat_sweep_flow` and `nightly_dispersion`.

A deployment that names a flow by this module needs only this package on the machine of the Prefect
worker. Other flows may call both flows, which return a `SweepOutcome` and a `NightOutcome`.
"""

from gmat_sweep.flow.final_state import SweepOutcome
from gmat_sweep.flows.nightly import NightOutcome, nightly_dispersion
from gmat_sweep.flows.sweep import gmat_sweep_flow

__all__ = ["NightOutcome", "SweepOutcome", "gmat_sweep_flow", "nightly_dispersion"]
