"""Statistics over the frame of a sweep.

* `sweep_summary`: mean, spread and quantiles over the runs at each epoch.
* `sweep_diff`: one sweep minus another, run by run.
* `mc_convergence`: how the mean of a metric settles as runs are added.

Each of these takes the frame of a sweep, with ``run_id`` as an index level, in pandas or in
polars, and does not change it. Rows whose ``__status`` is not ``"ok"`` are no data. The functions
below take the sweep folder, its manifest, or a sweep that has run:

* `final_values`: the last numbers of each run's reports.
* `runs_table`: a row per run, with what was varied and what came out.
* `sweep_report`: counts, failures and statistics of a sweep, for a person.
* `compare_sweeps`: tonight's sweep against last night's. `input_hashes` lets it name the inputs
  that changed.

Names are imported on first use, but for the functions that are called like their modules.
"""

from typing import TYPE_CHECKING

from gmat_sweep.analysis.final_values import final_values
from gmat_sweep.analysis.runs_table import runs_table
from gmat_sweep.lazy_names import lazy_names

if TYPE_CHECKING:
    from gmat_sweep.analysis.convergence import mc_convergence
    from gmat_sweep.analysis.difference import sweep_diff
    from gmat_sweep.analysis.nightly.comparing import compare_sweeps
    from gmat_sweep.analysis.nightly.comparison import NightComparison
    from gmat_sweep.analysis.nightly.failures import FailureChange
    from gmat_sweep.analysis.nightly.inputs import InputChange, InputHashes, input_hashes
    from gmat_sweep.analysis.nightly.requirement_changes import RequirementChange
    from gmat_sweep.analysis.nightly.rules import MaterialRule
    from gmat_sweep.analysis.nightly.shifts import QuantityShift
    from gmat_sweep.analysis.outcomes import FailureGroup, FailureRate
    from gmat_sweep.analysis.report import FinalReport, QuantitySummary, sweep_report
    from gmat_sweep.analysis.summary import sweep_summary
    from gmat_sweep.analysis.units import unit_of

__all__ = [
    "FailureChange",
    "FailureGroup",
    "FailureRate",
    "FinalReport",
    "InputChange",
    "InputHashes",
    "MaterialRule",
    "NightComparison",
    "QuantityShift",
    "QuantitySummary",
    "RequirementChange",
    "compare_sweeps",
    "final_values",
    "input_hashes",
    "mc_convergence",
    "runs_table",
    "sweep_diff",
    "sweep_report",
    "sweep_summary",
    "unit_of",
]

__getattr__ = lazy_names(
    __name__,
    {
        "FailureChange": "nightly.failures",
        "FailureGroup": "outcomes",
        "FailureRate": "outcomes",
        "FinalReport": "report",
        "InputChange": "nightly.inputs",
        "InputHashes": "nightly.inputs",
        "MaterialRule": "nightly.rules",
        "NightComparison": "nightly.comparison",
        "QuantityShift": "nightly.shifts",
        "QuantitySummary": "report",
        "RequirementChange": "nightly.requirement_changes",
        "compare_sweeps": "nightly.comparing",
        "input_hashes": "nightly.inputs",
        "mc_convergence": "convergence",
        "sweep_diff": "difference",
        "sweep_report": "report",
        "sweep_summary": "summary",
        "unit_of": "units",
    },
)
