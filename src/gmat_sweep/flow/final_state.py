"""How a sweep ended, computed from its manifest: `SweepOutcome` and the state of the flow run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prefect.states import Completed, Failed

from gmat_sweep.analysis.outcomes import failure_notes, unconverged_line, unconverged_runs
from gmat_sweep.errors import SweepFailedError
from gmat_sweep.folder.layout import MANIFEST_NAME
from gmat_sweep.plans import kind_of, planned_count
from gmat_sweep.plans.notation import max_failed as most_failed
from gmat_sweep.printable import one_line
from gmat_sweep.spec import NOMINAL_RUN_ID
from gmat_sweep.sweep.recorded_script import resume_command

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from gmat_sweep.manifest import Manifest
    from gmat_sweep.verdicts.results import Verdicts

__all__ = ["SweepOutcome", "final_state"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOutcome:
    """How many runs of a sweep ended how; the flow returns it to the flow that called it.

    Attributes
    ----------
    folder : Path
        The sweep folder, absolute.
    manifest : Path
        The manifest.
    kind : str
        ``grid``, ``explicit``, ``monte_carlo`` or ``latin_hypercube``.
    planned : int
        How many runs the sweep has.
    ok, failed, skipped : int
        How many runs have this status, by the last entry of each run.
    unconverged : int
        How many runs are ``ok`` although a solver did not converge.
    verdicts : Verdicts or None
        What the sweep shows of its requirements; None if it has none.
    """

    folder: Path
    manifest: Path
    kind: str
    planned: int
    ok: int
    failed: int
    skipped: int
    unconverged: int = 0
    verdicts: Verdicts | None = None

    @property
    def recorded(self) -> int:
        """How many runs have an entry."""
        return self.ok + self.failed + self.skipped

    @classmethod
    def of(cls, manifest: Manifest, verdicts: Verdicts | None = None) -> SweepOutcome:
        """Count a manifest's runs by the last entry of each, as a resume may have mended a run.

        Parameters
        ----------
        manifest : Manifest
            The sweep, with all its entries, as loaded from its file or saved to it.
        verdicts : Verdicts, optional
            What it shows of its requirements.
        """
        latest = manifest.latest()
        # The nominal run is none of those that were drawn.
        entries = [entry for run_id, entry in latest.items() if run_id != NOMINAL_RUN_ID]
        statuses = [entry.status for entry in entries]
        path = (manifest.path or Path(MANIFEST_NAME)).absolute()
        return cls(
            folder=(manifest.output_dir or path.parent).absolute(),
            manifest=path,
            kind=kind_of(manifest.parameter_spec),
            planned=planned_count(manifest),
            ok=statuses.count("ok"),
            failed=statuses.count("failed"),
            skipped=statuses.count("skipped"),
            unconverged=len(set().union(*unconverged_runs(entries).values())),
            verdicts=verdicts,
        )


def final_state(
    manifest: Manifest, max_failed: str | None, verdicts: Verdicts | None = None
) -> State[SweepOutcome]:
    """Return the state of a flow run that has ended, computed from its sweep's manifest.

    A completed state has the `SweepOutcome` as its data. A failed state has a `SweepFailedError`
    with that outcome, which Prefect raises in a flow that calls the sweep's flow.

    Of several reasons the first of these gives the name: runs are missing, a requirement is not
    met, too many runs failed, a requirement cannot be judged, nothing is decided, runs failed.

    Parameters
    ----------
    manifest : Manifest
        The sweep, with all its entries.
    max_failed : str or None
        The flow run fails if more runs than this have failed: a number, or a percentage of the
        recorded runs. None: failed runs do not fail it.
    verdicts : Verdicts, optional
        What the sweep shows of its requirements. The message begins with it.
    """
    outcome = SweepOutcome.of(manifest, verdicts)
    recorded, failed = outcome.recorded, outcome.failed
    shown = "" if verdicts is None else f"{verdicts.headline}. "
    verdict = None if verdicts is None else verdicts.verdict
    if recorded < outcome.planned:
        said = (
            f"{recorded} of {outcome.planned} runs are recorded. Resume the sweep to run the rest: "
            f"{one_line(resume_command(manifest, outcome.manifest, outcome.folder))}"
        )
        said += f". {shown}".rstrip() if shown else ""
        return Failed(name="Incomplete", message=said, data=SweepFailedError(said, outcome))
    said = f"{shown}{recorded - failed} of {recorded} runs ok"
    too_many = max_failed is not None and failed > most_failed(max_failed, recorded, "max_failed")
    if failed:
        said += f", {failed} failed"
        said += f"; at most {max_failed} may" if too_many else ""
        said += "".join(f"; {note}" for note in failure_notes(manifest.latest().values()))
    said += f"; {line}" if (line := unconverged_line(manifest.latest().values())) else ""
    if verdict == "FAIL":
        return Failed(name="RequirementFailed", message=said, data=SweepFailedError(said, outcome))
    if too_many:
        return Failed(name="TooManyFailedRuns", message=said, data=SweepFailedError(said, outcome))
    if verdict == "NOT APPLICABLE":
        return Failed(name="NotApplicable", message=said, data=SweepFailedError(said, outcome))
    if verdict == "INCONCLUSIVE":
        return Completed(name="Inconclusive", message=said, data=outcome)
    if failed:
        return Completed(name="CompletedWithFailures", message=said, data=outcome)
    return Completed(message=said, data=outcome)
