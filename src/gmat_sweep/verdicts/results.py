"""`Verdicts`: what a sweep shows of its requirements, as text, as Markdown and as strict JSON."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.markdown import LONGEST_CAUSE, narrow_tables, plain, table
from gmat_sweep.analysis.outcomes import run_list
from gmat_sweep.disk.files import write_file
from gmat_sweep.folder.layout import VERDICTS_DATA_NAME, VERDICTS_TEXT_NAME
from gmat_sweep.printable import one_line
from gmat_sweep.verdicts.ruling import NOT_SHOWN

if TYPE_CHECKING:
    from gmat_sweep.verdicts.requirement import PlanName, Requirement, Verdict

__all__ = ["VERDICTS_SCHEMA_VERSION", "RequirementVerdict", "Verdicts"]

VERDICTS_SCHEMA_VERSION = 1
"""Schema version of ``verdicts.json``. A new key does not raise it."""

_RUNS_SHOWN = 20
_NAMED = 3
_REPLAYED = 5
_SHARE_DIGITS = 3
_VALUE_DIGITS = 4


@dataclass(frozen=True, slots=True)
class RequirementVerdict:
    """What a sweep shows of one requirement.

    Attributes
    ----------
    requirement : Requirement
        The requirement.
    verdict : {"PASS", "FAIL", "INCONCLUSIVE", "NOT APPLICABLE"}
        Shown to hold, shown not to hold, neither, or this design or data cannot answer.
    plan : {"fixed", "anytime"}
        The rule that was used.
    reason : str
        Why the verdict is neither PASS nor FAIL; empty for these two.
    n : int
        Runs that are counted.
    violations, unknown : int
        How many of them violate it, and how many do not tell. For PASS an unknown run counts as a
        violation, for FAIL as none.
    p_pass, p_fail : float or None
        Of a fixed plan: the probability of at most, and of at least, as many violations if exactly
        the allowed share violates. Runs to come count as unknown.
    evidence_pass, evidence_fail : float or None
        Of the plan ``anytime``: natural logarithms of the evidence. A verdict is reached at
        ``ln(1 / alpha)``.
    reached_at : int or None
        How many runs were counted when the verdict was reached.
    violation_upper, violation_lower : float or None
        One-sided bounds of the probability of a violation, each at the requirement's confidence.
    value_bound : float or None
        Of a `limit` in a fixed plan: the order-statistic bound of the quantile that the limit is
        for, in the requirement's unit; None if the runs are too few for one.
    margin : float or None
        By how much the worst run meets the limit; negative: by how much it violates it.
    worst_runs : tuple of (int, float)
        The ten runs nearest to the limit or farthest beyond it, each with its number; the worst
        first.
    violating_runs : tuple of int
        All runs that count as violations.
    failed : mapping of str to int
        ``mission``: runs that failed in the mission; ``unknown``: runs that failed otherwise.
    needed : mapping or None
        What would show something. Of a fixed plan: the new sample that passes at the observed rate
        with a probability of ``power`` (``runs``, ``allowed``, ``rate``, ``power``,
        ``pass_probability``). Of the plan ``anytime``: further runs to PASS ``without_violation``
        and ``with_one``.
    notes : tuple of str
        What a reader of the verdict must know besides.
    """

    requirement: Requirement
    verdict: Verdict
    plan: PlanName
    reason: str = ""
    n: int = 0
    violations: int = 0
    unknown: int = 0
    p_pass: float | None = None
    p_fail: float | None = None
    evidence_pass: float | None = None
    evidence_fail: float | None = None
    reached_at: int | None = None
    violation_upper: float | None = None
    violation_lower: float | None = None
    value_bound: float | None = None
    margin: float | None = None
    worst_runs: tuple[tuple[int, float], ...] = ()
    violating_runs: tuple[int, ...] = ()
    failed: Mapping[str, int] = field(default_factory=lambda: {"mission": 0, "unknown": 0})
    needed: Mapping[str, int | float] | None = None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The requirement's name."""
        return self.requirement.name

    @property
    def text(self) -> str:
        """The verdict in a line, for a person: counts, bound, how sure."""
        counts = f"{self.violations} of {self.n}"
        if self.value_bound is None:
            counts += " violate" if self.violations != 1 else " violates"
        if self.unknown:
            counts += f", {self.unknown} unknown"
        if self.verdict == "NOT APPLICABLE":
            return f"{self.reason.removesuffix('.')}; {counts}" if self.n else self.reason
        parts = [counts, self._bound()]
        if self.verdict == "INCONCLUSIVE" and self.reason != NOT_SHOWN:
            parts.append(self.reason)
        figures = self._figures()
        return "; ".join(filter(None, parts)) + (f" ({figures})" if figures else "")

    @property
    def advice(self) -> str:
        """What would show something, in a line; empty if nothing is known to."""
        needed = self.needed
        if needed is None:
            return ""
        if "runs" in needed:
            most = int(needed["allowed"])
            if not needed["rate"]:
                return f"a new sample of {needed['runs']} runs passes if none violates"
            with_most = (
                f"with {most} violation{'s' * (most > 1)} or fewer"
                if most
                else "without a violation"
            )
            return (
                f"if {share(needed['rate'])} is the truth, a new sample of {needed['runs']} runs "
                f"passes {with_most}, {10 * needed['power']:.3g} times in 10"
            )
        return (
            f"PASS after {needed['without_violation']} more runs without a violation, "
            f"{needed['with_one']} with one"
        )

    @property
    def _needed(self) -> str:
        """`needed` in a word or two, for a table."""
        if self.needed is None:
            return ""
        if "runs" in self.needed:
            return f"{self.needed['runs']} new runs"
        return f"{self.needed['without_violation']} more runs"

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as ``verdicts.json`` has it."""
        asked = self.requirement
        return {
            "name": asked.name,
            "identity": asked.identity,
            "statement": asked.statement,
            "probability": asked.level,
            "confidence": asked.confidence,
            "verdict": self.verdict,
            "reason": self.reason,
            "n": self.n,
            "violations": self.violations,
            "unknown": self.unknown,
            "p_pass": _json(self.p_pass),
            "p_fail": _json(self.p_fail),
            "evidence_pass": _json(self.evidence_pass),
            "evidence_fail": _json(self.evidence_fail),
            "reached_at": self.reached_at,
            "violation_upper": _json(self.violation_upper),
            "violation_lower": _json(self.violation_lower),
            "value_bound": _json(self.value_bound),
            "margin": _json(self.margin),
            "worst_runs": [[run_id, _json(value)] for run_id, value in self.worst_runs],
            "violating_runs": list(self.violating_runs),
            "failed": dict(self.failed),
            "needed": None if self.needed is None else dict(self.needed),
            "policy": {
                "missing": asked.missing,
                "failed": asked.failed,
                "timeout": asked.timeout,
            },
            "notes": list(self.notes),
            "definition": asked.to_dict(),
        }

    def _bound(self) -> str:
        surely = f"with {share(self.requirement.confidence)} confidence"
        if self.value_bound is not None and self.requirement.limit is not None:
            below = self.requirement.limit.startswith("<")
            level, limit = self.requirement.level or 0.0, self.requirement.limit.lstrip("<>= ")
            return (
                f"{_ordinal(level if below else 1 - level)} percentile is "
                f"{'below' if below else 'above'} "
                f"{_outward(self.value_bound, float(limit), up=below)}{self._unit} {surely}, "
                f"limit {limit}"
            )
        if self.verdict == "FAIL" and self.violation_lower:
            return f"at least {share(self.violation_lower, up=False)} do, {surely}"
        if self.verdict != "FAIL" and self.violation_upper is not None and self.violation_upper < 1:
            whenever = " whenever one looks" if self.plan == "anytime" else ""
            return f"at most {share(self.violation_upper, up=True)} do, {surely}{whenever}"
        return ""

    @property
    def _unit(self) -> str:
        return f" {self.requirement.unit}" if self.requirement.unit else ""

    def _figures(self) -> str:
        if self.p_pass is not None and self.p_fail is not None:
            figures = {"p_pass": self.p_pass, "p_fail": self.p_fail}
            if self.verdict in ("PASS", "FAIL"):
                kept = f"p_{self.verdict.lower()}"
                figures = {kept: figures[kept]}
            return ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
        if self.evidence_pass is not None and self.evidence_fail is not None:
            evidence = (
                f"evidence {_evidence(self.evidence_pass)} for, "
                f"{_evidence(self.evidence_fail)} against, of {1 / self.requirement.alpha:.3g}"
            )
            return self._when() or evidence
        return self._when()

    def _when(self) -> str:
        if self.reached_at is None:
            return ""
        return f"reached after {self.reached_at} run{'s' * (self.reached_at != 1)}"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Verdicts:
    """What a sweep shows of all its requirements.

    Attributes
    ----------
    verdict : {"PASS", "FAIL", "INCONCLUSIVE", "NOT APPLICABLE"}
        Of the campaign: PASS if every requirement passes; FAIL if one fails at its alpha divided
        by the number of requirements.
    requirements : tuple of RequirementVerdict
        In the order of the requirements' file.
    plan : {"fixed", "anytime"}
        The rule.
    manifest : Path
        The manifest.
    manifest_lines : int
        How many lines of it were judged, the header's included.
    design : str
        Kind of the sweep, such as ``monte_carlo``.
    seed : int or None
        The sweep's seed.
    planned : int
        Runs of the sweep, extensions included.
    prefix : int
        Runs without a gap from run 0 on: those that are judged.
    beyond_prefix : int
        Runs that ended and are not judged, because one before them has no entry yet.
    script_sha256 : str
        Hash of the mission script.
    reason : str
        Why the campaign is not what its requirements are; empty if it is.
    notes : tuple of str
        What a reader must know besides.
    chosen_after : bool
        Whether the plan or a requirement was chosen after a first judgement of the same data. Such
        a campaign is never PASS.
    overrides : mapping of int to mapping
        Values of the runs that violate a requirement, the first 20 of each, and of its worst runs.
    """

    verdict: Verdict
    requirements: tuple[RequirementVerdict, ...]
    plan: PlanName
    manifest: Path
    manifest_lines: int
    design: str
    seed: int | None
    planned: int
    prefix: int
    beyond_prefix: int
    script_sha256: str
    reason: str = ""
    notes: tuple[str, ...] = ()
    chosen_after: bool = False
    overrides: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder of the manifest, which all functions that read a sweep take."""
        return self.manifest.parent

    def __getitem__(self, name: str) -> RequirementVerdict:
        """Return the verdict of the requirement of a name.

        Raises
        ------
        KeyError
            There is none.
        """
        for each in self.requirements:
            if each.name == name:
                return each
        raise KeyError(name)

    @property
    def headline(self) -> str:
        """The campaign's verdict and what it rests on, in a sentence."""
        return f"{self.verdict}: {self._grounds()}"

    def _grounds(self) -> str:
        """Return which requirements the verdict rests on, and why."""
        count = len(self.requirements)
        if self.verdict == "PASS":
            return f"the {count} requirements are met" if count > 1 else "the requirement is met"
        at_fault = [each for each in self.requirements if each.verdict == self.verdict]
        words = {"FAIL": "not met", "INCONCLUSIVE": "not decided"}.get(self.verdict, "not judged")
        told = "; ".join(f"{each.name} ({each.text})" for each in at_fault[:_NAMED])
        more = f", and {len(at_fault) - _NAMED} more" if len(at_fault) > _NAMED else ""
        are = "is" if len(at_fault) == 1 else "are"
        if not at_fault:
            return self.reason
        of_all = "the requirement" if count == 1 else f"{len(at_fault)} of {count} requirements"
        why = f"; {self.reason}" if self.reason else ""
        return f"{of_all} {are} {words}: {told}{more}{why}"

    def to_dict(self) -> dict[str, Any]:
        """Return the verdicts as ``verdicts.json`` has them; every number is finite."""
        return {
            "schema_version": VERDICTS_SCHEMA_VERSION,
            "verdict": self.verdict,
            "plan": self.plan,
            "manifest": self.manifest.as_posix(),
            "manifest_lines": self.manifest_lines,
            "design": self.design,
            "seed": self.seed,
            "planned": self.planned,
            "prefix": self.prefix,
            "beyond_prefix": self.beyond_prefix,
            "script_sha256": self.script_sha256,
            "requirements": [each.to_dict() for each in self.requirements],
        }

    def to_json(self) -> str:
        """Return `to_dict` as strict JSON, ending in a newline."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"

    def to_text(self) -> str:
        """Return a line per requirement with what explains it, and the campaign's verdict."""
        names = [*(each.name for each in self.requirements), "campaign"]
        wide = max(map(len, names))
        verdicts = [*(each.verdict for each in self.requirements), self.verdict]
        wider = max(map(len, verdicts)) + 1
        lines = []
        for each in self.requirements:
            lines.append(f"{each.name:<{wide}} {each.verdict:<{wider}} {each.text}")
            further = [each.advice, *each.notes]
            lines += [f"{'':<{wide + wider + 2}}{text}" for text in further if text]
        lines.append(f"{'campaign':<{wide}} {self.verdict:<{wider}} {self.reason}".rstrip())
        lines += [f"{'':<{wide + wider + 2}}{note}" for note in self.notes]
        return "\n".join(map(one_line, lines))

    def to_markdown(self, *, narrow: bool = False) -> str:
        """Return the verdicts as Markdown: the campaign, a row per requirement, what explains them.

        At most 20 violating runs of each requirement are listed, with their values.

        Parameters
        ----------
        narrow : bool
            Whether tables are cut to what a page of Prefect's UI shows.
        """
        grounds = plain(self._grounds(), LONGEST_CAUSE)
        parts = [f"**{self.verdict}**: {grounds}", self._table(narrow=narrow)]
        if violating := self._violating_runs(narrow=narrow):
            parts += ["## Runs that violate", violating]
        if replays := self._replays():
            told = "Each command writes the scripts that the worst runs flew, for GMAT to open:"
            parts += ["## The worst runs again", told, replays]
        parts += ["## How it was judged", self._facts()]
        return "\n\n".join(parts) + "\n"

    def write(self, folder: Path | None = None) -> tuple[Path, Path]:
        """Write ``verdicts.json`` and ``verdicts.md``, and return their paths.

        A file of an earlier judgement is replaced whole: a reader finds the old or the new one.

        Parameters
        ----------
        folder : Path, optional
            Where to; beside the manifest when left out.

        Raises
        ------
        DurabilityError, NotPlainFileError
            They could not be written.
        """
        place = self.manifest.parent if folder is None else folder
        data, text = place / VERDICTS_DATA_NAME, place / VERDICTS_TEXT_NAME
        write_file(data, self.to_json().encode())
        write_file(text, self.to_markdown().encode())
        return data, text

    def _table(self, *, narrow: bool) -> str:
        what = ["verdict", "statement"]
        counts = ["n", "violations", "bound of p", "allowed", "needed"]
        values = ["value bound", "margin"]
        heads = ["requirement", *what, *counts, *values]
        rows = [
            [
                each.name,
                each.verdict,
                plain(each.requirement.statement),
                str(each.n),
                f"{each.violations}" + (f" ({each.unknown} unknown)" if each.unknown else ""),
                _at_most(each),
                share(each.requirement.allowed),
                each._needed,
                "" if each.value_bound is None else f"{each.value_bound:.6g}{each._unit}",
                "" if each.margin is None else f"{each.margin:.6g}{each._unit}",
            ]
            for each in self.requirements
        ]
        # In no plan does every requirement fill them all.
        kept = [place for place in range(len(heads)) if any(row[place] for row in rows)]
        heads = [heads[place] for place in kept]
        rows = [[row[place] for place in kept] for row in rows]
        numeric = {"n", "violations", "bound of p", "allowed"}
        if narrow:
            return narrow_tables(heads, rows, numeric, [what, counts, values])
        return table(heads, rows, numeric)

    def _violating_runs(self, *, narrow: bool) -> str:
        rows = []
        for each in self.requirements:
            rows += [
                [
                    each.name,
                    str(run_id),
                    plain(
                        ", ".join(
                            f"{name} = {value}"
                            for name, value in self.overrides.get(run_id, {}).items()
                        )
                    ),
                ]
                for run_id in each.violating_runs[:_RUNS_SHOWN]
            ]
        if not rows:
            return ""
        if narrow:
            # A page wraps the lines of a list, and cuts off those of a table.
            return "\n".join(f"- {name}, run {run}: {values}" for name, run, values in rows)
        return table(["requirement", "run", "values"], rows, {"run"})

    def _replays(self) -> str:
        """Return how to have the worst runs, as commands."""
        manifest = shlex.quote(self.manifest.as_posix())
        lines = []
        for each in self.requirements:
            if not (each.violating_runs or each.worst_runs):
                continue
            which = f"--worst {_REPLAYED} --requirement {each.name}"
            command = one_line(f"gmat-sweep replay {manifest} {which}")
            runs = f"{len(each.violating_runs)} violate" if each.violating_runs else "none violates"
            lines.append(f"- {each.name}, {runs}: `{command}`")
        return "\n".join(lines)

    def _facts(self) -> str:
        runs = f"{self.prefix} of {self.planned} runs judged"
        script = f"script `{one_line(self.script_sha256[:12])}`"
        facts = [
            f"- plan {self.plan}; {self.design.replace('_', ' ')}, seed {self.seed}; {runs}",
            f"- manifest: `{one_line(self.manifest)}`, {self.manifest_lines} lines; {script}",
            *(f"- {plain(note)}" for note in self.notes),
        ]
        for each in self.requirements:
            told = [each.text, each.advice, *each.notes]
            facts.append(f"- {each.name} (`{each.requirement.identity[:12]}`): {plain(told[0])}")
            facts += [f"    - {plain(note)}" for note in told[1:] if note]
            asked = each.requirement
            facts.append(
                f"    - a number that is missing {_policy(asked.missing)}, a run that fails in the "
                f"mission {_policy(asked.failed)}, a timeout {_policy(asked.timeout)}"
            )
            if len(each.violating_runs) > _RUNS_SHOWN:
                facts.append(
                    f"    - {len(each.violating_runs)} runs violate: "
                    f"{run_list(each.violating_runs, _RUNS_SHOWN)}"
                )
        return "\n".join(facts)


def share(value: float, *, up: bool | None = None) -> str:
    """Return a share in percent, rounded up or down if that is asked for."""
    percent = 100 * Decimal(repr(value))
    if up is None:
        return f"{float(percent):.3g} %"
    rounding = ROUND_CEILING if up else ROUND_FLOOR
    rounded = Context(prec=_SHARE_DIGITS, rounding=rounding).plus(percent)
    return f"{float(rounded):.{_SHARE_DIGITS}g} %"


def _outward(value: float, limit: float, *, up: bool) -> str:
    """Return a bound rounded so that it stays one, with digits that tell it from the limit."""
    digits = _VALUE_DIGITS
    if value not in (0.0, limit):
        digits = max(digits, math.ceil(math.log10(abs(value / (value - limit)))) + 2)
    digits = min(digits, 15)
    rounding = ROUND_CEILING if up else ROUND_FLOOR
    rounded = float(Context(prec=digits, rounding=rounding).plus(Decimal(repr(value))))
    return f"{rounded:.{digits}g}"


def _at_most(each: RequirementVerdict) -> str:
    if each.verdict == "FAIL" and each.violation_lower is not None:
        return f"at least {share(each.violation_lower, up=False)}"
    if each.violation_upper is None:
        return ""
    return f"at most {share(each.violation_upper, up=True)}"


def _ordinal(level: float) -> str:
    """Return a share as a percentile: 99th, 99.7th, 1st."""
    number = f"{float(f'{100 * level:.10g}'):.10g}"
    tail = "th"
    if "." not in number and not number.endswith(("11", "12", "13")):
        tail = {"1": "st", "2": "nd", "3": "rd"}.get(number[-1], "th")
    return number + tail


def _evidence(logarithm: float) -> str:
    """Return evidence as a number; very large and very small ones by their power of ten."""
    if abs(logarithm) > 300:
        return f"1e{logarithm / math.log(10):.0f}"
    return f"{math.exp(logarithm):.3g}"


def _policy(word: str) -> str:
    return {
        "violates": "violates",
        "refuse": "makes the requirement unanswerable",
        "bounds": "is unknown",
        "unknown": "is unknown",
        "given-ok": "is left out",
    }[word]


def _json(value: float | None) -> float | None:
    """Return a number as strict JSON has it: none that is not finite."""
    return None if value is None or not math.isfinite(value) else value
