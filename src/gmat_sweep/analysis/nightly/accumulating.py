"""Evidence for requirements over nights: `accumulated` judges them as one sequence of runs.

The sequence is (night, run id), over the nights with the inputs of the last one. It is judged by
the rule ``anytime``, so the probability of a wrong PASS is at most alpha however many nights there
are and however often somebody looks. Nothing is remembered: each call reads the nights' folders.

A run whose draws an earlier run had is left out, also an earlier one with other inputs: ten nights
of the same 100 draws are 100 runs. Runs after the first planned one without an entry are not used,
nor are the nights after it: a resume of that night takes them in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.nightly.accumulation import Accumulation, NightEvidence, RunOfNight
from gmat_sweep.analysis.nightly.earlier_draws import EarlierDraws, draws_of_run
from gmat_sweep.analysis.nightly.spans import NightSweep, span_until
from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.held import read_plain
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import VERIFICATION_NAME
from gmat_sweep.plans.header import kind_of
from gmat_sweep.verdicts.chosen import CHOSEN_AFTER, Choice, verification_record
from gmat_sweep.verdicts.claims import judged
from gmat_sweep.verdicts.evidence import log_evidence_fail, log_evidence_pass
from gmat_sweep.verdicts.judging import campaign_of, in_order
from gmat_sweep.verdicts.metrics import metrics_of
from gmat_sweep.verdicts.numbers import Numbers
from gmat_sweep.verdicts.outcomes import (
    HOLDS,
    LEFT_OUT,
    VIOLATES,
    Outcomes,
    Prefix,
    design_verdict,
    drift,
    drift_refusal,
    joint_outcomes,
    outcomes,
    prefix_of,
)
from gmat_sweep.verdicts.reading import load_requirements
from gmat_sweep.verdicts.results import Verdicts

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from gmat_sweep.analysis.nightly.spans import Span
    from gmat_sweep.analysis.recorded import RecordedSweep
    from gmat_sweep.verdicts.claims import Claim
    from gmat_sweep.verdicts.requirement import Requirement, Requirements

__all__ = ["accumulated"]

_CHOICE_NIGHTS = "nights"


def accumulated(
    place: str | Path,
    requirements: Requirements | str | Path | Sequence[Requirement | Mapping[str, Any]],
    until: str | Path | None = None,
) -> Accumulation:
    """Judge requirements over the nights with the inputs of the last one.

    The first judgement of a span writes ``verification.json`` in the folder of nights: what was
    chosen before further nights were seen. Nothing else is written; see `Accumulation.write`.

    Parameters
    ----------
    place : str or Path
        The folder of nights.
    requirements : Requirements, str, Path, or sequence
        The requirements, their file, or a list of `Requirement`. Their plan does not matter: over
        nights it is ``anytime``.
    until : str or Path, optional
        The last night to count, as a name or a folder; by default the newest one.

    Returns
    -------
    Accumulation
        The verdicts, the nights that they stand on, and why the evidence began there.

    Raises
    ------
    SweepConfigError
        `place` has no nights; a requirement is no requirement, or names a column that no run has;
        an ``inputs.json`` is damaged.
    FileNotFoundError, ManifestCorruptError
        The manifest of the last night cannot be read.

    Notes
    -----
    After a restart the evidence is that of a sequence of its own, which begins at 1. Draws that
    were flown before it are no part of it: a mission that was changed until they hold has shown
    nothing by them. So frozen runs count once, with the first inputs that flew them, and what
    accumulates after a change are rotating runs, which no change can be fitted to.
    """
    asked = load_requirements(requirements)
    span = span_until(place, until)
    pieces, notes = _pieces(span, EarlierDraws(Path(place), span))
    pool = _Pool(pieces, asked)
    late, told = _chosen_late(Path(place), asked, span)
    if told:
        notes.append(f"{CHOSEN_AFTER}: {'; '.join(told)}")
    notes += _kept(Path(place), asked, span, late=bool(told))
    claims = pool.claims(late)
    repeated = int(pool.prefix.repeated_seeds.sum())
    verdict, reason, further = campaign_of(claims, late=bool(told))
    last = span.sweeps[-1]
    assert last.recorded is not None
    header = last.recorded.manifest
    verdicts = Verdicts(
        verdict=verdict,
        requirements=tuple(
            replace(claim.verdict, worst_runs=(), violating_runs=()) for claim in claims
        ),
        plan="anytime",
        manifest=last.recorded.path,
        manifest_lines=sum(1 + len(piece.recorded.entries) for piece in pieces),
        design=kind_of(header.parameter_spec),
        seed=header.sweep_seed,
        planned=sum(piece.prefix.planned for piece in pieces) - repeated,
        prefix=len(pool.prefix) - repeated,
        beyond_prefix=sum(piece.prefix.beyond for piece in pieces),
        script_sha256=header.script_sha256,
        reason=reason,
        notes=tuple(dict.fromkeys([*notes, *further])),
        chosen_after=bool(told),
    )
    return Accumulation(
        verdicts=verdicts,
        nights=tuple(dict.fromkeys(piece.sweep.night for piece in pieces)),
        restarted_because=span.restarted_because,
        history=pool.history(),
        worst={
            claim.verdict.name: pool.runs([run for run, _ in claim.verdict.worst_runs], claim)
            for claim in claims
        },
        violating={
            claim.verdict.name: pool.runs(claim.verdict.violating_runs, claim) for claim in claims
        },
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """The part of the sequence that comes from one sweep."""

    sweep: NightSweep
    recorded: RecordedSweep
    prefix: Prefix


def _pieces(span: Span, earlier: EarlierDraws) -> tuple[list[_Piece], list[str]]:
    """Return the sweeps up to the first gap, and what is to be said of them.

    A run whose draws an earlier piece has, or an earlier night, is marked as one with a repeated
    seed.
    """
    import numpy as np

    pieces: list[_Piece] = []
    notes: list[str] = []
    seen: set[object] = set()
    repeated = flown_before = 0
    for place, sweep in enumerate(span.sweeps):
        assert sweep.recorded is not None
        prefix = prefix_of(sweep.recorded)
        keys = [draws_of_run(entry) for entry in prefix.entries]
        others = earlier.among(sweep, prefix.entries)
        flown_before += int(others.sum())
        own = np.fromiter((key in seen for key in keys), bool, len(keys))
        seen.update(keys)
        notes += [f"{sweep.name}: {note}" for note in prefix.notes]
        repeated += int((own & ~others).sum())
        prefix = replace(prefix, repeated_seeds=prefix.repeated_seeds | own | others)
        pieces.append(_Piece(sweep, sweep.recorded, prefix))
        later = len(span.sweeps) - place - 1
        if prefix.missing_from is not None and later:
            notes.append(
                f"{later} later sweeps are not used until the gap is filled: `gmat-sweep resume "
                f"{sweep.folder.as_posix()}`"
            )
            break
    if repeated:
        notes.append(
            f"{_count(repeated)} with draws that an earlier night flew with the same inputs are "
            "left out: draws count once"
        )
    if flown_before:
        notes.append(
            f"{_count(flown_before)} with draws that were flown before the inputs changed are left "
            "out: a mission that was changed until they hold has shown nothing by them. Only other "
            "draws, as those of rotating runs, are evidence now"
        )
    return pieces, notes


def _count(runs: int) -> str:
    return f"{runs} run{'s' * (runs != 1)}"


class _Pool:
    """All pieces as one sequence, whose runs are numbered from 0 on."""

    def __init__(self, pieces: Sequence[_Piece], asked: Requirements) -> None:
        self._pieces, self._asked = pieces, asked
        self._measured = [each for each in asked.requirements if not each.all_of]
        self.prefix = _joined([piece.prefix for piece in pieces])
        self._starts = [0]
        for piece in pieces:
            self._starts.append(self._starts[-1] + len(piece.prefix))
        self._notes: dict[str, list[str]] = {}
        self._unreadable: dict[int, str] = {}
        self._values = self._read()
        self._found = self._outcomes()

    def claims(self, late: frozenset[str]) -> list[Claim]:
        """Judge each requirement; those in `late` were chosen after the data were seen."""
        claims = []
        for each in self._asked.requirements:
            found = self._found[each.name]
            notes = [*found.notes, *dict.fromkeys(self._notes.get(each.name, ()))]
            if each.name in late:
                notes.append(CHOSEN_AFTER)
            cannot = self._refusal(each)
            if cannot is not None:
                found = replace(found, refused=cannot)
            has_number = not each.all_of and each.reduce not in ("ok", "converged")
            numbers = self._numbers(each) if has_number else None
            claims.append(
                judged(each, found, numbers, "anytime", to_come=0, random=True, notes=tuple(notes))
            )
        return claims

    def history(self) -> tuple[NightEvidence, ...]:
        """Return what each piece added, and the evidence after it."""
        import numpy as np

        asked = self._asked.requirements
        told = []
        for number, piece in enumerate(self._pieces):
            start, end = self._starts[number], self._starts[number + 1]
            repeated = int(self.prefix.repeated_seeds[start:end].sum())
            total, violations, rare, often = {}, {}, {}, {}
            for each in asked:
                codes = self._found[each.name].codes[:end]
                counted = codes[codes != LEFT_OUT]
                n, high = len(counted), int(np.count_nonzero(counted != HOLDS))
                total[each.name] = n
                violations[each.name] = low = int(np.count_nonzero(counted == VIOLATES))
                if each.level is not None and self._found[each.name].refused is None:
                    rare[each.name] = float(log_evidence_pass(high, n, each.allowed))
                    often[each.name] = float(log_evidence_fail(low, n, each.allowed))
            told.append(
                NightEvidence(
                    name=piece.sweep.name,
                    runs=end - start - repeated,
                    repeated=repeated,
                    total=total,
                    violations=violations,
                    evidence_pass=rare,
                    evidence_fail=often,
                )
            )
        return tuple(told)

    def runs(self, places: Iterable[int], claim: Claim) -> tuple[RunOfNight, ...]:
        """Return the runs of the sequence by night and id, with their numbers."""
        import bisect
        import math

        values = self._values.get(claim.verdict.name)
        found = []
        for place in places:
            number = bisect.bisect_right(self._starts, place) - 1
            piece = self._pieces[number]
            value = None if values is None else float(values[place])
            run_id = int(piece.prefix.run_ids[place - self._starts[number]])
            shown = value if value is not None and math.isfinite(value) else None
            found.append(RunOfNight(piece.sweep.folder, piece.sweep.name, run_id, shown))
        return tuple(found)

    def _read(self) -> dict[str, NDArray[np.float64]]:
        """Read the numbers of the runs, sweep by sweep."""
        import numpy as np

        found: dict[str, list[NDArray[np.float64]]] = {each.name: [] for each in self._measured}
        for number, piece in enumerate(self._pieces):
            anchors = tuple(
                dict.fromkeys(
                    each.absolute() for each in (piece.sweep.folder, piece.recorded.folder)
                )
            )
            # The files of runs that do not count are not read.
            own = np.flatnonzero(~piece.prefix.repeated_seeds)
            entries = [piece.prefix.entries[place] for place in own]
            metrics = metrics_of(self._measured, entries, anchors)
            places = {
                entry.run_id: self._starts[number] + int(place)
                for place, entry in zip(own, entries, strict=True)
            }
            self._unreadable |= {places[run]: why for run, why in metrics.unreadable.items()}
            for name, read in metrics.numbers.items():
                values = np.full(len(piece.prefix), np.nan)
                values[own] = read
                found[name].append(values)
            for name, said in metrics.notes.items():
                self._notes.setdefault(name, []).extend(said)
        return {
            name: np.concatenate(values) if values else np.empty(0)
            for name, values in found.items()
        }

    def _outcomes(self) -> dict[str, Outcomes]:
        found: dict[str, Outcomes] = {}
        for each in in_order(self._asked):
            if each.all_of:
                found[each.name] = joint_outcomes(each, found)
            else:
                found[each.name] = replace(
                    outcomes(each, self.prefix, self._values[each.name], self._unreadable.keys()),
                    refused=self._refused_by_a_night(each),
                )
        return found

    def _refused_by_a_night(self, requirement: Requirement) -> str | None:
        """Return which runs of which night a policy ``refuse`` is about."""
        values = self._values[requirement.name]
        for number, piece in enumerate(self._pieces):
            start, end = self._starts[number], self._starts[number + 1]
            unreadable = [
                int(piece.prefix.run_ids[place - start])
                for place in self._unreadable
                if start <= place < end
            ]
            own = outcomes(requirement, piece.prefix, values[start:end], unreadable)
            if own.refused is not None:
                return f"{piece.sweep.name}: {own.refused}"
        return None

    def _refusal(self, requirement: Requirement) -> str | None:
        """Return why the nights cannot answer a requirement."""
        for piece in self._pieces:
            drifted = drift_refusal(drift(piece.recorded))
            cannot = design_verdict(piece.recorded, requirement, self._asked.sample) or drifted
            if cannot is None and kind_of(piece.recorded.manifest.parameter_spec) != "monte_carlo":
                cannot = self._not_drawn(requirement)
            if cannot is not None:
                return f"{piece.sweep.name}: {cannot}"
        return None

    def _not_drawn(self, requirement: Requirement) -> str | None:
        if requirement.level is not None:
            return None
        return (
            "what every run of a design shows is told by its own night: `gmat-sweep verify NIGHT`"
        )

    def _numbers(self, requirement: Requirement) -> Numbers:
        import numpy as np

        values = self._values[requirement.name]
        return Numbers(values, np.array([requirement.margin(each) for each in values.tolist()]))


def _joined(prefixes: Sequence[Prefix]) -> Prefix:
    """Return prefixes one after the other as one, whose runs are numbered from 0 on."""
    from collections import Counter

    import numpy as np

    kinds: Counter[str] = Counter()
    for prefix in prefixes:
        kinds.update(prefix.kinds)
    total = sum(map(len, prefixes))
    return Prefix(
        run_ids=np.arange(total, dtype=np.int64),
        entries=[entry for prefix in prefixes for entry in prefix.entries],
        ends=np.concatenate([prefix.ends for prefix in prefixes]),
        repeated_seeds=np.concatenate([prefix.repeated_seeds for prefix in prefixes]),
        flown_again=np.concatenate([prefix.flown_again for prefix in prefixes]),
        planned=total,
        late=np.empty(0, dtype=np.int64),
        kinds=dict(kinds),
    )


def _chosen_late(
    place: Path, asked: Requirements, span: Span
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the requirements that were chosen after nights of the span were seen, and what so.

    The requirements that a sweep of the span was started with count before those of the file.
    """
    chosen: Choice | None = None
    for sweep in span.sweeps:
        if sweep.recorded is not None and chosen is None:
            chosen = Choice.of(sweep.recorded.manifest, sweep.folder)
    if chosen is None:
        _, end, kept = _kept_choice(place / VERIFICATION_NAME)
        # Only if one of these nights was judged then; otherwise it was a choice for other inputs.
        chosen = kept if end >= span.sweeps[0].night.name else None
    if chosen is None:
        return frozenset(), ()
    return Choice.made(asked, "anytime").differences(replace(chosen, plan="anytime"))


def _kept(place: Path, asked: Requirements, span: Span, *, late: bool) -> list[str]:
    """Record the choice of requirements and the nights that were judged by it.

    Returns what is to be said if that fails. A later choice never replaces an earlier one.
    """
    path = place / VERIFICATION_NAME
    first, last = span.sweeps[0].night.name, span.sweeps[-1].night.name
    begin, end, kept = _kept_choice(path)
    if kept is not None and end >= first:
        if late or (begin <= first and last <= end):
            return []
        first, last = min(begin, first), max(end, last)
    record = verification_record(asked, "anytime") | {_CHOICE_NIGHTS: [first, last]}
    try:
        write_file(path, json.dumps(record, indent=1).encode() + b"\n")
    except OSError as error:
        return [f"what was chosen could not be recorded: {error.strerror or error}"]
    return []


def _kept_choice(path: Path) -> tuple[str, str, Choice | None]:
    """Return the first and the last night that were judged, and what was chosen for them."""
    try:
        record = json.loads(read_plain(path))
        begin, end = map(str, record[_CHOICE_NIGHTS])
        identities = {str(each["name"]): str(each["identity"]) for each in record["requirements"]}
    except FileNotFoundError:
        return "", "", None
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise SweepConfigError(
            f"{path}: what was chosen to be judged cannot be read ({error!r}). Restore it from a "
            "copy: without it nobody can tell which verdicts were chosen after the nights were "
            "seen."
        ) from error
    return begin, end, Choice("anytime", identities)
