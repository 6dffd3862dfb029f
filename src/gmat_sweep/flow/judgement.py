"""What a sweep shows of its requirements, for the Prefect UI: artifacts, events, a progress bar.

The verdicts themselves are beside the manifest, and computed from it. Nothing here changes one, and
a server that does not take them costs a warning.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from prefect.events import emit_event
from prefect.logging import get_run_logger

from gmat_sweep.analysis.markdown import LONGEST_CAUSE, plain
from gmat_sweep.flow.artifacts import ProgressArtifact, publish
from gmat_sweep.flow.mission_keys import mission_key
from gmat_sweep.flow.server import server_is_gone

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from gmat_sweep.verdicts.results import RequirementVerdict, Verdicts

__all__ = ["EVENTS", "Evidence", "publish_verdicts", "share_decided"]

EVENTS = {
    "PASS": "gmat-sweep.requirement.passed",
    "FAIL": "gmat-sweep.requirement.failed",
    "INCONCLUSIVE": "gmat-sweep.requirement.inconclusive",
    "NOT APPLICABLE": "gmat-sweep.requirement.not-applicable",
}
"""The event that each verdict sends, for each requirement, when a flow run ends."""

_NO_LOOK = "Evidence for a verdict. No runs were judged yet."


def publish_verdicts(flow_run_id: UUID, mission: Path, verdicts: Verdicts) -> None:
    """Publish the verdicts of a sweep and its worst runs, and emit an event for each requirement.

    Parameters
    ----------
    flow_run_id : UUID
        The flow run that ends; it must be the one under way, which events are related to.
    mission : Path
        The mission script. Its name begins the keys of the artifacts, so their versions are the
        history of the mission, whatever flew it.
    verdicts : Verdicts
        What the sweep shows.
    """
    name = mission_key(mission)
    text = verdicts.to_markdown(narrow=True)
    artifacts = {f"{name}-verdicts": ("markdown", text, "Whether the mission meets requirements")}
    if worst := worst_rows(verdicts):
        # Every number is finite: a page can show no other.
        rows = json.dumps(worst, allow_nan=False)
        artifacts[f"{name}-worst"] = ("table", rows, _worst_of_each(verdicts))
    publish(flow_run_id, artifacts)
    if server_is_gone():
        return
    for each in verdicts.requirements:
        resource = {
            "prefect.resource.id": f"gmat-sweep.requirement.{name}.{each.name}",
            "prefect.resource.name": f"{mission.stem}: {each.name}",
        }
        emit_event(EVENTS[each.verdict], resource, payload=_payload(verdicts, each))


def worst_rows(verdicts: Verdicts) -> list[dict[str, Any]]:
    """Return the ten worst runs of each requirement, as a table artifact has them.

    Parameters
    ----------
    verdicts : Verdicts
        What a sweep shows.
    """
    return [
        {
            "requirement": each.name,
            "run": run_id,
            "value": float(f"{value:.9g}"),
            "unit": each.requirement.unit or "",
            "margin": float(f"{each.requirement.margin(value):.6g}"),
            "holds": "yes" if each.requirement.holds(value) else "no",
            "values": _values(verdicts, run_id),
        }
        for each in verdicts.requirements
        for run_id, value in each.worst_runs
    ]


def _values(verdicts: Verdicts, run_id: int) -> str:
    drawn = verdicts.overrides.get(run_id, {})
    return ", ".join(f"{field} = {value}" for field, value in drawn.items())


def _worst_of_each(verdicts: Verdicts) -> str:
    """Return a list of the worst runs with all their values, which a table cuts off."""
    listed = [
        f"- {each.name}, run {run_id}: {plain(_values(verdicts, run_id), LONGEST_CAUSE)}"
        for each in verdicts.requirements
        for run_id, _ in each.worst_runs[:1]
    ]
    title = "The runs nearest to each limit, or farthest beyond it; the worst of each requirement:"
    return "\n".join([title, "", *listed])


def _payload(verdicts: Verdicts, each: RequirementVerdict) -> dict[str, Any]:
    """Return what an automation may want to say; the lists of runs are in ``verdicts.json``."""
    told = each.to_dict()
    kept = ("statement", "identity", "confidence", "verdict", "n", "violations", "unknown")
    return {
        "requirement": each.name,
        **{key: told[key] for key in kept},
        "text": each.text,
        "campaign": verdicts.verdict,
        "plan": verdicts.plan,
        "seed": None if verdicts.seed is None else str(verdicts.seed),
        "manifest": str(verdicts.manifest),
    }


class Evidence:
    """A progress bar that says how near a growing sweep is to being decided.

    Parameters
    ----------
    flow_run_id : UUID
        The flow run under way.
    mission : Path
        The mission script.
    """

    def __init__(self, flow_run_id: UUID, mission: Path) -> None:
        key = f"{mission_key(mission)}-evidence"
        self.artifact = ProgressArtifact(flow_run_id, key, 0.0, _NO_LOOK)
        self._told = ""

    def show(self, verdicts: Verdicts) -> None:
        """Show the verdicts of a look, in the log of the flow run, too."""
        said = "; ".join(map(_evidence_of, verdicts.requirements))
        told = f"{verdicts.verdict} after {verdicts.prefix} runs: {said}"
        self.artifact.show(100.0 * share_decided(verdicts), f"Evidence for a verdict. {told}")
        # A sweep that goes on is looked at before it flies, and anew if nothing was missing.
        if told != self._told:
            self._told = told
            get_run_logger().info("%s", told)


def share_decided(verdicts: Verdicts) -> float:
    """Return how much of the evidence that decides a campaign there is, from 0 to 1.

    For each requirement that is ``ln E / ln(1 / alpha)``. A campaign passes with the last of its k
    requirements and fails with the first, at alpha / k: so it is the least of those for PASS, or
    the greatest of those for FAIL if that is more.

    Parameters
    ----------
    verdicts : Verdicts
        What a look showed, by the plan ``anytime``.
    """
    if verdicts.verdict in ("PASS", "FAIL"):
        return 1.0
    count = len(verdicts.requirements)
    met = min(_share_for(each) for each in verdicts.requirements)
    return max(met, *(_share_against(each, count) for each in verdicts.requirements))


def _share_for(each: RequirementVerdict) -> float:
    # A PASS that was reached stays, although the evidence may fall again.
    return 1.0 if each.verdict == "PASS" else _share(each.evidence_pass, each.requirement.alpha)


def _share_against(each: RequirementVerdict, count: int) -> float:
    return _share(each.evidence_fail, each.requirement.alpha / count)


def _share(evidence: float | None, alpha: float) -> float:
    if evidence is None or not math.isfinite(evidence):
        return 0.0
    return min(1.0, max(0.0, evidence / -math.log(alpha)))


def _evidence_of(each: RequirementVerdict) -> str:
    if each.verdict != "INCONCLUSIVE":
        return f"{each.name} {each.verdict}"
    return (
        f"{each.name} has {100 * _share_for(each):.0f} % of the evidence for PASS, "
        f"{100 * _share_against(each, 1):.0f} % for FAIL"
    )
