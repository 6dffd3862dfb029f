"""The runs of a sweep in the order of how badly they miss a requirement: the worst first.

A run that violates the requirement because it failed comes first: no number says by how much. Next
is one that is ok and violates it without a number. All others follow by their margins. Runs that
say nothing, or are left out of the judgement, are not among them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gmat_sweep.analysis.recorded import RecordedSweep, SweepSource
from gmat_sweep.causes import headline
from gmat_sweep.disk.held import read_plain
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import VERDICTS_DATA_NAME
from gmat_sweep.printable import one_line
from gmat_sweep.verdicts.metrics import metrics
from gmat_sweep.verdicts.outcomes import (
    HOLDS,
    UNKNOWN,
    VIOLATES,
    Outcomes,
    joint_outcomes,
    outcomes,
    prefix_of,
)
from gmat_sweep.verdicts.reading import load_requirements
from gmat_sweep.verdicts.requirement import Requirement, Requirements

if TYPE_CHECKING:
    from gmat_sweep.manifest.entry import ManifestEntry
    from gmat_sweep.verdicts.metrics import Metrics
    from gmat_sweep.verdicts.outcomes import Prefix

__all__ = ["RankedRun", "RankedRuns", "judged_requirements", "worst_runs"]

_WITHOUT_MARGIN = frozenset({"ok", "converged"})
_FAILED, _MISSING, _MEASURED = range(3)


@dataclass(frozen=True, slots=True)
class RankedRun:
    """A run, and what it says of a requirement.

    Attributes
    ----------
    run_id : int
        The run.
    outcome : {"violates", "holds"}
        Whether it meets the requirement.
    value : float or None
        Its number, in the requirement's unit; None if it has none.
    margin : float or None
        By how much the number meets the limit; negative: by how much it violates it.
    why : str
        The outcome in words, such as ``violates apogee by 12.4 km: 42676.4 km``.
    """

    run_id: int
    outcome: Literal["violates", "holds"]
    value: float | None
    margin: float | None
    why: str

    @property
    def violates(self) -> bool:
        """Whether the run violates the requirement."""
        return self.outcome == "violates"


@dataclass(frozen=True, slots=True)
class RankedRuns:
    """The runs of a sweep, the worst first.

    Attributes
    ----------
    requirement : Requirement
        What they are ranked by.
    runs : tuple of RankedRun
        Failed ones that violate it, then those without a number that do, then by ascending margin.
        Of equal ones the lower run id is first. Of a requirement without a margin (``all_of``,
        ``ok``, ``converged``) only the runs that violate it.
    notes : tuple of str
        Which runs are not among them.
    """

    requirement: Requirement
    runs: tuple[RankedRun, ...]
    notes: tuple[str, ...] = ()

    @property
    def violating(self) -> tuple[RankedRun, ...]:
        """Those that violate the requirement."""
        return tuple(each for each in self.runs if each.violates)

    def of(self, run_id: int) -> RankedRun | None:
        """Return a run of these; None if it is not among them."""
        return next((each for each in self.runs if each.run_id == run_id), None)


def worst_runs(
    source: SweepSource,
    requirements: Requirements | str | Path | Sequence[Requirement | Mapping[str, Any]],
    name: str,
) -> RankedRuns:
    """Rank the runs of a sweep by how badly they miss a requirement; nothing is written.

    Parameters
    ----------
    source : str, Path, Manifest or Sweep
        A sweep folder, its manifest, or a sweep that has run.
    requirements : Requirements, str, Path, or sequence
        The requirements, their file, or a list of `Requirement`.
    name : str
        The requirement.

    Returns
    -------
    RankedRuns
        Of the runs that a judgement takes: those before the first one without an entry.

    Raises
    ------
    SweepConfigError
        There is no such requirement, or its column is in no run.
    FileNotFoundError, ManifestCorruptError
        The manifest cannot be read.
    """
    asked = load_requirements(requirements)
    try:
        requirement = asked[name]
    except KeyError:
        known = ", ".join(each.name for each in asked.requirements)
        raise SweepConfigError(
            f"there is no requirement {one_line(name)!r}; there are: {known}. Name one of these."
        ) from None
    recorded = RecordedSweep.of(source)
    prefix = prefix_of(recorded)
    parts = asked.parts(requirement)
    measured = metrics(parts, recorded, prefix.run_ids.tolist())
    found = {
        each.name: outcomes(each, prefix, measured.numbers[each.name], measured.unreadable)
        for each in parts
    }
    if requirement.all_of:
        leaves = [each.name for each in parts]
        joint = joint_outcomes(_of_parts(requirement, leaves), found)
        ranked = _by_members(prefix.entries, joint, found)
    else:
        joint = found[name]
        ranked = _by_margin(requirement, prefix.entries, joint, measured)
    return RankedRuns(requirement, tuple(ranked), _notes(prefix, joint))


def judged_requirements(manifest: Path) -> Requirements:
    """Return the requirements by which a sweep was judged last, from its ``verdicts.json``.

    Parameters
    ----------
    manifest : Path
        The manifest; the file lies beside it.

    Raises
    ------
    SweepConfigError
        There is no such file, or it does not say what the requirements are.
    """
    path = manifest.parent / VERDICTS_DATA_NAME
    instead = "Name the file of the requirements with --requirements (requirements=)."
    try:
        told = json.loads(read_plain(path))["requirements"]
        found = tuple(Requirement.from_dict(each["definition"]) for each in told)
        is_known = [each.identity for each in found] == [each["identity"] for each in told]
    except FileNotFoundError:
        raise SweepConfigError(
            f"{manifest} was not judged yet: there is no {path.name} beside it. {instead}"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SweepConfigError(
            f"{path} does not say what its requirements are ({error!r}). {instead}"
        ) from error
    if not found or not is_known:
        raise SweepConfigError(f"{path}: a requirement is not the one that was judged. {instead}")
    return Requirements(found)


def _of_parts(requirement: Requirement, names: Sequence[str]) -> Requirement:
    """Return a requirement of `all_of` as one of all that it comes down to."""
    return replace(requirement, all_of=tuple(names))


def _by_margin(
    requirement: Requirement,
    entries: Sequence[ManifestEntry],
    found: Outcomes,
    measured: Metrics,
) -> list[RankedRun]:
    values = measured.numbers[requirement.name].tolist()
    has_margin = requirement.reduce not in _WITHOUT_MARGIN
    ranked: list[tuple[tuple[float, ...], RankedRun]] = []
    for entry, code, value in zip(entries, found.codes.tolist(), values, strict=True):
        if code not in (HOLDS, VIOLATES) or (code == HOLDS and not has_margin):
            continue
        finite = entry.status == "ok" and has_margin and math.isfinite(value)
        margin = requirement.margin(value) if finite else None
        if entry.status != "ok":
            rank, why = _FAILED, f"failed: {headline(entry.stderr) or 'no cause is recorded'}"
        elif margin is None:
            if code == HOLDS:
                # Its event never came, which satisfies the requirement: it is no bad case.
                continue
            rank, why = _MISSING, _without_number(requirement, value)
        else:
            rank, why = _MEASURED, _measured(requirement, value, margin, code)
        run = RankedRun(
            entry.run_id,
            "violates" if code == VIOLATES else "holds",
            value if finite else None,
            margin,
            one_line(why),
        )
        order = (rank, margin if margin is not None else 0.0, code == HOLDS, entry.run_id)
        ranked.append((order, run))
    return [run for _, run in sorted(ranked, key=lambda each: each[0])]


def _by_members(
    entries: Sequence[ManifestEntry], joint: Outcomes, members: Mapping[str, Outcomes]
) -> list[RankedRun]:
    """Rank runs that violate requirements together: the failed first, then by how many of them."""
    ranked: list[tuple[tuple[int, ...], RankedRun]] = []
    for place, entry in enumerate(entries):
        if joint.codes[place] != VIOLATES:
            continue
        missed = [name for name, found in members.items() if found.codes[place] == VIOLATES]
        why = f"violates {', '.join(missed)}"
        if entry.status != "ok":
            why = f"failed: {headline(entry.stderr) or 'no cause is recorded'}"
        run = RankedRun(entry.run_id, "violates", None, None, one_line(why))
        ranked.append(((entry.status == "ok", -len(missed), entry.run_id), run))
    return [run for _, run in sorted(ranked, key=lambda each: each[0])]


def _without_number(requirement: Requirement, value: float) -> str:
    if requirement.reduce in _WITHOUT_MARGIN:
        return f"violates {requirement.name}"
    if math.isinf(value) and requirement.never is not None:
        return f"violates {requirement.name}: {requirement.when} never began"
    return f"violates {requirement.name}: it ended ok without the number"


def _measured(requirement: Requirement, value: float, margin: float, code: int) -> str:
    unit = f" {requirement.unit}" if requirement.unit else ""
    verb = "violates" if code == VIOLATES else "meets"
    return f"{verb} {requirement.name} by {abs(margin):.6g}{unit}: {value:.10g}{unit}"


def _notes(prefix: Prefix, found: Outcomes) -> tuple[str, ...]:
    notes = list(prefix.notes)
    if unknown := found.runs(UNKNOWN):
        count = f"{len(unknown)} run{'s say' if len(unknown) > 1 else ' says'}"
        notes.append(f"{count} nothing of the requirement, such as run {unknown[0]}")
    return tuple(notes)
