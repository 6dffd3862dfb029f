"""Compare tonight's sweep with last night's: moved quantities, new failures, changed inputs.

Runs are paired by ``run_id`` if both nights gave them the same overrides. Otherwise a pair would be
two different cases, and the distributions are compared instead. `NightComparison.paired` says which
of the two was done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.final_values import UNREADABLE, final_values
from gmat_sweep.analysis.nightly.comparison import NightComparison
from gmat_sweep.analysis.nightly.failures import drawn_failures, paired_failures
from gmat_sweep.analysis.nightly.inputs import InputHashes, input_changes
from gmat_sweep.analysis.nightly.shifts import MoveRule, QuantityShift, drawn_shift, paired_shift
from gmat_sweep.analysis.outcomes import where_failed
from gmat_sweep.analysis.recorded import RecordedSweep, SweepSource
from gmat_sweep.analysis.units import unit_of
from gmat_sweep.plans.independence import are_independent, design_name

if TYPE_CHECKING:
    import pandas as pd

    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = ["compare_sweeps"]


def compare_sweeps(
    tonight: SweepSource, last_night: SweepSource, *, rule: MoveRule | None = None
) -> NightComparison:
    """Compare two sweeps of one mission, such as tonight's and last night's.

    Parameters
    ----------
    tonight, last_night : str, Path, Manifest or Sweep
        The sweeps: a folder, a manifest, or a sweep that has run.
    rule : MoveRule, optional
        When a quantity counts as moved; by default 4 standard errors of the mean, or one run by
        more than one sigma, and never below a billionth of the quantity.

    Returns
    -------
    NightComparison
        Differences are tonight minus last night. ``moved`` is for an event, ``to_markdown()`` for
        a person, ``to_dict()`` for a program.

    Raises
    ------
    FileNotFoundError, ManifestCorruptError
        A manifest cannot be read.
    SweepConfigError
        A `Manifest` was neither saved nor loaded, or an ``inputs.json`` is damaged.

    Notes
    -----
    Runs of the same ``run_id`` are paired, and only if every id that both nights have was given the
    same overrides. GMAT gives the same numbers for the same inputs, so another input causes any
    difference of a pair. Independent draws differ anyway: their means are compared with Welch's
    standard error, and their distributions by a Kolmogorov-Smirnov test that is as sure as the
    rule's standard errors. Other designs than ``monte_carlo`` have no such error: where their runs
    cannot be paired, nothing is judged. Each quantity is judged by itself; expect a false alarm in
    one of 1 / `MoveRule.false_alarm` judgements of normal means.

    The interval of a change of failure rates is made as Newcombe does, from Clopper and Pearson's
    intervals in place of Wilson's: of paired runs, "Improved confidence
    intervals for the difference between binomial proportions based on paired data", Statistics in
    Medicine 17 (1998), method 10; of others, "Interval estimation for the difference between
    independent proportions", in the same volume, method 10.
    """
    rule = MoveRule() if rule is None else rule
    new, old = RecordedSweep.of(tonight), RecordedSweep.of(last_night)
    ran_now, ran_before = (
        {entry.run_id: entry for entry in sweep.entries if entry.status in {"ok", "failed"}}
        for sweep in (new, old)
    )
    common = sorted(ran_now.keys() & ran_before.keys())
    why_not = _why_not_paired([(ran_now[each], ran_before[each]) for each in common])
    designs = {design_name(sweep.manifest.parameter_spec) for sweep in (new, old)}
    design = designs.pop() if len(designs) == 1 else "mixed"
    if why_not:
        failures = drawn_failures(ran_now.values(), ran_before.values(), design)
    else:
        failures = paired_failures(
            [ran_now[each] for each in common], [ran_before[each] for each in common], design
        )
    ends_now, ends_before = final_values(new.manifest), final_values(old.manifest)
    return NightComparison(
        tonight=new.path,
        last_night=old.path,
        paired=not why_not,
        why_not_paired=why_not,
        common_runs=len(common),
        only_tonight=len(ran_now) - len(common),
        only_last_night=len(ran_before) - len(common),
        quantities=tuple(_shifts(ends_now, ends_before, rule, design, paired=not why_not)),
        failures=failures,
        inputs=input_changes(new, old),
        inputs_complete=all(InputHashes.read(sweep.folder) is not None for sweep in (new, old)),
        unreadable_tonight=ends_now.attrs[UNREADABLE],
        unreadable_last_night=ends_before.attrs[UNREADABLE],
        rule=rule,
        design=design,
        where_failed=where_failed(new.entries),
    )


def _why_not_paired(pairs: Sequence[tuple[ManifestEntry, ManifestEntry]]) -> str:
    if not pairs:
        return "no run id was run in both nights"
    differing = [now.run_id for now, before in pairs if not _same(now.overrides, before.overrides)]
    if not differing:
        return ""
    return (
        f"{len(differing)} of the {len(pairs)} runs of both nights had other overrides, "
        f"run {differing[0]} first"
    )


def _same(now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    # NaN is the same override as NaN, although it does not equal itself.
    return now == before or repr(sorted(now.items())) == repr(sorted(before.items()))


def _shifts(
    tonight: pd.DataFrame, last: pd.DataFrame, rule: MoveRule, design: str, *, paired: bool
) -> Iterable[QuantityShift]:
    import numpy as np

    if paired:
        both = tonight.index.intersection(last.index).sort_values()
        tonight, last = tonight.loc[both], last.loc[both]
    columns = tonight.columns.append(last.columns.difference(tonight.columns, sort=False))
    run_ids = tonight.index.to_numpy()
    reports, quantities = (columns.get_level_values(level) for level in ("report", "quantity"))
    for report, quantity in zip(reports, quantities, strict=True):
        now, before = (
            ends[report, quantity].to_numpy()
            if (report, quantity) in ends.columns
            else np.full(len(ends), np.nan)
            for ends in (tonight, last)
        )
        unit, sure = unit_of(quantity), are_independent(design)
        if paired:
            yield paired_shift(report, quantity, unit, run_ids, now, before, rule, independent=sure)
        else:
            yield drawn_shift(report, quantity, unit, now, before, rule, independent=sure)
