"""`SweepJob`: all that the flow needs to know of a sweep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmat_sweep.backends.base import Pool
from gmat_sweep.manifest import Manifest
from gmat_sweep.mission.watching import MissionWatch
from gmat_sweep.plans import PLANNED_KEY, planned_count
from gmat_sweep.printable import one_line
from gmat_sweep.spec import RunOutcome, RunSpec
from gmat_sweep.sweep.options import SweepOptions

__all__ = ["Listener", "SweepJob"]


class Listener:
    """The collector calls it before and after it records an outcome."""

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
        The runs, consumed lazily.
    count : int
        How many specs there are.
    pool : Pool
        The pool that flies them.
    manifest : Manifest
        Bound to its file; the collector appends every outcome to it.
    manifest_path : Path
        The file of the manifest.
    folder : Path
        The sweep folder.
    mission : Path
        The mission script as the user named it.
    kind : str
        ``grid``, ``explicit``, ``monte_carlo`` or ``latin_hypercube``.
    action : {"run", "resume", "extend"}
        Why these specs are run.
    options : SweepOptions
        How the runs are run.
    entry_facts : dict
        Further keys for every manifest entry.
    shared_folders : frozenset of str
        Absolute paths of folders that hold more than one run. In every other run folder the task
        run keeps attempts apart.
    listener : Listener or None
        Called before and after each outcome is recorded.
    watch : MissionWatch
        The files that the runs read.
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
    watch: MissionWatch = field(default_factory=MissionWatch)

    @property
    def planned(self) -> int:
        """Number of runs of the sweep after this pass, without the nominal one."""
        extended = self.entry_facts.get(PLANNED_KEY)
        return extended if isinstance(extended, int) else planned_count(self.manifest)

    @property
    def title(self) -> str:
        """Name of the flow run: mission, action, kind and number of runs."""
        mission = one_line(self.mission.stem)
        # Of a new sweep the runs that were asked for, without the nominal one.
        n = self.manifest.run_count if self.action == "run" else self.count
        return f"{mission} {self.action} {self.kind.replace('_', '-')} n={n}"
