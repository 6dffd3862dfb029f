"""From runs to a sequence of outcomes: each run of a sweep holds, violates, or says nothing.

Outcomes stand in the order of the run ids. Judged is the gap-free *prefix*: every planned run
before the first that has no entry. Runs that ended beyond it do not count, because runs that fail
often take longest: whoever judges the runs that happen to be done judges the quick ones.

`prefix_of` looks at the entries once. `outcomes` then takes one requirement after another, with the
numbers of the runs, in a few operations on whole arrays.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gmat_sweep.analysis.outcomes import run_list
from gmat_sweep.draws.designs import DESIGNS
from gmat_sweep.failure_kinds import kind_of as failure_kind_of
from gmat_sweep.limits import shown
from gmat_sweep.manifest import Manifest
from gmat_sweep.manifest.drift import drift_of
from gmat_sweep.plans import planned_count, recorded_plan
from gmat_sweep.plans.header import DESIGN_KEY, kind_of
from gmat_sweep.spec import NOMINAL_RUN_ID

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gmat_sweep.analysis.recorded import RecordedSweep
    from gmat_sweep.manifest.entry import ManifestEntry
    from gmat_sweep.verdicts.requirement import Requirement

__all__ = [
    "HOLDS",
    "LEFT_OUT",
    "UNKNOWN",
    "VIOLATES",
    "Outcomes",
    "Prefix",
    "design_verdict",
    "drift",
    "drift_refusal",
    "joint_outcomes",
    "outcomes",
    "prefix_of",
]

HOLDS, VIOLATES, UNKNOWN, LEFT_OUT = 0, 1, 2, 3
"""The outcome of a run: it meets the requirement, it violates it, it says nothing (a resume may
change that), or it is no part of the sequence."""

# How a run ended, as far as every requirement sees it alike.
_OK, _MISSION, _TIMEOUT, _UNTOLD = 0, 1, 2, 3

_MONTE_CARLO = "monte_carlo"
_INDEPENDENT = "independent"
_FLOWN_AGAIN = (
    "were flown again and ended otherwise than before, once ok and once as a failure of the "
    "mission: a second try is another sample, so they say nothing"
)


@dataclass(frozen=True, slots=True)
class Prefix:
    """The planned runs before the first one without an entry, in the order of their ids.

    Attributes
    ----------
    run_ids : array of int64
        The runs.
    entries : list of ManifestEntry
        The last entry of each of `run_ids`.
    ends : array of int8
        How each run ended, for `outcomes`.
    repeated_seeds : array of bool
        Whether a run has the seed of an earlier one, and so the same draws: it is left out.
    flown_again : array of bool
        Whether a run was flown again and ended otherwise: a second try is another sample.
    planned : int
        How many runs the sweep has, extensions included.
    late : array of int64
        Runs with an entry that come after the first one without.
    missing_from : int or None
        The first planned run without an entry; None if all have one.
    kinds : dict of str to int
        How many of `run_ids` failed, by `gmat_sweep.failure_kinds.kind_of`; ``"unknown"`` for None.
    notes : tuple of str
        What a reader of a verdict should know of the sequence.
    """

    run_ids: NDArray[np.int64]
    entries: list[ManifestEntry]
    ends: NDArray[np.int8]
    repeated_seeds: NDArray[np.bool_]
    flown_again: NDArray[np.bool_]
    planned: int
    late: NDArray[np.int64]
    missing_from: int | None = None
    kinds: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return how many runs there are."""
        return len(self.run_ids)

    @property
    def beyond(self) -> int:
        """How many runs ended that come after the first one without an entry."""
        return len(self.late)

    def first(self, count: int) -> Prefix:
        """Return the prefix of the first `count` planned runs alone, as a fixed plan takes it."""
        if count >= self.planned:
            return self
        return _with_notes(
            replace(
                self,
                planned=count,
                late=self.late[self.late < count],
                missing_from=self.missing_from if len(self) < count else None,
                run_ids=self.run_ids[:count],
                entries=self.entries[:count],
                ends=self.ends[:count],
                repeated_seeds=self.repeated_seeds[:count],
                flown_again=self.flown_again[:count],
                kinds=_kinds(self.entries[:count]),
            )
        )


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What the runs of a prefix say of one requirement.

    Attributes
    ----------
    run_ids : array of int64
        The runs of the prefix.
    codes : array of int8
        `HOLDS`, `VIOLATES`, `UNKNOWN` or `LEFT_OUT` for each of them.
    refused : str or None
        Why there is no verdict at all; None if there is one.
    mission_failures, unknown_failures : int
        Runs of the prefix that failed in the mission, and otherwise.
    notes : tuple of str
        What belongs to the verdict.
    """

    run_ids: NDArray[np.int64]
    codes: NDArray[np.int8]
    refused: str | None = None
    mission_failures: int = 0
    unknown_failures: int = 0
    notes: tuple[str, ...] = ()

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Which runs of the prefix are in the sequence."""
        counted: NDArray[np.bool_] = self.codes != LEFT_OUT
        return counted

    def runs(self, code: int) -> list[int]:
        """Return the runs with an outcome, in ascending order."""
        found: list[int] = self.run_ids[self.codes == code].tolist()
        return found


def prefix_of(
    recorded: RecordedSweep, earlier: Mapping[int, Sequence[ManifestEntry]] | None = None
) -> Prefix:
    """Return the runs of a sweep that are judged.

    Parameters
    ----------
    recorded : RecordedSweep
        The sweep.
    earlier : mapping of int to sequence of ManifestEntry, optional
        For each run that was flown again, its entries before the last; read from the manifest's
        file when left out.

    Raises
    ------
    SweepConfigError
        The header's list of runs cannot be understood.
    """
    import numpy as np

    by_id = {entry.run_id: entry for entry in recorded.entries if entry.run_id != NOMINAL_RUN_ID}
    planned = _planned_ids(recorded)
    missing_from = next((run_id for run_id in planned if run_id not in by_id), None)
    ids = [run_id for run_id in planned if missing_from is None or run_id < missing_from]
    entries = [by_id[run_id] for run_id in ids]
    if earlier is None:
        earlier = _earlier_entries(recorded)
    again = {run_id for run_id in earlier if _ended_otherwise(earlier[run_id], by_id.get(run_id))}
    is_drawn = kind_of(recorded.manifest.parameter_spec) == _MONTE_CARLO
    return _with_notes(
        Prefix(
            run_ids=np.array(ids, dtype=np.int64),
            entries=entries,
            ends=np.fromiter(map(_end_of, entries), np.int8, len(entries)),
            repeated_seeds=_repeated(entries) if is_drawn else np.zeros(len(entries), bool),
            flown_again=np.fromiter((run_id in again for run_id in ids), bool, len(ids)),
            planned=len(planned),
            late=np.array(sorted(by_id.keys() - set(ids)), dtype=np.int64),
            missing_from=missing_from,
            kinds=_kinds(entries),
        )
    )


def outcomes(
    requirement: Requirement,
    prefix: Prefix,
    values: NDArray[np.float64],
    unreadable: Collection[int] = (),
) -> Outcomes:
    """Return what each run of a prefix says of a requirement.

    Parameters
    ----------
    requirement : Requirement
        One with a limit of its own; for `all_of` see `joint_outcomes`.
    prefix : Prefix
        The runs.
    values : array of float64
        The number of each run of the prefix: NaN where it is missing, infinity where the event of
        a requirement with `never` did not happen. Those of failed runs are not looked at.
    unreadable : collection of int
        Runs whose files could not be read. They say nothing, as if they had failed for it.
    """
    import numpy as np

    is_ok = prefix.ends == _OK
    if unreadable:
        is_ok &= ~np.isin(prefix.run_ids, list(unreadable))
    has_value = is_ok & np.isfinite(values)
    codes = np.full(len(prefix), UNKNOWN, np.int8)
    codes[has_value] = np.where(requirement.which_hold(values[has_value]), HOLDS, VIOLATES)
    is_missing = is_ok & ~has_value
    if requirement.never is not None:
        never = is_ok & np.isposinf(values)
        is_missing &= ~never
        codes[never] = HOLDS if requirement.never == "satisfies" else VIOLATES
    codes[is_missing] = VIOLATES
    failed = prefix.ends == _MISSION
    codes[failed] = {"violates": VIOLATES, "given-ok": LEFT_OUT}.get(requirement.failed, UNKNOWN)
    if requirement.timeout == "violates":
        codes[prefix.ends == _TIMEOUT] = VIOLATES
    codes[prefix.flown_again] = UNKNOWN
    codes[prefix.repeated_seeds] = LEFT_OUT
    asked = ~(prefix.flown_again | prefix.repeated_seeds)
    mission = prefix.kinds.get("mission", 0)
    failures = sum(prefix.kinds.values())
    return Outcomes(
        prefix.run_ids,
        codes,
        _refusal(
            requirement,
            prefix.run_ids[failed & asked].tolist(),
            prefix.run_ids[is_missing & asked].tolist(),
        ),
        mission_failures=mission,
        unknown_failures=failures - mission,
        notes=_given_ok_notes(requirement, mission, len(prefix)),
    )


def joint_outcomes(requirement: Requirement, members: Mapping[str, Outcomes]) -> Outcomes:
    """Return what each run says of requirements that must be met together.

    A run violates them if it violates one; it says nothing if one is unknown and none is violated.

    Parameters
    ----------
    requirement : Requirement
        One with `all_of`.
    members : mapping of str to Outcomes
        The outcomes of each requirement in `all_of`, by name, for one prefix.
    """
    import numpy as np

    parts = [members[name] for name in requirement.all_of]
    codes = np.stack([part.codes for part in parts])
    joint = np.full(codes.shape[1], HOLDS, np.int8)
    for code in (LEFT_OUT, UNKNOWN, VIOLATES):
        joint[(codes == code).any(axis=0)] = code
    refused = [
        f"{name}: {part.refused}"
        for name, part in zip(requirement.all_of, parts, strict=True)
        if part.refused is not None
    ]
    return replace(
        parts[0],
        codes=joint,
        refused="; ".join(refused) or None,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def design_verdict(
    recorded: RecordedSweep, requirement: Requirement, sample: str | None = None
) -> str | None:
    """Return why a sweep's design cannot answer a requirement, and what to do instead.

    Parameters
    ----------
    recorded : RecordedSweep
        The sweep.
    requirement : Requirement
        The requirement.
    sample : str, optional
        ``"independent"`` if the user says that the rows of a table are independent draws.

    Returns
    -------
    str or None
        None if the design can answer: ``every`` is a statement on the runs that were flown, which
        those of any design are.
    """
    spec = recorded.manifest.parameter_spec
    kind = kind_of(spec)
    if kind == _MONTE_CARLO or requirement.level is None:
        return None
    instead = (
        f"Fly monte_carlo with n = {_least_runs(requirement.level, requirement.alpha)} or more; "
        "here only the share of runs that meet it can be said."
    )
    if kind == "grid":
        return (
            "the points of a grid are no random draws, so they do not tell a probability. "
            f"Ask with every = true whether all of them meet it. {instead}"
        )
    if kind in DESIGNS:
        names = {"latin_hypercube": "a Latin hypercube", "sobol": "Sobol'", "halton": "Halton"}
        of = names.get(kind, kind)
        what = f"the runs of {of}" if kind == "latin_hypercube" else f"the points of {of}"
        return f"{what} are drawn together and are not independent. {instead}"
    if kind == "explicit":
        design = spec.get(DESIGN_KEY)
        if design is not None:
            return (
                f"the rows are a design of {shown(design)}, in which runs share their values, and "
                f"no independent draws. {instead}"
            )
        if sample == _INDEPENDENT:
            return None
        return (
            "nothing says that the rows of this table are independent draws. If they are, in this "
            f'order, write sample = "{_INDEPENDENT}" above the requirements. {instead}'
        )
    return f"a sweep of kind {shown(kind)} is not known here. {instead}"


def drift(recorded: RecordedSweep) -> dict[str, list[int]]:
    """Return the runs that were flown with another script, engine, hook or data than the header's.

    Returns
    -------
    dict of str to list of int
        Run ids by ``script``, ``engine``, ``hook`` and ``data``, as far as there are any.
    """
    return drift_of(recorded.manifest, recorded.entries)


def drift_refusal(drifted: Mapping[str, Sequence[int]]) -> str | None:
    """Return why runs of a sweep cannot be judged together; None without drift.

    Parameters
    ----------
    drifted : mapping of str to sequence of int
        As `drift` returns it.
    """
    if not drifted:
        return None
    told = "; ".join(
        f"another {word} in {_runs(len(run_ids))} ({run_list(run_ids)})"
        for word, run_ids in drifted.items()
    )
    return (
        f"the runs were not all flown with the same mission: {told}. Fly a new sweep, or judge "
        "them with --allow-drift (allow_drift=True) if the change does not matter."
    )


def _planned_ids(recorded: RecordedSweep) -> Sequence[int]:
    """Return the ids of all planned runs, in ascending order."""
    manifest = recorded.manifest
    if kind_of(manifest.parameter_spec) != "explicit":
        return range(planned_count(manifest))
    # The user's own ids, where runs were made by hand. Nothing reads the script that is named here.
    plan = recorded_plan(manifest, recorded.path, recorded.folder)
    return sorted(run_id for run_id in plan if run_id != NOMINAL_RUN_ID)


def _earlier_entries(recorded: RecordedSweep) -> dict[int, list[ManifestEntry]]:
    """Return the entries that a later one of the same run has replaced."""
    by_run: dict[int, list[ManifestEntry]] = {}
    for entry in Manifest.iter_entries(recorded.path):
        by_run.setdefault(entry.run_id, []).append(entry)
    return {run_id: found[:-1] for run_id, found in by_run.items() if len(found) > 1}


def _ended_otherwise(earlier: Iterable[ManifestEntry], last: ManifestEntry | None) -> bool:
    """Return whether a run has answered twice, once ok and once as a failure of the mission."""
    ends = {_end_of(entry) for entry in (*earlier, *([last] if last else []))}
    return {_OK, _MISSION} <= ends


def _end_of(entry: ManifestEntry) -> int:
    if entry.status == "ok":
        return _OK
    kind = failure_kind_of(entry)
    return {"mission": _MISSION, "timeout": _TIMEOUT}.get(kind or "", _UNTOLD)


def _repeated(entries: Sequence[ManifestEntry]) -> NDArray[np.bool_]:
    """Return which runs have the seed of an earlier one."""
    import numpy as np

    repeated = np.zeros(len(entries), bool)
    seen: set[int] = set()
    for position, entry in enumerate(entries):
        if entry.seed is not None:
            repeated[position] = entry.seed in seen
            seen.add(entry.seed)
    return repeated


def _kinds(entries: Iterable[ManifestEntry]) -> dict[str, int]:
    return dict(
        Counter(
            failure_kind_of(entry) or "unknown" for entry in entries if entry.status == "failed"
        )
    )


def _with_notes(prefix: Prefix) -> Prefix:
    notes = []
    if prefix.missing_from is not None:
        note = f"run {prefix.missing_from} has no entry, so {_runs(len(prefix))} before it count"
        if prefix.beyond:
            note += f"; {_runs(prefix.beyond)} that ended beyond it are not used"
        notes.append(note)
    for mask, said in (
        (prefix.repeated_seeds, "have the seed of an earlier run, and its draws, and are left out"),
        (
            prefix.flown_again,
            _FLOWN_AGAIN,
        ),
    ):
        run_ids = prefix.run_ids[mask].tolist()
        if run_ids:
            notes.append(f"{_runs(len(run_ids))} ({run_list(run_ids)}) {said}")
    return replace(prefix, notes=tuple(notes))


def _refusal(requirement: Requirement, failed: Sequence[int], missing: Sequence[int]) -> str | None:
    if requirement.failed == "refuse" and failed:
        return (
            f"{_runs(len(failed))} ({run_list(failed)}) failed in the mission, and failed = "
            '"refuse" asks for no verdict then'
        )
    if requirement.missing == "refuse" and missing:
        return (
            f"{_runs(len(missing))} ({run_list(missing)}) ended ok without the number, and missing "
            '= "refuse" asks for no verdict then'
        )
    return None


def _given_ok_notes(requirement: Requirement, failed: int, runs: int) -> tuple[str, ...]:
    if requirement.failed != "given-ok":
        return ()
    return (f"of the runs that are ok: {failed} of {runs} failed and say nothing",)


def _least_runs(level: float, alpha: float) -> int:
    """Return the fewest independent runs that can show a share, all of which then meet it."""
    runs = max(1, math.ceil(math.log(alpha) / math.log(level) - 1e-9))
    while level**runs > alpha * (1 + 1e-12):
        runs += 1
    return runs


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"
