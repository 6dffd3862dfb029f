"""The flows as deployments load them: ``gmat_sweep.flows.gmat_sweep_flow`` and its nightly use.

A deployment that names a flow by its module needs nothing on a worker's machine but this package.
"""

from gmat_sweep.flow.nightly_flow import nightly_dispersion
from gmat_sweep.flow.sweep_flow import gmat_sweep_flow, prepared_by
from gmat_sweep.requested import run_requested

__all__ = ["gmat_sweep_flow", "nightly_dispersion"]

prepared_by(run_requested)
