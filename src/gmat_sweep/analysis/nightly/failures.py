"""How failures differ between two nights.

`paired_failures` is for runs with the same overrides in both nights, `drawn_failures` for two
independent sets of draws.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gmat_sweep.analysis.nightly.chance import fisher
from gmat_sweep.analysis.outcomes import FailureGroup, FailureRate, failure_groups, failure_rate
from gmat_sweep.failure_kinds import kind_of
from gmat_sweep.plans.independence import are_independent

if TYPE_CHECKING:
    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = ["FailureChange", "drawn_failures", "paired_failures"]


@dataclass(frozen=True, slots=True)
class FailureChange:
    """How failures differ between two nights.

    Attributes
    ----------
    newly_failing, newly_passing, failing_in_both : tuple of FailureGroup
        Runs by cause: tonight's cause, or last night's for runs that pass now. Empty unless runs
        are paired. Only failures of the mission count.
    rate_tonight, rate_last : FailureRate
        Failure rate of each night's runs; if runs are paired, of the paired ones.
    change : float or None
        Rate of tonight minus that of last night.
    low, high : float or None
        The 95 % interval of the change, made as Newcombe does from the two exact intervals, so that
        it is rather too wide than too narrow. None if the runs are no independent random draws.
    otherwise : tuple of FailureGroup
        Tonight's runs that failed of something else than the mission, by cause. They are no news of
        the mission, and nothing is said of them but here.
    pvalue, adjusted_pvalue : float or None
        Of two sets of draws: Fisher's exact test of the two rates, and its p value adjusted by Holm
        for all tests of the night.
    beyond_chance : bool
        Whether the adjusted p value is as small as the rule demands.
    """

    newly_failing: tuple[FailureGroup, ...]
    newly_passing: tuple[FailureGroup, ...]
    failing_in_both: tuple[FailureGroup, ...]
    rate_tonight: FailureRate
    rate_last: FailureRate
    change: float | None = None
    low: float | None = None
    high: float | None = None
    otherwise: tuple[FailureGroup, ...] = ()
    pvalue: float | None = None
    adjusted_pvalue: float | None = None
    beyond_chance: bool = False

    @property
    def moved(self) -> bool:
        """Whether a paired run newly fails or passes, or else the rates differ beyond chance."""
        return bool(self.newly_failing or self.newly_passing) or self.beyond_chance


def paired_failures(
    tonight: Sequence[ManifestEntry], last: Sequence[ManifestEntry], design: str
) -> FailureChange:
    """Compare how the same runs ended in two nights.

    Parameters
    ----------
    tonight, last : sequence of ManifestEntry
        The runs that were ok or failed in both nights, in the same order. A run that failed of
        something else than the mission in either night is no pair.
    design : str
        Of their sweeps, as for `failure_rate`.
    """
    both: list[ManifestEntry] = []
    newly_failing: list[ManifestEntry] = []
    newly_passing: list[ManifestEntry] = []
    pairs: list[tuple[ManifestEntry, ManifestEntry]] = []
    neither = 0
    for now, before in zip(tonight, last, strict=True):
        if _failed_otherwise(now) or _failed_otherwise(before):
            continue
        pairs.append((now, before))
        if now.status == "failed":
            (both if before.status == "failed" else newly_failing).append(now)
        elif before.status == "failed":
            newly_passing.append(before)
        else:
            neither += 1
    counts = (len(both), len(newly_failing), len(newly_passing), neither)
    return _failure_change(
        tuple(failure_groups(newly_failing)),
        tuple(failure_groups(newly_passing)),
        tuple(failure_groups(both)),
        failure_rate([now for now, _ in pairs], design),
        failure_rate([before for _, before in pairs], design),
        _association(*counts),
        _groups_of_others(tonight),
    )


def drawn_failures(
    tonight: Iterable[ManifestEntry], last: Iterable[ManifestEntry], design: str
) -> FailureChange:
    """Compare the failure rates of two independent sets of runs, and test whether they differ."""
    entries = list(tonight)
    now, before = failure_rate(entries, design), failure_rate(last, design)
    change = _failure_change((), (), (), now, before, 0.0, _groups_of_others(entries))
    if not (are_independent(design) and now.runs and before.runs):
        return change
    pvalue = fisher((now.runs, now.failed), (before.runs, before.failed))
    return replace(change, pvalue=pvalue)


def _failed_otherwise(entry: ManifestEntry) -> bool:
    return entry.status == "failed" and kind_of(entry) != "mission"


def _groups_of_others(entries: Iterable[ManifestEntry]) -> tuple[FailureGroup, ...]:
    return tuple(failure_groups(entry for entry in entries if _failed_otherwise(entry)))


def _failure_change(
    newly_failing: tuple[FailureGroup, ...],
    newly_passing: tuple[FailureGroup, ...],
    both: tuple[FailureGroup, ...],
    now: FailureRate,
    before: FailureRate,
    association: float,
    otherwise: tuple[FailureGroup, ...],
) -> FailureChange:
    change = low = high = None
    if now.rate is not None and before.rate is not None:
        change = now.rate - before.rate
        if now.low is not None and before.low is not None:
            assert now.high is not None
            assert before.high is not None
            down, up = now.rate - now.low, now.high - now.rate
            down_before, up_before = before.rate - before.low, before.high - before.rate
            low = change - _joint(down, up_before, association)
            high = change + _joint(up, down_before, association)
    return FailureChange(
        newly_failing, newly_passing, both, now, before, change, low, high, otherwise
    )


def _joint(one: float, other: float, association: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * association * one * other + other**2))


def _association(both: int, only_now: int, only_before: int, neither: int) -> float:
    """Return Newcombe's phi of paired failures, corrected for continuity if it is positive."""
    margins = (both + only_now, only_before + neither, both + only_before, only_now + neither)
    if 0 in margins:
        return 0.0
    cross = both * neither - only_now * only_before
    corrected = (
        max(cross - sum((both, only_now, only_before, neither)) / 2, 0) if cross > 0 else cross
    )
    return corrected / math.sqrt(math.prod(margins))
