"""`SweepJob`: all the flow needs to know of a sweep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmat_sweep.backends.base import Pool
from gmat_sweep.manifest import Manifest
from gmat_sweep.spec import RunOutcome, RunSpec
from gmat_sweep.sweep.options import SweepOptions

__all__ = ["Listener", "SweepJob"]


class Listener:
    """Is told of each outcome, before and after it is recorded."""

    def before(self) -> None:
        """Wait until the next outcome may be recorded."""

    def after(self, spec: RunSpec, outcome: RunOutcome) -> None:
        """Take an outcome that has been recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepJob:
    """One pass over a list of runs, and where its outcomes go.

    Attributes
    ----------
    specs : iterable of RunSpec
        What to run, consumed lazily.
    count : int
        How many specs there are.
    pool : Pool
        Where they run.
    manifest : Manifest
        Bound to its file; every outcome is appended to it.
    manifest_path : Path
        That file.
    folder : Path
        The sweep folder.
    mission : Path
        The mission script as the user named it.
    kind : str
        ``grid``, ``explicit``, ``monte_carlo`` or ``latin_hypercube``.
    action : {"run", "resume", "extend"}
        Why these specs are run.
    options : SweepOptions
        How they run.
    entry_facts : dict
        Further keys for every manifest entry.
    shared_folders : frozenset of str
        Absolute. In every other run folder, which belongs to a single run, attempts are kept apart.
    listener : Listener or None
        Who is told of each outcome.
    """

    specs: Iterable[RunSpec]
    count: int
    pool: Pool
    manifest: Manifest
    manifest_path: Path
    folder: Path
    mission: Path
    kind: str
    action: str = "run"
    options: SweepOptions = field(default_factory=SweepOptions)
    entry_facts: dict[str, Any] = field(default_factory=dict)
    shared_folders: frozenset[str] = frozenset()
    listener: Listener | None = None

    @property
    def title(self) -> str:
        """What the flow run is called: the mission, what is varied, how many runs."""
        return f"{self.mission.stem} {self.action} {self.kind.replace('_', '-')} n={self.count}"
