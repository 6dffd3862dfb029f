"""The doctor: check a sweep folder, and repair it.

`check_sweep` looks at everything and says in words what is wrong. With ``repair=True`` it moves
damaged files into a ``quarantine-<time>`` folder and deletes nothing. It leaves a manifest that is
true, so that a following resume flies exactly the runs that were lost.
"""

from gmat_sweep.doctor.checking import check_sweep
from gmat_sweep.doctor.findings import Finding, SweepHealth

__all__ = ["Finding", "SweepHealth", "check_sweep"]
