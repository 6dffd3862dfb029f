"""Plans: the runs of a sweep, the header record that brings them back, and their notation."""

from gmat_sweep.plans.header import (
    CONTEXTS_KEY,
    EXPLICIT_RUNS_KEY,
    KINDS,
    PLANNED_KEY,
    explicit_record,
    kind_of,
    parameter_spec_from_runs,
)
from gmat_sweep.plans.plan import (
    Plan,
    grid_plan,
    latin_hypercube_plan,
    monte_carlo_plan,
    samples_plan,
)
from gmat_sweep.plans.rebuilding import extension_facts, header_facts, planned_count, rebuild_runs

__all__ = [
    "CONTEXTS_KEY",
    "EXPLICIT_RUNS_KEY",
    "KINDS",
    "PLANNED_KEY",
    "Plan",
    "explicit_record",
    "extension_facts",
    "grid_plan",
    "header_facts",
    "kind_of",
    "latin_hypercube_plan",
    "monte_carlo_plan",
    "parameter_spec_from_runs",
    "planned_count",
    "rebuild_runs",
    "samples_plan",
]
