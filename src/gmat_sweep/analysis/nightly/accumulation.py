"""`Accumulation`: what the nights with equal inputs show of the requirements, taken together."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.markdown import plain, table
from gmat_sweep.disk.files import write_file
from gmat_sweep.folder.layout import ACCUMULATED_DATA_NAME, ACCUMULATED_TEXT_NAME
from gmat_sweep.printable import one_line

if TYPE_CHECKING:
    from gmat_sweep.analysis.nightly.inputs import InputChange
    from gmat_sweep.verdicts.results import Verdicts

__all__ = ["Accumulation", "NightEvidence", "RunOfNight"]

_SCHEMA_VERSION = 1
_HASH_SHOWN = 12
_CHANGES_SHOWN = 6


@dataclass(frozen=True, slots=True)
class RunOfNight:
    """A run, named by its sweep.

    Attributes
    ----------
    sweep : Path
        The sweep's folder.
    name : str
        The night, and the cohort where the night has two.
    run_id : int
        The run in it.
    value : float or None
        Its number for a requirement; None if it has none.
    """

    sweep: Path
    name: str
    run_id: int
    value: float | None = None


@dataclass(frozen=True, slots=True)
class NightEvidence:
    """What a sweep of a night added, and how far the evidence was after it.

    Attributes
    ----------
    name : str
        The night, and the cohort where the night has two.
    runs : int
        Runs that count.
    repeated : int
        Runs left out because an earlier one had the same draws.
    total, violations : mapping of str to int
        By requirement: runs that count so far, and how many of them violate it.
    evidence_pass, evidence_fail : mapping of str to float
        By requirement: natural logarithms of the evidence so far; none of a requirement that is for
        every run, or that cannot be answered.
    """

    name: str
    runs: int
    repeated: int
    total: Mapping[str, int]
    violations: Mapping[str, int]
    evidence_pass: Mapping[str, float]
    evidence_fail: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Accumulation:
    """The evidence of nights in a row that were flown with equal inputs.

    Attributes
    ----------
    verdicts : Verdicts
        By the rule ``anytime`` over all runs that count. They name no runs, whose ids are those of
        several sweeps: see `worst` and `violating`.
    nights : tuple of Path
        The nights that the evidence stands on, the oldest first.
    restarted_because : tuple of InputChange
        In what the first of them differs from the night before; empty if it is the first there is.
    history : tuple of NightEvidence
        An element for each sweep, in the order in which they count.
    worst, violating : mapping of str to tuple of RunOfNight
        By requirement: the ten runs nearest to the limit or farthest beyond it, the worst first;
        and all that violate it, in their order.
    """

    verdicts: Verdicts
    nights: tuple[Path, ...]
    restarted_because: tuple[InputChange, ...] = ()
    history: tuple[NightEvidence, ...] = ()
    worst: Mapping[str, tuple[RunOfNight, ...]] = field(default_factory=dict)
    violating: Mapping[str, tuple[RunOfNight, ...]] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Since when the evidence goes on, and why it began there, in a sentence."""
        since = f"Evidence since {self.nights[0].name}" if self.nights else "No evidence"
        if not self.restarted_because:
            return f"{since}, the first night there is."
        told = [_change(each) for each in self.restarted_because[:_CHANGES_SHOWN]]
        if more := len(self.restarted_because) - len(told):
            told.append(f"and {more} more")
        return f"{since}, because inputs changed then: {'; '.join(told)}."

    def to_text(self) -> str:
        """Return the verdicts as `Verdicts.to_text`, and what they stand on."""
        runs = sum(each.runs for each in self.history)
        lines = [self.verdicts.to_text(), one_line(self.reason)]
        nights = f"{len(self.nights)} night{'s' * (len(self.nights) != 1)}"
        lines.append(f"{nights}, {runs} run{'s' * (runs != 1)} count.")
        return "\n".join(lines)

    def to_markdown(self) -> str:
        """Return the verdicts as Markdown, with a row per night and why the evidence began."""
        heads = ["night", "runs", "repeated"]
        asked = [each.name for each in self.verdicts.requirements]
        for name in asked:
            heads += [f"{name}: violations", f"{name}: evidence for", f"{name}: against"]
        rows = []
        for each in self.history:
            row = [each.name, str(each.runs), str(each.repeated)]
            for name in asked:
                told = (each.evidence_pass.get(name), each.evidence_fail.get(name))
                row += [
                    f"{each.violations.get(name, 0)} of {each.total.get(name, 0)}",
                    *("" if value is None else _evidence(value) for value in told),
                ]
            rows.append(row)
        parts = [
            "# Evidence over nights",
            plain(self.reason, 2000),
            self.verdicts.to_markdown().rstrip("\n"),
            "## Night by night",
            table(heads, rows, set(heads[1:])),
        ]
        return "\n\n".join(parts) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON; every number is finite."""
        return {
            "schema_version": _SCHEMA_VERSION,
            "verdicts": self.verdicts.to_dict(),
            "nights": [night.name for night in self.nights],
            "restarted_because": [
                {
                    "group": each.group,
                    "name": each.name,
                    "before": each.before,
                    "after": each.after,
                }
                for each in self.restarted_because
            ],
            "history": [
                {
                    "night": each.name,
                    "runs": each.runs,
                    "repeated": each.repeated,
                    "total": dict(each.total),
                    "violations": dict(each.violations),
                    "evidence_pass": _finite(each.evidence_pass),
                    "evidence_fail": _finite(each.evidence_fail),
                }
                for each in self.history
            ],
            "worst": _listed(self.worst),
            "violating": _listed(self.violating),
        }

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write ``accumulated.json`` and ``accumulated.md`` in a folder, and return their paths.

        Parameters
        ----------
        folder : Path
            Where to, such as the last of the nights.

        Raises
        ------
        DurabilityError, NotPlainFileError
            They could not be written.
        """
        data, text = folder / ACCUMULATED_DATA_NAME, folder / ACCUMULATED_TEXT_NAME
        record = json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        write_file(data, record.encode())
        write_file(text, self.to_markdown().encode())
        return data, text


def _change(change: InputChange) -> str:
    def shown(value: str | None) -> str:
        if value is None:
            return "none"
        is_hash = len(value) == 64 and value.isalnum()
        return value[:_HASH_SHOWN] if is_hash else value

    return f"{change.group} {change.name} ({shown(change.before)} to {shown(change.after)})"


def _evidence(logarithm: float) -> str:
    return f"{math.exp(logarithm):.3g}" if abs(logarithm) < 300 else f"e{logarithm:.0f}"


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _listed(runs: Mapping[str, tuple[RunOfNight, ...]]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [{"night": each.name, "run_id": each.run_id, "value": each.value} for each in found]
        for name, found in runs.items()
    }
