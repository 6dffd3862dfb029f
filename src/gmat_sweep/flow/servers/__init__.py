"""The local Prefect server that all sweeps of a user on a machine share.

`place` says where its files are, `record` what its record file holds, `shared` finds, starts and
ends it, and `program` is what its process runs. `gmat_sweep.flow.server` is for the rest of the
package.
"""
