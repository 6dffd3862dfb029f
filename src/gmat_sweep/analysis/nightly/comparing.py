"""Compare tonight's sweep with another night's: moved quantities, new failures, changed inputs.

Runs are paired by ``run_id`` if both nights gave them the same overrides. Otherwise a pair would be
two different cases, and the distributions are compared instead. `NightComparison.paired` says which
of the two was done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.final_values import UNREADABLE
from gmat_sweep.analysis.nightly.chance import drawn_shift, judged_together
from gmat_sweep.analysis.nightly.comparison import NightComparison
from gmat_sweep.analysis.nightly.ends import NightEnds, column_of, same_overrides, unit_at_end
from gmat_sweep.analysis.nightly.failures import drawn_failures, paired_failures
from gmat_sweep.analysis.nightly.inputs import InputHashes, input_changes
from gmat_sweep.analysis.nightly.requirement_changes import requirement_changes
from gmat_sweep.analysis.nightly.rules import MaterialRule
from gmat_sweep.analysis.nightly.shifts import QuantityShift
from gmat_sweep.analysis.nightly.sizes import paired_shift
from gmat_sweep.analysis.outcomes import where_failed
from gmat_sweep.analysis.recorded import SweepSource
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.independence import are_independent

if TYPE_CHECKING:
    import pandas as pd

    from gmat_sweep.manifest.entry import ManifestEntry
    from gmat_sweep.verdicts.requirement import Requirement, Requirements

__all__ = ["compare_sweeps"]


def compare_sweeps(
    tonight: SweepSource,
    other: SweepSource,
    *,
    rule: MaterialRule | None = None,
    requirements: (
        Requirements | str | Path | Sequence[Requirement | Mapping[str, Any]] | None
    ) = None,
    against: str = "last night",
) -> NightComparison:
    """Compare two sweeps of one mission, such as tonight's and last night's.

    Parameters
    ----------
    tonight, other : str, Path, Manifest or Sweep
        The sweeps: a folder, a manifest, or a sweep that has run.
    rule : MaterialRule, optional
        When a quantity counts as moved; by default from a tenth of the other night's sigma between
        the same runs, and beyond chance between two sets of draws.
    requirements : Requirements, str, Path, or sequence, optional
        Requirements as for `judge`; runs that violate one now, or no more, are told.
    against : str
        What the other night is called in a text: ``"last night"`` or ``"the baseline"``.

    Returns
    -------
    NightComparison
        Differences are tonight minus the other night. ``moved`` is for an event, ``to_markdown()``
        for a person, ``to_dict()`` for a program.

    Raises
    ------
    FileNotFoundError, ManifestCorruptError
        A manifest cannot be read.
    SweepConfigError
        A `Manifest` was neither saved nor loaded, or an ``inputs.json`` is damaged; the rule has a
        size for a quantity that neither night reports, or in a unit that is none of its own; a
        requirement is none.

    Notes
    -----
    Runs of the same ``run_id`` are paired, and only if every id that both nights have was given the
    same overrides. GMAT gives the same numbers for the same inputs, so another input causes any
    difference of a pair, and what is judged is its size.

    Independent draws differ anyway, and what is judged is chance: their means by Welch's t-test,
    from eight runs on; their spreads by Brown and Forsythe's, from twenty on; their distributions
    by the test of Kolmogorov and Smirnov; failures, violated requirements and missing values by
    Fisher's exact test. Holm's procedure judges all of
    them together, so that `MaterialRule.false_alarms` holds for the night. Where one night has many
    more runs, their means are tested over the first of them, a quarter more than the other's: of
    very different numbers and a skewed distribution Welch's test is wrong too often. Other designs
    than ``monte_carlo`` have no such tests: where their runs cannot be paired, nothing is judged.

    The interval of a change of failure rates is made as Newcombe does, from Clopper and Pearson's
    intervals in place of Wilson's: of paired runs, "Improved confidence
    intervals for the difference between binomial proportions based on paired data", Statistics in
    Medicine 17 (1998), method 10; of others, "Interval estimation for the difference between
    independent proportions", in the same volume, method 10.
    """
    rule = MaterialRule() if rule is None else rule
    nights = NightEnds(tonight), NightEnds(other)
    new, old = (night.sweep for night in nights)
    ran_now, ran_before = (night.ran for night in nights)
    common = sorted(ran_now.keys() & ran_before.keys())
    why_not = _why_not_paired([(ran_now[each], ran_before[each]) for each in common])
    designs = {night.design for night in nights}
    design = designs.pop() if len(designs) == 1 else "mixed"
    if why_not:
        failures = drawn_failures(ran_now.values(), ran_before.values(), design)
    else:
        failures = paired_failures(
            [ran_now[each] for each in common], [ran_before[each] for each in common], design
        )
    changes = (
        ()
        if requirements is None
        else requirement_changes(
            new, old, requirements, paired=not why_not, independent=are_independent(design)
        )
    )
    ends = tuple(night.last_values for night in nights)
    _check_names(rule, {str(name) for each in ends for name in each.columns.get_level_values(1)})
    goals = tuple(night.goals for night in nights)
    quantities = list(_shifts(ends, goals, rule, design, paired=not why_not))
    tests = 0
    if why_not:
        others = [failures.pvalue, *(each.pvalue for each in changes)]
        quantities, (of_failures, *of_changes), tests = judged_together(
            quantities, others, rule.false_alarms
        )
        failures = replace(
            failures,
            adjusted_pvalue=of_failures,
            beyond_chance=of_failures is not None and of_failures <= rule.false_alarms,
        )
        changes = tuple(
            replace(
                each,
                adjusted_pvalue=pvalue,
                beyond_chance=pvalue is not None and pvalue <= rule.false_alarms,
            )
            for each, pvalue in zip(changes, of_changes, strict=True)
        )
    return NightComparison(
        tonight=new.path,
        last_night=old.path,
        paired=not why_not,
        why_not_paired=why_not,
        common_runs=len(common),
        only_tonight=len(ran_now) - len(common),
        only_last_night=len(ran_before) - len(common),
        quantities=tuple(quantities),
        failures=failures,
        inputs=input_changes(new, old),
        inputs_complete=all(InputHashes.read(sweep.folder) is not None for sweep in (new, old)),
        unreadable_tonight=ends[0].attrs[UNREADABLE],
        unreadable_last_night=ends[1].attrs[UNREADABLE],
        rule=rule,
        design=design,
        where_failed=where_failed(new.entries),
        requirements=changes,
        tests=tests,
        against=against,
    )


def _check_names(rule: MaterialRule, reported: Collection[str]) -> None:
    """Refuse a size for a quantity that no run reports, which would be a size for nothing."""
    for name in rule.quantities:
        if name not in reported:
            near = get_close_matches(name, reported, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise SweepConfigError(
                f"quantities: no run reports {name}.{hint} Name a column as the reports do."
            )


def _why_not_paired(pairs: Sequence[tuple[ManifestEntry, ManifestEntry]]) -> str:
    if not pairs:
        return "no run id was run in both nights"
    differing = [
        now.run_id for now, before in pairs if not same_overrides(now.overrides, before.overrides)
    ]
    if not differing:
        return ""
    return (
        f"{len(differing)} of the {len(pairs)} runs of both nights had other overrides, "
        f"run {differing[0]} first"
    )


def _shifts(
    ends: tuple[pd.DataFrame, ...],
    goals: tuple[pd.DataFrame, ...],
    rule: MaterialRule,
    design: str,
    *,
    paired: bool,
) -> Iterable[QuantityShift]:
    """Yield each quantity of either night, tonight's in the order of its mission first."""
    tonight, last = ends
    columns = tonight.columns.append(last.columns.difference(tonight.columns, sort=False))
    if paired:
        both = tonight.index.intersection(last.index).sort_values()
        ends, goals = (tuple(each.loc[both] for each in frames) for frames in (ends, goals))
    reports, quantities = (columns.get_level_values(level) for level in ("report", "quantity"))
    for column in zip(reports, quantities, strict=True):
        report, quantity = column
        now, before = (column_of(frame, column) for frame in ends)
        unit = unit_at_end(quantity)
        has_goals = any(column in frame.columns for frame in goals)
        met = (column_of(goals[0], column), column_of(goals[1], column)) if has_goals else None
        if paired:
            yield paired_shift(
                report, quantity, unit, ends[0].index.to_numpy(), now, before, rule, goals=met
            )
        else:
            yield drawn_shift(
                report,
                quantity,
                unit,
                now,
                before,
                goals=met,
                independent=are_independent(design),
            )
