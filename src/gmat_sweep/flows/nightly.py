"""The flow ``nightly-dispersion``: tonight's Monte Carlo or study, compared with other nights.

Each night has a folder of its own, named by the time it was scheduled for, so a night that is
retried goes on where it stopped. `night_report` tells it from the folder of nights; the flow writes
its files beside the manifest, and publishes its page as an artifact whose versions are the history.
It emits an event when the night is finished, and another one if something has moved. As in
`gmat_sweep.flows.sweep`, annotations are no text, so that the flow can be served.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.runtime import flow_run as this_flow_run
from prefect.states import Completed, Failed

from gmat_sweep.analysis import MaterialRule, input_hashes
from gmat_sweep.analysis.nightly.baseline import accept, baseline_of
from gmat_sweep.analysis.nightly.cohorts import (
    NIGHT_FORMAT,
    date_of,
    rotating_folder,
    rotating_seed,
)
from gmat_sweep.analysis.nightly.complete import is_complete
from gmat_sweep.analysis.nightly.page import night_page, worst_of_nights
from gmat_sweep.analysis.nightly.report import NightReport, night_report
from gmat_sweep.analysis.pictures.wanted import wanted
from gmat_sweep.disk.held import make_folder
from gmat_sweep.disk.lock import FolderLock
from gmat_sweep.errors import GmatSweepError, SweepConfigError, SweepFailedError
from gmat_sweep.flow.artifacts import publish
from gmat_sweep.flow.final_state import SweepOutcome
from gmat_sweep.flow.interruption import say_interrupted, with_last_words
from gmat_sweep.flow.judgement import publish_verdicts
from gmat_sweep.flow.mission_keys import mission_key
from gmat_sweep.flow.shown_parameters import seed_to_show
from gmat_sweep.flows import parameters as of
from gmat_sweep.flows.judged import loaded
from gmat_sweep.flows.requested import opened
from gmat_sweep.flows.sweep import gmat_sweep_flow
from gmat_sweep.folder.layout import INPUT_HASHES_NAME, MANIFEST_NAME
from gmat_sweep.plans.notation import parse_perturb
from gmat_sweep.verdicts.declared import refuse_undeclared
from gmat_sweep.verdicts.requirement import Requirements
from gmat_sweep.verdicts.results import Verdicts

__all__ = ["NIGHTLY_FLOW_NAME", "NightOutcome", "nightly_dispersion"]

NIGHTLY_FLOW_NAME = "nightly-dispersion"
FINISHED_EVENT = "gmat-sweep.nightly.finished"
MOVED_EVENT = "gmat-sweep.nightly.moved"
SAME_SEED = 0
"""Seed of every night, unless the study names another."""


def _title() -> str:
    parameters = this_flow_run.parameters
    named = Path(str(parameters["study"] or parameters["mission"] or "a")).stem
    return of.kept_or(f"{named} night of {_scheduled_for():%Y-%m-%d}")


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
        The outcome of tonight's sweep: of the frozen cohort, where there is a rotating one besides.
    last_night : Path or None
        The sweep folder of the night compared with; None on the first night.
    headline : str
        What the night shows, in a few sentences.
    moved : bool
        Whether something moved since last night, or is newly away from the baseline.
    baseline : Path or None
        The accepted night; None if there is none.
    rotating : SweepOutcome or None
        The outcome of the rotating cohort, where there is a frozen one besides.
    verdicts : Verdicts or None
        What is shown of the requirements: over nights where there are rotating runs, otherwise by
        tonight's runs; None if there are no requirements.
    """

    folder: Path
    sweep: SweepOutcome
    last_night: Path | None
    headline: str
    moved: bool
    baseline: Path | None = None
    rotating: SweepOutcome | None = None
    verdicts: Verdicts | None = None


@flow(
    name=NIGHTLY_FLOW_NAME, flow_run_name=_title, persist_result=False, on_crashed=[say_interrupted]
)
def nightly_dispersion(
    mission: Path | None = None,
    study: Path | None = None,
    vary: list[str] = [],  # noqa: B006 - never changed; the UI's form begins with an empty list
    n: of.RunCount | None = None,
    seed: of.Seed | None = SAME_SEED,
    rotating: of.RunCount | None = None,
    baseline: str | None = None,
    matters: dict[str, float | str] = {},  # noqa: B006 - never changed, as `vary`
    requirements: of.Requirements | None = None,
    plan: of.Plan | None = None,
    max_failed: of.MaxFailed | None = None,
    nights: Path | None = None,
    settings: of.FormSettings = of.DEFAULT_FORM,
) -> NightOutcome:
    """Run tonight's Monte Carlo or study and compare it with last night and with the baseline.

    Args:
        mission: WHAT IS FLOWN. GMAT script, as a path on the machine that runs the flow. A relative
            one starts from GMAT_SWEEP_HOME.
        study: A study file, .toml or .yaml, that says what is flown, and where and how runs
            execute. What stands in another parameter than its default counts instead, as for
            gmat-sweep. Nights are kept in the folder of nights, whatever the file says of out.
        vary: One field to a line, as for gmat-sweep: Sat.SMA=normal:7100:50.
        n: How many runs to draw, the same every night: the frozen cohort. Without it, and without a
            study, only the rotating runs are flown.
        seed: The same seed every night draws the same runs, which are then compared one by one. 0
            is the seed that the study names, if it names one. Without a seed every night draws its
            own, and only the distributions are compared.
        rotating: How many runs to draw besides, other ones every night (by its date), such as 20:
            new evidence for the requirements, which adds up over nights. Left empty, none.
        baseline: WHAT IT IS COMPARED WITH. A night to accept as the baseline, by its name, such as
            2026-11-20T033000Z. Without it, the one that was accepted before, if any.
        matters: From where on a shift of a quantity matters, by its name: {"Sat.Earth.RadApo": "500
            m"}. A number is in the quantity's unit. Of the others, a tenth of sigma matters.
        requirements: HOW IT IS JUDGED. What the mission must do, judged at the end of the night:
            the path of a .toml, .yaml or .json file, such as examples/requirements.toml, or its
            content, as for gmat-sweep. With rotating runs by all nights since an input changed,
            otherwise by the runs of this night alone. The night fails if one is shown not to be
            met. Left empty, nothing is judged.
        plan: How requirements are judged: fixed or anytime, as for gmat-sweep. Without it, what the
            requirements say, or else fixed. Over nights it is anytime.
        max_failed: The night fails when more runs than this have failed: a number such as 3 or a
            percentage such as 5%. Without it, failed runs are reported and do not fail it.
        nights: WHERE IT IS KEPT. Folder that keeps the nights, each in a folder named by its time.
            Without it, nights/MISSION under GMAT_SWEEP_HOME, and nights/MISSION-STUDY for a study.
        settings: HOW RUNS ARE RUN. Where runs execute, and how long and how often each may.

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
    asked = _Asked(rotating=rotating, baseline=baseline, matters=dict(matters))
    with with_last_words(UUID(str(this_flow_run.id))):
        state = _night(sweep, nights, asked)
    # Prefect returns the data of the state to the caller, or raises it.
    return cast("NightOutcome", state)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the parameters ask for besides a sweep."""

    rotating: int | None = None
    baseline: str | None = None
    matters: dict[str, float | str] = field(default_factory=dict)


def _night(sweep: dict[str, Any], nights: Path | None, asked: _Asked) -> State[NightOutcome]:
    try:
        rule = MaterialRule(quantities=asked.matters)
        flown = _flown(sweep)
        if asked.rotating is not None:
            flown = _with_rotating(flown, asked.rotating)
        place = of.absolute(nights or Path("nights") / flown.name)
        if asked.baseline is not None:
            _accept(place, asked.baseline)
    except (GmatSweepError, OSError) as error:
        return Failed(message=f"{type(error).__name__}: {error}", data=error)
    return _run(flown, place, rule)


def _accept(place: Path, night: str) -> None:
    """Make a night the baseline, unless it is already: who accepted it stays on record."""
    if Path(night).name != night:
        raise SweepConfigError(f"baseline: {night!r} is no name of a night in {place}.")
    known = baseline_of(place)
    if known is None or known.night.name != night or known.problem:
        accept(place / night, note="parameter baseline of the nightly flow")


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
    frozen : bool
        Whether the same draws are flown every night.
    rotating : int or None
        How many runs are drawn besides.
    required : Requirements or None
        What is judged over nights; None if the sweep judges by itself, or nothing is required.
    """

    sweep: dict[str, Any]
    mission: Path
    study: Path | None
    postprocess: str | None
    frozen: bool = True
    rotating: int | None = None
    required: Requirements | None = None

    @property
    def title(self) -> str:
        """The mission, and the study where there is one, for a person."""
        return " ".join(each.stem for each in (self.mission, self.study) if each is not None)

    @property
    def name(self) -> str:
        """The same for the names of folders, artifacts and events, of this mission alone."""
        return mission_key(self.mission, self.study, home=of.absolute(Path()))

    def cohorts(self, tonight: Path) -> dict[Path, dict[str, Any]]:
        """Return the parameters of the night's sweeps, by their folders."""
        found = {tonight: self.sweep} if self.frozen else {}
        if self.rotating is not None:
            seed = rotating_seed(self.sweep["seed"], date_of(tonight))
            place = rotating_folder(tonight) if self.frozen else tonight
            found[place] = {**self.sweep, "n": self.rotating, "seed": seed}
        return found


def _with_rotating(flown: _Flown, runs: int) -> _Flown:
    """Return what a night flies that has a rotating cohort, too.

    Raises
    ------
    SweepConfigError
        Its runs could be no evidence, or a requirement is on what no run will have.
    """
    sweep = flown.sweep
    if sweep["seed"] is None:
        raise SweepConfigError(
            "rotating: the seed of each night is made from seed. Give a number; 0 will do."
        )
    if sweep["plan"] == "fixed":
        raise SweepConfigError(
            "plan: over nights requirements are judged by the plan anytime. Leave it out."
        )
    required, end_state = None, sweep["settings"].end_state
    if flown.study is not None:
        said = opened(_own(sweep))
        if said.study.design != "monte-carlo":
            raise SweepConfigError(
                f"rotating: runs of a {said.study.design} are no independent draws. Use the design "
                "monte-carlo, or leave it out."
            )
        required, end_state = said.requirements, said.study.run.end_state
    elif sweep["requirements"] is not None:
        required = loaded(sweep["requirements"])
    if required is not None and flown.mission.is_file():
        try:
            refuse_undeclared(required, flown.mission, end_state=end_state, hook=flown.postprocess)
        except SweepConfigError as error:
            # A deployment may have those of another mission by default.
            raise SweepConfigError(
                f"requirements: {error}\nGive requirements of this mission, or leave them empty."
            ) from error
    return replace(
        flown,
        # The sweeps of a night are not judged: each alone would say less than all nights do.
        sweep={**sweep, "requirements": None if flown.study is None else [], "plan": None},
        frozen=flown.study is not None or sweep["n"] is not None,
        rotating=runs,
        required=required,
    )


def _own(sweep: dict[str, Any]) -> of.SweepParameters:
    """Return parameters to read the study of a sweep with, and its own seed."""
    return of.SweepParameters(
        **{**sweep, "seed": None},
        kind=of.DEFAULT_KIND,
        rows=None,
        out=sweep["study"].parent,
        resume=False,
    )


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
    said = opened(_own(sweep))
    seed = sweep["seed"]
    if said.study.design in ("grid", "explicit"):
        seed = None
    elif seed is None:
        seed = seed_to_show()
    elif seed == SAME_SEED and said.study.seed is not None:
        seed = said.study.seed
    hook = said.study.run.postprocess
    return _Flown(sweep={**sweep, "seed": seed}, mission=said.script, study=study, postprocess=hook)


def _run(flown: _Flown, place: Path, rule: MaterialRule) -> State[NightOutcome]:
    """Run the flows of tonight's sweeps and tell the night."""
    tonight = place / _scheduled_for().strftime(NIGHT_FORMAT)
    states: dict[Path, State[Any]] = {}
    try:
        # Under the lock no later night compares itself with one that is still under way.
        with FolderLock(place):
            _note_inputs(tonight, flown)
            for folder in flown.cohorts(tonight) if flown.mission.is_file() else ():
                # A night that is stopped before its second cohort begins is not taken for whole.
                make_folder(folder, within=place)
            for folder, sweep in flown.cohorts(tonight).items():
                over_nights = flown.required.requirements if flown.required else None
                with wanted(over_nights, names=tuple(rule.quantities)):
                    states[folder] = state = gmat_sweep_flow(
                        **sweep,
                        kind=of.DEFAULT_KIND,
                        out=folder,
                        resume=(folder / MANIFEST_NAME).is_file(),
                        return_state=True,
                    )
                if not is_complete(folder):
                    return Failed(
                        message=f"tonight's sweep did not end: {state.message}",
                        data=_error_of(state),
                    )
            judged = None if flown.rotating is not None else _outcome(states[tonight]).verdicts
            required = flown.required
            if judged is not None:
                required = Requirements(tuple(each.requirement for each in judged.requirements))
            report = night_report(tonight, requirements=required, judged=judged, rule=rule)
            report.write()
    except (GmatSweepError, OSError) as error:
        return Failed(message=f"{type(error).__name__}: {error}", data=error)
    _publish(flown, report, states)
    return _final_state(report, states)


def _publish(flown: _Flown, report: NightReport, states: Mapping[Path, State[Any]]) -> None:
    """Put the night's page on the server, and send its events."""
    flow_run = UUID(str(this_flow_run.id))
    name = flown.name
    page = ("markdown", night_page(report), "Tonight against last night and the baseline")
    artifacts = {f"{name}-nightly": page}
    if worst := worst_of_nights(report):
        rows = json.dumps(worst, allow_nan=False)
        artifacts[f"{name}-worst-of-nights"] = ("table", rows, "The worst runs over all nights")
    publish(flow_run, artifacts)
    if report.accumulation is not None:
        publish_verdicts(flow_run, flown.mission, report.accumulation.verdicts)
    resource = {
        "prefect.resource.id": f"gmat-sweep.nightly.{name}",
        "prefect.resource.name": flown.title,
    }
    payload: dict[str, Any] = {
        "folder": str(report.tonight),
        "state": next(iter(states.values())).name,
        "headline": report.headline(),
        "moved": report.moved,
        "baseline": None if report.baseline is None else report.baseline.name,
        "newly_away": list(report.newly_away),
    }
    if report.verdicts is not None:
        payload["verdict"] = report.verdicts.verdict
    if report.moved:
        emit_event(MOVED_EVENT, resource, payload=payload)
    emit_event(FINISHED_EVENT, resource, payload=payload)


def _note_inputs(tonight: Path, flown: _Flown) -> None:
    """Write the hashes of tonight's inputs, unless an earlier attempt at this night has."""
    mission = flown.mission
    if mission.is_file() and not (tonight / INPUT_HASHES_NAME).is_file():
        make_folder(tonight, within=tonight.parent)
        varied = _varied(flown.sweep)
        input_hashes(mission, postprocess=flown.postprocess, varied=varied).write(tonight)


def _varied(sweep: dict[str, Any]) -> dict[str, Any]:
    """Return what the fields of a night's sweep are varied by, whose texts may name files.

    Raises
    ------
    SweepConfigError
        It cannot be read, and so cannot be flown.
    """
    if sweep["study"] is not None:
        return opened(_own(sweep)).varied()
    return dict(parse_perturb(sweep["vary"], "vary", of.absolute(Path())))


def _final_state(report: NightReport, states: Mapping[Path, State[Any]]) -> State[NightOutcome]:
    first, *others = states.values()
    over_nights = report.accumulation
    said = [report.headline()]
    if over_nights is not None:
        count = len(over_nights.nights)
        nights = f"{count} night{'s' * (count != 1)}"
        said.append(f"By the evidence of {nights}, {over_nights.verdicts.headline}.")
    names = ("Frozen: ", "Rotating: ") if others else ("",)
    for name, state in zip(names, states.values(), strict=True):
        said.append(f"{name}{state.message or ''}")
    message = " ".join(filter(None, said))
    for state in states.values():
        if state.is_failed():
            return Failed(name=state.name, message=message, data=_error_of(state))
    verdict = None if report.verdicts is None else report.verdicts.verdict
    outcome = NightOutcome(
        folder=report.tonight,
        sweep=_outcome(first),
        last_night=report.last_night,
        headline=report.headline(),
        moved=report.moved,
        baseline=report.baseline,
        rotating=_outcome(others[0]) if others else None,
        verdicts=report.verdicts,
    )
    if verdict in _FAILED_BY:
        error = SweepFailedError(message, outcome.sweep)
        return Failed(name=_FAILED_BY[verdict], message=message, data=error)
    if outcome.moved:
        return Completed(name="Moved", message=message, data=outcome)
    if verdict == "INCONCLUSIVE":
        return Completed(name="Inconclusive", message=message, data=outcome)
    return Completed(message=message, data=outcome)


_FAILED_BY = {"FAIL": "RequirementFailed", "NOT APPLICABLE": "NotApplicable"}


def _outcome(state: State[Any]) -> SweepOutcome:
    """Return how a sweep ended that is complete, also of one whose flow failed."""
    found = state.result(raise_on_failure=False)
    if isinstance(found, SweepFailedError):
        found = found.outcome
    return cast("SweepOutcome", found)


def _error_of(state: State[Any]) -> Any:
    """Return the exception that the sweep's flow raises in its caller; None if it ended well."""
    return state.result(raise_on_failure=False) if state.is_failed() else None
