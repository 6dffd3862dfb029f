"""How the runs of a sweep ended: how many there should be, the failure rate, failures by cause."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmat_sweep.causes import headline
from gmat_sweep.printable import one_line

if TYPE_CHECKING:
    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = [
    "CONFIDENCE",
    "FailureGroup",
    "FailureRate",
    "failure_groups",
    "failure_rate",
    "groups_of",
    "run_list",
    "unconverged_line",
    "unconverged_runs",
]

CONFIDENCE = 0.95
"""Confidence level of every interval."""

_MOST_SOLVERS = 4

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


@dataclass(frozen=True, slots=True)
class FailureRate:
    """The share of runs that failed, and the interval of the failure probability.

    Attributes
    ----------
    failed : int
        Runs that failed.
    runs : int
        Runs that failed or were ok.
    rate : float or None
        `failed` divided by `runs`; None without runs.
    low, high : float or None
        Wilson's 95 % interval of the failure probability; None if the runs are no random sample,
        and without runs.
    """

    failed: int
    runs: int
    rate: float | None = None
    low: float | None = None
    high: float | None = None


def failure_rate(entries: Iterable[ManifestEntry], kind: str) -> FailureRate:
    """Return the failure rate of some runs of a sweep.

    Parameters
    ----------
    entries : iterable of ManifestEntry
        One per run. Skipped runs count neither way.
    kind : str
        ``_kind`` of the sweep's ``parameter_spec``. Only the draws of ``monte_carlo`` and
        ``latin_hypercube`` are a random sample, for which there is an interval.

    Notes
    -----
    Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927).
    """
    statuses = [entry.status for entry in entries]
    failed, runs = statuses.count("failed"), statuses.count("failed") + statuses.count("ok")
    if not runs:
        return FailureRate(failed, runs)
    if kind not in {"monte_carlo", "latin_hypercube"}:
        return FailureRate(failed, runs, failed / runs)
    from scipy.stats import binomtest

    interval = binomtest(failed, runs).proportion_ci(CONFIDENCE, method="wilson")
    return FailureRate(failed, runs, failed / runs, float(interval.low), float(interval.high))
