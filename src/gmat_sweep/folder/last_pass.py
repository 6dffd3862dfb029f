"""How the last pass over a sweep ended, kept beside its manifest.

The manifest says which runs are recorded, but not why others are missing. ``last-pass.json`` tells
a pass that was cancelled or broke from one that is still going on. From it, a flow run that Prefect
retries knows the sweep that it began. Without the file nothing is lost.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.held import read_plain
from gmat_sweep.folder.layout import LAST_PASS_NAME

__all__ = ["LAST_PASS_NAME", "LastPass"]

"""Name of the file in the manifest's folder."""

type PassState = Literal["running", "finished", "interrupted"]
_STATES: tuple[str, ...] = get_args(PassState.__value__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastPass:
    """One pass over a sweep.

    Attributes
    ----------
    action : str
        ``run``, ``resume`` or ``extend``.
    state : {"running", "finished", "interrupted"}
        ``running`` also when the process was killed before it could write the end of the pass.
    reason : str
        Why the pass was interrupted; empty otherwise.
    flow_run : str
        The Prefect flow run's id.
    host, process : str, int
        The machine and the process id of the driver.
    at : str
        Time of writing, ISO 8601 in UTC.
    """

    action: str
    state: PassState
    reason: str
    flow_run: str
    host: str
    process: int
    at: str

    @classmethod
    def of(cls, folder: Path) -> LastPass | None:
        """Read the file in `folder`; None if there is none or it cannot be understood."""
        try:
            kept: Any = json.loads(read_plain(folder / LAST_PASS_NAME))
            last = cls(**kept)
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        return last if last._is_sound() else None

    def _is_sound(self) -> bool:
        texts = (self.action, self.state, self.reason, self.flow_run, self.host, self.at)
        if not all(isinstance(text, str) for text in texts) or type(self.process) is not int:
            return False
        try:
            written = datetime.fromisoformat(self.at)
        except ValueError:
            return False
        return written.tzinfo is not None and self.state in _STATES

    def write(self, folder: Path) -> None:
        """Write the file in `folder`; it is on disk when this returns."""
        text = json.dumps(asdict(self), indent=1) + "\n"
        write_file(folder / LAST_PASS_NAME, text.encode())


def now() -> str:
    """Return the time in the form of `LastPass.at`."""
    return datetime.now(UTC).isoformat(timespec="seconds")
