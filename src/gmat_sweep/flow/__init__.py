"""The flow ``gmat-sweep``. Only this package and `gmat_sweep.flows` import Prefect."""
