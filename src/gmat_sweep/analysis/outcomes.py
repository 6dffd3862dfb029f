"""How the runs of a sweep ended: the failure rate of the mission, failures by cause and place."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gmat_sweep.analysis.clustering import varied_values, where_marked
from gmat_sweep.analysis.markdown import percent
from gmat_sweep.causes import headline
from gmat_sweep.failure_kinds import kind_of
from gmat_sweep.plans.independence import are_independent, no_independent_draws
from gmat_sweep.printable import one_line
from gmat_sweep.spec import NOMINAL_RUN_ID

if TYPE_CHECKING:
    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = [
    "CONFIDENCE",
    "FailureGroup",
    "FailureRate",
    "failure_groups",
    "failure_notes",
    "failure_rate",
    "groups_of",
    "other_failures",
    "others_in_words",
    "run_list",
    "unconverged_line",
    "unconverged_runs",
    "where_failed",
]

CONFIDENCE = 0.95
"""Confidence level of every interval."""

_MOST_SOLVERS = 4
_MOST_PLACES = 3

# Numbers in a message, which differ from run to run though the cause is one: the two messages
# about a mass of -205.06 and of -446.38 have the same cause.
_VALUE = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?(?![\w.])")


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Runs that failed of the same cause, or have the same to say.

    Attributes
    ----------
    cause : str
        The cause or note in one line; numbers in which the runs differ are left out as ``...``.
    run_ids : tuple of int
        The runs, in ascending order.
    """

    cause: str
    run_ids: tuple[int, ...]


def failure_groups(entries: Iterable[ManifestEntry]) -> list[FailureGroup]:
    """Return the failed runs grouped by cause, the commonest first."""
    return groups_of(
        (entry.run_id, headline(entry.stderr) or "no cause recorded")
        for entry in entries
        if entry.status == "failed"
    )


def groups_of(texts: Iterable[tuple[int, str]]) -> list[FailureGroup]:
    """Return runs grouped by what they say, the commonest first; numbers may differ in a group.

    Parameters
    ----------
    texts : iterable of tuple
        Run and text, in any order.
    """
    groups: dict[str, list[tuple[int, str]]] = {}
    for run_id, text in sorted(texts):
        groups.setdefault(_VALUE.sub("...", text), []).append((run_id, text))
    found = []
    for runs in groups.values():
        run_ids, causes = zip(*runs, strict=True)
        found.append(FailureGroup(_in_common(causes), run_ids))
    return sorted(found, key=lambda group: (-len(group.run_ids), group.run_ids[0]))


def _in_common(causes: Sequence[str]) -> str:
    """Return one text for causes that differ in their values alone."""
    if len(set(causes)) == 1:
        return causes[0]
    shown = zip(*(_VALUE.findall(cause) for cause in causes), strict=True)
    values = iter([each[0] if len(set(each)) == 1 else "..." for each in shown])
    return _VALUE.sub(lambda _: next(values), causes[0])


def run_list(run_ids: Sequence[int], most: int = 8) -> str:
    """Return run ids as text, ``...`` after the first `most`."""
    listed = ", ".join(str(run_id) for run_id in run_ids[:most])
    return f"{listed}, ..." if len(run_ids) > most else listed


def unconverged_runs(entries: Iterable[ManifestEntry]) -> dict[str, tuple[int, ...]]:
    """Return, for each solver, the runs that are ``ok`` although it did not reach its goal.

    Solvers are in the order of their names, runs in ascending order.
    """
    runs: dict[str, list[int]] = {}
    for entry in entries:
        if entry.status == "ok":
            for solver, reached in entry.converged.items():
                if not reached:
                    runs.setdefault(solver, []).append(entry.run_id)
    return {solver: tuple(sorted(run_ids)) for solver, run_ids in sorted(runs.items())}


def unconverged_line(entries: Iterable[ManifestEntry]) -> str:
    """Return how many runs are ``ok`` although a solver did not converge, and which; or ``""``.

    Such as ``1 of 2 runs has a solver that did not converge: DC (run 1)``. Long lists of solvers
    and of runs are cut off.

    Parameters
    ----------
    entries : iterable of ManifestEntry
        One per run.
    """
    listed = list(entries)
    solvers = unconverged_runs(listed)
    if not solvers:
        return ""
    count = len({run_id for run_ids in solvers.values() for run_id in run_ids})
    have = "has" if count == 1 else "have"
    named = [
        f"{one_line(solver)} (run {run_list(run_ids)})"
        for solver, run_ids in itertools.islice(solvers.items(), _MOST_SOLVERS)
    ]
    if len(solvers) > _MOST_SOLVERS:
        named.append(f"{len(solvers) - _MOST_SOLVERS} further solvers")
    return (
        f"{count} of {len(listed)} runs {have} a solver that did not converge: {', '.join(named)}"
    )


def other_failures(entries: Iterable[ManifestEntry]) -> dict[str, int]:
    """Return how many runs failed of something else than the mission, by `kind_of`.

    Runs of which nothing is known count as ``"unknown"``.
    """
    kinds = Counter(kind_of(entry) or "unknown" for entry in entries if entry.status == "failed")
    return {kind: kinds[kind] for kind in sorted(kinds) if kind != "mission"}


def others_in_words(others: Mapping[str, int]) -> str:
    """Return the failures that are not the mission's, such as ``2 timeout, 1 worker``."""
    listed = (
        f"{count} {'of unknown kind' if kind == 'unknown' else kind}"
        for kind, count in others.items()
    )
    return ", ".join(listed)


def where_failed(entries: Iterable[ManifestEntry]) -> tuple[str, ...]:
    """Return in words where the missions that failed lie among the varied fields.

    Such as ``23 of 40 failed, all with Sat.INC < 0 (p = 1e-11)``, the clearest first; empty if the
    failures may lie where they do by chance. Other failures, and skipped runs, count neither way.

    Parameters
    ----------
    entries : iterable of ManifestEntry
        One per run, with their overrides.
    """
    flown = [entry for entry in entries if _is_outcome(entry) and entry.run_id != NOMINAL_RUN_ID]
    failed = [entry.status == "failed" for entry in flown]
    if not any(failed) or all(failed):
        return ()
    import numpy as np

    _, fields = varied_values(flown)
    return tuple(each.text() for each in where_marked(fields, np.array(failed, dtype=np.bool_)))


def failure_notes(entries: Iterable[ManifestEntry]) -> list[str]:
    """Return what is to be said of failed runs beside their causes; empty without any.

    How many did not fail in the mission, and where those that did lie among the varied fields.

    Parameters
    ----------
    entries : iterable of ManifestEntry
        One per run, with their overrides.
    """
    listed = [entry for entry in entries if entry.run_id != NOMINAL_RUN_ID]
    notes = []
    known = {kind: runs for kind, runs in other_failures(listed).items() if kind != "unknown"}
    if known:
        count, failed = sum(known.values()), sum(entry.status == "failed" for entry in listed)
        notes.append(
            f"{count} of the {failed} failed runs did not fail in the mission: "
            f"{others_in_words(known)}"
        )
    return [*notes, *where_failed(listed)[:_MOST_PLACES]]


def _is_outcome(entry: ManifestEntry) -> bool:
    """Return whether a run's end is that of its mission."""
    return entry.status == "ok" or kind_of(entry) == "mission"


@dataclass(frozen=True, slots=True)
class FailureRate:
    """The share of runs whose mission failed, and the interval of the failure probability.

    Attributes
    ----------
    failed : int
        Runs that failed in the mission.
    runs : int
        Runs that failed in the mission or were ok.
    rate : float or None
        `failed` divided by `runs`; None without runs.
    low, high : float or None
        The 95 % interval of Clopper and Pearson of the failure probability; None if the runs are no
        independent random draws, and without runs.
    others : mapping of str to int
        Runs that failed otherwise, by kind, such as of a hook or a timeout. They say nothing of the
        mission and are not in the rate; resume them.
    why_no_interval : str
        Why the runs have a rate and no interval; empty if they have one.
    """

    failed: int
    runs: int
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    others: Mapping[str, int] = field(default_factory=dict)
    why_no_interval: str = ""

    def text(self) -> str:
        """Return rate, counts, interval and other failures, in one line of plain text."""
        told = "no run to tell it from"
        if self.rate is not None:
            interval = f"; no interval: {self.why_no_interval}" if self.why_no_interval else ""
            if self.low is not None:
                interval = f", 95 % interval {percent(self.low)} to {percent(self.high)}"
            told = f"{percent(self.rate)} ({self.failed} of {self.runs}{interval})"
        if not self.others:
            return told
        count = sum(self.others.values())
        runs = "1 that failed otherwise does" if count == 1 else f"{count} that failed otherwise do"
        return f"{told}; {runs} not count: {others_in_words(self.others)}"


def failure_rate(entries: Iterable[ManifestEntry], design: str) -> FailureRate:
    """Return the rate at which the mission failed in some runs of a sweep.

    Parameters
    ----------
    entries : iterable of ManifestEntry
        One per run. Skipped runs count neither way, nor do runs that something else than the
        mission made fail.
    design : str
        The sweep's design, as `design_name` gives it. Only ``monte_carlo`` makes independent draws,
        for which there is an interval.

    Notes
    -----
    Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26 (1934). The interval holds the true probability in at least 95 % of all
    sweeps, whatever it is.
    """
    listed = [entry for entry in entries if entry.status != "skipped"]
    others = other_failures(listed)
    flown = [entry for entry in listed if _is_outcome(entry)]
    failed, runs = sum(entry.status == "failed" for entry in flown), len(flown)
    if not runs:
        return FailureRate(failed, runs, others=others)
    if not are_independent(design):
        reason = no_independent_draws(design)
        return FailureRate(failed, runs, failed / runs, others=others, why_no_interval=reason)
    from gmat_sweep.verdicts.binomial import two_sided_interval

    low, high = two_sided_interval(failed, runs, CONFIDENCE)
    return FailureRate(failed, runs, failed / runs, low, high, others)
