"""Frames from the files of a sweep: one row per report line, tagged with its run and status.

Every function takes the last entry of each run, reads each Parquet file once, unifies column types
across runs, stacks everything in one Arrow concatenation and converts to pandas at the end. The
frame does not depend on the order in which runs completed.

* `lazy_multiindex`, `lazy_ephemerides`, `lazy_contacts`: GMAT's reports, ephemerides, contacts.
* `lazy_fused_reports`: several reports side by side on one time axis.
* `lazy_extra_outputs`: the outputs of a postprocess hook.
* `lazy_solver_runs`, `lazy_solver_convergence`: the iterations of the solvers, and their success.

A run without rows (failed, skipped, lacking that output, or with an empty file) is one marker row:
its data are missing and ``__status`` says how the run ended. Marker rows change the type of a
column only if the type has no missing value: integers become float64 and booleans become pandas'
nullable ``boolean``; floats, strings, dates and durations keep theirs. Types are unified across
runs: integers and floats become float64, timestamps get the finer unit, and a column without a
value in a run fits any type. Types with nothing in common, such as text in one run and numbers in
another, are an error that names the column, the types and the runs.

Columns named ``run_id`` or ``__status`` inside a file are dropped, because the frame has its own.
Index levels that pandas stored in a file become columns.
"""

from typing import TYPE_CHECKING

from gmat_sweep.aggregate.extras import extra_outputs, lazy_extra_outputs
from gmat_sweep.aggregate.fused import lazy_fused_reports
from gmat_sweep.aggregate.reports import lazy_contacts, lazy_ephemerides, lazy_multiindex
from gmat_sweep.aggregate.solvers import (
    lazy_solver_convergence,
    lazy_solver_runs,
    solver_convergence,
    solver_runs,
)

if TYPE_CHECKING:
    from gmat_sweep.analysis import mc_convergence, sweep_diff, sweep_summary

__all__ = [
    "extra_outputs",
    "lazy_contacts",
    "lazy_ephemerides",
    "lazy_extra_outputs",
    "lazy_fused_reports",
    "lazy_multiindex",
    "lazy_solver_convergence",
    "lazy_solver_runs",
    "mc_convergence",
    "solver_convergence",
    "solver_runs",
    "sweep_diff",
    "sweep_summary",
]


def __getattr__(name: str) -> object:
    # Programs for the peer import these three from here. They are imported on first use, because
    # `gmat_sweep.analysis` needs this package's frames.
    if name not in {"mc_convergence", "sweep_diff", "sweep_summary"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gmat_sweep import analysis

    return getattr(analysis, name)
