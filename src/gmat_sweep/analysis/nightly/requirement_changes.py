"""How the outcomes of requirements differ between two nights.

Of the same runs each changed outcome is told. Of two sets of draws the shares that violate are
tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.nightly.chance import fisher
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    from gmat_sweep.analysis.recorded import RecordedSweep
    from gmat_sweep.verdicts.outcomes import Outcomes
    from gmat_sweep.verdicts.requirement import Requirement, Requirements

    type RequirementSource = Requirements | str | Path | Sequence[Requirement | Mapping[str, Any]]

__all__ = ["RequirementChange", "requirement_changes"]


@dataclass(frozen=True, slots=True)
class RequirementChange:
    """What the runs of two nights say of one requirement.

    Attributes
    ----------
    name : str
        The requirement's name.
    newly_violating, newly_holding : tuple of int
        Runs that met the requirement in the other night and violate it tonight, and the other way
        round. Empty unless runs are paired. Runs that say nothing in one of the nights, such as
        those that were ended for their time, are in neither.
    violations_tonight, runs_tonight, violations_last, runs_last : int
        How many runs violate it, of those that hold or violate; if runs are paired, of those that
        do so in both nights.
    why_not : str
        Why nothing is compared, such as that a night has no such column; empty otherwise.
    pvalue, adjusted_pvalue : float or None
        Of two sets of draws: Fisher's exact test of the two shares, and its p value adjusted by
        Holm for all tests of the night.
    beyond_chance : bool
        Whether the adjusted p value is as small as the rule demands.
    """

    name: str
    newly_violating: tuple[int, ...] = ()
    newly_holding: tuple[int, ...] = ()
    violations_tonight: int = 0
    runs_tonight: int = 0
    violations_last: int = 0
    runs_last: int = 0
    why_not: str = ""
    pvalue: float | None = None
    adjusted_pvalue: float | None = None
    beyond_chance: bool = False

    @property
    def moved(self) -> bool:
        """Whether a paired run changed its outcome, or else the shares differ beyond chance."""
        return bool(self.newly_violating or self.newly_holding) or self.beyond_chance


@dataclass(frozen=True, slots=True)
class _Codes:
    """The outcomes of one night's runs by the requirement's name, or why there are none."""

    outcomes: dict[str, Outcomes] = field(default_factory=dict)
    why_not: dict[str, str] = field(default_factory=dict)


def requirement_changes(
    tonight: RecordedSweep,
    other: RecordedSweep,
    requirements: RequirementSource,
    *,
    paired: bool,
    independent: bool = True,
) -> tuple[RequirementChange, ...]:
    """Compare what the runs of two nights say of requirements.

    Parameters
    ----------
    tonight, other : RecordedSweep
        The two nights.
    requirements : Requirements, str, Path, or sequence
        As for `judge`. Outcomes are those that a verdict counts: of the runs without a gap from run
        0 on.
    paired : bool
        Whether the same run ids were given the same overrides.
    independent : bool
        Whether the runs of the nights are independent draws; if not, and not paired, nothing is
        tested.

    Raises
    ------
    SweepConfigError
        A requirement is none.
    """
    from gmat_sweep.verdicts.reading import load_requirements

    asked = load_requirements(requirements)
    now, before = _codes(tonight, asked), _codes(other, asked)
    return tuple(
        _change(each.name, now, before, paired=paired, independent=independent)
        for each in asked.requirements
    )


def _change(
    name: str, now: _Codes, before: _Codes, *, paired: bool, independent: bool
) -> RequirementChange:
    import numpy as np

    from gmat_sweep.verdicts.outcomes import HOLDS, VIOLATES

    for night, codes in (("tonight", now), ("the other night", before)):
        if name in codes.why_not:
            return RequirementChange(name, why_not=f"{night}: {codes.why_not[name]}")
    outcomes = now.outcomes[name], before.outcomes[name]
    if paired:
        common, *places = np.intersect1d(
            outcomes[0].run_ids, outcomes[1].run_ids, return_indices=True
        )
        both = [each.codes[at] for each, at in zip(outcomes, places, strict=True)]
        told = np.isin(both, (HOLDS, VIOLATES)).all(axis=0)
        there, then = (each[told] == VIOLATES for each in both)
        ids = common[told]
        return RequirementChange(
            name,
            newly_violating=tuple(ids[there & ~then].tolist()),
            newly_holding=tuple(ids[then & ~there].tolist()),
            violations_tonight=int(there.sum()),
            runs_tonight=len(ids),
            violations_last=int(then.sum()),
            runs_last=len(ids),
        )
    (runs, violations), (runs_last, violations_last) = (
        (int(np.isin(each.codes, (HOLDS, VIOLATES)).sum()), int((each.codes == VIOLATES).sum()))
        for each in outcomes
    )
    pvalue = None
    if independent and runs and runs_last:
        pvalue = fisher((runs, violations), (runs_last, violations_last))
    return RequirementChange(
        name,
        violations_tonight=violations,
        runs_tonight=runs,
        violations_last=violations_last,
        runs_last=runs_last,
        pvalue=pvalue,
    )


def _codes(sweep: RecordedSweep, asked: Requirements) -> _Codes:
    """Return the outcomes of one night's runs."""
    from gmat_sweep.verdicts.judging import in_order
    from gmat_sweep.verdicts.metrics import Metrics, metrics
    from gmat_sweep.verdicts.outcomes import joint_outcomes, outcomes, prefix_of

    prefix = prefix_of(sweep)
    measured = [each for each in asked.requirements if not each.all_of]
    found = _Codes()
    numbers: dict[str, Metrics] = {}

    def measure(group: Iterable[Requirement]) -> None:
        listed = list(group)
        told = metrics(listed, sweep, prefix.run_ids.tolist())
        numbers.update(dict.fromkeys((each.name for each in listed), told))

    try:
        measure(measured)
    except SweepConfigError:
        # A night that lacks the column of one requirement can be compared in the others.
        for each in measured:
            try:
                measure([each])
            except SweepConfigError as error:
                found.why_not[each.name] = str(error)
    for each in in_order(asked):
        lacking = [name for name in each.all_of if name in found.why_not]
        if lacking:
            found.why_not[each.name] = found.why_not[lacking[0]]
        elif each.all_of:
            found.outcomes[each.name] = joint_outcomes(each, found.outcomes)
        elif each.name in numbers:
            told = numbers[each.name]
            found.outcomes[each.name] = outcomes(
                each, prefix, told.numbers[each.name], told.unreadable.keys()
            )
    return found
