"""A sweep folder beside its manifest: names, run files, seals, attempts, the last pass."""
