"""The flow ``gmat-sweep``: the one package that imports Prefect."""
