"""The quantities of two nights in Markdown: a table, and what counted as moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gmat_sweep.analysis.markdown import narrow_tables, number, plain, table
from gmat_sweep.analysis.nightly.chance import LEAST_RUNS, LEAST_RUNS_OF_SPREAD
from gmat_sweep.analysis.nightly.rules import MaterialRule
from gmat_sweep.analysis.nightly.shifts import FIGURES, QuantityShift
from gmat_sweep.plans.independence import are_independent, no_independent_draws

__all__ = ["quantity_parts"]

_VERDICTS = ("moved", "changed", "equal", "not moved", "not judged", "no data")
_NAMED = 8
# Short, for the pages of the Prefect UI.
_WHY = {**FIGURES, "mean": "mean"}


class _Compared(Protocol):
    """What the text tells of a `NightComparison`."""

    @property
    def quantities(self) -> tuple[QuantityShift, ...]: ...
    @property
    def changed(self) -> str: ...
    @property
    def paired(self) -> bool: ...
    @property
    def rule(self) -> MaterialRule: ...
    @property
    def design(self) -> str: ...
    @property
    def tests(self) -> int: ...
    @property
    def against(self) -> str: ...


def quantity_parts(nights: _Compared, *, narrow: bool) -> list[str]:
    """Return the paragraphs on the quantities.

    Of the same runs the table has those that moved. All that changed by less than matters is one
    line. Of two sets of draws the table has all quantities.
    """
    shown = sorted(nights.quantities, key=lambda each: _VERDICTS.index(each.verdict))
    parts = []
    if nights.paired:
        shown = [each for each in shown if each.verdict == "moved"]
        parts = [plain(nights.changed)] if nights.changed else []
        parts += _counts(nights)
    tables = [_table(shown, nights, narrow=narrow)] if shown else []
    return [*tables, *parts, _rule(nights)]


def _counts(nights: _Compared) -> list[str]:
    found = []
    equal = sum(each.verdict == "equal" for each in nights.quantities)
    if equal:
        found.append(f"Equal bit for bit: {equal} of {len(nights.quantities)} quantities.")
    for said, names in (
        (
            "No value in either night",
            [e.quantity for e in nights.quantities if e.verdict == "no data"],
        ),
        (
            "Held to its goal by a solver, so that the goal is compared",
            [e.quantity for e in nights.quantities if e.at_goal],
        ),
    ):
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            found.append(f"{said}: {', '.join(map(plain, names[:_NAMED]))}{more}.")
    return found


def _table(shown: Sequence[QuantityShift], nights: _Compared, *, narrow: bool) -> str:
    figures = ["mean", "5 %", "50 %", "95 %", "sigma"]
    if nights.paired:
        compared = [*figures, "matters from", "largest of a run", "run", "pairs", "equal"]
        cells = [_paired_cells(each) for each in shown]
    else:
        compared = [
            *figures,
            "standard error",
            "t: p",
            "sigma: p",
            "KS: p",
            "all tests: p",
            "runs",
            "before",
        ]
        cells = [_drawn_cells(each) for each in shown]
    scale = ["its mean", "its sigma"]
    heads = ["report", "quantity", "unit", "verdict", *compared, *scale]
    rows = [
        [
            *(plain(each.report), plain(each.quantity), each.unit),
            _verdict(each),
            *told,
            number(each.mean_last, each.sigma_last),
            number(each.sigma_last),
        ]
        for each, told in zip(shown, cells, strict=True)
    ]
    if len({each.report for each in nights.quantities}) == 1:
        heads, rows = heads[1:], [row[1:] for row in rows]
    numeric = [*compared, *scale]
    if not narrow:
        return table(heads, rows, numeric)
    last = compared[len(figures) :]
    groups = [("unit", "verdict"), figures[:1], figures[1:4], figures[4:]]
    groups += [last[at : at + 3] for at in range(0, len(last), 3)]
    return narrow_tables(heads, rows, numeric, [*groups, scale])


def _verdict(shift: QuantityShift) -> str:
    if shift.verdict != "moved":
        return shift.verdict
    return f"**moved**: {', '.join(_WHY.get(each, each) for each in shift.why)}"


def _shifts(shift: QuantityShift) -> list[str]:
    return [number(getattr(shift, f"{name}_shift")) for name in FIGURES]


def _paired_cells(shift: QuantityShift) -> list[str]:
    run = "" if shift.largest_run is None or not shift.largest_shift else str(shift.largest_run)
    return [
        *_shifts(shift),
        *(number(each) for each in (shift.limit, shift.largest_shift)),
        run,
        *("" if each is None else str(each) for each in (shift.pairs, shift.equal_runs)),
    ]


def _drawn_cells(shift: QuantityShift) -> list[str]:
    tests = (shift.t_pvalue, shift.spread_pvalue, shift.ks_pvalue, shift.adjusted_pvalue)
    return [
        *_shifts(shift),
        number(shift.standard_error),
        *("" if each is None else f"{each:.2g}" for each in tests),
        *(str(each) for each in (shift.runs_tonight, shift.runs_last)),
    ]


def _rule(nights: _Compared) -> str:
    rule, other = nights.rule, plain(nights.against)
    if nights.paired:
        sizes = "".join(
            f" What matters of {plain(name)} is {size if isinstance(size, str) else f'{size:g}'}."
            for name, size in rule.quantities.items()
        )
        return (
            "Moved is a quantity whose mean, percentile of 5, 50 or 95 % or sigma shifted by more "
            f"than {rule.material:g} of {other}'s sigma, or one of whose runs did by more "
            f"than {rule.run_sigmas:g} of it, or that has a value in only one of the nights."
            f"{sizes} Never less than 1 mm, 1 um/s, 1e-09 deg, 1 us, or 1e-09 of the sigma."
        )
    if not are_independent(nights.design):
        return f"There are no standard errors and no tests: {no_independent_draws(nights.design)}."
    return (
        f"Moved is what chance alone would call so in {100 * rule.false_alarms:g} % of nights at "
        f"most: {nights.tests} tests are judged together (Holm). Means by Welch's t-test, from "
        f"{LEAST_RUNS} runs on; spreads by Brown and Forsythe's, from {LEAST_RUNS_OF_SPREAD} runs "
        "on; distributions by that of Kolmogorov and Smirnov; failures, "
        "violations and missing values by Fisher's exact test."
    )
