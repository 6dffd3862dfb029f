"""`SweepOptions`: how to run a sweep, apart from its runs, its pool and its folder.

The Python entry points, `gmat_sweep.Sweep`, the flow's job, the command line and the settings of a
deployment all make a `SweepOptions`, so that an option has one name, one default and one check.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field, fields
from typing import Any, get_args

from gmat_sweep.backends.process.memory import memory_bytes
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.limits import shown
from gmat_sweep.spec import Unconverged

__all__ = ["SweepOptions"]

_TO_START = {"belongs_to": ("start",)}
_TO_GO_ON = {"belongs_to": ("go_on",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """How to run a sweep.

    Attributes
    ----------
    progress : bool
        Whether to draw a progress bar on standard error.
    fsync_each : bool
        Whether each manifest line is on disk before the next run is counted.
    fsync_batch : int
        Without `fsync_each`, the number of lines from one fsync of the manifest to the next.
    timeout : float or None
        Seconds a run may take before its worker is killed and the run fails.
    retries : int
        How often a run is tried again after an infrastructure fault.
    memory_limit : int or None
        Bytes of memory that a run may need before its worker is killed and the run fails; text such
        as ``"2 GiB"`` is taken too.
    postprocess : str or None
        Import path ``"package.module:function"`` of a hook called after each successful run.
    end_state : bool
        For a new sweep: whether a mission that reports nothing gets a report of its end state. A
        resume does as the sweep did.
    unconverged : {"ok", "failed"}
        The status of a run that has a solver which did not converge. A sweep that was begun with
        ``"failed"`` keeps it when it is resumed or extended.
    nominal : bool
        For a new sweep: whether the mission flies undispersed as well, as run -1. A resume does as
        the sweep did.
    verification : dict or None
        For a new sweep: the requirements and the plan by which it will be judged, as
        `verification_record` gives them; the header keeps them. Whoever judges otherwise afterwards
        chose it after the data were seen.
    allow_unisolated_pool : bool
        For a new sweep: whether a pool that runs in the calling process is accepted.
    allow_script_drift : bool
        For a resume or an extension: whether a changed script is accepted, with a warning.
    trust_hook : bool
        For a resume or an extension: whether to trust the code that somebody else's manifest names.

    Raises
    ------
    SweepConfigError
        A value is out of bounds; the message names the option.
    """

    progress: bool = True
    fsync_each: bool = True
    fsync_batch: int = 50
    timeout: float | None = None
    retries: int = 1
    memory_limit: int | str | None = None
    postprocess: str | None = None
    end_state: bool = field(default=True, metadata=_TO_START)
    unconverged: Unconverged = "ok"
    nominal: bool = field(default=False, metadata=_TO_START)
    verification: dict[str, Any] | None = field(default=None, metadata=_TO_START)
    allow_unisolated_pool: bool = field(default=False, metadata=_TO_START)
    allow_script_drift: bool = field(default=False, metadata=_TO_GO_ON)
    trust_hook: bool = field(default=False, metadata=_TO_GO_ON)

    def __post_init__(self) -> None:
        if not _is_whole(self.fsync_batch) or self.fsync_batch < 1:
            raise SweepConfigError(
                f"fsync_batch must be at least 1, got {shown(self.fsync_batch)}. Give a whole "
                "number of lines."
            )
        if self.timeout is not None and not _is_time(self.timeout):
            raise SweepConfigError(
                f"timeout must be a positive number of seconds, got {shown(self.timeout)}. For no "
                "limit leave it out."
            )
        if not _is_whole(self.retries) or self.retries < 0:
            raise SweepConfigError(
                f"retries must be 0 or more, got {shown(self.retries)}. Give a whole number."
            )
        if self.unconverged not in get_args(Unconverged):
            raise SweepConfigError(
                f"unconverged must be one of {', '.join(get_args(Unconverged))}, got "
                f"{self.unconverged!r}."
            )
        if self.memory_limit is not None:
            object.__setattr__(self, "memory_limit", memory_bytes(self.memory_limit))

    @property
    def memory_limit_bytes(self) -> int | None:
        """The memory limit in bytes."""
        assert not isinstance(self.memory_limit, str), "text is turned into bytes when it is given"
        return self.memory_limit

    def told(self) -> dict[str, Any]:
        """Return the options by name, to show them."""
        return asdict(self)

    def to_start(self) -> dict[str, Any]:
        """Return the keywords of `gmat_sweep.Sweep`, for a new sweep."""
        return self._keywords("start")

    def to_go_on(self) -> dict[str, Any]:
        """Return the keywords of `gmat_sweep.Sweep.from_manifest`, to resume or extend."""
        return self._keywords("go_on")

    def _keywords(self, purpose: str) -> dict[str, Any]:
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if purpose in each.metadata.get("belongs_to", (purpose,))
        }


def _is_whole(number: Any) -> bool:
    """Whether it is an integer, of any library; NaN is neither below a bound nor above it."""
    return hasattr(number, "__index__")


def _is_time(seconds: Any) -> bool:
    """Whether it is a time that can be waited for: Python waits for 292 years at most."""
    try:
        return hasattr(seconds, "__float__") and 0 < float(seconds) <= threading.TIMEOUT_MAX
    except OverflowError:
        return False
