"""How the runs of a sweep ended: how many there should be, the failure rate, failures by cause."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmat_sweep.causes import headline

if TYPE_CHECKING:
    from gmat_sweep.manifest_entry import ManifestEntry

__all__ = [
    "CONFIDENCE",
    "FailureGroup",
    "FailureRate",
    "failure_groups",
    "failure_rate",
    "run_list",
]

CONFIDENCE = 0.95
"""Confidence level of every interval."""


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failed runs that have the same cause.

    Attributes
    ----------
    cause : str
        The cause in one line.
    run_ids : tuple of int
        The runs it cost, in the order of their entries.
    """

    cause: str
    run_ids: tuple[int, ...]


def failure_groups(entries: Iterable[ManifestEntry]) -> list[FailureGroup]:
    """Return the failed runs grouped by cause, the commonest first."""
    by_cause: dict[str, list[int]] = {}
    # In the manifest they stand in the order in which they ended.
    for entry in sorted(entries, key=lambda each: each.run_id):
        if entry.status == "failed":
            by_cause.setdefault(headline(entry.stderr) or "no cause recorded", []).append(
                entry.run_id
            )
    ranked = sorted(by_cause.items(), key=lambda item: (-len(item[1]), item[1][0]))
    return [FailureGroup(cause, tuple(run_ids)) for cause, run_ids in ranked]


def run_list(run_ids: Sequence[int], most: int = 8) -> str:
    """Return run ids as text, ``...`` after the first `most`."""
    listed = ", ".join(str(run_id) for run_id in run_ids[:most])
    return f"{listed}, ..." if len(run_ids) > most else listed


@dataclass(frozen=True, slots=True)
class FailureRate:
    """Which share of runs failed, and what that says of the mission.

    Attributes
    ----------
    failed : int
        Runs that failed.
    runs : int
        Runs that failed or were ok.
    rate : float or None
        Their quotient; None without runs.
    low, high : float or None
        Wilson's 95 % interval of the failure probability; None where the runs are no random
        sample, and without runs.
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
        ``latin_hypercube`` are a random sample, of which an interval can be told.

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
