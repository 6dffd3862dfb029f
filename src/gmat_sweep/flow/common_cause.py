"""`CommonCause`: notices that the first runs all fail of the same cause.

A hook that cannot be imported in the workers, or a missing data file, fails every run in the same
way. The collector says so after the first few runs rather than after the last.
"""

from __future__ import annotations

import re

from gmat_sweep.causes import headline
from gmat_sweep.spec import RunOutcome

__all__ = ["FIRST_FAILURES", "CommonCause"]

FIRST_FAILURES = 10
"""How many runs must fail alike, before any run ends otherwise, to have a common cause."""

_RUN = re.compile(r"run[-_ ]\d+")


class CommonCause:
    """Looks at outcomes until one differs from the first, or until there is a common cause."""

    def __init__(self) -> None:
        self._causes: list[str] | None = []

    def seen_in(self, outcome: RunOutcome) -> str | None:
        """Take one more outcome; return the common cause when it has just become one."""
        if self._causes is None:
            return None
        # A cause may name the folder of its run.
        cause = _RUN.sub("run-N", headline(outcome.stderr))
        if outcome.status != "failed" or (self._causes and cause != self._causes[0]):
            self._causes = None
            return None
        self._causes.append(cause)
        if len(self._causes) < FIRST_FAILURES:
            return None
        self._causes = None
        return cause or "no cause was given"
