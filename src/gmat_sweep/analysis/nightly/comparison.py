"""The result of comparing two nights, and its text: headline first, tables after."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.markdown import LONGEST_CAUSE, number, plain, table
from gmat_sweep.analysis.nightly.failures import FailureChange
from gmat_sweep.analysis.nightly.inputs import InputChange
from gmat_sweep.analysis.nightly.quantity_text import quantity_parts
from gmat_sweep.analysis.nightly.requirement_changes import RequirementChange
from gmat_sweep.analysis.nightly.rules import MaterialRule
from gmat_sweep.analysis.nightly.shifts import FIGURES, QuantityShift
from gmat_sweep.analysis.outcomes import run_list
from gmat_sweep.plans.independence import INDEPENDENT, no_independent_draws
from gmat_sweep.printable import one_line

if TYPE_CHECKING:
    from gmat_sweep.analysis.outcomes import FailureGroup

__all__ = ["NightComparison"]

_MOST_ROWS = 40
_CLUSTERS_SHOWN = 3
_HASH_LENGTH = 64
_HASH_SHOWN = 12


@dataclass(frozen=True, slots=True)
class NightComparison:
    """Tonight's sweep against another night's, such as last night's or the baseline.

    Attributes
    ----------
    tonight, last_night : Path
        The manifests of tonight and of the other night.
    paired : bool
        Whether runs were compared one by one, rather than two sets of draws.
    why_not_paired : str
        The reason; empty if runs are paired.
    common_runs : int
        Run ids that ended ok or failed in both nights.
    only_tonight, only_last_night : int
        Run ids that ended ok or failed in one night alone.
    quantities : tuple of QuantityShift
        Each numeric column of each report of either night, at the end of the run.
    failures : FailureChange
        The runs that newly fail and newly pass, and the failure rates.
    inputs : tuple of InputChange
        The inputs that differ.
    inputs_complete : bool
        Whether both nights have ``inputs.json``. If not, only the inputs in the manifests' headers
        were compared: script, plan and main versions.
    unreadable_tonight, unreadable_last_night : mapping of int to str
        Runs whose report files could not be read, and why.
    rule : MaterialRule
        When a quantity counted as moved.
    design : str
        The design of both nights, as `design_name` gives it; ``"mixed"`` if they differ.
    where_failed : tuple of str
        Where tonight's failures lie among the varied fields, in words.
    requirements : tuple of RequirementChange
        What the runs of both nights say of the requirements that were asked for.
    tests : int
        Of two sets of draws: how many tests were judged together.
    against : str
        What the other night is called.
    """

    tonight: Path
    last_night: Path
    paired: bool
    why_not_paired: str
    common_runs: int
    only_tonight: int
    only_last_night: int
    quantities: tuple[QuantityShift, ...]
    failures: FailureChange
    inputs: tuple[InputChange, ...]
    inputs_complete: bool
    unreadable_tonight: Mapping[int, str]
    unreadable_last_night: Mapping[int, str]
    rule: MaterialRule
    design: str = INDEPENDENT
    where_failed: tuple[str, ...] = ()
    requirements: tuple[RequirementChange, ...] = ()
    tests: int = 0
    against: str = "last night"

    @property
    def moved_quantities(self) -> tuple[QuantityShift, ...]:
        """The quantities whose verdict is ``"moved"``."""
        return tuple(each for each in self.quantities if each.verdict == "moved")

    @property
    def moved(self) -> bool:
        """Whether a quantity, the failures or the outcomes of a requirement moved."""
        return (
            bool(self.moved_quantities)
            or self.failures.moved
            or any(each.moved for each in self.requirements)
        )

    @property
    def changed(self) -> str:
        """One line on the quantities whose verdict is ``"changed"``; empty without any."""
        changed = [each for each in self.quantities if each.verdict == "changed"]
        if not changed:
            return ""
        told = f"Changed by less than matters: {_many(len(changed), 'quantity')}"
        ranked = [(each.largest(), each) for each in changed if not each.at_goal]
        found = [(largest, each) for largest, each in ranked if largest is not None]
        if not found:
            return f"{told}."
        (name, by, _), most = max(found, key=lambda pair: pair[0][2])
        figure = f"run {most.largest_run}" if name == "run" else FIGURES[name]
        size = " ".join(filter(None, [number(by), most.unit]))
        if most.sigma_last:
            size += f", {abs(by) / most.sigma_last:.2g} sigma"
        return f"{told}, most of all {most.quantity}: {figure} by {size}."

    def headline(self) -> str:
        """Return one or two sentences that say whether something moved, as plain text."""
        others = sum(len(group.run_ids) for group in self.failures.otherwise)
        apart = f" {_many(others, 'run')} failed otherwise." if others else ""
        return one_line(f"{self._what_moved()}{apart} {self._what_changed()}")

    def to_markdown(self, *, narrow: bool = False) -> str:
        """Return the comparison as Markdown: the headline, then inputs, failures, quantities.

        Parameters
        ----------
        narrow : bool
            For a page that cuts wide tables off, as for `FinalReport.to_markdown`.
        """
        parts = [f"**{plain(self.headline())}**", _facts(self)]
        if self.inputs:
            parts += ["## Inputs that changed", _input_table(self.inputs, plain(self.against))]
        if self.requirements:
            parts += ["## Requirements", _requirement_lines(self)]
        if failures := _failure_table(self.failures, narrow=narrow):
            parts += ["## Failures", failures]
        if self.quantities:
            parts.append(f"## At the end of the run, tonight minus {plain(self.against)}")
            parts += quantity_parts(self, narrow=narrow)
            # Numbers of survivors say so: failures may depend on what was varied.
            whose = "that are ok in both nights" if self.paired else "that are ok"
            parts.append(f"Only runs {whose} are compared here.")
        parts += _unreadable("tonight", self.unreadable_tonight)
        parts += _unreadable(plain(self.against), self.unreadable_last_night)
        return "\n\n".join(parts) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values, with ``moved``, ``headline``, ``changed``.

        A number that is not finite becomes None.
        """
        record: dict[str, Any] = _json_safe(asdict(self))
        told = {"headline": self.headline(), "moved": self.moved, "changed": self.changed}
        return {**told, **record}

    def _what_moved(self) -> str:
        compared = [each for each in self.quantities if each.verdict != "no data"]
        parts = []
        if self.moved_quantities:
            parts.append(f"{len(self.moved_quantities)} of {_many(len(compared), 'quantity')}")
        for groups, doing in (
            (self.failures.newly_failing, "newly failing"),
            (self.failures.newly_passing, "newly passing"),
        ):
            if count := sum(len(group.run_ids) for group in groups):
                parts.append(f"{_many(count, 'run')} {doing}")
        if self.failures.beyond_chance:
            parts.append("the failure rate")
        parts += [f"requirement {each.name}" for each in self.requirements if each.moved]
        if parts:
            return f"Moved: {', '.join(parts)}."
        runs = _many(self.common_runs, "paired run") if self.paired else "two sets of draws"
        if not compared:
            return f"Nothing can be compared: no reported quantity has values in both of {runs}."
        verdicts = Counter(each.verdict for each in compared)
        if verdicts["not judged"]:
            reason = no_independent_draws(self.design)
            return f"Nothing is judged: {reason}, and the nights drew other ones."
        if self.paired and verdicts["equal"] == len(compared):
            return f"Nothing moved: all quantities are equal bit for bit in {runs}."
        return f"Nothing moved among {_many(len(compared), 'quantity')} of {runs}."

    def _what_changed(self) -> str:
        if not self.inputs:
            return (
                "No input changed."
                if self.inputs_complete
                else "No input changed as far as the manifests tell."
            )
        names = [f"{change.group} {change.name}" for change in self.inputs]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f"{_many(len(names), 'input')} changed: {', '.join(names[:3])}{more}."


def _facts(nights: NightComparison) -> str:
    if nights.paired:
        done = f"{nights.common_runs} runs are compared one by one: both nights drew the same"
    else:
        done = (
            "runs cannot be compared one by one, so the two nights are compared as sets of draws: "
            f"{plain(nights.why_not_paired)}"
        )
    lines = [
        f"- tonight: `{nights.tonight}`",
        f"- {plain(nights.against)}: `{nights.last_night}`",
        f"- {done}",
        f"- failure rate: {_rates(nights)}",
        *(f"- tonight {plain(line)}" for line in nights.where_failed[:_CLUSTERS_SHOWN]),
    ]
    if nights.paired and (nights.only_tonight or nights.only_last_night):
        lines.append(
            f"- not compared: {_many(nights.only_tonight, 'run')} of tonight alone, "
            f"{nights.only_last_night} of {plain(nights.against)} alone"
        )
    if not nights.inputs_complete:
        lines.append(
            "- one of the nights has no `inputs.json`: included files, the engine's data and most "
            "packages are not compared"
        )
    return "\n".join(lines)


def _rates(nights: NightComparison) -> str:
    failures = nights.failures
    other = plain(nights.against)
    both = f"{failures.rate_tonight.text()} tonight, {failures.rate_last.text()} {other}"
    if failures.change is None:
        return both
    interval = ""
    if failures.low is not None:
        interval = f" (95 % interval {_points(failures.low)} to {_points(failures.high)})"
    test = ""
    if failures.pvalue is not None:
        test = f", p = {failures.pvalue:.2g}, of all tests {failures.adjusted_pvalue:.2g}"
    return f"{both}; change {_points(failures.change)}{interval} percentage points{test}"


def _points(share: float | None) -> str:
    return "" if share is None else f"{100 * share:+.3g}"


def _requirement_lines(nights: NightComparison) -> str:
    lines = []
    for each in nights.requirements:
        counts = (
            f"{each.violations_tonight} of {each.runs_tonight} violate tonight, "
            f"{each.violations_last} of {each.runs_last} {plain(nights.against)}"
        )
        if each.pvalue is not None:
            counts += f", p = {each.pvalue:.2g}, of all tests {each.adjusted_pvalue:.2g}"
        told = [counts]
        if each.newly_violating:
            told.append(f"violated anew by run {run_list(each.newly_violating)}")
        if each.newly_holding:
            told.append(f"no longer by run {run_list(each.newly_holding)}")
        if each.why_not:
            told = [f"not compared: {plain(each.why_not)}"]
        name = f"**{each.name}**" if each.moved else each.name
        lines.append(f"- {name}: {'; '.join(told)}")
    return "\n".join(lines)


def _input_table(inputs: tuple[InputChange, ...], against: str) -> str:
    rows = [
        [plain(each.group), plain(each.name), _value(each.before), _value(each.after)]
        for each in inputs[:_MOST_ROWS]
    ]
    if len(inputs) > _MOST_ROWS:
        rows.append(["", f"{len(inputs) - _MOST_ROWS} further inputs", "", ""])
    return table(["input", "name", against, "tonight"], rows, ())


def _value(value: str | None) -> str:
    if value is None:
        return "absent"
    is_hash = len(value) == _HASH_LENGTH and set(value) <= set("0123456789abcdef")
    return plain(value[:_HASH_SHOWN] if is_hash else value)


def _failure_table(failures: FailureChange, *, narrow: bool) -> str:
    kinds: tuple[tuple[str, tuple[FailureGroup, ...]], ...] = (
        ("newly failing", failures.newly_failing),
        ("newly passing", failures.newly_passing),
        ("failing in both", failures.failing_in_both),
        ("failed otherwise tonight", failures.otherwise),
    )
    if narrow:
        return "\n".join(
            f"- {kind}, {len(group.run_ids)} x (run {run_list(group.run_ids)}): "
            f"{plain(group.cause, LONGEST_CAUSE)}"
            for kind, groups in kinds
            for group in groups[:_MOST_ROWS]
        )
    rows = [
        [kind, plain(group.cause), str(len(group.run_ids)), run_list(group.run_ids)]
        for kind, groups in kinds
        for group in groups[:_MOST_ROWS]
    ]
    return table(["", "cause", "runs", "run ids"], rows, {"runs"}) if rows else ""


def _unreadable(night: str, unreadable: Mapping[int, str]) -> list[str]:
    if not unreadable:
        return []
    run_id, reason = next(iter(unreadable.items()))
    files = f"The files of {_many(len(unreadable), 'run')} of {night}"
    return [f"{files} could not be read and do not count; run {run_id}: {plain(reason)}"]


def _many(count: int, what: str) -> str:
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{count} {what if count == 1 else plural}"


def _json_safe(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _json_safe(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_json_safe(member) for member in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
