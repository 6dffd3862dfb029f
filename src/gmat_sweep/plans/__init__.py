"""Plans: the runs of a sweep, the header record that brings them back, and their notation.

Names are imported on first use: the command line needs the notation alone to answer ``--help``.
"""

from typing import TYPE_CHECKING

from gmat_sweep.lazy_names import lazy_names

if TYPE_CHECKING:
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
    from gmat_sweep.plans.rebuilding import (
        extension_facts,
        header_facts,
        rebuild_runs,
        recorded_plan,
    )
    from gmat_sweep.plans.runs_by_id import RecordedPlan
    from gmat_sweep.plans.size import implausible_size, planned_count, recorded_count

__all__ = [
    "CONTEXTS_KEY",
    "EXPLICIT_RUNS_KEY",
    "KINDS",
    "PLANNED_KEY",
    "Plan",
    "RecordedPlan",
    "explicit_record",
    "extension_facts",
    "grid_plan",
    "header_facts",
    "implausible_size",
    "kind_of",
    "latin_hypercube_plan",
    "monte_carlo_plan",
    "parameter_spec_from_runs",
    "planned_count",
    "rebuild_runs",
    "recorded_count",
    "recorded_plan",
    "samples_plan",
]

__getattr__ = lazy_names(
    __name__,
    {
        "CONTEXTS_KEY": "header",
        "EXPLICIT_RUNS_KEY": "header",
        "KINDS": "header",
        "PLANNED_KEY": "header",
        "explicit_record": "header",
        "kind_of": "header",
        "parameter_spec_from_runs": "header",
        "Plan": "plan",
        "grid_plan": "plan",
        "latin_hypercube_plan": "plan",
        "monte_carlo_plan": "plan",
        "samples_plan": "plan",
        "extension_facts": "rebuilding",
        "header_facts": "rebuilding",
        "rebuild_runs": "rebuilding",
        "recorded_plan": "rebuilding",
        "RecordedPlan": "runs_by_id",
        "implausible_size": "size",
        "planned_count": "size",
        "recorded_count": "size",
    },
)
