"""The flow ``nightly-dispersion``: tonight's Monte Carlo or study, compared with last night's.

Each night has a folder of its own, named by the time it was scheduled for, so a night that is
retried goes on where it stopped. The flow writes the comparison to two files beside the manifest,
and publishes it as an artifact whose versions are the history. It emits an event when the night is
finished, and another one if a quantity has moved. As in `gmat_sweep.flows.sweep`, annotations are
no text, so that the flow can be served.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.runtime import flow_run as this_flow_run
from prefect.states import Completed, Failed

from gmat_sweep.analysis import NightComparison, compare_sweeps, input_hashes
from gmat_sweep.analysis.nightly.cohorts import NIGHT_FORMAT
from gmat_sweep.analysis.nightly.complete import is_complete
from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.held import make_folder
from gmat_sweep.disk.lock import FolderLock
from gmat_sweep.errors import GmatSweepError, SweepConfigError
from gmat_sweep.flow.artifacts import publish
from gmat_sweep.flow.final_state import SweepOutcome
from gmat_sweep.flow.interruption import say_interrupted, with_last_words
from gmat_sweep.flow.mission_keys import mission_key
from gmat_sweep.flow.shown_parameters import seed_to_show
from gmat_sweep.flows import parameters as of
from gmat_sweep.flows.requested import opened
from gmat_sweep.flows.sweep import gmat_sweep_flow
from gmat_sweep.folder.layout import (
    COMPARISON_DATA_NAME,
    COMPARISON_TEXT_NAME,
    INPUT_HASHES_NAME,
    MANIFEST_NAME,
)

__all__ = ["NIGHTLY_FLOW_NAME", "NightOutcome", "nightly_dispersion"]

NIGHTLY_FLOW_NAME = "nightly-dispersion"
FINISHED_EVENT = "gmat-sweep.nightly.finished"
MOVED_EVENT = "gmat-sweep.nightly.moved"
SAME_SEED = 0
"""Seed of every night, unless the study names another."""


def _title() -> str:
    parameters = this_flow_run.parameters
    named = Path(str(parameters["study"] or parameters["mission"] or "a")).stem
    return f"{named} night of {_scheduled_for():%Y-%m-%d}"


def _scheduled_for() -> datetime:
    return datetime.fromisoformat(str(this_flow_run.scheduled_start_time)).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class NightOutcome:
    """How a night ended; `nightly_dispersion` returns it to the flow that called it.

    Attributes
    ----------
    folder : Path
        Tonight's sweep folder, which also has the comparison.
    sweep : SweepOutcome
        The outcome of tonight's sweep.
    last_night : Path or None
        The sweep folder of the night compared with; None on the first night.
    headline : str
        The comparison in a sentence.
    moved : bool
        Whether a quantity has moved since last night.
    """

    folder: Path
    sweep: SweepOutcome
    last_night: Path | None
    headline: str
    moved: bool


@flow(
    name=NIGHTLY_FLOW_NAME, flow_run_name=_title, persist_result=False, on_crashed=[say_interrupted]
)
def nightly_dispersion(
    mission: Path | None = None,
    vary: list[str] = [],  # noqa: B006 - never changed; the UI's form begins with an empty list
    n: of.RunCount | None = None,
    seed: of.Seed | None = SAME_SEED,
    nights: Path | None = None,
    settings: of.RunSettings = of.DEFAULT_SETTINGS,
    max_failed: of.MaxFailed | None = None,
    study: Path | None = None,
    requirements: of.Requirements | None = None,
    plan: of.Plan | None = None,
) -> NightOutcome:
    """Run tonight's Monte Carlo or study and compare it with the last night that is complete.

    Args:
        mission: GMAT script, as a path on the machine that runs the flow. A relative one starts
            from GMAT_SWEEP_HOME.
        vary: One field to a line, as for gmat-sweep: Sat.SMA=normal:7100:50.
        n: How many runs to draw.
        seed: The same seed every night draws the same runs, which are then compared one by one. 0
            is the seed that the study names, if it names one. Without a seed every night draws its
            own, and only the distributions are compared.
        nights: Folder that keeps the nights, each in a folder named by its time. Without it,
            nights/MISSION under GMAT_SWEEP_HOME, and nights/MISSION-STUDY for a study.
        settings: Where runs execute, and how long and how often each may.
        max_failed: The night fails when more runs than this have failed: a number such as 3 or a
            percentage such as 5%. Without it, failed runs are reported and do not fail it.
        study: A study file, .toml or .yaml, that says what is flown, and where and how runs
            execute. What stands in another parameter than its default counts instead, as for
            gmat-sweep. Nights are kept in the folder of nights, whatever the file says of out.
        requirements: What the mission must do, judged at the end of the night by the runs of this
            night alone: the path of a .toml, .yaml or .json file, or its content, as for
            gmat-sweep. The night fails if one is shown not to be met.
        plan: How requirements are judged: fixed or anytime, as for gmat-sweep. Without it, what
            the requirements say, or else fixed.

    Returns:
        What came of it, for a flow that calls this one, as a `NightOutcome`. A night that fails
        raises there what its sweep's flow raises.
    """
    sweep: dict[str, Any] = {
        "mission": None if mission is None else of.absolute(mission),
        "vary": list(vary),
        "n": n,
        "seed": seed,
        "settings": settings,
        "max_failed": max_failed,
        "study": None if study is None else of.absolute(study),
        "requirements": of.requirements_at(requirements),
        "plan": plan,
    }
    with with_last_words(UUID(str(this_flow_run.id))):
        state = _night(sweep, nights)
    # Prefect returns the data of the state to the caller, or raises it.
    return cast("NightOutcome", state)


def _night(sweep: dict[str, Any], nights: Path | None) -> State[NightOutcome]:
    try:
        flown = _flown(sweep)
    except GmatSweepError as error:
        return Failed(message=f"{type(error).__name__}: {error}", data=error)
    place = of.absolute(nights or Path("nights") / flown.name)
    return _run(flown, place)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flown:
    """What a night flies.

    Attributes
    ----------
    sweep : dict
        The parameters of its sweep's flow.
    mission : Path
        The mission script.
    study : Path or None
        The study file.
    postprocess : str or None
        The hook.
    """

    sweep: dict[str, Any]
    mission: Path
    study: Path | None
    postprocess: str | None

    @property
    def title(self) -> str:
        """The mission, and the study where there is one, for a person."""
        return " ".join(each.stem for each in (self.mission, self.study) if each is not None)

    @property
    def name(self) -> str:
        """The same for the names of folders, artifacts and events, of this mission alone."""
        return mission_key(self.mission, self.study, home=of.absolute(Path()))


def _flown(sweep: dict[str, Any]) -> _Flown:
    """Return what a night with these parameters of a sweep flies.

    Raises
    ------
    SweepConfigError
        The study cannot be read, or no mission is named.
    """
    mission, study = sweep["mission"], sweep["study"]
    if study is None:
        if mission is None:
            raise SweepConfigError("mission: a night needs one. Name the GMAT script, or a study.")
        hook = sweep["settings"].postprocess
        return _Flown(sweep=sweep, mission=mission, study=None, postprocess=hook)
    # With its own seed, to see whether it names one.
    own = of.SweepParameters(
        **{**sweep, "seed": None}, kind=of.DEFAULT_KIND, rows=None, out=study.parent, resume=False
    )
    said = opened(own)
    seed = sweep["seed"]
    if said.study.design in ("grid", "explicit"):
        seed = None
    elif seed is None:
        seed = seed_to_show()
    elif seed == SAME_SEED and said.study.seed is not None:
        seed = said.study.seed
    hook = said.study.run.postprocess
    return _Flown(sweep={**sweep, "seed": seed}, mission=said.script, study=study, postprocess=hook)


def _run(flown: _Flown, place: Path) -> State[NightOutcome]:
    """Run the flow of tonight's sweep and compare it."""
    name = flown.name
    tonight = place / _scheduled_for().strftime(NIGHT_FORMAT)
    try:
        # Under the lock no later night compares itself with one that is still under way.
        with FolderLock(place):
            _note_inputs(tonight, flown.mission, flown.postprocess)
            state: State[Any] = gmat_sweep_flow(
                **flown.sweep,
                kind=of.DEFAULT_KIND,
                out=tonight,
                resume=(tonight / MANIFEST_NAME).is_file(),
                return_state=True,
            )
            if not is_complete(tonight):
                return Failed(
                    message=f"tonight's sweep did not end: {state.message}", data=_error_of(state)
                )
            last_night = _last_complete_before(tonight)
            comparison = None if last_night is None else compare_sweeps(tonight, last_night)
    except (GmatSweepError, OSError) as error:
        return Failed(message=f"{type(error).__name__}: {error}", data=error)
    resource = {
        "prefect.resource.id": f"gmat-sweep.nightly.{name}",
        "prefect.resource.name": flown.title,
    }
    payload: dict[str, Any] = {"folder": str(tonight), "state": state.name}
    if comparison is not None:
        _keep(tonight, comparison)
        markdown = comparison.to_markdown(narrow=True)
        artifact = ("markdown", markdown, "Tonight against last night")
        publish(UUID(str(this_flow_run.id)), {f"{name}-nightly": artifact})
        payload |= {"headline": comparison.headline(), "moved": comparison.moved}
        if comparison.moved:
            emit_event(MOVED_EVENT, resource, payload=payload)
    emit_event(FINISHED_EVENT, resource, payload=payload)
    return _final_state(tonight, state, last_night, comparison)


def _note_inputs(tonight: Path, mission: Path, postprocess: str | None) -> None:
    """Write the hashes of tonight's inputs, unless an earlier attempt at this night has."""
    if mission.is_file() and not (tonight / INPUT_HASHES_NAME).is_file():
        make_folder(tonight, within=tonight.parent)
        input_hashes(mission, postprocess=postprocess).write(tonight)


def _last_complete_before(tonight: Path) -> Path | None:
    """Return the latest earlier night whose every run is recorded."""
    kept = (manifest.parent for manifest in tonight.parent.glob(f"*/{MANIFEST_NAME}"))
    earlier = sorted(night for night in kept if night.name < tonight.name)
    return next((night for night in reversed(earlier) if is_complete(night)), None)


def _keep(tonight: Path, comparison: NightComparison) -> None:
    texts = {
        COMPARISON_TEXT_NAME: comparison.to_markdown(),
        COMPARISON_DATA_NAME: json.dumps(comparison.to_dict(), indent=1),
    }
    for name, text in texts.items():
        write_file(tonight / name, text.encode(), within=tonight.parent)


def _final_state(
    tonight: Path, sweep: State[Any], last_night: Path | None, comparison: NightComparison | None
) -> State[NightOutcome]:
    said = "The first night." if comparison is None else comparison.headline()
    message = f"{said} {sweep.message or ''}".strip()
    if sweep.is_failed():
        return Failed(name=sweep.name, message=message, data=_error_of(sweep))
    outcome = NightOutcome(
        folder=tonight,
        sweep=sweep.result(),
        last_night=last_night,
        headline=said,
        moved=comparison is not None and comparison.moved,
    )
    if outcome.moved:
        return Completed(name="Moved", message=message, data=outcome)
    if sweep.name == "Inconclusive":
        return Completed(name="Inconclusive", message=message, data=outcome)
    return Completed(message=message, data=outcome)


def _error_of(state: State[Any]) -> Any:
    """Return the exception that the sweep's flow raises in its caller; None if it ended well."""
    return state.result(raise_on_failure=False) if state.is_failed() else None
