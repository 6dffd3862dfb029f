"""The page of a night in Markdown: verdicts, drift over nights, what changed, runs to look at."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.analysis.markdown import number, plain
from gmat_sweep.folder.layout import MANIFEST_NAME
from gmat_sweep.printable import one_line

if TYPE_CHECKING:
    from gmat_sweep.analysis.nightly.comparison import NightComparison
    from gmat_sweep.analysis.nightly.report import NightReport

__all__ = ["night_page", "worst_of_nights"]

_WORST = 3
_MOVED = 5
_VERDICT = 1000


def night_page(report: NightReport, *, pictures: bool = True) -> str:
    """Return what a night shows as Markdown, for a page that cuts wide tables off.

    Parameters
    ----------
    report : NightReport
        The night.
    pictures : bool
        Whether drift is shown in pictures, which are part of the text, 6 of 16 kB at most.
    """
    parts = [f"**{plain(report.headline(), _VERDICT)}**"]
    if verdicts := _verdicts(report):
        parts += ["## Requirements", verdicts]
    if looked_at := _runs_to_look_at(report):
        parts += ["## Runs to look at", looked_at]
    if report.drift:
        parts += ["## Drift over nights", _drift(report, pictures=pictures)]
    for comparison in (report.comparison, report.against_baseline):
        if comparison is not None:
            parts += [f"# Tonight against {plain(comparison.against)}", _lowered(comparison)]
    return "\n\n".join(parts) + "\n"


def worst_of_nights(report: NightReport) -> list[dict[str, object]]:
    """Return the ten worst runs of each requirement over the nights, as a table artifact has them.

    Empty where evidence does not add up over nights.
    """
    if report.accumulation is None:
        return []
    asked = {each.name: each.requirement for each in report.accumulation.verdicts.requirements}
    return [
        {
            "requirement": name,
            "night": each.name,
            "run": each.run_id,
            "value": float(f"{each.value:.9g}"),
            "unit": asked[name].unit or "",
            "holds": "yes" if asked[name].holds(each.value) else "no",
            "replay": _replay(each.sweep, each.run_id),
        }
        for name, runs in report.accumulation.worst.items()
        for each in runs
        if each.value is not None
    ]


def _verdicts(report: NightReport) -> str:
    verdicts = report.verdicts
    if verdicts is None:
        return ""
    lines = [f"**{plain(verdicts.headline, _VERDICT)}**", ""]
    lines += [
        f"- {plain(each.name)}: **{each.verdict}**, {plain(each.text, _VERDICT)}"
        for each in verdicts.requirements
    ]
    found = report.accumulation
    if found is not None:
        runs = sum(each.runs for each in found.history)
        nights = f"{len(found.nights)} night{'s' * (len(found.nights) != 1)}"
        lines += ["", f"{plain(found.reason, _VERDICT)} {nights}, {runs} runs count."]
        lines += [f"- {plain(note)}" for note in verdicts.notes]
    return "\n".join(lines)


def _runs_to_look_at(report: NightReport) -> str:
    """Return the worst runs, those that newly fail and those that shifted most; how to replay."""
    lines = []
    if report.accumulation is not None:
        for name, runs in report.accumulation.worst.items():
            lines += [
                f"- {plain(name)}: {number(each.value)}, run {each.run_id} of {each.name}: "
                f"`{_replay(each.sweep, each.run_id)}`"
                for each in runs[:_WORST]
            ]
    elif report.judged is not None:
        for verdict in report.judged.requirements:
            lines += [
                f"- {plain(verdict.name)}: {number(value)}, run {run_id}: "
                f"`{_replay(report.judged.manifest.parent, run_id)}`"
                for run_id, value in verdict.worst_runs[:_WORST]
            ]
    if report.comparison is not None:
        failing = [
            run for group in report.comparison.failures.newly_failing for run in group.run_ids
        ]
        lines += [
            f"- newly failing, run {run}: `{_replay(report.tonight, run)}`"
            for run in failing[:_WORST]
        ]
        lines += [
            f"- {plain(each.quantity)} shifted most, by {number(each.largest_shift)} "
            f"{plain(each.unit)}, run {each.largest_run}: "
            f"`{_replay(report.comparison.tonight.parent, each.largest_run)}`"
            for each in report.comparison.moved_quantities[:_MOVED]
            if each.largest_run is not None
        ]
    return "\n".join(lines)


def _drift(report: NightReport, *, pictures: bool) -> str:
    whose = "the baseline" if report.baseline is not None else "the oldest night shown"
    told = (
        f"Shifts of the mean from {whose}, {report.reference}, in its sigma, or in the quantity's "
        "unit where it has none. Dashed: what matters. Upright lines: an input changed."
    )
    if pictures:
        shown = [
            f"![{plain(each.quantity)}]({each.picture(report.changed)})" for each in report.drift
        ]
        return "\n\n".join([told, *shown])
    listed = [f"- {plain(each.title)} tonight" for each in report.drift]
    return "\n".join([told, "", *listed])


def _lowered(comparison: NightComparison) -> str:
    return comparison.to_markdown(narrow=True).rstrip("\n")


def _replay(sweep: Path, run_id: int) -> str:
    manifest = shlex.quote((sweep / MANIFEST_NAME).as_posix())
    return one_line(f"gmat-sweep replay {manifest} --run {run_id}").replace("`", "'")
