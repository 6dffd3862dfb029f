"""Whether a sweep folder is sound, and what can be saved where it is not.

`check_sweep` looks at everything and says in words what is wrong. With ``repair=True`` it moves
what is damaged into a ``quarantine-<time>`` folder, deletes nothing, and leaves a manifest that is
true, so that a following resume flies exactly the runs that were lost.
"""

from gmat_sweep.doctor.checking import check_sweep
from gmat_sweep.doctor.findings import Finding, SweepHealth

__all__ = ["Finding", "SweepHealth", "check_sweep"]
