"""The parts of pools on a cluster: those that they share, those for Dask and those for Ray."""
