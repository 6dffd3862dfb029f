"""The flow ``accept-baseline``: make a night the baseline, by a button of the Prefect UI.

It does what `gmat-sweep baseline accept NIGHT` does in a shell. As in `gmat_sweep.flows.sweep`,
annotations are no text, so that the flow can be served.
"""

from pathlib import Path
from typing import cast

from prefect import flow
from prefect.events import emit_event
from prefect.runtime import flow_run as this_flow_run
from prefect.states import Completed, Failed

from gmat_sweep.analysis.nightly.baseline import accept, baseline_of
from gmat_sweep.analysis.nightly.cohorts import all_nights
from gmat_sweep.analysis.nightly.complete import is_whole
from gmat_sweep.errors import GmatSweepError, SweepConfigError
from gmat_sweep.flow.mission_keys import mission_key
from gmat_sweep.flows import parameters as of

__all__ = ["ACCEPT_FLOW_NAME", "accept_baseline"]

ACCEPT_FLOW_NAME = "accept-baseline"
ACCEPTED_EVENT = "gmat-sweep.nightly.baseline-accepted"


def _title() -> str:
    parameters = this_flow_run.parameters
    named = Path(str(parameters["study"] or parameters["mission"] or parameters["nights"] or "a"))
    return of.kept_or(f"accept {parameters['night'] or 'the last night'} of {named.stem}")


@flow(name=ACCEPT_FLOW_NAME, flow_run_name=_title, persist_result=False)
def accept_baseline(
    mission: Path | None = None,
    night: str | None = None,
    note: str = "",
    nights: Path | None = None,
    study: Path | None = None,
) -> Path:
    """Accept a night as the baseline that later nights are compared with.

    Args:
        mission: The GMAT script whose nights they are, as for nightly-dispersion.
        night: The night's name, such as 2026-11-20T033000Z. Without it, the last night that is
            complete.
        note: Why, for whoever reads it later.
        nights: The folder of nights, where nightly-dispersion was given one.
        study: The study file, where the nights are those of a study.

    Returns:
        The file that names the baseline.
    """
    try:
        place = _place(mission, study, nights)
        chosen = place / night if night else _last_whole(place)
        if night and Path(night).name != night:
            raise SweepConfigError(f"night: {night!r} is no name of a night in {place}.")
        path = accept(chosen, note=note)
        found = baseline_of(place)
    except (GmatSweepError, OSError) as error:
        return cast("Path", Failed(message=f"{type(error).__name__}: {error}", data=error))
    said = "" if found is None else found.text
    emit_event(
        ACCEPTED_EVENT,
        {
            "prefect.resource.id": f"gmat-sweep.nightly.{place.name}",
            "prefect.resource.name": place.name,
        },
        payload={"night": chosen.name, "text": said},
    )
    # Prefect returns the data of the state to the caller, or raises it.
    return cast("Path", Completed(message=said, data=path))


def _place(mission: Path | None, study: Path | None, nights: Path | None) -> Path:
    """Return the folder of nights, as `nightly_dispersion` with these parameters has it."""
    if nights is not None:
        return of.absolute(nights)
    if mission is None:
        raise SweepConfigError("mission: whose nights? Name the GMAT script, or the folder nights.")
    script = of.absolute(mission)
    if not script.is_file():
        # A key would be made for it, and the mission that is meant would lose its own.
        raise SweepConfigError(f"mission: {script} was not found on this machine.")
    told = None if study is None else of.absolute(study)
    return of.absolute(Path("nights") / mission_key(script, told, home=of.absolute(Path())))


def _last_whole(place: Path) -> Path:
    for night in reversed(all_nights(place)):
        if is_whole(night):
            return night
    raise SweepConfigError(f"{place} has no complete night. Fly one first.")
