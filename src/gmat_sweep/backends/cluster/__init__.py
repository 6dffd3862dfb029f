"""What pools on a cluster share, and what Dask and Ray need of their own."""
