"""The flows as deployments load them: the sweep's, the night's, and `accept_baseline`.

A deployment that names a flow by this module needs only this package on the machine of the Prefect
worker. Other flows may call `gmat_sweep_flow`, which returns a `SweepOutcome`, and
`nightly_dispersion`, which returns a `NightOutcome`.
"""

from gmat_sweep.flow.final_state import SweepOutcome
from gmat_sweep.flows.accepting import accept_baseline
from gmat_sweep.flows.nightly import NightOutcome, nightly_dispersion
from gmat_sweep.flows.sweep import gmat_sweep_flow

__all__ = [
    "NightOutcome",
    "SweepOutcome",
    "accept_baseline",
    "gmat_sweep_flow",
    "nightly_dispersion",
]
